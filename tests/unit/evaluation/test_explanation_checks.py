"""Sanity checks of explanations, on stub models that look, do not look, or say what they are told."""

import json
import math

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.evaluation.explanation_checks import (
    CheckItem,
    blank,
    check_agreement,
    check_claims,
    check_explanations,
    check_picture_use,
    check_regions,
    first_answers,
)
from facewitness.records import Label

ASKED = "Does this face look real or fake?"


def looks(image, question):
    """Calls faces with a bright left half fake at the eyes, the others real at the mouth; blanks are neither."""
    left, right = image[:, : image.shape[1] // 2].mean(), image[:, image.shape[1] // 2 :].mean()
    if abs(left - right) < 1:
        return "I cannot tell."
    return "The image is fake: the eyes are blurry." if left > right else "The image is real; see the mouth."


def blind(image, question):
    return "The image is fake: the eyes are blurry."


def told(image, question):
    return f"The image is {'real' if 'is real' in question else 'fake'}."


def face(fake, size=8):
    image = np.zeros((size, size, 3), np.uint8)
    half = image[:, : size // 2] if fake else image[:, size // 2 :]
    half[:] = 200
    return image


def items(answer, count=6):
    """Fakes and reals in turn, of different sizes."""
    return [
        CheckItem(
            face(i % 2 == 0, 8 + 2 * i),
            ASKED,
            answer,
            verdict=Label.FAKE if i % 2 == 0 else Label.REAL,
            regions=("left_eye", "right_eye") if i % 2 == 0 else ("mouth",),
        )
        for i in range(count)
    ]


def rng():
    return np.random.default_rng(0)


def test_a_model_that_looks():
    found = check_explanations(items(looks), rng=rng())
    assert found.items == 6
    assert found.picture.repeated.texts == 0.0
    assert found.picture.repeated.similarity == pytest.approx(1.0)
    assert (found.picture.blanked.texts, found.picture.blanked.verdicts) == (1.0, 1.0)
    assert 0 < found.picture.swapped.texts == found.picture.swapped.verdicts
    assert (found.agreement.agreeing, found.agreement.stated, found.agreement.unparsable) == (1.0, 6, 0)
    assert found.regions.named.f1 == 1.0
    assert found.regions.by_chance.f1 < 1.0
    assert found.claims.turned == 0.0
    assert (found.claims.neutral_real, found.claims.neutral_fake) == (0.5, 0.5)
    assert (found.claims.follows_real, found.claims.follows_fake) == (0.5, 0.5)
    json.dumps(found.to_dict())


def test_a_blind_model():
    found = check_explanations(items(blind), rng=rng())
    assert found.picture.blanked.texts == found.picture.swapped.texts == 0.0
    assert found.picture.swapped.similarity == pytest.approx(1.0)
    assert found.agreement.agreeing == 0.5
    assert found.regions.named.precision == found.regions.by_chance.precision == 0.5
    assert (found.claims.follows_fake, found.claims.follows_real) == (1.0, 0.0)


def test_a_model_that_says_what_it_is_told():
    claims = check_claims(items(told), first_answers(items(told)))
    assert (claims.turned, claims.follows_real, claims.follows_fake, claims.neutral_real) == (1.0, 1.0, 1.0, 0.0)


def test_chance_alone_shows_in_the_repetition():
    said = iter(range(100))
    moody = [CheckItem(face(True), ASKED, lambda image, question: f"word{next(said)}") for _ in range(3)]
    found = check_picture_use(moody, first_answers(moody), rng=rng())
    assert found.repeated.texts == 1.0
    assert found.repeated.verdicts == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_swapped_pictures_are_others_in_the_own_size(seed):
    seen = []

    def note(image, question):
        seen.append((image.shape, int(image[0, 0, 0])))
        return "x"

    several = [CheckItem(np.full((4 + i, 5 + i, 3), i * 10, np.uint8), ASKED, note) for i in range(4)]
    check_picture_use(several, ["x"] * 4, rng=np.random.default_rng(seed))
    swapped = seen[-4:]
    assert [shape for shape, _ in swapped] == [one.image.shape for one in several]
    values = [value for _, value in swapped]
    assert sorted(values) == [0, 10, 20, 30]
    assert all(value != i * 10 for i, value in enumerate(values))


def test_faces_without_a_verdict_or_a_heatmap_are_left_out():
    some = [CheckItem(face(True), ASKED, looks), CheckItem(face(True), ASKED, looks, verdict=Label.REAL)]
    found = check_agreement(some, ["The image is fake.", "No idea."])
    assert (found.stated, found.unparsable, found.undecided) == (0, 1, 1)
    assert math.isnan(found.agreeing)
    alone = check_explanations(some[:1], rng=rng())
    assert (alone.picture, alone.agreement, alone.regions) == (None, None, None)
    with pytest.raises(ConfigError, match="at least two faces"):
        check_regions(some, ["a", "b"], rng=rng())
    with pytest.raises(ConfigError, match="at least one face"):
        check_explanations([], rng=rng())


def test_skin_counts_neither_for_nor_against_a_heatmap():
    two = items(looks, 2)
    found = check_regions(two, ["The skin, the hair and an eye.", "Lips."], rng=rng())
    assert found.named.precision == found.named.recall == 1.0


def test_blank_keeps_size_and_mean():
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    made = blank(image)
    assert made.shape == image.shape
    assert np.abs(made[0, 0].astype(float) - image.mean(axis=(0, 1))).max() < 1
    assert (made == made[0, 0]).all()
    made[0, 0] = 0  # the model may write into it
