"""Pictures with the findings drawn in: heat, face boxes with their verdict, names of the hottest regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facewitness.errors import ConfigError
from facewitness.records import FaceObservation, FaceTrack, Finding, Verdict, VerdictLabel
from facewitness.reports.heat import MOST_OPAQUE, blend_heat, whole_frame
from facewitness.reports.labels import Label, Rectangle, named_regions, place_labels, region_anchor, score_text

VERDICT_COLOURS: dict[VerdictLabel, tuple[int, int, int]] = {
    VerdictLabel.FAKE: (180, 52, 20),
    VerdictLabel.REAL: (0, 94, 150),
    VerdictLabel.UNCERTAIN: (128, 92, 0),
    VerdictLabel.NOT_SCORED: (84, 88, 94),
}
"""RGB per verdict: blue against vermilion, which colour-blind readers tell apart; white text is readable on all."""

_MOST_NAMED_FACES = 3
_PLATE = (20, 24, 31)
_WHITE = (255, 255, 255)


@dataclass(frozen=True)
class _Pen:
    """What text and lines are drawn with; ``unit`` is the height of a letter in pixels."""

    draw: ImageDraw.ImageDraw
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont
    unit: float
    size: tuple[int, int]

    def width(self, text: str) -> float:
        """Width of a plate that holds ``text``."""
        return self.font.getlength(text) + self.unit


def overlay_picture(
    frame: NDArray[np.uint8],
    faces: Sequence[FaceTrack],
    *,
    frame_index: int | None = None,
    opacity: float = MOST_OPAQUE,
    with_regions: bool = True,
) -> NDArray[np.uint8]:
    """Draw the findings over a frame.

    Each face gets a box and its verdict in words (colour is never the only sign), the heatmap that was
    measured on this frame, and the names of its hottest regions with leader lines; names are left out in
    frames with more than three faces.

    Args:
        frame: ``(H, W, 3)`` uint8 RGB, the upright frame that the faces were found in.
        faces: Face tracks; those not seen in the frame are skipped.
        frame_index: Which frame of a video it is; None takes each track's first observation (pictures).
        opacity: Opacity of the heat where it is 1; below in proportion.
        with_regions: Whether regions are named.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.

    Raises:
        ConfigError: If ``frame`` is not ``(H, W, 3)`` uint8 or ``opacity`` is outside [0, 1].
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        msg = f"frame must be (H, W, 3) uint8 RGB, got {frame.dtype} {frame.shape}"
        raise ConfigError(msg)
    if not 0.0 <= opacity <= 1.0:
        msg = f"opacity must be within 0 and 1, got {opacity}"
        raise ConfigError(msg)
    seen = [(face, found) for face in faces if (found := observation_in(face, frame_index)) is not None]
    picture = frame.copy()
    view = whole_frame(frame.shape)
    for face, found in seen:
        finding = finding_in(face, found.frame_index)
        if finding is not None and finding.heatmap is not None:
            blend_heat(picture, finding.heatmap, view, opacity=opacity)
    image = Image.fromarray(picture)
    unit = float(np.clip(min(image.size) / 40, 10, 96))
    pen = _Pen(ImageDraw.Draw(image), ImageFont.load_default(unit), unit, image.size)
    taken: list[Rectangle] = []
    for face, found in seen:
        taken += _draw_box(pen, face, found, numbered=len(faces) > 1)
    if with_regions and len(seen) <= _MOST_NAMED_FACES:
        _draw_names(pen, _names(pen, seen, taken))
    return np.asarray(image, np.uint8).copy()


def observation_in(face: FaceTrack, frame_index: int | None) -> FaceObservation | None:
    """The sight of a face in one frame; its first for None."""
    if frame_index is None:
        return face.observations[0] if face.observations else None
    return next((found for found in face.observations if found.frame_index == frame_index), None)


def finding_in(face: FaceTrack, frame_index: int) -> Finding | None:
    """The first finding whose heatmap was measured on the given frame."""
    for finding in face.findings:
        if finding.heatmap is not None and finding.heatmap.frame_index == frame_index:
            return finding
    return None


def short_verdict(verdict: Verdict) -> str:
    """Label and score in a few characters.

    Example:
        >>> short_verdict(Verdict(VerdictLabel.FAKE, 0.931, "above the line"))
        'FAKE 0.93'
    """
    label = {VerdictLabel.REAL: "no trace", VerdictLabel.NOT_SCORED: "not scored"}.get(
        verdict.label, verdict.label.value
    )
    return label if verdict.score is None else f"{label} {score_text(verdict.score)}"


def _rectangle(found: FaceObservation) -> Rectangle:
    x0, y0, x1, y1 = (float(v) for v in np.nan_to_num(found.box))
    return x0, y0, x1, y1


def _draw_box(pen: _Pen, face: FaceTrack, found: FaceObservation, *, numbered: bool) -> list[Rectangle]:
    """Face box in the verdict's colour, with a white edge to stand out on any ground, and its words above.

    Returns:
        Where the words are; empty for a box that cannot be drawn.
    """
    if not np.isfinite(found.box).all():
        return []
    draw, unit = pen.draw, pen.unit
    colour = VERDICT_COLOURS[face.verdict.label]
    x0, y0, x1, y1 = (float(v) for v in found.box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    line = max(2, round(unit / 6))
    draw.rectangle((x0 - line, y0 - line, x1 + line, y1 + line), outline=_WHITE, width=line * 3 // 2)
    draw.rectangle((x0 - line // 2, y0 - line // 2, x1 + line // 2, y1 + line // 2), outline=colour, width=line)
    text = short_verdict(face.verdict)
    text = f"{face.track_id}: {text}" if numbered else text
    width, height = pen.width(text), 1.6 * unit
    left = float(np.clip(x0 - line, 0, max(0.0, pen.size[0] - width)))
    top = y0 - line - height
    if top < 0:
        top = min(y1 + line, pen.size[1] - height)
    draw.rectangle((left, top, left + width, top + height), fill=colour)
    draw.text((left + unit / 2, top + height / 2), text, fill=_WHITE, font=pen.font, anchor="lm")
    return [(left, top, left + width, top + height)]


def _names(pen: _Pen, seen: Sequence[tuple[FaceTrack, FaceObservation]], taken: Sequence[Rectangle]) -> list[Label]:
    """Where the names of the hottest regions stand: beside their face, clear of other faces and of ``taken``."""
    labels: list[Label] = []
    bounds = (float(pen.size[0]), float(pen.size[1]))
    for face, found in seen:
        finding = finding_in(face, found.frame_index)
        if finding is None or not np.isfinite(found.box).all():
            continue
        wanted: list[tuple[str, tuple[float, float], float]] = []
        for region in named_regions(finding):
            anchor = region_anchor(region.name, found.landmarks)
            if anchor is not None:
                text = f"{region.name.replace('_', ' ')} {region.strength:.2f}"
                wanted.append((text, anchor, pen.width(text)))
        others = [_rectangle(other) for _, other in seen if other is not found]
        clear = [*taken, *others, *(label.rectangle for label in labels)]
        labels += place_labels(wanted, box=found.box, bounds=bounds, height=1.6 * pen.unit, taken=clear)
    return labels


def _draw_names(pen: _Pen, labels: Sequence[Label]) -> None:
    """Dark plates with names, and over no plate a leader line from each to its spot."""
    draw, unit = pen.draw, pen.unit
    line = max(1, round(unit / 8))
    for label in labels:
        draw.line((*label.anchor, *label.elbow), fill=_PLATE, width=line + 2)
        draw.line((*label.anchor, *label.elbow), fill=_WHITE, width=line)
        x, y, r = *label.anchor, unit / 4
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_WHITE, outline=_PLATE, width=line)
    for label in labels:
        draw.rectangle(label.rectangle, fill=_PLATE)
        at = (label.left + unit / 2, label.top + label.height / 2)
        draw.text(at, label.text, fill=_WHITE, font=pen.font, anchor="lm")
