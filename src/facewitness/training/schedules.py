"""Learning-rate schedules as plain functions of the epoch."""

from __future__ import annotations

from facewitness.errors import ConfigError


def boosted_linear_decay(epoch: int, *, epochs: int, start_decay: int | None = None, booster: float = 4.0) -> float:
    """Factor on the base learning rate: a linear rise, then a linear fall to zero.

    Args:
        epoch: 0-based epoch.
        epochs: Epochs in all.
        start_decay: Epoch with the highest rate; None is ``epochs // 4``.
        booster: Highest factor.

    Returns:
        ``1 + (booster - 1) * epoch / start_decay`` before ``start_decay``, then a line from ``booster`` to 0 at
        ``epochs``; never negative.

    Raises:
        ConfigError: If the numbers do not make such a schedule.

    Reference: the schedule that LAA-Net's published checkpoints were trained with.

    >>> [round(boosted_linear_decay(e, epochs=100), 3) for e in (0, 25, 100)]
    [1.0, 4.0, 0.0]
    """
    peak = epochs // 4 if start_decay is None else start_decay
    if epochs < 1 or not 0 <= peak < epochs or booster <= 0:
        msg = f"need epochs >= 1, 0 <= start_decay < epochs and booster > 0, got {epochs}, {peak}, {booster}"
        raise ConfigError(msg)
    if epoch < peak:
        return 1 + (booster - 1) * epoch / peak
    return max(0.0, booster * (epochs - epoch) / (epochs - peak))
