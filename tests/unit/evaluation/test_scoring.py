"""Records to rows: one row per face, a reason where there is no score, one bad file among good ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from facewitness.datasets.prepared import PreparedFrame, PreparedVideo
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError, FacewitnessError
from facewitness.evaluation.record_frames import prepared_frames, read_frames
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import FaceScorer, ScoringRule, identity_of
from facewitness.faces.crops import crop_face
from facewitness.media.limits import Limits
from facewitness.records import Label
from unit.pipeline.pipeline_fakes import BrightnessDetector, SquareFinder, save_clip, save_picture, scene

DARK, BRIGHT = (60, 40, 80, 20), (200, 60, 60, 235)


def record(path, kind="image", label=Label.FAKE, **more):
    return Record(path, path, label, "squares", kind, **more)


def scored(root, *records, frames=4, rule=None, detector=None, **more):
    scorer = FaceScorer(detector or BrightnessDetector(), SquareFinder(), rule or ScoringRule(frames=frames), **more)
    return list(scorer.score_records((r, read_frames(root, r, frames=frames)) for r in records))


def test_picture_with_two_faces_and_one_without(tmp_path):
    save_picture(tmp_path / "two.png", DARK, BRIGHT)
    save_picture(tmp_path / "none.png")
    two, none = scored(tmp_path, record("two.png", identities=("ann", "bob")), record("none.png", label=Label.REAL))
    assert [row["face_index"] for row in two.rows] == [0, 1]
    assert [round(row["score"] * 255) for row in two.rows] == [20, 235]
    assert two.rows[1]["logit"] == pytest.approx(math.log(235 / 20))
    assert {row["identity"] for row in two.rows} == {"ann"}
    assert [(row["not_scored"], row["label"]) for row in none.rows] == [("no face", 0)]
    assert math.isnan(none.rows[0]["score"])
    table = ScoreTable.from_rows([*two.rows, *none.rows])
    assert table.scored.tolist() == [True, True, False]
    assert (two.scored, none.scored) == (2, 0)


def test_scores_are_those_of_the_detectors_own_crop(tmp_path):
    save_picture(tmp_path / "a.png", DARK)
    detector = BrightnessDetector()
    pixels = scene(DARK)
    crop = crop_face(pixels, SquareFinder().find(pixels)[0].box, detector.crop).image
    (one,) = scored(tmp_path, record("a.png"), keep_evidence=True)
    assert one.rows[0]["score"] == detector.score([crop])[0].score
    assert np.array_equal(one.evidence.crop, crop)
    assert np.array_equal(one.evidence.frame.pixels, pixels)
    assert (one.evidence.frame.file, one.evidence.frame.file_format) == (tmp_path / "a.png", "PNG")


def test_video_frames_with_times_and_batches(tmp_path):
    frames = [scene((60 + i, 40, 80, 20 + 4 * i)) for i in range(20)]
    save_clip(tmp_path / "clip.mp4", frames)
    detector = BrightnessDetector()
    (clip,) = scored(tmp_path, record("clip.mp4", "video"), frames=5, detector=detector)
    assert [row["frame_index"] for row in clip.rows] == [2, 6, 10, 14, 18]
    assert clip.rows[2]["time_s"] == pytest.approx(1.0)
    assert [row["score"] * 255 for row in clip.rows] == pytest.approx([28, 44, 60, 76, 92], abs=2)
    assert detector.batches == [5]


def test_pictures_are_batched_across_records(tmp_path):
    for i in range(70):
        save_picture(tmp_path / f"{i}.png", (60, 40, 80, 20 + i))
    detector = BrightnessDetector()
    found = scored(tmp_path, *(record(f"{i}.png") for i in range(70)), detector=detector)
    assert [r.record.path for r in found] == [f"{i}.png" for i in range(70)]
    assert [round(r.rows[0]["score"] * 255) for r in found] == [20 + i for i in range(70)]
    assert detector.batches == [32, 32, 6]


def test_bad_files_among_good_ones(tmp_path):
    save_picture(tmp_path / "good.png", DARK)
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:200])
    (tmp_path / "text.mp4").write_text("no video")
    save_clip(tmp_path / "whole.mp4", [scene(DARK)] * 30)
    names = ["cut.png", "good.png", "text.mp4", "missing.png", "whole.mp4"]
    found = scored(tmp_path, *(record(n, "video" if n.endswith("4") else "image") for n in names))
    assert [r.scored for r in found] == [0, 1, 0, 0, 4]
    for bad in (found[0], found[2], found[3]):
        (row,) = bad.rows
        assert row["not_scored"].startswith("cannot be read: ")
        assert str(tmp_path) not in row["not_scored"]
        assert math.isnan(row["score"])


def test_a_librarys_failure_is_a_row(tmp_path, caplog):
    def broken():
        yield from read_frames(tmp_path, record("a.png"), frames=1)
        msg = "boom"
        raise RuntimeError(msg)

    save_picture(tmp_path / "a.png", DARK)
    scorer = FaceScorer(BrightnessDetector(), SquareFinder())
    found = scorer.score_record(record("a.png"), broken())
    assert [row["not_scored"] for row in found.rows] == ["", "cannot be read: RuntimeError: boom"]
    assert "unexpected failure" in caplog.text


def test_small_faces_and_most_faces(tmp_path):
    save_picture(tmp_path / "small.png", (60, 40, 20, 20))
    save_picture(tmp_path / "two.png", DARK, BRIGHT)
    small, two = scored(tmp_path, record("small.png"), record("two.png"), rule=ScoringRule(max_faces=1))
    assert small.rows[0]["not_scored"] == "face too small: 20 px, at least 32 px are needed"
    assert len(two.rows) == 1


def test_flip_is_scored_apart(tmp_path):
    half = scene(DARK)
    half[40:120, 60:100] = 60
    Image.fromarray(half).save(tmp_path / "half.png")

    class LeftHalf(BrightnessDetector):
        def score(self, crops):
            return super().score([crop[:, : crop.shape[1] // 2] for crop in crops])

    (one,) = scored(tmp_path, record("half.png"), rule=ScoringRule(flip=True), detector=LeftHalf())
    row = one.rows[0]
    assert round(row["score"] * 255) == 60
    assert round(row["score_flipped"] * 255) == 20


def test_folder_of_frames_in_natural_order(tmp_path):
    (tmp_path / "clip").mkdir()
    for i in range(12):
        save_picture(tmp_path / "clip" / f"frame_{i}.png", (60, 40, 80, 20 + i))
    (tmp_path / "clip" / "frame_4.png").write_bytes(b"nothing")
    (tmp_path / "clip" / "notes.txt").write_text("not a frame")
    (one,) = scored(tmp_path, record("clip", "frames"), frames=12)
    assert [row["path"] for row in one.rows] == [f"clip/frame_{i}.png" for i in range(12)]
    assert [bool(row["not_scored"]) for row in one.rows] == [i == 4 for i in range(12)]
    (few,) = scored(tmp_path, record("clip", "frames"), frames=3)
    assert [row["frame_index"] for row in few.rows] == [2, 6, 10]
    (tmp_path / "empty").mkdir()
    empty, missing = scored(tmp_path, record("empty", "frames"), record("gone", "frames"))
    assert "no pictures" in empty.rows[0]["not_scored"]
    assert missing.rows[0]["not_scored"].startswith("cannot be read")


def test_hdf5_groups(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "set.h5", "w") as store:
        store["071"] = np.stack([scene((60, 40, 80, 20 + i)) for i in range(6)])
        store["odd"] = np.zeros((3, 4))
    one, odd, none = scored(tmp_path, *(record(f"set.h5#{g}", "hdf5") for g in ("071", "odd", "none")), frames=3)
    assert [round(row["score"] * 255) for row in one.rows] == [21, 23, 25]
    assert "(frames, H, W, 3)" in odd.rows[0]["not_scored"]
    assert none.rows[0]["not_scored"].startswith("cannot be read")


def test_sound_is_named(tmp_path):
    (one,) = scored(tmp_path, record("a.wav", "audio"))
    assert one.rows[0]["not_scored"].startswith("sound only")


def test_limits_make_a_row_not_a_stop(tmp_path):
    save_picture(tmp_path / "a.png", DARK)
    (frame,) = read_frames(tmp_path, record("a.png"), frames=1, limits=Limits(max_side=100))
    assert frame.pixels is None
    assert "320x240" in frame.problem


def test_prepared_crops_give_the_same_score_as_the_frame(tmp_path):
    rng = np.random.default_rng(0)
    pixels = scene()
    pixels[40:140, 90:190] = rng.integers(0, 60, (100, 100, 1), dtype=np.uint8)
    box = (90.0, 40.0, 189.0, 139.0)
    crop = pixels[20:160, 70:210]
    Image.fromarray(crop).save(tmp_path / "crop.png")
    Image.fromarray(pixels).save(tmp_path / "frame.png")
    kept = PreparedFrame(7, 0.28, box, (70, 20, 210, 160), crop="crop.png")
    scorer = FaceScorer(BrightnessDetector(), SquareFinder())
    results = []
    for frame in (kept, replace(kept, frame="frame.png")):
        video = PreparedVideo(record("a.mp4", "video"), (frame,), without_face=(3,))
        results.append(scorer.score_record(video.record, prepared_frames(tmp_path, video, frames=8)))
    direct = BrightnessDetector().score([crop_face(pixels, np.array(box, np.float32), scorer.detector.crop).image])
    for result in results:
        assert [row["frame_index"] for row in result.rows] == [3, 7]
        assert result.rows[0]["not_scored"].startswith("no face")
        assert result.rows[1]["score"] == pytest.approx(direct[0].score, abs=1e-6)
    gone = PreparedVideo(record("b.mp4", "video"), problem="no such file")
    assert scorer.score_record(gone.record, prepared_frames(tmp_path, gone, frames=8)).rows[0]["not_scored"]


def test_face_size_is_that_of_the_source(tmp_path):
    Image.fromarray(scene(DARK)).save(tmp_path / "crop.png")
    frame = PreparedFrame(0, 0.0, (10.0, 5.0, 30.0, 25.0), (0, 0, 40, 30), crop="crop.png")
    video = PreparedVideo(record("a.mp4", "video"), (frame,))
    scorer = FaceScorer(BrightnessDetector(), SquareFinder())
    found = scorer.score_record(video.record, prepared_frames(tmp_path, video, frames=8))
    assert found.rows[0]["not_scored"].startswith("face too small: 20 px")


def test_a_detector_that_gives_no_numbers_is_stopped(tmp_path):
    class Broken(BrightnessDetector):
        def score(self, crops):
            return [replace(s, score=float("nan")) for s in super().score(crops)]

    save_picture(tmp_path / "a.png", DARK)
    with pytest.raises(FacewitnessError, match="not numbers"):
        scored(tmp_path, record("a.png"), detector=Broken())


def test_small_things():
    assert identity_of(record("a", sources=("071",))) == "071"
    assert identity_of(record("a")) == ""
    with pytest.raises(ConfigError, match="at least 1"):
        ScoringRule(frames=0)
