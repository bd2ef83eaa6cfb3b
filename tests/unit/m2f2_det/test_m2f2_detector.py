"""M2F2-Det behind the command line and as a detector of crops."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from facewitness import pipeline
from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.detectors.m2f2_det.detector import create
from facewitness.detectors.m2f2_det.export import export_checkpoint
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.weights import NAME, save_model
from facewitness.errors import ConfigError, WeightsError
from facewitness.weights import WeightsRecord, sha256_of
from unit.m2f2_det.m2f2_networks import SIDE, VARIANTS, tiny_config
from unit.pipeline.pipeline_fakes import FAKE_GREY, SquareFinder, save_picture


def saved(folder, key=("cosine", "official"), **changes):
    torch.manual_seed(0)
    model = M2F2Det(tiny_config(*key, **changes))
    torch.nn.init.normal_(model.head.weight)
    path = folder / "tiny.safetensors"
    save_model(model, path)
    return path


@pytest.fixture
def crops():
    return list(np.random.default_rng(0).integers(0, 256, (3, 60, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize("key", VARIANTS)
def test_scores_are_the_share_of_fake(tmp_path, crops, key):
    path = saved(tmp_path, key)
    detector = DETECTORS.load(NAME)(weights=path, device="cpu", precision="f32", threads=1)
    scores = detector.score(crops)
    with torch.no_grad():
        logits = detector._run.model(detector.processor(crops)).logits
    np.testing.assert_allclose([s.score for s in scores], logits.softmax(1)[:, 1], atol=1e-6)
    assert len({s.score for s in scores}) == 3
    assert (detector.name, detector.mode, detector.precision) == (NAME, key[1], "f32")
    assert detector.weights_sha256 == sha256_of(path)
    heat = scores[0].heatmap
    if key == ("bridge", "official"):
        assert heat is None
    else:
        assert heat.shape == (4, 4)
        assert heat.dtype == np.float32
        assert 0 <= heat.min() <= heat.max() <= 1


def test_exported_file_says_the_same(tmp_path, crops, capsys):
    path = saved(tmp_path, ("bridge", "corrected"))
    record = WeightsRecord("tiny.safetensors", sha256_of(path), NAME, "MIT", trained_on="nothing")
    record.write(path.with_suffix(".json"))
    assert main(["export", NAME, str(path), "-o", str(tmp_path / "out" / "tiny.onnx")]) in (0, None)
    assert "logits differ" in capsys.readouterr().out
    made = WeightsRecord.beside(tmp_path / "out" / "tiny.onnx", detector=NAME)
    assert made.trained_on == "nothing"
    assert made.metrics["export_deviation"] < 1e-4
    by_torch = create(weights=path, device="cpu", precision="f32", threads=1).score(crops)
    exported = create(weights=tmp_path / "out" / "tiny.onnx", device="cpu", precision="f32", threads=1)
    assert exported.processor.image_size == SIDE
    for one, other in zip(exported.score(crops), by_torch, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-4)


def test_bf16_is_near(tmp_path, crops):
    path = saved(tmp_path, ("bridge", "official"))
    exact, near = (create(weights=path, device="cpu", precision=p).score(crops) for p in ("f32", "bf16"))
    np.testing.assert_allclose([s.score for s in near], [s.score for s in exact], atol=0.05)


def test_refusals(tmp_path):
    with pytest.raises(WeightsError, match="needs weights, none are shipped"):
        create()
    with pytest.raises(WeightsError, match="no weights at"):
        create(weights=Path("nowhere.pth"))
    path = saved(tmp_path, ("bridge", "official"), with_vision=False)
    with pytest.raises(WeightsError, match="no CLIP tower"):
        create(weights=path)
    with pytest.raises(WeightsError, match="no CLIP tower"):
        export_checkpoint(path, tmp_path / "x.onnx")
    with pytest.raises(ConfigError, match="not available to torch"):
        create(weights=saved(tmp_path, ("bridge", "official")), device="elsewhere")
    with pytest.raises(ConfigError, match="precision"):
        create(weights=tmp_path / "tiny.safetensors", precision="int4")


def test_analyze_with_own_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)
    path = saved(tmp_path)
    save_picture(tmp_path / "face.png", (40, 50, 120, FAKE_GREY))
    code = main(["analyze", str(tmp_path / "face.png"), "--detector", NAME, "--weights", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code in (0, None)
    assert report["protocol"]["detector"] == NAME
    assert report["protocol"]["weights"] == "tiny.safetensors"
    assert report["faces"][0]["findings"][0]["heatmap"] is not None
