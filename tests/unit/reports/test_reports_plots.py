"""Geometry of the score scale and of the timeline."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest

from facewitness.records import OperatingPoint, Timeline, VerdictLabel
from facewitness.reports.plots import LINE_STYLES, PLOT_HEIGHT, score_scale, timeline_plot
from made_reports import POINT, made_face


def face_with(times, scores, number=1):
    face = made_face(track_id=number)
    finding = dataclasses.replace(face.findings[0], timeline=Timeline(tuple(times), tuple(scores)))
    return dataclasses.replace(face, findings=(finding,))


def test_scale_shows_both_lines_and_the_score():
    scale = score_scale(0.93, POINT)
    assert [(z.label, z.left, z.width) for z in scale.zones] == [
        (VerdictLabel.REAL, 0.0, 30.0),
        (VerdictLabel.UNCERTAIN, 30.0, 32.0),
        (VerdictLabel.FAKE, 62.0, 38.0),
    ]
    assert [(t.at, t.text) for t in scale.ticks] == [(0.0, "0"), (30.0, "0.30"), (62.0, "0.62"), (100.0, "1")]
    assert scale.score.at == 93.0
    assert "Score 0.93" in scale.description
    assert "Traces of forgery found: 0.62 and above" in scale.description


@pytest.mark.parametrize("lines", [(0.5, 0.5), (0.49, 0.51), (0.97, 0.995), (0.002, 0.9971), (0.0, 1.0), (0.01, 0.02)])
def test_numbers_below_the_scale_never_meet(lines):
    point = OperatingPoint(lines[1], math.nan, "", lines[0])
    scale = score_scale(0.5, point)
    room = 8.0  # per cent that a number may take
    spans = []
    for tick in scale.ticks:
        start = {"start": 0.0, "middle": -room / 2, "end": -room}[tick.anchor]
        spans.append((tick.at + start, tick.at + start + room))
    assert all(first[1] <= second[0] + 1e-6 for first, second in pairwise(sorted(spans)))
    assert sum(zone.width for zone in scale.zones) == pytest.approx(100)


@pytest.mark.parametrize("score", [None, math.nan])
def test_scale_without_a_score(score):
    assert score_scale(score, POINT).score is None
    assert score_scale(0.4, None).zones == ()


def test_timeline_breaks_at_gaps_and_keeps_lone_frames():
    nan = math.nan
    plot = timeline_plot([face_with(range(7), [0.5, 0.6, nan, 0.7, nan, 0.8, 1.0])], POINT)
    (line,) = plot.lines
    assert line.runs == ("0.0,100 166.7,80", "833.3,40 1000.0,0")
    assert len(line.dots) == 5
    assert line.dots[2] == (50.0, pytest.approx(0.3 * PLOT_HEIGHT))
    assert plot.gaps
    assert line.words == "Face 1: 5 of 7 frames scored, 0.50 to >0.99."
    assert not timeline_plot([face_with([0, 1], [0.1, 0.2])], POINT).gaps


def test_timeline_lines_lie_at_the_operating_point():
    plot = timeline_plot([face_with([0, 1], [0.1, 0.2])], POINT)
    assert [(y / PLOT_HEIGHT, upper) for y, _, upper in plot.limits] == [
        (pytest.approx(0.38), True),
        (pytest.approx(0.7), False),
    ]
    own = OperatingPoint(0.7, math.nan, "caller", 0.7)
    assert [text for _, text, _ in timeline_plot([face_with([0, 1], [0.1, 0.2])], own).limits] == ["FAKE from 0.70"]
    assert timeline_plot([face_with([0, 1], [0.1, 0.2])], None).limits == ()


@pytest.mark.parametrize(
    ("last", "unit", "some"),
    [
        (0.4, "seconds", "0.2"),
        (10, "seconds", "4"),
        (59, "seconds", "30"),
        (75, "min:s", "1:00"),
        (5000, "h:min:s", "1:00:00"),
    ],
)
def test_times_are_round_and_few(last, unit, some):
    plot = timeline_plot([face_with([0.0, last / 2, last], [0.1, 0.2, 0.3])], POINT)
    assert plot.unit == unit
    assert 2 <= len(plot.ticks) <= 7
    assert some in [tick.text for tick in plot.ticks]
    assert len({tick.text for tick in plot.ticks}) == len(plot.ticks)
    assert all(0 <= tick.at <= 100 for tick in plot.ticks)


def test_single_frame_stands_in_the_middle():
    plot = timeline_plot([face_with([3.0], [0.4])], POINT)
    assert plot.lines[0].dots == ((50.0, pytest.approx(0.6 * PLOT_HEIGHT)),)
    assert [tick.text for tick in plot.ticks] == ["3.0 s"]


def test_nothing_scored_still_has_axes():
    plot = timeline_plot([face_with([0, 1], [math.nan, math.nan])], POINT)
    assert plot.lines[0].dots == ()
    assert plot.lines[0].words == "Face 1: 0 of 2 frames scored."


def test_pictures_have_no_timeline():
    assert timeline_plot([made_face()], POINT) is None
    assert timeline_plot([], POINT) is None


def test_numbers_at_the_ends_keep_apart_in_order():
    faces = [face_with([0, 1], [0.5, 0.5 + 0.001 * i], number=i) for i in range(LINE_STYLES + 3)]
    plot = timeline_plot(faces, POINT)
    assert [line.number for line in plot.lines] == list(range(LINE_STYLES))
    ends = [line.end for line in plot.lines]
    assert all(lower - upper >= 14.9 for lower, upper in pairwise(ends))
    assert all(0 <= end <= PLOT_HEIGHT for end in ends)
