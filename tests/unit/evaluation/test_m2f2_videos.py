"""M2F2-Det's aggregation of frames against the authors' program (parity metrics/frames.csv)."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from facewitness.evaluation.compat import compat_report
from facewitness.evaluation.m2f2_videos import m2f2_det_videos
from facewitness.evaluation.metrics import average_precision, roc_auc
from facewitness.evaluation.protocols import EvaluationProtocol
from facewitness.evaluation.score_table import ScoreTable
from unit.evaluation.score_tables import small

GOLDEN = Path(__file__).parents[2] / "golden" / "m2f2_det" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))


def frames():
    """Their result file: P(real) and 1 for real, the frame's number last in the id."""
    with (GOLDEN / "frames.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return ScoreTable.from_rows(
        {
            "dataset": "FF++",
            "video_id": row["image_id"].rpartition("_")[0],
            "label": 1 - int(row["ground_truth"]),
            "score": 1 - float(row["prediction"]),
        }
        for row in rows
    )


def test_official_and_fixed_equal_the_authors_program():
    video = EXPECTED["video"]
    theirs = compat_report(frames(), "m2f2_det", EvaluationProtocol(resamples=5)).theirs
    assert theirs["auc"] == pytest.approx(video["official_auc"], abs=1e-12)
    assert theirs["acc"] == pytest.approx(video["official_best_acc"], abs=1e-12)
    assert theirs["fixed_auc"] == pytest.approx(video["fixed_auc"], abs=1e-12)
    assert theirs["fixed_acc"] == pytest.approx(video["fixed_best_acc"], abs=1e-12)


def test_every_video_has_its_score():
    found = m2f2_det_videos(frames())
    scores = {name: 1 - score for (_, name), score in zip(found.video_ids, found.scores, strict=True)}
    assert scores == pytest.approx(EXPECTED["video"]["fixed_video_scores"], abs=1e-12)
    assert found.frames.sum() == len(frames())
    assert m2f2_det_videos(frames(), "official").video_ids == found.video_ids[:-1]


def test_short_videos_keep_one_or_two_frames():
    rows = [("a", 0, 0.1), ("b", 1, 0.2), ("b", 1, 0.9), ("c", 1, 0.0), ("c", 1, 0.6), ("c", 1, 1.0), ("a", 0, 0.3)]
    found = m2f2_det_videos(small(rows))
    assert found.scores == pytest.approx([0.2, 0.55, 0.6])  # rows of "a" need not stand together
    assert found.labels.tolist() == [0, 1, 1]


def test_frame_metrics_of_p_real():
    truth = EXPECTED["frame_roc"]
    real, score = np.array(truth["gt_real"]), np.array(truth["prob_real"])
    assert roc_auc(score, real) == pytest.approx(truth["auc"], abs=1e-12)
    assert average_precision(score, real) == pytest.approx(truth["ap"], abs=1e-12)
    assert oracle.roc_auc_score(1 - real, 1 - score) == pytest.approx(truth["auc"])
