"""Names of regions beside a face: never one over another, never outside the picture."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from facewitness.faces.regions import region_polygons
from facewitness.reports.labels import REGION_STRENGTH, named_regions, place_labels, region_anchor, spread
from made_reports import ASTRONAUT_BOX, made_face, made_landmarks


def overlap(first, second):
    return (
        min(first[2], second[2]) - max(first[0], second[0]) > 1e-6
        and min(first[3], second[3]) - max(first[1], second[1]) > 1e-6
    )


@pytest.mark.parametrize("seed", range(200))
def test_labels_never_overlap_nor_leave(seed):
    rng = np.random.default_rng(seed)
    width, height = rng.uniform(60, 700, 2)
    x, y = rng.uniform(0, 0.7, 2) * [width, height]
    box = np.array([x, y, x + rng.uniform(5, width), y + rng.uniform(5, height)], np.float32)
    wanted = [
        (f"name {i}", tuple(rng.uniform(box[:2], box[2:])), float(rng.uniform(20, 150))) for i in range(rng.integers(9))
    ]
    taken = [(10.0, 10.0, 90.0, 40.0), (width / 2, height / 2, width / 2 + 50, height / 2 + 30)][: rng.integers(3)]
    labels = place_labels(wanted, box=box, bounds=(width, height), height=20.0, taken=taken)
    rectangles = [label.rectangle for label in labels]
    assert not any(overlap(a, b) for a, b in combinations([*rectangles, *taken], 2) if not {a, b} <= set(taken))
    for left, top, right, bottom in rectangles:
        assert left >= 0
        assert top >= 0
        assert right <= width + 1e-6
        assert bottom <= height + 1e-6
    assert {label.text for label in labels} <= {text for text, _, _ in wanted}


def test_names_stand_beside_the_face_at_the_height_of_their_spots():
    box = np.array([150, 100, 250, 240], np.float32)
    wanted = [("eye", (180.0, 140.0), 40.0), ("mouth", (210.0, 200.0), 60.0)]
    eye, mouth = place_labels(wanted, box=box, bounds=(400.0, 400.0), height=20.0)
    assert eye.left + eye.width < 150
    assert mouth.left > 250
    assert eye.top + 10 == pytest.approx(140)
    assert mouth.top + 10 == pytest.approx(200)
    assert eye.elbow == (eye.left + eye.width, 140.0)
    assert mouth.elbow == (mouth.left, 200.0)


def test_a_name_goes_to_the_other_side_where_its_own_is_taken():
    box = np.array([150, 100, 250, 240], np.float32)
    wanted = [("mouth", (210.0, 200.0), 60.0)]
    (label,) = place_labels(wanted, box=box, bounds=(400.0, 400.0), height=20.0, taken=[(260.0, 90.0, 380.0, 260.0)])
    assert label.left + label.width < 150
    assert label.top + 10 == pytest.approx(200)


def test_close_names_keep_the_order_of_their_spots():
    box = np.array([100, 100, 200, 200], np.float32)
    wanted = [(str(i), (180.0, 150.0 - i), 30.0) for i in range(5)]
    labels = place_labels(wanted, box=box, bounds=(400.0, 400.0), height=20.0)
    assert [label.text for label in sorted(labels, key=lambda label: label.top)] == ["4", "3", "2", "1", "0"]


def test_what_has_no_room_is_left_out():
    box = np.array([0, 0, 50, 50], np.float32)
    wanted = [(str(i), (40.0, 25.0), 30.0) for i in range(8)]
    assert 0 < len(place_labels(wanted, box=box, bounds=(50.0, 50.0), height=20.0)) < 8
    assert place_labels([("wide", (40.0, 25.0), 80.0)], box=box, bounds=(50.0, 50.0), height=20.0) == ()


def test_spread_moves_no_more_than_needed():
    assert spread([10.0, 50.0], 20.0, 100.0) == [10.0, 50.0]
    assert spread([10.0, 15.0, 18.0], 20.0, 100.0) == [10.0, 30.0, 50.0]
    assert spread([95.0, 99.0], 20.0, 100.0) == [80.0, 100.0]
    assert spread([], 20.0, 100.0) == []


def test_anchors_lie_on_their_side_of_the_face():
    points = made_landmarks(ASTRONAUT_BOX)
    middle = (ASTRONAUT_BOX[0] + ASTRONAUT_BOX[2]) / 2
    for name in ("eye", "brow", "cheek"):
        # the person's right is on the left of the picture
        assert region_anchor(f"right_{name}", points)[0] < middle < region_anchor(f"left_{name}", points)[0]
    heights = [region_anchor(name, points)[1] for name in ("forehead", "left_brow", "left_eye", "nose", "mouth", "jaw")]
    assert heights == sorted(heights)
    assert region_anchor("ear", points) is None
    assert region_anchor("nose", points[:5]) is None


def test_every_named_region_has_an_anchor():
    points = made_landmarks(ASTRONAUT_BOX)
    names = region_polygons(np.zeros((468, 2), np.float32))
    assert [name for name in names if region_anchor(name, points) is None] == []


def test_regions_are_named_from_the_strength_that_the_words_use():
    assert REGION_STRENGTH == 0.2
    finding = made_face().findings[0]
    assert [region.name for region in named_regions(finding)] == ["mouth", "jaw", "left_cheek"]
    assert [region.name for region in named_regions(finding, most=1)] == ["mouth"]
