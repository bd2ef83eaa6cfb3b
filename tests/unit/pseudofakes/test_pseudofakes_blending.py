"""The alpha blend and the boundary map against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.pseudofakes.blending import alpha_blend, blending_boundary, boundary_to_uint8


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    mask = rng.random((30, 40), dtype=np.float32)
    mask[:10] = 0
    mask[20:] = 1
    return source, target, mask


@pytest.mark.parametrize("ratio", [0.25, 0.75, 1.0])
def test_blend_is_the_formula(parts, ratio):
    source, target, mask = parts
    weight = ratio * mask[..., None].astype(float)
    exact = weight * source + (1 - weight) * target
    np.testing.assert_allclose(alpha_blend(source, target, mask, ratio=ratio), exact, atol=0.501)
    cut = alpha_blend(source, target, mask, ratio=ratio, mode="official")
    assert (np.abs(cut - np.floor(exact + 1e-4)) > 0).mean() < 0.001


@pytest.mark.parametrize("mode", ["corrected", "official"])
def test_outside_the_mask_nothing_changes(parts, mode):
    source, target, mask = parts
    out = alpha_blend(source, target, mask, mode=mode)
    np.testing.assert_array_equal(out[mask == 0], target[mask == 0])
    np.testing.assert_array_equal(out[mask == 1], source[mask == 1])


def test_corrected_blend_does_not_darken(parts):
    """Truncation takes half a grey level off the blended part, which gives every fake away."""
    source, target, mask = parts
    soft = (mask > 0) & (mask < 1)
    weight = mask[..., None].astype(float)
    exact = (weight * source + (1 - weight) * target)[soft]
    assert abs((alpha_blend(source, target, mask)[soft] - exact).mean()) < 0.02
    assert (alpha_blend(source, target, mask, mode="official")[soft] - exact).mean() == pytest.approx(-0.5, abs=0.03)


def test_sizes_must_agree(parts):
    source, target, mask = parts
    with pytest.raises(ValueError, match="agree in size"):
        alpha_blend(source, target, mask[:5])


def test_boundary_peaks_at_one_half():
    mask = np.linspace(0, 1, 101, dtype=np.float32)[None]
    boundary = blending_boundary(mask)
    assert boundary.argmax() == 50
    assert boundary[0, 50] == pytest.approx(1)
    assert boundary[0, [0, 100]].tolist() == [0, 0]
    assert boundary_to_uint8(boundary)[0, [0, 25, 50]].tolist() == [0, 191, 255]
