"""Flips, affine maps and elastic fields; the fields against the per-pixel reference."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewitness.errors import FaceError
from facewitness.pseudofakes.geometry import (
    MIRROR_81,
    affine_about_centre,
    displace,
    elastic_field,
    flip_landmarks,
    whole_image_map,
)


def test_mirror_order_is_its_own_inverse():
    np.testing.assert_array_equal(MIRROR_81[MIRROR_81], np.arange(81))
    assert MIRROR_81[36] == 45  # the outer eye corners
    assert MIRROR_81[48] == 54  # the mouth corners
    assert MIRROR_81[8] == 8  # the chin


@pytest.mark.parametrize("count", [68, 81])
def test_flipping_twice_changes_nothing(face, count):
    points = face.landmarks[:count]
    np.testing.assert_allclose(flip_landmarks(flip_landmarks(points, 200), 200), points, atol=1e-4)


def test_flipped_landmarks_lie_on_the_flipped_picture(face):
    """Points keep their names: what was painted under the left eye's corner is now under the right one's."""
    points = np.rint(face.landmarks).astype(int)
    canvas = np.zeros((200, 200), np.int32)
    canvas[points[:, 1], points[:, 0]] = np.arange(1, 82)
    mirrored = canvas[:, ::-1]
    flipped = flip_landmarks(points, 200)
    read = mirrored[flipped[:, 1], flipped[:, 0]] - 1
    raw = MIRROR_81[:68]
    np.testing.assert_array_equal(read[:68], raw)
    assert np.ptp(flipped[68:, 0]) > 50
    # The forehead is in raw order before and after: the same point stays leftmost among equals.
    assert flipped[77, 0] < flipped[71, 0] < flipped[78, 0]
    assert points[77, 0] < points[71, 0] < points[78, 0]


def test_official_flip_is_one_pixel_off(face):
    gap = flip_landmarks(face.landmarks, 200, mode="official") - flip_landmarks(face.landmarks, 200)
    np.testing.assert_allclose(gap, np.tile([1.0, 0.0], (81, 1)), atol=1e-4)


def test_flip_refuses_other_counts():
    with pytest.raises(FaceError, match="68"):
        flip_landmarks(np.zeros((5, 2)), 10)


def test_affine_scales_about_the_centre():
    matrix = affine_about_centre((101, 201), (1.1, 0.9), (0.0, 0.0))
    np.testing.assert_allclose(matrix @ [100, 50, 1], [100, 50], atol=1e-4)
    np.testing.assert_allclose(matrix @ [200, 0, 1], [210, 5], atol=1e-4)
    shifted = affine_about_centre((101, 201), (1.0, 1.0), (0.03, -0.01))
    np.testing.assert_allclose(shifted @ [0, 0, 1], [6.03, -1.01], atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(317, 317), (200, 300), (301, 256)])
def test_whole_image_map_fits_the_longer_side(height, width):
    corners = np.array([[0, 0, 1], [width - 1, height - 1, 1]], float)
    mapped = corners @ whole_image_map(height, width, 384).T
    assert np.ptp(mapped, axis=0).max() == pytest.approx(383)
    np.testing.assert_allclose(mapped.mean(axis=0), 191.5)


def reference_field(rng, shape, alpha, sigma):
    """Uniform noise on every pixel, smoothed, times the gain; wide enough to have no border."""
    pad = 4 * int(sigma)
    noise = rng.uniform(-1, 1, (shape[0] + 2 * pad, shape[1] + 2 * pad)).astype(np.float32)
    return alpha * cv2.GaussianBlur(noise, (0, 0), sigma)[pad:-pad, pad:-pad]


def correlation(fields, lag):
    return float((fields[:, :, lag:] * fields[:, :, :-lag]).mean() / np.square(fields).mean())


@pytest.mark.parametrize("sigma", [5.0, 7.0])
def test_elastic_field_has_the_statistics_of_the_reference(sigma):
    rng = np.random.default_rng(0)
    shape = (190, 203)
    ours = np.concatenate([elastic_field(rng, shape, alpha=50, sigma=sigma) for _ in range(40)])
    reference = np.stack([reference_field(rng, shape, 50, sigma) for _ in range(80)])
    assert ours.shape == reference.shape
    assert ours.dtype == np.float32
    assert ours.std() == pytest.approx(reference.std(), rel=0.04)
    # White noise through a Gaussian: standard deviation alpha / (sqrt 3 * 2 sqrt(pi) sigma), correlation known.
    assert ours.std() == pytest.approx(50 / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma), rel=0.04)
    for axes in ((0, 1, 2), (0, 2, 1)):
        turned = np.transpose(ours, axes)
        for lag in (4, 7, 10, 14, 21):
            exact = np.exp(-(lag**2) / (4 * sigma**2))
            assert correlation(turned, lag) == pytest.approx(exact, abs=0.05), lag
    middle, edge = ours[:, 60:130, 60:140].std(), ours[:, :8].std()
    assert edge == pytest.approx(middle, rel=0.15)
    assert np.corrcoef(ours[0::2].ravel(), ours[1::2].ravel())[0, 1] == pytest.approx(0, abs=0.06)


def test_elastic_field_needs_a_smooth_field():
    with pytest.raises(ValueError, match="sigma"):
        elastic_field(np.random.default_rng(0), (50, 50), sigma=2)


def test_displace_by_whole_pixels_is_a_shift():
    mask = np.random.default_rng(0).integers(0, 2, (40, 50), dtype=np.uint8)
    field = np.zeros((2, 40, 50), np.float32)
    field[0], field[1] = 3, -2
    np.testing.assert_array_equal(displace(mask, field)[2:, :-3], mask[:-2, 3:])
