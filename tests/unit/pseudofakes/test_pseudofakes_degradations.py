"""Losses: the same draw does the same to every picture, codecs get worse as asked, sizes come back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from facewitness.h264 import h264_compress
from facewitness.jpeg import jpeg_again
from facewitness.pseudofakes.degradations import (
    Degradation,
    DegradationConfig,
    draw_degradation,
)


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


def test_no_step_is_a_copy_of_the_picture(face):
    np.testing.assert_array_equal(Degradation()(face.image), face.image)


def test_same_draw_does_the_same_to_both(face):
    """A fake that differs in one corner differs from the degraded real there alone, noise and colours included."""
    fake = face.image.copy()
    fake[:32, :32] = 255 - fake[:32, :32]
    rng = np.random.default_rng(0)
    config = DegradationConfig(noise_p=1.0, colour_p=1.0, blur_p=1.0, h264_p=0.0, jpeg_p=0.5)
    for _ in range(10):
        drawn = draw_degradation(rng, 200, config)
        real, forged, again = drawn(face.image), drawn(fake), drawn(face.image)
        np.testing.assert_array_equal(real, again)
        assert real.shape == forged.shape
        far = round(60 * drawn.scale)
        np.testing.assert_array_equal(real[far:, far:], forged[far:, far:])
        assert (real != forged).any()


def test_input_is_not_changed(face):
    before = face.image.copy()
    rng = np.random.default_rng(1)
    for _ in range(15):
        out = draw_degradation(rng, 200)(face.image)
        assert out.dtype == np.uint8
        assert out.flags.c_contiguous
        assert out.shape[2] == 3
    np.testing.assert_array_equal(face.image, before)


def test_scale_and_smallest_side():
    image = np.zeros((101, 203, 3), np.uint8)
    assert Degradation(scale=0.5)(image).shape == (50, 102, 3)
    rng = np.random.default_rng(0)
    config = DegradationConfig(scale_p=1.0, scale_range=(0.1, 1.0), min_side_px=72)
    scales = [draw_degradation(rng, 200, config).scale for _ in range(500)]
    assert min(scales) == pytest.approx(72 / 200)
    assert all(draw_degradation(rng, 60, config).scale == 1 for _ in range(20))


@pytest.mark.parametrize("inter", [False, True])
def test_h264_gets_worse_with_the_rate_factor(face, inter):
    quality = [psnr(h264_compress(face.image, crf=crf, inter=inter), face.image) for crf in (10, 23, 32, 40, 50)]
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > 33
    assert quality[-1] < 28


@pytest.mark.parametrize("shape", [(64, 64), (65, 64), (64, 71), (33, 47), (9, 17)])
@pytest.mark.parametrize("inter", [False, True])
def test_h264_gives_the_same_size_and_place_back(face, shape, inter):
    image = cv2.resize(face.image, shape[::-1], interpolation=cv2.INTER_AREA)
    out = h264_compress(image, crf=12, inter=inter)
    assert out.shape == image.shape
    shifted = np.roll(out, 1, axis=1)
    assert psnr(out, image) > psnr(shifted, image) + 1
    assert psnr(out, image) > 22


def test_h264_knows_red_from_blue():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:] = (200, 40, 60)
    assert np.abs(h264_compress(image, crf=18).reshape(-1, 3).mean(axis=0) - (200, 40, 60)).max() < 6


def test_jpeg_gets_worse_and_knows_red_from_blue(face):
    quality = [psnr(jpeg_again(face.image, q), face.image) for q in (95, 75, 40, 10)]
    assert quality == sorted(quality, reverse=True)
    assert quality[0] > 35
    image = np.zeros((32, 32, 3), np.uint8)
    image[:] = (200, 40, 60)
    assert np.abs(jpeg_again(image, 90).reshape(-1, 3).mean(axis=0) - (200, 40, 60)).max() < 4


def test_noise_keeps_the_mean_and_has_the_sigma():
    grey = np.full((200, 200, 3), 120, np.uint8)
    difference = Degradation(noise_sigma=5.0, noise_seed=3)(grey).astype(float) - 120
    assert difference.mean() == pytest.approx(0, abs=0.06)
    assert difference.std() == pytest.approx(5, rel=0.02)


def test_grey_has_no_colour(face):
    out = Degradation(grey=True)(face.image)
    assert (np.ptp(out, axis=2) == 0).all()
    np.testing.assert_allclose(out[..., 0], face.image @ [0.299, 0.587, 0.114], atol=1)


def test_draws_have_their_probabilities():
    rng = np.random.default_rng(0)
    config = DegradationConfig()
    draws = [draw_degradation(rng, 300, config) for _ in range(3000)]

    def share(values):
        return float(np.mean(list(values)))

    assert share(d.scale < 1 for d in draws) == pytest.approx(config.scale_p, abs=0.035)
    assert share(d.h264_crf is not None for d in draws) == pytest.approx(config.h264_p, abs=0.035)
    assert share(d.jpeg_quality is not None for d in draws) == pytest.approx(config.jpeg_p, abs=0.035)
    assert share(d.blur_sigma_px > 0 for d in draws) == pytest.approx(config.blur_p, abs=0.03)
    assert share(d.noise_sigma > 0 for d in draws) == pytest.approx(config.noise_p, abs=0.03)
    assert share(d.colour_table is not None for d in draws) == pytest.approx(config.colour_p, abs=0.035)
    assert share(d.grey for d in draws) == pytest.approx(config.grey_p, abs=0.015)
    factors = [d.h264_crf for d in draws if d.h264_crf is not None]
    assert (min(factors), max(factors)) == config.h264_crf
    qualities = [d.jpeg_quality for d in draws if d.jpeg_quality is not None]
    assert (min(qualities), max(qualities)) == config.jpeg_quality


def test_draws_can_be_switched_off():
    off = replace(DegradationConfig(), **{n: 0.0 for n in DegradationConfig.__dataclass_fields__ if n.endswith("_p")})
    drawn = draw_degradation(np.random.default_rng(0), 100, off)
    image = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(drawn(image), image)
