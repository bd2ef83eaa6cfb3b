"""The rules from frame scores to verdicts."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.records import FaceObservation, FaceTrack, Finding, OperatingPoint, Verdict, VerdictLabel
from facewitness.verdicts import (
    cautions,
    choose_operating_point,
    judge,
    judge_file,
    pool_scores,
    shift_score,
    unless_it_flips,
)

POINT = OperatingPoint(0.8, 0.05, "validation faces", 0.3)


def face(track_id, scores, *, side=200.0, presence=0.99, score=None):
    """A track whose frames scored as given (None: not scored)."""
    box = np.array([0, 0, side, side], np.float32)
    seen = tuple(
        FaceObservation(i, i / 10, box, np.zeros((68, 2), np.float32), presence, s) for i, s in enumerate(scores)
    )
    kept = [s for s in scores if s is not None]
    if not kept:
        return FaceTrack(track_id, seen, (), Verdict(VerdictLabel.NOT_SCORED, None, "too small"))
    return FaceTrack(track_id, seen, (), judge(pool_scores(kept) if score is None else score, POINT))


def test_pooling_is_the_mean_of_log_odds():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.01, 0.99, 20)
    odds = np.log(scores / (1 - scores))
    assert pool_scores(scores.tolist()) == pytest.approx(1 / (1 + np.exp(-odds.mean())), abs=1e-12)


def test_pooling_one_score_and_the_ends():
    assert pool_scores([0.123456789]) == 0.123456789
    assert pool_scores([0.0, 1.0]) == pytest.approx(0.5)
    assert 0.999 < pool_scores([1.0, 1.0]) < 1.0
    for bad in ([], [float("nan")], [1.2]):
        with pytest.raises(ValueError, match=r"at least one score in \[0, 1\]"):
            pool_scores(bad)


def test_pooling_keeps_order_and_one_outlier_does_not_decide():
    assert pool_scores([0.1] * 9 + [1.0]) < 0.5 < pool_scores([0.9] * 9 + [0.0])
    assert pool_scores([0.2, 0.4, 0.7]) == pytest.approx(pool_scores([0.7, 0.2, 0.4]))


def test_shift_moves_by_the_mean_change():
    assert shift_score(0.7, [0.7], [0.2]) == 0.2
    assert shift_score(0.6, [0.5, 0.9], [0.5, 0.9]) == pytest.approx(0.6)
    assert shift_score(0.6, [0.5, 0.9], [0.3, 0.8]) < 0.6
    with pytest.raises(ValueError, match="got 1 and 2"):
        shift_score(0.5, [0.5], [0.5, 0.5])


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (0.8, VerdictLabel.FAKE),
        (0.7999, VerdictLabel.UNCERTAIN),
        (0.3, VerdictLabel.UNCERTAIN),
        (0.2999, VerdictLabel.REAL),
    ],
)
def test_labels_at_the_lines(score, label):
    verdict = judge(score, POINT)
    assert (verdict.label, verdict.score, verdict.operating_point) == (label, score, POINT)


def test_reasons_say_the_line_and_its_rate():
    assert judge(0.9, POINT).reason == (
        "score 0.90 is at or above 0.80, which 5 % of real faces reach in its comparison set"
    )
    assert "no trace that this detector knows" in judge(0.1, POINT).reason
    assert "between 0.30 and 0.80" in judge(0.5, POINT).reason


def test_without_an_operating_point_nothing_is_claimed():
    verdict = judge(0.99, None)
    assert verdict.label is VerdictLabel.UNCERTAIN
    assert "no measured operating point" in verdict.reason


def test_operating_points_by_name():
    known = {"fpr=0.05": POINT}
    assert choose_operating_point("fpr=0.05", known) is POINT
    assert choose_operating_point("fpr=0.050", known) is POINT
    assert choose_operating_point("fpr=0.01", {}) is None
    own = choose_operating_point("threshold=0.7", known)
    assert (own.threshold, own.lower_threshold, math.isnan(own.false_positive_rate)) == (0.7, 0.7, True)
    assert judge(0.7, own).reason.endswith("the threshold given by the caller")
    with pytest.raises(ConfigError, match=r"no operating point 'fpr=0.02'; they have fpr=0.05"):
        choose_operating_point("fpr=0.02", known)
    for bad in ("0.05", "fpr", "fpr=", "fpr=2", "tpr=0.5", "fpr=nan"):
        with pytest.raises(ConfigError, match="operating point must be"):
            choose_operating_point(bad, known)


def test_file_takes_the_highest_well_covered_face():
    verdict = judge_file([face(1, [0.1] * 30), face(2, [0.9] * 20)], 30)
    assert verdict.label is VerdictLabel.FAKE
    assert verdict.reason.startswith("face 2 of 2 scores highest: score 0.90")


def test_a_face_of_two_frames_does_not_decide_a_clip():
    fleeting = face(2, [0.99, 0.99])
    assert judge_file([face(1, [0.1] * 30), fleeting], 30).label is VerdictLabel.REAL
    assert judge_file([fleeting], 30).label is VerdictLabel.FAKE  # nobody else is there
    assert judge_file([fleeting, face(3, [0.1])], 30).label is VerdictLabel.FAKE  # seen more often


def test_a_picture_needs_one_frame_only():
    assert judge_file([face(1, [0.1]), face(2, [0.95])], 1).label is VerdictLabel.FAKE


def test_not_scored_has_its_reason():
    assert judge_file([], 1).reason == "no face was found in the picture"
    assert judge_file([], 32).reason == "no face was found in any of 32 sampled frames"
    assert judge_file([face(1, [None])], 1).reason == "too small"
    assert judge_file([face(1, [None])], 1).label is VerdictLabel.NOT_SCORED


def test_cautions():
    fake = judge(0.9, POINT)
    assert cautions([face(1, [0.1])], judge(0.1, POINT)) == []
    assert "the largest is 50 pixels" in cautions([face(1, [0.1], side=50.0)], judge(0.1, POINT))[0]
    assert "unsure of a face" in cautions([face(1, [0.1], presence=0.55)], judge(0.1, POINT))[0]
    assert "the highest of 2 faces decides" in cautions([face(1, [0.1]), face(2, [0.9])], fake)[0]
    assert cautions([face(1, [0.9]), face(2, [None])], fake) == ["1 of 2 faces were too small to be scored"]


def test_a_part_of_a_video_that_scores_as_fake_is_pointed_out():
    def told(scores):
        track = face(7, scores)
        return cautions([track], track.verdict)

    assert told([0.05] * 10 + [0.9] * 5 + [None] + [0.9] + [0.05] * 4) == [
        "face 7 reaches the FAKE line in 6 frames on end, from 1.0 s to 1.6 s; look at that part by itself"
    ]
    assert told([0.05] * 10 + [0.9] * 2) == []
    assert told([0.05] * 60 + [0.9] * 5) == []  # under a tenth of the frames
    assert told([0.1, 0.9] * 10) == []
    assert told([0.9] * 5 + [0.5]) == []  # FAKE as a whole


def test_a_verdict_that_a_harmless_change_tips_is_said_to_be_unstable():
    def with_checks(track, **stability):
        finding = Finding("d", track.verdict.score, True, stability=stability)
        return dataclasses.replace(track, findings=(finding,))

    fake = judge(0.9, POINT)
    steady, shaky = {"jpeg_q75": 0.85}, {"jpeg_q75": 0.85, "scale_0.5": 0.5}
    assert cautions([with_checks(face(1, [0.9]), **steady)], fake) == []
    assert cautions([with_checks(face(1, [0.9]), **shaky)], fake) == [
        "the verdict is not stable: 0.50, UNCERTAIN, with the picture shrunk to half and enlarged again"
    ]
    other = cautions([with_checks(face(1, [0.1]), **shaky), with_checks(face(2, [0.9]), **steady)], fake)
    assert not any("stable" in line for line in other)  # the face that does not decide may do as it likes


def test_only_the_opposite_takes_a_verdict_back():
    fake, real, unsure = judge(0.9, POINT), judge(0.1, POINT), judge(0.5, POINT)
    assert unless_it_flips(fake, {"jpeg_q75": 0.5, "scale_0.5": 0.85}) is fake
    assert unless_it_flips(real, {"jpeg_q75": 0.5}) is real
    assert unless_it_flips(unsure, {"jpeg_q75": 0.05, "scale_0.5": 0.95}) is unsure
    assert unless_it_flips(fake, {}) is fake
    moved = unless_it_flips(real, {"jpeg_q75": 0.85, "scale_0.5": 0.95, "noise_2": 0.1})
    assert (moved.label, moved.score, moved.operating_point) == (VerdictLabel.UNCERTAIN, 0.1, POINT)
    assert moved.reason.startswith("REAL alone, but FAKE, 0.95, with the picture shrunk to half and enlarged again (1 ")
    assert unless_it_flips(judge(0.9, None), {"jpeg_q75": 0.1}).label is VerdictLabel.UNCERTAIN


def test_a_face_that_was_taken_back_hides_no_other():
    shaky = dataclasses.replace(face(1, [0.95]), verdict=unless_it_flips(judge(0.95, POINT), {"jpeg_q75": 0.0}))
    steady, real = face(2, [0.9]), face(3, [0.1])
    verdict = judge_file([shaky, steady, real], 1)
    assert (verdict.label, verdict.score) == (VerdictLabel.FAKE, 0.9)
    assert verdict.reason.startswith("face 2 of 3 decides: score 0.90 is at or above")
    doubted = dataclasses.replace(real, verdict=unless_it_flips(judge(0.1, POINT), {"jpeg_q75": 0.9}))
    assert judge_file([face(1, [0.2]), doubted], 1).label is VerdictLabel.UNCERTAIN


def test_scores_beside_a_line_are_printed_on_their_side():
    assert judge(0.7999, POINT).reason.startswith("score 0.7999 lies between 0.30 and 0.8000,")
    assert judge(0.2999, POINT).reason.startswith("score 0.2999 is below 0.3000:")
