"""`facewitness explain` and `analyze --explain` with a tiny LLaVA-type model in a folder, from end to end."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from facewitness import pipeline
from facewitness.cli.main import main
from facewitness.detectors import DETECTORS
from facewitness.language.llava_answers import load_llava
from facewitness.language.llava_weights import save_folder
from facewitness.language.models import Evidence, Sampling
from facewitness.language.prompts import evidence_of, evidence_prompt, prompt_named
from facewitness.narration import face_picture
from facewitness.pipeline import AnalyzeOptions, Analyzer
from facewitness.registry import Entry
from unit.language import tiny_llava
from unit.pipeline.pipeline_fakes import FAKE_GREY, BrightnessDetector, SquareFinder, save_picture

USE = ["--detector", "brightness"]


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)
    monkeypatch.setitem(DETECTORS._entries, "brightness", Entry("unit.pipeline.pipeline_fakes:create", "Brightness."))


@pytest.fixture
def picture(tmp_path):
    return save_picture(tmp_path / "fake.png", (40, 50, 120, FAKE_GREY))


def saved(folder, *, score):
    loaded = tiny_llava.loaded(score=score)
    save_folder(folder, loaded.network, loaded.tokenizer, loaded.settings)
    return folder


def seen_by_hand(picture):
    result = Analyzer(BrightnessDetector(), options=AnalyzeOptions(keep_pictures=True)).examine(picture)
    face = result.report.deciding_face
    return face, face_picture(result, face)


def test_a_model_with_a_score_token_gets_the_detectors_score(tmp_path, picture, capsys):
    folder = saved(tmp_path / "scored", score=True)
    assert main(["explain", str(picture), *USE, "--model", str(folder), "--max-tokens", "40", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    told = report["faces"][0]["findings"][0]["derived"]
    assert (told["source"], told["prompt"]) == ("scored", "m2f2_demo")
    face, seen = seen_by_hand(picture)
    model = load_llava(folder, device="cpu", sampling=Sampling(40))
    question = "Determine the authenticity of this image"
    wanted = model.answer(seen.image, question, evidence=Evidence(face.findings[0].score))
    assert told["text"] == wanted.text
    assert model.answer(seen.image, question, evidence=Evidence(0.0)).text != wanted.text  # the score is heard
    assert report["verdict"]["label"] == "FAKE"


def test_a_model_without_one_is_told_the_evidence_in_words(tmp_path, picture, capsys):
    folder = saved(tmp_path / "plain", score=False)
    options = ["--model", str(folder), "--max-tokens", "40"]
    assert main(["explain", str(picture), *USE, "-q", "Why?", *options]) == 0
    out = capsys.readouterr().out
    face, seen = seen_by_hand(picture)
    evidence = evidence_of(face.findings[0], face.verdict)
    question = f"{evidence_prompt(evidence)}\n\n{prompt_named('evidence').ask('Why?')}"
    wanted = load_llava(folder, device="cpu", sampling=Sampling(40)).answer(seen.image, question)
    assert wanted.text.split()[0] in out.partition("plain writes:")[2]


def test_analyze_explain_with_the_folder_of_the_weights(tmp_path, picture, capsys):
    folder = saved(tmp_path / "together", score=True)
    assert main(["analyze", str(picture), *USE, "--weights", str(folder), "--explain", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["faces"][0]["findings"][0]["derived"]["source"] == "together"


def test_a_folder_without_a_model_is_named(tmp_path, picture, capsys):
    assert main(["explain", str(picture), *USE, "--model", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
