"""`facewitness analyze` with synthetic people: what is printed, what is written, how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facewitness import pipeline
from facewitness.cli.main import main
from facewitness.cli.media_paths import expand
from facewitness.detectors import DETECTORS
from facewitness.registry import Entry
from unit.pipeline.pipeline_fakes import (
    FAKE_GREY,
    REAL_GREY,
    BrightnessDetector,
    SquareFinder,
    save_clip,
    save_picture,
    scene,
)

USE = ["--detector", "brightness"]


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def folder(tmp_path):
    media = tmp_path / "media"
    (media / "inner").mkdir(parents=True)
    (media / ".hidden").mkdir()
    save_picture(media / "fake.png", (40, 50, 120, FAKE_GREY))
    save_picture(media / "inner" / "real.jpg", (40, 50, 120, REAL_GREY))
    save_picture(media / ".hidden" / "real.png", (40, 50, 120, REAL_GREY))
    save_picture(media / "nobody.png")
    (media / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    (media / "notes.txt").write_text("not media")
    save_picture(media / "inner" / "no_name.png", (40, 50, 120, FAKE_GREY)).rename(media / "inner" / "picture")
    return media


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def labels(records):
    return {Path(r["media"]["path"]).name: r["verdict"]["label"] for r in records}


def test_paths_folder_glob_and_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found, none = expand([str(folder)])
    assert [p.relative_to(folder).as_posix() for p in found] == [
        "broken.jpg", "fake.png", "nobody.png", "inner/picture", "inner/real.jpg",
    ]  # fmt: skip
    assert none == []
    assert [p.name for p in expand(["**/*.jpg"])[0]] == ["broken.jpg", "real.jpg"]
    assert [p.name for p in expand([str(folder / "*.png"), "fake.png", str(folder / "fake.png")])[0]] == [
        "fake.png", "nobody.png", "fake.png",
    ]  # fmt: skip
    assert expand(["absent.jpg", "*.webp", "notes.txt"]) == (
        [Path("absent.jpg"), Path("notes.txt")],
        ["*.webp: no picture or video there"],
    )
    odd = save_picture(folder / "a[1].png")
    assert expand([str(odd)])[0] == [odd]


def test_paths_that_python_refuses_to_look_at(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert expand([""]) == ([], ["'': no picture or video there"])
    long_name = "a" * 5000
    assert expand([long_name])[0] == [Path(long_name)]
    assert expand([f"{long_name}/*.jpg"])[0] == []
    assert expand(["a\0b"])[0] == [Path("a\0b")]


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    from facewitness.cli import media_paths

    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", f"{top}/locked"))
        yield str(top), [], ["fake.png"]

    monkeypatch.setattr(media_paths.os, "walk", walk)
    files, complaints = expand([str(folder)])
    assert files == [folder / "fake.png"]
    assert complaints == [f"{folder}/locked: this folder cannot be read (Permission denied)"]


def test_json_lines_for_a_folder(folder, capsys):
    assert main(["analyze", str(folder), "--json", *USE]) == 0
    captured = capsys.readouterr()
    assert labels(lines_of(captured.out)) == {
        "broken.jpg": "NOT_SCORED",
        "fake.png": "FAKE",
        "nobody.png": "NOT_SCORED",
        "picture": "FAKE",
        "real.jpg": "REAL",
    }
    assert captured.err == ""


def test_text_says_verdict_score_file_and_why(folder, capsys):
    assert main(["analyze", str(folder / "fake.png"), *USE]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "Traces of forgery found in this face" in words
    assert "About 5 in 100 real faces of the comparison set reach this line too; this is a statistical" in words
    assert main(["analyze", str(folder / "fake.png"), str(folder / "broken.jpg"), *USE]) == 0
    shown = capsys.readouterr().out
    assert "FAKE" in shown
    assert "0.92" in shown
    assert "fake.png" in shown
    assert "which 5 % of real faces reach in its comparison set. Expert for blended faces. Strongest on" in shown
    assert all(line == line.rstrip() for line in shown.splitlines())
    assert "NOT_SCORED" in shown
    assert "2 files: 1 FAKE, 1 NOT_SCORED" in shown


def test_text_without_explanation_or_for_several_faces_gives_the_reason(tmp_path, capsys):
    one = save_picture(tmp_path / "one.png", (40, 50, 120, FAKE_GREY))
    two = save_picture(tmp_path / "two.png", (10, 50, 120, FAKE_GREY), (180, 50, 80, REAL_GREY))
    main(["analyze", str(one), "--no-explain", *USE])
    assert "Score 0.92 is at or above 0.80, which 5 % of real faces reach" in capsys.readouterr().out
    main(["analyze", str(two), *USE])
    words = " ".join(capsys.readouterr().out.split())
    assert "Face 1 of 2 decides. Traces of forgery found" in words
    assert "Face 2: REAL. Score 0.08 is below 0.30" in words


def test_exit_code_is_1_when_nothing_was_scored(folder, capsys):
    assert main(["analyze", str(folder / "nobody.png"), *USE]) == 1
    assert main(["analyze", str(folder / "absent.png"), *USE]) == 1
    assert main(["analyze", str(folder / "*.webp"), *USE]) == 1
    assert "no picture or video there" in capsys.readouterr().err
    assert main(["analyze", str(folder / "inner" / "real.jpg"), *USE]) == 0


def test_options_reach_the_detector_and_the_protocol(tmp_path, capsys, monkeypatch):
    made = {}

    def create(**settings):
        made.update(settings)
        return BrightnessDetector()

    monkeypatch.setattr("unit.pipeline.pipeline_fakes.create", create)
    clip = save_clip(tmp_path / "a.mp4", [scene((40, 50, 120, FAKE_GREY))] * 20)
    weights = tmp_path / "w.onnx"
    options = ["--frames", "5", "--operating-point", "fpr=0.01", "--no-explain", "--precision", "f32", "--threads", "1"]
    assert main(["analyze", str(clip), "--json", "--weights", str(weights), "--device", "CPU", *options, *USE]) == 0
    record = lines_of(capsys.readouterr().out)[0]
    assert made == {"weights": weights, "device": "CPU", "precision": "f32", "threads": 1}
    assert (record["protocol"]["frames"], record["protocol"]["sampling"]) == (5, "uniform n=5")
    assert record["verdict"]["operating_point"]["threshold"] == 0.95
    assert record["faces"][0]["findings"][0]["explanation"] is None
    assert record["faces"][0]["findings"][0]["stability"] == {}
    assert main(["analyze", str(clip), "--json", *options, "--stability", *USE]) == 0
    finding = lines_of(capsys.readouterr().out)[0]["faces"][0]["findings"][0]
    assert (finding["explanation"], len(finding["stability"])) == (None, 5)


def test_html_and_overlay(folder, tmp_path, capsys):
    page, drawn = tmp_path / "report.html", tmp_path / "drawn"
    assert main(["analyze", str(folder), "--html", str(page), "--overlay", str(drawn), *USE]) == 0
    capsys.readouterr()
    text = page.read_text(encoding="utf-8")
    assert "fake.png" in text
    assert "broken.jpg" in text
    assert "data:image/" in text
    names = sorted(path.name for path in drawn.iterdir())
    assert len(names) == 3
    assert names[0].startswith("fake-")
    assert not any(name.endswith(".part") for name in names)


def test_output_resumes_by_content(folder, tmp_path, capsys):
    output = tmp_path / "results.jsonl"
    assert main(["analyze", str(folder / "fake.png"), "-o", str(output), *USE]) == 0
    first = output.read_bytes()
    assert main(["analyze", str(folder), "-o", str(output), "--resume", *USE]) == 0
    captured = capsys.readouterr()
    assert "1 of 5 files are in the output already" in captured.err
    assert output.read_bytes().startswith(first)
    records = lines_of(output.read_text())
    assert len(records) == 5
    assert labels(records)["picture"] == "FAKE"  # the content of fake.png again, but a file of its own
    assert main(["analyze", str(folder), "-o", str(output), "--resume", *USE]) == 0
    assert "5 of 5" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


def test_output_survives_an_interruption(folder, tmp_path, capsys, monkeypatch):
    output = tmp_path / "results.jsonl"
    output.write_text("the old results\n")
    count = {"left": 2}
    inner = pipeline.Analyzer.examine

    def interrupted(self, path):
        if not count["left"]:
            raise KeyboardInterrupt
        count["left"] -= 1
        return inner(self, path)

    monkeypatch.setattr(pipeline.Analyzer, "examine", interrupted)
    assert main(["analyze", str(folder), "-o", str(output), *USE]) == 130
    assert "interrupted after 2 of 5 files; the same command with --resume goes on" in capsys.readouterr().err
    assert output.read_text() == "the old results\n"
    count["left"] = 99
    assert main(["analyze", str(folder), "-o", str(output), "--resume", *USE]) == 0
    assert "2 of 5 files are in the output already" in capsys.readouterr().err
    assert sorted(labels(lines_of(output.read_text()))) == [
        "broken.jpg",
        "fake.png",
        "nobody.png",
        "picture",
        "real.jpg",
    ]


def test_other_settings_are_not_taken_for_done(folder, tmp_path, capsys, monkeypatch):
    output = tmp_path / "results.jsonl"
    main(["analyze", str(folder / "fake.png"), "-o", str(output), *USE])
    again = ["analyze", str(folder / "fake.png"), "-o", str(output), "--resume", *USE]
    main([*again, "--operating-point", "fpr=0.01"])
    assert "already" not in capsys.readouterr().err
    points = [record["verdict"]["operating_point"]["threshold"] for record in lines_of(output.read_text())]
    assert points == [0.8, 0.95]
    main(again)
    assert "1 of 1" in capsys.readouterr().err
    main([*again, "--no-stability"])
    assert "already" not in capsys.readouterr().err
    monkeypatch.setattr(BrightnessDetector, "weights_sha256", "1" * 64)
    main(again)
    assert "already" not in capsys.readouterr().err
    assert len(lines_of(output.read_text())) == 4


def test_resume_with_a_file_that_cannot_be_read(folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "results.jsonl"
    main(["analyze", str(folder / "fake.png"), "-o", str(output), *USE])
    monkeypatch.setattr("facewitness.cli.analysis_run.sha256_of", lambda path: path.open("x").read())
    assert main(["analyze", str(folder / "nobody.png"), "-o", str(output), "--resume", *USE]) == 1
    assert labels(lines_of(output.read_text())) == {"fake.png": "FAKE", "nobody.png": "NOT_SCORED"}


@pytest.mark.parametrize("option", ["--html", "--output"])
@pytest.mark.usefixtures("folder")
def test_outputs_are_checked_before_the_work(tmp_path, monkeypatch, capsys, option):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for place in ("nowhere/r", "pipe", "media"):
        assert main(["analyze", "media", option, place, *USE]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(f"facewitness: cannot write {place}")
        assert captured.out == ""
    assert Path("pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["media", "pipe"]


def test_overlay_of_a_file_with_a_very_long_name(tmp_path, capsys):
    picture = save_picture(tmp_path / ("\u00e4" * 125 + ".png"), (40, 50, 120, FAKE_GREY))
    assert main(["analyze", str(picture), "--overlay", str(tmp_path / "drawn"), *USE]) == 0
    capsys.readouterr()
    assert next((tmp_path / "drawn").iterdir()).name.startswith("\u00e4" * 60 + "-")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_is_one_line_and_1(options):
    code = f"import sys; from facewitness.cli.main import main; sys.exit(main(['list', *{options}]))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("facewitness: [Errno 28] No space left on device; check")
    assert done.stderr.count("\n") == 1


def test_termination_leaves_no_pictures_behind(folder, tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(kept))

    def terminated(_self, _path):
        assert [*kept.iterdir()]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pipeline.Analyzer, "examine", terminated)
    assert main(["analyze", str(folder), "--html", str(tmp_path / "r.html"), *USE]) == 128 + signal.SIGTERM
    assert [*kept.iterdir()] == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_resume_needs_output(folder):
    assert main(["analyze", str(folder), "--resume", *USE]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes are a Linux matter")
def test_odd_file_names_harm_neither_terminal_nor_json(tmp_path, capsys):
    picture = save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY)).read_bytes()
    names = [b"esc\x1b[2J[bold]x.png", b"latin\xe4.png", b"two\nlines.png"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd-" + name)).write_bytes(picture)
    pattern = str(tmp_path / "odd-*")
    assert main(["analyze", pattern, *USE]) == 0
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[bold]x.png" in shown
    assert main(["analyze", pattern, "--json", *USE]) == 0
    assert len(lines_of(capsys.readouterr().out)) == 3
