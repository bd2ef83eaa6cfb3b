"""Metrics of decisions at a threshold, and the summary that the LAA-Net authors report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facewitness.evaluation.metrics.checks import checked
from facewitness.evaluation.metrics.ranking import average_precision, equal_error_rate, roc_auc


@dataclass(frozen=True)
class Rates:
    """Shares at a threshold.

    Attributes:
        false_positive_rate: Reals called fake; NaN without reals.
        true_positive_rate: Fakes called fake; NaN without fakes.
    """

    false_positive_rate: float
    true_positive_rate: float


def rates(scores: ArrayLike, labels: ArrayLike, *, threshold: float) -> Rates:
    """False and true positive rate when scores at or above ``threshold`` are called fake.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1; one class is enough.
        threshold: In the units of ``scores``.

    Returns:
        Both rates.

    Raises:
        ConfigError: On bad input.
    """
    values, fake = checked(scores, labels, both_classes=False)
    called = values >= threshold
    false_positive = float(called[~fake].mean()) if (~fake).any() else float("nan")
    return Rates(false_positive, float(called[fake].mean()) if fake.any() else float("nan"))


def accuracy(scores: ArrayLike, labels: ArrayLike, *, threshold: float) -> float:
    """Share of right decisions when scores at or above ``threshold`` are called fake.

    Raises:
        ConfigError: On bad input.

    >>> accuracy([0.2, 0.7, 0.9], [0, 0, 1], threshold=0.5)
    0.6666666666666666
    """
    values, fake = checked(scores, labels, both_classes=False)
    return float(np.mean((values >= threshold) == fake))


def macro_recall(scores: ArrayLike, labels: ArrayLike, *, threshold: float) -> float:
    """Mean of the recalls of both classes ("AR" in the LAA-Net tables).

    Raises:
        ConfigError: On bad input or one class only.
    """
    checked(scores, labels)
    found = rates(scores, labels, threshold=threshold)
    return (found.true_positive_rate + 1 - found.false_positive_rate) / 2


def mean_f1(scores: ArrayLike, labels: ArrayLike, *, threshold: float) -> float:
    """Harmonic mean of average precision and macro recall ("mF1" in the LAA-Net tables; not the usual F1).

    Raises:
        ConfigError: On bad input or one class only.
    """
    precision = average_precision(scores, labels)
    recall = macro_recall(scores, labels, threshold=threshold)
    return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True)
class MetricSummary:
    """The numbers of one row of a results table.

    Attributes:
        acc: Accuracy at the threshold.
        auc: Area under the ROC curve.
        ap: Average precision.
        ar: Macro recall at the threshold.
        mf1: Harmonic mean of ``ap`` and ``ar``.
        eer: Equal error rate.
        count: Scores counted.
        fakes: Fakes among them.
    """

    acc: float
    auc: float
    ap: float
    ar: float
    mf1: float
    eer: float
    count: int
    fakes: int


def summarise(scores: ArrayLike, labels: ArrayLike, *, threshold: float = 0.5) -> MetricSummary:
    """Every metric of a table row.

    Args:
        scores: ``(n,)``, higher means fake; probabilities with the default threshold (0 for logits).
        labels: ``(n,)`` of 0 and 1.
        threshold: Scores at or above it are called fake.

    Returns:
        The row.

    Raises:
        ConfigError: On bad input or one class only.
    """
    _, fake = checked(scores, labels)
    return MetricSummary(
        acc=accuracy(scores, labels, threshold=threshold),
        auc=roc_auc(scores, labels),
        ap=average_precision(scores, labels),
        ar=macro_recall(scores, labels, threshold=threshold),
        mf1=mean_f1(scores, labels, threshold=threshold),
        eer=equal_error_rate(scores, labels),
        count=int(fake.size),
        fakes=int(fake.sum()),
    )
