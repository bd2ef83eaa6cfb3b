"""Confidence intervals that respect who belongs together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, grouped
from facewitness.evaluation.metrics.ranking import roc_auc

Metric = Callable[[NDArray[np.float64], NDArray[np.int64]], float]
Ids = Sequence[object] | NDArray[np.generic] | None
_MAX_REDRAWS = 100
_Z_95 = 1.959963984540054


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
    ids: Ids = None,
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
    members = members_of(grouped(ids, values.size)[1])

    def on(drawn: NDArray[np.int64]) -> float:
        picked = np.concatenate([members[i] for i in drawn])
        return metric(values[picked], truth[picked])

    low, high = percentiles(on, len(members), rng=rng, resamples=resamples, level=level)[0]
    return Interval(metric(values, truth), low, high, level)


def auc_interval(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    ids: Ids = None,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """The interval that `bootstrap_interval` gives for `roc_auc`, without sorting anew for each resample.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` who or what an item belongs to; None treats items as independent.
        rng: Source of randomness; the same one gives the same resamples in both functions.
        resamples: Number of resamples.
        level: Share of resamples inside the interval, in (0, 1).

    Returns:
        AUC and interval.

    Raises:
        ConfigError: On bad input, one class only, or when hardly any resample has both classes.
    """
    values, fake = checked(scores, labels)
    names, group = grouped(ids, values.size)
    order = np.argsort(values, kind="stable")
    ranked, group, fake = values[order], group[order], fake[order]
    starts = np.r_[0, np.flatnonzero(np.diff(ranked)) + 1]

    def on(drawn: NDArray[np.int64]) -> float:
        weights = np.bincount(drawn, minlength=len(names))[group]
        fakes = np.add.reduceat(np.where(fake, weights, 0), starts)
        reals = np.add.reduceat(np.where(fake, 0, weights), starts)
        pairs = int(fakes.sum()) * int(reals.sum())
        if not pairs:
            msg = "a resample has one class only"
            raise ConfigError(msg)
        return float(np.sum(fakes * (np.cumsum(reals) - reals / 2)) / pairs)

    low, high = percentiles(on, len(names), rng=rng, resamples=resamples, level=level)[0]
    return Interval(roc_auc(scores, labels), low, high, level)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of ``count`` independent trials; sensible at 0 and 1, where the bootstrap is not.

    Example:
        >>> low, high = wilson_interval(0.0, 100)
        >>> low, round(high, 4)
        (0.0, 0.037)

    Reference: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    spread = _Z_95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return (max(0.0, middle - half) if share > 0 else 0.0, min(1.0, middle + half) if share < 1 else 1.0)


def percentiles(
    statistic: Callable[[NDArray[np.int64]], float],
    groups: int,
    *,
    rng: np.random.Generator,
    resamples: int,
    level: float,
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """Ends of the percentile interval of a statistic of resampled groups, and its value on each resample.

    Args:
        statistic: Value for ``(groups,)`` indices of groups, drawn with replacement; raises `ConfigError` where it is
            undefined, and the groups are then drawn again.
        groups: Number of groups.
        rng: Source of randomness.
        resamples: Number of resamples.
        level: Share of resamples between the ends, in (0, 1).

    Raises:
        ConfigError: On a level or number out of range, or when hardly any resample has a value.
    """
    if not 0 < level < 1 or resamples < 1:
        msg = f"level must be in (0, 1) and resamples at least 1, got {level} and {resamples}"
        raise ConfigError(msg)
    drawn = np.array([_one_resample(statistic, groups, rng) for _ in range(resamples)])
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return (float(low), float(high)), drawn


def _one_resample(statistic: Callable[[NDArray[np.int64]], float], groups: int, rng: np.random.Generator) -> float:
    for _ in range(_MAX_REDRAWS):
        try:
            return statistic(rng.integers(0, groups, groups))
        except ConfigError:
            continue
    msg = f"none of {_MAX_REDRAWS} resamples of {groups} ids had both classes; too few ids for an interval"
    raise ConfigError(msg)


def members_of(group: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Indices of the items of each group."""
    return np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
