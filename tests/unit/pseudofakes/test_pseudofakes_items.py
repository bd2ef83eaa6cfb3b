"""Training items: what both pictures share, the single warp against separate steps, the batch."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.pseudofakes.geometry import whole_image_map
from facewitness.pseudofakes.items import (
    Geometry,
    ItemConfig,
    apply_geometry,
    collate,
    draw_geometry,
    normalise,
    training_item,
)
from facewitness.pseudofakes.self_blended import SelfBlendConfig

CONFIG = ItemConfig(size=128, heatmap_size=32)


def test_item_has_a_fake_and_a_real(face):
    item = training_item(face.image, face.landmarks, np.random.default_rng(0), CONFIG)
    assert item.images.shape == (2, 3, 128, 128)
    assert item.heatmaps.shape == item.consistencies.shape == (2, 1, 32, 32)
    assert item.labels.tolist() == [[1], [0]]
    assert {a.dtype for a in (item.images, item.heatmaps, item.consistencies, item.labels)} == {np.dtype(np.float32)}
    assert -1 <= item.images.min() < item.images.max() <= 1
    assert item.heatmaps[0].max() == 1
    assert not item.heatmaps[1].any()
    assert (item.consistencies[1] == 1).all()


def test_fake_and_real_go_through_the_same_changes(face):
    """Far from the boundary, outside the mask, both are the same; JPEG alone spreads over its 8 px blocks."""
    for seed in range(8):
        item = training_item(face.image, face.landmarks, np.random.default_rng(seed), CONFIG)
        difference = np.abs(item.images[0] - item.images[1]).max(axis=0)
        assert (difference < 1e-6).mean() > 0.1
        # Where the pictures differ is where the heatmap looks: its points lie at the edge of the difference.
        y, x = np.argwhere(item.heatmaps[0, 0] == 1).mean(axis=0) * 4
        ys, xs = np.nonzero(difference > 0.02)
        assert ys.min() - 8 <= y <= ys.max() + 8
        assert xs.min() - 8 <= x <= xs.max() + 8


def test_without_augmentation_the_pictures_are_only_warped(face):
    blend = SelfBlendConfig(flip_probability=0, margin=(0, 0), source_probability=1.0)
    config = ItemConfig(size=200, heatmap_size=50, augment=False, blend=blend)
    item = training_item(face.image, face.landmarks, np.random.default_rng(0), config)
    expected = (face.image.astype(np.float32) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(item.images[1], expected.transpose(2, 0, 1), atol=1e-5)


def test_geometry_of_the_same_size_is_nothing(face):
    np.testing.assert_array_equal(apply_geometry(face.image, Geometry(), 200), face.image)
    np.testing.assert_array_equal(apply_geometry(face.image, Geometry(flip=True), 200), face.image[:, ::-1])


def test_geometry_in_one_step_is_the_steps_one_by_one(face):
    drawn = Geometry(flip=True, crop=(0.1, 0.05, 0.95, 1.0))
    kept = np.ascontiguousarray(face.image[10:200, 20:190][:, ::-1])
    expected = cv2.warpAffine(kept, whole_image_map(*kept.shape[:2], 96), (96, 96))
    found = apply_geometry(face.image, drawn, 96)
    assert np.abs(found.astype(int) - expected).max() <= 2
    assert not found[:, :3].any()  # narrower than high: black beside it


def test_zoom_keeps_the_centre(face):
    dot = np.zeros((101, 101), np.uint8)
    dot[49:52, 59:62] = 255
    y, x = np.argwhere(apply_geometry(dot, Geometry(zoom=1.1), 101) > 128).mean(axis=0)
    assert (y, x) == pytest.approx((50, 61), abs=0.5)


def test_erasing_blackens_a_rectangle_of_a_copy():
    white = np.full((100, 100, 3), 255, np.uint8)
    out = apply_geometry(white, Geometry(erase=(0.2, 0.3, 0.5, 0.4)), 100)
    assert not out[30:40, 20:50].any()
    assert (out == 0).all(axis=2).sum() == 300
    assert white.all()


def test_geometry_draws():
    rng = np.random.default_rng(0)
    draws = [draw_geometry(rng) for _ in range(4000)]
    kinds = Counter(
        "erase" if d.erase else "zoom" if d.zoom != 1 else "crop" if d.crop != (0, 0, 1, 1) else "none" for d in draws
    )
    assert sum(d.flip for d in draws) / 4000 == pytest.approx(0.5, abs=0.035)
    assert kinds["zoom"] / 4000 == pytest.approx(1 / 6, abs=0.025)
    assert kinds["erase"] / 4000 == pytest.approx(1 / 6, abs=0.025)
    assert kinds["crop"] / 4000 == pytest.approx(1 / 6, abs=0.025)
    zooms = [d.zoom for d in draws]
    assert 0.85 <= min(zooms) < 0.86
    assert 1.14 < max(zooms) <= 1.15
    for box in [d.crop for d in draws] + [d.erase for d in draws if d.erase]:
        assert 0 <= box[0] < box[2] <= 1 + 1e-9
        assert 0 <= box[1] < box[3] <= 1 + 1e-9
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (d.erase for d in draws) if b]
    assert 0.019 < min(areas) < 0.03
    assert 0.3 < max(areas) <= 0.3301
    widths = {round(d.crop[2] - d.crop[0], 6) for d in draws}
    assert widths == {round(1 - n / 100, 6) for n in range(15)}


def test_normalise():
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    out = np.empty((3, 5, 6), np.float32)
    normalise(image, 0.4, 0.2, out)
    np.testing.assert_allclose(out, (image.transpose(2, 0, 1) / 255 - 0.4) / 0.2, atol=1e-5)


def test_batch_keeps_pictures_with_their_targets(face):
    items = [training_item(face.image, face.landmarks, np.random.default_rng(s), CONFIG) for s in range(4)]
    plain, mixed = collate(items), collate(items, np.random.default_rng(0))
    assert plain.images.shape == mixed.images.shape == (8, 3, 128, 128)
    assert plain.labels.ravel().tolist() == [1, 0] * 4
    assert mixed.labels.sum() == 4
    places = [int(np.flatnonzero((plain.images == image).all(axis=(1, 2, 3)))[0]) for image in mixed.images]
    assert sorted(places) == list(range(8))
    assert places != list(range(8))
    for name in ("heatmaps", "consistencies", "labels"):
        np.testing.assert_array_equal(getattr(mixed, name), getattr(plain, name)[places])


@pytest.mark.parametrize("changes", [{"size": 8}, {"heatmap_size": 1}, {"std": 0.0}])
def test_wrong_settings(changes):
    with pytest.raises(ConfigError, match="need size"):
        ItemConfig(**changes)
