"""What LAA-Net's heads learn from a blending boundary: heatmap of vulnerable points and consistency map.

Two modes. ``official`` keeps the arithmetic of the authors' code, which their checkpoints were trained with.
``corrected`` (the default) repairs it: the Gaussians are centred on their points (official ones lie up to one pixel up
and left), runs are counted once and end at the border (official ones start over at the opposite border), the
consistency map covers the whole map instead of the quadrants that hold a point, and a real picture is consistent with
itself everywhere (1, where the official map is 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.pseudofakes.masks import Mode

Points = Literal["quadrants", "centroid"]

_HALF: Final = 128
"""Grey level above which a pixel belongs to a run or to the centroid."""
_CHUNK: Final = 64
"""Points whose Gaussians are laid down at once."""


@dataclass(frozen=True)
class TargetConfig:
    """Settings of `boundary_targets`; the defaults are those of the LAA-Net configurations.

    Attributes:
        mode: ``corrected`` or ``official`` (see the module's text).
        points: ``quadrants`` takes every maximum of each quadrant (version 1, all published configurations);
            ``centroid`` the middle of the pixels above one half (version 2).
        adaptive_sigma: The Gaussians follow the thickness of the boundary; else all have ``sigma``.
        sigma: Their standard deviation in cells when not adaptive.
        overlap: Least overlap of two boxes from which the adaptive radius is derived.
    """

    mode: Mode = "corrected"
    points: Points = "quadrants"
    adaptive_sigma: bool = True
    sigma: float = 2.0
    overlap: float = 0.7

    def __post_init__(self) -> None:
        """Check the values."""
        if self.mode not in ("corrected", "official") or self.points not in ("quadrants", "centroid"):
            msg = f"expected mode corrected or official, points quadrants or centroid, got {self.mode}, {self.points}"
            raise ConfigError(msg)
        if self.sigma <= 0 or not 0 < self.overlap < 1:
            msg = f"expected sigma > 0 and overlap in (0, 1), got {self.sigma} and {self.overlap}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class BoundaryTargets:
    """Targets of one picture.

    Attributes:
        heatmap: ``(h, w)`` float32 in [0, 1], 1 at vulnerable points; all 0 for a real picture.
        consistency: ``(h, w)`` uint8; 255 where a cell agrees with the boundary's maximum.
        points: ``(n, 2)`` row, column of the vulnerable points.
    """

    heatmap: NDArray[np.float32]
    consistency: NDArray[np.uint8]
    points: NDArray[np.intp]


def boundary_targets(boundary: NDArray[np.uint8], config: TargetConfig | None = None) -> BoundaryTargets:
    """Targets from a boundary picture.

    Args:
        boundary: ``(h, w)`` uint8 at the size of the network's heatmap; all 0 for a real picture.
        config: Settings.

    Returns:
        Heatmap, consistency map and the points.

    Raises:
        ValueError: If ``boundary`` is not ``(h, w)`` uint8 of at least 2 cells a side.

    Reference: LAA-Net, sections 3.2 and 3.3.
    """
    c = config or TargetConfig()
    if boundary.dtype != np.uint8 or boundary.ndim != 2 or min(boundary.shape) < 2:
        msg = f"boundary must be (h, w) uint8 of at least 2x2, got {boundary.dtype} {boundary.shape}"
        raise ValueError(msg)
    points = vulnerable_points(boundary) if c.points == "quadrants" else centroid(boundary)
    if c.adaptive_sigma:
        runs = run_lengths(boundary, points, mode=c.mode)
        sigmas = gaussian_radius(runs[:, 0], runs[:, 1], overlap=c.overlap) / 3 + 1e-4
    else:
        sigmas = np.full(len(points), c.sigma)
    heatmap = gaussian_heatmap(boundary.shape, points, sigmas, mode=c.mode)
    return BoundaryTargets(heatmap, consistency_map(boundary, points, c), points)


def quadrants(shape: Sequence[int]) -> tuple[tuple[slice, slice], ...]:
    """The four quarters of a map, row by row; odd sides give the larger half to the end."""
    rows, columns = ((slice(0, side // 2), slice(side // 2, None)) for side in shape[:2])
    return tuple((y, x) for y in rows for x in columns)


def vulnerable_points(boundary: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Every pixel that holds the maximum of its quadrant, unless that is 0.

    Args:
        boundary: ``(h, w)`` uint8.

    Returns:
        ``(n, 2)`` row, column.
    """
    found = []
    for part in quadrants(boundary.shape):
        values = boundary[part]
        peak = values.max()
        if peak > 0:
            found.append(np.argwhere(values == peak) + np.array([part[0].start, part[1].start]))
    return np.concatenate(found) if found else np.zeros((0, 2), np.intp)


def centroid(boundary: NDArray[np.uint8]) -> NDArray[np.intp]:
    """``(1, 2)`` row, column of the middle of the pixels above one half, decimals cut off; ``(0, 2)`` without any."""
    inside = np.argwhere(boundary > _HALF)
    return inside.mean(axis=0, keepdims=True).astype(np.intp) if len(inside) else np.zeros((0, 2), np.intp)


def run_lengths(
    boundary: NDArray[np.uint8], points: NDArray[np.integer[Any]], *, mode: Mode = "corrected"
) -> NDArray[np.int64]:
    """Lengths of the vertical and the horizontal run of pixels above one half through each point.

    Args:
        boundary: ``(h, w)`` uint8.
        points: ``(n, 2)`` row, column.
        mode: ``official`` counts the point itself twice and lets runs that leave at the top or left go on at the
            opposite border.

    Returns:
        ``(n, 2)`` int64: vertical, horizontal; 0 where the point itself is not above one half.
    """
    inside = boundary > _HALF
    rows, columns = points[:, 0], points[:, 1]
    vertical = _runs(inside[:, columns].T, rows, wrap=mode == "official")
    horizontal = _runs(inside[rows], columns, wrap=mode == "official")
    runs = np.stack([vertical, horizontal], axis=1)
    return runs if mode == "official" else np.maximum(runs - 1, 0)


def _runs(lines: NDArray[np.bool_], starts: NDArray[np.integer[Any]], *, wrap: bool) -> NDArray[np.int64]:
    """Steps back plus steps forth from ``starts`` on ``(n, length)`` lines, each counting the start."""
    count, length = lines.shape
    steps = np.arange(length + 1)
    closed = np.concatenate([lines, np.zeros((count, 1), bool)], axis=1)
    forth = np.minimum(starts[:, None] + steps, length)
    back = starts[:, None] - steps
    # Before the start, -1 is the closing entry; with wrapping, entry -1 is the last of the line.
    back = back % length if wrap else np.where(back < 0, length, back)
    reached = [np.take_along_axis(closed, way, axis=1) for way in (forth, back)]
    return np.asarray(sum(np.where(way.all(axis=1), length, way.argmin(axis=1)) for way in reached), dtype=np.int64)


def gaussian_radius(
    height: NDArray[np.number[Any]], width: NDArray[np.number[Any]], *, overlap: float = 0.7
) -> NDArray[np.float64]:
    """Radius for boxes of ``height`` x ``width``: the smallest of three roots.

    The second and third roots lack the division by the leading coefficient, as in CornerNet's first release. Both
    modes keep that, since it sets the size of the blobs that the published networks learnt.

    Args:
        height: Any shape.
        width: The same shape.
        overlap: Least overlap, (0, 1).

    Returns:
        float64 of the same shape.

    Reference: CornerNet, section 3.2.
    """
    total = np.asarray(height + width, dtype=np.float64)
    area = np.asarray(height * width, dtype=np.float64)
    first = (total + np.sqrt(total**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    second = (2 * total + np.sqrt(4 * total**2 - 16 * (1 - overlap) * area)) / 2
    third = (-2 * overlap * total + np.sqrt(4 * overlap**2 * total**2 - 16 * overlap * (overlap - 1) * area)) / 2
    return np.asarray(np.minimum(np.minimum(first, second), third))


def gaussian_heatmap(
    shape: Sequence[int],
    points: NDArray[np.integer[Any]],
    sigmas: NDArray[np.float64],
    *,
    mode: Mode = "corrected",
) -> NDArray[np.float32]:
    """The largest of one Gaussian bump per point, each cut off at three standard deviations.

    Args:
        shape: ``(h, w)``.
        points: ``(n, 2)`` row, column.
        sigmas: ``(n,)`` standard deviations in cells.
        mode: ``official`` puts the peak one cell up and left when the fraction of ``3 sigma`` is in (0, 0.5).

    Returns:
        ``(h, w)`` float32 in [0, 1].
    """
    out = np.zeros((int(shape[0]), int(shape[1])), np.float32)
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        down = _bumps(points[part, 0], sigmas[part], out.shape[0], mode)
        across = _bumps(points[part, 1], sigmas[part], out.shape[1], mode)
        np.maximum(out, (down[:, :, None] * across[:, None, :]).max(axis=0), out=out)
    return out


def _bumps(
    centres: NDArray[np.integer[Any]], sigmas: NDArray[np.float64], length: int, mode: Mode
) -> NDArray[np.float32]:
    """``(n, length)`` float32 one-dimensional Gaussians, 0 beyond three standard deviations."""
    reach = 3 * sigmas
    if mode == "official":
        first = np.trunc(centres - reach)
        peak, end = first + np.floor(reach + 0.5), np.trunc(centres + reach + 1)
    else:
        peak, first, end = centres.astype(np.float64), np.ceil(centres - reach), np.floor(centres + reach) + 1
    x = np.arange(length)
    values = np.exp(-((x - peak[:, None]) ** 2) / (2 * sigmas[:, None] ** 2))
    values[(x < first[:, None]) | (x >= end[:, None])] = 0
    return np.asarray(values, dtype=np.float32)


def consistency_map(
    boundary: NDArray[np.uint8], points: NDArray[np.integer[Any]], config: TargetConfig | None = None
) -> NDArray[np.uint8]:
    """How far each cell agrees with the boundary's strongest point.

    Args:
        boundary: ``(h, w)`` uint8.
        points: ``(n, 2)`` row, column, from `vulnerable_points` or `centroid`.
        config: Settings; mode and kind of points matter.

    Returns:
        ``(h, w)`` uint8, ``255 - |reference - boundary|``, where the reference is the maximum (``quadrants``) or the
        value at the point (``centroid``). A real picture has 255 everywhere (``official``: 0).

    Reference: LAA-Net, section 3.3, after Zhao et al., pair-wise self-consistency (ICCV 2021).
    """
    c = config or TargetConfig()
    if not len(points):
        return np.full(boundary.shape, 0 if c.mode == "official" else 255, np.uint8)
    reference = boundary.max() if c.points == "quadrants" else boundary[points[0, 0], points[0, 1]]
    if c.mode == "corrected":
        return np.asarray(255 - cv2.absdiff(boundary, np.full_like(boundary, reference)), dtype=np.uint8)
    agreement = 255 - (reference - boundary)  # uint8: wraps where the boundary is above its centroid's value
    if c.points == "centroid":
        return np.asarray(agreement, dtype=np.uint8)
    out = np.zeros_like(boundary)
    for part in quadrants(boundary.shape):
        if boundary[part].any():
            out[part] = agreement[part]
    return out
