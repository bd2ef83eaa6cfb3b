"""The way from a file to a report, with synthetic people whose scores are known."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest

from facewitness import findings, pipeline
from facewitness.errors import ConfigError, UnknownNameError
from facewitness.media.limits import Limits
from facewitness.pipeline import AnalyzeOptions, Analyzer, analyze
from facewitness.records import VerdictLabel
from unit.pipeline.pipeline_fakes import (
    FAKE_GREY,
    REAL_GREY,
    UNSURE_GREY,
    BrightnessDetector,
    SquareFinder,
    save_clip,
    save_picture,
    scene,
)


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)


def analyzer(**options):
    return Analyzer(BrightnessDetector(), options=AnalyzeOptions(**options))


@pytest.mark.parametrize(
    ("grey", "label"),
    [(FAKE_GREY, VerdictLabel.FAKE), (REAL_GREY, VerdictLabel.REAL), (UNSURE_GREY, VerdictLabel.UNCERTAIN)],
)
def test_picture(tmp_path, grey, label):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, grey))
    report = analyzer().analyze(path)
    assert report.verdict.label is label
    assert report.verdict.score == pytest.approx(grey / 255, abs=0.01)
    assert (report.media.kind, report.media.width, report.media.height, report.media.format) == (
        "image", 320, 240, "PNG",
    )  # fmt: skip
    assert report.media.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(report.faces) == 1
    np.testing.assert_allclose(report.faces[0].observations[0].box, [40, 50, 160, 170])
    assert report.warnings == ()
    assert json.loads(report.to_json())["verdict"]["label"] == label.value


def test_protocol_is_enough_to_repeat(tmp_path):
    report = analyzer(operating_point="fpr=0.01").analyze(save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY)))
    protocol = report.protocol
    assert (protocol.detector, protocol.frames, protocol.sampling) == ("brightness", 1, "single picture")
    assert "0.8 times the face mesh, 64 px" in protocol.crop
    assert "mean of the log-odds" in protocol.pooling
    assert "32 px" in protocol.missing_face_rule
    assert protocol.versions["facewitness"] == "0.1.0"
    assert "openvino" in protocol.versions
    assert report.verdict.operating_point.threshold == 0.95
    assert report.verdict.label is VerdictLabel.UNCERTAIN  # 0.92 is below the stricter line
    assert {"decode", "hash", "faces", "score", "judge", "total"} == set(report.timings_s)
    assert sum(v for k, v in report.timings_s.items() if k != "total") <= report.timings_s["total"]


def test_finding_holds_heatmap_regions_stability_and_words(tmp_path):
    report = analyzer().analyze(save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY)))
    finding = report.faces[0].findings[0]
    assert finding.heatmap.values.shape == (16, 16)
    # the middle of the crop is the middle of the face
    centre = finding.heatmap.crop_to_frame @ np.array([31.5, 31.5, 1])
    np.testing.assert_allclose(centre, [99.5, 109.5], atol=0.6)
    assert finding.regions
    assert list(finding.stability) == ["jpeg_q75", "scale_0.5", "blur_0.8", "noise_2", "contrast_0.85"]
    assert all(value == pytest.approx(finding.score, abs=0.02) for value in finding.stability.values())
    assert finding.explanation.source == "template"
    assert "Traces of forgery found" in finding.explanation.text
    assert finding.experts["synthetic"] == pytest.approx(0.1)
    assert finding.fired == "blended"
    assert finding.timeline is None


def test_without_explanation_the_models_run_once(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    quick = analyzer(explain=False)
    finding = quick.analyze(path).faces[0].findings[0]
    assert (finding.explanation, finding.stability, quick.detector.batches) == (None, {}, [1])
    assert finding.heatmap is not None


class FragileDetector(BrightnessDetector):
    """Says FAKE of flat crops, and of any texture (noise) the opposite: REAL by a score of its own."""

    def __init__(self, flipped=0.05):
        super().__init__()
        self.flipped = flipped

    def score(self, crops):
        scores = super().score(crops)
        return [
            dataclasses.replace(s, score=self.flipped if np.ptp(crop[:, :, 0]) > 5 else s.score)
            for s, crop in zip(scores, crops, strict=True)
        ]


def test_a_verdict_that_flips_under_a_harmless_change_becomes_uncertain(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    report = Analyzer(FragileDetector()).analyze(path)
    assert report.verdict.label is VerdictLabel.UNCERTAIN
    assert report.verdict.score == pytest.approx(FAKE_GREY / 255, abs=0.01)  # the score itself stays
    assert report.verdict.reason == (
        "FAKE alone, but REAL, 0.05, with the picture given a little noise: the answer does not survive a harmless "
        "change"
    )
    assert report.faces[0].verdict == report.verdict
    assert report.faces[0].findings[0].stability["noise_2"] == 0.05
    assert report.warnings == ()
    assert report.verdict.reason in report.faces[0].findings[0].explanation.text
    assert "becomes UNCERTAIN" in report.protocol.stability


def test_a_change_that_leads_to_uncertain_is_only_warned_of(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    report = Analyzer(FragileDetector(flipped=0.5)).analyze(path)
    assert report.verdict.label is VerdictLabel.FAKE
    assert report.warnings == ("the verdict is not stable: 0.50, UNCERTAIN, with the picture given a little noise",)


def test_the_stability_check_can_be_had_without_words_and_the_other_way_round(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))

    def run(**options):
        report = Analyzer(FragileDetector(), options=AnalyzeOptions(**options)).analyze(path)
        finding = report.faces[0].findings[0]
        return report.verdict.label.value, bool(finding.stability), finding.explanation is not None

    assert run(explain=False, stability=True) == ("UNCERTAIN", True, False)
    assert run(explain=True, stability=False) == ("FAKE", False, True)
    assert run(explain=False) == ("FAKE", False, False)
    quiet = Analyzer(FragileDetector(), options=AnalyzeOptions(stability=False)).analyze(path)
    assert quiet.protocol.stability == "not checked"


def test_faces_are_scored_in_one_batch_and_the_highest_decides(tmp_path):
    path = save_picture(tmp_path / "a.png", (10, 20, 60, REAL_GREY), (100, 20, 90, FAKE_GREY), (230, 20, 50, REAL_GREY))
    two = analyzer(explain=False)
    report = two.analyze(path)
    assert two.detector.batches == [3]
    assert [face.verdict.label.value for face in report.faces] == ["FAKE", "REAL", "REAL"]  # largest first
    assert report.verdict.label is VerdictLabel.FAKE
    assert "face 1 of 3 scores highest" in report.verdict.reason


def test_tiny_faces_are_reported_but_not_scored(tmp_path):
    report = analyzer().analyze(save_picture(tmp_path / "a.png", (40, 50, 24, FAKE_GREY)))
    assert report.verdict.label is VerdictLabel.NOT_SCORED
    assert report.verdict.reason == "the face is 24 pixels across, at least 32 are needed"
    assert report.faces[0].observations[0].score is None
    assert report.faces[0].findings == ()


def test_no_face(tmp_path):
    report = analyzer().analyze(save_picture(tmp_path / "a.png"))
    assert (report.verdict.label, report.verdict.reason) == (
        VerdictLabel.NOT_SCORED, "no face was found in the picture",
    )  # fmt: skip
    assert report.protocol is not None


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Two people for 4 s at 10 fps: a forged one all the time, a real one moving in after 1 s."""
    frames = [
        scene((20 + i, 60, 100, FAKE_GREY), *([(200, 20 + i, 80, REAL_GREY)] if i >= 10 else [])) for i in range(40)
    ]
    return save_clip(tmp_path_factory.mktemp("clip") / "two.mp4", frames)


def test_video_tracks_timeline_and_pooling(clip):
    report = analyzer(frames=20).analyze(clip)
    assert (report.media.kind, report.media.width, report.media.height) == ("video", 320, 240)
    assert report.media.fps == pytest.approx(10, abs=0.2)
    assert (report.protocol.frames, report.protocol.sampling) == (20, "uniform n=20")
    assert sorted(face.verdict.label.value for face in report.faces) == ["FAKE", "REAL"]
    forged = next(face for face in report.faces if face.verdict.label is VerdictLabel.FAKE)
    other = next(face for face in report.faces if face.verdict.label is VerdictLabel.REAL)
    assert len(forged.observations) == 20
    assert report.verdict.score == forged.verdict.score == pytest.approx(FAKE_GREY / 255, abs=0.02)
    timeline = other.findings[0].timeline
    assert len(timeline.times_s) == len(timeline.scores) == 20
    missing = [t for t, s in zip(timeline.times_s, timeline.scores, strict=True) if math.isnan(s)]
    assert missing
    assert max(missing) < 1.05
    assert json.loads(report.to_json())["faces"][0]["findings"][0]["timeline"]


def test_video_by_rate(clip):
    report = analyzer(fps=2.0).analyze(clip)
    assert report.protocol.sampling == "fps=2"
    assert report.protocol.frames in (8, 9)


def test_heatmap_is_of_the_highest_frame(tmp_path):
    frames = [scene((60, 60, 100, 240 if i == 7 else 210)) for i in range(12)]
    report = analyzer(frames=12).analyze(save_clip(tmp_path / "a.mp4", frames))
    finding = report.faces[0].findings[0]
    assert finding.heatmap.frame_index == 7
    assert finding.score < max(seen.score for seen in report.faces[0].observations)


def test_the_expert_of_most_frames_is_named(tmp_path):
    greys = [250] * 3 + [100] * 9  # above 0.5 in three frames only
    frames = [scene((60, 60, 100, grey)) for grey in greys]
    (face,) = analyzer(frames=12).analyze(save_clip(tmp_path / "few.mp4", frames)).faces
    assert face.findings[0].fired == ""
    frames = [scene((60, 60, 100, grey)) for grey in greys[::-1] + [250] * 12]
    (face,) = analyzer(frames=24).analyze(save_clip(tmp_path / "most.mp4", frames)).faces
    assert face.findings[0].fired == "blended"


def test_more_faces_than_are_looked_at_are_said(tmp_path):
    path = save_picture(tmp_path / "a.png", (10, 50, 80, FAKE_GREY), (180, 50, 80, REAL_GREY))
    assert any("at most 2 faces" in line for line in analyzer(max_faces=2).analyze(path).warnings)
    assert not any("at most" in line for line in analyzer(max_faces=3).analyze(path).warnings)


def test_pictures_come_with_their_frame(tmp_path, clip):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    result = analyzer(keep_pictures=True).examine(path)
    np.testing.assert_array_equal(result.pictures[0], scene((40, 50, 120, FAKE_GREY)))
    assert analyzer().examine(path).pictures == {}
    shown = analyzer(keep_pictures=True, frames=8).examine(clip)
    wanted = {f.heatmap.frame_index for face in shown.report.faces for f in face.findings}
    assert set(shown.pictures) == wanted
    assert all(picture.shape == (240, 320, 3) for picture in shown.pictures.values())


def test_long_videos_keep_little_in_memory(monkeypatch, clip):
    monkeypatch.setattr(findings, "FRAMES_WITH_EVIDENCE", 4)
    monkeypatch.setattr(pipeline, "_BATCH", 3)
    held = []
    kept = analyzer(frames=30, keep_pictures=True)
    original = pipeline.bound_evidence

    def watched(frames):
        original(frames)
        held.append(sum(frame.picture is not None for frame in frames))

    monkeypatch.setattr(pipeline, "bound_evidence", watched)
    result = kept.examine(clip)
    assert len(held) > 5
    assert max(held) <= 4
    assert all(seen.score is not None for face in result.report.faces for seen in face.observations)
    assert result.report.verdict.label is VerdictLabel.FAKE
    assert result.pictures


def test_time_limit_gives_what_was_seen(monkeypatch, clip):
    slow = analyzer(frames=20)
    monkeypatch.setattr(pipeline._Stopwatch, "total", property(lambda self: 1e4 if len(self.seconds) > 2 else 0.0))
    report = slow.analyze(clip)
    assert any("stopped after 10000 s" in warning for warning in report.warnings)
    assert report.protocol.frames < 20


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.jpg", b"", "empty"),
        ("text.jpg", b"hello, this is not a picture at all", "text"),
        ("cut.png", None, ""),
        ("absent.jpg", ..., "no such file"),
    ],
)
def test_bad_files_are_not_scored(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is None:
        path.write_bytes(save_picture(tmp_path / "whole.png", (40, 50, 120, FAKE_GREY)).read_bytes()[:200])
    elif content is not ...:
        path.write_bytes(content)
    report = analyzer().analyze(path)
    assert report.verdict.label is VerdictLabel.NOT_SCORED
    assert reason in report.verdict.reason
    assert report.media.path == str(path)
    assert (report.faces, report.protocol) == ((), None)
    json.loads(report.to_json())


def test_limits_are_kept(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    report = analyzer(limits=Limits(max_side=100)).analyze(path)
    assert report.verdict.label is VerdictLabel.NOT_SCORED
    assert "max_side" in report.verdict.reason


def test_one_bad_file_never_stops_the_rest(tmp_path, monkeypatch):
    good = save_picture(tmp_path / "good.png", (40, 50, 120, FAKE_GREY))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    many = analyzer()
    inner = many.detector.score

    def fails_once(crops):
        monkeypatch.setattr(many.detector, "score", inner)
        msg = "device lost"
        raise RuntimeError(msg)

    monkeypatch.setattr(many.detector, "score", fails_once)
    reports = list(many.analyze_many([good, tmp_path / "bad.png", good]))
    assert [report.verdict.label.value for report in reports] == ["NOT_SCORED", "NOT_SCORED", "FAKE"]
    assert "RuntimeError: device lost" in reports[0].verdict.reason


def test_reports_stream(tmp_path):
    good = save_picture(tmp_path / "good.png", (40, 50, 120, FAKE_GREY))

    def endless():
        while True:
            yield good

    assert next(analyzer().analyze_many(endless())).verdict.label is VerdictLabel.FAKE


def test_settings_are_checked_before_any_file(tmp_path):
    with pytest.raises(UnknownNameError, match="no detector is called 'laanet'"):
        analyze(tmp_path / "a.png", detector="laanet")
    with pytest.raises(ConfigError, match=r"they have fpr=0\.01, fpr=0\.05"):
        analyzer(operating_point="fpr=0.2")
    for wrong in ({"frames": 0}, {"fps": 0.0}, {"min_face_px": 0.0}, {"max_faces": 0}):
        with pytest.raises(ConfigError):
            AnalyzeOptions(**wrong)


def test_weights_without_points_give_no_verdict(tmp_path):
    path = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))
    bare = Analyzer(BrightnessDetector(points={}))
    assert bare.analyze(path).verdict.label is VerdictLabel.UNCERTAIN
    own = Analyzer(BrightnessDetector(points={}), options=AnalyzeOptions(operating_point="threshold=0.5"))
    assert own.analyze(path).verdict.label is VerdictLabel.FAKE


def test_same_file_same_report(clip):
    first, second = (dataclasses.replace(analyzer(frames=6).analyze(clip), timings_s={}).to_json() for _ in range(2))
    assert first == second
