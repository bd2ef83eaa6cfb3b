"""The JSON form of a report."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from facewitness.records import (
    SCHEMA_VERSION,
    Explanation,
    FaceObservation,
    FaceTrack,
    Finding,
    Heatmap,
    Label,
    MediaInfo,
    OperatingPoint,
    Protocol,
    RegionStrength,
    Report,
    Timeline,
    Verdict,
    VerdictLabel,
)


def full_report() -> Report:
    """A report with every field filled (made-up numbers)."""
    point = OperatingPoint(0.8, 0.01, "validation", 0.3)
    verdict = Verdict(VerdictLabel.FAKE, 0.9, "Above the threshold.", point)
    heatmap = Heatmap(
        np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), np.eye(2, 3, dtype=np.float32), crop_size=224
    )
    finding = Finding(
        "laa_net_lite",
        0.9,
        calibrated=True,
        experts={"blended": 0.9, "synthetic": 0.1},
        fired="blended",
        heatmap=heatmap,
        regions=(RegionStrength("mouth", 0.7, 0.4),),
        explanation=Explanation("Text with umlaut ä.", "template", ("for",), ("against",)),
        timeline=Timeline((0.0, 0.5), (0.9, float("nan"))),
        stability={"jpeg_q75": 0.83},
    )
    seen = FaceObservation(
        0, 0.0, np.array([1, 2, 30, 40], np.float32), np.zeros((68, 2), np.float32), np.float32(0.99), 0.9
    )
    protocol = Protocol(
        "laa_net_lite", "lite", "w.onnx", "0" * 64, 1, "single picture", "margin 1.25", "mean", "left out", {"a": "1"}
    )
    media = MediaInfo("a.jpg", "image", "1" * 64, 1234, 640, 480, "JPEG", 25.0, 10.0, has_audio=True)
    return Report(
        media, verdict, (FaceTrack(1, (seen,), (finding,), verdict),), protocol, timings_s={"total": 0.1},
        warnings=("w",), provenance={"signer": "x"},
    )  # fmt: skip


def names(value: object) -> object:
    """The nested field names of a record, leaving values out."""
    if dataclasses.is_dataclass(value):
        return {f.name: names(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [names(v) for v in value]
    return None


def keys(value: object, shape: object) -> object:
    """``value`` reduced to what `names` gives for the record of the same ``shape``."""
    if isinstance(shape, dict):
        assert isinstance(value, dict)
        assert set(value) == set(shape)
        return {k: keys(value[k], shape[k]) for k in shape}
    if isinstance(shape, list):
        assert isinstance(value, list)
        return [keys(v, s) for v, s in zip(value, shape, strict=True)]
    return None


def test_json_holds_every_field_by_its_name():
    report = full_report()
    back = json.loads(report.to_json())
    assert back == report.to_dict()
    assert keys(back, names(report)) == names(report)
    assert back["schema_version"] == SCHEMA_VERSION


def test_json_values_survive():
    back = json.loads(full_report().to_json(indent=2))
    face = back["faces"][0]
    finding = face["findings"][0]
    assert back["verdict"]["label"] == "FAKE"
    assert finding["timeline"]["scores"] == [0.9, None]  # NaN is not JSON
    assert finding["heatmap"]["values"] == [[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]]
    assert face["observations"][0]["presence"] == pytest.approx(0.99, abs=1e-6)
    assert face["observations"][0]["box"] == [1.0, 2.0, 30.0, 40.0]
    assert finding["explanation"]["text"] == "Text with umlaut ä."
    assert finding["experts"] == {"blended": 0.9, "synthetic": 0.1}


def test_json_never_holds_infinity():
    verdict = Verdict(VerdictLabel.UNCERTAIN, float("inf"), "x")
    report = dataclasses.replace(full_report(), verdict=verdict)
    assert json.loads(report.to_json())["verdict"]["score"] is None


def test_labels_and_frozen():
    assert (Label.REAL, Label.FAKE) == (0, 1)
    assert {v.value for v in VerdictLabel} == {"REAL", "FAKE", "UNCERTAIN", "NOT_SCORED"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        full_report().verdict = None
