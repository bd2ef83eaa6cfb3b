"""The golden check of packaged detectors: a picture anyone can draw, and the score it must get.

``facewitness doctor`` compares with ``metrics["self_test"] = {"seed": int, "expected": float}`` of a
`WeightsRecord`; whoever exports weights writes that entry with `self_test_entry`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from facewitness.weights import WeightsRecord

SELF_TEST_SEED = 20
"""Seed of the packaged golden values."""

SELF_TEST_TOLERANCE = 0.02
"""Largest accepted difference of P(fake): bf16 and f32 differ by less, a broken network by more."""

_COARSE = 9
_NOISE_LEVEL = 6.0


class SelfTest(TypedDict):
    """What a weights record holds under ``metrics["self_test"]``."""

    seed: int
    expected: float


def self_test_crop(seed: int, size: int) -> NDArray[np.uint8]:
    """Draw the golden input: smooth colour patches with a little noise, the same on every machine.

    Args:
        seed: Seed of `numpy.random.default_rng`.
        size: Side of the square crop, pixels.

    Returns:
        ``(size, size, 3)`` uint8, RGB.

    Raises:
        ValueError: If ``size`` is below 1.

    Example:
        >>> self_test_crop(1, 32).shape
        (32, 32, 3)
    """
    if size < 1:
        msg = f"size must be at least 1 pixel, got {size}"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.0, 255.0, (_COARSE, _COARSE, 3))
    at = np.linspace(0, _COARSE - 1, size)
    weights = np.clip(1.0 - np.abs(at[:, None] - np.arange(_COARSE)[None, :]), 0.0, 1.0)
    smooth = np.einsum("yi,ijc,xj->yxc", weights, coarse, weights)
    noisy: NDArray[np.float64] = smooth + rng.normal(0.0, _NOISE_LEVEL, smooth.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def self_test_entry(
    score: Callable[[Sequence[NDArray[np.uint8]]], Sequence[float]], size: int, *, seed: int = SELF_TEST_SEED
) -> SelfTest:
    """Measure the entry for a weights record.

    Args:
        score: Gives P(fake) of each crop.
        size: Side of the crops that the detector takes, pixels.
        seed: Seed of the golden input.
    """
    return {"seed": seed, "expected": round(float(score([self_test_crop(seed, size)])[0]), 6)}


def packaged_weights() -> tuple[tuple[WeightsRecord, Path], ...]:
    """Records of the weights inside the package, with the folder of each.

    Every JSON file below ``detectors/`` is a weights record.

    Raises:
        WeightsError: If one of them cannot be read.
    """
    folder = Path(__file__).parent / "detectors"
    return tuple((WeightsRecord.read(path), path.parent) for path in sorted(folder.rglob("*.json")))
