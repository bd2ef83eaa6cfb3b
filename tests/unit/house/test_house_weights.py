"""Weights records, the golden input and inference sessions."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facewitness import runtime
from facewitness.errors import ConfigError, WeightsError
from facewitness.records import OperatingPoint
from facewitness.runtime import InferenceSession
from facewitness.selftest import packaged_weights, self_test_crop, self_test_entry
from facewitness.weights import WeightsRecord, sha256_of


def make_record(folder, **changes):
    (folder / "net.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    return WeightsRecord(**{"file": "net.onnx", "sha256": digest, "detector": "d", "licence": "MIT", **changes})


def test_record_round_trip_and_verify(tmp_path):
    record = make_record(tmp_path, metrics={"auc": 0.5}, operating_points={"fpr=0.01": {"threshold": 0.9}})
    record.write(tmp_path / "net.json")
    assert WeightsRecord.read(tmp_path / "net.json") == record
    assert record.verify(tmp_path) == tmp_path / "net.onnx"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.json", "net.onnx"]  # no temporary file stays


def test_changed_or_missing_weights_are_refused(tmp_path):
    record = make_record(tmp_path)
    (tmp_path / "net.onnx").write_bytes(b"weightz")
    with pytest.raises(WeightsError, match="its record says"):
        record.verify(tmp_path)
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(WeightsError, match="is missing; reinstall"):
        record.verify(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        (json.dumps({"file": "x", "colour": 1}), r"unknown fields \['colour'\]"),
        (json.dumps({"file": "x"}), "lacks fields"),
        (json.dumps(["file"]), "must hold a JSON object, got list"),
        (json.dumps({"file": 3}), "file must be str, got 3"),
        (json.dumps({"calibration": "x"}), "calibration must be dict, got 'x'"),
    ],
)
def test_broken_records_are_named(tmp_path, content, message):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(WeightsError, match=message):
        WeightsRecord.read(path)


def test_hash_reads_in_chunks(tmp_path):
    data = np.random.default_rng(0).bytes((1 << 20) + 17)
    (tmp_path / "f").write_bytes(data)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "point",
    [
        {"threshold": 0.5},
        {"threshold": "high", "false_positive_rate": 0.1, "chosen_on": "x", "lower_threshold": 0.1},
        {"threshold": 7.0, "false_positive_rate": 0.1, "chosen_on": "x", "lower_threshold": 0.1},
        {"threshold": 0.5, "false_positive_rate": 0.1, "chosen_on": "x", "lower_threshold": 0.1, "more": 1},
        3,
    ],
)
def test_points_of_a_record_are_checked(tmp_path, point):
    with pytest.raises(WeightsError, match=r"operating point 'fpr=0\.1' cannot be read"):
        make_record(tmp_path, operating_points={"fpr=0.1": point}).points()


def test_points_of_a_record(tmp_path):
    values = {"threshold": 0.5, "false_positive_rate": 0.1, "chosen_on": "x", "lower_threshold": 0.2}
    assert make_record(tmp_path, operating_points={"fpr=0.1": values}).points() == {"fpr=0.1": OperatingPoint(**values)}
    with pytest.raises(WeightsError, match="'best' cannot be read"):
        make_record(tmp_path, operating_points={"best": values}).points()


def test_a_record_of_another_file_is_refused(tmp_path):
    record = make_record(tmp_path)
    record.verify_for(tmp_path / "net.onnx")
    (tmp_path / "other.onnx").write_bytes(b"anything")
    with pytest.raises(WeightsError, match=r"is of net\.onnx"):
        record.verify_for(tmp_path / "other.onnx")


def test_packaged_weights_are_the_recorded_ones():
    for record, folder in packaged_weights():
        assert record.verify(folder).is_file()
        assert record.licence


def test_golden_input_is_the_same_everywhere():
    crop = self_test_crop(20, 224)
    assert crop.shape == (224, 224, 3)
    assert crop.dtype == np.uint8
    assert hashlib.sha256(crop.tobytes()).hexdigest()[:16] == "7bc16515591dfd36"
    assert not np.array_equal(crop, self_test_crop(21, 224))
    with pytest.raises(ValueError, match="at least 1"):
        self_test_crop(1, 0)


def test_golden_entry_scores_the_golden_input():
    entry = self_test_entry(lambda crops: [float(crops[0].mean()) / 255], 16, seed=3)
    assert entry == {"seed": 3, "expected": pytest.approx(self_test_crop(3, 16).mean() / 255, abs=1e-6)}


@pytest.fixture(scope="module")
def doubling(tmp_path_factory):
    """An ONNX file: y = 2 x."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [two],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path_factory.mktemp("net") / "double.onnx"
    onnx.save(model, path)
    return path


def test_session_runs_and_names_outputs(doubling):
    session = InferenceSession(doubling, precision="f32", threads=1)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(session.run(x)["y"], 2 * x)
    np.testing.assert_allclose(session.run({"x": x[:1]})["y"], 2 * x[:1])
    assert (session.output_names, session.precision, session.device) == (("y",), "f32", "CPU")


def test_session_results_are_fresh_arrays(doubling):
    session = InferenceSession(doubling, precision="f32")
    first = session.run(np.ones((1, 3), np.float32))["y"]
    session.run(np.zeros((1, 3), np.float32))
    assert first.tolist() == [[2.0, 2.0, 2.0]]


def test_session_refuses(doubling, tmp_path):
    with pytest.raises(WeightsError, match="no network file"):
        InferenceSession(tmp_path / "absent.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"bad\.onnx is not a network"):
        InferenceSession(tmp_path / "bad.onnx")
    with pytest.raises(ConfigError, match="device 'TPU' is not available; this machine has CPU"):
        InferenceSession(doubling, device="TPU")
    with pytest.raises(ConfigError, match="precision must be auto, f32 or bf16"):
        InferenceSession(doubling, precision="int4")


def test_auto_precision_follows_the_cpu(doubling, monkeypatch):
    for has, expected in ((True, "bf16"), (False, "f32")):
        monkeypatch.setattr(runtime, "cpu_has_bf16", lambda has=has: has)
        assert InferenceSession(doubling, device="cpu", precision="auto").precision == expected


def test_default_threads_counts_usable_cpus():
    assert runtime.default_threads() >= 1
