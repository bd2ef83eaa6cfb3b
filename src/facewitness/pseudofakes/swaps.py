"""Simple face swaps: another person's face, laid on by its landmarks, colour-matched and blended.

Used for training. The independent test forgeries (triangulation warp, Poisson blending) are made by
`facewitness.pseudofakes.triangulated`, another process on purpose.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_STABLE = (*range(0, 17, 2), 27, 30, 33, 36, 39, 42, 45, 48, 54, 8)


def landmark_distance(one: NDArray[np.float32], many: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean point distance between faces after removing place and size.

    Args:
        one: ``(k, 2)`` landmarks.
        many: ``(n, k, 2)`` landmarks.

    Returns:
        ``(n,)`` float32, in units of the faces' root-mean-square radius.
    """
    return np.asarray(np.linalg.norm(normalised_shape(many) - normalised_shape(one[None]), axis=2).mean(axis=1))


def normalised_shape(shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """``(n, k, 2)`` landmarks with mean 0 and root-mean-square radius 1 each."""
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    radius = np.sqrt((centred**2).sum(axis=2).mean(axis=1))[:, None, None]
    return np.asarray(centred / np.maximum(radius, 1e-6), dtype=np.float32)


def lay_on(donor: Image, donor_landmarks: NDArray[np.float32], landmarks: NDArray[np.float32], side: int) -> Image:
    """Warp a donor's face onto a target's landmarks by one least-squares affine map.

    Args:
        donor: ``(H, W, 3)`` uint8 RGB.
        donor_landmarks: ``(68+, 2)`` of the donor.
        landmarks: ``(68+, 2)`` of the target.
        side: Side of the target picture.

    Returns:
        ``(side, side, 3)`` uint8.
    """
    source = np.c_[donor_landmarks[list(_STABLE)], np.ones(len(_STABLE))].astype(np.float64)
    solution, *_ = np.linalg.lstsq(source, landmarks[list(_STABLE)].astype(np.float64), rcond=None)
    matrix = np.ascontiguousarray(solution.T)
    warped = cv2.warpAffine(donor, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, dtype=np.uint8)


def match_colour(source: Image, target: Image, mask: NDArray[np.float32], *, with_spread: bool) -> Image:
    """Give ``source`` the mean (and spread) per channel that ``target`` has under ``mask``.

    Args:
        source: ``(H, W, 3)`` uint8 RGB.
        target: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` float32 weights; all zero leaves ``source`` as it is.
        with_spread: Match standard deviations too.
    """
    inside = (mask > 0.5).astype(np.uint8)
    if not inside.any():
        return source
    mean_s, std_s = (v.ravel() for v in cv2.meanStdDev(source, mask=inside))
    mean_t, std_t = (v.ravel() for v in cv2.meanStdDev(target, mask=inside))
    gain = np.clip(std_t / np.maximum(std_s, 1.0), 0.5, 2.0) if with_spread else np.ones(3)
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.clip(np.rint((levels - mean_s) * gain + mean_t), 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(source, table), dtype=np.uint8)
