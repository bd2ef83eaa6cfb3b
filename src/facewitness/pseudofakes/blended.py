"""Face X-ray style blends (BI): colour matching by the mean, a feathered edge, masks grown or shrunk.

Reference: Li et al., Face X-ray (CVPR 2020), section 3.2, in the form that LAA-Net's BI line uses.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError
from facewitness.pseudofakes.blending import alpha_blend
from facewitness.pseudofakes.masks import Mode


def match_mean_colour(
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8],
    mask: NDArray[np.number[Any]],
    *,
    mode: Mode = "corrected",
) -> NDArray[np.uint8]:
    """Shift the foreground's colours inside a mask so that their mean is the background's.

    Args:
        foreground: ``(H, W, 3)`` uint8 RGB.
        background: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)``; inside where not 0.
        mode: ``official`` cuts decimals off, which darkens the inside by half a grey level; ``corrected`` rounds.

    Returns:
        A new ``(H, W, 3)`` uint8 array; equal to ``foreground`` outside the mask.

    Raises:
        FaceError: If the mask is empty.
    """
    chosen = _inside(mask).view(np.uint8)
    shift = np.subtract(cv2.mean(background, mask=chosen), cv2.mean(foreground, mask=chosen))[:3]
    levels = np.clip(np.arange(256, dtype=np.float64)[:, None] + shift, 0, 255)
    table = (levels if mode == "official" else np.rint(levels)).astype(np.uint8)
    out = foreground.copy()
    cv2.copyTo(cv2.LUT(foreground, table[None]), chosen, out)
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
    rows = np.flatnonzero(inside.any(axis=1))
    lefts, rights = inside[rows].argmax(axis=1), inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    left, top, right, bottom = int(lefts.min()), int(rows[0]), int(rights.max()), int(rows[-1])
    width = feather * max(right - left, bottom - top)
    # The ends of the rows span the same hull as all pixels do.
    ends = np.concatenate([np.stack([lefts, rows], axis=1), np.stack([rights, rows], axis=1)]).astype(np.int32)
    hull = np.asarray(cv2.convexHull(ends), dtype=np.float64).reshape(-1, 2)
    if len(hull) < 3:
        msg = "the blending mask is a point or a line; it needs an area to be feathered"
        raise FaceError(msg)
    weights = np.zeros(mask.shape, np.float32)
    box = (slice(top, bottom + 1), slice(left, right + 1))
    distance = _distance_inside(hull - (left, top), (bottom + 1 - top, right + 1 - left), width)
    distance /= width
    weights[box] = np.where(inside[box], np.maximum(distance, 0), 0)
    return weights


def _distance_inside(hull: NDArray[np.float64], shape: tuple[int, int], limit: float) -> NDArray[np.float64]:
    """Distance to the edge of a convex polygon, at most ``limit``; nothing that can be used outside of it.

    Args:
        hull: ``(n, 2)`` x, y of the corners in order, not below 0.
        shape: ``(H, W)``.
        limit: Pixels.
    """
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    normals *= np.sign(((hull.mean(axis=0) - hull) * normals).sum(axis=1, keepdims=True))
    distance = np.full(shape, limit)
    # Inside a convex polygon the nearest edge is that whose line is nearest, and the foot of the perpendicular lies on
    # the edge itself: pixels farther than the limit from the edge's own box need not be asked.
    lows = np.maximum(np.floor(np.minimum(hull, hull + edges) - limit), 0).astype(int)
    highs = (np.ceil(np.maximum(hull, hull + edges) + limit) + 1).astype(int)
    columns, rows = np.arange(shape[1], dtype=np.float64), np.arange(shape[0], dtype=np.float64)
    for normal, corner, low, high in zip(normals, hull, lows, highs, strict=True):
        part = distance[low[1] : high[1], low[0] : high[0]]
        along_x = (columns[low[0] : high[0]] - corner[0]) * normal[0]
        along_y = (rows[low[1] : high[1]] - corner[1]) * normal[1]
        np.minimum(part, along_y[:, None] + along_x, out=part)
    return distance


def blend_feathered(
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8],
    mask: NDArray[np.number[Any]],
    *,
    feather: float = 0.2,
    mode: Mode = "corrected",
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Lay the foreground on the background with `feather_weights`.

    Args:
        foreground: ``(H, W, 3)`` uint8 RGB.
        background: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)``; inside where not 0.
        feather: See `feather_weights`.
        mode: As `alpha_blend`.

    Returns:
        The ``(H, W, 3)`` uint8 blend and the ``(H, W)`` float32 weights.

    Raises:
        FaceError: If the mask is empty or a line.
    """
    weights = feather_weights(mask, feather=feather)
    if mode == "corrected":
        return alpha_blend(foreground, background, weights), weights
    # In float64, as the authors' code; decimals are cut off, so that float32 would tip a level here and there.
    x, y, width, height = cv2.boundingRect((weights > 0).view(np.uint8))
    box = (slice(y, y + height), slice(x, x + width))
    w = weights[box][..., None].astype(np.float64)
    out = background.copy()
    out[box] = (w * foreground[box] + (1 - w) * background[box]).astype(np.uint8)
    return out, weights


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
