"""The verb `evaluate-answers` on the authors' parity files."""

import json
from pathlib import Path

import pytest

from facewitness.cli.main import main

GOLDEN = Path(__file__).parents[2] / "golden" / "m2f2_det" / "metrics"
JUDGED = ["evaluate-answers", "--task", "judgement", "--predictions", str(GOLDEN / "judge.jsonl")]
EXPLAINED = ["evaluate-answers", "--task", "explanation", "--predictions", str(GOLDEN / "exp_pred.jsonl")]
REFERENCES = ["--references", str(GOLDEN / "exp_gt.jsonl")]


def test_judgement_prints_the_official_numbers_and_the_parsers(capsys):
    assert main(JUDGED) == 0
    lines = capsys.readouterr().out.splitlines()
    official = next(line for line in lines if line.startswith("as M2F2-Det"))
    assert official.split()[-6:] == ["0.4595", "0.5833", "1.0000", "0.4118", "37", "3"]
    parsed = next(line for line in lines if line.startswith("answers parsed"))
    assert float(parsed.split()[2]) > 0.4595
    assert any("floor: always fake" in line for line in lines)


def test_explanation_as_json(capsys):
    assert main([*EXPLAINED, *REFERENCES, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [one["tokenisation"] for one in results] == ["raw", "normalised"]
    assert results[0]["scores"]["cider"] == pytest.approx(2.961506096453393)
    assert results[1]["scores"]["rouge_l"] > results[0]["scores"]["rouge_l"]


def test_explanation_as_table(capsys):
    assert main([*EXPLAINED, *REFERENCES, "--tokenisation", "raw"]) == 0
    shown = capsys.readouterr().out
    assert "0.58681" in shown
    assert "2.96151" in shown
    assert "normalised" not in shown
    assert "floor: the question alone" in shown


def test_what_cannot_be_measured_is_said_in_one_line(capsys, tmp_path):
    assert main(EXPLAINED) == 1
    assert "--references" in capsys.readouterr().err
    other = tmp_path / "labels.jsonl"
    other.write_text('{"image": "other.jpg", "label": "real"}\n', encoding="utf-8")
    assert main([*JUDGED, "--references", str(other)]) == 1
    assert "no label for" in capsys.readouterr().err
    keyed = tmp_path / "keyed.jsonl"
    keyed.write_text('{"key": "5_214_0", "text": "fake"}\n', encoding="utf-8")
    assert main(["evaluate-answers", "--task", "judgement", "--predictions", str(keyed)]) == 1
    assert '"image"' in capsys.readouterr().err
    assert main([*JUDGED, "--meteor"]) == 1
    assert "--task explanation" in capsys.readouterr().err
