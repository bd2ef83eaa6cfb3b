"""Blended images against a slow version of every step, the crop's size, chances, items and their batches."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facewitness.errors import ConfigError, FaceError
from facewitness.pseudofakes import blended_items
from facewitness.pseudofakes.blended_items import (
    BlendConfig,
    BlendDraw,
    apply_blend,
    bi_training_item,
    blended_image,
    draw_blend,
    resized,
)
from facewitness.pseudofakes.items import ItemConfig, collate, training_item
from facewitness.pseudofakes.masks import HULL_KINDS, hull_mask_uint8
from facewitness.pseudofakes.piecewise import GridDeformation, deform

WHOLE = (0, 317, 0, 317)
AT_REST = GridDeformation((((0.0, 0.0),) * 2,) * 2)
PLAIN = BlendDraw(
    fake=True,
    blend_size=317,
    kind="dfl_full",
    deformation=AT_REST,
    grow=True,
    kernel=1,
    loss_size=None,
    loss_nearest=False,
)


def at_size(face, side):
    """Picture and 68 landmarks of the portrait at another size."""
    factor = side / face.image.shape[0]
    image = cv2.resize(face.image, (side, side), interpolation=cv2.INTER_CUBIC)
    return image, (face.landmarks[:68].astype(np.float64) + 0.5) * factor - 0.5


@pytest.fixture
def pair(face, donor):
    """Background with landmarks at 317 px, and another face at 300 px."""
    return *at_size(face, 317), donor.image


def by_hand(background, landmarks, foreground, draw):
    """The official steps, one pixel at a time where that is how they are defined."""
    transform = pytest.importorskip("skimage.transform")
    side = draw.blend_size

    def resize(picture, size):
        return transform.resize(picture, (size, size), preserve_range=True)

    back, front = (resize(p, side).astype(np.uint8) for p in (background, foreground))
    points = (landmarks * (side / 317)).astype(np.int32)
    mask = (deform(hull_mask_uint8(points, draw.kind, (side, side)), draw.deformation) == 255).astype(np.uint8)
    kernel = np.ones((draw.kernel + 1 - draw.kernel % 2,) * 2, np.uint8)
    mask = cv2.dilate(mask, kernel) if draw.grow else cv2.erode(mask, kernel)
    inside = mask > 0
    moved = front[inside].astype(int) - front[inside].astype(int).mean(axis=0) + back[inside].astype(int).mean(axis=0)
    front = front.copy()
    front[inside] = np.clip(moved, 0, 255)
    pixels = np.argwhere(inside)[:, ::-1]
    hull = cv2.convexHull(pixels.astype(np.int32))
    width = 0.2 * np.ptp(pixels, axis=0).max()
    weights, out = np.zeros((side, side)), back.copy()
    for x, y in pixels.tolist():
        weight = min(max(cv2.pointPolygonTest(hull, (float(x), float(y)), measureDist=True) / width, 0), 1)
        weights[y, x] = weight
        out[y, x] = weight * front[y, x] + (1 - weight) * back[y, x]
    return resize(out, 317).astype(np.uint8)[60:317, 30:287], resize(weights, 317)[60:317, 30:287]


@pytest.mark.parametrize("seed", range(6))
def test_official_steps(pair, seed):
    config = BlendConfig(mode="official", loss_probability=0.0, blend_size=(128, 160) if seed % 2 else (290, 317))
    draw = replace(draw_blend(np.random.default_rng(seed), config), fake=True)
    made = apply_blend(*pair, draw, config)
    image, weights = by_hand(*pair, draw)
    assert made.image.shape == (257, 257, 3)
    np.testing.assert_allclose(made.weights[1:-1, 1:-1], weights[1:-1, 1:-1], atol=1e-5)
    apart = np.abs(made.image.astype(int) - image)[1:-1, 1:-1]  # borders are mirrored there, repeated here
    assert (apart > 1).mean() < 1e-3
    assert (apart > 0).mean() < 0.02
    np.testing.assert_array_equal(made.boundary, 4 * made.weights * (1 - made.weights))


@pytest.mark.parametrize("size", [(128, 128), (200, 317), (400, 350)])
def test_resize_is_that_of_scikit_image(pair, size):
    transform = pytest.importorskip("skimage.transform")
    expected = transform.resize(pair[0], size, preserve_range=True)
    inner = (slice(1, -1), slice(1, -1))
    assert np.abs(resized(pair[0], *size).astype(float) - expected)[inner].max() < 0.51
    cut = resized(pair[0], *size, mode="official").astype(float) - expected
    assert -1.01 < cut[inner].min() < cut[inner].max() < 0.01
    grey = np.full((317, 317, 3), 100, np.uint8)
    assert (resized(grey, *size, mode="official") == 100).all()


@pytest.mark.parametrize("side", [128, 256, 317, 500])
def test_corrected_mode_scales_with_the_crop(face, donor, side):
    """The same draw gives the same picture at any size."""
    config = BlendConfig()
    draw = replace(PLAIN, blend_size=300, kernel=9, grow=False, kind="extended")
    reference = apply_blend(*at_size(face, 317), donor.image, draw, config)
    made = apply_blend(*at_size(face, side), donor.image, draw, config)
    rows, columns = round(side) - round(60 * side / 317), round(287 * side / 317) - round(30 * side / 317)
    assert made.image.shape == (rows, columns, 3)
    weights = cv2.resize(made.weights, (257, 257), interpolation=cv2.INTER_LINEAR)
    assert np.abs(weights - reference.weights).mean() < 0.02
    image = cv2.resize(made.image, (257, 257), interpolation=cv2.INTER_AREA)
    assert np.abs(image.astype(float) - reference.image).mean() < 8


def test_official_mode_takes_every_crop_for_317_px(face, donor):
    image, landmarks = at_size(face, 256)
    made = apply_blend(image, landmarks, donor.image, PLAIN, BlendConfig(mode="official", crop=WHOLE))
    assert made.image.shape == (317, 317, 3)
    y, x = np.argwhere(made.weights > 0).mean(axis=0)
    middle = (landmarks.min(axis=0) + landmarks.max(axis=0)) / 2  # where landmarks of 256 px fall in 317 px
    np.testing.assert_allclose([x, y], middle, atol=8)
    right = apply_blend(image, landmarks, donor.image, PLAIN, BlendConfig(crop=WHOLE))
    y, x = np.argwhere(right.weights > 0).mean(axis=0)
    np.testing.assert_allclose([x, y], middle, atol=8)
    assert right.image.shape == (256, 256, 3)
    real = apply_blend(image, landmarks, donor.image, replace(PLAIN, fake=False), BlendConfig(mode="official"))
    assert real.image.shape == (257, 257, 3)


@pytest.mark.parametrize("mode", ["official", "corrected"])
def test_blend_keeps_the_outside_and_matches_the_colours(pair, mode):
    background, _, foreground = pair
    made = apply_blend(*pair, PLAIN, BlendConfig(mode=mode, crop=WHOLE))
    outside, inside = made.weights == 0, made.weights == 1
    np.testing.assert_array_equal(made.image[outside], background[outside])
    assert inside.sum() > 1000
    front = resized(foreground, 317, 317, mode=mode)
    shift = made.image[inside].astype(int) - front[inside]
    clipped = ((made.image[inside] == 0) | (made.image[inside] == 255)).any(axis=1)
    assert np.ptp(shift[~clipped], axis=0).max() <= 1  # one shift per channel
    full = made.weights > 0
    np.testing.assert_allclose(
        shift[~clipped].mean(axis=0), background[full].mean(axis=0) - front[full].mean(axis=0), atol=1.5
    )


def test_rounding_does_not_darken(pair):
    """A face blended into itself: cut decimals show, rounded ones do not."""
    background, landmarks, _ = pair
    draw = replace(PLAIN, blend_size=200)
    change = {}
    for mode in ("official", "corrected"):
        config = BlendConfig(mode=mode, crop=WHOLE)
        plain = resized(resized(background, 200, 200), 317, 317).astype(float)
        change[mode] = (apply_blend(background, landmarks, background, draw, config).image - plain).mean()
    assert abs(change["corrected"]) < 0.05
    assert change["official"] < -0.7


def test_real_pictures_are_only_cropped(pair):
    made = blended_image(*pair, np.random.default_rng(0), BlendConfig(loss_probability=0.0), fake=False)
    assert not made.is_fake
    assert not made.weights.any()
    assert not made.boundary.any()
    np.testing.assert_array_equal(made.image, pair[0][60:317, 30:287])
    assert not np.shares_memory(made.image, pair[0])


def test_loss_makes_both_kinds_coarser(pair):
    def detail(image):
        return cv2.Laplacian(image, cv2.CV_64F).std()

    for fake in (False, True):
        sharp = detail(apply_blend(*pair, replace(PLAIN, fake=fake)).image)
        for nearest in (False, True):
            lossy = apply_blend(*pair, replace(PLAIN, fake=fake, loss_size=64, loss_nearest=nearest)).image
            assert detail(lossy) < 0.6 * sharp


def test_draws_have_the_authors_ranges():
    draws = [draw_blend(np.random.default_rng(s)) for s in range(4000)]
    assert np.mean([d.fake for d in draws]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([d.grow for d in draws]) == pytest.approx(0.5, abs=0.03)
    assert {d.blend_size for d in draws} == set(range(128, 318))
    assert {d.kernel for d in draws if d.grow} == set(range(1, 6))
    assert {d.kernel for d in draws if not d.grow} == set(range(1, 22))
    sizes = [d.loss_size for d in draws if d.loss_size is not None]
    assert len(sizes) == pytest.approx(2000, abs=100)
    assert set(sizes) == set(range(64, 318))
    for kind in HULL_KINDS:
        assert np.mean([d.kind == kind for d in draws]) == pytest.approx(0.25, abs=0.03)


def test_same_seed_same_picture_and_inputs_stay(pair):
    background, landmarks, foreground = pair
    kept = [a.copy() for a in pair]
    one, two, other = (blended_image(*pair, np.random.default_rng(s), fake=True) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.image, two.image)
    assert one.draw == two.draw
    assert one.image.shape != other.image.shape or (one.image != other.image).any()
    again = apply_blend(background, landmarks, foreground, one.draw)
    np.testing.assert_array_equal(again.image, one.image)
    for before, after in zip(kept, pair, strict=True):
        np.testing.assert_array_equal(before, after)


def test_new_masks_are_drawn_a_few_times_and_then_it_is_said(pair, monkeypatch):
    background, landmarks, foreground = pair
    drawn = []
    monkeypatch.setattr(blended_items, "draw_blend", lambda r, c: drawn.append(draw_blend(r, c)) or drawn[-1])
    with pytest.raises(FaceError, match=r"5 draws left no mask.*leave it out"):
        blended_image(
            background, landmarks - 900, foreground, np.random.default_rng(0), BlendConfig(attempts=5), fake=True
        )
    assert len(drawn) == 5
    # A face so small that some erosions take all of it: the others are used, and none of them turns real.
    drawn.clear()
    small = (landmarks - 150) * 0.06 + 150
    made = [blended_image(background, small, foreground, np.random.default_rng(s), fake=True) for s in range(12)]
    assert all(m.is_fake and m.weights.any() for m in made)
    assert len(drawn) > 12


def test_without_landmarks_a_picture_stays_real(pair):
    background, _, foreground = pair
    nothing = np.empty((0, 2))
    made = [blended_image(background, nothing, foreground, np.random.default_rng(s)) for s in range(8)]
    assert not any(m.is_fake for m in made)
    with pytest.raises(FaceError, match="needs the background's landmarks"):
        blended_image(background, nothing, foreground, np.random.default_rng(0), fake=True)


def test_wrong_input_is_refused_at_once(pair, monkeypatch):
    background, landmarks, foreground = pair
    rng = np.random.default_rng(0)
    with pytest.raises(FaceError, match="finite"):
        blended_image(background, np.full((68, 2), np.nan), foreground, rng, fake=True)
    with pytest.raises(FaceError, match="64 px"):
        blended_image(background, landmarks, foreground[:40], rng, fake=True)
    with pytest.raises(TypeError, match="uint8"):
        blended_image(background / 255, landmarks, foreground, rng)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"mode": "best"}, "mode"),
        ({"fake_probability": 1.5}, "fake_probability"),
        ({"blend_size": (300, 200)}, "blend_size"),
        ({"nodes": (1, 3)}, "nodes"),
        ({"hull_kinds": ()}, "hull_kinds"),
        ({"crop": (60, 400, 0, 317)}, "crop"),
        ({"attempts": 0}, "attempts"),
        ({"feather": 0.0}, "feather"),
    ],
)
def test_wrong_settings(changes, name):
    with pytest.raises(ConfigError, match=name):
        BlendConfig(**changes)


CONFIG = ItemConfig(size=128, heatmap_size=32)


def test_items_of_one_picture_and_their_batches(pair, face):
    items = [bi_training_item(*pair, np.random.default_rng(s), CONFIG) for s in range(40)]
    labels = [float(i.labels[0, 0]) for i in items]
    assert 10 <= sum(labels) <= 30
    for item, label in zip(items, labels, strict=True):
        assert item.images.shape == (1, 3, 128, 128)
        assert item.heatmaps.shape == item.consistencies.shape == (1, 1, 32, 32)
        assert {a.dtype for a in (item.images, item.heatmaps, item.labels)} == {np.dtype(np.float32)}
        if label == 0:
            assert not item.heatmaps.any()
            assert (item.consistencies == 1).all()
    assert np.mean([i.heatmaps.max() == 1 for i, y in zip(items, labels, strict=True) if y]) > 0.8  # crops can miss it
    batch = collate(items, np.random.default_rng(0))
    assert batch.images.shape == (40, 3, 128, 128)
    assert batch.labels.sum() == sum(labels)
    assert batch.labels.ravel().tolist() != labels
    # Items of one and of two pictures fit into one batch, too.
    pair_item = training_item(face.image, face.landmarks, np.random.default_rng(0), CONFIG)
    assert collate([items[0], pair_item]).labels.shape == (3, 1)


def test_item_without_augmentation_is_the_blend_alone(pair):
    config = replace(CONFIG, augment=False)
    blend = BlendConfig(fake_probability=1.0)
    item = bi_training_item(*pair, np.random.default_rng(3), config, blend=blend)
    made = blended_image(*pair, np.random.default_rng(3), blend)
    small = cv2.resize(made.image, (128, 128), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1) / 127.5 - 1
    assert np.abs(item.images[0] - small).mean() < 0.02
    # The heatmap's points lie on the boundary.
    y, x = np.argwhere(item.heatmaps[0, 0] == 1).T * 8
    assert made.boundary[np.clip(y, 0, 256), np.clip(x, 0, 256)].mean() > 0.5


def test_augmented_items_differ_in_colour_and_place(pair):
    real = BlendConfig(fake_probability=0.0, loss_probability=0.0)
    items = [bi_training_item(*pair, np.random.default_rng(s), CONFIG, blend=real) for s in range(12)]
    plain = bi_training_item(*pair, np.random.default_rng(0), replace(CONFIG, augment=False), blend=real)
    assert sum((i.images == plain.images).all() for i in items) <= 1
    means = np.array([i.images.mean(axis=(0, 2, 3)) for i in items])
    assert means.std(axis=0).min() > 0.01


def test_mode_of_the_items_follows_the_configuration(pair, monkeypatch):
    modes = []
    monkeypatch.setattr(blended_items, "blended_image", lambda *a: modes.append(a[4].mode) or blended_image(*a))
    for mode in ("official", "corrected"):
        config = replace(CONFIG, blend=replace(CONFIG.blend, mode=mode))
        bi_training_item(*pair, np.random.default_rng(0), config)
    assert modes == ["official", "corrected"]
