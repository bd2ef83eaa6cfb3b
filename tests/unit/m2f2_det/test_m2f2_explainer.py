"""Detector and language model together: the authors' wrapper reproduced, and what each of them decides."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "m2f2_det"
if str(ROOT / "tools") not in sys.path:
    sys.path.insert(0, str(ROOT / "tools"))

from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.detectors.m2f2_det.explainer import M2F2Explainer, check_pair, load_explainer
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.errors import ConfigError, WeightsError
from facewitness.language.llava_answers import Llava, load_llava
from facewitness.language.llava_weights import save_folder
from facewitness.language.models import Evidence, Sampling
from parity_cases import m2f2_det_llava
from parity_cases.comparing import Case, read_case
from unit.language import tiny_llava
from unit.training.llava_folder import detector, make_model

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
SHORT = Sampling(max_new_tokens=6)


@pytest.fixture(scope="module")
def case():
    return read_case(GOLDEN, "llava_tiny")


def test_the_authors_wrapper_is_reproduced(case):
    results = m2f2_det_llava.run_case(case)
    assert {r.name for r in results} == {*case.arrays, "greedy_new_tokens"}
    assert [r for r in results if not r.passed] == []


def test_another_picture_is_another_result(case):
    inputs = case.meta["inputs"]
    other = {**inputs, "images": [{**inputs["images"][0], "seed": 99}, inputs["images"][1]]}
    results = m2f2_det_llava.run_case(Case(case.name, {**case.meta, "inputs": other}, case.arrays))
    failed = {r.name for r in results if not r.passed}
    assert {"logits_tail", "loss", "det_logits", "proj_slice"} <= failed
    assert not {"spliced_labels", "spliced_mask"} & failed


@pytest.fixture
def explainer():
    return M2F2Explainer(Llava(tiny_llava.loaded(), "tiny", sampling=SHORT), detector())


def test_the_detector_gives_the_score_and_the_text_follows_it(explainer):
    (evidence,) = explainer.judge([PICTURE]).evidence()
    own = explainer.answer(PICTURE, "Why?")
    assert own.text == explainer.llava.answer(PICTURE, "Why?", evidence=evidence).text
    with torch.no_grad():
        explainer.detector.head.bias[1] += 50.0
    assert explainer.judge([PICTURE]).evidence()[0].score == pytest.approx(1.0)
    told = explainer.answer(PICTURE, "Why?", evidence=Evidence(1.0))
    assert explainer.answer(PICTURE, "Why?").text == told.text


def test_several_questions_need_one_look_at_the_picture(explainer, monkeypatch):
    looks = []
    see = explainer.llava.see
    monkeypatch.setattr(explainer.llava, "see", lambda images: looks.append(len(images)) or see(images))
    made = explainer.answers(PICTURE, ["Why?", "Real?", "One two three?"])
    assert looks == [1]
    assert [a.text for a in made] == [explainer.answer(PICTURE, q).text for q in ("Why?", "Real?", "One two three?")]


def test_the_folder_goes_out_and_in(tmp_path, explainer):
    explainer.save(tmp_path / "model")
    again = load_explainer(tmp_path / "model", device="cpu", sampling=SHORT)
    assert again.answer(PICTURE, "Why?").text == explainer.answer(PICTURE, "Why?").text
    torch.testing.assert_close(again.judge([PICTURE]).logits, explainer.judge([PICTURE]).logits)
    alone = load_llava(tmp_path / "model", device="cpu", sampling=SHORT)
    assert alone.takes_score


def test_a_model_and_a_detector_must_fit(tmp_path):
    network = tiny_llava.network()
    with pytest.raises(ConfigError, match="no projector for a detector's score"):
        check_pair(tiny_llava.network(score=False), detector())
    config = detector().config
    wide = M2F2Det(replace(config, vision=replace(config.vision, width=64)))
    with pytest.raises(ConfigError, match="over 17 tokens of 32 numbers"):
        check_pair(network, wide)
    assert isinstance(config, M2F2Config)
    loaded = tiny_llava.loaded()
    save_folder(tmp_path, loaded.network, loaded.tokenizer, loaded.settings)
    with pytest.raises(WeightsError, match="holds no detector"):
        load_explainer(tmp_path, device="cpu")
    folder = make_model(tmp_path / "whole")
    with pytest.raises(WeightsError):
        load_explainer(folder, detector=tmp_path / "none.pth", device="cpu")
