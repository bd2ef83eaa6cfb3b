"""Grid deformations against scikit-image's piecewise affine transform, on which imgaug builds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewitness.pseudofakes.piecewise import GridDeformation, deform, deformation_map, draw_deformation

HEIGHT, WIDTH = 90, 110


def flat(rows, columns):
    return GridDeformation((((0.0, 0.0),) * columns,) * rows)


def transform_of(deformation):
    """The same deformation; a hair of shear settles which diagonal the triangulation takes."""
    skimage_transform = pytest.importorskip("skimage.transform")
    offsets = np.asarray(deformation.offsets)
    y, x = np.meshgrid(np.linspace(0, HEIGHT, offsets.shape[0]), np.linspace(0, WIDTH, offsets.shape[1]), indexing="ij")
    target = np.stack(
        [
            np.clip(x + offsets[..., 1] * WIDTH, 0, WIDTH - 1),
            np.clip(y + offsets[..., 0] * HEIGHT, 0, HEIGHT - 1),
        ],
        axis=-1,
    )
    source = np.stack([x + 1e-6 * y, y], axis=-1)
    return skimage_transform.PiecewiseAffineTransform.from_estimate(source.reshape(-1, 2), target.reshape(-1, 2))


@pytest.mark.parametrize("seed", range(6))
def test_map_is_piecewise_affine(seed):
    deformation = draw_deformation(np.random.default_rng(seed), (0.1, 0.15))
    columns, rows = np.meshgrid(np.arange(1, WIDTH), np.arange(HEIGHT))  # the shear leaves column 0 outside
    expected = transform_of(deformation)(np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(float))
    found = np.stack(deformation_map(deformation, HEIGHT, WIDTH), axis=-1)[:, 1:]
    np.testing.assert_allclose(found.reshape(-1, 2), expected, atol=2e-3)


def test_mask_moves_as_with_scikit_image():
    skimage_transform = pytest.importorskip("skimage.transform")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (50, 45), (30, 25), 20, 0, 360, 255, -1)
    deformation = draw_deformation(np.random.default_rng(3), (0.1, 0.1))
    expected = skimage_transform.warp(mask, transform_of(deformation), order=1, cval=0, preserve_range=True)
    found = deform(mask, deformation)
    assert (found != mask).mean() > 0.03
    assert np.abs(found[:, 1:] - expected[:, 1:]).mean() < 1.0
    assert ((found == 255) != (expected > 254.9))[:, 1:].mean() < 0.003


def test_grid_at_rest_spans_the_picture():
    x, y = deformation_map(flat(3, 2), HEIGHT, WIDTH)
    # The last node lies at the width, one pixel outside, and is taken inside.
    np.testing.assert_allclose(x[0], np.arange(WIDTH) * (WIDTH - 1) / WIDTH, atol=1e-4)
    np.testing.assert_allclose(y[: HEIGHT // 2, 0], np.arange(HEIGHT // 2), atol=1e-4)


def test_nodes_stay_inside():
    offsets = ((((9.0, -9.0),) * 3),) * 4
    x, y = deformation_map(GridDeformation(offsets), HEIGHT, WIDTH)
    assert (x == 0).all()
    assert (y == HEIGHT - 1).all()


def test_draws():
    made = [draw_deformation(np.random.default_rng(s)) for s in range(600)]
    shapes = np.array([np.shape(d.offsets)[:2] for d in made])
    for axis in (0, 1):
        counts = np.bincount(shapes[:, axis])
        assert counts[:2].sum() == 0
        assert len(counts) == 5
        assert counts[2:].min() > 150
    spread = np.array([np.sqrt(np.mean(np.square(d.offsets))) for d in made])
    assert spread.mean() == pytest.approx(0.08, abs=0.006)
    assert draw_deformation(np.random.default_rng(5)) == made[5]


def test_colours_move_with_the_grid():
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, 40:60, 1] = 200
    moved = deform(image, GridDeformation((((0.0, 10 / WIDTH),) * 2,) * 2))
    assert moved.shape == image.shape
    assert not moved[..., (0, 2)].any()
    # Column 0 shows column 10, the last one the last: the grid is squeezed to 99 of 110 px.
    lit = np.flatnonzero(moved[40, :, 1] > 100)
    assert lit[0] == pytest.approx((39.5 - 10) * 110 / 99, abs=1)
    assert lit[-1] == pytest.approx((59.5 - 10) * 110 / 99, abs=1)
