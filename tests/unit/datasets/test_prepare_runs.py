"""Whole runs of the preparation: kills, refusals, broken files, room on the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from facewitness.cli.main import main
from facewitness.datasets.prepare import places, pool
from facewitness.datasets.prepare.runner import WITHOUT_FACES, prepare
from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.prepared import INDEX_FILE, Missing, open_prepared
from facewitness.errors import ConfigError
from facewitness.media.audio import read_audio
from facewitness.media.images import read_image
from facewitness.media.video import probe_video
from unit.datasets.prepare_sets import SIZE, die_on_b, hashes, make_set, moving, record, write_video

SETTINGS = PrepareSettings(frames=4, size=64, clip_side=64)
STEPS = ("frames", "crops", "landmarks", "align", "audio", "clips")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    return root, make_set(root)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The set prepared in one go, in this process."""
    root, records = source
    before = hashes(root)
    out = tmp_path_factory.mktemp("out") / "prepared"
    summary = prepare(records, root, out, SETTINGS, STEPS, split="train", workers=1)
    assert hashes(root) == before
    return out, summary


def test_everything_is_made_and_named(whole):
    out, summary = whole
    found = open_prepared(out, needs=STEPS, fingerprint=SETTINGS.fingerprint)
    by_path = {video.record.path: video for video in found.videos}
    assert list(by_path) == sorted(by_path, key=lambda path: by_path[path].record.video_id)
    good = by_path["real/a.mp4"]
    assert [frame.frame_index for frame in good.frames] == [0, 2, 3, 5]
    for frame in good.frames:
        assert read_image(out / frame.crop).pixels.shape == (64, 64, 3)
        assert read_image(out / frame.frame).pixels.shape == (SIZE[1], SIZE[0], 3)
        assert read_image(out / frame.aligned).pixels.shape == (64, 64, 3)
        x0, y0, x1, y1 = frame.crop_box
        assert x1 - x0 == y1 - y0
        assert 0 <= x0 < x1 <= SIZE[0]
        assert 0 <= y0 < y1 <= SIZE[1]
        points = np.asarray(frame.landmarks)
        assert points.shape == (81, 2)
        assert ((points > 0) & (points < 64)).all()
        level = np.asarray(frame.aligned_landmarks)
        assert abs(level[39, 1] - level[42, 1]) <= 1
    assert summary.problems[0][0] == "fake/broken.mp4"
    assert by_path["fake/broken.mp4"].problem
    assert "/" not in by_path["fake/broken.mp4"].problem.split(":")[0]
    assert not by_path["fake/broken.mp4"].frames


def test_no_face_is_listed(whole):
    out, summary = whole
    assert summary.videos_without_face == 1
    rows = (out / WITHOUT_FACES).read_text().splitlines()
    assert rows[1:] == ["real/empty,real/empty.png,0,1,0"]


def test_sound_and_silence(whole):
    out, summary = whole
    videos = {video.record.path: video for video in open_prepared(out).videos}
    sound = read_audio(out / videos["real/a.mp4"].audio)
    assert (sound.source_rate_hz, sound.channels, sound.codec) == (16000, 1, "pcm_s16le")
    assert sound.duration_s == pytest.approx(0.24, abs=0.1)
    crossings = np.count_nonzero(np.diff(np.signbit(sound.samples[800:3200])))
    assert crossings / 2 / 0.15 == pytest.approx(440, rel=0.05)
    assert videos["fake/b.mp4"].audio == ""
    assert any(path == "fake/b.mp4" and note.startswith("no sound") for path, note in summary.notes)


def test_clip_has_every_frame_at_its_pace(whole):
    out, _ = whole
    videos = {video.record.path: video for video in open_prepared(out).videos}
    info = probe_video(out / videos["real/a.mp4"].clip)
    assert (info.frames, info.width, info.height) == (6, 64, 64)
    assert info.fps == pytest.approx(25)
    assert videos["real/c.png"].clip == ""


KILLED = """
import json, sys, time
from pathlib import Path
from facewitness.datasets.prepare import one_video, runner
from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.records import Record

root, out, log = map(Path, sys.argv[1:4])
records = [Record.from_dict(values) for values in json.loads(sys.argv[4])]
written = one_video.write_file
count = 0
def slow(path, data):
    global count
    count += 1
    size = written(path, data)
    log.write_text(str(count))
    if count == 21:  # in the middle of the second video
        (path.parent / ".half.png.part").write_bytes(b"half")
        time.sleep(60)
    return size
one_video.write_file = slow
settings = PrepareSettings(frames=4, size=64, clip_side=64)
runner.prepare(records, root, out, settings, sys.argv[5].split(","), split="train", workers=1)
"""


def test_kill_and_resume_gives_the_same_files(source, whole, tmp_path):
    root, records = source
    out, log = tmp_path / "killed", tmp_path / "log"
    listed = json.dumps([entry.to_dict() for entry in records])
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(root), str(out), str(log), listed, ",".join(STEPS)])
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_text() == "21"):
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    done = len(list((out / places.STATE).rglob("*.json")))
    assert 0 < done < len(records)
    with pytest.raises(ConfigError, match="no finished prepared data"):
        open_prepared(out)
    summary = prepare(records, root, out, SETTINGS, STEPS, split="train", workers=1)
    assert summary.reused == done
    assert hashes(out) == hashes(whole[0])


def test_killed_parent_takes_its_processes_along(source, whole, tmp_path):
    root, records = source
    out = tmp_path / "pool"
    program = (
        "import json, sys\nfrom pathlib import Path\n"
        "from facewitness.datasets.prepare.runner import prepare\n"
        "from facewitness.datasets.prepare.settings import PrepareSettings\n"
        "from facewitness.datasets.records import Record\n"
        "if __name__ == '__main__':\n"
        "    records = [Record.from_dict(v) for v in json.loads(sys.argv[3])]\n"
        "    settings = PrepareSettings(frames=4, size=64, clip_side=64)\n"
        "    prepare(records, Path(sys.argv[1]), Path(sys.argv[2]), settings, sys.argv[4].split(','), split='train',"
        " workers=2, on_video=lambda _: print('one', flush=True))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(program)
    listed = json.dumps([entry.to_dict() for entry in records])
    command = [sys.executable, str(script), str(root), str(out), listed, ",".join(STEPS)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "one\n"
    os.kill(child.pid, signal.SIGKILL)
    child.stdout.read()  # ends only when every process that could write to it is gone
    child.wait()
    child.stdout.close()
    prepare(records, root, out, SETTINGS, STEPS, split="train", workers=2)
    assert hashes(out) == hashes(whole[0])


def test_a_file_that_kills_its_process_is_noted(source, tmp_path, monkeypatch):
    root, records = source
    monkeypatch.setattr(pool, "_work", die_on_b)  # pickled by name, so that the processes import it
    summary = prepare(records[:4], root, tmp_path / "out", SETTINGS, ["crops"], workers=2)
    problems = dict(summary.problems)
    assert problems["fake/b.mp4"].startswith("the process that worked on it died")
    assert set(problems) == {"fake/b.mp4", "fake/broken.mp4"}
    assert summary.frames == 5


def test_second_run_makes_nothing_anew(source, whole):
    root, records = source
    out, _ = whole
    good = [entry for entry in records if "broken" not in entry.path]
    before = {path: path.stat().st_mtime_ns for path in (out / "crops").rglob("*.png")}
    summary = prepare(records, root, out, SETTINGS, STEPS, split="train", workers=1)
    assert summary.reused == len(good)
    assert {path: path.stat().st_mtime_ns for path in (out / "crops").rglob("*.png")} == before


def test_more_steps_and_other_splits_join(source, tmp_path):
    root, records = source
    out = tmp_path / "out"
    pictures = [records[3], records[4]]
    prepare(pictures, root, out, SETTINGS, ["crops"], split="train", workers=1)
    prepare(pictures, root, out, SETTINGS, ["landmarks"], split="train", workers=1)
    assert open_prepared(out, needs=["landmarks"]).videos[0].frames[0].landmarks
    extra = [record("real/a.mp4", split="test")]
    prepare(extra, root, out, SETTINGS, ["crops"], split="test", workers=1)
    assert [video.record.split for video in open_prepared(out).videos] == ["test", "train", "train"]
    prepare(pictures, root, out, SETTINGS, ["crops"], workers=1)
    assert len(open_prepared(out).videos) == 2


def test_what_was_not_there_stays_known_by_split(source, tmp_path):
    root, records = source
    out = tmp_path / "out"
    test = [record("real/a.mp4", split="test")]
    prepare([records[3]], root, out, SETTINGS, ["crops"], split="train", missing=["x.mp4", "y/"], workers=1)
    prepare(test, root, out, SETTINGS, ["landmarks"], split="test", missing=["z.mp4"], workers=1)
    found = open_prepared(out)
    assert found.missing == {"train": Missing(2, ("x.mp4", "y/")), "test": Missing(1, ("z.mp4",))}
    prepare([records[3]], root, out, SETTINGS, ["crops"], split="train", workers=1)  # made whole since
    assert open_prepared(out).missing_of() == Missing(1, ("z.mp4",))
    prepare([records[3], *test], root, out, SETTINGS, ["crops"], missing=["w.mp4"], workers=1)
    assert open_prepared(out).missing == {"": Missing(1, ("w.mp4",))}


def test_changed_source_is_made_anew(tmp_path):
    root = tmp_path / "set"
    write_video(root / "a.mp4", moving(3))
    prepare([record("a.mp4")], root, tmp_path / "out", SETTINGS, ["crops"], workers=1)
    write_video(root / "a.mp4", moving(6))
    summary = prepare([record("a.mp4")], root, tmp_path / "out", SETTINGS, ["crops"], workers=1)
    assert (summary.reused, summary.frames) == (0, 4)
    assert len(list((tmp_path / "out/crops").rglob("*.png"))) == 4


def test_other_settings_are_refused_with_both_fingerprints(source, whole):
    root, records = source
    other = PrepareSettings(frames=5, size=64, clip_side=64)
    with pytest.raises(ConfigError) as caught:
        prepare(records, root, whole[0], other, STEPS)
    for part in (SETTINGS.fingerprint, other.fingerprint, "frames 4 there, 5 here"):
        assert part in str(caught.value)
    with pytest.raises(ConfigError, match="holds made, not other"):
        prepare([record("real/c.png", dataset="other")], root, whole[0], SETTINGS, STEPS)


def test_fingerprint_covers_what_decides_and_nothing_else():
    assert "face_models" in SETTINGS.to_dict()
    assert PrepareSettings().fingerprint == PrepareSettings().fingerprint
    for change in ({"frames": 3}, {"margin_ratio": 1.3}, {"sampling": "official"}, {"picture": "jpeg"}):
        assert PrepareSettings(**change).fingerprint != PrepareSettings().fingerprint


def test_refuses_to_write_into_the_source(source, tmp_path):
    root, records = source
    for out in (root, root / "prepared", root / "real" / ".." / "x"):
        with pytest.raises(ConfigError, match="never written to"):
            prepare(records, root, out, SETTINGS, ["crops"])
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").touch()
    with pytest.raises(ConfigError, match="not empty and holds no prepared data"):
        prepare(records, root, full, SETTINGS, ["crops"])


def test_refuses_twins_and_nothing(source, tmp_path):
    root, _ = source
    twins = [record("real/a.mp4", video_id="x"), record("fake/b.mp4", video_id="x")]
    with pytest.raises(ConfigError, match="video id 'x' occurs twice"):
        prepare(twins, root, tmp_path / "o", SETTINGS, ["crops"])
    with pytest.raises(ConfigError, match="nothing to prepare"):
        prepare([], root, tmp_path / "o", SETTINGS, ["crops"])


def test_one_run_at_a_time(source, tmp_path):
    pytest.importorskip("fcntl")
    root, records = source
    with (
        places.only_run(tmp_path / "out"),
        pytest.raises(ConfigError, match="another run is preparing"),
    ):
        prepare(records, root, tmp_path / "out", SETTINGS, ["crops"])


Usage = namedtuple("Usage", "total used free")


def test_stops_before_the_disk_is_full(source, tmp_path, monkeypatch):
    root, records = source
    out = tmp_path / "out"
    free = [2 << 30]
    monkeypatch.setattr(places.shutil, "disk_usage", lambda _: Usage(4 << 30, 0, free[0]))

    def fill(_):
        free[0] = (1 << 29) + 1000

    said = r"512\.0 MiB free, expected 0\.\d MiB needed for the videos in work and 512\.0 MiB that stay unused"
    with pytest.raises(ConfigError, match=said):
        prepare(records, root, out, SETTINGS, ["crops"], workers=1, on_video=fill)
    free[0] = 0
    with pytest.raises(ConfigError, match=r"has 0\.0 MiB free, expected .*512\.0 MiB that stay unused; make room"):
        prepare(records, root, out, SETTINGS, ["crops"], workers=1)
    assert not (out / INDEX_FILE).exists()
    free[0] = 2 << 30
    assert prepare(records, root, out, SETTINGS, ["crops"], workers=1).reused == 2


def test_estimates_the_room_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(places.shutil, "disk_usage", lambda _: Usage(0, 0, 3 << 30))
    with pytest.raises(ConfigError, match="at the very least"):
        places.SpaceGuard(tmp_path, 10, 4 << 30)
    guard = places.SpaceGuard(tmp_path, 1000, 0)
    for _ in range(15):
        guard.add(5 << 20)
    with pytest.raises(ConfigError, match="984 videos left, going by the first ones"):
        guard.add(5 << 20)


def test_verb(source, tmp_path, capsys):
    root, _ = source
    out = tmp_path / "out"
    common = ["prepare", "folder", str(root), "--out", str(out), "--frames", "2", "--size", "48", "--workers", "1"]
    assert main([*common, "--json", "--laa-json", "--steps", "align"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["videos"], len(summary["problems"]), summary["videos_without_face"]) == (5, 1, 1)
    assert all((out / name).is_file() for name in summary["laa_json"])
    assert main(common) == 0
    shown = capsys.readouterr().out
    assert "videos and pictures  5 (4 of them by an earlier run)" in shown
    assert "not usable: fake/broken.mp4" in shown
    assert main(["prepare", f"folder:{root}", "--out", str(out), "--frames", "3"]) == 1
    assert "prepared with other settings" in capsys.readouterr().err
    assert main(["prepare", "folder", str(root), "--out", str(tmp_path / "o"), "--option", "x=1"]) == 1
    assert "has no option 'x'" in capsys.readouterr().err
    assert main(["prepare", "folder", str(root), "--out", str(tmp_path / "o"), "--steps", "crop"]) == 1
    assert "steps must be some of frames, crops" in capsys.readouterr().err
    assert not Path(tmp_path / "o").exists()
