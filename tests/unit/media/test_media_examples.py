"""The sample media are what their README says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facewitness.media.audio import read_audio
from facewitness.media.images import read_image
from facewitness.media.video import probe_video, sample_frames

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def make_examples():
    pytest.importorskip("skimage", reason="scikit-image holds the portrait")
    spec = importlib.util.spec_from_file_location("make_examples", ROOT / "tools" / "make_examples.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_small_and_all_described():
    files = [path for path in EXAMPLES.iterdir() if path.name != "README.md"]
    assert sum(path.stat().st_size for path in files) < 1.5e6
    text = (EXAMPLES / "README.md").read_text()
    assert all(f"`{path.name}`" in text for path in files)


def test_forgery_is_where_its_mask_says():
    real, forged = (read_image(EXAMPLES / name) for name in ("astronaut.jpg", "self_blended.jpg"))
    assert real.warnings == forged.warnings == ()
    mask = np.array(Image.open(EXAMPLES / "self_blended_mask.png"))
    assert mask.shape == real.pixels.shape[:2] == forged.pixels.shape[:2]
    change = np.abs(real.pixels.astype(int) - forged.pixels).mean(axis=2)
    assert change[mask > 250].mean() > 5
    near = np.array(Image.fromarray(mask).resize((64, 64)).resize((512, 512), Image.Resampling.BICUBIC)) > 0
    assert change[~near].mean() < 0.2
    assert 0.01 < (mask > 127).mean() < 0.2


def test_clips():
    for name in ("clip_real.mp4", "clip_forged.mp4"):
        info = probe_video(EXAMPLES / name)
        assert (info.width, info.height, info.frames, info.fps, info.codec) == (640, 480, 100, 25.0, "h264")
        assert info.warnings == ()
        assert read_audio(EXAMPLES / name).duration_s == pytest.approx(4.0, abs=0.05)
    real, forged = (sample_frames(EXAMPLES / name, n=16).frames for name in ("clip_real.mp4", "clip_forged.mp4"))
    face = (slice(60, 260), slice(200, 380))
    apart = [np.abs(a.pixels[face].astype(int) - b.pixels[face]).mean() for a, b in zip(real, forged, strict=True)]
    before = sum(frame.time_s < 2 for frame in real)
    assert before == 8
    assert max(apart[:before]) < 0.5 * min(apart[before:])


def test_pictures_can_be_rebuilt(tmp_path):
    module = make_examples()
    portrait = module.load_portrait()
    module.write_picture(tmp_path / "self_blended.jpg", portrait.forged)
    module.write_picture(tmp_path / "astronaut.jpg", portrait.real)
    for name in ("astronaut.jpg", "self_blended.jpg"):
        assert module.difference(tmp_path / name, EXAMPLES / name) == ""


def test_check_can_fail(tmp_path):
    module = make_examples()
    picture = Image.open(EXAMPLES / "astronaut.jpg")
    Image.eval(picture, lambda level: min(level + 6, 255)).save(tmp_path / "astronaut.jpg")
    assert "differ" in module.difference(tmp_path / "astronaut.jpg", EXAMPLES / "astronaut.jpg")
    assert module.difference(EXAMPLES / "astronaut.jpg", tmp_path / "none.jpg") == "missing"
    assert "frame" in module.difference(EXAMPLES / "clip_real.mp4", EXAMPLES / "clip_forged.mp4")
