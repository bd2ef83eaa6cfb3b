"""Whose face is cut out: one person through a video, or a face per frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.prepare.sources import CLOSE_S, FrameSource
from facewitness.faces.detection import iou
from facewitness.faces.finder import Face, FaceFinder
from facewitness.faces.tracking import link_tracks
from facewitness.media.video import Frame

_SAME_PLACE: Final = 0.3
"""Overlap from which a face that was found anew is the one that got lost."""


def official_choice(areas: Sequence[float], scores: Sequence[float]) -> int:
    """The face that LAA-Net's script keeps of a frame.

    Args:
        areas: Of the faces in the detector's order.
        scores: Of the same faces.

    Returns:
        Position of the last face whose area and score are both above those of the one kept before it.

    Example:
        >>> official_choice([100, 400, 900], [0.9, 0.95, 0.8])
        1
    """
    kept = 0
    for place in range(1, len(areas)):
        if areas[place] > areas[kept] and scores[place] > scores[kept]:
            kept = place
    return kept


def search_frames(times_s: NDArray[np.float64], every_s: float, *, is_timed: bool) -> NDArray[np.bool_]:
    """Which frames get a full search for faces; in the others the face is followed.

    Args:
        times_s: ``(k,)`` seconds, ascending.
        every_s: Seconds between two searches; 0 searches every frame.
        is_timed: Whether the times are known; if not, every frame is searched.

    Returns:
        ``(k,)``: the first frame, each after a gap, and one every ``every_s``.

    Example:
        >>> search_frames(np.array([0.0, 0.04, 0.08, 0.12, 1.0]), 0.08, is_timed=True).tolist()
        [True, False, True, False, True]
    """
    wanted = np.ones(len(times_s), dtype=np.bool_)
    if not is_timed or every_s <= 0:
        return wanted
    last = -np.inf
    for place, time_s in enumerate(times_s.tolist()):
        is_close = place > 0 and time_s - times_s[place - 1] <= CLOSE_S
        wanted[place] = not is_close or time_s - last >= every_s - 1e-6
        if wanted[place]:
            last = time_s
    return wanted


def main_person(found: Sequence[tuple[int, float, Sequence[Face]]]) -> dict[int, Face]:
    """The one person whose face is largest for longest.

    Args:
        found: Index, time in seconds and faces of each searched frame, in order of time.

    Returns:
        That person's face by frame index; empty where there is no face at all.
    """
    tracks = link_tracks(found)
    if not tracks:
        return {}
    best = max(tracks, key=lambda track: sum(face.size_px * face.presence for _, _, face in track.items))
    return {index: face for index, _, face in best.items}


def faces_of(source: FrameSource, finder: FaceFinder, settings: PrepareSettings) -> Iterator[tuple[Frame, Face | None]]:
    """Each frame of a source with the face to cut out.

    Args:
        source: Frames of one record; looped over twice with the rule ``person``.
        finder: Finds faces.
        settings: Face rule, and how often to search.

    Yields:
        Frame and face; None where there is none.

    Raises:
        MediaError: If nothing can be decoded.
    """
    if settings.face == "person":
        yield from _person(source, finder, settings)
        return
    for frame in source:
        yield frame, _of_one_frame(finder.find(frame.pixels), settings)


def _of_one_frame(faces: list[Face], settings: PrepareSettings) -> Face | None:
    if not faces or settings.face == "largest":
        return faces[0] if faces else None
    ordered = sorted(faces, key=lambda face: -face.detection_score)  # a detector lists its surest box first
    areas = [float(np.prod(face.box[2:] - face.box[:2])) for face in ordered]
    return ordered[official_choice(areas, [face.detection_score for face in ordered])]


def _person(source: FrameSource, finder: FaceFinder, settings: PrepareSettings) -> Iterator[tuple[Frame, Face | None]]:
    wanted = search_frames(source.times_s, settings.detect_every_s, is_timed=source.is_timed)
    found: list[tuple[int, float, list[Face]]] = []
    for place, frame in enumerate(source):
        if place >= len(wanted) or wanted[place]:
            time_s = frame.time_s if source.is_timed else float(frame.index)
            found.append((frame.index, time_s, finder.find(frame.pixels)))
    person, searched = main_person(found), {index for index, _, _ in found}
    last: Face | None = None
    for frame in source:
        if frame.index in searched:
            last = person.get(frame.index)
        elif last is not None:
            last = finder.follow(frame.pixels, last) or _same_place(finder.find(frame.pixels), last)
        yield frame, last


def _same_place(faces: list[Face], lost: Face) -> Face | None:
    """The face that lies where the lost one was."""
    overlaps = iou(lost.box, np.stack([face.box for face in faces])) if faces else np.zeros(1)
    best = int(overlaps.argmax())
    return faces[best] if overlaps[best] > _SAME_PLACE else None
