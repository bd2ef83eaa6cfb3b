"""The sample media through the real finder and the embedded detector, end to end."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from facewitness.detectors import DEFAULT_DETECTOR
from facewitness.findings import HARMLESS_CHANGES
from facewitness.pipeline import AnalyzeOptions, Analyzer, analyze
from facewitness.records import VerdictLabel
from facewitness.selftest import packaged_weights
from unit.house.house_paths import ROOT

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer(options=AnalyzeOptions(frames=8, keep_pictures=True), precision="f32")


def test_portrait(analyzer):
    result = analyzer.examine(EXAMPLES / "astronaut.jpg")
    report = result.report
    assert len(report.faces) == 1
    assert report.verdict.label is not VerdictLabel.NOT_SCORED
    finding = report.faces[0].findings[0]
    assert 0.0 <= finding.score <= 1.0
    assert finding.calibrated
    assert finding.heatmap.values.min() >= 0.0
    assert finding.heatmap.values.max() <= 1.0
    assert finding.regions
    assert finding.explanation.text
    assert set(finding.stability) == set(HARMLESS_CHANGES)
    assert result.pictures[0].shape == (report.media.height, report.media.width, 3)
    json.loads(report.to_json())


def test_the_protocol_names_the_packaged_weights(analyzer):
    report = analyzer.analyze(EXAMPLES / "astronaut.jpg")
    records = {record.sha256: record for record, _ in packaged_weights()}
    assert report.protocol.detector == DEFAULT_DETECTOR
    assert records[report.protocol.weights_sha256].file == report.protocol.weights
    assert report.protocol.precision == "f32"


def test_the_forgery_scores_above_its_original(analyzer):
    real, forged = (analyzer.analyze(EXAMPLES / name) for name in ("astronaut.jpg", "self_blended.jpg"))
    assert forged.verdict.score > real.verdict.score


def test_clips(analyzer):
    real, forged = (analyzer.analyze(EXAMPLES / name) for name in ("clip_real.mp4", "clip_forged.mp4"))
    for report in (real, forged):
        assert report.media.kind == "video"
        assert report.media.has_audio
        assert len(report.faces) == 1
        timeline = report.faces[0].findings[0].timeline
        assert len(timeline.scores) == 8
        assert not any(math.isnan(score) for score in timeline.scores)
    assert forged.verdict.score > real.verdict.score


def test_one_call_gives_the_same_report(analyzer):
    once = analyze(EXAMPLES / "astronaut.jpg", precision="f32")
    again = analyzer.analyze(EXAMPLES / "astronaut.jpg")
    assert once.verdict == again.verdict
    np.testing.assert_array_equal(once.faces[0].observations[0].box, again.faces[0].observations[0].box)
