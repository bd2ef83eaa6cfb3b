"""Piecewise affine deformation: the nodes of a coarse grid are displaced and everything between follows linearly.

The rules are those of imgaug's ``PiecewiseAffine``, which Face X-ray style generators use on their masks: the grid
spans the picture from 0 to its full width and height, displacements are normal in parts of the height and width, and
displaced nodes stay inside the picture. A pixel of the result shows the picture at the place to which the displaced
grid takes it. A rectangular cell has two triangulations; imgaug leaves the choice to the rounding of its triangulation,
here the diagonal always runs from a cell's lower left to its upper right corner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GridDeformation:
    """One draw.

    Attributes:
        offsets: Displacement of each node, row by row: down and right, in parts of the height and the width.
    """

    offsets: tuple[tuple[tuple[float, float], ...], ...]


def draw_deformation(
    rng: np.random.Generator, scale: tuple[float, float] = (0.01, 0.15), nodes: tuple[int, int] = (2, 4)
) -> GridDeformation:
    """Draw the number of rows and columns, one standard deviation, and the displacement of each node.

    Args:
        rng: Source of randomness.
        scale: Lowest and highest standard deviation, in parts of the height and the width.
        nodes: Fewest and most rows (and columns) of nodes, both included; at least 2.
    """
    rows, columns = (int(n) for n in rng.integers(nodes[0], nodes[1] + 1, 2))
    offsets = rng.normal(0, rng.uniform(*scale), (rows, columns, 2)).tolist()
    return GridDeformation(tuple(tuple((float(down), float(right)) for down, right in row) for row in offsets))


def deformation_map(
    deformation: GridDeformation, height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of the result looks.

    Args:
        deformation: What was drawn.
        height: Of the picture, pixels.
        width: Of the picture, pixels.

    Returns:
        Two ``(height, width)`` float32 arrays: x and y in pixels.
    """
    offsets = np.asarray(deformation.offsets)
    rows, columns = offsets.shape[:2]
    y, x = np.linspace(0, height, rows), np.linspace(0, width, columns)
    targets = (
        np.clip(x + offsets[..., 1] * width, 0, width - 1).astype(np.float32),
        np.clip(y[:, None] + offsets[..., 0] * height, 0, height - 1).astype(np.float32),
    )
    maps = np.empty((2, height, width), np.float32)
    for i in range(rows - 1):
        for j in range(columns - 1):
            top, bottom, left, right = (math.ceil(edge) for edge in (y[i], y[i + 1], x[j], x[j + 1]))
            v = (np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y[i])) * np.float32((rows - 1) / height)
            u = (np.arange(left, right, dtype=np.float32) - np.float32(x[j])) * np.float32((columns - 1) / width)
            upper_left = u + v <= 1
            for target, out in zip(targets, maps, strict=True):
                a, b, c, d = target[i, j], target[i, j + 1], target[i + 1, j], target[i + 1, j + 1]
                first = (a + u * (b - a)) + v * (c - a)
                second = (d + (1 - u) * (c - d)) + (1 - v) * (b - d)
                out[top:bottom, left:right] = np.where(upper_left, first, second)
    return maps[0], maps[1]


def deform(image: NDArray[np.uint8], deformation: GridDeformation) -> NDArray[np.uint8]:
    """Deform a picture or mask: bilinear, 0 outside.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` uint8; not changed.
        deformation: What was drawn.

    Returns:
        A new array of the same shape.
    """
    x, y = deformation_map(deformation, *image.shape[:2])
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), dtype=np.uint8)
