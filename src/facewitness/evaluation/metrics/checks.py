"""What every metric demands of its inputs, and the ranks and groups that several need."""

from __future__ import annotations

from collections.abc import Sequence

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


def require_probabilities(values: NDArray[np.float64], name: str) -> None:
    """Refuse scores outside [0, 1].

    Raises:
        ConfigError: If there are any.
    """
    if values.min() < 0 or values.max() > 1:
        msg = f"{name} must be in [0, 1], got {values.min():g} to {values.max():g}; apply a sigmoid to logits first"
        raise ConfigError(msg)


def grouped(
    ids: Sequence[object] | NDArray[np.generic] | None, count: int, name: str = "ids"
) -> tuple[list[object], NDArray[np.int64]]:
    """Distinct ids in order of appearance, and the index of each item's id.

    Args:
        ids: ``(count,)`` hashable; None gives each item its own.
        count: Number of items.
        name: How an error calls the ids.

    Raises:
        ConfigError: If there is not one id per item.
    """
    plain = list(range(count)) if ids is None else ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if len(plain) != count:
        msg = f"{name} must hold one id per score, got {len(plain)} for {count}"
        raise ConfigError(msg)
    index = {value: i for i, value in enumerate(dict.fromkeys(plain))}
    return list(index), np.array([index[value] for value in plain], dtype=np.int64)


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 of ``(n,)`` values; equal ones share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], dtype=np.float64)
