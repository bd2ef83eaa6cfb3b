"""Maps from one score to a better one, and the calibration that a weights record carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.config import from_mapping
from facewitness.errors import ConfigError

Floats = NDArray[np.float64]
Method = Literal["temperature", "platt", "isotonic"]

LOGIT_BOUND: Final = 40.0
"""Log-odds are held within this, so that scores of 0 and 1 stay finite."""


def log_odds(scores: ArrayLike) -> Floats:
    """Log-odds of probabilities of any shape, held within `LOGIT_BOUND`.

    Example:
        >>> log_odds([0.5, 1.0]).tolist()
        [0.0, 40.0]
    """
    values = np.asarray(scores, dtype=np.float64)
    with np.errstate(divide="ignore"):
        odds = np.log(values) - np.log1p(-values)
    return np.asarray(np.clip(odds, -LOGIT_BOUND, LOGIT_BOUND))


def logistic(logits: ArrayLike) -> Floats:
    """``1 / (1 + exp(-x))`` in double precision, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))), dtype=np.float64)


class PlattScaling(NamedTuple):
    """``P(fake) = sigmoid(scale * logit + bias)``; without bias it is temperature scaling by ``1 / scale``.

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
        return logistic(self.scale * np.asarray(logits, dtype=np.float64) + self.bias)


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


@dataclass(frozen=True)
class Calibration:
    """What turns a detector's score into a calibrated one, as a weights record keeps it under ``score``.

    Attributes:
        method: ``temperature`` and ``platt`` work on the log-odds of the score, ``isotonic`` on the score.
        fitted_on: The set, in words.
        scale: Factor on the log-odds, above 0; 1 / temperature.
        bias: Added to them.
        scores: Knots of the isotonic map, rising.
        probabilities: P(fake) at the knots, never falling.
        errors: Out-of-fold figures before and after, such as ``{"ece_before": 0.2, "ece_after": 0.03}``.

    Raises:
        ConfigError: If the method is unknown or its values do not make a rising map.
    """

    method: Method
    fitted_on: str
    scale: float = 1.0
    bias: float = 0.0
    scores: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()
    errors: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.method not in get_args(Method):
            msg = f"calibration method must be one of {', '.join(get_args(Method))}, got {self.method!r}"
            raise ConfigError(msg)
        knots, levels = np.array(self.scores, dtype=np.float64), np.array(self.probabilities, dtype=np.float64)
        if self.method == "isotonic":
            fine = 0 < knots.size == levels.size and bool(np.isfinite(knots).all() and (np.diff(knots) > 0).all())
            fine = fine and bool((np.diff(levels) >= 0).all() and levels[0] >= 0 and levels[-1] <= 1)
        else:
            fine = bool(np.isfinite([self.scale, self.bias]).all()) and self.scale > 0 and not knots.size + levels.size
        if not fine:
            msg = (
                f"a {self.method} calibration must be a rising map with finite numbers, got scale {self.scale}, bias "
                f"{self.bias} and {knots.size} knots for {levels.size} probabilities"
            )
            raise ConfigError(msg)

    def apply(self, scores: ArrayLike) -> Floats:
        """Calibrated P(fake) in [0, 1] for P(fake) of any shape; order is kept, isotonic maps can make scores equal.

        Example:
            >>> Calibration("temperature", "made up", scale=0.5).apply([0.5, 0.8]).round(3).tolist()
            [0.5, 0.667]
        """
        if self.method == "isotonic":
            return IsotonicMap(np.array(self.scores), np.array(self.probabilities)).apply(scores)
        return PlattScaling(self.scale, self.bias).apply(log_odds(scores))

    @property
    def words(self) -> str:
        """The map in words, without its set.

        Example:
            >>> Calibration("temperature", "made up", scale=0.5).words
            'temperature 2'
        """
        if self.method == "temperature":
            return f"temperature {1 / self.scale:.3g}"
        if self.method == "platt":
            return f"Platt scaling {self.scale:.3g} * log-odds {self.bias:+.3g}"
        return f"isotonic map of {len(self.scores)} knots"

    def to_dict(self) -> dict[str, Any]:
        """JSON types only; `from_dict` turns it back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """A calibration from `to_dict`.

        Raises:
            ConfigError: If a field is missing, unknown, or does not fit.

        Example:
            >>> made = Calibration("isotonic", "made up", scores=(0.1, 0.9), probabilities=(0.0, 0.7))
            >>> Calibration.from_dict(made.to_dict()) == made
            True
        """
        return from_mapping(cls, values, where="calibration")
