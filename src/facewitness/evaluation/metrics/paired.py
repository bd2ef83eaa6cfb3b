"""Intervals and tests for one detector or for two on the same videos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, grouped, midranks
from facewitness.evaluation.metrics.intervals import Ids, Interval, Metric, members_of, percentiles

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DeLongTest:
    """AUCs of two detectors on the same items.

    Attributes:
        auc_a: AUC of the first.
        auc_b: AUC of the second.
        difference: ``auc_a - auc_b``.
        variance_a: Variance of ``auc_a``.
        variance_b: Variance of ``auc_b``.
        covariance: Of both AUCs.
        z: Difference over its standard error; 0 where both are equal without any variance, infinite where they
            differ without any.
        p_value: Two-sided.
    """

    auc_a: float
    auc_b: float
    difference: float
    variance_a: float
    variance_b: float
    covariance: float
    z: float
    p_value: float


def delong_test(scores_a: ArrayLike, scores_b: ArrayLike, labels: ArrayLike) -> DeLongTest:
    """Test whether two detectors have the same AUC, both having scored the same independent items.

    Items must be independent, so pass one score per video, not frames.

    Args:
        scores_a: ``(n,)`` of the first detector, higher means fake.
        scores_b: ``(n,)`` of the second, any scale.
        labels: ``(n,)`` of 0 and 1, at least two of each.

    Returns:
        The test.

    Raises:
        ConfigError: On bad input, other lengths, or fewer than two items of a class.

    Reference: DeLong et al. (1988), Biometrics 44; Sun and Xu (2014), IEEE Signal Processing Letters 21, whose
    midrank form is used.
    """
    values_a, fake = checked(scores_a, labels)
    values_b, _ = checked(scores_b, labels)
    aucs, covariance = _delong(np.stack([values_a, values_b]), fake)
    difference = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= np.finfo(np.float64).eps:
        z = 0.0 if abs(difference) < 1e-12 else math.copysign(math.inf, difference)
    else:
        z = difference / math.sqrt(variance)
    return DeLongTest(
        auc_a=float(aucs[0]),
        auc_b=float(aucs[1]),
        difference=difference,
        variance_a=float(covariance[0, 0]),
        variance_b=float(covariance[1, 1]),
        covariance=float(covariance[0, 1]),
        z=z,
        p_value=math.erfc(abs(z) / math.sqrt(2)),
    )


def delong_interval(scores: ArrayLike, labels: ArrayLike, *, level: float = 0.95) -> Interval:
    """Normal interval of the AUC from DeLong's variance, cut at 0 and 1.

    Args:
        scores: ``(n,)`` of independent items, higher means fake.
        labels: ``(n,)`` of 0 and 1, at least two of each.
        level: Coverage, in (0, 1).

    Returns:
        AUC and interval.

    Raises:
        ConfigError: On bad input, or fewer than two items of a class.
    """
    if not 0 < level < 1:
        msg = f"level must be in (0, 1), got {level}"
        raise ConfigError(msg)
    values, fake = checked(scores, labels)
    aucs, covariance = _delong(values[None], fake)
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(float(covariance[0, 0]))
    auc = float(aucs[0])
    return Interval(auc, max(0.0, auc - half), min(1.0, auc + half), level)


def _delong(scores: Floats, fake: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """AUCs ``(k,)`` and their ``(k, k)`` covariance of ``(k, n)`` scores."""
    fakes, reals = int(fake.sum()), int((~fake).sum())
    if min(fakes, reals) < 2:
        msg = f"DeLong's variance needs two items of each class, got {fakes} fake and {reals} real"
        raise ConfigError(msg)
    all_ranks = np.stack([midranks(row) for row in scores])
    own_fake = np.stack([midranks(row[fake]) for row in scores])
    own_real = np.stack([midranks(row[~fake]) for row in scores])
    over_reals = (all_ranks[:, fake] - own_fake) / reals  # share of reals below each fake
    under_fakes = 1 - (all_ranks[:, ~fake] - own_real) / fakes  # share of fakes above each real
    covariance = np.atleast_2d(np.cov(over_reals)) / fakes + np.atleast_2d(np.cov(under_fakes)) / reals
    return over_reals.mean(axis=1), np.asarray(covariance, dtype=np.float64)


@dataclass(frozen=True)
class PairedDifference:
    """A metric of two detectors on the same videos.

    Attributes:
        value_a: Metric of the first.
        value_b: Metric of the second.
        difference: ``value_a - value_b`` and its interval.
        p_value: Two-sided, twice the share of resamples on the other side of 0 (or on it), counted with one more.
    """

    value_a: float
    value_b: float
    difference: Interval
    p_value: float


def paired_bootstrap(
    metric: Metric,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    labels: ArrayLike,
    *,
    ids: Ids = None,
    rng: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> PairedDifference:
    """Difference of any metric between two detectors, both resampled on the same videos (or identities).

    Args:
        metric: ``metric(scores, labels) -> float``.
        scores_a: ``(n,)`` of the first detector, higher means fake.
        scores_b: ``(n,)`` of the second.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` video or identity of each item; None treats items as independent.
        rng: Source of randomness.
        resamples: Number of resamples.
        level: Share of resamples inside the interval, in (0, 1).

    Returns:
        Both values, the difference and its interval.

    Raises:
        ConfigError: On bad input, or when hardly any resample has both classes.
    """
    values_a, fake = checked(scores_a, labels, both_classes=False)
    values_b, _ = checked(scores_b, labels, both_classes=False)
    truth = fake.astype(np.int64)
    members = members_of(grouped(ids, values_a.size)[1])

    def difference(groups: NDArray[np.int64]) -> float:
        picked = np.concatenate([members[i] for i in groups])
        return metric(values_a[picked], truth[picked]) - metric(values_b[picked], truth[picked])

    (low, high), drawn = percentiles(difference, len(members), rng=rng, resamples=resamples, level=level)
    value_a, value_b = metric(values_a, truth), metric(values_b, truth)
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return PairedDifference(
        value_a,
        value_b,
        Interval(value_a - value_b, low, high, level),
        min(1.0, 2 * (tail + 1) / (resamples + 1)),
    )


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value that two detectors err equally often, from the videos on which just one is right.

    Args:
        only_a: Videos that only the first decides rightly.
        only_b: Videos that only the second decides rightly.

    Returns:
        (0, 1]; 1 when they never disagree.

    Raises:
        ConfigError: On a negative count.

    >>> mcnemar_exact(0, 5)
    0.0625

    Reference: McNemar (1947), Psychometrika 12; the binomial form.
    """
    if min(only_a, only_b) < 0:
        msg = f"counts must not be negative, got {only_a} and {only_b}"
        raise ConfigError(msg)
    both = only_a + only_b
    ways = sum(math.comb(both, i) for i in range(min(only_a, only_b) + 1))
    return min(1.0, 2 * ways / (1 << both))
