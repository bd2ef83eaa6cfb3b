"""Metrics that depend on the order of the scores only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked


@dataclass(frozen=True)
class RocCurve:
    """Every operating point, from "nothing is fake" to "everything is".

    Attributes:
        false_positive_rate: ``(k,)`` rising from 0 to 1.
        true_positive_rate: ``(k,)`` rising from 0 to 1.
        thresholds: ``(k,)`` falling; a score at or above it is called fake. The first is infinite.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def _counts(
    scores: NDArray[np.float64], fake: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct scores, falling, and how many fakes and reals are at or above each."""
    order = np.argsort(-scores, kind="stable")
    ranked, truth = scores[order], fake[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    fakes = np.asarray(np.cumsum(truth)[last], dtype=np.int64)
    return np.asarray(ranked[last], dtype=np.float64), fakes, np.asarray(last + 1 - fakes, dtype=np.int64)


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> RocCurve:
    """The ROC curve, one point per distinct score.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        The curve with its start at (0, 0).

    Raises:
        ConfigError: On bad input or one class only.
    """
    values, fake = checked(scores, labels)
    thresholds, fakes, reals = _counts(values, fake)
    return RocCurve(np.r_[0.0, reals / (~fake).sum()], np.r_[0.0, fakes / fake.sum()], np.r_[np.inf, thresholds])


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a fake outscores a real; ties count half.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        [0, 1].

    Raises:
        ConfigError: On bad input or one class only.

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    values, fake = checked(scores, labels)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    fakes, reals = int(fake.sum()), int((~fake).sum())
    return float((ranks[fake].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Mean precision over the recall steps, without interpolation (as scikit-learn defines it).

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        (0, 1].

    Raises:
        ConfigError: On bad input or one class only.

    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 6)
    0.833333
    """
    values, fake = checked(scores, labels)
    _, fakes, reals = _counts(values, fake)
    recall = fakes / fake.sum()
    return float(np.sum(np.diff(np.r_[0.0, recall]) * fakes / (fakes + reals)))


def equal_error_rate(scores: ArrayLike, labels: ArrayLike) -> float:
    """Rate at which false positives equal false negatives, interpolated on the ROC curve.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        [0, 1]; 0.5 is chance.

    Raises:
        ConfigError: On bad input or one class only.
    """
    curve = roc_curve(scores, labels)
    gap = curve.false_positive_rate + curve.true_positive_rate - 1.0
    return float(np.interp(0.0, gap, curve.false_positive_rate))


def threshold_at_fpr(scores: ArrayLike, labels: ArrayLike, false_positive_rate: float) -> tuple[float, float]:
    """The lowest threshold that keeps the share of reals called fake within a bound.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        false_positive_rate: Bound in [0, 1].

    Returns:
        Threshold (at or above it is fake; infinite when even the highest score breaks the bound) and the
        share of fakes that it finds.

    Raises:
        ConfigError: On bad input, one class only, or a bound outside [0, 1].
    """
    if not 0 <= false_positive_rate <= 1:
        msg = f"false_positive_rate must be in [0, 1], got {false_positive_rate}"
        raise ConfigError(msg)
    curve = roc_curve(scores, labels)
    last = int(np.flatnonzero(curve.false_positive_rate <= false_positive_rate)[-1])
    return float(curve.thresholds[last]), float(curve.true_positive_rate[last])


def tpr_at_fpr(scores: ArrayLike, labels: ArrayLike, false_positive_rate: float) -> float:
    """Share of fakes found while at most ``false_positive_rate`` of the reals are called fake.

    Raises:
        ConfigError: As `threshold_at_fpr`.
    """
    return threshold_at_fpr(scores, labels, false_positive_rate)[1]
