"""Alpha blending of two pictures, the boundary map of a blending mask, and what is asked of the pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError
from facewitness.pseudofakes.masks import Mode


def alpha_blend(
    source: NDArray[np.uint8],
    target: NDArray[np.uint8],
    mask: NDArray[np.float32],
    *,
    ratio: float = 1.0,
    mode: Mode = "corrected",
) -> NDArray[np.uint8]:
    """Mix ``source`` into ``target``: ``ratio * mask * source + (1 - ratio * mask) * target``.

    Args:
        source: ``(H, W, 3)`` uint8 RGB.
        target: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` float32 in [0, 1].
        ratio: Strength of the whole blend, 0..1.
        mode: ``official`` cuts the decimals off, which darkens the inside by half a grey level on average (a trace
            that a detector could learn); ``corrected`` rounds.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array, equal to ``target`` where the mask is 0.

    Raises:
        ValueError: If the shapes differ.

    Reference: SBI, equation 1.
    """
    if source.shape != target.shape or source.shape[:2] != mask.shape:
        msg = f"source, target and mask must agree in size, got {source.shape}, {target.shape} and {mask.shape}"
        raise ValueError(msg)
    weight = cv2.merge([mask * np.float32(ratio)] * 3)
    if mode == "official":
        mixed = weight * source
        mixed += (1 - weight) * target
        return np.asarray(mixed, dtype=np.uint8)
    difference = cv2.multiply(cv2.subtract(source, target, dtype=cv2.CV_32F), weight)
    return np.asarray(cv2.add(difference, target, dtype=cv2.CV_8U), dtype=np.uint8)


def blending_boundary(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map of the blending boundary, ``4 m (1 - m)``.

    Args:
        mask: ``(H, W)`` float32 in [0, 1].

    Returns:
        ``(H, W)`` float32 in [0, 1]: 1 where the mask is one half, 0 where it is 0 or 1.

    Reference: Face X-ray, equation 2; LAA-Net, section 3.1.
    """
    return np.asarray(4 * mask * (1 - mask), dtype=np.float32)


def boundary_to_uint8(boundary: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Boundary map in [0, 1] as uint8 grey levels, decimals cut off as the official code does."""
    return np.asarray(boundary * np.float32(255), dtype=np.uint8)


def check_picture(image: NDArray[np.uint8]) -> None:
    """Refuse pictures that a blend cannot be made of.

    Args:
        image: Should be ``(H, W, 3)`` uint8 RGB of at least 64 px a side.

    Raises:
        TypeError: If it is not uint8 RGB.
        FaceError: If it is too small to hold a face.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        msg = f"image must be (H, W, 3) uint8 RGB, got {image.dtype} {image.shape}"
        raise TypeError(msg)
    if min(image.shape[:2]) < 64:
        msg = f"image must be at least 64 px a side for a blend, got {image.shape[1]}x{image.shape[0]}; enlarge it"
        raise FaceError(msg)
