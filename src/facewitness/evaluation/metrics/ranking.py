"""Metrics that depend on the order of the scores only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, midranks


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


def scores_and_counts(
    scores: NDArray[np.float64], fake: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Distinct scores, falling, and how many fakes and reals are at or above each.

    Args:
        scores: ``(n,)`` finite.
        fake: ``(n,)`` labels.

    Returns:
        ``(k,)`` scores, fakes, reals.
    """
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
    thresholds, fakes, reals = scores_and_counts(values, fake)
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
    ranks = midranks(values)
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
    _, fakes, reals = scores_and_counts(values, fake)
    recall = fakes / fake.sum()
    return float(np.sum(np.diff(np.r_[0.0, recall]) * fakes / (fakes + reals)))


def partial_auc(scores: ArrayLike, labels: ArrayLike, max_fpr: float = 0.1, *, standardised: bool = True) -> float:
    """Area under the ROC curve up to a false-positive rate, by default scaled so that chance is 0.5.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        max_fpr: Right end, in (0, 1]; the curve is interpolated there.
        standardised: McClish's scale, on which 0.5 is chance and 1 is perfect; without it the bare area, at most
            ``max_fpr``.

    Returns:
        The area.

    Raises:
        ConfigError: On bad input, one class only, or ``max_fpr`` out of range.

    >>> partial_auc([0.1, 0.2, 0.3, 0.8], [0, 0, 1, 1])
    1.0

    Reference: McClish (1989), "Analyzing a portion of the ROC curve", Medical Decision Making 9.
    """
    if not 0 < max_fpr <= 1:
        msg = f"max_fpr must be in (0, 1], got {max_fpr}"
        raise ConfigError(msg)
    curve = roc_curve(scores, labels)
    stop = int(np.searchsorted(curve.false_positive_rate, max_fpr, side="right"))
    end = np.interp(max_fpr, curve.false_positive_rate, curve.true_positive_rate)
    x, y = np.r_[curve.false_positive_rate[:stop], max_fpr], np.r_[curve.true_positive_rate[:stop], end]
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
    chance = max_fpr**2 / 2
    return 0.5 * (1 + (area - chance) / (max_fpr - chance)) if standardised else area


def equal_error_rate(
    scores: ArrayLike, labels: ArrayLike, *, method: Literal["interpolated", "nearest"] = "interpolated"
) -> float:
    """Rate at which false positives equal false negatives; both ways of reading it off the curve exist in papers.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        method: ``interpolated`` meets the diagonal on the interpolated ROC curve (as GenD's root finder does);
            ``nearest`` is the false-positive rate of the corner of the curve where both rates differ least (as
            DeepfakeBench does).

    Returns:
        [0, 1]; 0.5 is chance.

    Raises:
        ConfigError: On bad input, one class only, or another method.
    """
    if method not in ("interpolated", "nearest"):
        msg = f"method must be 'interpolated' or 'nearest', got {method!r}"
        raise ConfigError(msg)
    curve = roc_curve(scores, labels)
    gap = curve.false_positive_rate + curve.true_positive_rate - 1.0
    if method == "interpolated":
        return float(np.interp(0.0, gap, curve.false_positive_rate))
    corners = _corners(scores, labels)
    return float(curve.false_positive_rate[corners][np.argmin(np.abs(gap[corners]))])


def _corners(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.intp]:
    """Points of the ROC curve at which it turns: scikit-learn, so DeepfakeBench, leaves out the others."""
    _, fakes, reals = scores_and_counts(*checked(scores, labels))
    turns = (np.diff(np.r_[0, fakes], 2) != 0) | (np.diff(np.r_[0, reals], 2) != 0)
    return np.flatnonzero(np.r_[True, turns, True])


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
