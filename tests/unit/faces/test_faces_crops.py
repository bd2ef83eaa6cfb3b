"""Crops and alignment: the maps say where each pixel came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.errors import ConfigError, FaceError
from facewitness.faces.crops import (
    ALIGNMENT_TEMPLATE,
    CropSpec,
    align_face,
    apply_affine,
    crop_face,
    invert_affine,
    similarity_transform,
    warp_square,
)
from unit.faces.faces_pictures import finder, portrait, portrait_face, turned


def ramp(width, height):
    """Red says x, green says y (up to 255)."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, np.full_like(x, 7)], axis=-1).clip(0, 255).astype(np.uint8)


def box(*values):
    return np.array(values, np.float32)


@settings(deadline=None)
@given(
    st.tuples(st.integers(2, 300), st.integers(2, 300)),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.5, 400), st.floats(0.5, 400)),
    st.floats(0.5, 4),
    st.integers(1, 300),
    st.sampled_from(["shift", "replicate", "constant"]),
)
def test_any_box_gives_a_crop_whose_maps_are_inverse(frame_size, place, margin, size, border):
    width, height = frame_size
    x, y, w, h = place
    face_box = box(x * width - w / 2, y * height - h / 2, x * width + w / 2, y * height + h / 2)
    crop = crop_face(np.zeros((height, width, 3), np.uint8), face_box, CropSpec(margin, size, border))
    assert crop.image.shape == (size, size, 3)
    assert crop.image.flags.c_contiguous
    points = np.array([[0, 0], [size - 1, 0], [3.5, 2.25]], np.float32)
    back = apply_affine(crop.frame_to_crop, apply_affine(crop.crop_to_frame, points))
    np.testing.assert_allclose(back, points, atol=2e-2 * max(1, size / 20))
    corners = apply_affine(crop.crop_to_frame, np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]], np.float32))
    if border == "shift":  # nothing is invented: the square lies in the frame
        assert corners.min() >= -0.51
        assert corners[1, 0] <= width - 0.49
        assert corners[1, 1] <= height - 0.49


@pytest.mark.parametrize("size", [40, 80, 200])
@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_pixels_come_from_where_the_map_says(size, margin):
    crop = crop_face(ramp(240, 200), box(60, 50, 141, 130), CropSpec(margin, size))
    y, x = np.mgrid[4 : size - 4, 4 : size - 4]
    expected = apply_affine(crop.crop_to_frame, np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32))
    seen = crop.image[4:-4, 4:-4, :2].reshape(-1, 2)
    assert np.abs(seen - expected).max() <= 1.0


def test_the_margin_is_that_of_the_longer_side():
    crop = crop_face(ramp(240, 200), box(80, 60, 120, 140), CropSpec(1.25, 100))
    assert 1 / crop.frame_to_crop[0, 0] == pytest.approx(1.0)  # 1.25 times 80 are 100 pixels
    centre = apply_affine(crop.crop_to_frame, np.array([[49.5, 49.5]], np.float32))
    np.testing.assert_allclose(centre, [[100, 100]], atol=0.51)


def test_borders():
    frame = np.full((100, 100, 3), 200, np.uint8)
    frame[:, 0] = 50
    corner = box(-30, 30, 30, 70)
    shifted, repeated, black = (
        crop_face(frame, corner, CropSpec(1, 60, b)) for b in ("shift", "replicate", "constant")
    )
    assert apply_affine(shifted.crop_to_frame, np.zeros((1, 2), np.float32))[0, 0] == pytest.approx(0)
    assert (shifted.image[:, 0] == 50).all()
    assert (shifted.image[:, 1:] == 200).all()
    assert (repeated.image[:, :30] == 50).all()
    assert (repeated.image[:, 32:] == 200).all()
    assert (black.image[:, :29] == 0).all()
    assert (black.image[:, 32:] == 200).all()
    assert not np.shares_memory(shifted.image, frame)


def test_shift_shrinks_to_the_frame():
    crop = crop_face(ramp(90, 60), box(0, -20, 90, 80), CropSpec(2.0, 120))
    assert 120 / crop.frame_to_crop[0, 0] == pytest.approx(60)


@pytest.mark.parametrize(
    "bad",
    [
        box(10, 10, 10, 20),
        box(30, 10, 20, 20),
        box(-40, 10, -1, 20),
        box(10, 101, 20, 120),
        box(np.nan, 1, 2, 3),
        box(0, 0, np.inf, 3),
        box(1, 2, 3),
    ],
)
def test_unusable_boxes_are_named(bad):
    with pytest.raises(FaceError, match="box"):
        crop_face(np.zeros((100, 100, 3), np.uint8), bad, CropSpec())


@pytest.mark.parametrize("setting", [{"margin_ratio": 0.0}, {"size": 0}, {"size": 9000}, {"border": "wrap"}])
def test_unusable_specs_are_named(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        CropSpec(**setting)


points_2d = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=3, max_size=8)


@given(points_2d, st.integers(0, 2**32 - 1))
def test_similarity_is_the_least_squares_one(source, seed):
    source = np.array(source)
    if np.ptp(source, axis=0).max() < 1:
        return
    target = np.random.default_rng(seed).uniform(-50, 50, source.shape)
    # oracle: the linear system in (a, b, shift x, shift y) with x' = ax - by, y' = bx + ay
    x, y = source.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    a, b, shift_x, shift_y = np.linalg.lstsq(rows, target.T.ravel(), rcond=None)[0]
    expected = [[a, -b, shift_x], [b, a, shift_y]]
    np.testing.assert_allclose(similarity_transform(source, target), expected, rtol=1e-5, atol=1e-5)


def test_aligned_face_has_its_points_on_the_template():
    aligned = align_face(portrait(), portrait_face().landmarks5, 112)
    found = apply_affine(aligned.frame_to_crop, portrait_face().landmarks5)
    assert np.abs(found - (ALIGNMENT_TEMPLATE * 112 - 0.5)).max() < 6
    np.testing.assert_allclose(
        apply_affine(invert_affine(aligned.frame_to_crop), found), portrait_face().landmarks5, atol=1e-2
    )


@pytest.mark.parametrize("degrees", [-35, 90])
def test_alignment_undoes_a_turn(degrees):
    picture, _ = turned(portrait(), degrees)
    (face,) = finder().find(picture)
    straight = align_face(portrait(), portrait_face().landmarks5).image.astype(int)
    again = align_face(picture, face.landmarks5).image.astype(int)
    assert np.abs(again - straight).mean() < 8
    assert np.abs(again - straight[:, ::-1]).mean() > 16  # the comparison can fail


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2))])
def test_unusable_landmarks_are_named(points):
    with pytest.raises(FaceError, match="landmarks5"):
        align_face(portrait(), points.astype(np.float32))


def test_warping_does_not_alias():
    y, x = np.mgrid[0:960, 0:960]
    checkers = np.repeat((((x + y) % 2) * 255).astype(np.uint8)[..., None], 3, axis=2)
    small = warp_square(checkers, np.array([[0.2, 0, 0], [0, 0.2, 0]]), 192)
    assert np.abs(small[4:-4, 4:-4].astype(float) - 127.5).max() < 12


@pytest.mark.parametrize("scale", [0.3, 0.59, 0.61, 1.7])
def test_warped_pixels_come_from_where_the_map_says(scale):
    turn = scale * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    forward = np.column_stack([turn, np.array([31.5, 31.5]) - turn @ [120, 110]])
    warped = warp_square(ramp(256, 256), forward, 64)
    y, x = np.mgrid[20:44, 20:44]
    where = apply_affine(invert_affine(forward.astype(np.float32)), np.stack([x.ravel(), y.ravel()], 1).astype("f4"))
    inside = ((where > 8) & (where < 246)).all(axis=1)
    assert inside.sum() > 100
    assert np.abs(warped[20:44, 20:44, :2].reshape(-1, 2)[inside] - where[inside]).max() < 1.5
