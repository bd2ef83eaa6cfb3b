"""Geometry of the drawings in a report: the score scale, and scores over time.

Positions along x are per cent of the drawing's width, so that the drawings fit any page; y is in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from facewitness.records import FaceTrack, OperatingPoint, Timeline, VerdictLabel
from facewitness.reports.labels import HEADLINES, score_text, spread
from facewitness.reports.words import time_words
from facewitness.wording import line_words

PLOT_HEIGHT = 200
"""Height of the timeline's plotting area in pixels."""

LINE_STYLES = 6
"""How many faces a timeline shows; each has its own colour and dash pattern."""

Anchor = Literal["start", "middle", "end"]

_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 6
_LABEL_HEIGHT = 15.0
_TICK_ROOM = 9.0  # per cent of the width that a number below the scale takes


@dataclass(frozen=True)
class Tick:
    """A number at a place along x.

    Attributes:
        at: Place, per cent.
        text: The number.
        anchor: Which part of the text stands at the place.
    """

    at: float
    text: str
    anchor: Anchor = "middle"


@dataclass(frozen=True)
class Zone:
    """A stretch of the score scale with one verdict.

    Attributes:
        label: The verdict.
        left: Left end, per cent.
        width: Length, per cent.
        words: Which scores lie in it.
    """

    label: VerdictLabel
    left: float
    width: float
    words: str


@dataclass(frozen=True)
class Scale:
    """The score scale from 0 to 1.

    Attributes:
        zones: Stretches from left to right; empty without an operating point.
        ticks: Numbers below it.
        score: The score; None draws the scale alone.
        description: The drawing in words.
    """

    zones: tuple[Zone, ...]
    ticks: tuple[Tick, ...]
    score: Tick | None
    description: str


@dataclass(frozen=True)
class FaceLine:
    """One face in a timeline.

    Attributes:
        number: Number of the face.
        style: Index of the line's style.
        runs: Points ``x,y`` of each unbroken run, x in per mille of the width, as SVG writes them.
        dots: Each scored frame: x in per cent, y in pixels.
        end: Where the line's number stands: y in pixels.
        words: The line in words.
    """

    number: int
    style: int
    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    end: float
    words: str


@dataclass(frozen=True)
class TimelinePlot:
    """Scores over time.

    Attributes:
        lines: One per face.
        ticks: Times below the plot.
        unit: What the times are in.
        limits: The operating point's lines: y in pixels, text, and whether it is the line for FAKE.
        gaps: Whether a line is broken somewhere.
        description: The plot in words.
    """

    lines: tuple[FaceLine, ...]
    ticks: tuple[Tick, ...]
    unit: str
    limits: tuple[tuple[float, str, bool], ...]
    gaps: bool
    description: str


def score_scale(score: float | None, point: OperatingPoint | None) -> Scale:
    """Lay out the scale for a score and the operating point's two lines."""
    known = score is not None and isfinite(score)
    at = _percent(score)
    place = Tick(at, score_text(score), _anchor(at, 6.0)) if known else None
    zones = _zones(point)
    said = f"Score {score_text(score)} on a scale from 0 to 1. " if known else "Scale from 0 to 1. "
    said += "; ".join(f"{HEADLINES[zone.label]}: {zone.words}" for zone in zones)
    return Scale(zones, _scale_ticks(point), place, said.strip())


def _zones(point: OperatingPoint | None) -> tuple[Zone, ...]:
    if point is None:
        return ()
    low, high = _percent(point.lower_threshold), _percent(point.threshold)
    low = min(low, high)
    lower, upper = line_words(point.lower_threshold), line_words(point.threshold)
    zones = [
        Zone(VerdictLabel.REAL, 0.0, low, f"below {lower}"),
        Zone(VerdictLabel.UNCERTAIN, low, high - low, f"{lower} to {upper}"),
        Zone(VerdictLabel.FAKE, high, 100.0 - high, f"{upper} and above"),
    ]
    return tuple(zone for zone in zones if zone.width > 0 or zone.label is VerdictLabel.FAKE)


def _scale_ticks(point: OperatingPoint | None) -> tuple[Tick, ...]:
    lines = sorted({point.lower_threshold, point.threshold}) if point is not None else []
    near = len(lines) == 2 and _percent(lines[1]) - _percent(lines[0]) < _TICK_ROOM
    ticks: list[Tick] = []
    for i, line in enumerate(lines):
        at = _percent(line)
        beside: Anchor = "end" if i == 0 else "start"
        ticks.append(Tick(at, line_words(line), beside if near else _anchor(at, 4.0)))
    for at, text, anchor in ((0.0, "0", "start"), (100.0, "1", "end")):
        if all(abs(tick.at - at) >= 1.5 * _TICK_ROOM for tick in ticks):
            ticks.append(Tick(at, text, "start" if anchor == "start" else "end"))
    return tuple(sorted(ticks, key=lambda tick: tick.at))


def timeline_plot(faces: Sequence[FaceTrack], point: OperatingPoint | None) -> TimelinePlot | None:
    """Lay out the scores of up to `LINE_STYLES` faces over time; None when no face has a timeline."""
    known = [(face, timeline) for face in faces if (timeline := _timeline(face)) is not None][:LINE_STYLES]
    times = [time for _, timeline in known for time in timeline.times_s if isfinite(time)]
    if not times:
        return None
    first, last = min(times), max(times)
    lines = [_face_line(face.track_id, i, timeline, first, last) for i, (face, timeline) in enumerate(known)]
    ends = _apart([line.end for line in lines])
    lines = [FaceLine(n.number, n.style, n.runs, n.dots, y, n.words) for n, y in zip(lines, ends, strict=True)]
    gaps = any(not isfinite(score) for _, timeline in known for score in timeline.scores)
    said = [f"Scores from {time_words(first)} to {time_words(last)}.", *(line.words for line in lines)]
    unit = "seconds" if last < 60 else "min:s" if last < 3600 else "h:min:s"
    return TimelinePlot(tuple(lines), _time_ticks(first, last), unit, _limits(point), gaps, " ".join(said))


def _timeline(face: FaceTrack) -> Timeline | None:
    return next((finding.timeline for finding in face.findings if finding.timeline is not None), None)


def _face_line(number: int, style: int, timeline: Timeline, first: float, last: float) -> FaceLine:
    """The unbroken runs of one face's scores."""
    span = last - first
    runs: list[list[tuple[float, float]]] = [[]]
    scores: list[float] = []
    for time, score in zip(timeline.times_s, timeline.scores, strict=True):
        if not (isfinite(time) and isfinite(score)):
            runs.append([])
            continue
        scores.append(score)
        x = 50.0 if span <= 0 else 100.0 * (time - first) / span
        runs[-1].append((round(x, 2), round(_y(score), 1)))
    dots = tuple(dot for run in runs for dot in run)
    drawn = tuple(" ".join(f"{10 * x:.1f},{y:g}" for x, y in run) for run in runs if len(run) > 1)
    words = f"Face {number}: {len(scores)} of {len(timeline.scores)} frames scored"
    words += f", {score_text(min(scores))} to {score_text(max(scores))}." if scores else "."
    return FaceLine(number, style, drawn, dots, dots[-1][1] if dots else PLOT_HEIGHT / 2, words)


def _apart(ends: Sequence[float]) -> list[float]:
    """Heights of the lines' numbers, moved so that they do not touch."""
    order = sorted(range(len(ends)), key=lambda i: ends[i])
    moved = spread([ends[i] for i in order], _LABEL_HEIGHT, float(PLOT_HEIGHT))
    return [moved[order.index(i)] for i in range(len(ends))]


def _limits(point: OperatingPoint | None) -> tuple[tuple[float, str, bool], ...]:
    if point is None:
        return ()
    upper = (_y(point.threshold), f"FAKE from {line_words(point.threshold)}", True)
    if point.lower_threshold >= point.threshold:
        return (upper,)
    return (upper, (_y(point.lower_threshold), f"REAL below {line_words(point.lower_threshold)}", False))


def _time_ticks(first: float, last: float) -> tuple[Tick, ...]:
    """Round times within the span, six at most; its ends when none is round."""
    span = last - first
    if span <= 0:
        return (Tick(50.0, time_words(first)),)
    step = next((s for s in _STEPS_S if span / s < _MOST_TICKS), span)
    start = -(-first // step)
    places = [(start + i) * step for i in range(_MOST_TICKS + 1) if (start + i) * step <= last + 1e-9]
    ticks = [Tick(round(100.0 * (time - first) / span, 2), _clock(time, step, last)) for time in places]
    return tuple(Tick(tick.at, tick.text, _anchor(tick.at, 3.0)) for tick in ticks)


def _clock(seconds: float, step: float, last: float) -> str:
    """A time on an axis that ends at ``last``: seconds, or minutes and seconds, or hours as well."""
    if last < 60:
        return f"{seconds:.1f}" if step < 1 else f"{seconds:.0f}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if last < 3600 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _percent(score: float | None) -> float:
    return 0.0 if score is None else round(100.0 * min(1.0, max(0.0, score)), 2)


def _y(score: float) -> float:
    return PLOT_HEIGHT * (1.0 - min(1.0, max(0.0, score)))


def _anchor(at: float, room: float) -> Anchor:
    if at < room:
        return "start"
    return "end" if at > 100.0 - room else "middle"
