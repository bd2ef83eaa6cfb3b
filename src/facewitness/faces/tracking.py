"""Faces of single frames joined into one track per person.

A track says "as near as a person can have moved in the time between, and not of another look", or "very
much the same look, wherever it is". How far people move grows with that time: frames may be neighbours or,
in a sparse sample of a long video, many seconds apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facewitness.faces.detection import iou
from facewitness.faces.finder import Face
from facewitness.faces.looks import ALIKE, LOOK_SIZE, UNLIKE, look_differences

# A walker's face moves by about seven of its sizes in a second.
_REACH, _REACH_PER_S, _MAX_REACH = 0.25, 3.0, 1.0
_GROWTH, _GROWTH_PER_S, _MAX_GROWTH = 0.15, 0.7, 0.5
_MISSED_S, _MISSED_INTERVALS = 2.0, 2.5
_VELOCITY_KEPT, _VELOCITY_TRUSTED_S = 0.75, 1.0
_STALE_COST = 0.2
_LOOK_COST, _LOOKS_KEPT = 0.5, 6
_TRACKS_REMEMBERED = 60
_NEW_TRACK_COST = 2.5


@dataclass
class Track:
    """One person through time.

    Attributes:
        items: Frame index, time in seconds, and face, in order of time; never empty, one per frame.
    """

    items: list[tuple[int, float, Face]] = field(default_factory=list)

    @property
    def last(self) -> Face:
        """The face seen last."""
        return self.items[-1][2]

    @property
    def last_s(self) -> float:
        """When it was seen last, seconds."""
        return self.items[-1][1]

    def expected_shift(self, time_s: float) -> NDArray[np.float32]:
        """``(2,)`` pixels by which the face should have moved on since it was seen last.

        A steady movement goes on for a while, which tells two people apart who cross; it is damped, and after a
        second without a sighting nothing is known of it.
        """
        if len(self.items) < 2:
            return np.zeros(2, np.float32)
        (_, before_s, before), (_, last_s, last) = self.items[-2:]
        elapsed, ahead = last_s - before_s, time_s - last_s
        if not (0 < elapsed <= _VELOCITY_TRUSTED_S and 0 < ahead <= _VELOCITY_TRUSTED_S):
            return np.zeros(2, np.float32)
        step = last.mesh.mean(axis=0) - before.mesh.mean(axis=0)
        return np.asarray(step * (_VELOCITY_KEPT * ahead / elapsed), dtype=np.float32)


def link_tracks(frames: Sequence[tuple[int, float, Sequence[Face]]]) -> list[Track]:
    """Join the faces of successive frames into tracks.

    Faces are assigned to tracks so that the sum of costs over a frame is least: lack of overlap plus the distance
    of landmarks in units of the face's size, both after the track's own movement, plus the difference in look. A face
    too far from every track, of another size, or of another look begins a new one. A track without a face waits for
    two seconds, or two and a half of the usual intervals between frames where that is longer; a face of very much the
    same look is taken for the same person later and elsewhere too, as when a film cuts back and forth.

    Args:
        frames: Index, time in seconds and faces of each frame, in order of time; frames without faces belong in.

    Returns:
        Tracks in the order in which they begin; those of one frame in the order of its faces. Every face is in
        exactly one track.

    Example:
        >>> mesh = np.random.default_rng(0).uniform(100, 200, (468, 2)).astype(np.float32)
        >>> face = Face(np.array([100, 100, 200, 200], np.float32), mesh, 1.0, 0.9)
        >>> [[index for index, _, _ in track.items] for track in link_tracks([(0, 0.0, [face]), (9, 0.3, [face])])]
        [[0, 9]]
    """
    patience_s = _patience([time_s for _, time_s, _ in frames])
    tracks: list[Track] = []
    remembered: list[Track] = []
    for index, time_s, faces in frames:
        remembered = sorted(remembered, key=lambda track: track.last_s)[-_TRACKS_REMEMBERED:]
        rows, columns = assign(_costs(remembered, faces, time_s, patience_s), _NEW_TRACK_COST)
        followed = {column: remembered[row] for row, column in zip(rows, columns, strict=True)}
        for column, face in enumerate(faces):
            track = followed.get(column)
            if track is None:
                track = Track()
                tracks.append(track)
                remembered.append(track)
            track.items.append((index, time_s, face))
    return tracks


def _patience(times_s: Sequence[float]) -> float:
    """How long a track waits for its face, in seconds."""
    intervals = np.diff(np.asarray(times_s, dtype=np.float64))
    usual = float(np.median(intervals)) if intervals.size else 0.0
    return max(_MISSED_S, _MISSED_INTERVALS * usual)


def _costs(tracks: Sequence[Track], faces: Sequence[Face], time_s: float, patience_s: float) -> NDArray[np.float64]:
    """``(tracks, faces)`` cost of giving a face to a track; infinite where it cannot be the same person."""
    if not tracks or not faces:
        return np.zeros((len(tracks), len(faces)))
    last = [track.last for track in tracks]
    shifts = np.stack([track.expected_shift(time_s) for track in tracks])
    gaps = np.maximum(0.0, time_s - np.array([track.last_s for track in tracks]))[:, None]
    expected = np.stack([face.mesh for face in last]) + shifts[:, None]
    meshes = np.stack([face.mesh for face in faces])
    before, now = np.maximum(_spread(expected), 1e-9)[:, None], np.maximum(_spread(meshes), 1e-9)
    distances = np.stack([np.linalg.norm(meshes - mesh, axis=2).mean(axis=1) for mesh in expected])
    distances /= np.sqrt(before * now)
    near = (
        (gaps <= patience_s)
        & (distances <= np.minimum(_MAX_REACH, _REACH + _REACH_PER_S * gaps))
        & (np.abs(np.log(now / before)) <= np.minimum(_MAX_GROWTH, _GROWTH + _GROWTH_PER_S * gaps))
    )
    unlike = _least_differences(tracks, faces)
    boxes = np.stack([face.box for face in faces])
    apart = 1 - np.stack([iou(face.box + np.tile(shift, 2), boxes) for face, shift in zip(last, shifts, strict=True)])
    places = 0.5 * apart + 0.5 * np.minimum(distances, _MAX_REACH)
    stale = _STALE_COST * np.minimum(1.0, gaps / patience_s)
    possible = (near & (unlike <= UNLIKE)) | (unlike < ALIKE)
    return np.where(possible, places + _LOOK_COST * unlike + stale, np.inf)


def _looks(faces: Sequence[Face]) -> NDArray[np.float32]:
    """``(n, 8, 8, 3)`` looks; zeros where a face has none."""
    nothing = np.zeros((LOOK_SIZE, LOOK_SIZE, 3), np.float32)
    return np.stack([nothing if face.look is None else face.look for face in faces])


def _least_differences(tracks: Sequence[Track], faces: Sequence[Face]) -> NDArray[np.float64]:
    """``(tracks, faces)`` difference from the latest looks of a track; where unknown, between alike and unlike."""
    latest = [[face for _, _, face in track.items[-_LOOKS_KEPT:]] for track in tracks]
    differences = look_differences(_looks([face for some in latest for face in some]), _looks(faces))
    starts = np.cumsum([0, *(len(some) for some in latest[:-1])])
    least = np.minimum.reduceat(differences, starts, axis=0)
    return np.where(np.isfinite(least), least, (ALIKE + UNLIKE) / 2)


def _spread(meshes: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(n,)`` longer sides of ``(n, 468, 2)`` meshes in pixels."""
    return np.asarray(np.ptp(meshes, axis=1).max(axis=1), dtype=np.float64)


def assign(costs: NDArray[np.float64], skip_cost: float) -> tuple[list[int], list[int]]:
    """Pair rows with columns at the least total cost, where leaving a row alone costs ``skip_cost``.

    Args:
        costs: ``(n, m)``; infinite (or NaN) where a pair is not allowed. None may be below 0.
        skip_cost: Pairs dearer than this are never made.

    Returns:
        Rows and the columns paired with them, rows ascending.

    Reference: shortest augmenting paths with potentials (Jonker and Volgenant, 1987).

    Example:
        >>> assign(np.array([[0.1, 0.2], [0.2, 0.9]]), 1.0)
        ([0, 1], [1, 0])
    """
    rows, columns = costs.shape
    if rows == 0 or columns == 0:
        return [], []
    never = 1e6 * (skip_cost + 1)
    allowed = np.where(np.isfinite(costs) & (costs <= skip_cost), costs, never)
    alone = np.full((rows, rows), never)  # each row has a column of its own, for being left alone
    np.fill_diagonal(alone, skip_cost)
    owner = _shortest_paths(np.concatenate([allowed, alone], axis=1))
    pairs = sorted((int(row), column) for column, row in enumerate(owner[:columns]) if row >= 0)
    return [row for row, _ in pairs], [column for _, column in pairs]


def _shortest_paths(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Row that each column goes to (-1: none) when every row gets one column, ``(n, m)`` with n <= m."""
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1, dtype=np.intp)
    for start in range(rows):
        nearest = np.full(columns, np.inf)
        came_from = np.full(columns, -1, dtype=np.intp)
        done = np.zeros(columns, dtype=bool)
        row, column, length = start, -1, 0.0
        while row >= 0:
            through = length + costs[row] - row_price[row] - column_price
            shorter = ~done & (through < nearest)
            nearest[shorter] = through[shorter]
            came_from[shorter] = column
            column = int(np.argmin(np.where(done, np.inf, nearest)))
            length = float(nearest[column])
            done[column] = True
            row = int(owner[column])
        settled = done.copy()
        settled[column] = False
        row_price[start] += length
        row_price[owner[settled]] += length - nearest[settled]
        column_price[settled] -= length - nearest[settled]
        while column >= 0:
            previous = int(came_from[column])
            owner[column] = start if previous < 0 else owner[previous]
            column = previous
    return owner
