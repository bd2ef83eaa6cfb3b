"""Named regions where they belong, and heat per region against plain counting."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.errors import FaceError
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.regions import region_polygons, region_strengths
from facewitness.reports.labels import region_anchor
from facewitness.wording import region_words
from unit.faces.faces_pictures import EYES_AND_MOUTH, portrait, portrait_face

NAMES = {
    *("right_eye", "left_eye", "right_brow", "left_brow", "nose", "mouth", "jaw"),
    *("right_cheek", "left_cheek", "forehead"),
}
_FINE = 8


def mask_of(polygon):
    """Cells of the portrait, eight to a pixel, inside a polygon."""
    mask = np.zeros((150 * _FINE, 150 * _FINE), np.uint8)
    cv2.fillPoly(mask, [np.round((polygon - [150, 50]) * _FINE).astype(np.int32)], 1)
    return mask.astype(bool)


def inside(polygon, point):
    return cv2.pointPolygonTest(polygon.reshape(-1, 1, 2), (float(point[0]), float(point[1])), False) > 0


@pytest.fixture(scope="module")
def polygons():
    return region_polygons(portrait_face().mesh)


def test_names_and_forms(polygons):
    assert set(polygons) == NAMES
    for polygon in polygons.values():
        assert polygon.dtype == np.float32
        assert polygon.ndim == 2
        assert len(polygon) >= 8
    assert region_words("left_brow") == "the person's left brow"
    with pytest.raises(FaceError, match="468"):
        region_polygons(np.zeros((68, 2), np.float32))


def test_regions_hold_what_they_are_named_after(polygons):
    right_eye, left_eye, nose, right_corner, left_corner = EYES_AND_MOUTH
    assert inside(polygons["right_eye"], right_eye)
    assert inside(polygons["left_eye"], left_eye)
    assert inside(polygons["nose"], nose)
    assert inside(polygons["mouth"], right_corner)
    assert inside(polygons["mouth"], left_corner)
    assert inside(polygons["right_brow"], right_eye - [0, 11])
    assert inside(polygons["left_brow"], left_eye - [0, 11])
    assert inside(polygons["forehead"], (right_eye + left_eye) / 2 - [0, 25])
    assert inside(polygons["right_cheek"], right_eye - [8, -20])
    assert inside(polygons["left_cheek"], left_eye - [-8, -20])
    assert inside(polygons["jaw"], (right_corner + left_corner) / 2 - [0, -25])


def test_labels_of_reports_point_at_the_regions(polygons):
    for name, polygon in polygons.items():
        anchor = region_anchor(name, portrait_face().landmarks68)
        assert anchor is not None
        assert cv2.pointPolygonTest(polygon.reshape(-1, 1, 2), anchor, True) > -5, name  # signed distance, pixels


def test_regions_hardly_overlap_and_cover_most_of_the_face(polygons):
    masks = {name: mask_of(polygon) for name, polygon in polygons.items()}
    for (name, mask), (other_name, other) in combinations(masks.items(), 2):
        assert (mask & other).sum() < 0.03 * min(mask.sum(), other.sum()), (name, other_name)
    hull = mask_of(cv2.convexHull(portrait_face().mesh).reshape(-1, 2))
    covered = np.any(list(masks.values()), axis=0)
    assert (covered & hull).sum() > 0.8 * hull.sum()
    assert (covered & ~hull).sum() < 0.01 * hull.sum()


def test_outlines_do_not_cross_themselves(polygons):
    for name, polygon in polygons.items():
        ends = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
        for i in range(len(ends)):
            for j in range(i + 2, len(ends) - (i == 0)):
                assert not _cross(*ends[i], *ends[j]), (name, i, j)


def _cross(a, b, c, d):
    def side(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


@pytest.mark.parametrize("name", sorted(NAMES))
def test_heat_on_a_region_of_the_portrait_is_found_there(name):
    crop = crop_face(portrait(), portrait_face().box, CropSpec(1.3, 224))
    in_crop = {k: apply_affine(crop.frame_to_crop, p) for k, p in region_polygons(portrait_face().mesh).items()}
    heat = np.zeros((224, 224), np.uint8)
    cv2.fillPoly(heat, [np.round(in_crop[name]).astype(np.int32)], 1)
    heat = cv2.resize(heat.astype(np.float32), (56, 56), interpolation=cv2.INTER_AREA)
    first, *others = region_strengths(heat, in_crop, 224)
    assert first.name == name
    assert first.strength > 0.8
    assert first.share > 0.75
    assert all(other.strength < 0.25 for other in others)
    assert len(others) == 9


def square(x0, y0, x1, y1):
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float32)


def test_strength_is_the_mean_and_share_the_part():
    heat = np.random.default_rng(1).uniform(0, 1, (16, 16)).astype(np.float32)
    # eight pixels to a cell; edges lie on cell borders
    shapes = {"a": square(15.5, 31.5, 63.5, 95.5), "b": square(63.5, 31.5, 79.5, 95.5)}
    found = {r.name: r for r in region_strengths(heat, shapes, 128)}
    a, b = heat[4:12, 2:8], heat[4:12, 8:10]
    assert found["a"].strength == pytest.approx(a.mean(), abs=0.01)
    assert found["b"].strength == pytest.approx(b.mean(), abs=0.015)
    assert found["a"].share == pytest.approx(a.sum() / (a.sum() + b.sum()), abs=0.01)
    assert found["b"].share == pytest.approx(b.sum() / (a.sum() + b.sum()), abs=0.02)


def test_heat_between_the_regions_counts_for_the_face():
    heat = np.zeros((8, 8), np.float32)
    heat[2:6] = 1  # a band through left, gap and right
    found = region_strengths(heat, {"left": square(0, 0, 15, 63), "right": square(48, 0, 63, 63)}, 64)
    assert sum(region.share for region in found) == pytest.approx(0.5, abs=0.02)


def test_a_region_smaller_than_a_cell():
    heat = np.zeros((4, 4), np.float32)
    heat[1, 2] = 0.7
    (dot,) = region_strengths(heat, {"dot": square(160, 90, 160.5, 90.5)}, 256)
    assert dot.strength == pytest.approx(0.7)
    assert dot.share == pytest.approx(1.0)


def test_regions_beyond_the_crop():
    heat = np.zeros((8, 8), np.float32)
    heat[:, :2] = 1
    shapes = {
        "half": square(-100, 0, 15.5, 63),
        "outside": square(70, 10, 90, 30),
        "far": square(-1e9, -1e9, -1e8, 1e9),
        "broken": np.full((4, 2), np.nan, np.float32),
        "none": np.zeros((0, 2), np.float32),
    }
    (half,) = region_strengths(heat, shapes, 64)
    assert (half.name, half.strength) == ("half", pytest.approx(1.0, abs=0.05))
    assert region_strengths(heat, {"outside": shapes["outside"]}, 64) == ()
    assert region_strengths(heat, {}, 64) == ()


def test_without_heat_everything_is_zero_and_in_the_order_of_names(polygons):
    found = region_strengths(np.zeros((7, 7), np.float32), polygons, 512)
    assert [r.name for r in found] == sorted(NAMES)
    assert all(r.strength == r.share == 0 for r in found)


def test_what_is_not_finite_is_no_heat():
    heat = np.full((6, 6), np.nan, np.float32)
    heat[0] = np.inf
    (found,) = region_strengths(heat, {"all": square(0, 0, 63, 63)}, 64)
    assert found.strength == 0


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.integers(1, 500),
    st.integers(0, 2**32 - 1),
    st.floats(0, 3),
)
def test_values_stay_in_range(shape, crop_size, seed, spread):
    rng = np.random.default_rng(seed)
    heat = rng.uniform(-0.5, 1.5, shape).astype(np.float32)
    shapes = {str(i): rng.normal(0.5, spread, (rng.integers(1, 9), 2)).astype(np.float32) * crop_size for i in range(4)}
    found = region_strengths(heat, shapes, crop_size)
    assert all(0 <= r.strength <= 1 and 0 <= r.share <= 1 for r in found)
    assert [r.strength for r in found] == sorted((r.strength for r in found), reverse=True)


@pytest.mark.parametrize(("shape", "size"), [((0, 4), 64), ((4,), 64), ((4, 4, 1), 64), ((4, 4), 0)])
def test_refuses_what_is_no_heatmap(shape, size):
    with pytest.raises(FaceError, match="heatmap"):
        region_strengths(np.zeros(shape, np.float32), {}, size)
