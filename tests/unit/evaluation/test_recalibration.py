"""Recalibration: videos count once, folds keep identities together, figures are those of fresh data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from facewitness.errors import ConfigError
from facewitness.evaluation.recalibration import FrameScores, _dealt, recalibrate, updated_record
from facewitness.evaluation.score_table import ScoreTable
from facewitness.records import OperatingPoint
from facewitness.verdicts import pool_scores
from facewitness.weights import WeightsRecord


def rng():
    return np.random.default_rng(0)


def made_table(videos=200, frames=4, sureness=3.0, seed=0):
    """Videos whose log-odds are ``sureness`` times what the labels bear out; each identity has two videos."""
    draw = np.random.default_rng(seed)
    rows = []
    for video in range(videos):
        label = video % 2
        true_logit = draw.normal(1.0 * (2 * label - 1), np.sqrt(2.0))  # unit temperature is right for these
        for frame in range(frames):
            score = float(expit(sureness * true_logit))
            rows.append(
                {
                    "video_id": f"v{video}", "dataset": "made", "label": label, "identity": f"p{video // 2}",
                    "frame_index": frame, "score": score, "manipulation": "swap" if label else "",
                }
            )  # fmt: skip
    return ScoreTable.from_rows(rows)


def test_temperature_is_found_again_and_the_figures_show_it():
    frames = FrameScores.of_table(made_table(1200, frames=2))
    made = recalibrate(frames, "temperature", fitted_on="made up", conformal_errors=(0.1,), rng=rng())
    assert 1 / made.calibration.scale == pytest.approx(3.0, rel=0.15)
    assert made.figures["ece_before"] > 0.1
    assert made.figures["ece_after"] < 0.05
    for name in ("brier", "nll", "ece_mass"):
        assert made.figures[f"{name}_after"] < made.figures[f"{name}_before"]
    for name in ("wrong_real 0.1", "wrong_fake 0.1"):
        assert made.figures[name] == pytest.approx(0.1, abs=0.03)
    assert 0.05 < made.figures["unanswered 0.1"] < 0.6
    assert (made.reals, made.fakes) == (600, 600)
    assert set(made.points) == {"fpr=0.01", "fpr=0.05", "error=0.1"}
    assert made.points["error=0.1"].chosen_on == "600 real and 600 fake videos of made up"
    assert made.calibration.errors["ece_after"] == pytest.approx(made.figures["ece_after"], abs=1e-6)


def test_lines_lie_on_the_calibrated_scores():
    """About one real video in twenty reaches fpr=0.05 after the map that goes with it."""
    frames = FrameScores.of_table(made_table(600))
    made = recalibrate(frames, "platt", fitted_on="x", rng=rng())
    scores, labels = frames.pooled(made.calibration)
    reached = (scores[labels == 0] >= made.points["fpr=0.05"].threshold).mean()
    assert 0.03 < reached <= 0.05


def test_videos_are_pooled_as_analyze_pools():
    table = ScoreTable.from_rows(
        [{"video_id": "a", "label": 1, "score": s, "frame_index": i} for i, s in enumerate((0.2, 0.9, 0.99))]
        + [{"video_id": "a", "label": 1, "score": 0.97, "frame_index": 0, "face_index": 1}]
        + [{"video_id": "b", "label": 0, "score": 0.4}]
    )
    scores, labels = FrameScores.of_table(table).pooled()
    np.testing.assert_allclose(scores, [pool_scores([0.97, 0.9, 0.99]), 0.4])
    assert labels.tolist() == [1, 0]


def test_folds_keep_identities_together():
    frames = FrameScores.of_table(made_table(60))
    fold = _dealt(frames, 5, rng())
    assert sorted(np.unique(fold)) == [0, 1, 2, 3, 4]
    for owner in np.unique(frames.owners):
        assert np.unique(fold[frames.owners == owner]).size == 1


def test_what_cannot_be_had_is_named():
    frames = FrameScores.of_table(made_table(40))
    made = recalibrate(frames, "temperature", fitted_on="x", rng=rng())
    assert set(made.points) == {"fpr=0.05"}
    assert "at least 99 reals, got 20" in made.left_out[0]
    with pytest.raises(ConfigError, match="at least 99 reals"):
        recalibrate(frames, "temperature", fitted_on="x", fprs=(0.01,), rng=rng())
    one = FrameScores.of_table(ScoreTable.from_columns({"video_id": ["a", "b"], "label": [0, 1], "score": [0.1, 0.9]}))
    with pytest.raises(ConfigError, match="at least 2 identities"):
        recalibrate(one, "platt", fitted_on="x", rng=rng())
    logits = ScoreTable.from_columns({"video_id": ["a", "b"], "label": [0, 1], "score": [-3.0, 9.0]})
    with pytest.raises(ConfigError, match=r"P\(fake\)"):
        FrameScores.of_table(logits)


def test_without_a_map_scores_stay():
    frames = FrameScores.of_table(made_table(100))
    made = recalibrate(frames, None, fitted_on="x", conformal_errors=(0.1,), rng=rng())
    assert made.calibration is None
    assert made.figures["ece_before"] == made.figures["ece_after"]
    old = WeightsRecord("a.onnx", "0", "laa_net", "mine", calibration={"score": {"kept": 1}})
    assert updated_record(old, made, "a.onnx").calibration == old.calibration


def test_a_record_gets_the_map_once_and_loses_its_old_lines():
    made = recalibrate(FrameScores.of_table(made_table(100)), "temperature", fitted_on="x", rng=rng())
    old = WeightsRecord(
        "a.onnx", "0", "laa_net_lite", "mine",
        calibration={"blended": {"scale": 1.0, "bias": 0.0}},
        operating_points={"fpr=0.02": dataclasses.asdict(OperatingPoint(0.5, 0.02, "old", 0.2))},
        metrics={"self_test": {"seed": 3, "expected": 0.9}, "auc": 0.8},
    )  # fmt: skip
    new = updated_record(old, made, "b.onnx")
    assert (new.file, set(new.calibration), set(new.points())) == ("b.onnx", {"blended", "score"}, {"fpr=0.05"})
    assert new.metrics["auc"] == 0.8
    assert new.metrics["self_test"]["expected"] == pytest.approx(float(made.calibration.apply(0.9)), abs=1e-6)
    with pytest.raises(ConfigError, match="calibrates its scores already"):
        updated_record(new, made, "c.onnx")
