"""Face X-ray blends against OpenCV's polygon test."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewitness.errors import FaceError
from facewitness.pseudofakes.blended import blend_feathered, change_mask, feather_weights, match_mean_colour


@pytest.fixture
def blob():
    mask = np.zeros((60, 70), np.uint8)
    cv2.ellipse(mask, (33, 28), (20, 15), 25, 0, 360, 1, -1)
    cv2.rectangle(mask, (40, 30), (60, 34), 1, -1)
    return mask


def test_weights_are_distances_to_the_hull(blob):
    points = np.argwhere(blob)[:, ::-1]
    hull = cv2.convexHull(points.astype(np.int32))
    width = 0.2 * np.ptp(points, axis=0).max()
    weights = feather_weights(blob)
    for x, y in points[::17].tolist():
        distance = cv2.pointPolygonTest(hull, (float(x), float(y)), measureDist=True)
        assert weights[y, x] == pytest.approx(np.clip(distance / width, 0, 1), abs=1e-6)
    assert not weights[blob == 0].any()
    assert weights.max() == 1


def test_feathered_blend(blob):
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 256, (2, 60, 70, 3), dtype=np.uint8)
    out, weights = blend_feathered(one, two, blob)
    np.testing.assert_array_equal(out[weights == 0], two[weights == 0])
    np.testing.assert_array_equal(out[weights == 1], one[weights == 1])


def test_colours_get_the_background_mean(blob):
    rng = np.random.default_rng(0)
    one = rng.integers(80, 120, (60, 70, 3), dtype=np.uint8)
    two = rng.integers(100, 180, (60, 70, 3), dtype=np.uint8)
    out = match_mean_colour(one, two, blob)
    inside = blob > 0
    np.testing.assert_allclose(out[inside].mean(axis=0), two[inside].mean(axis=0), atol=1.0)
    np.testing.assert_array_equal(out[~inside], one[~inside])


def test_masks_grow_and_shrink(blob):
    grown, shrunk = change_mask(blob, 4, grow=True), change_mask(blob, 4, grow=False)
    assert (grown >= blob).all()
    assert (shrunk <= blob).all()
    dot = np.zeros((11, 11), np.uint8)
    dot[5, 5] = 1
    assert change_mask(dot, 4, grow=True).sum() == 25  # 4 becomes 5
    np.testing.assert_array_equal(change_mask(blob, 1, grow=True), blob)


def test_masks_without_an_area_are_refused(blob):
    with pytest.raises(FaceError, match="empty"):
        feather_weights(np.zeros_like(blob))
    line = np.zeros_like(blob)
    line[5, 3:20] = 1
    with pytest.raises(FaceError, match="line"):
        feather_weights(line)
