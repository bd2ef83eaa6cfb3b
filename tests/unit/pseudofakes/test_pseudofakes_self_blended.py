"""Self-blends: what they promise of each pair, what they draw, what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.errors import ConfigError, FaceError
from facewitness.pseudofakes.masks import HULL_KINDS
from facewitness.pseudofakes.self_blended import (
    SelfBlendConfig,
    apply_self_blend,
    draw_self_blend,
    self_blend,
)

MODES = ("corrected", "official")


def blends(face, mode, count=12, **changes):
    rng = np.random.default_rng(5)
    return [self_blend(face.image, face.landmarks, rng, SelfBlendConfig(mode=mode, **changes)) for _ in range(count)]


@pytest.mark.parametrize("mode", MODES)
def test_pair_agrees_outside_the_mask(face, mode):
    for pair in blends(face, mode):
        assert pair.real.dtype == pair.fake.dtype == np.uint8
        assert pair.real.shape == pair.fake.shape == (*pair.mask.shape, 3)
        np.testing.assert_array_equal(pair.fake[pair.mask == 0], pair.real[pair.mask == 0])
        assert (pair.fake[pair.mask > 0.5] != pair.real[pair.mask > 0.5]).any()


@pytest.mark.parametrize("mode", MODES)
def test_mask_and_boundary(face, mode):
    for pair in blends(face, mode):
        assert np.isfinite(pair.mask).all()
        assert pair.mask.dtype == pair.boundary.dtype == np.float32
        assert pair.mask.min() == 0
        assert 0.9 < pair.mask.max() <= 1
        assert 0.03 < pair.mask.mean() < 0.6
        np.testing.assert_allclose(pair.boundary, 4 * pair.mask * (1 - pair.mask), atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_same_seed_same_pair_other_seed_other_pair(face, mode):
    config = SelfBlendConfig(mode=mode)
    one, same, other = (
        self_blend(face.image, face.landmarks, np.random.default_rng(seed), config) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one.fake, same.fake)
    np.testing.assert_array_equal(one.mask, same.mask)
    assert one.draw == same.draw
    assert one.draw != other.draw
    again = apply_self_blend(face.image, face.landmarks, one.draw, config)
    np.testing.assert_array_equal(again.fake, one.fake)


def test_input_is_left_alone(face):
    image, points = face.image.copy(), face.landmarks.copy()
    for pair in blends(face, "corrected", margin=(0, 0), flip_probability=0.0):
        assert not np.shares_memory(pair.real, face.image)
    np.testing.assert_array_equal(face.image, image)
    np.testing.assert_array_equal(face.landmarks, points)


def test_real_is_the_picture_unless_the_target_is_changed(face):
    plain = {"margin": (0, 0), "flip_probability": 0.0}
    for pair in blends(face, "corrected", source_probability=1.0, **plain):
        np.testing.assert_array_equal(pair.real, face.image)
    assert any((p.real != face.image).any() for p in blends(face, "corrected", source_probability=0.0, **plain))


def test_flip_and_margin(face):
    (pair,) = blends(face, "corrected", 1, flip_probability=1.0, margin=(20, 20), source_probability=1.0)
    margin = pair.draw.margin
    assert margin == round(20 * 200 / 317)
    mirrored = face.image[:, ::-1]
    np.testing.assert_array_equal(pair.real, mirrored[margin:-margin, margin:-margin])
    # The landmarks moved along: the right eye (36..41) is still left of the left one (42..47).
    assert pair.landmarks[36:42, 0].max() < pair.landmarks[42:48, 0].min()
    x, y = pair.landmarks[30]
    assert x == pytest.approx(199 - face.landmarks[30, 0] - margin, abs=1e-3)
    assert y == pytest.approx(face.landmarks[30, 1] - margin, abs=1e-3)


def test_official_margin_is_in_pixels(face):
    (pair,) = blends(face, "official", 1, margin=(24, 24))
    assert pair.real.shape == (152, 152, 3)


def test_shifted_source_leaves_no_black_border(face):
    """The official code moves black borders in; a face that fills the picture shows them."""
    close = (face.landmarks - 100) * 1.6 + 100
    bright = np.full_like(face.image, 200)
    changes = {"margin": (0, 0), "ratios": (1.0,), "face68_probability": 0.0, "hull_kinds": ("facehull",)}
    rng = np.random.default_rng(0)
    lowest = {
        mode: min(
            int(self_blend(bright, close, rng, SelfBlendConfig(mode=mode, **changes)).fake.min()) for _ in range(25)
        )
        for mode in MODES
    }
    assert lowest["corrected"] > 120
    assert lowest["official"] < 60


def test_draws_follow_the_paper():
    rng = np.random.default_rng(0)
    draws = [draw_self_blend(rng, (317, 317, 3), SelfBlendConfig(mode="official")) for _ in range(4000)]

    def share(values):
        return float(np.mean(list(values)))

    assert share(d.flip for d in draws) == pytest.approx(0.5, abs=0.035)
    assert share(d.use68 for d in draws) == pytest.approx(0.25, abs=0.03)
    assert share(d.colour_on_source for d in draws) == pytest.approx(0.5, abs=0.035)
    for kind in HULL_KINDS:
        assert share(d.kind == kind for d in draws) == pytest.approx(0.25, abs=0.03)
    for ratio, p in ((0.25, 1 / 6), (0.5, 1 / 6), (0.75, 1 / 6), (1.0, 1 / 2)):
        assert share(d.ratio == ratio for d in draws) == pytest.approx(p, abs=0.035)
    margins = [d.margin for d in draws]
    assert (min(margins), max(margins)) == (5, 24)
    scales = np.array([d.scale for d in draws])
    assert scales.min() == pytest.approx(0.95, abs=1e-3)
    assert scales.max() == pytest.approx(1 / 0.95, abs=1e-3)
    assert abs(np.corrcoef(scales.T)[0, 1]) < 0.06
    shifts = np.abs(np.array([d.shift for d in draws])).max(axis=0)
    np.testing.assert_allclose(shifts, [0.03, 0.015], rtol=0.01)
    assert len({d.elastic_seed for d in draws}) == len(draws)


def test_wrong_inputs_are_refused(face):
    rng = np.random.default_rng(0)
    with pytest.raises(TypeError, match="uint8"):
        self_blend(face.image.astype(np.float32), face.landmarks, rng)
    with pytest.raises(FaceError, match="at least 64"):
        self_blend(face.image[:40, :40], face.landmarks, rng)
    with pytest.raises(FaceError, match="landmarks"):
        self_blend(face.image, face.landmarks[:5], rng, SelfBlendConfig(flip_probability=0.0))
    with pytest.raises(FaceError, match="empty"):
        self_blend(face.image, face.landmarks + 3000, rng)


@pytest.mark.parametrize(
    "changes", [{"mode": "new"}, {"margin": (9, 3)}, {"hull_kinds": ("oval",)}, {"ratios": (0.0,)}, {"scale": 0.5}]
)
def test_settings_that_no_draw_could_satisfy(changes):
    with pytest.raises(ConfigError):
        SelfBlendConfig(**changes)
