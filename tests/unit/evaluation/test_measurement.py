"""A row of the results: against hand counts, SciPy, and a detector whose scores are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from facewitness.errors import FacewitnessError
from facewitness.evaluation import measurement
from facewitness.evaluation.face_sets import load_face_set
from facewitness.evaluation.measurement import cut_crops, measure, point_rates, untrained_control
from facewitness.evaluation.metrics import wilson_interval
from facewitness.evaluation.reencoding import CODINGS
from facewitness.records import OperatingPoint
from facewitness.training.face_cache import read_manifest
from unit.evaluation.face_set_fakes import SQUARES, squares_root
from unit.pipeline.pipeline_fakes import BrightnessDetector, SquareFinder


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    root = squares_root(folder / "data")
    return load_face_set(SQUARES, root, read_manifest(root), work=folder / "work", face_finder=SquareFinder())


def row(squares, detector=None, coding="jpeg-q60", **settings):
    settings = {"resamples": 40, **settings}
    return measure(detector or BrightnessDetector(), squares, coding, CODINGS[coding], **settings)


def test_a_known_detector(squares):
    found = row(squares)
    assert (found.reals, found.fakes) == (8, 8)
    assert found.auc.value == found.expert_aucs["blended"] == 1.0
    assert found.expert_aucs["synthetic"] == 0.5
    assert list(found.points) == ["fpr=0.01", "fpr=0.05"]
    assert found.points["fpr=0.05"].false_positive_rate == 0
    assert found.points["fpr=0.05"].true_positive_rate == 1
    assert found.points["fpr=0.05"].reals_called_real == 1
    assert found.points["fpr=0.01"].true_positive_rate == 0  # 235 / 255 is below 0.95
    scores = np.array(found.scores)
    assert scores[squares.labels == 0].max() < 0.2
    assert scores[squares.labels == 1].min() > 0.85
    assert found.calibration_error == pytest.approx(np.abs(scores - squares.labels).mean(), abs=1e-3)
    assert set(found.controls) == {"spectrum"}
    assert len(found.experts["synthetic"]) == 16


def test_every_picture_is_coded(squares):
    coded = []

    def note(scene):
        coded.append(scene)
        return np.full_like(scene, 255 - int(scene.mean()))

    found = measure(BrightnessDetector(), squares, "turned", note, resamples=5, with_controls=False)
    assert len(coded) == 16
    assert found.auc.value == 0.0
    assert found.controls == {}


def test_a_row_depends_on_seed_and_names_alone(squares):
    scenes = np.random.default_rng(0).integers(0, 256, squares.scenes.shape, dtype=np.uint8)
    noisy = replace(squares, scenes=scenes, labels=np.tile([0, 1], 8))
    first, again, other = row(noisy), row(noisy), row(noisy, seed=1)
    assert first == again
    assert (first.auc.low, first.auc.high) != (other.auc.low, other.auc.high)
    assert first.controls["spectrum"] != other.controls["spectrum"]


def test_untrained_control_uses_its_own_crop(squares):
    class Inverse(BrightnessDetector):
        crop = replace(BrightnessDetector.crop, size=40)

        def score(self, crops):
            assert all(c.shape == (40, 40, 3) for c in crops)
            return [replace(s, score=1 - s.score) for s in super().score(crops)]

    found = row(squares, with_controls=False, untrained=Inverse())
    assert found.controls["untrained"].value == 0.0


def test_lost_scores_are_noticed(squares):
    class Short(BrightnessDetector):
        def score(self, crops):
            return super().score(crops)[1:]

    with pytest.raises(FacewitnessError, match="15 scores for 16"):
        row(squares, Short())


def test_a_crop_wider_than_the_scene_shrinks_to_it(squares):
    wide = replace(BrightnessDetector.crop, margin_ratio=4.0, size=squares.scenes.shape[1])
    crops = cut_crops(list(squares.scenes[:2]), squares.boxes[:2], wide)
    np.testing.assert_array_equal(np.stack(crops), squares.scenes[:2])


def test_rates_by_hand():
    scores, labels = np.array([0.1, 0.5, 0.9, 0.2, 0.6, 0.8, 0.95]), np.array([0, 0, 0, 1, 1, 1, 1])
    found = point_rates(scores, labels, OperatingPoint(0.8, 0.05, "x", 0.3))
    assert found.false_positive_rate == pytest.approx(1 / 3)
    assert found.true_positive_rate == 0.5
    assert found.reals_called_real == pytest.approx(1 / 3)
    assert found.fakes_called_real == 0.25
    assert found.false_positive_interval == wilson_interval(1 / 3, 3)


@pytest.mark.parametrize(("hits", "count"), [(0, 30), (1, 30), (17, 500), (30, 30)])
def test_wilson_equals_scipy(hits, count):
    oracle = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits / count, count) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_missing_untrained_network_is_said(monkeypatch):
    assert untrained_control("brightness", 0)[1].endswith("offers no untrained network")
    monkeypatch.setitem(measurement._UNTRAINED, "brightness", "facewitness.no_such_module:thing")
    made, reason = untrained_control("brightness", 0)
    assert made is None
    assert "facewitness[torch]" in reason
    monkeypatch.setitem(measurement._UNTRAINED, "brightness", "unit.pipeline.pipeline_fakes:create")
    made, reason = untrained_control("brightness", 5)
    assert (made.settings, reason) == ({"seed": 5}, "")
