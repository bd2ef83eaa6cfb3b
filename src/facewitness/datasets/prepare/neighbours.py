"""For each real face the faces of other videos of its split with the nearest landmarks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.prepared import PreparedFrame, PreparedVideo, write_file
from facewitness.pseudofakes.neighbours import nearest_faces
from facewitness.records import Label

_POINTS = 68


def neighbour_table(videos: Sequence[PreparedVideo], count: int) -> NDArray[np.int32]:
    """Find neighbours among the real faces of each split.

    Args:
        videos: In the order of the index.
        count: Neighbours wanted; fewer where a split has fewer faces of other videos.

    Returns:
        ``(n, count)`` int32, a row per frame of all videos: positions of such rows, nearest first; -1 for fakes, for
        faces without landmarks, and where there are not so many.

    Reference: Face X-ray, section 3.2; LAA-Net's files call these ``best_match``.
    """
    rows = [(number, frame) for number, video in enumerate(videos) for frame in video.frames]
    table = np.full((len(rows), count), -1, dtype=np.int32)
    for split in sorted({video.record.split for video in videos}):
        members = [
            row
            for row, (number, frame) in enumerate(rows)
            if _takes_part(videos[number], split) and len(_shape(frame)) >= _POINTS
        ]
        if not members:
            continue
        owners = np.array([rows[row][0] for row in members], dtype=np.intp)
        faces = np.stack([np.asarray(_shape(rows[row][1]))[:_POINTS] for row in members])
        nearest, _ = nearest_faces(faces, owners, np.arange(len(members)), count=count, pad=True)
        table[members] = np.where(nearest < 0, -1, np.array(members, dtype=np.int32)[nearest])
    return table


def _takes_part(video: PreparedVideo, split: str) -> bool:
    return video.record.label == Label.REAL and video.record.split == split


def _shape(frame: PreparedFrame) -> Sequence[tuple[float, float]]:
    return frame.aligned_landmarks or frame.landmarks


def write_neighbours(path: Path, videos: Sequence[PreparedVideo], count: int) -> None:
    """Write `neighbour_table` as ``.npy``."""
    memory = io.BytesIO()
    np.save(memory, neighbour_table(videos, count))
    write_file(path, memory.getvalue())
