"""What every metric demands of its inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError


def checked(
    scores: ArrayLike, labels: ArrayLike, *, both_classes: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores and labels as arrays of one length.

    Args:
        scores: ``(n,)`` finite; higher means more likely fake (logits or probabilities).
        labels: ``(n,)`` of 0 (real) and 1 (fake).
        both_classes: Whether both labels must occur.

    Returns:
        Scores as float64, labels as booleans (True = fake).

    Raises:
        ConfigError: On other shapes, NaN, other labels, or a class that is absent.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels)
    if values.ndim != 1 or truth.shape != values.shape or values.size == 0:
        msg = f"scores and labels must be (n,) with n >= 1, got {values.shape} and {truth.shape}"
        raise ConfigError(msg)
    if not np.isfinite(values).all():
        msg = f"scores must be finite; {int((~np.isfinite(values)).sum())} of {values.size} are not: drop them first"
        raise ConfigError(msg)
    if not np.isin(truth, (0, 1)).all():
        msg = f"labels must be 0 (real) or 1 (fake), got {np.unique(truth)[:5].tolist()}"
        raise ConfigError(msg)
    fake = truth.astype(bool)
    if both_classes and (fake.all() or not fake.any()):
        msg = f"both classes are needed, got {int(fake.sum())} fake of {fake.size}"
        raise ConfigError(msg)
    return values, fake
