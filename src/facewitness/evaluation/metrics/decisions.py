"""Metrics of decisions at a threshold, and the summary that the LAA-Net authors report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked
from facewitness.evaluation.metrics.ranking import (
    average_precision,
    equal_error_rate,
    roc_auc,
    roc_curve,
    threshold_at_fpr,
)


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
class Decisions:
    """What a threshold that was chosen elsewhere does; fake is the positive class, rates on reals come first.

    Attributes:
        threshold: Scores at or above it are called fake.
        fpr_on_real: Reals called fake; NaN without reals, as ``tnr``.
        tnr: Reals called real.
        tpr: Fakes called fake; NaN without fakes.
        acc: Share of right decisions.
        bacc: Mean of ``tnr`` and ``tpr``; NaN when one class is absent.
        f1: F1 of the fakes; 0 when nothing was or should have been called fake.
        mcc: Matthews correlation; 0 when a row or column of the table is empty.
        true_positives: Fakes called fake.
        false_positives: Reals called fake.
        true_negatives: Reals called real.
        false_negatives: Fakes called real.
    """

    threshold: float
    fpr_on_real: float
    tnr: float
    tpr: float
    acc: float
    bacc: float
    f1: float
    mcc: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


def decide(scores: ArrayLike, labels: ArrayLike, *, threshold: float) -> Decisions:
    """Every metric of decisions at a threshold.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1; one class is enough.
        threshold: In the units of ``scores``; choose it on other data (`best_threshold`).

    Returns:
        The metrics.

    Raises:
        ConfigError: On bad input.

    >>> found = decide([0.2, 0.7, 0.9, 0.4], [0, 0, 1, 1], threshold=0.5)
    >>> (found.fpr_on_real, found.f1, found.mcc)
    (0.5, 0.5, 0.0)
    """
    values, fake = checked(scores, labels, both_classes=False)
    called = values >= threshold
    hits, alarms = int((called & fake).sum()), int((called & ~fake).sum())
    misses, passes = int(fake.sum()) - hits, int((~fake).sum()) - alarms
    share = rates(values, fake, threshold=threshold)
    # Python integers: the product of four counts leaves int64 at some ten thousand scores
    spread = (hits + alarms) * (hits + misses) * (passes + alarms) * (passes + misses)
    return Decisions(
        threshold=float(threshold),
        fpr_on_real=share.false_positive_rate,
        tnr=1 - share.false_positive_rate,
        tpr=share.true_positive_rate,
        acc=(hits + passes) / fake.size,
        bacc=(share.true_positive_rate + 1 - share.false_positive_rate) / 2,
        f1=2 * hits / (2 * hits + alarms + misses) if hits + alarms + misses else 0.0,
        mcc=(hits * passes - alarms * misses) / spread**0.5 if spread else 0.0,
        true_positives=hits,
        false_positives=alarms,
        true_negatives=passes,
        false_negatives=misses,
    )


def best_threshold(scores: ArrayLike, labels: ArrayLike, criterion: str) -> float:
    """Choose a threshold on validation data; using it on the same data flatters every number.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        criterion: ``youden`` (largest TPR - FPR), ``accuracy``, or ``fpr=x``: the lowest threshold at which at most
            the share x of the reals is called fake.

    Returns:
        A finite threshold; scores at or above it are called fake. Of equally good ones the highest, so the one with
        the fewest false alarms; just above all scores when calling nothing fake is best.

    Raises:
        ConfigError: On bad input, one class only, or an unknown criterion.

    >>> best_threshold([0.1, 0.4, 0.6, 0.9], [0, 0, 1, 1], "youden")
    0.6
    """
    values, fake = checked(scores, labels)
    if criterion.startswith("fpr="):
        threshold, _ = threshold_at_fpr(values, fake, _share(criterion))
    else:
        curve = roc_curve(values, fake)
        fpr, tpr = curve.false_positive_rate, curve.true_positive_rate
        gain = {"youden": tpr - fpr, "accuracy": fake.mean() * tpr + (1 - fake.mean()) * (1 - fpr)}
        if criterion not in gain:
            msg = f"criterion must be 'youden', 'accuracy' or 'fpr=x', got {criterion!r}"
            raise ConfigError(msg)
        # rounding must not break ties, or the highest threshold would not be taken
        threshold = float(curve.thresholds[np.argmax(np.round(gain[criterion], 12))])
    return threshold if np.isfinite(threshold) else float(np.nextafter(values.max(), np.inf))


def _share(criterion: str) -> float:
    try:
        return float(criterion.removeprefix("fpr="))
    except ValueError as error:
        msg = f"criterion 'fpr=x' needs a number for x, such as fpr=0.01, got {criterion!r}"
        raise ConfigError(msg) from error


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
