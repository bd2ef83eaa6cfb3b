"""`facewitness list` and `facewitness doctor`."""

from __future__ import annotations

import json

import pytest

from facewitness import selftest
from facewitness.cli import doctor as doctor_module
from facewitness.cli.doctor import FACE_ASSETS, Check, State, run_checks
from facewitness.cli.main import main
from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS
from facewitness.registry import Entry
from facewitness.weights import WeightsRecord, sha256_of
from unit.house.house_paths import ROOT
from unit.pipeline.pipeline_fakes import BrightnessDetector


def test_list_as_json(capsys):
    assert main(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(DETECTORS.names())
    assert [name for name, row in rows.items() if row["default"]] == [DEFAULT_DETECTOR]
    assert rows[DEFAULT_DETECTOR]["ready"]
    assert rows[DEFAULT_DETECTOR]["weights"]
    assert len(rows[DEFAULT_DETECTOR]["weights"][0]["sha256"]) == 64


def test_list_says_what_is_missing(monkeypatch, capsys):
    entry = Entry("no.where:create", "Needs a thing.", "Paper 2020", extra="torch", requires=("no_such_module_xyz",))
    monkeypatch.setitem(DETECTORS._entries, "hungry", entry)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert "laa_net_lite (default)" in shown
    assert "pip install 'facewitness[torch]' (lacks no_such_module_xyz)" in shown


def test_doctor_is_content_with_this_installation(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states["face networks"] == "ok"
    assert states[f"detector {DEFAULT_DETECTOR}"] == "ok"
    assert {"facewitness", "python", "processor", "devices", "disk", "packages"} <= set(states)


def test_face_assets_are_those_of_the_notice():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert all(name in notice and digest in notice for name, digest in FACE_ASSETS.items())


@pytest.fixture
def one_fake_detector(tmp_path, monkeypatch):
    """A packaged detector of ours: the brightness of the golden input, recorded as the record says."""

    def install(expected):
        (tmp_path / "b.onnx").write_bytes(b"x")
        golden = {"self_test": {"seed": 3, "expected": expected}} if expected is not None else {}
        record = WeightsRecord("b.onnx", sha256_of(tmp_path / "b.onnx"), "brightness", "none", metrics=golden)
        monkeypatch.setitem(
            DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness.")
        )
        monkeypatch.setattr(selftest, "packaged_weights", lambda: ((record, tmp_path),))

    return install


def checks_named(name):
    return next(check for check in run_checks() if check.name == name)


def detector_check():
    """What the doctor says of the fake detector; the other checks take seconds."""
    return next(check for check in doctor_module._detectors() if check.name == "detector brightness")


def test_golden_output(one_fake_detector):
    size = BrightnessDetector.crop.size
    right = selftest.self_test_crop(3, size).mean() / 255
    one_fake_detector(round(float(right), 4))
    assert detector_check().state is State.OK
    one_fake_detector(round(float(right) + 0.05, 4))
    wrong = detector_check()
    assert wrong.state is State.BROKEN
    assert "golden score" in wrong.detail
    one_fake_detector(None)
    assert detector_check().state is State.NOTE


def test_changed_weights_are_found(one_fake_detector, tmp_path, capsys):
    one_fake_detector(0.5)
    (tmp_path / "b.onnx").write_bytes(b"y")
    assert main(["doctor"]) == 1
    assert "broken" in capsys.readouterr().out


def test_changed_face_networks_are_found(monkeypatch):
    monkeypatch.setitem(FACE_ASSETS, "face_landmark.tflite", "0" * 64)
    assert checks_named("face_landmark.tflite").state is State.BROKEN


def test_a_check_that_fails_is_a_finding(monkeypatch):
    def _devices():
        msg = "driver gone"
        raise RuntimeError(msg)

    monkeypatch.setattr(doctor_module, "_devices", _devices)
    assert checks_named("devices") == Check("devices", State.BROKEN, "RuntimeError: driver gone")
