"""From logits to P(fake), and from P(fake) to the lines of a verdict; fit on data that trained nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked
from facewitness.records import OperatingPoint

Floats = NDArray[np.float64]

_NEWTON_STEPS = 100
_GRADIENT_END = 1e-9
_RIDGE = 1e-12
_HALVINGS = 30
_DECIMALS = 6

THRESHOLD_RULE = (
    "threshold: the lowest score s (rounded up to 6 decimals) with (c + 1) / (n + 1) <= rate, where c of the n real "
    "faces score at least s, so that a further real face from the same source reaches it with at most that chance; "
    "lower threshold: the highest score below which at most the stated share of the fakes falls, counted alike, "
    "and never above the threshold"
)
"""How `operating_points` draws its lines, as results state it."""


class PlattScaling(NamedTuple):
    """``P(fake) = sigmoid(scale * logit + bias)``.

    Attributes:
        scale: Factor on the logit.
        bias: Added to it.
    """

    scale: float
    bias: float

    def apply(self, logits: ArrayLike) -> Floats:
        """P(fake) in [0, 1] for logits of any shape.

        Example:
            >>> PlattScaling(2.0, 0.0).apply([0.0, 100.0]).tolist()
            [0.5, 1.0]
        """
        return _sigmoid(self.scale * np.asarray(logits, dtype=np.float64) + self.bias)


@dataclass(frozen=True)
class IsotonicMap:
    """A rising, piecewise linear map from a score to P(fake); flat beyond its ends.

    Attributes:
        scores: ``(k,)`` rising knots.
        probabilities: ``(k,)`` P(fake) at the knots, never falling.
    """

    scores: Floats
    probabilities: Floats

    def apply(self, scores: ArrayLike) -> Floats:
        """P(fake) in [0, 1] for scores of any shape."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self.scores, self.probabilities))


def fit_platt(logits: ArrayLike, labels: ArrayLike) -> PlattScaling:
    """Fit scale and bias by maximum likelihood against Platt's softened targets, with Newton's method.

    The targets are ``(n1 + 1) / (n1 + 2)`` for the n1 fakes and ``1 / (n0 + 2)`` for the n0 reals, so that
    perfectly separated data give finite values.

    Args:
        logits: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        Scale and bias; a negative scale means that the logits point the wrong way.

    Raises:
        ConfigError: On bad input or one class only.

    Reference: Platt (1999), "Probabilistic outputs for support vector machines"; Lin, Lin and Weng (2007).
    """
    values, fake = checked(logits, labels)
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    x = np.column_stack([(values - centre) / spread, np.ones(values.size)])
    fakes, reals = int(fake.sum()), int((~fake).sum())
    targets = np.where(fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    weights = np.array([0.0, math.log((fakes + 1) / (reals + 1))])
    for _ in range(_NEWTON_STEPS):
        chances = _sigmoid(x @ weights)
        gradient = x.T @ (chances - targets)
        if np.abs(gradient).max() < _GRADIENT_END * values.size:
            break
        curvature = (x.T * (chances * (1 - chances))) @ x + _RIDGE * np.eye(2)
        step = np.asarray(np.linalg.solve(curvature, gradient), dtype=np.float64)
        weights = _line_search(x, targets, weights, step)
    scale = float(weights[0] / spread)
    return PlattScaling(scale, float(weights[1] - scale * centre))


def _line_search(x: Floats, targets: Floats, weights: Floats, step: Floats) -> Floats:
    """The Newton step, halved until it does not make the loss larger."""
    before = _cross_entropy(x @ weights, targets)
    for _ in range(_HALVINGS):
        candidate = weights - step
        if _cross_entropy(x @ candidate, targets) <= before:
            return candidate
        step = step / 2
    return weights


def _cross_entropy(logits: Floats, targets: Floats) -> float:
    return float(np.sum(np.logaddexp(0.0, logits) - targets * logits))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), dtype=np.float64)


def fit_isotonic(scores: ArrayLike, labels: ArrayLike) -> IsotonicMap:
    """Fit the rising map with the least squared error by pooling adjacent violators.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.

    Returns:
        The map; its knots are the ends of the pooled blocks. It needs some hundreds of scores, and unlike
        Platt scaling it can make scores equal.

    Raises:
        ConfigError: On bad input or one class only.
    """
    values, fake = checked(scores, labels)
    knots, inverse = np.unique(values, return_inverse=True)
    counts = np.bincount(inverse).astype(np.float64)
    means = np.bincount(inverse, weights=fake) / counts
    blocks: list[tuple[float, float, int]] = []  # mean, weight, distinct scores
    for mean, count in zip(means.tolist(), counts.tolist(), strict=True):
        value, weight, width = mean, count, 1
        while blocks and blocks[-1][0] >= value:
            other, other_weight, other_width = blocks.pop()
            value = (value * weight + other * other_weight) / (weight + other_weight)
            weight, width = weight + other_weight, width + other_width
        blocks.append((value, weight, width))
    widths = np.array([width for _, _, width in blocks])
    last = np.cumsum(widths) - 1
    ends = np.unique(np.concatenate([last - widths + 1, last]))
    fitted = np.repeat([value for value, _, _ in blocks], widths)
    return IsotonicMap(knots[ends], np.asarray(fitted[ends], dtype=np.float64))


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> float:
    """Mean gap between P(fake) and the share of fakes, over equally wide bins weighted by their size.

    Args:
        probabilities: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1; one class is enough.
        bins: Number of bins.

    Returns:
        [0, 1]; 0 is perfectly calibrated.

    Raises:
        ConfigError: On bad input, values outside [0, 1], or no bin.

    Example:
        >>> round(expected_calibration_error([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0], bins=10), 6)
        0.25

    Reference: Guo et al. (2017), "On calibration of modern neural networks", eq. 3, on P(fake).
    """
    values, fake = checked(probabilities, labels, both_classes=False)
    _require_probabilities(values, "probabilities")
    if bins < 1:
        msg = f"bins must be at least 1, got {bins}"
        raise ConfigError(msg)
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(place, weights=values - fake, minlength=bins)
    return float(np.abs(gaps).sum() / values.size)


def operating_points(
    real_scores: ArrayLike,
    fake_scores: ArrayLike,
    *,
    fprs: Sequence[float] = (0.01, 0.05),
    chosen_on: str,
    missed_share: float = 0.1,
) -> dict[str, OperatingPoint]:
    """Draw the lines between FAKE, UNCERTAIN and REAL, as `THRESHOLD_RULE` states.

    A weak detector gets a low lower threshold, so it says UNCERTAIN often: REAL is said only where few of the
    known fakes score. Where the fakes score higher than the threshold, both lines are one and nothing is UNCERTAIN.

    Args:
        real_scores: ``(n,)`` P(fake) in [0, 1] of real faces that nothing was trained on, one per source picture
            (or video), since the rule counts them as independent.
        fake_scores: ``(m,)`` P(fake) of fakes in the mixture of kinds that REAL is to be safe against.
        fprs: Wanted false-positive rates, each in (0, 1).
        chosen_on: The set, in words.
        missed_share: Share of the fakes that may score below the lower threshold, in (0, 1).

    Returns:
        By name, such as ``fpr=0.01``. ``false_positive_rate`` is ``(c + 1) / (n + 1)``: the share of the real
        faces at or above the threshold with the one more that is to be judged, so it is never 0.

    Raises:
        ConfigError: On scores or rates out of range, too few scores for a rate, or reals that score 1.
    """
    reals, fakes = _sorted_scores(real_scores, "real_scores"), _sorted_scores(fake_scores, "fake_scores")
    place = _rank(missed_share, fakes.size, "missed_share", "fakes")
    lowest_fakes = math.floor(float(fakes[place - 1]) * 10**_DECIMALS) / 10**_DECIMALS
    points: dict[str, OperatingPoint] = {}
    for rate in fprs:
        place = _rank(rate, reals.size, "a false-positive rate", "reals")
        bound = float(reals[-place])
        threshold = (math.floor(bound * 10**_DECIMALS) + 1) / 10**_DECIMALS
        if threshold > 1.0:
            msg = (
                f"{place} of {reals.size} reals score 1.0, so no threshold keeps the rate {rate}; calibrate the scores"
            )
            raise ConfigError(msg)
        reached = int((reals >= threshold).sum())
        points[f"fpr={rate:g}"] = OperatingPoint(
            threshold, (reached + 1) / (reals.size + 1), chosen_on, min(threshold, lowest_fakes)
        )
    return points


def _sorted_scores(scores: ArrayLike, name: str) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        msg = f"{name} must be (n,) finite with n >= 1, got shape {values.shape}"
        raise ConfigError(msg)
    _require_probabilities(values, name)
    return np.sort(values)


def _require_probabilities(values: Floats, name: str) -> None:
    if values.min() < 0 or values.max() > 1:
        msg = f"{name} must be in [0, 1], got {values.min():g} to {values.max():g}; apply a sigmoid to logits first"
        raise ConfigError(msg)


def _rank(share: float, count: int, name: str, things: str) -> int:
    """``floor(share * (count + 1))``, at least 1."""
    if not 0 < share < 1:
        msg = f"{name} must be in (0, 1), got {share}"
        raise ConfigError(msg)
    place = math.floor(share * (count + 1) + 1e-9)
    if place < 1:
        msg = f"{name} of {share:g} needs at least {math.ceil(1 / share - 1e-9) - 1} {things}, got {count}"
        raise ConfigError(msg)
    return place
