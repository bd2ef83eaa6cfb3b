"""The verb: table in, figures out, and a record with which the detector really scores otherwise."""

from __future__ import annotations

import json
import shutil

import pytest

from facewitness.cli.main import main
from facewitness.detectors.laa_net.lite.detector import PACKAGED, create
from facewitness.pipeline import AnalyzeOptions, Analyzer
from facewitness.weights import WeightsRecord
from unit.evaluation.test_recalibration import made_table
from unit.house.house_paths import ROOT


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "scores.csv"
    made_table(240).to_csv(path)
    return path


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WeightsRecord("a.onnx", "0", "laa_net", "mine").write(tmp_path / "r.json")


def test_prints_what_was_measured(table, capsys):
    assert main(["calibrate", "--scores", str(table), "--conformal-error", "0.1"]) == 0
    out = capsys.readouterr().out
    assert "120 real and 120 fake videos" in out
    assert "map: temperature" in out
    assert "ECE:" in out
    assert "error=0.1: FAKE from" in out
    assert "of fakes called REAL" in out


def test_json_and_parquet(table, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    parquet = tmp_path / "scores.parquet"
    made_table(240).to_parquet(parquet)
    kept = tmp_path / "calibration.json"
    options = ["--method", "isotonic", "--fpr", "0.05", "--by-kind", "--fake-share", "0.5", "--data", "my set"]
    assert main(["calibrate", "--scores", str(parquet), "--json", "-o", str(kept), *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads(kept.read_text())
    assert shown["calibration"]["method"] == "isotonic"
    assert shown["calibration"]["fitted_on"] == "my set"
    assert set(shown["operating_points"]) == {"fpr=0.05"}
    assert "Guarantee" in shown["protocol"]["conformal_rule"]
    assert main(["calibrate", "--scores", str(table), "--json", *options]) == 0
    assert json.loads(capsys.readouterr().out)["calibration"] == shown["calibration"]  # either form of the table


def test_a_record_goes_round(table, tmp_path, capsys):
    """The copy scores as the map says, carries the new lines, and reports say so; the original stays as it was."""
    origin, copy = tmp_path / "origin", tmp_path / "mine"
    origin.mkdir()
    copy.mkdir()
    for file in (PACKAGED, PACKAGED.with_suffix(".json")):
        shutil.copy(file, origin)
    record = origin / PACKAGED.with_suffix(".json").name
    before = record.read_bytes()
    options = ["--conformal-error", "0.05", "--record", str(record), "-o", str(copy / "calm.json")]
    assert main(["calibrate", "--scores", str(table), *options]) == 0
    capsys.readouterr()
    assert record.read_bytes() == before
    assert sorted(path.name for path in copy.iterdir()) == ["calm.json", "calm.onnx"]

    picture = ROOT / "examples" / "self_blended.jpg"
    new = Analyzer(
        create(weights=copy / "calm.onnx", precision="f32"), options=AnalyzeOptions(operating_point="error=0.05")
    ).analyze(picture)
    old = Analyzer(create(precision="f32")).analyze(picture)
    made = WeightsRecord.read(copy / "calm.json").score_calibration()
    finding = new.faces[0].findings[0]
    assert finding.score == pytest.approx(float(made.apply(old.verdict.score)), abs=1e-5)
    assert finding.score == pytest.approx(max(finding.experts.values()), abs=1e-6)
    assert abs(finding.score - old.verdict.score) > 0.02
    assert new.verdict.operating_point.target_error == 0.05
    assert "Platt scaling of each expert; then temperature" in new.protocol.calibration
    assert old.protocol.calibration == "Platt scaling of each expert"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--record", "r.json"], "needs -o FILE.json"),
        (["--record", "r.json", "-o", "r.json"], "another .json file"),
        (["--record", "r.json", "-o", "r.txt"], "another .json file"),
        (["-o", "absent/c.json"], "does not exist"),
        (["--fpr", "0.001"], "at least 999 reals"),
    ],
)
@pytest.mark.usefixtures("in_folder")
def test_wrong_use_is_said_in_one_line(table, capsys, options, message):
    assert main(["calibrate", "--scores", str(table), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
