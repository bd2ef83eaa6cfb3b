"""Faces of other videos whose landmarks lie nearest: the partners of Face X-ray style blends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError


def nearest_faces(
    faces: NDArray[np.number[Any]],
    videos: NDArray[np.integer[Any]],
    queries: NDArray[np.integer[Any]],
    *,
    count: int = 30,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the nearest faces of other videos.

    Args:
        faces: ``(n, k, 2)`` landmarks, pixels of crops of one size.
        videos: ``(n,)`` number of each face's video.
        queries: ``(q,)`` indices into ``faces``.
        count: How many to find for each query.

    Returns:
        ``(q, count)`` indices into ``faces``, nearest first, ties in their order, and ``(q, count)`` float64
        distances: the sum over the landmarks of the Euclidean distance, pixels.

    Raises:
        FaceError: If a query has fewer than ``count`` faces of other videos, or the shapes do not agree.

    Reference: Face X-ray, section 3.2 (nearest landmarks).
    """
    if faces.ndim != 3 or faces.shape[2] != 2 or videos.shape != faces.shape[:1]:
        msg = f"expected faces (n, k, 2) and videos (n,), got {faces.shape} and {videos.shape}"
        raise FaceError(msg)
    points = faces.astype(np.float64)
    index = np.zeros((len(queries), count), np.intp)
    distance = np.zeros((len(queries), count))
    for row, query in enumerate(queries):
        others = np.flatnonzero(videos != videos[query])
        if len(others) < count:
            msg = (
                f"face {query} has {len(others)} faces of other videos, {count} are wanted; add videos or ask for less"
            )
            raise FaceError(msg)
        apart = np.linalg.norm(points[others] - points[query], axis=2).sum(axis=1)
        best = np.argsort(apart, kind="stable")[:count]
        index[row], distance[row] = others[best], apart[best]
    return index, distance
