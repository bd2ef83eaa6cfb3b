"""Heatmaps laid over pictures: where they land, their colours, and views that show a part of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.records import Heatmap

MOST_OPAQUE = 0.8
"""Opacity of the hottest pixel; below it opacity falls in proportion to the heat."""

_DARKEST = 72  # the first entries of inferno are black: they would darken the skin instead of marking it
_LARGEST_MAP = 512


@dataclass(frozen=True)
class View:
    """A rectangle of a frame, shown at another size.

    Attributes:
        left: Left edge, frame pixels.
        top: Upper edge, frame pixels.
        right: Right edge (exclusive), frame pixels.
        bottom: Lower edge (exclusive), frame pixels.
        scale: Shown pixels per frame pixel.
    """

    left: int
    top: int
    right: int
    bottom: int
    scale: float = 1.0

    @property
    def width(self) -> int:
        """Shown width in pixels."""
        return max(1, round((self.right - self.left) * self.scale))

    @property
    def height(self) -> int:
        """Shown height in pixels."""
        return max(1, round((self.bottom - self.top) * self.scale))

    def points(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frame points ``(n, 2)`` in pixels of the view."""
        shifted = (np.asarray(points, np.float32) - np.array([self.left, self.top], np.float32)) * np.float32(
            self.scale
        )
        return np.asarray(shifted, np.float32)

    def box(self, box: NDArray[np.float32]) -> NDArray[np.float32]:
        """A frame box ``(4,)`` xyxy in pixels of the view."""
        return self.points(np.asarray(box, np.float32).reshape(2, 2)).reshape(4)

    def cut(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The view's picture, ``(height, width, 3)`` uint8, a copy of its part of ``(H, W, 3)`` uint8 RGB."""
        part = frame[self.top : self.bottom, self.left : self.right]
        if part.shape[:2] == (self.height, self.width):
            return np.ascontiguousarray(part).copy()
        interpolation = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(part, (self.width, self.height), interpolation=interpolation), np.uint8)


def whole_frame(shape: tuple[int, ...], max_side: int | None = None) -> View:
    """The view of a whole ``(H, W, ...)`` frame, shrunk so that no side exceeds ``max_side``."""
    height, width = shape[:2]
    scale = 1.0 if max_side is None else min(1.0, max_side / max(height, width))
    return View(0, 0, width, height, scale)


def around_face(box: NDArray[np.float32], shape: tuple[int, ...], *, margin: float, max_side: int) -> View:
    """A square around a face, moved and cut to lie inside the frame.

    Args:
        box: ``(4,)`` xyxy, frame pixels.
        shape: ``(H, W, ...)`` of the frame.
        margin: Side of the square over the longer side of ``box``.
        max_side: Shown pixels at most; small faces are enlarged, by 4 at most.
    """
    height, width = shape[:2]
    x0, y0, x1, y1 = (float(v) for v in box)
    side = max(8.0, margin * max(x1 - x0, y1 - y0))
    wide, high = min(width, round(side)), min(height, round(side))
    left = int(np.clip(round((x0 + x1 - wide) / 2), 0, width - wide))
    top = int(np.clip(round((y0 + y1 - high) / 2), 0, height - high))
    return View(left, top, left + wide, top + high, min(4.0, max_side / max(wide, high)))


def heat_in_view(heatmap: Heatmap, view: View) -> tuple[NDArray[np.float32], int, int]:
    """Carry a heatmap from crop coordinates into a view.

    Returns:
        The heat ``(h, w)`` float32 in [0, 1] of the smallest rectangle that holds it, and the rectangle's
        left and upper edge in pixels of the view. ``h`` or ``w`` is 0 when it lies outside.
    """
    if not np.isfinite(heatmap.crop_to_frame).all():
        return np.zeros((0, 0), np.float32), 0, 0
    given = np.nan_to_num(np.clip(np.asarray(heatmap.values, np.float32), 0.0, 1.0))
    size = int(np.clip(heatmap.crop_size, 1, _LARGEST_MAP))
    # Enlarged before warping: the warp fades at the border of its source, which one map cell is too wide for.
    grown = (max(size, given.shape[1]), max(size, given.shape[0]))
    values = np.asarray(cv2.resize(given, grown, interpolation=cv2.INTER_LINEAR), np.float32)
    rows, columns = values.shape
    step_x, step_y = heatmap.crop_size / columns, heatmap.crop_size / rows
    to_crop = np.array([[step_x, 0, (step_x - 1) / 2], [0, step_y, (step_y - 1) / 2], [0, 0, 1]], np.float64)
    to_frame = np.vstack([np.asarray(heatmap.crop_to_frame, np.float64), [0, 0, 1]])
    s = view.scale
    to_view = np.array([[s, 0, s * (0.5 - view.left) - 0.5], [0, s, s * (0.5 - view.top) - 0.5], [0, 0, 1]], np.float64)
    matrix = (to_view @ to_frame @ to_crop)[:2]
    corners = np.array([[-0.5, -0.5], [columns - 0.5, -0.5], [columns - 0.5, rows - 0.5], [-0.5, rows - 0.5]])
    placed = corners @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(placed.min(axis=0)), 0, [view.width, view.height]).astype(int)
    high = np.clip(np.ceil(placed.max(axis=0)) + 1, 0, [view.width, view.height]).astype(int)
    wide, tall = int(max(0, high[0] - low[0])), int(max(0, high[1] - low[1]))
    if wide == 0 or tall == 0:
        return np.zeros((0, 0), np.float32), 0, 0
    matrix[:, 2] -= low
    heat = cv2.warpAffine(values, matrix, (wide, tall), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(heat, np.float32), int(low[0]), int(low[1])


def heat_colours(heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour of each heat value: inferno, perceptually uniform and safe for colour-blind readers.

    Args:
        heat: ``(h, w)`` float32 in [0, 1].

    Returns:
        ``(h, w, 3)`` uint8 RGB.
    """
    index = (_DARKEST + (255 - _DARKEST) * np.clip(heat, 0.0, 1.0)).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(index, cv2.COLORMAP_INFERNO)[..., ::-1], np.uint8)


def blend_heat(picture: NDArray[np.uint8], heatmap: Heatmap, view: View, *, opacity: float = MOST_OPAQUE) -> None:
    """Lay a heatmap over the picture of a view, in place.

    Args:
        picture: ``(height, width, 3)`` uint8 RGB of the view; changed.
        heatmap: Heat in crop coordinates.
        view: What ``picture`` shows.
        opacity: Opacity where the heat is 1.
    """
    heat, left, top = heat_in_view(heatmap, view)
    if heat.size == 0:
        return
    part = picture[top : top + heat.shape[0], left : left + heat.shape[1]]
    alpha = (opacity * heat)[..., None]
    part[:] = np.rint(part * (1.0 - alpha) + heat_colours(heat) * alpha).astype(np.uint8)


def heat_layer(heatmap: Heatmap, view: View) -> NDArray[np.uint8]:
    """A heatmap as a layer to be laid over the picture of a view.

    Returns:
        ``(height, width, 4)`` uint8 RGBA, straight alpha, 0 where there is no heat and 255 where it is 1.
    """
    layer = np.zeros((view.height, view.width, 4), np.uint8)
    heat, left, top = heat_in_view(heatmap, view)
    if heat.size:
        part = layer[top : top + heat.shape[0], left : left + heat.shape[1]]
        part[..., :3] = heat_colours(heat)
        part[..., 3] = np.rint(255.0 * np.clip(heat, 0.0, 1.0)).astype(np.uint8)
    return layer
