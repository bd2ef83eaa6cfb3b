"""Heatmaps against masks in a run: the mask goes through the face's own crop; reals count their heat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facewitness.datasets.records import Record
from facewitness.evaluation.localising import mask_crop, over_records, with_masks
from facewitness.evaluation.record_frames import ReadFrame, read_frames
from facewitness.evaluation.scoring import FaceScorer
from facewitness.evaluation.scoring_run import score_sources
from facewitness.evaluation.sources import DataSource
from facewitness.faces.crops import CropSpec
from facewitness.records import Label
from unit.pipeline.pipeline_fakes import BrightnessDetector, SquareFinder, save_picture, scene

SQUARE = (60, 40, 80, 235)


def save_mask(path, x, y, side):
    mask = np.zeros((240, 320), np.uint8)
    mask[y : y + side, x : x + side] = 255
    Image.fromarray(mask).save(path)


@pytest.fixture
def source(tmp_path):
    """The stub's heat is in the crop's upper left quarter; the masks are there, in the lower right, nowhere, broken."""
    records = []
    for name, place in (("hit", (68, 48, 32)), ("miss", (100, 80, 32)), ("other", (250, 200, 20))):
        save_picture(tmp_path / f"{name}.png", SQUARE)
        save_mask(tmp_path / f"{name}_mask.png", *place)
        records.append(Record(f"{name}.png", name, Label.FAKE, "set", "image", mask_path=f"{name}_mask.png"))
    (tmp_path / "broken_mask.png").write_bytes(b"no mask")
    records.append(Record("hit.png", "broken", Label.FAKE, "set", "image", mask_path="broken_mask.png"))
    records.append(Record("hit.png", "unmasked", Label.FAKE, "set", "image"))
    records.append(Record("miss.png", "real", Label.REAL, "set", "image"))
    return DataSource("set", tmp_path, tuple(records))


def test_heat_in_the_mask_and_beside_it(source):
    scorer = FaceScorer(BrightnessDetector(), SquareFinder(), keep_evidence=True, localise=True)
    data = score_sources([source], scorer)
    heat = {video: values for (_, video), values in data.localisation.items()}
    assert set(heat) == {"hit", "miss", "real"}
    assert heat["hit"]["auc"] > 0.97
    assert heat["hit"]["iou"] > 0.85
    assert heat["hit"]["pointing"] == 1.0
    assert heat["miss"]["auc"] < 0.4
    assert heat["miss"]["iou"] < 0.05
    assert heat["real"]["false_activation"] == pytest.approx(0.25)
    assert heat["real"]["auc"] is None
    total = over_records(data.localisation.values())
    assert (total["fakes"], total["reals"]) == (2, 1)
    assert total["iou"] == pytest.approx((heat["hit"]["iou"] + heat["miss"]["iou"]) / 2)
    assert source.has_masks
    assert over_records([]) is None


def test_nobody_asked(source):
    data = score_sources([source], FaceScorer(BrightnessDetector(), SquareFinder()))
    assert data.localisation == {}


def test_detectors_without_heatmaps(source):
    class Blind(BrightnessDetector):
        def score(self, crops):
            return [replace(s, heatmap=None) for s in super().score(crops)]

    data = score_sources([source], FaceScorer(Blind(), SquareFinder(), localise=True))
    assert data.localisation == {}


def test_mask_of_another_size_is_stretched():
    mask = np.zeros((120, 160), np.uint8)
    mask[20:60, 30:70] = 7
    frame = ReadFrame(0, 0.0, scene(SQUARE), mask=mask)
    cut = mask_crop(frame, np.array([60, 40, 140, 120], np.float32), CropSpec(1.0, 40))
    assert cut.shape == (40, 40)
    assert cut.all()
    assert mask_crop(frame, np.array([200, 150, 260, 210], np.float32), CropSpec(1.0, 40)) is None
    assert mask_crop(replace(frame, mask=None), np.array([60, 40, 140, 120], np.float32), CropSpec()) is None


def test_masks_of_a_folder_of_frames_by_name(tmp_path):
    for folder in ("clip", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(4):
        save_picture(tmp_path / "clip" / f"{i:03}.png", SQUARE)
        save_mask(tmp_path / "masks" / f"{i:03}.png", 10 * i, 0, 10)
    record = Record("clip", "clip", Label.FAKE, "set", "frames", mask_path="masks")
    frames = list(with_masks(tmp_path, record, read_frames(tmp_path, record, frames=2)))
    assert [(f.index, int(np.argmax(f.mask[0]))) for f in frames] == [(1, 10), (3, 30)]
