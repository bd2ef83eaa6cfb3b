"""Named regions of a face as polygons of mesh points, and how much of a heatmap's heat lies in each.

"Right" and "left" are the person's own. The regions hardly overlap; temples and the lines between
regions belong to none.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError
from facewitness.faces.topology import MESH_POINTS, REGIONS
from facewitness.records import RegionStrength

_FINE_CELLS = 256
_SUBPIXEL_BITS = 6


def region_polygons(mesh: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Outlines of the named regions.

    Args:
        mesh: ``(468, 2)`` points in pixels of any frame or crop.

    Returns:
        Region name to its ``(n, 2)`` float32 outline in the same pixels, ``n`` at least 8.

    Raises:
        FaceError: If ``mesh`` is not ``(468, 2)``.

    Example:
        >>> sorted(region_polygons(np.zeros((468, 2), np.float32)))[:4]
        ['forehead', 'jaw', 'left_brow', 'left_cheek']
    """
    if mesh.shape != (MESH_POINTS, 2):
        msg = f"mesh must be ({MESH_POINTS}, 2), got {mesh.shape}; give the mesh of a Face"
        raise FaceError(msg)
    return {name: mesh[list(indices)].astype(np.float32) for name, indices in REGIONS.items()}


def region_strengths(
    values: NDArray[np.float32], polygons: Mapping[str, NDArray[np.float32]], crop_size: int
) -> tuple[RegionStrength, ...]:
    """How strongly a heatmap fires on each region.

    A cell of the heatmap counts for a region by the part of it that the region covers, so regions smaller than a
    cell are measured too. Of a region partly outside the crop the part inside counts; a region wholly outside was
    not seen and is left out. The face, whose heat the shares refer to, is the convex hull of all regions.

    Args:
        values: ``(h, w)`` heat in [0, 1] over the whole crop; what is not finite counts as 0.
        polygons: Region name to ``(n, 2)`` outline in crop pixels.
        crop_size: Side of the square crop in pixels.

    Returns:
        The regions seen, strongest first, equal ones by name; empty when no region lies in the crop.

    Raises:
        FaceError: If ``values`` is not a non-empty ``(h, w)`` array or ``crop_size`` is below 1.

    Example:
        >>> heat = np.zeros((8, 8), np.float32)
        >>> heat[:, :4] = 0.8
        >>> halves = {
        ...     "left": np.array([[40, 0], [63, 0], [63, 63], [40, 63]], np.float32),
        ...     "right": np.array([[0, 0], [31, 0], [31, 63], [0, 63]], np.float32),
        ... }
        >>> [(r.name, round(r.strength, 1), round(r.share, 1)) for r in region_strengths(heat, halves, 64)]
        [('right', 0.8, 1.0), ('left', 0.0, 0.0)]
    """
    if values.ndim != 2 or 0 in values.shape or crop_size < 1:
        msg = f"expected an (h, w) heatmap and a crop size of at least 1 pixel, got {values.shape} and {crop_size}"
        raise FaceError(msg)
    heat = np.clip(np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0), 0.0, 1.0)
    usable = {name: points for name, points in polygons.items() if len(points) and np.isfinite(points).all()}
    if not usable:
        return ()
    corners = np.concatenate(list(usable.values())).astype(np.float32)
    hull = np.asarray(cv2.convexHull(corners), dtype=np.float32).reshape(-1, 2)
    on_face = float((_coverage(hull, heat.shape, crop_size) * heat).sum())
    found = []
    for name, points in usable.items():
        covered = _coverage(points, heat.shape, crop_size)
        area = float(covered.sum())
        if area <= 0:
            continue
        inside = float((covered * heat).sum())
        share = min(1.0, inside / on_face) if on_face > 0 else 0.0
        found.append(RegionStrength(name, min(1.0, inside / area), share))
    return tuple(sorted(found, key=lambda region: (-region.strength, region.name)))


def _coverage(polygon: NDArray[np.float32], shape: tuple[int, ...], crop_size: int) -> NDArray[np.float64]:
    """``(h, w)`` float64 in [0, 1]: which part of each heatmap cell lies in a polygon given in crop pixels."""
    height, width = shape
    finer = max(1, -(-_FINE_CELLS // max(height, width)))
    cells = np.array([width * finer, height * finer], dtype=np.float64)
    # Far corners are pulled in: fixed-point coordinates have an end, and nothing out there is seen.
    fine = np.clip((polygon.astype(np.float64) + 0.5) * cells / crop_size - 0.5, -8 * cells, 8 * cells)
    canvas = np.zeros((height * finer, width * finer), dtype=np.uint8)
    fixed = np.round(fine * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed.reshape(-1, 1, 2)], 1, shift=_SUBPIXEL_BITS)
    return np.asarray(canvas.reshape(height, finer, width, finer).mean(axis=(1, 3)), dtype=np.float64)
