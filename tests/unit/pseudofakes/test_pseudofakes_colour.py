"""Colour and frequency changes against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.pseudofakes.colour import (
    ColourDraw,
    apply_colour,
    brightness_contrast,
    downscale,
    draw_joint_colour,
    draw_source_colour,
    hsv_shift,
    jpeg,
    rgb_shift,
    sharpen,
)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)


def test_rgb_shift(noise):
    expected = np.clip(noise.astype(float) + np.array([10, -20, 300]), 0, 255)
    np.testing.assert_array_equal(rgb_shift(noise, (10.0, -20.0, 300.0)), expected)


def test_brightness_contrast(noise):
    expected = np.clip(noise * np.float32(1.2) + np.float32(-25.5), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(brightness_contrast(noise, -0.1, 0.2), expected)


def test_hue_turns_red_to_green_and_around():
    red = np.full((4, 4, 3), (255, 0, 0), np.uint8)
    assert hsv_shift(red, 60, 0, 0)[0, 0].tolist() == [0, 255, 0]
    assert hsv_shift(red, -60, 0, 0)[0, 0].tolist() == [0, 0, 255]
    assert hsv_shift(red, 0, 0, -55)[0, 0].tolist() == [200, 0, 0]
    assert hsv_shift(red, 0, -255, 0)[0, 0].tolist() == [255, 255, 255]


def test_sharpen_is_the_kernel(noise):
    alpha, lightness = 0.3, 0.8
    x = noise.astype(float)
    around = sum(np.roll(x, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) - x
    expected = (1 - alpha) * x + alpha * ((8 + lightness) * x - around)
    found = sharpen(noise, alpha, lightness)[1:-1, 1:-1]
    np.testing.assert_allclose(found, np.clip(expected, 0, 255)[1:-1, 1:-1], atol=0.51)


@pytest.mark.parametrize("factor", [2, 4])
def test_downscale_takes_away_fine_detail(noise, factor):
    out = downscale(noise, factor)
    assert out.shape == noise.shape
    assert np.diff(out.astype(float), axis=1).std() < 0.7 * np.diff(noise.astype(float), axis=1).std()
    flat = np.full((41, 53, 3), 77, np.uint8)
    np.testing.assert_array_equal(downscale(flat, factor), flat)


def test_jpeg_gets_worse_with_less_quality(face):
    errors = [float(np.square(jpeg(face.image, q).astype(float) - face.image).mean()) for q in (100, 80, 40)]
    assert errors == sorted(errors)
    assert errors[0] < 3 < errors[2]


def test_draw_without_steps_is_a_copy(noise):
    out = apply_colour(noise, ColourDraw())
    np.testing.assert_array_equal(out, noise)
    assert not np.shares_memory(out, noise)


def test_input_is_not_changed(noise):
    before = noise.copy()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for draw in (draw_source_colour(rng), draw_joint_colour(rng)):
            out = apply_colour(noise, draw)
            assert out.shape == noise.shape
            assert out.dtype == np.uint8
    np.testing.assert_array_equal(noise, before)


def share(values):
    return float(np.mean(values))


def test_source_draws_follow_the_paper():
    rng = np.random.default_rng(1)
    draws = [draw_source_colour(rng) for _ in range(4000)]
    assert share([d.rgb is not None for d in draws]) == pytest.approx(0.3, abs=0.03)
    assert share([d.frequency == "downscale" for d in draws]) == pytest.approx(0.5, abs=0.035)
    assert share([d.factor == 4 for d in draws]) == pytest.approx(0.5, abs=0.035)
    assert all(d.hsv is not None and max(map(abs, d.hsv)) <= 0.3 for d in draws)
    assert max(max(map(abs, d.rgb)) for d in draws if d.rgb) == pytest.approx(20, abs=0.2)
    for name, low, high in (("brightness", -0.1, 0.1), ("contrast", -0.1, 0.1), ("alpha", 0.2, 0.5)):
        values = np.array([getattr(d, name) for d in draws])
        assert low <= values.min() < low + 0.005
        assert high - 0.005 < values.max() <= high
    assert all(0.5 <= d.lightness <= 1 and d.jpeg_quality is None for d in draws)


def test_joint_draws_follow_the_code():
    rng = np.random.default_rng(2)
    draws = [draw_joint_colour(rng) for _ in range(4000)]
    for chosen, p in (("rgb", 0.3), ("hsv", 0.3), ("brightness", 0.3), ("jpeg_quality", 0.5)):
        assert share([getattr(d, chosen) is not None for d in draws]) == pytest.approx(p, abs=0.035), chosen
    qualities = [d.jpeg_quality for d in draws if d.jpeg_quality is not None]
    assert (min(qualities), max(qualities)) == (40, 100)
    assert all(d.frequency == "none" for d in draws)
