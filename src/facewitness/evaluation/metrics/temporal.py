"""Forged segments in time: AP@IoU and AR@N as AV-Deepfake1M defines them, for one class of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError

Floats = NDArray[np.float64]
Segments = Mapping[str, ArrayLike]

AP_IOUS: Final = (0.5, 0.75, 0.9, 0.95)
AR_COUNTS: Final = (50, 30, 20, 10, 5)
AR_IOUS: Final = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))


@dataclass(frozen=True)
class TemporalScores:
    """The numbers of a table of temporal localisation.

    Attributes:
        ap: AP by IoU threshold.
        ar: Average recall by number of detections kept per video.
        videos: Videos with a ground truth entry, forged or not.
        segments: Forged segments.
        detections: Detections.
    """

    ap: dict[float, float]
    ar: dict[int, float]
    videos: int
    segments: int
    detections: int


def temporal_scores(
    detections: Segments,
    truth: Segments,
    *,
    ap_ious: Sequence[float] = AP_IOUS,
    ar_counts: Sequence[int] = AR_COUNTS,
    ar_ious: Sequence[float] = AR_IOUS,
    as_published: bool = False,
) -> TemporalScores:
    """AP at every IoU threshold and AR at every number of detections.

    Args:
        detections: Video to ``(n, 3)`` rows of score, start, end; a video may be missing.
        truth: Video to ``(m, 2)`` rows of start, end, in the same unit of time; ``(0, 2)`` or empty for reals.
        ap_ious: IoU thresholds of AP.
        ar_counts: Detections kept per video for AR.
        ar_ious: IoU thresholds that AR is the mean over.
        as_published: As `temporal_average_precision`.

    Returns:
        The scores.

    Raises:
        ConfigError: On bad input.

    >>> found = temporal_scores({"a": [[0.9, 0.0, 2.0]]}, {"a": [[0.0, 2.0]], "b": []})
    >>> found.ap[0.5], found.ar[5]
    (1.0, 1.0)
    """
    clips = _clips(detections, truth)
    return TemporalScores(
        {iou: temporal_average_precision(detections, truth, iou, as_published=as_published) for iou in ap_ious},
        {n: temporal_average_recall(detections, truth, n, ar_ious) for n in ar_counts},
        videos=len(clips),
        segments=sum(len(segments) for _, segments in clips),
        detections=sum(len(rows) for rows, _ in clips),
    )


def temporal_average_precision(
    detections: Segments, truth: Segments, iou: float, *, as_published: bool = False
) -> float:
    """Area under the precision envelope of the detections of all videos, sorted by score.

    In each video every forged segment, in the order given, takes the highest scored detection that is not taken yet
    and overlaps it by more than ``iou``; what is left over is a false alarm. Precision at a recall is the highest at
    that recall or beyond.

    Args:
        detections: Video to ``(n, 3)`` rows of score, start, end.
        truth: Video to ``(m, 2)`` rows of start, end.
        iou: Threshold in [0, 1); the overlap must be larger.
        as_published: Leave out the area left of the first detection, as the ``avdeepfake1m`` package (0.0.4) does:
            three segments found without any error then give 0.667, not 1.

    Returns:
        [0, 1].

    Raises:
        ConfigError: On bad input, or no forged segment at all.

    Reference: Cai et al. (2024), "AV-Deepfake1M", section 5; `avdeepfake1m.evaluation.ap_1d`.
    """
    _check_share(iou)
    clips = _clips(detections, truth)
    scores = np.concatenate([rows[:, 0] for rows, _ in clips])
    hits = np.concatenate([_hits(_overlaps(rows, segments) > iou) for rows, segments in clips])
    ordered = hits[np.argsort(-scores, kind="stable")]
    found = np.cumsum(ordered)
    recall = found / sum(len(segments) for _, segments in clips)
    precision = np.maximum.accumulate((found / np.arange(1, found.size + 1))[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    if as_published:
        steps[:1] = 0.0
    return float(np.sum(steps * precision))


def temporal_average_recall(
    detections: Segments,
    truth: Segments,
    count: int,
    ious: Sequence[float] = AR_IOUS,
) -> float:
    """Share of forged segments that the ``count`` highest scored detections of their video reach, over IoUs.

    Args:
        detections: Video to ``(n, 3)`` rows of score, start, end.
        truth: Video to ``(m, 2)`` rows of start, end.
        count: Detections kept per video.
        ious: Thresholds in [0, 1) that the mean is over; the overlap must be larger.

    Returns:
        [0, 1]; one detection may reach several segments.

    Raises:
        ConfigError: On bad input, or no forged segment at all.

    Reference: Cai et al. (2024), "AV-Deepfake1M", section 5; `avdeepfake1m.evaluation.ar_1d`.
    """
    if count < 1 or not ious:
        msg = f"count must be at least 1 and ious not empty, got {count} and {list(ious)}"
        raise ConfigError(msg)
    for iou in ious:
        _check_share(iou)
    best = [_overlaps(rows[:count], segments).max(axis=0, initial=0.0) for rows, segments in _clips(detections, truth)]
    reached = np.concatenate(best)
    return float(np.mean([np.mean(reached > iou) for iou in ious]))


def _check_share(iou: float) -> None:
    if not 0 <= iou < 1:
        msg = f"an IoU threshold must be in [0, 1), got {iou}"
        raise ConfigError(msg)


def _clips(detections: Segments, truth: Segments) -> list[tuple[Floats, Floats]]:
    """Detections by falling score and forged segments of each video of the ground truth."""
    unknown = sorted(set(detections) - set(truth))
    if unknown:
        msg = f"{len(unknown)} videos with detections have no entry in the ground truth, such as {unknown[0]!r}"
        raise ConfigError(msg)
    clips = []
    for video, segments in truth.items():
        rows = _rows(detections.get(video, ()), 3, f"detections of {video!r}")
        ranked = rows[np.argsort(-rows[:, 0], kind="stable")]
        clips.append((ranked, _rows(segments, 2, f"ground truth of {video!r}")))
    if not any(len(segments) for _, segments in clips):
        msg = f"the ground truth of {len(clips)} videos holds no forged segment"
        raise ConfigError(msg)
    return clips


def _rows(values: ArrayLike, width: int, name: str) -> Floats:
    rows = np.asarray(values, dtype=np.float64)
    rows = rows.reshape(0, width) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != width or not np.isfinite(rows).all():
        msg = f"{name} must be (n, {width}) finite, got shape {rows.shape}"
        raise ConfigError(msg)
    if (rows[:, -1] <= rows[:, -2]).any():
        msg = f"{name}: a segment must end after it starts"
        raise ConfigError(msg)
    return rows


def _overlaps(rows: Floats, segments: Floats) -> Floats:
    """``(n, m)`` intersection over the span from the first start to the last end, which is the union if they meet."""
    start, end = rows[:, -2][:, None], rows[:, -1][:, None]
    inner = np.minimum(end, segments[:, 1]) - np.maximum(start, segments[:, 0])
    outer = np.maximum(end, segments[:, 1]) - np.minimum(start, segments[:, 0])
    return np.asarray(np.maximum(inner, 0.0) / outer, dtype=np.float64)


def _hits(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of ``(n, m)`` detections, best first, is taken by a segment."""
    taken = np.zeros(near.shape[0], dtype=bool)
    for column in near.T:
        free = np.flatnonzero(column & ~taken)
        taken[free[:1]] = True
    return taken
