"""Alterations are where and what they say, and answers in every wording are read as what was done."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from facewitness.datasets.demo_faces import draw_face
from facewitness.datasets.demo_people import DemoFace, DemoScene
from facewitness.datasets.explained_fakes import (
    KINDS,
    PAIRED,
    QUESTIONS,
    REGION_PARTS,
    Alteration,
    alter,
    answers_of,
    ask_about,
    draw_alteration,
    region_weight,
)
from facewitness.errors import ConfigError
from facewitness.evaluation.explained import read_explanation
from facewitness.faces.finder import FaceFinder
from facewitness.faces.regions import region_polygons, region_strengths
from facewitness.language.answers import parse_answer
from facewitness.language.kind_names import named_kinds
from facewitness.language.region_names import GROUP_OF_REGION, named_regions
from facewitness.records import Label

SIDE = 192
EVERY = [
    Alteration(kind, region, strength, "left" if kind == "asymmetry" else "")
    for kind, region, strength in itertools.product(KINDS[1:], REGION_PARTS, (0.0, 1.0))
    if kind != "asymmetry" or region in PAIRED
]


@pytest.fixture(scope="module")
def drawn():
    """A drawn face and its mesh."""
    rng = np.random.default_rng(3)
    image = draw_face(DemoFace.draw(rng), DemoScene.draw(rng), SIDE)
    (found,) = FaceFinder(threads=1).find(image)
    return image, found.mesh


def named(alteration):
    return f"{alteration.kind} {alteration.region} {alteration.strength}"


@pytest.mark.parametrize("alteration", EVERY, ids=named)
def test_the_pixels_that_change_are_those_of_the_named_region(drawn, alteration):
    image, mesh = drawn
    made = alter(image, mesh, alteration, np.random.default_rng(0), losses=None)
    change = np.abs(made.image.astype(np.float32) - image).max(-1)
    assert change.max() >= 4
    assert not change[made.weight == 0].any()
    heat = np.minimum(change / change.max(), 1).astype(np.float32)
    around = region_weight(mesh, alteration.parts, image.shape[:2])
    assert heat[around > 0.01].sum() > 0.99 * heat.sum()
    strongest = region_strengths(around, region_polygons(mesh), SIDE)[0].name
    assert strongest in alteration.parts
    if alteration.kind == "boundary":
        assert 0.3 < around[made.weight > 0.9].min() < around[made.weight > 0.9].max() < 0.7  # along the outline
    else:
        assert np.array_equal(made.weight, around)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_more_strength_changes_more(drawn, kind):
    image, mesh = drawn

    def change(strength):
        done = Alteration(kind, "eyes", strength, "left" if kind == "asymmetry" else "")
        made = alter(image, mesh, done, np.random.default_rng(0), losses=None)
        return np.abs(made.image.astype(float) - image).mean()

    assert change(1.0) > 1.1 * change(0.0)


def test_one_side_alone_is_moved(drawn):
    image, mesh = drawn
    for side, other in (("left", "right"), ("right", "left")):
        made = alter(image, mesh, Alteration("asymmetry", "eyes", 1.0, side), np.random.default_rng(0), losses=None)
        strengths = {s.name: s.strength for s in region_strengths(made.weight, region_polygons(mesh), SIDE)}
        assert strengths[f"{side}_eye"] > 0.9
        assert strengths[f"{other}_eye"] < 0.01


def test_a_resampled_region_has_less_detail(drawn):
    image, mesh = drawn
    made = alter(image, mesh, Alteration("resampling", "eyes", 0.5), np.random.default_rng(0), losses=None)
    inside = made.weight > 0.9

    def detail(picture):
        return np.abs(np.diff(picture.astype(float), axis=1)).mean(-1)[inside[:, 1:]].mean()

    assert detail(made.image) < 0.8 * detail(image)


def test_nothing_is_done_to_an_unaltered_face_but_the_common_losses(drawn):
    image, mesh = drawn
    plain = alter(image, mesh, Alteration("none"), np.random.default_rng(0), losses=None)
    assert np.array_equal(plain.image, image)
    assert not plain.weight.any()
    assert any(
        not np.array_equal(alter(image, mesh, Alteration("none"), np.random.default_rng(n)).image, image)
        for n in range(4)
    )


def test_the_seed_decides_everything(drawn):
    first, second, third = (_whole(drawn, seed) for seed in (5, 5, 6))
    assert first[0] == second[0] != third[0]
    assert np.array_equal(first[1], second[1])


def _whole(drawn, seed):
    rng = np.random.default_rng(seed)
    done = draw_alteration(rng)
    made = alter(*drawn, done, rng)
    return (done, ask_about(done, "open", rng)), made.image


def test_kinds_and_regions_come_equally_often():
    rng = np.random.default_rng(0)
    drawn = [draw_alteration(rng) for _ in range(3000)]
    kinds = [sum(one.kind == kind for one in drawn) for kind in KINDS]
    assert min(kinds) > 500
    mouth = sum(one.kind == "colour" and one.region == "mouth" for one in drawn)
    assert 50 < mouth < 130


@pytest.mark.parametrize("alteration", EVERY, ids=named)
def test_every_wording_is_read_as_what_was_done(alteration):
    for text in answers_of(alteration, "open"):
        said = read_explanation(text)
        assert (said.kind, said.region, said.verdict) == (alteration.kind, alteration.region, Label.FAKE), text
    for text in answers_of(alteration, "place"):
        assert named_regions(text) == {alteration.region}, text
        assert not named_kinds(text), text
    for text in answers_of(alteration, "kind"):
        assert (named_regions(text), named_kinds(text)) == ({alteration.region}, {alteration.kind}), text


@pytest.mark.parametrize("form", ["open", "place", "kind"])
def test_unaltered_faces_are_called_real_in_every_wording(form):
    for text in answers_of(Alteration("none"), form):
        assert read_explanation(text).kind == "none", text


def test_questions_about_a_part_are_answered_for_that_part():
    rng = np.random.default_rng(1)
    yes = 0
    for done in [Alteration("boundary", "cheeks", 0.5), Alteration("none")] * 60:
        asked = ask_about(done, "part", rng)
        (part,) = named_regions(asked.question)
        assert asked.answer.startswith("Yes" if part == done.region else "No")
        assert named_regions(asked.answer) == {part}
        yes += asked.answer.startswith("Yes")
    assert 18 <= yes <= 42


def test_no_question_says_the_answer():
    for questions in QUESTIONS.values():
        assert all(parse_answer(question) is None and not named_kinds(question) for question in questions)


def test_further_wordings_are_asked_as_well():
    rng = np.random.default_rng(0)
    asked = {ask_about(Alteration("none"), "open", rng, more=("And?",)).question for _ in range(60)}
    assert asked == {*QUESTIONS["open"], "And?"}


def test_regions_are_those_that_texts_are_read_for():
    assert {part: name for name, parts in REGION_PARTS.items() for part in parts} == GROUP_OF_REGION


@pytest.mark.parametrize(
    "wrong",
    [
        ("colour",),
        ("none", "nose"),
        ("colour", "chin", 0.5),
        ("colour", "nose", 1.5),
        ("asymmetry", "eyes", 0.5),
        ("asymmetry", "nose", 0.5, "left"),
        ("colour", "eyes", 0.5, "left"),
        ("swap", "nose", 0.5),
    ],
)
def test_what_does_not_go_together_is_refused(wrong):
    with pytest.raises(ConfigError, match="expected one of none, colour"):
        Alteration(*wrong)
