"""From frames to videos, and confidence intervals that respect who belongs together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked

Metric = Callable[[NDArray[np.float64], NDArray[np.int64]], float]
_MAX_REDRAWS = 100


@dataclass(frozen=True)
class VideoScores:
    """One score per video.

    Attributes:
        video_ids: Distinct ids in the order of their first frame.
        scores: ``(v,)`` pooled score.
        labels: ``(v,)`` int64.
        frames: ``(v,)`` int64, frames pooled.
    """

    video_ids: tuple[object, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    frames: NDArray[np.int64]


def _groups(ids: Sequence[object] | NDArray[np.generic]) -> tuple[list[object], NDArray[np.int64]]:
    """Distinct ids in order of appearance, and the index of each item's id."""
    plain = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    index = {value: i for i, value in enumerate(dict.fromkeys(plain))}
    return list(index), np.array([index[value] for value in plain], dtype=np.int64)


def video_scores(
    scores: ArrayLike,
    labels: ArrayLike,
    video_ids: Sequence[object] | NDArray[np.generic],
    *,
    pooling: Literal["mean", "max"] = "mean",
) -> VideoScores:
    """Pool frame scores per video.

    Pass logits to pool logits (as the LAA-Net authors do) or probabilities to pool probabilities: both exist in
    papers and differ.

    Args:
        scores: ``(n,)`` of frames.
        labels: ``(n,)`` of 0 and 1, equal within a video.
        video_ids: ``(n,)``; must be unique per video, so not a bare folder name that two methods share.
        pooling: ``mean`` or ``max``.

    Returns:
        One entry per video.

    Raises:
        ConfigError: On bad input or a video with both labels.
    """
    values, fake = checked(scores, labels, both_classes=False)
    names, group = _groups(video_ids)
    if group.size != values.size:
        msg = f"video_ids must hold one id per score, got {group.size} for {values.size}"
        raise ConfigError(msg)
    frames = np.bincount(group)
    fakes = np.bincount(group, weights=fake)
    mixed = np.flatnonzero((fakes > 0) & (fakes < frames))
    if mixed.size:
        msg = f"video {names[mixed[0]]!r} has frames of both labels; make the ids unique (method and name)"
        raise ConfigError(msg)
    if pooling == "mean":
        pooled = np.bincount(group, weights=values) / frames
    else:
        pooled = np.full(len(names), -np.inf)
        np.maximum.at(pooled, group, values)
    return VideoScores(tuple(names), pooled, (fakes > 0).astype(np.int64), frames.astype(np.int64))


@dataclass(frozen=True)
class Interval:
    """A value and where it may as well lie.

    Attributes:
        value: The metric on all data.
        low: Lower end.
        high: Upper end.
        level: Share of resamples between the ends.
    """

    value: float
    low: float
    high: float
    level: float


def bootstrap_interval(
    metric: Metric,
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    ids: Sequence[object] | NDArray[np.generic] | None = None,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval from resampling whole identities (or videos), not single frames.

    Resamples on which the metric is undefined (one class only) are drawn again.

    Args:
        metric: ``metric(scores, labels) -> float``, such as `roc_auc`.
        scores: ``(n,)``.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` who or what an item belongs to; None treats items as independent.
        rng: Source of randomness.
        resamples: Number of resamples.
        level: Share of resamples inside the interval, in (0, 1).

    Returns:
        The metric on all data and its interval.

    Raises:
        ConfigError: On bad input, or when hardly any resample has both classes.
    """
    values, fake = checked(scores, labels, both_classes=False)
    truth = fake.astype(np.int64)
    if not 0 < level < 1 or resamples < 1:
        msg = f"level must be in (0, 1) and resamples at least 1, got {level} and {resamples}"
        raise ConfigError(msg)
    group = np.arange(values.size) if ids is None else _groups(ids)[1]
    if group.size != values.size:
        msg = f"ids must hold one id per score, got {group.size} for {values.size}"
        raise ConfigError(msg)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    drawn = [_one_resample(metric, values, truth, members, rng) for _ in range(resamples)]
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return Interval(metric(values, truth), float(low), float(high), level)


def _one_resample(
    metric: Metric,
    values: NDArray[np.float64],
    truth: NDArray[np.int64],
    members: list[NDArray[np.intp]],
    rng: np.random.Generator,
) -> float:
    for _ in range(_MAX_REDRAWS):
        picked = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        try:
            return metric(values[picked], truth[picked])
        except ConfigError:
            continue
    msg = f"none of {_MAX_REDRAWS} resamples of {len(members)} ids had both classes; too few ids for an interval"
    raise ConfigError(msg)
