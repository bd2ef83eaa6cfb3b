"""Box arithmetic: views, anchors, decoding and merging, with a network whose answer is known."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewitness.faces.detection import INPUT_SIZE, FaceDetector, View, iou, merge, tiles, whole

GRID = 48


class BrightSpotNetwork:
    """Stands in for BlazeFace: one sure box of 20 x 12 input pixels on the anchor nearest to the brightest spot."""

    def run(self, pixels):
        assert pixels.shape == (1, INPUT_SIZE, INPUT_SIZE, 3)
        assert pixels.dtype == np.float32
        assert pixels.min() >= -1
        assert pixels.max() <= 1
        y, x = np.nonzero(pixels[0, :, :, 0] > 0.5)
        logits = np.full((1, GRID * GRID, 1), -1000.0, np.float32)
        boxes = np.zeros((1, GRID * GRID, 16), np.float32)
        if len(x):
            column, row = int(x.mean() / 4), int(y.mean() / 4)
            anchor = row * GRID + column
            logits[0, anchor] = 1000.0
            offset = np.array([x.mean() + 0.5 - (column + 0.5) * 4, y.mean() + 0.5 - (row + 0.5) * 4])
            boxes[0, anchor] = [*offset, 20, 12, *np.tile(offset + np.array([3, -2]), 6)]
        return {"boxes": boxes, "logits": logits}


@pytest.fixture(scope="module")
def spot_detector():
    detector = FaceDetector(threads=1)
    detector._session = BrightSpotNetwork()
    return detector


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (100, 100), (1000, 97)])
@pytest.mark.parametrize("pad", [0.0, 0.3])
@pytest.mark.parametrize("place", [(0.2, 0.3), (0.5, 0.5), (0.9, 0.8)])
def test_a_box_comes_back_in_frame_pixels(spot_detector, size, pad, place):
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    x, y = place[0] * width, place[1] * height
    radius = max(4, max(size) // 30)
    cv2.circle(frame, (round(x), round(y)), radius, (255, 255, 255), -1)
    (found,) = spot_detector.look(frame, whole(frame, pad), 0.5)
    step = max(size) * (1 + 2 * pad) / INPUT_SIZE  # frame pixels per input pixel
    centre = (found.box[:2] + found.box[2:]) / 2
    np.testing.assert_allclose(centre, [round(x), round(y)], atol=1.5 * step)
    np.testing.assert_allclose(found.box[2:] - found.box[:2], [20 * step, 12 * step], rtol=0.01)
    np.testing.assert_allclose(found.keypoints - centre, np.tile([3 * step, -2 * step], (6, 1)), atol=0.1 * step)
    assert found.score == 1.0


def test_a_box_in_a_tile_comes_back_in_frame_pixels(spot_detector):
    frame = np.zeros((700, 1200, 3), np.uint8)
    cv2.circle(frame, (777, 555), 12, (255, 255, 255), -1)
    whole_spot = [v for v in tiles(frame, 400) if 0 < 760 - v.x0 < v.width - 34 and 0 < 540 - v.y0 < v.height - 30]
    assert whole_spot
    for view in whole_spot:
        (found,) = spot_detector.look(frame, view, 0.5)
        np.testing.assert_allclose((found.box[:2] + found.box[2:]) / 2, [777, 555], atol=3)


def test_nothing_there(spot_detector):
    frame = np.zeros((60, 80, 3), np.uint8)
    assert spot_detector.look(frame, whole(frame), 0.5) == []


@pytest.mark.parametrize("view", [View(79.5, 59.5, 0.5, 0.5), View(-400, -400, 401, 401), View(0, 30, 80, 1)])
def test_views_at_the_edge(spot_detector, view):
    frame = np.full((60, 80, 3), 255, np.uint8)
    for found in spot_detector.look(frame, view, 0.5):
        assert np.isfinite(found.box).all()


boxes = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20), st.integers(1, 20)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@given(boxes, st.lists(boxes, min_size=1, max_size=5))
def test_iou_counts_cells(box, others):
    def cells(b):
        return {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}

    expected = [len(cells(box) & cells(o)) / len(cells(box) | cells(o)) for o in others]
    np.testing.assert_allclose(iou(np.array(box, "f4"), np.array(others, "f4")), expected, rtol=1e-6)


def raw(x, y, side):
    return np.array([[x, y], [x + side, y + side]] + [[x + side / 2, y]] * 6, np.float32)


def test_merging_averages_one_face_by_score_and_keeps_others_apart():
    points = np.stack([raw(0, 0, 100), raw(10, 0, 100), raw(300, 0, 50)])
    first, second = merge(points, np.array([0.6, 0.9, 0.7], np.float32))
    np.testing.assert_allclose(first.box, [6, 0, 106, 100], atol=1e-4)  # (0.6 * 0 + 0.9 * 10) / 1.5
    np.testing.assert_allclose(first.keypoints[0], [56, 0], atol=1e-4)
    assert first.score == pytest.approx(0.9)
    np.testing.assert_allclose(second.box, [300, 0, 350, 50])


def test_merging_drops_broken_boxes():
    points = np.stack([raw(0, 0, 100), raw(50, 50, -20), np.full((8, 2), np.nan, np.float32)])
    assert len(merge(points, np.array([0.5, 0.9, 0.9], np.float32))) == 1
    assert merge(np.zeros((0, 8, 2), np.float32), np.zeros(0, np.float32)) == []


@given(st.integers(16, 5000), st.integers(16, 5000), st.integers(16, 2000), st.integers(1, 30))
def test_tiles_cover_the_frame_and_are_not_too_many(width, height, side, most):
    frame = np.broadcast_to(np.uint8(0), (height, width, 3))
    views = tiles(frame, side, most)
    assert 1 <= len(views) <= most
    for low, size, length in (("x0", "width", width), ("y0", "height", height)):
        spans = sorted({(getattr(v, low), getattr(v, low) + getattr(v, size)) for v in views})
        assert spans[0][0] == 0
        assert spans[-1][1] == pytest.approx(length)
        assert all(b[0] <= a[1] - 0.2 * (a[1] - a[0]) for a, b in pairwise(spans))
