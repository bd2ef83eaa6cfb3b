"""Local forgeries: a face part moved, re-synthesised and put back, as reenactment does.

Plain self-blends teach a network the border of a swapped face; reenactments and lip-sync change a
part of the same face instead. Here a part is deformed by a smooth displacement and passed through
losses that a generator's decoder leaves (softness, lost texture, shifted colour).
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.jpeg import jpeg_again

Image = NDArray[np.uint8]
Part = Literal["mouth", "lower_face", "eyes", "nose", "inner_face"]

PARTS: tuple[Part, ...] = ("mouth", "lower_face", "eyes", "nose", "inner_face")

_GROUPS: dict[Part, tuple[tuple[int, ...], ...]] = {
    "mouth": (tuple(range(48, 68)),),
    "lower_face": ((*range(2, 15), *range(31, 36), *range(48, 60)),),
    "eyes": ((*range(36, 42), *range(17, 22)), (*range(42, 48), *range(22, 27))),
    "nose": (tuple(range(27, 36)),),
    "inner_face": ((*range(17, 27), *range(36, 48), *range(48, 60), 4, 12),),
}


def part_mask(landmarks: NDArray[np.float32], part: Part, shape: tuple[int, int], grow_px: int) -> NDArray[np.float32]:
    """Filled hulls of one face part, grown by ``grow_px``.

    Args:
        landmarks: ``(68+, 2)`` x, y in pixels; the first 68 in iBUG order.
        part: Which part.
        shape: ``(H, W)``.
        grow_px: Growth in pixels; 0 keeps the hull.

    Returns:
        ``(H, W)`` float32, 0 or 1.
    """
    mask = np.zeros(shape, np.uint8)
    for group in _GROUPS[part]:
        hull = cv2.convexHull(np.round(landmarks[list(group)]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1)
    if grow_px > 0:
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * grow_px + 1, 2 * grow_px + 1))
        mask = np.asarray(cv2.dilate(mask, element), dtype=np.uint8)
    return mask.astype(np.float32)


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int], *, amplitude_px: float, cells: int
) -> NDArray[np.float32]:
    """A random displacement field, bicubic between ``cells`` x ``cells`` nodes.

    Returns:
        ``(H, W, 2)`` float32 pixels, x then y; standard deviation at the nodes is ``amplitude_px``.
    """
    nodes = rng.standard_normal((cells, cells, 2), dtype=np.float32) * np.float32(amplitude_px)
    return np.asarray(cv2.resize(nodes, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def warp(image: Image, field: NDArray[np.float32]) -> Image:
    """Sample ``image`` at every pixel plus ``field`` (bilinear, mirrored border)."""
    height, width = image.shape[:2]
    x = np.arange(width, dtype=np.float32)[None] + field[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + field[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), dtype=np.uint8)


def jaw_field(
    rng: np.random.Generator, landmarks: NDArray[np.float32], shape: tuple[int, int], *, amplitude_px: float
) -> NDArray[np.float32]:
    """Displacement of a mouth that opens, closes or shifts: a Gaussian bump below the lips' centre."""
    mouth = landmarks[48:68]
    centre = mouth.mean(axis=0) + np.array([0.0, 0.35 * float(np.ptp(mouth[:, 0]))], dtype=np.float32)
    spread = float(np.ptp(mouth[:, 0])) * float(rng.uniform(0.35, 0.7)) + 1.0
    x = (np.arange(shape[1], dtype=np.float32) - centre[0]) / spread
    y = (np.arange(shape[0], dtype=np.float32) - centre[1]) / spread
    bump = np.exp(-0.5 * y**2)[:, None] * np.exp(-0.5 * x**2)[None]
    push = rng.normal(0, amplitude_px, 2).astype(np.float32) * np.array([0.4, 1.0], np.float32)
    return np.asarray(bump[..., None] * push, dtype=np.float32)


def resynthesise(rng: np.random.Generator, image: Image, *, strength: float = 1.0) -> Image:
    """Lose what a generator's decoder loses: one to three of softness, texture, colour and contrast.

    Args:
        rng: Source of randomness.
        image: ``(H, W, 3)`` uint8 RGB.
        strength: 1 for the full ranges, less for subtler forgeries.
    """
    out = image
    for step in rng.choice(6, size=int(rng.integers(1, 4)), replace=False, p=(0.34, 0.14, 0.14, 0.1, 0.14, 0.14)):
        out = _STEPS[int(step)](rng, out, strength)
    return colour_shift(rng, out, limit=9 * strength) if rng.random() < 0.7 else out


def _soften(rng: np.random.Generator, image: Image, strength: float) -> Image:
    """Down and up again by a factor that need not be whole."""
    factor = 1 + float(rng.uniform(0.2, 2.6)) * strength
    height, width = image.shape[:2]
    size = (max(8, int(width / factor)), max(8, int(height / factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(small, (width, height), interpolation=how), dtype=np.uint8)


def _blur(rng: np.random.Generator, image: Image, strength: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 + float(rng.uniform(0.1, 1.8)) * strength), dtype=np.uint8)


def _median(rng: np.random.Generator, image: Image, strength: float) -> Image:
    return np.asarray(cv2.medianBlur(image, 5 if rng.random() < 0.5 * strength else 3), dtype=np.uint8)


def _jpeg(rng: np.random.Generator, image: Image, strength: float) -> Image:
    return jpeg_again(image, int(rng.integers(min(round(90 - 70 * strength), 89), 90)))


def _sharpen(rng: np.random.Generator, image: Image, strength: float) -> Image:
    soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 2.0)))
    amount = float(rng.uniform(0.3, 1.2)) * strength
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), dtype=np.uint8)


def _noise(rng: np.random.Generator, image: Image, strength: float) -> Image:
    sigma = np.float32(rng.uniform(1, 7) * strength)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * sigma
    return np.asarray(np.clip(np.rint(image + noise), 0, 255), dtype=np.uint8)


_STEPS = (_soften, _blur, _median, _jpeg, _sharpen, _noise)


def colour_shift(rng: np.random.Generator, image: Image, *, limit: float) -> Image:
    """Shift each channel by up to ``limit`` grey levels and change contrast by up to 10 %."""
    shift = rng.uniform(-limit, limit, 3) + rng.uniform(-limit, limit)
    gain = rng.uniform(0.9, 1.1)
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.clip(np.rint((levels - 128) * gain + 128 + shift), 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)
