"""From frames to videos as M2F2-Det's stage 1 does it: with its two defects, and without them."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from facewitness.evaluation.metrics import VideoScores
from facewitness.evaluation.metrics.checks import grouped
from facewitness.evaluation.score_table import ScoreTable

TRIMMED_FRAMES: Final = 10
"""Frames dropped at each end of the sorted scores of a video."""

_ORACLE_THRESHOLDS: Final = np.arange(0.0, 1.1, 1e-4)


def m2f2_det_videos(table: ScoreTable, mode: Literal["official", "fixed"] = "fixed") -> VideoScores:
    """Mean score of each video without its 10 lowest and 10 highest frames.

    Reference: CHELSEA234/M2F2_Det, stage_1_detection_inference.py, parse_auc_score, for ``official``.

    Args:
        table: Scored frames, P(fake); for ``official`` in the order of the project's result file.
        mode: ``official``: a run of rows of one video is closed by the first row of the next, whose label it gets;
            nothing closes the last, which is lost; at most 20 frames give NaN. ``fixed``: every video with its own
            label; of at most 20 frames as many are dropped at each end as leaves one or two.

    Returns:
        One score per video, in the order of the table.
    """
    if mode == "official":
        return _official(table)
    names, group = grouped(_keys(table), len(table))
    scores = []
    for video in range(len(names)):
        frames = np.sort(table.score[group == video])
        cut = min(TRIMMED_FRAMES, (frames.size - 1) // 2)
        scores.append(frames[cut : frames.size - cut].mean())
    labels = table.label[np.unique(group, return_index=True)[1]]
    return VideoScores(tuple(names), np.array(scores), labels.astype(np.int64), np.bincount(group))


def oracle_accuracy(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """The best accuracy over thresholds of P(real) from 0 to 1.1 by 0.0001: chosen on the test data, so too good.

    Args:
        scores: ``(n,)`` P(fake) of videos; NaN counts as called fake.
        labels: ``(n,)`` of 0 and 1.
    """
    called_real = (1 - scores)[None] >= _ORACLE_THRESHOLDS[:, None]
    return float((called_real == (labels == 0)[None]).mean(axis=1).max())


def _official(table: ScoreTable) -> VideoScores:
    keys = _keys(table)
    starts = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]]
    runs = list(pairwise(starts))
    kept = [np.sort(table.score[start:stop])[TRIMMED_FRAMES:-TRIMMED_FRAMES] for start, stop in runs]
    scores = np.array([one.mean() if one.size else np.nan for one in kept])
    labels = np.array([table.label[stop] for _, stop in runs], dtype=np.int64)
    frames = np.array([stop - start for start, stop in runs], dtype=np.int64)
    return VideoScores(tuple(keys[start] for start, _ in runs), scores, labels, frames)


def _keys(table: ScoreTable) -> list[tuple[str, str]]:
    return list(zip(table.dataset.tolist(), table.video_id.tolist(), strict=True))
