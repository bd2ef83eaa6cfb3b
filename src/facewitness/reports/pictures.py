"""Pictures of a report as data URIs: the frame with its face boxes, and each face enlarged with its heat."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facewitness.jpeg import encode_jpeg
from facewitness.records import FaceObservation, FaceTrack, Finding, Report, VerdictLabel
from facewitness.reports.heat import View, around_face, heat_colours, heat_layer, whole_frame
from facewitness.reports.labels import Label, named_regions, place_labels, region_anchor
from facewitness.reports.overlay import finding_in, observation_in
from facewitness.reports.words import region_words

NAMES_SIDE = 400.0
"""Longer side of the drawing that region names stand in, in its own units; a letter is `NAMES_LETTER` of them."""

NAMES_LETTER = 15.0
"""Size of the letters of region names, in units of the drawing."""

_JPEG_QUALITY = 82
_WEBP_QUALITY = 80
_FACE_MARGIN = 1.9
_HEAT_SIDE = 200  # heat is smooth: the page enlarges it
_LETTER_WIDTH = 0.62  # of its height: the widest of the usual screen fonts
_LEGEND_STOPS = 9


@dataclass(frozen=True)
class PictureSizes:
    """How large the pictures of a report are.

    Attributes:
        frame: Longest side of a whole frame, pixels.
        face: Longest side of an enlarged face, pixels.
    """

    frame: int
    face: int


@dataclass(frozen=True)
class FaceBox:
    """A face box on a frame, in per cent of the frame's sides.

    Attributes:
        number: Number of the face.
        label: Its verdict.
        left: Left edge.
        top: Upper edge.
        width: Width.
        height: Height.
    """

    number: int
    label: VerdictLabel
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class FramePicture:
    """A whole frame.

    Attributes:
        uri: JPEG as a data URI.
        width: Width in pixels.
        height: Height in pixels.
        frame_index: Index among the frames of the file.
        time_s: Time of the frame; None for a frame without a known face.
        boxes: Faces seen in it.
    """

    uri: str
    width: int
    height: int
    frame_index: int
    time_s: float | None
    boxes: tuple[FaceBox, ...]


@dataclass(frozen=True)
class FacePicture:
    """A face, enlarged.

    Attributes:
        uri: JPEG as a data URI.
        width: Width in pixels.
        height: Height in pixels.
        heat: Heat as a transparent WebP layer over the whole picture; None without a heatmap.
        names: Names of the hottest regions, in units of `NAMES_SIDE`.
        names_size: Width and height of the picture in those units.
        frame_index: Index of the frame that it is cut from.
        time_s: Time of that frame.
    """

    uri: str
    width: int
    height: int
    heat: str | None
    names: tuple[Label, ...]
    names_size: tuple[float, float]
    frame_index: int
    time_s: float


@dataclass(frozen=True)
class FilePictures:
    """The pictures of one file.

    Attributes:
        frame: The frame of the highest-scoring face; None when no picture was kept.
        faces: Enlarged faces by number.
    """

    frame: FramePicture | None
    faces: dict[int, FacePicture]


def file_pictures(
    report: Report,
    faces: Sequence[FaceTrack],
    frames: Mapping[int, NDArray[np.uint8]],
    sizes: PictureSizes,
) -> FilePictures:
    """Encode what one file's part of a report shows; one frame is held at a time.

    Args:
        report: The report.
        faces: Faces to show enlarged, some of the report's.
        frames: Frame index to ``(H, W, 3)`` uint8 RGB.
        sizes: How large pictures may be.
    """
    indices = list(frames)
    cut_from = {face.track_id: _frame_of(face, indices) for face in faces}
    ranked = sorted(report.faces, key=lambda face: -(face.verdict.score or 0.0))
    shown = (_frame_of(face, indices) for face in ranked)
    main = next((index for index in shown if index is not None), indices[0] if indices else None)
    frame: FramePicture | None = None
    found: dict[int, FacePicture] = {}
    for index in indices:
        here = [face for face in faces if cut_from[face.track_id] == index]
        if not here and index != main:
            continue
        pixels = frames[index]
        if index == main:
            frame = _frame_picture(pixels, index, report.faces, sizes.frame)
        for face in here:
            seen = observation_in(face, index)
            if seen is not None and np.isfinite(seen.box).all():
                found[face.track_id] = _face_picture(pixels, seen, finding_in(face, index), sizes.face)
    return FilePictures(frame, found)


def heat_legend() -> str:
    """The colours of heat from weak to strong as CSS colour stops."""
    strength = np.linspace(0.0, 1.0, _LEGEND_STOPS, dtype=np.float32)
    colours = heat_colours(strength[None])[0]
    return ", ".join(f"rgba({r}, {g}, {b}, {a:.2f})" for (r, g, b), a in zip(colours.tolist(), strength, strict=True))


def jpeg_uri(picture: NDArray[np.uint8]) -> str:
    """A ``(H, W, 3)`` uint8 RGB picture as a JPEG data URI."""
    return f"data:image/jpeg;base64,{b64encode(encode_jpeg(picture, _JPEG_QUALITY)).decode('ascii')}"


def _webp_uri(layer: NDArray[np.uint8]) -> str:
    """A ``(H, W, 4)`` uint8 RGBA layer as a WebP data URI."""
    data = BytesIO()
    Image.fromarray(layer).save(data, "WEBP", quality=_WEBP_QUALITY, alpha_quality=90)
    return f"data:image/webp;base64,{b64encode(data.getvalue()).decode('ascii')}"


def _frame_of(face: FaceTrack, indices: Sequence[int]) -> int | None:
    """The kept frame that shows a face best: that of its heatmap, else the first that it is seen in."""
    for finding in face.findings:
        if finding.heatmap is not None and finding.heatmap.frame_index in indices:
            return finding.heatmap.frame_index
    return next((index for index in indices if observation_in(face, index) is not None), None)


def _frame_picture(pixels: NDArray[np.uint8], index: int, faces: Sequence[FaceTrack], max_side: int) -> FramePicture:
    view = whole_frame(pixels.shape, max_side)
    seen = [(face, found) for face in faces if (found := observation_in(face, index)) is not None]
    boxes = [_face_box(face, found.box, pixels.shape) for face, found in seen if np.isfinite(found.box).all()]
    time_s = seen[0][1].time_s if seen else None
    return FramePicture(jpeg_uri(view.cut(pixels)), view.width, view.height, index, time_s, tuple(boxes))


def _face_box(face: FaceTrack, box: NDArray[np.float32], shape: tuple[int, ...]) -> FaceBox:
    height, width = shape[:2]
    left, right = np.clip(box[[0, 2]] / width, 0, 1) * 100
    top, bottom = np.clip(box[[1, 3]] / height, 0, 1) * 100
    edges = (round(float(v), 2) for v in (left, top, right - left, bottom - top))
    return FaceBox(face.track_id, face.verdict.label, *edges)


def _face_picture(
    pixels: NDArray[np.uint8], seen: FaceObservation, finding: Finding | None, max_side: int
) -> FacePicture:
    view = around_face(seen.box, pixels.shape, margin=_FACE_MARGIN, max_side=max_side)
    names_view = replace(view, scale=NAMES_SIDE / max(view.right - view.left, view.bottom - view.top))
    heat = None
    if finding is not None and finding.heatmap is not None:
        scale = view.scale * min(1.0, _HEAT_SIDE / max(view.width, view.height))
        heat = _webp_uri(heat_layer(finding.heatmap, replace(view, scale=scale)))
    return FacePicture(
        jpeg_uri(view.cut(pixels)),
        view.width,
        view.height,
        heat,
        () if finding is None else _names(finding, seen, names_view),
        (names_view.width, names_view.height),
        seen.frame_index,
        seen.time_s,
    )


def _names(finding: Finding, seen: FaceObservation, view: View) -> tuple[Label, ...]:
    """Names of the hottest regions beside the face, in pixels of the view."""
    wanted: list[tuple[str, tuple[float, float], float]] = []
    for region in named_regions(finding):
        spot = region_anchor(region.name, seen.landmarks)
        if spot is not None:
            x, y = view.points(np.array([spot], np.float32))[0]
            text = region_words(region.name)
            wanted.append((text, (float(x), float(y)), NAMES_LETTER * (_LETTER_WIDTH * len(text) + 1.0)))
    bounds = (float(view.width), float(view.height))
    return place_labels(wanted, box=view.box(seen.box), bounds=bounds, height=1.6 * NAMES_LETTER)
