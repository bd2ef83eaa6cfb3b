"""Prompts by name: the official ones word for word, the evidence in words, what goes together."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.language.conversations import template_named
from facewitness.language.models import Evidence
from facewitness.language.prompts import PROMPTS, evidence_of, evidence_prompt, prompt_named
from facewitness.records import Finding, RegionStrength, Verdict, VerdictLabel

HUMAN = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)
USER = HUMAN.replace("human", "user")
# Prompts as the authors' cached answers (DDVQA_det_c40.jsonl, DDVQA_exp_c40.jsonl) and their training code have them.
CLI = f"Assistant: {HUMAN}###Human: <image>\n"
REVEALING = "This image is fake. Describe the authenticity of the image based on nose, eyebrows."
STAGE_3 = "Describe the authenticity of the image based on mouth, nose. Is the image real or fake?"
OFFICIAL = {
    "m2f2_detect": ("", f"{CLI} <deepfake>\n Determine the authenticity. Is the image real or fake? ###Assistant:"),
    "m2f2_explain": (REVEALING, f"{CLI}<deepfake>\n{REVEALING} ###Assistant:"),
    "m2f2_demo": ("", f"{USER} USER: <image>\nDetermine the authenticity of this image\n\n<deepfake> ASSISTANT:"),
    "m2f2_stage_2": ("", f"{USER} USER: <image>\n<deepfake>\nDo the image looks real or fake? ASSISTANT:"),
    "m2f2_stage_3": ("mouth, nose", f"{USER} USER: <image>\n<deepfake>\n{STAGE_3} ASSISTANT:"),
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_prompts_are_word_for_word(name):
    question, wanted = OFFICIAL[name]
    prompt = prompt_named(name)
    assert template_named(prompt.template).prompt(prompt.ask(question), deepfake=True) == wanted


def test_every_official_prompt_has_its_golden():
    assert {name for name in PROMPTS if name.startswith("m2f2")} == set(OFFICIAL)
    assert [name for name, prompt in PROMPTS.items() if prompt.with_evidence] == ["evidence"]


def test_neutral_prompt_gives_no_label_away():
    words = prompt_named("neutral").ask().lower()
    assert not any(word in words for word in ("fake", "real", "forge", "genuine", "manipulat", "score"))


def test_prompts_and_questions_that_do_not_go_together():
    with pytest.raises(ConfigError, match="nothing without a question"):
        prompt_named("plain").ask("  ")
    with pytest.raises(ConfigError, match="fixed question"):
        prompt_named("m2f2_demo").ask("Why?")
    with pytest.raises(UnknownNameError, match="Did you mean 'neutral'"):
        prompt_named("neutrl")
    assert prompt_named("evidence").ask(" Why? ") == "Why?"
    assert "at most five sentences" in prompt_named("evidence").ask()


REGIONS = (RegionStrength("left_eye", 0.31, 0.2), RegionStrength("mouth", 0.71, 0.4), RegionStrength("jaw", 0.19, 0.1))


def test_evidence_in_words():
    verdict = Verdict(VerdictLabel.FAKE, 0.9991, "score 0.999 is at or above 0.80")
    finding = Finding("laa_net_lite", 0.9991, True, fired="blended", regions=REGIONS)
    assert evidence_prompt(evidence_of(finding, verdict)) == (
        "A forgery detector (laa_net_lite) has measured this face. Its evidence:\n"
        "Verdict: FAKE. Score 0.999 is at or above 0.80. The detector's expert for blended faces reacted.\n"
        "Score: more than 0.99, from 0 (no trace of forgery) to 1 (strong traces).\n"
        "Places where the heatmap is strongest: the mouth (0.71 of 1) and the person's left eye (0.31 of 1). "
        "Left and right are the person's own.\n"
        "The verdict comes from the detector. You do not change it, and you give none of your own. Describe only what "
        "can be seen in the picture; do not invent measurements, and do not say who the person is."
    )


def test_evidence_without_places_and_with_a_heatmap():
    words = evidence_prompt(Evidence(0.1, "REAL.", "x", REGIONS[2:], np.zeros((4, 4), np.float32)))
    assert "points to no place" in words
    assert "second picture" in words
    assert "second picture" not in evidence_prompt(Evidence(0.1))
