"""Export to ONNX, the detector that runs it, and the verb that writes it."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facewitness.detectors import calibration_words
from facewitness.detectors.laa_net.config import LaaNetConfig
from facewitness.detectors.laa_net.detector import cache_folder, create
from facewitness.errors import CheckpointError, ConfigError, FacewitnessError, MissingExtraError, WeightsError
from facewitness.score_maps import Calibration
from facewitness.weights import WeightsRecord

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facewitness.cli.export import export
from facewitness.detectors.laa_net import packing
from facewitness.detectors.laa_net.export import export_deviation, export_onnx
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.weights import save_model

SMALL = LaaNetConfig(
    width=0.25, depth=0.3, nominal_size=None, consistency_channels=8, head_width=16, image_size=64, mode="corrected"
)


def made(config=SMALL, seed=0):
    torch.manual_seed(seed)
    model = LaaNet(config)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_model(made(), path)
    return path


@pytest.fixture(scope="module")
def exported(checkpoint):
    path = checkpoint.with_suffix(".onnx")
    packing.export_checkpoint(checkpoint, path)
    return path


def crops(count, side=128):
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        LaaNetConfig(width=0.25, depth=0.3, decoder="tfpn", use_c2=True, with_channel_gates=True, image_size=64),
        LaaNetConfig(backbone="resnet", resnet_layers=(1, 1, 1, 1), image_size=64),
    ],
    ids=["e_fpn", "tfpn", "resnet"],
)
def test_export_says_what_the_network_says(tmp_path, config):
    model = made(config).train()
    path = export_onnx(model, tmp_path / "net.onnx")
    assert model.training
    assert list(tmp_path.iterdir()) == [path]
    deviations = export_deviation(model, path, batch=3)
    assert set(deviations) == {"heatmap_logit", "logit"}
    assert max(deviations.values()) < 1e-4


def test_a_calibration_in_the_record_is_applied(exported, tmp_path):
    plain = create(weights=exported, device="CPU", precision="f32", threads=1)
    record = WeightsRecord.read(exported.with_suffix(".json"))
    copy = tmp_path / exported.name
    copy.write_bytes(exported.read_bytes())
    made = Calibration("platt", "made-up faces", scale=0.5, bias=-1.0)
    dataclasses.replace(record, calibration={"score": made.to_dict()}).write(copy.with_suffix(".json"))
    calibrated = create(weights=copy, device="CPU", precision="f32", threads=1)
    before, after = plain.score(crops(3)), calibrated.score(crops(3))
    expected = made.apply([one.score for one in before])
    np.testing.assert_allclose([one.score for one in after], expected, atol=1e-6)
    assert [one.calibrated for one in (before[0], after[0])] == [False, True]
    assert calibration_words(plain) == ""
    assert calibration_words(calibrated) == "Platt scaling 0.5 * log-odds -1, fitted on made-up faces"


def test_other_runtime_agrees(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model = made()
    path = export_onnx(model, tmp_path / "net.onnx", 96, ("logit", "consistency"))
    image = np.random.default_rng(1).standard_normal((2, 3, 96, 96)).astype(np.float32)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    logit, consistency = session.run(None, {"image": image})
    with torch.no_grad():
        expected = model(torch.from_numpy(image))
    np.testing.assert_allclose(logit, expected.logit.numpy(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(consistency, expected.consistency.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_b4_export_says_what_the_network_says(tmp_path):
    model = made(LaaNetConfig())
    path = export_onnx(model, tmp_path / "b4.onnx")
    assert max(export_deviation(model, path, batch=1).values()) < 1e-4


@pytest.mark.parametrize("outputs", [(), ("logit", "depth"), ("offset",)])
def test_unknown_outputs_are_refused(tmp_path, outputs):
    with pytest.raises(ConfigError, match="outputs"):
        export_onnx(made(), tmp_path / "net.onnx", outputs=outputs)
    assert list(tmp_path.iterdir()) == []


def test_record_beside_the_file(exported, checkpoint):
    record = WeightsRecord.read(exported.with_suffix(".json"))
    assert record.verify(exported.parent) == exported
    assert record.detector == "laa_net"
    assert checkpoint.name in record.recipe
    assert record.processor["image_size"] == 64
    assert record.processor["mode"] == "corrected"


def test_detector_scores_in_order_and_in_any_batch(exported):
    detector = create(weights=exported, device="CPU", precision="f32", threads=1)
    assert (detector.name, detector.mode, detector.precision, detector.device) == ("laa_net", "corrected", "f32", "CPU")
    assert detector.crop.margin_ratio == 1.5
    pictures = crops(10)
    scores = detector.score(pictures)
    assert len(scores) == 10
    for score, picture in zip(scores, pictures, strict=True):
        alone = detector.score([picture])[0]
        assert 0 <= score.score <= 1
        assert not score.calibrated
        assert score.score == pytest.approx(alone.score, abs=1e-5)
        assert score.heatmap.shape == (16, 16)
        assert score.heatmap.dtype == np.float32
        assert 0 <= score.heatmap.min() <= score.heatmap.max() <= 1
    assert detector.score([]) == []


def test_detector_says_what_torch_says(exported):
    detector = create(weights=exported, device="CPU", precision="f32")
    picture = crops(1)[0]
    with torch.no_grad():
        output = made()(torch.from_numpy(detector.processor([picture])))
    expected = torch.sigmoid(output.logit).item()
    assert detector.score([picture])[0].score == pytest.approx(expected, abs=1e-5)


def test_checkpoint_is_exported_once(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEWITNESS_CACHE", str(tmp_path))
    first = create(weights=checkpoint, device="CPU", precision="f32")
    kept = sorted(p.name for p in (tmp_path / "laa_net").iterdir())
    assert [name.rpartition(".")[2] for name in kept] == ["json", "onnx"]

    def never(*_args, **_kwargs):
        pytest.fail("exported twice")

    monkeypatch.setattr(packing, "export_checkpoint", never)
    second = create(weights=checkpoint, device="CPU", precision="f32")
    picture = crops(1)
    assert first.score(picture)[0].score == second.score(picture)[0].score
    assert second.weights_name == checkpoint.name


def test_cache_that_cannot_be_made_is_replaced(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setenv("FACEWITNESS_CACHE", str(blocker))
    assert cache_folder().is_dir()
    assert not cache_folder().is_relative_to(blocker)
    code = "from facewitness.detectors.laa_net.detector import cache_folder; print(cache_folder(), cache_folder())"
    once, again = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert once == again
    assert not Path(once).exists()  # gone with its process


def test_without_weights_it_says_where_they_are():
    with pytest.raises(WeightsError, match="Dropbox"):
        create()


def test_without_torch_a_checkpoint_says_what_to_install(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEWITNESS_CACHE", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "facewitness.detectors.laa_net.packing", None)
    with pytest.raises(MissingExtraError, match=r"facewitness\[torch\]"):
        create(weights=checkpoint)


@pytest.mark.parametrize(("name", "content"), [("gone.onnx", None), ("net.bin", b"x"), ("net.onnx", b"junk")])
def test_bad_weights_are_named(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        create(weights=path, device="CPU", precision="f32")


def test_network_with_other_outputs_is_refused(tmp_path):
    path = export_onnx(made(), tmp_path / "net.onnx", outputs=("consistency",))
    with pytest.raises(WeightsError, match="heatmap_logit"):
        create(weights=path, device="CPU", precision="f32")


def test_record_of_another_detector_or_hash_is_refused(exported, tmp_path):
    for change, message in (({"detector": "laa_net_lite"}, "laa_net_lite"), ({"sha256": "0" * 64}, "sha256")):
        folder = tmp_path / message
        folder.mkdir()
        copy = folder / exported.name
        copy.write_bytes(exported.read_bytes())
        values = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
        copy.with_suffix(".json").write_text(json.dumps({**values, **change}), encoding="utf-8")
        with pytest.raises(WeightsError, match=message):
            create(weights=copy, device="CPU", precision="f32")


def test_export_that_deviates_is_not_kept(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "export_deviation", lambda *_a, **_k: {"logit": 0.5})
    with pytest.raises(CheckpointError, match="differs"):
        packing.export_checkpoint(checkpoint, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_verb_writes_file_and_record(checkpoint, tmp_path, capsys):
    target = tmp_path / "out.onnx"
    export("laa_net", checkpoint, target)
    assert target.is_file()
    assert target.with_suffix(".json").is_file()
    assert "sha256" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("detector", "name", "protocol"),
    [("laa_net_lite", "a.onnx", "sbi"), ("laa_net", "a.pt", "sbi"), ("laa_net", "a.onnx", "ffhq")],
)
def test_verb_refuses_wrong_use(checkpoint, tmp_path, detector, name, protocol):
    with pytest.raises(FacewitnessError):
        export(detector, checkpoint, tmp_path / name, protocol=protocol)
