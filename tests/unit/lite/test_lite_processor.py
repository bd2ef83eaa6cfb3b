"""Configuration and the way from a crop to the network's input; no torch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from facewitness.detectors.laa_net.lite.config import LITE_RECIPES, LiteConfig, LiteData, LiteRecipe
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import ConfigError
from unit.lite.lite_networks import crops


def test_defaults_belong_together():
    recipe = LITE_RECIPES["lite"]
    assert recipe == LiteRecipe()
    assert LiteProcessor().image_size == recipe.network.image_size == LiteConfig().image_size
    assert LiteProcessor().margin_ratio == recipe.network.margin_ratio
    assert not any("test" in group for group in (*recipe.data.real, *recipe.data.fake))
    assert set(recipe.data.soft) <= set(recipe.data.real)


@pytest.mark.parametrize("values", [{"width": 4}, {"dropout": 1.0}, {"dropout": -0.1}, {"image_size": 16}])
def test_networks_out_of_range(values):
    with pytest.raises(ConfigError, match=str(next(iter(values.values())))):
        LiteConfig(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"real_shares": (1.0,)},
        {"real": (), "real_shares": ()},
        {"real": ("a",), "real_shares": (0.0,)},
        {"validation_share": 0.0},
        {"validation_share": 0.5},
    ],
)
def test_data_out_of_range(values):
    with pytest.raises(ConfigError):
        LiteData(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"pairs": 0},
        {"steps": 0},
        {"synthetic": -1},
        {"sizes": (0,)},
        {"margin_range": (1.2, 1.1)},
        {"margin_range": (1.2, 1.9)},
        {"validate_every": 0},
    ],
)
def test_recipes_out_of_range(values):
    with pytest.raises(ConfigError):
        LiteRecipe(**values)


def test_normalisation():
    picture = crops(1, 8)[0]
    batch = LiteProcessor()([picture, picture[::-1]])
    assert batch.shape == (2, 3, 8, 8)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    np.testing.assert_allclose(batch[0], ((picture / 255 - 0.498) / 0.502).transpose(2, 0, 1), atol=1e-6)
    np.testing.assert_array_equal(batch[1], batch[0][:, ::-1])


def test_crop_is_so_large_that_no_view_is_enlarged():
    processor = LiteProcessor(image_size=64, margin_ratio=1.1, views=(1.0, 0.7, 0.9))
    assert (processor.crop.size, processor.crop.margin_ratio, processor.crop.border) == (92, 1.1, "shift")
    assert LiteProcessor(image_size=64).crop.size == 64
    assert (processor.looks, dataclasses.replace(processor, mirror=True).looks) == (3, 6)


def test_views_are_central_parts_and_their_mirrors():
    processor = LiteProcessor(image_size=64, views=(1.0, 0.8), mirror=True)
    (crop,) = crops(1, processor.crop.size)
    before = crop.copy()
    seen = processor.prepare(crop)
    np.testing.assert_array_equal(crop, before)
    assert all(view.shape == (64, 64, 3) and view.dtype == np.uint8 for view in seen)
    np.testing.assert_array_equal(seen[1], crop[8:72, 8:72])
    np.testing.assert_array_equal(seen[2], seen[0][:, ::-1])
    np.testing.assert_array_equal(seen[3], seen[1][:, ::-1])
    whole = crop.reshape(16, 5, 16, 5, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(seen[0].reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)), whole, atol=1)


def test_a_crop_of_another_size_is_resized():
    assert LiteProcessor(image_size=64).prepare(crops(1, 48)[0])[0].shape == (64, 64, 3)


@pytest.mark.parametrize("views", [(), (0.9,), (1.0, 0.4), (1.0, 1.1)])
def test_views_out_of_range(views):
    with pytest.raises(ConfigError, match="views"):
        LiteProcessor(views=views)


def test_record_and_back():
    import json

    processor = LiteProcessor(image_size=160, views=(1.0, 0.85), mirror=True)
    assert LiteProcessor.from_record(json.loads(json.dumps(processor.to_record()))) == processor
    with pytest.raises(ConfigError, match="image_size"):
        LiteProcessor.from_record({"image_sise": 160})


def test_nothing_here_needs_torch():
    """What serves, and what the verbs import for their help, works where torch cannot be imported."""
    code = (
        "import sys; sys.modules['torch'] = None; "
        "import facewitness.detectors.laa_net.lite.detector, facewitness.detectors.laa_net.lite.config, "
        "facewitness.cli.train, facewitness.cli.export, facewitness.training.face_cache"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
