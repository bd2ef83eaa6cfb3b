"""The detector: views, calibration, records; and the file that it runs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facewitness.detectors import DETECTORS
from facewitness.detectors.laa_net.lite import packing
from facewitness.detectors.laa_net.lite.config import EXPERTS, LiteConfig
from facewitness.detectors.laa_net.lite.detector import ExpertCalibration, LiteDetector, create
from facewitness.detectors.laa_net.lite.packing import export_lite, untrained_detector
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import CheckpointError, ConfigError, WeightsError
from facewitness.records import OperatingPoint
from facewitness.runtime import InferenceSession
from facewitness.weights import WeightsRecord, sha256_of
from unit.lite.lite_networks import crops, made

PROCESSOR = LiteProcessor(image_size=64)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def detector_of(network, processor=PROCESSOR, **named):
    return LiteDetector(network, processor=processor, weights_sha256="0" * 64, device="CPU", precision="f32", **named)


def record_of(network, **fields):
    values = {"file": network.name, "sha256": sha256_of(network), "detector": "laa_net_lite", "licence": "any"}
    return WeightsRecord(**{**values, "processor": PROCESSOR.to_record(), **fields})


@pytest.fixture
def packed(network, tmp_path):
    """A copy of the file with a record beside it, and how to change that."""
    copy = tmp_path / network.name
    copy.write_bytes(network.read_bytes())

    def write(**fields):
        record_of(copy, **fields).write(copy.with_suffix(".json"))
        return copy

    return write


def test_file_says_what_torch_says(network):
    image = np.random.default_rng(1).standard_normal((5, 3, 64, 64)).astype(np.float32)
    with torch.no_grad():
        expected = made()(torch.from_numpy(image))
    session = InferenceSession(network, device="CPU", precision="f32")
    assert set(session.output_names) == {"scores", "boundary"}
    found = session.run(image)
    np.testing.assert_allclose(found["scores"], expected.scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found["boundary"], expected.boundary, rtol=1e-3, atol=1e-2)


def test_other_runtime_agrees(network):
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(2).standard_normal((2, 3, 64, 64)).astype(np.float32)
    scores, boundary = session.run(["scores", "boundary"], {"image": image})
    with torch.no_grad():
        expected = made()(torch.from_numpy(image))
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(boundary, expected.boundary, rtol=1e-3, atol=1e-2)


def test_export_leaves_dropout_off_and_no_part_files(tmp_path):
    model = made().train()
    deviation = export_lite(model, tmp_path / "net.onnx", 64)
    assert 0 < deviation < 1e-4
    assert not model.training
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_export_that_deviates_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_deviation", lambda *_: 0.01)
    with pytest.raises(CheckpointError, match=r"0\.01"):
        export_lite(made(), tmp_path / "net.onnx", 64)
    assert list(tmp_path.iterdir()) == []


def test_deviation_would_be_seen(network):
    """Not vacuous: another network's file differs by far more than is allowed."""
    assert packing._deviation(made(seed=1), network, 64) > 0.1


@pytest.mark.parametrize("views", [(1.0,), (1.0, 0.8)])
@pytest.mark.parametrize("mirror", [False, True])
def test_views_are_averaged_as_by_hand(network, views, mirror):
    processor = LiteProcessor(image_size=64, views=views, mirror=mirror)
    pictures = crops(3, processor.crop.size)
    logits, heats = detector_of(network, processor).logits(pictures)
    session = InferenceSession(network, device="CPU", precision="f32")
    for k, crop in enumerate(pictures):
        seen = [processor.prepare(crop)[0]]
        if len(views) == 2:
            seen.append(crop[8:72, 8:72])
        if mirror:
            seen += [view[:, ::-1] for view in seen]
        out = session.run(np.stack([((v / 255 - 0.498) / 0.502).transpose(2, 0, 1) for v in seen]).astype(np.float32))
        np.testing.assert_allclose(logits[k], out["scores"].mean(axis=0), rtol=1e-3, atol=1e-3)
        maps = sigmoid(out["boundary"][:, 0])
        heat = (maps[0] + maps[len(views)][:, ::-1]) / 2 if mirror else maps[0]
        np.testing.assert_allclose(heats[k], heat, atol=2e-3)


def test_mirrored_views_make_mirrored_heat(network):
    """With them, the mirror of a crop has the same score and the mirrored heatmap; without them, it has not."""
    (crop,) = crops(1)
    pair = [crop, np.ascontiguousarray(crop[:, ::-1])]
    logits, heats = detector_of(network, dataclasses.replace(PROCESSOR, mirror=True)).logits(pair)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-3)
    np.testing.assert_allclose(heats[0], heats[1][:, ::-1], atol=1e-3)
    logits, heats = detector_of(network).logits(pair)
    assert np.abs(logits[0] - logits[1]).max() > 0.01
    assert np.abs(heats[0] - heats[1][:, ::-1]).max() > 0.01


def test_scores_in_order_and_in_any_batch(network):
    detector = detector_of(network, dataclasses.replace(PROCESSOR, mirror=True))
    pictures = crops(19)
    together = detector.score(pictures)
    assert len(together) == 19
    assert len({round(one.score, 6) for one in together}) > 10
    for picture, one in zip(pictures, together, strict=True):
        (alone,) = detector.score([picture])
        assert one.score == pytest.approx(alone.score, abs=1e-4)
        np.testing.assert_allclose(one.heatmap, alone.heatmap, atol=1e-3)
    assert detector.score([]) == []


def test_score_is_of_the_surer_expert(network):
    detector = detector_of(network)
    pictures = crops(12)
    logits, heats = detector.logits(pictures)
    for k, one in enumerate(detector.score(pictures)):
        assert one.experts == pytest.approx(dict(zip(EXPERTS, sigmoid(logits[k]), strict=True)), abs=1e-6)
        assert one.score == max(one.experts.values())
        surer = EXPERTS[int(logits[k].argmax())]
        assert one.fired == (surer if logits[k].max() >= 0 else "")
        assert not one.calibrated
        assert one.heatmap.shape == (16, 16)
        assert one.heatmap.dtype == np.float32
        assert 0 <= one.heatmap.min() <= one.heatmap.max() <= 1
        coarse = one.heatmap.reshape(8, 2, 8, 2).mean(axis=(1, 3))
        assert np.corrcoef(coarse.ravel(), heats[k].ravel())[0, 1] > 0.9


def test_calibration_is_applied(packed):
    lines = {"blended": {"scale": 0.5, "bias": -1.0}, "synthetic": {"scale": 2.0, "bias": 0.25}}
    path = packed(calibration=lines)
    pictures = crops(6)
    logits, _ = detector_of(path).logits(pictures)
    detector = create(weights=path, device="CPU", precision="f32", threads=1)
    for k, one in enumerate(detector.score(pictures)):
        assert one.calibrated
        assert one.experts["blended"] == pytest.approx(sigmoid(0.5 * logits[k, 0] - 1), abs=1e-4)
        assert one.experts["synthetic"] == pytest.approx(sigmoid(2 * logits[k, 1] + 0.25), abs=1e-4)
    values = detector.expert_scores("blended", np.array([-1e9, 2.0, 1e9], np.float32))
    np.testing.assert_allclose(values, [0, 0.5, 1], atol=1e-6)


def test_record_becomes_the_detector(packed):
    point = OperatingPoint(0.7, 0.01, "somewhere", 0.2)
    processor = LiteProcessor(image_size=64, views=(1.0, 0.8), mirror=True, margin_ratio=1.1)
    path = packed(processor=processor.to_record(), operating_points={"fpr=0.01": dataclasses.asdict(point)})
    detector = create(weights=path, device="CPU", precision="f32", threads=1)
    assert detector.processor == processor
    assert detector.crop.size == 80
    assert detector.operating_points == {"fpr=0.01": point}
    assert (detector.name, detector.weights_name, detector.device) == ("laa_net_lite", path.name, "CPU")
    assert detector.weights_sha256 == sha256_of(path)


def test_file_without_a_record_is_not_calibrated(network):
    detector = create(weights=network, device="CPU", precision="f32")
    assert detector.processor == LiteProcessor()
    assert detector.weights_sha256 == sha256_of(network)
    assert detector.operating_points == {}


def test_wrong_files_are_named(tmp_path):
    for name, content in (("gone.onnx", None), ("net.safetensors", b"x"), ("junk.onnx", b"junk")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=name):
            create(weights=tmp_path / name, device="CPU", precision="f32")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"detector": "laa_net"}, "for detector 'laa_net'"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"file": "b.onnx"}, "b.onnx"),
    ],
)
def test_records_of_other_files_are_refused(packed, fields, words):
    with pytest.raises(WeightsError, match=words):
        create(weights=packed(**fields), device="CPU", precision="f32")


def test_damaged_records_are_refused(packed):
    path = packed()
    beside = path.with_suffix(".json")
    values = json.loads(beside.read_text(encoding="utf-8"))
    for text in ("{", json.dumps({**values, "colour": 1}), json.dumps({"file": path.name})):
        beside.write_text(text, encoding="utf-8")
        with pytest.raises(WeightsError, match=beside.name):
            create(weights=path, device="CPU", precision="f32")
    packed(calibration={"blended": {"scale": 1.0, "slope": 2.0}})
    with pytest.raises(ConfigError, match="slope"):
        create(weights=path, device="CPU", precision="f32")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_network_with_other_outputs_is_refused(tmp_path):
    class Scores(torch.nn.Module):
        def forward(self, image):
            return image.mean((2, 3))

    path = tmp_path / "other.onnx"
    torch.onnx.export(Scores(), (torch.zeros(1, 3, 8, 8),), str(path), dynamo=False, output_names=["scores"])
    with pytest.raises(WeightsError, match="facewitness export laa_net_lite"):
        detector_of(path)


def test_untrained_control_is_the_network_with_random_weights():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, other = untrained_detector(), untrained_detector(seed=1, processor=PROCESSOR)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.processor == LiteProcessor()
    (score,) = one.score(crops(1, 192))
    assert 0.3 < score.score < 0.7
    assert not score.calibrated
    assert other.weights_sha256 not in (one.weights_sha256, untrained_detector(processor=PROCESSOR).weights_sha256)


def test_it_is_registered():
    assert DETECTORS.entry("laa_net_lite").target == "facewitness.detectors.laa_net.lite.detector:create"


def test_calibration_line_holds_plain_numbers():
    assert dataclasses.asdict(ExpertCalibration(1.5, -0.5)) == {"scale": 1.5, "bias": -0.5}
    assert LiteConfig().image_size == 192
