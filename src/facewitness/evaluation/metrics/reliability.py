"""How far P(fake) can be taken at its word: proper scores, reliability tables, calibration errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, require_probabilities

BinKind = Literal["width", "mass"]


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared gap between P(fake) and the label; 0 is perfect, 0.25 is "always 0.5".

    Args:
        probabilities: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1; one class is enough.

    Raises:
        ConfigError: On bad input or values outside [0, 1].

    >>> brier_score([0.5, 1.0], [0, 1])
    0.125
    """
    values, fake = _probabilities(probabilities, labels)
    return float(np.mean((values - fake) ** 2))


def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean of ``-log P(label)`` in nats; a confident error at 0 or 1 counts as one at the machine's precision.

    Args:
        probabilities: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1; one class is enough.

    Raises:
        ConfigError: On bad input or values outside [0, 1].
    """
    values, fake = _probabilities(probabilities, labels)
    given = np.where(fake, values, 1 - values)
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))))


@dataclass(frozen=True)
class ReliabilityBin:
    """One row of a reliability table.

    Attributes:
        low: Lower edge of P(fake).
        high: Upper edge.
        count: Scores inside.
        mean_probability: Mean P(fake) of them; NaN when empty.
        fake_share: Share of fakes among them; NaN when empty.
    """

    low: float
    high: float
    count: int
    mean_probability: float
    fake_share: float


def reliability_table(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15, kind: BinKind = "width"
) -> tuple[ReliabilityBin, ...]:
    """P(fake) against the share of fakes, bin by bin.

    Args:
        probabilities: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1; one class is enough.
        bins: Number of bins.
        kind: ``width``: equally wide ones over [0, 1]; ``mass``: between quantiles, so about equally full ones. Equal
            scores are never parted, so with many ties some bins stay empty.

    Returns:
        ``bins`` rows from low to high.

    Raises:
        ConfigError: On bad input, values outside [0, 1], no bin, or another kind.

    >>> [(row.count, row.fake_share) for row in reliability_table([0.1, 0.2, 0.9], [0, 1, 1], bins=2)]
    [(2, 0.5), (1, 1.0)]
    """
    values, fake = _probabilities(probabilities, labels)
    if bins < 1 or kind not in ("width", "mass"):
        msg = f"bins must be at least 1 and kind 'width' or 'mass', got {bins} and {kind!r}"
        raise ConfigError(msg)
    if kind == "width":
        edges = np.linspace(0.0, 1.0, bins + 1)
        place = np.minimum((values * bins).astype(np.int64), bins - 1)
    else:
        edges = np.quantile(values, np.linspace(0.0, 1.0, bins + 1))
        place = np.searchsorted(edges[1:-1], values)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, weights=values, minlength=bins) / counts
        shares = np.bincount(place, weights=fake, minlength=bins) / counts
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), means.tolist(), shares.tolist(), strict=True)
    return tuple(ReliabilityBin(*row) for row in rows)


@dataclass(frozen=True)
class CalibrationErrors:
    """Gaps of a reliability table.

    Attributes:
        expected: ECE: mean gap, bins weighted by their size.
        maximum: MCE: largest gap of a bin that is not empty.
    """

    expected: float
    maximum: float


def calibration_errors(table: Sequence[ReliabilityBin]) -> CalibrationErrors:
    """ECE and MCE of a reliability table, of equal width or equal mass as the table is.

    Args:
        table: Of `reliability_table`.

    Raises:
        ConfigError: If the table holds no score.

    Reference: Guo et al. (2017), "On calibration of modern neural networks", eq. 3 and 5, on P(fake).
    """
    filled = [row for row in table if row.count]
    if not filled:
        msg = "a reliability table without any score has no calibration error"
        raise ConfigError(msg)
    gaps = np.array([abs(row.mean_probability - row.fake_share) for row in filled])
    return CalibrationErrors(float(np.average(gaps, weights=[row.count for row in filled])), float(gaps.max()))


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> float:
    """Mean gap between P(fake) and the share of fakes, over equally wide bins weighted by their size.

    Args:
        probabilities: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1; one class is enough.
        bins: Number of bins.

    Returns:
        [0, 1]; 0 is perfectly calibrated.

    Raises:
        ConfigError: As `reliability_table`.

    Example:
        >>> round(expected_calibration_error([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0], bins=10), 6)
        0.25

    Reference: Guo et al. (2017), "On calibration of modern neural networks", eq. 3, on P(fake).
    """
    return calibration_errors(reliability_table(probabilities, labels, bins=bins)).expected


def _probabilities(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, fake = checked(probabilities, labels, both_classes=False)
    require_probabilities(values, "P(fake)")
    return values, fake
