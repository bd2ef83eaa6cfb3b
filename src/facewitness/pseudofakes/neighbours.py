"""Faces of other videos whose landmarks lie nearest: the partners of Face X-ray style blends.

The distance is the sum over the landmarks of the Euclidean distance. For any group of landmarks the length of the
summed difference is at most the sum of the lengths, so the sums over all landmarks, then over eight parts of the face,
bound the distance from below at a fraction of its cost. Most faces are ruled out by these bounds, with a margin for
rounding; what is left is measured in float64. The result is that of measuring everything.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, FaceError
from facewitness.runtime import default_threads

OFFICIAL_CANDIDATES: Final = 10_000
"""Frames that LAA-Net's code draws for each query, from all frames and without replacement."""

_PARTS: Final = (
    range(6),
    range(6, 11),
    range(11, 17),
    range(17, 22),
    range(22, 27),
    range(27, 36),
    range(36, 48),
    range(48, 68),
)
"""Jaw right, chin, jaw left, brows, nose, eyes, mouth (iBUG order): points that move together, so bounds are tight."""

_BLOCK: Final = 128
"""Queries that a thread takes at a time."""

_POOL: Final = 1000
"""Faces, the nearest by their centres, among which a first limit is sought; fewer are simply all measured."""

_ROUNDING: Final = 2.0**-20
"""Share by which a float32 bound may be too high; 16 units in the last place, and sums have at most 8 terms."""

Rows = NDArray[np.intp]
Distances = NDArray[np.float64]


def nearest_faces(
    faces: NDArray[np.number[Any]],
    videos: NDArray[np.integer[Any]],
    queries: NDArray[np.integer[Any]],
    *,
    count: int = 30,
    candidates: int | None = None,
    seed: int = 0,
    pad: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Rows, Distances]:
    """Find the nearest faces of other videos.

    Args:
        faces: ``(n, k, 2)`` landmarks, pixels of crops of one size. A face with NaN has no landmarks: it is nobody's
            partner.
        videos: ``(n,)`` number of each face's video.
        queries: ``(q,)`` indices into ``faces``.
        count: How many to find for each query.
        candidates: Search this many faces, drawn anew for each query from all ``n`` before those of its video are left
            out, as LAA-Net's code does with `OFFICIAL_CANDIDATES`; None, or more than there are, searches all.
        seed: Of these draws; with ``queries`` it settles them, whatever the order and number of queries.
        pad: Fill up with -1 (distance infinite) where fewer than ``count`` are found; else that is an error.
        workers: Threads; None takes all CPUs. The result does not depend on it.
        progress: Called with the number of queries done so far, from the calling thread.

    Returns:
        ``(q, count)`` indices into ``faces``, nearest first, ties in their order, and ``(q, count)`` float64
        distances: the sum over the landmarks of the Euclidean distance, pixels.

    Raises:
        ConfigError: If ``count`` or ``candidates`` is below 1 (ValueError: ``workers``).
        FaceError: If the shapes do not agree, or a query has fewer than ``count`` faces of other videos, without pad.

    Example:
        >>> points = np.arange(8.0)[:, None, None] + np.zeros((8, 68, 2))
        >>> nearest_faces(points, np.array([0, 0, 0, 0, 1, 1, 2, 2]), np.array([0, 5]), count=2)[0].tolist()
        [[4, 5], [6, 3]]

    Reference: Face X-ray, section 3.2 (nearest landmarks); LAA-Net code, search of ``best_match``.
    """
    search = _Search(faces, videos, count, candidates, seed)
    index = np.full((len(queries), count), -1, np.intp)
    distance = np.full((len(queries), count), np.inf)

    def block(start: int) -> int:
        for row, query in enumerate(queries[start : start + _BLOCK].tolist(), start):
            found, apart = search(query)
            if len(found) < count and not pad:
                msg = f"face {query} has {len(found)} faces of other videos, {count} are wanted; add videos or pad"
                raise FaceError(msg)
            index[row, : len(found)], distance[row, : len(found)] = found, apart
        return min(start + _BLOCK, len(queries))

    with ThreadPoolExecutor(default_threads() if workers is None else workers) as pool:
        for done in pool.map(block, range(0, len(queries), _BLOCK)):
            if progress is not None:
                progress(done)
    return index, distance


class _Search:
    """The faces in the forms that the bounds need, ordered by video; a call answers one query."""

    def __init__(
        self,
        faces: NDArray[np.number[Any]],
        videos: NDArray[np.integer[Any]],
        count: int,
        candidates: int | None,
        seed: int,
    ) -> None:
        if min(count, 1 if candidates is None else candidates) < 1:
            msg = f"count and candidates must be at least 1, got {count} and {candidates}"
            raise ConfigError(msg)
        if faces.ndim != 3 or faces.shape[2] != 2 or videos.shape != faces.shape[:1]:
            msg = f"expected faces (n, k, 2) and videos (n,), got {faces.shape} and {videos.shape}"
            raise FaceError(msg)
        self.count, self.candidates, self.seed = count, candidates, seed
        self.pool = max(_POOL, 4 * count)
        usable = np.flatnonzero(np.isfinite(faces).all(axis=(1, 2)))
        self.order = usable[np.argsort(videos[usable], kind="stable")]
        """Place here to place in ``faces``."""
        self.place = np.full(len(faces), -1, np.intp)
        """Place in ``faces`` to place here."""
        self.place[self.order] = np.arange(len(self.order))
        owner = videos[self.order]
        self.first, self.last = (np.searchsorted(owner, owner, side) for side in ("left", "right"))
        self.x, self.y = (faces[self.order, :, axis].astype(np.float64) for axis in (0, 1))
        points = faces.shape[1]
        parts = _PARTS if points == 68 else np.array_split(np.arange(points), min(points, len(_PARTS)))
        sums = [np.stack([v[:, list(p)].sum(axis=1) for p in parts], axis=1) for v in (self.x, self.y)]
        if len(self.order):
            sums = [s - s.mean(axis=0) for s in sums]  # smaller numbers, so that float32 keeps the differences
        self.whole = np.stack([s.sum(axis=1) for s in sums]).astype(np.float32)
        self.parts = np.concatenate(sums, axis=1).astype(np.float32)
        self.ones = np.ones(len(parts), np.float32)
        largest = max((float(np.abs(a).max()) for a in (self.whole, self.parts) if a.size), default=0.0)
        self.slack = 4 * len(parts) * largest * 2.0**-24

    def __call__(self, query: int) -> tuple[Rows, Distances]:
        """Up to ``count`` nearest faces and their distances."""
        place = int(self.place[query])
        if place < 0:
            return np.empty(0, np.intp), np.empty(0)
        rows = self._drawn(query)
        if rows is None and len(self.order) - self.last[place] + self.first[place] <= self.pool:
            rows = np.r_[: self.first[place], self.last[place] : len(self.order)]
        near = self._near(place, rows) if rows is None or len(rows) > self.pool else rows
        distances = self.exact(near, place)
        found = self.order[near]
        best = np.lexsort([found, distances])[: self.count]
        return found[best], distances[best]

    def _drawn(self, query: int) -> Rows | None:
        """Places of this query's candidates; None for all."""
        if self.candidates is None or self.candidates >= len(self.place):
            return None
        rng = np.random.default_rng([self.seed, query])
        drawn = self.place[rng.choice(len(self.place), self.candidates, replace=False, shuffle=False)]
        own = self.place[query]
        kept = (drawn < self.first[own]) | (drawn >= self.last[own])
        return np.asarray(drawn[kept & (drawn >= 0)], dtype=np.intp)

    def _near(self, place: int, rows: Rows | None) -> Rows:
        """Those of ``rows`` (all: None) that the bounds do not rule out."""
        bound = self._whole_bound(place, rows)
        if rows is None:
            bound[self.first[place] : self.last[place]] = np.inf
        pool = np.argpartition(bound, self.pool)[: self.pool]
        pool = pool if rows is None else rows[pool]
        limit = self._limit(pool, self._parts_bound(place, pool), place)
        left = np.flatnonzero(bound <= limit)
        left = left if rows is None else rows[left]
        bound = self._parts_bound(place, left)
        return left[bound <= self._limit(left, bound, place)]

    def _limit(self, rows: Rows, bound: NDArray[np.float32], place: int) -> float:
        """The highest float32 bound that one of the ``count`` nearest of ``rows`` can have."""
        likely = rows[np.argpartition(bound, self.count - 1)[: self.count]]
        return float(self.exact(likely, place).max()) * (1 + _ROUNDING) + self.slack

    def _whole_bound(self, place: int, rows: Rows | None) -> NDArray[np.float32]:
        x, y = self.whole if rows is None else (v.take(rows) for v in self.whole)
        x = x - self.whole[0, place]
        y = y - self.whole[1, place]
        x *= x
        y *= y
        x += y
        return np.asarray(np.sqrt(x, out=x))

    def _parts_bound(self, place: int, rows: Rows) -> NDArray[np.float32]:
        apart = self.parts.take(rows, axis=0)
        apart -= self.parts[place]
        apart *= apart
        half = len(self.ones)
        lengths = apart[:, :half] + apart[:, half:]
        np.sqrt(lengths, out=lengths)
        return np.asarray(lengths @ self.ones)

    def exact(self, rows: Rows, place: int) -> Distances:
        """Distances of the faces at ``rows`` from the query."""
        x = self.x.take(rows, axis=0)
        y = self.y.take(rows, axis=0)
        x -= self.x[place]
        y -= self.y[place]
        x *= x
        y *= y
        x += y
        return np.asarray(np.sqrt(x, out=x).sum(axis=1))
