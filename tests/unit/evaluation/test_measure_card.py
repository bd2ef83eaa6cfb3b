"""tools/measure_card.py on synthetic squares: what is printed first, what the file holds, how errors look."""

from __future__ import annotations

import json
import sys

import pytest

from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS
from facewitness.evaluation import face_sets
from facewitness.evaluation.measurement import RESAMPLES
from facewitness.registry import Entry
from unit.evaluation.face_set_fakes import SQUARES, squares_root
from unit.house.house_paths import ROOT
from unit.pipeline.pipeline_fakes import SquareFinder

if str(ROOT / "tools") not in sys.path:
    sys.path.insert(0, str(ROOT / "tools"))

from measure_card import main, parser


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(face_sets, "FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))


@pytest.fixture
def command(tmp_path):
    root = squares_root(tmp_path / "data")
    used = ["--detector", "brightness", "--sets", SQUARES, "--resamples", "30", "--work", str(tmp_path / "work")]
    return [str(root), *used]


def test_table_and_protocol(command, capsys):
    assert main([*command, "--codings", "jpeg-q60", "--codings", "h264-crf40"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    lines = shown.splitlines()
    assert lines[0].startswith(f"{SQUARES}: 8 real, 8 fake")
    order = ["FPR @0.01", "FPR @0.05", "TPR @0.01", "TPR @0.05", "AUC (95 %", "AUC blended", "control: spectrum"]
    places = [lines[2].index(word) for word in order]
    assert places == sorted(places)
    assert lines[3].split()[:4] == ["jpeg-q60", "0.0", "%", "(0.0-32.4)"]  # none of eight
    assert "1.000 (1.000-1.000)" in lines[3]
    assert lines[4].startswith("h264-crf40")
    assert "real: no face 1" in lines[5]
    assert "sha256 0000000000000000" in shown
    assert "fpr=0.05: FAKE from 0.800000" in shown
    assert "offers no untrained network" in shown
    assert "seed: 0" in shown


def test_json_holds_everything(command, capsys, tmp_path):
    file = tmp_path / "results.json"
    assert main([*command, "--codings", "jpeg-q30", "--no-controls", "--json", str(file), "--seed", "7"]) == 0
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["protocol"]["seed"] == 7
    assert document["protocol"]["operating_points"]["fpr=0.01"]["threshold"] == 0.95
    assert document["protocol"]["notes"] == []
    assert document["protocol"]["versions"]["numpy"]
    (made,) = document["sets"]
    (result,) = made["results"]
    assert made["labels"].count(0) == result["reals"] == 8
    assert len(made["files"]) == len(made["ids"]) == len(result["scores"]) == len(result["experts"]["blended"]) == 16
    assert result["points"]["fpr=0.05"]["false_positive_interval"][1] < 0.35
    assert result["controls"] == {}
    assert "control" not in capsys.readouterr().out.splitlines()[2]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--sets", "lfw"], "no test set is called 'lfw'"),
        (["--codings", "webp"], "no coding is called 'webp'"),
        (["--precision", "f16"], "--precision must be one of"),
        (["--json", "no/such/folder/x.json"], "does not exist; make it first"),
        (["--sets", "lfw_swaps"], "no group 'test_real_lfw'"),
    ],
)
def test_errors_are_one_line(command, extra, message, capsys):
    assert main([*command, "--codings", "jpeg-q90", *extra]) == 1
    assert message in capsys.readouterr().err


def test_defaults_are_those_of_the_library():
    defaults = vars(parser().parse_args(["data"]))
    assert defaults["face_px"] == face_sets.FACE_PX
    assert defaults["resamples"] == RESAMPLES
    assert defaults["detector"] == DEFAULT_DETECTOR


def test_missing_manifest(tmp_path, capsys):
    assert main([str(tmp_path), "--detector", "brightness"]) == 1
    assert "manifest.csv" in capsys.readouterr().err
