"""Perturbations: the same draw gives the same frames, each level is worse than the one before, numbers have oracles."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.h264 import h264_again, h264_compress
from facewitness.media.perturbations import (
    LEVELS,
    PARAMETERS,
    PERTURBATIONS,
    block_distortion,
    contrast,
    gaussian_blur,
    gaussian_noise,
    perturbations,
    pixelate,
    resize_again,
    saturation,
)
from unit.house.house_paths import ROOT

ON_FRAMES = [name for name, kind in PERTURBATIONS.items() if kind.change is not None]


@pytest.fixture(scope="module")
def portrait():
    """A photo with odd sides."""
    return np.asarray(Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB"))[:301, 60:397].copy()


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


@pytest.mark.parametrize("name", ON_FRAMES)
def test_levels_grow_keep_the_form_and_repeat(portrait, name):
    frames = [portrait, np.roll(portrait, 2, axis=1)]
    before = [frame.copy() for frame in frames]
    losses = []
    for level in range(1, LEVELS + 1):
        changed = PERTURBATIONS[name].apply(frames, level, np.random.default_rng(3))
        again = PERTURBATIONS[name].apply(frames, level, np.random.default_rng(3))
        assert [(c.shape, c.dtype) for c in changed] == [(f.shape, f.dtype) for f in frames]
        for one, other in zip(changed, again, strict=True):
            np.testing.assert_array_equal(one, other)
        losses.append(psnr(changed[0], portrait))
    assert np.all(np.diff(losses) < 0), losses
    assert 8 < losses[-1] < losses[0] < 45
    for frame, kept in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame, kept)


def test_the_generator_decides_noise_and_blocks(portrait):
    for name in ("noise", "block"):
        one, other = (PERTURBATIONS[name].apply([portrait], 1, np.random.default_rng(seed))[0] for seed in (0, 1))
        assert (one != other).any()
        twice = PERTURBATIONS[name].apply([portrait, portrait], 1, np.random.default_rng(0))
        assert (twice[0] != twice[1]).any()  # each frame has its own


def test_crop_changes_leave_the_frames_alone(portrait):
    for name in ("crop_tight", "crop_wide"):
        kind = PERTURBATIONS[name]
        np.testing.assert_array_equal(kind.apply([portrait], 5, np.random.default_rng(0))[0], portrait)
        factors = [abs(np.log(kind.margin_factor(level))) for level in range(1, LEVELS + 1)]
        assert factors == sorted(factors)
        assert factors[0] > 0
    assert PERTURBATIONS["jpeg"].margin_factor(3) == 1.0


def test_table():
    assert set(PARAMETERS) == set(PERTURBATIONS)
    assert list(perturbations([])) == list(PERTURBATIONS)
    # the published levels of DeeperForensics-1.0
    np.testing.assert_allclose(np.square(np.array(PARAMETERS["noise"]) / 255), [0.001, 0.002, 0.005, 0.01, 0.05], 1e-3)
    np.testing.assert_allclose(np.array(PARAMETERS["blur"]) * 6, [7, 9, 13, 17, 21])
    assert PERTURBATIONS["h264"].level_words(5) == "coded as H.264 at CRF 40"


def test_jpeg_is_that_of_pillow(portrait):
    for level, quality in enumerate(PARAMETERS["jpeg"], start=1):
        data = io.BytesIO()
        Image.fromarray(portrait).save(data, "JPEG", quality=int(quality))
        ours = PERTURBATIONS["jpeg"].apply([portrait], level, np.random.default_rng(0))[0]
        theirs = np.asarray(Image.open(data)).astype(int)
        assert np.abs(ours - theirs).mean() < 0.1


def test_blur_is_that_of_scipy(portrait):
    # scipy's "mirror" does not repeat the edge, as OpenCV's default border
    expected = gaussian_filter(portrait.astype(float), (2.0, 2.0, 0), mode="mirror")
    assert np.abs(gaussian_blur(portrait, 2.0) - expected).max() < 2


def test_saturation_is_that_of_pillow(portrait):
    expected = np.asarray(ImageEnhance.Color(Image.fromarray(portrait)).enhance(0.3)).astype(int)
    assert np.abs(saturation(portrait, 0.3) - expected).max() <= 1
    assert np.ptp(saturation(portrait, 0.0), axis=2).max() == 0


def test_contrast_keeps_the_mean(portrait):
    changed = contrast(portrait, 0.5)
    assert changed.mean() == pytest.approx(portrait.mean(), abs=0.5)
    assert changed.std() == pytest.approx(portrait.std() / 2, rel=0.01)
    np.testing.assert_array_equal(contrast(portrait, 1.0), portrait)


def test_noise_has_its_sigma():
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = gaussian_noise(grey, 10.0, np.random.default_rng(0)).astype(float) - 128
    assert noise.std() == pytest.approx(10, rel=0.02)
    assert abs(noise.mean()) < 0.1
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_blocks_are_counted_by_the_shorter_side():
    white = np.full((512, 4000, 3), 255, np.uint8)
    changed = block_distortion(white, 16, np.random.default_rng(0))
    assert set(np.unique(changed)) == {128, 255}
    assert (changed[..., 0] == 128).sum() == pytest.approx(2 * 16 * 64, rel=0.05)  # they may overlap
    assert block_distortion(white[:5, :5], 16, np.random.default_rng(0)).shape == (5, 5, 3)


def test_pixels_are_the_means_of_their_cells(portrait):
    even = portrait[:300, :336]
    cells = even.reshape(75, 4, 84, 4, 3).mean(axis=(1, 3))
    changed = pixelate(even, 4)
    assert np.abs(changed[::4, ::4] - cells).max() <= 1
    np.testing.assert_array_equal(changed, np.kron(changed[::4, ::4], np.ones((4, 4, 1), np.uint8)))


def test_resize_keeps_what_is_flat():
    flat = np.full((31, 17, 3), (10, 200, 90), np.uint8)
    np.testing.assert_array_equal(resize_again(flat, 0.15), flat)
    assert resize_again(flat[:1, :1], 0.1).shape == (1, 1, 3)


def test_a_video_is_coded_as_one(portrait):
    """Predicted frames of a still video keep more of it than ten frames coded one by one at the same strength."""
    still = [portrait] * 10
    coded = h264_again(still, crf=40)
    np.testing.assert_array_equal(coded[0], h264_compress(portrait, crf=40))
    assert psnr(coded[-1], portrait) > psnr(coded[0], portrait)
    mixed = h264_again([portrait, portrait[:100, :90], portrait], crf=40)
    assert [f.shape for f in mixed] == [(301, 337, 3), (100, 90, 3), (301, 337, 3)]
    assert h264_again([], crf=40) == []


def test_bad_input_is_named(portrait):
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="must be 1 to 5, got 6"):
        PERTURBATIONS["jpeg"].apply([portrait], 6, rng)
    with pytest.raises(ConfigError, match="float32"):
        PERTURBATIONS["blur"].apply([portrait.astype(np.float32)], 1, rng)
    with pytest.raises(UnknownNameError, match="Known: jpeg"):
        perturbations(["jpg"])
