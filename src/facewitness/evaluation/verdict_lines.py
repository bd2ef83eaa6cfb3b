"""From P(fake) to the lines of a verdict: operating points at a false-positive rate, and conformal abstention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, require_probabilities
from facewitness.records import OperatingPoint, VerdictLabel

Floats = NDArray[np.float64]

_STEPS = 1_000_000  # lines are held to 6 decimals
_ROUNDING = 1e-9

THRESHOLD_RULE = (
    "threshold: the lowest score s (rounded up to 6 decimals) with (c + 1) / (n + 1) <= rate, where c of the n real "
    "faces score at least s, so that a further real face from the same source reaches it with at most that chance; "
    "lower threshold: the highest score below which at most the stated share of the fakes falls, counted alike, "
    "and never above the threshold"
)
"""How `operating_points` draws its lines, as results state it."""

CONFORMAL_RULE = (
    "split conformal by class: FAKE is possible for a score of at least the k-th lowest fake, REAL for one of at most "
    "the k-th highest real, with k = floor(error * (n + 1)) of the n of that class; an answer is given where exactly "
    "one is possible. Guarantee: a further real is called FAKE, and a further fake REAL, with at most the stated "
    "chance, if it comes from the same source as the calibration set; on average over such sets, and for fakes over "
    "its mixture of kinds, not for each kind"
)
"""What `fit_conformal` does and promises, as results state it."""


@dataclass(frozen=True)
class ConformalAbstention:
    """Which answers a score leaves possible; no answer where it leaves both or neither.

    Attributes:
        fake_from: FAKE is possible from this score on.
        real_up_to: REAL is possible up to this score.
        target_error: Largest chance of a wrong answer, for either class.
        reals: Real scores that it was fitted on.
        fakes: Fake scores that it was fitted on.

    Reference: Vovk, Gammerman and Shafer (2005), "Algorithmic learning in a random world", section 4.5 (Mondrian);
    Sadinle, Lei and Wasserman (2019), "Least ambiguous set-valued classifiers with bounded error levels".
    """

    fake_from: float
    real_up_to: float
    target_error: float
    reals: int
    fakes: int

    def decide(self, scores: ArrayLike) -> list[VerdictLabel]:
        """FAKE, REAL, or UNCERTAIN for each of ``(n,)`` scores."""
        values = np.asarray(scores, dtype=np.float64)
        fake, real = values >= self.fake_from, values <= self.real_up_to
        return [
            VerdictLabel.UNCERTAIN if f == r else VerdictLabel.FAKE if f else VerdictLabel.REAL
            for f, r in zip(fake.tolist(), real.tolist(), strict=True)
        ]

    def point(self, chosen_on: str) -> OperatingPoint:
        """The same rule as the two lines of an operating point, rounded to the side of no answer.

        Args:
            chosen_on: The set, in words.

        Raises:
            ConfigError: If so many reals score 1 that no line keeps the chance.
        """
        upper, lower = max(self.fake_from, self.real_up_to), min(self.fake_from, self.real_up_to)
        threshold = _line_above(upper)
        if threshold > 1.0:
            msg = f"scores of 1.0 leave no line that keeps the error {self.target_error:g}; calibrate the scores"
            raise ConfigError(msg)
        rate = math.floor(self.target_error * (self.reals + 1) + _ROUNDING) / (self.reals + 1)
        return OperatingPoint(threshold, rate, chosen_on, _line_below(lower), self.target_error)


def fit_conformal(scores: ArrayLike, labels: ArrayLike, target_error: float) -> ConformalAbstention:
    """Fit the rule that `CONFORMAL_RULE` states.

    Args:
        scores: ``(n,)`` P(fake) in [0, 1], one per independent source (video, identity).
        labels: ``(n,)`` of 0 and 1.
        target_error: Largest chance of a wrong answer for either class, in (0, 1).

    Returns:
        The rule; it holds for any rising map of the scores, fitted on the same data or not.

    Raises:
        ConfigError: On bad input, or a class with too few scores for the error.

    Example:
        >>> rule = fit_conformal([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], [0, 0, 0, 1, 0, 1, 1, 1], 0.2)
        >>> [label.value for label in rule.decide([0.3, 0.5, 0.7])]
        ['REAL', 'UNCERTAIN', 'FAKE']
    """
    values, fake = checked(scores, labels)
    fakes, reals = _sorted_scores(values[fake], "scores"), _sorted_scores(values[~fake], "scores")
    fake_from = float(fakes[_rank(target_error, fakes.size, "a target error", "fakes") - 1])
    real_up_to = float(reals[-_rank(target_error, reals.size, "a target error", "reals")])
    return ConformalAbstention(fake_from, real_up_to, target_error, reals.size, fakes.size)


def _line_above(bound: float) -> float:
    """The lowest line of 6 decimals above a score."""
    return (math.floor(bound * _STEPS) + 1) / _STEPS


def _line_below(bound: float) -> float:
    """The highest line of 6 decimals at or below a score."""
    return math.floor(bound * _STEPS) / _STEPS


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
    lowest_fakes = _line_below(float(fakes[place - 1]))
    points: dict[str, OperatingPoint] = {}
    for rate in fprs:
        place = _rank(rate, reals.size, "a false-positive rate", "reals")
        bound = float(reals[-place])
        threshold = _line_above(bound)
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
    require_probabilities(values, name)
    return np.sort(values)


def _rank(share: float, count: int, name: str, things: str) -> int:
    """``floor(share * (count + 1))``, at least 1."""
    if not 0 < share < 1:
        msg = f"{name} must be in (0, 1), got {share}"
        raise ConfigError(msg)
    place = math.floor(share * (count + 1) + _ROUNDING)
    if place < 1:
        msg = f"{name} of {share:g} needs at least {math.ceil(1 / share - _ROUNDING) - 1} {things}, got {count}"
        raise ConfigError(msg)
    return place
