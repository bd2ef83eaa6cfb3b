"""Controls: what each sees, that they find the shortcut that is there and none where there is none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facewitness.datasets.records import Record
from facewitness.evaluation.control_features import (
    CONTROLS,
    ControlFeatures,
    control_features,
    control_matrix,
    measure_controls,
    share_without_forensics,
    share_words,
)
from facewitness.evaluation.record_frames import ReadFrame, read_frames
from facewitness.evaluation.scoring import Evidence
from facewitness.media.jpeg_tables import jpeg_quality
from facewitness.records import Label
from unit.pipeline.pipeline_fakes import save_clip, scene


def features_of(path, crop_px=32):
    record = Record(path.name, path.name, Label.REAL, "x", "image")
    frame = next(iter(read_frames(path.parent, record, frames=4)))
    return control_features(Evidence(np.ascontiguousarray(frame.pixels[:crop_px, :crop_px]), frame))


def test_what_a_picture_gives(tmp_path):
    Image.fromarray(scene((0, 0, 160, 255))).save(tmp_path / "a.jpg", quality=70)
    found = features_of(tmp_path / "a.jpg")
    assert (found.file.format, found.file.width, found.file.height) == ("JPEG", 320, 240)
    assert found.file.jpeg_quality == 70 == jpeg_quality(tmp_path / "a.jpg")
    assert found.file.bytes_per_pixel == pytest.approx((tmp_path / "a.jpg").stat().st_size / (320 * 240), abs=1e-6)
    assert len(found.spectrum) == 16
    thumbnail = np.array(found.thumbnail).reshape(8, 8, 3)
    assert thumbnail[0, 0].tolist() == [255] * 3
    assert thumbnail[7, 7].tolist() == [128] * 3
    assert ControlFeatures.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_bytes_of_a_video_are_per_frame(tmp_path):
    save_clip(tmp_path / "a.mp4", [scene()] * 20)
    found = features_of(tmp_path / "a.mp4")
    size = (tmp_path / "a.mp4").stat().st_size
    assert found.file.bytes_per_pixel == pytest.approx(size / (320 * 240 * 20), abs=1e-6)
    assert found.file.jpeg_quality is None


def test_no_file_no_traits():
    pixels = scene()
    found = control_features(Evidence(pixels[:32, :32], ReadFrame(0, 0.0, pixels)))
    assert found.file is None
    assert control_matrix("file", [found]) is None
    assert control_matrix("thumbnail", [found]).shape == (1, 192)


@pytest.fixture(scope="module")
def jpeg_set(tmp_path_factory):
    """Noise of one kind for both labels; reals saved at 90, fakes at 60."""
    folder, rng = tmp_path_factory.mktemp("set"), np.random.default_rng(3)
    features, labels = [], []
    for i in range(60):
        label = i % 2
        pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        path = folder / f"{i}.jpg"
        Image.fromarray(pixels).save(path, quality=60 if label else 90)
        made = features_of(path)
        features.append(replace(made, spectrum=tuple(rng.normal(size=16)), thumbnail=tuple(rng.integers(0, 256, 192))))
        labels.append(label)
    return features, np.array(labels), [str(i) for i in range(60)]


def test_the_shortcut_is_found_and_said(jpeg_set):
    features, labels, ids = jpeg_set
    found = measure_controls(features, labels, ids, detector_auc=0.9, rng=np.random.default_rng(0), resamples=50)
    by_name = {one.name: one for one in found}
    assert tuple(by_name) == CONTROLS
    assert by_name["file"].auc.value == 1.0
    assert by_name["file"].share == 1.0
    assert "does not show that the detector can do more" in by_name["file"].words
    for name in ("spectrum", "thumbnail"):
        assert by_name[name].auc.low < 0.6


def test_labels_at_random_give_no_lead(jpeg_set):
    features, labels, ids = jpeg_set
    shuffled = np.random.default_rng(1).permutation(labels)
    found = measure_controls(features, shuffled, ids, detector_auc=0.9, rng=np.random.default_rng(0), resamples=50)
    assert all(one.auc.low < 0.6 and one.auc.value < 0.75 for one in found)


def test_an_identity_is_never_in_two_folds(jpeg_set):
    """Thumbnails that name the person, labels that go by person: only leaking folds could tell them."""
    features, _, _ = jpeg_set
    rng = np.random.default_rng(5)
    people = np.arange(60) // 6
    looks = rng.integers(0, 256, (10, 192))
    by_person = rng.permutation([0, 1] * 5)[people]
    looked = [replace(f, thumbnail=tuple(looks[p])) for f, p in zip(features, people, strict=True)]
    found = {
        kind: measure_controls(looked, by_person, ids, detector_auc=0.9, rng=np.random.default_rng(0), resamples=20)
        for kind, ids in (("people", [f"p{p}" for p in people]), ("videos", [str(i) for i in range(60)]))
    }
    assert found["videos"][2].auc.value > 0.95
    assert found["people"][2].auc.value < 0.8


def test_what_cannot_be_measured_says_so(jpeg_set):
    features, labels, ids = jpeg_set
    rng = np.random.default_rng(0)
    one_class = measure_controls(features, np.zeros(60, int), ids, detector_auc=None, rng=rng, resamples=5)
    assert all(one.auc is None and one.words.startswith("not measured") for one in one_class)
    few = measure_controls(features[:2], labels[:2], ids[:2], detector_auc=0.9, rng=rng, resamples=5)
    assert all(one.auc is None and "too few" in one.words for one in few)
    none = measure_controls([None] * 4, labels[:4], ids[:4], detector_auc=0.9, rng=rng, resamples=5)
    assert all(one.auc is None for one in none)
    bare = [replace(f, file=None) if i == 3 else f for i, f in enumerate(features)]
    partly = measure_controls(bare, labels, ids, detector_auc=0.9, rng=rng, resamples=5)
    assert [one.auc is None for one in partly] == [False, True, False]


@pytest.mark.parametrize(
    ("control", "detector", "share"), [(0.5, 0.9, 0.0), (0.9, 0.9, 1.0), (1.0, 0.9, 1.0), (0.6, 0.5, None)]
)
def test_share(control, detector, share):
    assert share_without_forensics(control, detector) == share
    assert share_words(share, detector)


def test_words_grow_with_the_share():
    assert len({share_words(share, 0.9).split(": ")[1] for share in (0.05, 0.3, 0.6, 0.95)}) == 4
    assert "no AUC" in share_words(None, None)
