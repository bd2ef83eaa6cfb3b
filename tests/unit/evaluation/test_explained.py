"""Answers of known worth are counted right, and floors are floors."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.datasets.explained_fakes import Alteration, answers_of
from facewitness.errors import ConfigError
from facewitness.evaluation.explained import QUESTION, Rate, examine, majority_answers, score_explanations
from facewitness.language.models import Answer

TRUTHS = [
    Alteration("colour", "nose", 0.5),
    Alteration("boundary", "mouth", 0.5),
    Alteration("resampling", "nose", 0.5),
    Alteration("none"),
]
TEXTS = [
    "This face is fake: the colour of the nose does not fit the face.",  # all right
    "This face is fake: a boundary runs around the nose.",  # kind right, region wrong
    "The nose and the mouth are fake.",  # verdict right, two regions, no kind
    "The face is fake.",  # nothing right, nothing to read
]


class Stub:
    """Tells pictures apart by their first pixel, and says one thing about those that are blank."""

    def __init__(self, texts, of_blank):
        self.texts, self.of_blank, self.asked = texts, of_blank, []

    def answers(self, images, questions):
        self.asked.append(len(images))
        assert set(questions) == {QUESTION}
        texts = [self.of_blank if image.std() == 0 else self.texts[image[0, 0, 0]] for image in images]
        return [Answer(text, "stub", "stop", 6, 2.0) for text in texts]


def pictures(count):
    made = [np.zeros((4, 4, 3), np.uint8) for _ in range(count)]
    for number, picture in enumerate(made):
        picture[0, 0, 0] = number
        picture[1, 1] = 99
    return made


def test_counts():
    scores = score_explanations(TRUTHS, TEXTS)
    assert (scores.region, scores.kind) == (Rate(1, 3), Rate(2, 4))
    assert (scores.both, scores.verdict) == (Rate(1, 3), Rate(3, 4))
    assert scores.unread == 2


def test_the_commonest_answer_of_the_training_data_is_the_floor():
    train = [Alteration("colour", "nose", 0.1), Alteration("boundary", "nose", 0.1), Alteration("none")] * 2
    train += [Alteration("none"), Alteration("colour", "mouth", 0.1)]
    region, kind = majority_answers(train, TRUTHS)
    assert (region, kind) == (Rate(2, 3), Rate(1, 4))  # the nose; colour before none, by name
    with pytest.raises(ConfigError, match="no altered face"):
        majority_answers([Alteration("none")], TRUTHS)


def test_a_model_is_asked_about_pictures_and_about_blanks():
    stub = Stub(TEXTS, "The face is fake: a boundary runs around the mouth.")
    report = examine(stub, pictures(4), TRUTHS, TRUTHS, identities=2, batch=3)
    assert stub.asked == [3, 1, 3, 1]
    assert report.seen == score_explanations(TRUTHS, TEXTS)
    assert (report.blanked.region, report.blanked.kind) == (Rate(1, 3), Rate(1, 4))
    assert report.tokens_per_second == pytest.approx(4 * 6 / 4.0)  # a batch takes its seconds once
    assert not report.beats_floors
    assert "1 of 3" in str(report)
    assert "not clearly above" in str(report)
    assert report.to_dict()["seen"]["unread"] == 2


def test_a_model_that_looks_beats_the_floors_and_one_that_guesses_does_not():
    truths = [
        Alteration("colour", ("nose", "mouth", "jaw")[n % 3], 0.5) if n % 4 else Alteration("none") for n in range(60)
    ]
    right = [answers_of(one, "open")[0] for one in truths]
    looking = examine(Stub(right, right[1]), pictures(60), truths, truths, identities=9)
    assert looking.seen.region == Rate(45, 45)
    assert looking.beats_floors
    guessing = examine(Stub([right[1]] * 60, right[1]), pictures(60), truths, truths, identities=9)
    assert guessing.seen == guessing.blanked
    assert not guessing.beats_floors


def test_answers_must_go_with_faces():
    with pytest.raises(ConfigError, match="3 answers about 4 faces"):
        score_explanations(TRUTHS, TEXTS[:3])
    with pytest.raises(ConfigError, match="0 answers"):
        score_explanations([], [])
