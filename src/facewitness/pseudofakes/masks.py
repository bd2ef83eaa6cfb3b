"""Blending masks from facial landmarks: convex hulls of face parts, and their random deformation.

Reference: Shiohara and Yamasaki, Self-Blended Images (CVPR 2022), section 3.2; Nguyen et al., LAA-Net (CVPR 2024),
supplementary. The hull types come from the landmark groups used by Face X-ray style generators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError

HullKind = Literal["dfl_full", "extended", "components", "facehull"]
Mode = Literal["corrected", "official"]
HULL_KINDS: Final[tuple[HullKind, ...]] = ("dfl_full", "extended", "components", "facehull")
"""The four hull types, in the order in which they are drawn."""

RAW81_TO_LEFT_RIGHT: Final = np.array([77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78])
"""Raw dlib-81 indices of the 13 forehead points, from the left temple to the right one."""

_DFL_FULL: Final = ((*range(17), *range(48, 68)), (*range(27, 31), 33), (*range(17, 27), 0, 27, 16, 33))
_COMPONENTS: Final = (
    (*range(9), 17),
    (*range(8, 17), 26),
    (*range(17, 20), 8),
    (*range(24, 27), 8),
    (*range(19, 25), 8),
    (*range(17, 22), 27, *range(31, 36), 8),
    (*range(22, 27), 27, *range(31, 36), 8),
    (*range(27, 31), *range(31, 36)),
)


def _as_points(landmarks: NDArray[np.generic]) -> NDArray[np.int32]:
    """Landmarks as ``(n, 2)`` int32 pixels (nearest), after the checks that every caller needs."""
    if landmarks.ndim != 2 or landmarks.shape[1] != 2 or len(landmarks) < 68:
        msg = f"landmarks must be (68, 2) or (81, 2) x,y pixels, got shape {landmarks.shape}; find the face first"
        raise FaceError(msg)
    if not np.all(np.isfinite(landmarks)):
        msg = "landmarks must be finite, got NaN or infinity; leave this face out"
        raise FaceError(msg)
    if np.max(np.abs(landmarks)) > 1e5:
        msg = f"landmarks must be pixels of the image, got values up to {np.max(np.abs(landmarks)):.3g}"
        raise FaceError(msg)
    if np.issubdtype(landmarks.dtype, np.integer):
        return landmarks.astype(np.int32)
    return np.asarray(np.rint(landmarks), dtype=np.int32)


def _lift_brows(points: NDArray[np.int32]) -> NDArray[np.int32]:
    """Landmarks with the brows raised by half their distance to the eyes (integer floor arithmetic)."""
    lifted = points.copy()
    quarter_left = (points[36] + (points[36] + points[0]) // 2) // 2
    quarter_right = (points[45] + (points[16] + points[45]) // 2) // 2
    below_left = np.vstack([quarter_left, points[36:40]])
    below_right = np.vstack([points[42:46], quarter_right])
    lifted[17:22] += (points[17:22] - below_left) // 2
    lifted[22:27] += (points[22:27] - below_right) // 2
    return lifted


def reorder_landmarks(landmarks: NDArray[np.generic]) -> NDArray[np.generic]:
    """Put the 13 forehead points of raw dlib-81 landmarks in left-to-right order.

    Args:
        landmarks: ``(81, 2)`` x, y in the order of the dlib 81-point model.

    Returns:
        A new ``(81, 2)`` array of the same dtype; the first 68 rows are unchanged.

    Raises:
        FaceError: If ``landmarks`` is not ``(81, 2)``.
    """
    if landmarks.shape != (81, 2):
        msg = f"landmarks must be (81, 2), got {landmarks.shape}; 68-point sets have no forehead to reorder"
        raise FaceError(msg)
    return np.concatenate([landmarks[:68], landmarks[RAW81_TO_LEFT_RIGHT]])


def hull_mask_uint8(landmarks: NDArray[np.generic], kind: HullKind, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Like `hull_mask`, with the values 0 and 255."""
    points = _as_points(landmarks)
    groups: Sequence[Sequence[int]]
    if kind == "dfl_full":
        groups = _DFL_FULL
    elif kind == "components":
        groups = _COMPONENTS
    elif kind == "extended":
        points, groups = _lift_brows(points), _COMPONENTS
    elif kind == "facehull":
        groups = (range(len(points)),)
    else:
        msg = f"kind must be one of {', '.join(HULL_KINDS)}, got {kind!r}"
        raise ValueError(msg)
    mask = np.zeros((int(shape[0]), int(shape[1])), np.uint8)
    for group in groups:
        cv2.fillConvexPoly(mask, cv2.convexHull(points[list(group)]), 255)
    return mask


def hull_mask(landmarks: NDArray[np.generic], kind: HullKind, shape: Sequence[int]) -> NDArray[np.float32]:
    """Draw the union of filled convex hulls of landmark groups.

    Args:
        landmarks: ``(68, 2)`` or ``(81, 2)`` x, y in pixels, the first 68 in iBUG order; floats are rounded.
        kind: One of `HULL_KINDS`. Only ``facehull`` uses points beyond the 68th (the forehead).
        shape: ``(H, W)`` of the image; further entries are ignored.

    Returns:
        ``(H, W)`` float32 mask with the values 0 and 1; all zeros when the face lies outside the image.

    Raises:
        FaceError: If ``landmarks`` is not ``(n >= 68, 2)`` or not finite.
        ValueError: If ``kind`` is unknown.

    Reference: LAA-Net code, hull types of Face X-ray style blending.
    """
    return np.asarray(hull_mask_uint8(landmarks, kind, shape), dtype=np.float32) / np.float32(255)


@dataclass(frozen=True)
class MaskSoftening:
    """Parameters of `soften_mask`.

    Attributes:
        height: Height in pixels to which the mask is resized before the blurs.
        width: Width in pixels, the same.
        first_kernel: Odd side of the first Gaussian kernel; it sets how far the mask shrinks.
        second_kernel: Odd side of the second one.
        second_sigma: Standard deviation of the second one, pixels.
    """

    height: int
    width: int
    first_kernel: int
    second_kernel: int
    second_sigma: int


def draw_softening(rng: np.random.Generator, shape: Sequence[int]) -> MaskSoftening:
    """Draw the parameters of `soften_mask` for an ``(H, W)`` mask as SBI does (Reference: SBI, section 3.2)."""
    height, width = int(shape[0]), int(shape[1])
    return MaskSoftening(
        height=int(rng.integers(int(height * 0.8), int(height / 0.8))),
        width=int(rng.integers(int(width * 0.8), int(width / 0.8))),
        first_kernel=int(2 * rng.integers(2, 13) + 1),
        second_kernel=int(2 * rng.integers(2, 13) + 1),
        second_sigma=int(rng.integers(5, 46)),
    )


def soften_mask(
    mask: NDArray[np.float32], softening: MaskSoftening, *, mode: Mode = "corrected"
) -> NDArray[np.float32]:
    """Shrink a mask a little and give it a soft edge.

    Resize, blur and keep the pixels that are still full, blur again, resize back. The official code finds the full
    pixels by comparing a blurred float with 1, which leaves rounding noise inside the mask and divides 0 by 0 when it
    is empty; ``corrected`` takes the same set by an erosion with the kernel's window and keeps the mask as it is
    when nothing would be left.

    Args:
        mask: ``(H, W)`` float32 in [0, 1].
        softening: What was drawn.
        mode: ``official`` repeats the original arithmetic step by step.

    Returns:
        ``(H, W)`` float32 in [0, 1].

    Raises:
        FaceError: If the mask is empty.

    Reference: SBI, section 3.2; LAA-Net code.
    """
    height, width = mask.shape
    resized = cv2.resize(mask, (softening.width, softening.height))
    peak = float(resized.max())
    if peak <= 0:
        msg = "the blending mask is empty: the landmarks lie outside the image or the face is only a few pixels wide"
        raise FaceError(msg)
    side = softening.first_kernel
    if mode == "official":
        blurred = cv2.GaussianBlur(resized, (side, side), 0)
        blurred = blurred / blurred.max()
        full = np.asarray(blurred >= 1, dtype=np.float32)
    else:
        inside = np.asarray(resized >= peak * (1 - 1e-4), dtype=np.uint8)
        eroded = cv2.erode(inside, np.ones((side, side), np.uint8))
        full = np.asarray(eroded if eroded.any() else inside, dtype=np.float32)
    side = softening.second_kernel
    soft = cv2.GaussianBlur(full, (side, side), softening.second_sigma)
    soft = np.asarray(cv2.resize(soft / soft.max(), (width, height)), dtype=np.float32)
    return np.minimum(soft, np.float32(1))
