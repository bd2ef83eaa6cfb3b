"""Pictures with the findings drawn in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.records import Verdict, VerdictLabel
from facewitness.reports.overlay import VERDICT_COLOURS, overlay_picture, short_verdict
from made_reports import ASTRONAUT_BOX, astronaut, made_face


@pytest.fixture(scope="module")
def portrait():
    return astronaut()


def changed(before, after):
    return (before != after).any(axis=2)


def test_draws_on_a_copy_and_near_the_face_only(portrait):
    before = portrait.copy()
    drawn = overlay_picture(portrait, [made_face()])
    np.testing.assert_array_equal(portrait, before)
    assert drawn.shape == portrait.shape
    assert drawn.dtype == np.uint8
    rows, columns = np.nonzero(changed(portrait, drawn))
    assert rows.min() > ASTRONAUT_BOX[1] - 40
    assert rows.max() < ASTRONAUT_BOX[3] + 30
    assert columns.min() > ASTRONAUT_BOX[0] - 160
    assert columns.max() < ASTRONAUT_BOX[2] + 160


@pytest.mark.parametrize(("score", "label"), [(0.93, "FAKE"), (0.1, "REAL"), (0.45, "UNCERTAIN")])
def test_box_has_the_verdicts_colour(portrait, score, label):
    drawn = overlay_picture(portrait, [made_face(score)], with_regions=False)
    x0, y0 = ASTRONAUT_BOX[:2].astype(int)
    assert tuple(drawn[y0 + 60, x0]) == VERDICT_COLOURS[VerdictLabel(label)]


def test_heat_is_hottest_at_the_mouth(portrait):
    face = made_face()
    plain = overlay_picture(portrait, [face], opacity=0.0, with_regions=False)
    hot = overlay_picture(portrait, [face], opacity=1.0, with_regions=False)
    rows, columns = np.nonzero(np.abs(plain.astype(int) - hot).sum(axis=2) > 150)
    # made_heatmap: a ring round (0.5, 0.64) of a square of 1.25 box heights
    assert np.mean(columns) == pytest.approx(224, abs=4)
    assert np.mean(rows) == pytest.approx(122 + 150 * 0.14, abs=12)


def test_heat_of_another_frame_is_not_drawn(portrait):
    face = made_face(frames=8)  # heat belongs to frame 40
    with_heat = overlay_picture(portrait, [face], frame_index=40)
    without = overlay_picture(portrait, [face], frame_index=20)
    mouth = (slice(130, 160), slice(205, 245))
    assert changed(portrait, with_heat)[mouth].mean() > 0.9
    assert not changed(portrait, without)[mouth].any()
    np.testing.assert_array_equal(overlay_picture(portrait, [face], frame_index=7), portrait)


def test_crowds_and_odd_boxes_are_drawn(portrait):
    rng = np.random.default_rng(0)
    faces = []
    for i in range(12):
        x, y = rng.uniform(-60, 500, 2)
        faces.append(made_face(i / 12, box=np.array([x, y, x + 80, y + 90], np.float32), track_id=i + 1))
    lost = dataclasses.replace(faces[0].observations[0], box=np.full(4, np.nan, np.float32))
    faces.append(dataclasses.replace(faces[0], observations=(lost,)))
    assert changed(portrait, overlay_picture(portrait, faces)).any()
    tiny = np.zeros((9, 7, 3), np.uint8)
    assert overlay_picture(tiny, [made_face(box=np.array([1, 1, 5, 5], np.float32))]).shape == (9, 7, 3)


def test_names_of_one_face_keep_off_another(portrait):
    grey = np.full_like(portrait, 90)
    first = made_face(box=np.array([178, 62, 270, 182], np.float32))
    second = made_face(0.1, box=np.array([290, 62, 382, 182], np.float32), track_id=2)  # too cool to be named
    named = changed(overlay_picture(grey, [second, first], with_regions=False), overlay_picture(grey, [second, first]))
    assert named.any()
    assert not named[62:182, 290:382].any()


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_wrong_frames_are_refused(frame):
    with pytest.raises(ConfigError, match="uint8 RGB"):
        overlay_picture(frame, [])


def test_wrong_opacity_is_refused(portrait):
    with pytest.raises(ConfigError, match="opacity"):
        overlay_picture(portrait, [], opacity=1.5)


def test_short_verdicts_never_say_real():
    assert short_verdict(Verdict(VerdictLabel.REAL, 0.1, "")) == "no trace 0.10"
    assert short_verdict(Verdict(VerdictLabel.NOT_SCORED, None, "")) == "not scored"
    assert short_verdict(Verdict(VerdictLabel.UNCERTAIN, 0.999, "")) == "UNCERTAIN >0.99"
