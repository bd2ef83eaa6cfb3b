"""`facewitness evaluate` on synthetic squares: numbers, files, going on, errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.evaluation.compat import COMPAT
from facewitness.evaluation.score_table import ScoreTable
from facewitness.registry import Entry
from unit.house.house_paths import ROOT
from unit.pipeline.pipeline_fakes import SquareFinder, save_clip, save_picture, scene

KEYS = {"auc", "auc_low", "auc_high", "ap", "eer", "fpr_on_real", "n_real", "n_fake", "not_scored"}
MACHINE = ["--detector", "brightness", "--resamples", "40"]


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr("facewitness.cli.evaluation_run.FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))


@pytest.fixture
def data(tmp_path):
    """Reals from dark to middling, fakes from middling to bright, videos, a cut-off file, one without a face."""
    root = tmp_path / "data"
    for name, greys in (("real", range(10, 58, 4)), ("fake", range(150, 246, 8))):
        (root / name / "swap").mkdir(parents=True)
        for i, grey in enumerate(greys):
            save_picture(root / name / "swap" / f"{i:02}.png", (60, 40, 80, grey))
        save_clip(root / name / "clip.mp4", [scene((60 + i, 40, 80, greys[3])) for i in range(6)])
        (root / name / "broken.jpg").write_bytes(b"\xff\xd8\xff cut off")
    save_picture(root / "real" / "bright.png", (60, 40, 80, 228))
    save_picture(root / "real" / "nobody.png")
    return root


def folders(root):
    return ["evaluate", "--real", str(root / "real"), "--fake", str(root / "fake"), *MACHINE]


def printed(capsys):
    shown, errors = capsys.readouterr()
    return json.loads(shown), errors


def test_one_json_object_for_plain_folders(data, capsys):
    assert main([*folders(data), "--json"]) == 0
    shown, errors = capsys.readouterr()
    assert shown.count("\n") == 1
    assert errors == ""
    found = json.loads(shown)
    assert set(found) >= KEYS
    assert (found["n_real"], found["n_fake"], found["not_scored"]) == (14, 13, 3)
    assert found["reasons"] == {"cannot be read": 2, "no face": 1}
    # one real of 228 outranks the fakes of 150 to 222: ten pictures and the clip
    assert found["auc"] == pytest.approx(1 - 11 / (14 * 13), abs=1e-9)
    assert found["auc_low"] <= found["auc"] <= found["auc_high"]
    assert found["fpr_on_real"] == pytest.approx(1 / 14)
    assert found["threshold"] == found["operating_point"]["threshold"] == 0.8
    assert [one["name"] for one in found["controls"]] == ["spectrum", "file", "thumbnail"]
    assert all("words" in one for one in found["controls"])
    protocol = found["protocol"]
    assert protocol["weights_sha256"] == "0" * 64
    assert protocol["threshold_from"] == "fpr=0.05, synthetic squares"
    assert protocol["missing_face"] == "abstain"
    assert protocol["versions"]["numpy"] == np.__version__
    assert [(one["real"], one["fake"]) for one in found["data"]] == [(16, 0), (0, 14)]
    assert all(re.fullmatch("[0-9a-f]{64}", one["list_sha256"]) for one in found["data"])


def test_table_says_what_matters(data, capsys):
    assert main([*folders(data), "--compat", "sbi", "--level", "frame"]) == 0
    shown, _ = capsys.readouterr()
    lines = shown.splitlines()
    assert lines[1].split()[:2] == ["level", "AUC"]
    assert lines[2].startswith("frame")
    assert "0.940 [" in lines[3]
    for words in ("thumbnail", "without any forensics", "as sbi would report", "1 no face", "chosen elsewhere"):
        assert words in shown
    assert "list " in lines[-1]


def test_files_and_going_on(data, capsys, tmp_path):
    out = tmp_path / "out"
    assert main([*folders(data), "--out", str(out), "--json"]) == 0
    first, _ = printed(capsys)
    document = json.loads((out / "results.json").read_text())
    assert {name: document[name] for name in first} == first
    assert document["result"]["video"]["n_real"] == 14
    assert document["curves"]["roc"][0] == [0.0, 0.0]
    assert document["curves"]["roc"][-1] == [1.0, 1.0]
    assert sum(document["curves"]["histogram"]["real"]) == 14
    assert sum(row["count"] for row in document["curves"]["reliability"]) == 27
    table = ScoreTable.read(out / "scores.parquet")
    assert len(table) == 30 - 2 + 12
    lines = (out / "scores" / "records.jsonl").read_text().splitlines()
    assert len(lines) == 30
    (out / "scores" / "records.jsonl").write_text("\n".join(lines[:11]))  # the eleventh without its newline
    assert main([*folders(data), "--out", str(out), "--json"]) == 0
    assert printed(capsys)[0] == first
    assert main([*folders(data), "--out", str(out), "--frames", "3"]) == 1
    assert "with frames = 32, now it is 3" in capsys.readouterr().err


def test_page_needs_nothing_from_outside(data, tmp_path):
    (data / "real" / "<script>alert(1).png").write_bytes(b"x")
    (data / "fake" / "<b>").mkdir()
    save_picture(data / "fake" / "<b>" / "a.png", (60, 40, 80, 240))
    compat = [part for name in COMPAT for part in ("--compat", name)]
    assert main([*folders(data), "--out", str(tmp_path), *compat]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:|//)|url\(|@import|<script|<b>a|<img", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") == 4
    assert "&lt;b&gt;" in page
    for words in ("What needs no forensics", "By manipulation", "How it was measured", "Hash of the list"):
        assert words in page
    assert "prefers-color-scheme: dark" in page
    assert "None" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).replace("missing", "")


def test_groups_by_manipulation_and_data_set(data, capsys, tmp_path):
    other = tmp_path / "other"
    for name, grey in (("real", 30), ("fake", 140)):
        (other / name).mkdir(parents=True)
        for i in range(3):
            save_picture(other / name / f"{i}.png", (60, 40, 80, grey + 8 * i))
    specs = [f"folder:{data}", f"folder:{other}"]
    assert main(["evaluate", "--data", *specs, *MACHINE, "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [one["spec"] for one in document["data"]] == specs
    assert document["n_real"] == 17


def test_csv_where_parquet_is_missing(data, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main([*folders(data), "--out", str(tmp_path), "--json"]) == 0
    found, errors = printed(capsys)
    assert "pyarrow" in errors
    assert not (tmp_path / "scores.parquet").exists()
    assert len(ScoreTable.read(tmp_path / "scores.csv")) == 40
    assert found["n_fake"] == 13


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--pooling", "best"], "pooling must be one of"),
        (["--missing-face", "guess"], "missing_face must be one of"),
        (["--compat", "nobody"], "no project is called 'nobody'"),
        (["--operating-point", "fpr=0.2"], "no operating point 'fpr=0.2'"),
        (["--precision", "f16"], "--precision must be one of"),
        (["--data", "folders:x"], "no data set is called 'folders'"),
        (["--detector", "unknown"], "no detector is called 'unknown'"),
    ],
)
def test_errors_are_one_line_before_anything_is_scored(data, extra, message, capsys):
    assert main([*folders(data), *extra]) == 1
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert message in errors
    assert errors.count("\n") == 1


def test_one_class_is_said(data, tmp_path, capsys):
    assert main(["evaluate", "--real", str(data / "real"), *MACHINE]) == 1
    assert "no fake ones were named" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["evaluate", "--real", str(data / "real"), "--fake", str(tmp_path / "empty"), *MACHINE]) == 1
    assert "no pictures or videos in it" in capsys.readouterr().err
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    assert main(["evaluate", "--real", str(data / "real"), "--fake", str(tmp_path / "bad"), *MACHINE, "--json"]) == 1
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert "both reals and fakes must be scored, got 0 fake" in errors


def test_rules_change_the_numbers(data, capsys):
    numbers = []
    for extra in ([], ["--threshold", "0.2"], ["--missing-face", "0.5"], ["--limit", "3"], ["--flip"]):
        assert main([*folders(data), "--json", *extra]) == 0
        numbers.append(printed(capsys)[0])
    plain, low, filled, few, flipped = numbers
    assert low["fpr_on_real"] > plain["fpr_on_real"]
    assert low["protocol"]["threshold_from"].startswith("not measured")
    assert (filled["n_real"], filled["n_fake"], filled["not_scored"]) == (16, 14, 0)
    assert few["n_real"] + few["n_fake"] + few["not_scored"] == 6
    assert flipped["auc"] == plain["auc"]
    assert flipped["protocol"]["flip"] is True


def test_core_install_needs_neither_torch_nor_pyarrow(data):
    code = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['torch', 'pyarrow', 'h5py', 'sklearn', 'lightning']))\n"
        "from unit.pipeline.pipeline_fakes import SquareFinder\n"
        "import facewitness.cli.evaluation_run as run\n"
        "from facewitness.cli.main import main\n"
        "from facewitness.detectors import DETECTORS\n"
        "from facewitness.registry import Entry\n"
        "run.FaceFinder = SquareFinder\n"
        "DETECTORS.add('brightness', Entry('unit.pipeline.pipeline_fakes:create', 'x'))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, *folders(data), "--json", "--limit", "6"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "tests")}, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) >= KEYS


def test_few_videos_are_said_to_be_few(data, capsys, tmp_path):
    out = tmp_path / "out"
    assert main([*folders(data), "--limit", "5", "--out", str(out), "--json"]) == 0
    few = printed(capsys)[0]["few"]
    assert few == "only 4 real and 5 fake videos: too few for an interval of the AUC to mean much"
    assert main([*folders(data), "--limit", "5", "--out", str(out)]) == 0
    assert few in " ".join(capsys.readouterr().out.split())
    assert f"{few[1:]}." in (out / "report.html").read_text(encoding="utf-8")
    assert main([*folders(data), "--json"]) == 0
    assert printed(capsys)[0]["few"].endswith("so that the interval means little: not named")  # of one clip
    (data / "fake" / "clip.mp4").unlink()
    assert main([*folders(data), "--json"]) == 0
    assert printed(capsys)[0]["few"] == ""


@pytest.mark.parametrize(("real", "fake"), [("real", "real"), ("real", "."), ("fake/swap", "fake"), ("r", "real/swap")])
def test_a_file_is_not_real_and_fake_at_once(data, capsys, real, fake):
    (data / "r").symlink_to(data / "real")
    assert main(["evaluate", "--real", str(data / real), "--fake", str(data / fake), *MACHINE]) == 1
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert re.search(r"--real .* and --fake .* share \d+ files, first .*; give two folders", errors)


def test_what_a_list_names_and_the_folder_lacks_is_said(data, capsys, tmp_path):
    rows = [("real/swap/00.png", 0), ("real/swap/01.png", 0), ("fake/swap/00.png", 1), ("fake/swap/01.png", 1)]
    lost = [("fake/swap/99.png", 1), ("nowhere/1.png", 1), ("nowhere/2.png", 1)]
    table = "".join(f"{name},{label}\n" for name, label in [*rows, *lost])
    (data / "list.csv").write_text("file,label\n" + table)
    asked = ["evaluate", "--data", f"manifest:{data}?file=list.csv", *MACHINE, "--out", str(tmp_path / "out")]
    assert main(asked) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "is not whole: its list names 2 files or folders that are not there and do not count" in shown
    assert "first fake/swap/99.png" in shown
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "is not whole: 2 of what its list names are not there, such as fake/swap/99.png" in page
    assert main([*asked, "--json"]) == 0
    found, _ = printed(capsys)
    assert (found["data"][0]["missing"], found["data"][0]["missing_first"]) == (2, ["fake/swap/99.png", "nowhere/"])
