"""`facewitness compare`: runs, tables and detectors, and what cannot be compared."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.evaluation.score_table import ScoreTable
from facewitness.registry import Entry
from unit.pipeline import pipeline_fakes
from unit.pipeline.pipeline_fakes import save_picture


def tables(folder):
    """A detector that is always right, and one that is right nine times of ten; one video is in one table alone."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    good = labels * 0.5 + rng.uniform(0.1, 0.4, 80)
    poor = np.where(rng.random(80) < 0.2, 1 - good, good)
    names = [f"v{i}" for i in range(80)]
    rows = {"dataset": ["set"] * 80, "video_id": names, "label": labels}
    ScoreTable.from_columns({**rows, "score": good}).write(folder / "good.csv")
    ScoreTable.from_columns({**rows, "score": poor, "video_id": [*names[:-1], "other"]}).write(folder / "poor.csv")
    return [str(folder / "good.csv"), str(folder / "poor.csv")]


def test_two_tables(tmp_path, capsys):
    command = ["compare", *tables(tmp_path), "--resamples", "100"]
    assert main([*command, "--json", "--out", str(tmp_path / "out")]) == 0
    shown, errors = capsys.readouterr()
    found = json.loads(shown)
    assert errors == ""
    assert (found["n_real"], found["n_fake"], found["only_in_a"], found["only_in_b"]) == (40, 39, 1, 1)
    assert found["delong"]["auc_a"] == 1.0
    gap = found["auc"]["difference"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert "is more than chance" in found["words"][0]
    assert found["disagreement"]["only_b"] == 0
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == found
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert not re.search(r"(src|href)\s*=|url\(|<script", page)
    assert page.count("<svg") == 1
    assert ".." not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert main(command) == 0
    assert "1 only in" in capsys.readouterr().out


def test_the_same_twice_may_be_chance(tmp_path, capsys):
    good = tables(tmp_path)[0]
    assert main(["compare", good, good, "--resamples", "20"]) == 0
    shown = capsys.readouterr().out
    assert "+0.000 [+0.000, +0.000], which may be chance" in shown
    assert "(A)" in shown
    assert "(B)" in shown


def test_thresholds_for_both_or_each(tmp_path, capsys):
    both = tables(tmp_path)
    assert main(["compare", *both, "--threshold", "0.3", "--threshold", "0.6", "--json", "--resamples", "9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [found[f"protocol_{side}"]["threshold"] for side in "ab"] == [0.3, 0.6]
    assert found["protocol_a"]["threshold_from"] == "given by the caller"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two runs of one detector on the same pictures, the second with logits pooled, and the options for detectors."""
    monkeypatch.setattr("facewitness.cli.evaluation_run.FaceFinder", pipeline_fakes.SquareFinder)
    entry = Entry("unit.pipeline.pipeline_fakes:create", "Brightness.")
    monkeypatch.setitem(DETECTORS._entries, "brightness", entry)
    options = []
    for name, grey in (("real", 20), ("fake", 160)):
        (tmp_path / name).mkdir()
        options += [f"--{name}", str(tmp_path / name)]
        for i in range(4):
            save_picture(tmp_path / name / f"{i}.png", (60, 40, 80, grey + 9 * i))
    options += ["--resamples", "20"]
    for out, extra in (("one", []), ("two", ["--pooled", "logits"])):
        assert main(["evaluate", *options, "--detector", "brightness", "--out", str(tmp_path / out), *extra]) == 0
    return tmp_path, options


def test_runs_and_detectors(runs, capsys):
    folder, options = runs
    capsys.readouterr()
    assert main(["compare", "brightness", str(folder / "one"), *options, "--json", "--out", str(folder / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["auc"]["difference"]["value"] == 0
    assert found["protocol_b"]["threshold"] == 0.8
    assert (folder / "out" / "a" / "results.json").is_file()
    assert "only 4 real and 4 fake videos: too few for an interval of the AUC to mean much" in found["words"]


def test_runs_that_differ_in_a_rule(runs, capsys):
    folder, _ = runs
    both = ["compare", str(folder / "one"), str(folder / "two"), "--resamples", "9"]
    assert main(both) == 1
    assert (
        "the runs differ in pooled: one probabilities, two logits; choose one with --pooled" in capsys.readouterr().err
    )
    assert main([*both, "--pooled", "logits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol_a"]["pooled"] == "logits"


def test_what_is_nothing_is_said(tmp_path, capsys, runs):
    good = tables(tmp_path)[0]
    for side, message in (
        ("nothing", "no folder of a run, no score table"),
        ("brightness", "needs data to run on"),
        (str(tmp_path / "gone.csv"), "is no score table"),
        (str(tmp_path), "holds no scores.parquet or scores.csv"),
    ):
        assert main(["compare", good, side]) == 1
        assert message in capsys.readouterr().err
    (tmp_path / "one" / "results.json").write_text("{}")
    assert main(["compare", good, str(tmp_path / "one")]) == 1
    assert "missing or damaged" in capsys.readouterr().err
    other = ScoreTable.from_columns({"video_id": ["a", "b"], "label": [0, 1], "score": [0.1, 0.2]})
    other.write(tmp_path / "other.csv")
    assert main(["compare", good, str(tmp_path / "other.csv")]) == 1
    assert "matched by dataset and video_id" in capsys.readouterr().err
