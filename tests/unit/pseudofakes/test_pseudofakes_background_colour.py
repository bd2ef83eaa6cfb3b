"""Colours of backgrounds: the single changes against Pillow and scikit-image, the draws against their chances."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from facewitness.pseudofakes.background_colour import (
    BackgroundColourDraw,
    apply_background_colour,
    draw_background_colour,
    jitter_colour,
)
from facewitness.pseudofakes.colour import ColourDraw, hsv_shift


@pytest.mark.parametrize(
    ("change", "enhancer"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
def test_jitter_is_pillows_enhancement(face, change, enhancer):
    for strength in (0.8, 1.13):
        expected = np.asarray(enhancer(Image.fromarray(face.image)).enhance(strength), dtype=int)
        found = jitter_colour(face.image, change, strength).astype(int)
        assert np.abs(found - expected).max() <= 1
        assert np.abs(found - face.image).mean() > 1


def test_hue_turns(face):
    colour = pytest.importorskip("skimage.color")
    before, after = (colour.rgb2hsv(i) for i in (face.image, jitter_colour(face.image, "hue", 0.2)))
    vivid = (before[..., 1] > 0.3) & (before[..., 2] > 0.3)
    turned = (after[..., 0] - before[..., 0])[vivid] % 1
    assert np.abs(turned - 0.2).max() < 0.03
    np.testing.assert_allclose(after[..., 2], before[..., 2], atol=0.01)


def test_steps(face):
    def changed(**fields):
        return apply_background_colour(face.image, BackgroundColourDraw(**fields))

    same = changed()
    np.testing.assert_array_equal(same, face.image)
    assert not np.shares_memory(same, face.image)
    gamma = changed(gamma=0.8).astype(float)
    assert np.abs(gamma - 255 * (face.image / 255.0) ** 0.8).max() <= 1
    noisy = changed(noise=(5.0, 3)).astype(float) - face.image
    middle = (face.image > 30) & (face.image < 225)
    assert noisy[middle].std() == pytest.approx(5, abs=0.1)
    assert noisy[middle].mean() == pytest.approx(-0.5, abs=0.1)  # decimals are cut off
    assert changed(blur_kernel=7).std(axis=(0, 1)).max() < face.image.std(axis=(0, 1)).max()
    np.testing.assert_array_equal(changed(last=ColourDraw(hsv=(5, 9, -3))), hsv_shift(face.image, 5, 9, -3))
    both = changed(rgb=(9.0, 0.0, 0.0), jitter=(("brightness", 0.9),))
    np.testing.assert_array_equal(both[..., 0], np.minimum((face.image[..., 0] * 0.9).astype(np.uint8) + 9, 255))


def test_chances_and_ranges():
    draws = [draw_background_colour(np.random.default_rng(s)) for s in range(3000)]
    chances = {"jitter": 0.3, "jpeg_quality": 0.5, "rgb": 0.3, "gamma": 0.5, "blur_kernel": 0.25, "noise": 0.25}
    for name, chance in {**chances, "last": 0.5}.items():
        assert np.mean([getattr(d, name) is not None for d in draws]) == pytest.approx(chance, abs=0.03)
    assert not any(d.noise and d.blur_kernel for d in draws)
    assert {d.jpeg_quality for d in draws} >= {40, 100}
    assert {d.blur_kernel for d in draws} == {None, 3, 5, 7}
    orders = {tuple(name for name, _ in d.jitter) for d in draws if d.jitter}
    assert len(orders) == 24
    hues = [dict(d.jitter)["hue"] for d in draws if d.jitter]
    assert -0.2 <= min(hues) < -0.18 < 0.18 < max(hues) <= 0.2
    variances = [d.noise[0] ** 2 for d in draws if d.noise]
    assert np.mean(variances) == pytest.approx(30, abs=1.5)
    brightened = [d.last for d in draws if d.last and d.last.brightness is not None]
    assert len(brightened) == pytest.approx(750, abs=80)
    assert np.max(np.abs([(c.brightness, c.contrast) for c in brightened])) <= 0.1


def test_same_seed_same_picture(face):
    one, two = (apply_background_colour(face.image, draw_background_colour(np.random.default_rng(s))) for s in (11, 11))
    np.testing.assert_array_equal(one, two)
