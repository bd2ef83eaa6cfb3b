"""Face X-ray style blends (BI): colour matching by the mean, a feathered edge, masks grown or shrunk.

Reference: Li et al., Face X-ray (CVPR 2020), section 3.2, in the form that LAA-Net's BI line uses.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError


def match_mean_colour(
    foreground: NDArray[np.uint8], background: NDArray[np.uint8], mask: NDArray[np.number[Any]]
) -> NDArray[np.uint8]:
    """Shift the foreground's colours inside a mask so that their mean is the background's.

    Args:
        foreground: ``(H, W, 3)`` uint8 RGB.
        background: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)``; inside where not 0.

    Returns:
        A new ``(H, W, 3)`` uint8 array, decimals cut off; equal to ``foreground`` outside the mask.

    Raises:
        FaceError: If the mask is empty.
    """
    inside = _inside(mask)
    shift = background[inside].mean(axis=0) - foreground[inside].mean(axis=0)
    out = foreground.copy()
    levels = np.arange(256, dtype=np.float64)[:, None]
    table = np.clip(levels + shift, 0, 255).astype(np.uint8)
    out[inside] = cv2.LUT(foreground, table[None])[inside]
    return out


def feather_weights(mask: NDArray[np.number[Any]], *, feather: float = 0.2) -> NDArray[np.float32]:
    """Weights that rise from 0 at the edge of a mask's convex hull to 1 inside.

    Args:
        mask: ``(H, W)``; inside where not 0.
        feather: Width of the rise in parts of the longer side of the mask's bounding box.

    Returns:
        ``(H, W)`` float32 in [0, 1]; 0 outside the mask.

    Raises:
        FaceError: If the mask is empty or a line.
    """
    inside = _inside(mask)
    points = np.argwhere(inside)[:, ::-1]
    width = feather * float(np.ptp(points, axis=0).max())
    hull = np.asarray(cv2.convexHull(points.astype(np.int32)), dtype=np.float64).reshape(-1, 2)
    if len(hull) < 3:
        msg = "the blending mask is a point or a line; it needs an area to be feathered"
        raise FaceError(msg)
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    normals *= np.sign(((hull.mean(axis=0) - hull) * normals).sum(axis=1, keepdims=True))
    # Inside a convex polygon the nearest edge is the nearest of the lines through the edges.
    distance = np.full(len(points), np.inf)
    for normal, corner in zip(normals, hull, strict=True):
        np.minimum(distance, points @ normal - corner @ normal, out=distance)
    weights = np.zeros(mask.shape, np.float32)
    weights[inside] = np.clip(distance / width, 0, 1)
    return weights


def blend_feathered(
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8],
    mask: NDArray[np.number[Any]],
    *,
    feather: float = 0.2,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Lay the foreground on the background with `feather_weights`.

    Args:
        foreground: ``(H, W, 3)`` uint8 RGB.
        background: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)``; inside where not 0.
        feather: See `feather_weights`.

    Returns:
        The ``(H, W, 3)`` uint8 blend, decimals cut off, and the ``(H, W)`` float32 weights.

    Raises:
        FaceError: If the mask is empty or a line.
    """
    weights = feather_weights(mask, feather=feather)
    w = weights[..., None].astype(np.float64)
    return (w * foreground + (1 - w) * background).astype(np.uint8), weights


def change_mask(mask: NDArray[np.uint8], kernel: int, *, grow: bool) -> NDArray[np.uint8]:
    """Dilate or erode by a square kernel.

    Args:
        mask: ``(H, W)`` uint8.
        kernel: Side in pixels; even sides are made odd by one more.
        grow: Dilate; else erode.

    Returns:
        A new ``(H, W)`` uint8 array.
    """
    side = kernel + 1 - kernel % 2
    element = np.ones((side, side), np.uint8)
    return np.asarray(cv2.dilate(mask, element) if grow else cv2.erode(mask, element), dtype=np.uint8)


def _inside(mask: NDArray[np.number[Any]]) -> NDArray[np.bool_]:
    inside = mask != 0
    if not inside.any():
        msg = "the blending mask is empty: the landmarks lie outside the image or the erosion took everything"
        raise FaceError(msg)
    return np.asarray(inside)
