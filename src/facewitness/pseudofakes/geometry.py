"""Geometry of the pseudo-fakes: flips, small affine shifts, elastic fields.

Positions are pixel centres: the first pixel is at 0, the last at ``W - 1``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError
from facewitness.pseudofakes.masks import RAW81_TO_LEFT_RIGHT, Mode


def _mirror_order() -> NDArray[np.intp]:
    """Index of the mirrored partner for each of the 68 iBUG points, then for 13 forehead points left to right."""
    pairs = [*zip(range(17), range(16, -1, -1), strict=True), *zip(range(17, 27), range(26, 16, -1), strict=True)]
    pairs += [(i, i) for i in range(27, 31)] + list(zip(range(31, 36), range(35, 30, -1), strict=True))
    pairs += list(zip(range(36, 48), (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40), strict=True))
    pairs += list(zip(range(48, 55), range(54, 47, -1), strict=True))
    pairs += list(zip(range(55, 60), range(59, 54, -1), strict=True))
    pairs += list(zip(range(60, 65), range(64, 59, -1), strict=True))
    pairs += list(zip(range(65, 68), range(67, 64, -1), strict=True))
    pairs += list(zip(range(68, 81), range(80, 67, -1), strict=True))
    return np.array([partner for _, partner in pairs])


MIRROR_81: Final = _mirror_order()
"""``MIRROR_81[i]`` is the point that takes place ``i`` after a horizontal flip (forehead left to right)."""


def flip_landmarks(
    landmarks: NDArray[np.generic], width: int, *, mode: Mode = "corrected", raw_order: bool = True
) -> NDArray[np.generic]:
    """Mirror landmarks with their names (the left eye becomes the right eye).

    Args:
        landmarks: ``(68, 2)`` or ``(81, 2)`` x, y in pixels.
        width: Width of the image in pixels.
        mode: ``official`` maps x to ``W - x``, one pixel too far; ``corrected`` to ``W - 1 - x``.
        raw_order: The 13 forehead points are in raw dlib-81 order (else left to right).

    Returns:
        A new array of the same shape and dtype.

    Raises:
        FaceError: If there are neither 68 nor 81 points.
    """
    count = len(landmarks)
    if landmarks.shape not in ((68, 2), (81, 2)):
        msg = f"landmarks must be (68, 2) or (81, 2), got {landmarks.shape}"
        raise FaceError(msg)
    order = MIRROR_81[:count].copy()
    if count == 81 and raw_order:
        order[RAW81_TO_LEFT_RIGHT] = RAW81_TO_LEFT_RIGHT[::-1]
    out = landmarks[order]
    edge = width if mode == "official" else width - 1
    out[:, 0] = edge - out[:, 0]
    return out


def affine_about_centre(
    shape: Sequence[int], scale: tuple[float, float], shift: tuple[float, float]
) -> NDArray[np.float32]:
    """Forward matrix of a scale about the image centre and a shift.

    Args:
        shape: ``(H, W)`` of the image.
        scale: Factors along x and y.
        shift: Translation along x and y, as parts of the width and the height.

    Returns:
        ``(2, 3)`` float32, source pixel to result pixel.
    """
    height, width = int(shape[0]), int(shape[1])
    cx, cy = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [
            [scale[0], 0, cx - scale[0] * cx + shift[0] * width],
            [0, scale[1], cy - scale[1] * cy + shift[1] * height],
        ],
        np.float32,
    )


def whole_image_map(height: int, width: int, out: int) -> NDArray[np.float64]:
    """Matrix that puts a whole picture into a square: centre on centre, aspect kept.

    Args:
        height: Of the picture, pixels.
        width: Of the picture, pixels.
        out: Side of the square, pixels.

    Returns:
        ``(2, 3)`` float64, picture to square; scale ``(out - 1) / (longer side - 1)``.
    """
    scale = (out - 1) / max(height - 1, width - 1, 1)
    middle = (out - 1) / 2
    return np.array([[scale, 0, middle - scale * (width - 1) / 2], [0, scale, middle - scale * (height - 1) / 2]])


_CELL: Final = 4
"""Spacing in pixels at which `elastic_field` draws its noise."""


def elastic_field(
    rng: np.random.Generator, shape: Sequence[int], *, alpha: float = 50.0, sigma: float = 7.0
) -> NDArray[np.float32]:
    """Draw a smooth random displacement field.

    The reference field is uniform(-1, 1) noise per pixel, smoothed by a Gaussian of ``sigma`` and multiplied by
    ``alpha``. A field that smooth carries no detail finer than ``sigma``, so the noise is drawn on every 4th pixel,
    smoothed there and interpolated; the sigma and gain account for the interpolation, so that standard deviation and
    autocorrelation agree with the reference (a test compares them).

    Args:
        rng: Source of randomness.
        shape: ``(H, W)`` in pixels.
        alpha: Gain.
        sigma: Standard deviation of the smoothing, pixels; at least 4.

    Returns:
        ``(2, H, W)`` float32 displacements along x and y, pixels.

    Raises:
        ValueError: If ``sigma`` is below 4 pixels.
    """
    if sigma < _CELL:
        msg = f"sigma must be at least {_CELL} px, got {sigma}"
        raise ValueError(msg)
    height, width = int(shape[0]), int(shape[1])
    pad = math.ceil(3 * sigma / _CELL)
    rows, columns = -(-height // _CELL) + 1, -(-width // _CELL) + 1
    noise = rng.random((rows + 2 * pad, columns + 2 * pad, 2), dtype=np.float32) * np.float32(2) - np.float32(1)
    # Linear interpolation between cells smooths by a triangle of variance 1/6 cell^2.
    sigma_cells = math.sqrt((sigma / _CELL) ** 2 - 1 / 6)
    noise *= np.float32(alpha / _CELL)
    coarse = cv2.GaussianBlur(noise, (0, 0), sigma_cells)[pad : pad + rows, pad : pad + columns]
    enlarged = cv2.resize(coarse, (columns * _CELL, rows * _CELL), interpolation=cv2.INTER_LINEAR)
    start = _CELL // 2
    field = enlarged[start : start + height, start : start + width]
    return np.ascontiguousarray(np.moveaxis(field, 2, 0), dtype=np.float32)


def displace(mask: NDArray[np.uint8], field: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Move a mask along a displacement field (nearest pixel, mirrored borders).

    Args:
        mask: ``(H, W)`` uint8.
        field: ``(2, H, W)`` float32 displacement along x and y in pixels.

    Returns:
        A new ``(H, W)`` uint8 array.
    """
    height, width = mask.shape
    x = field[0] + np.arange(width, dtype=np.float32)
    y = field[1] + np.arange(height, dtype=np.float32)[:, None]
    out = cv2.remap(mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(out, dtype=np.uint8)
