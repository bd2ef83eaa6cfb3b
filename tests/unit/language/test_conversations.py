"""Conversation templates word for word, placeholders, and the file format."""

from __future__ import annotations

import json

import pytest

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.language.conversations import (
    QUESTIONS,
    TEMPLATES,
    Turn,
    read_conversations,
    split_placeholders,
    template_named,
)

USER = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
HUMAN = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions."
)
FFAA = (
    "You are an AI master specialized in face forgery analysis. You'll be provided with a human face image. You need "
    "to think step by step to analyze whether the face is real or fake."
)


@pytest.mark.parametrize(
    ("template", "question", "wanted"),
    [
        ("vicuna_v1", QUESTIONS["train"], f"{USER} USER: <image>\n<deepfake>\n{QUESTIONS['train']} ASSISTANT:"),
        (
            "m2f2_cli_detection",
            QUESTIONS["cli_detection"],
            (
                f"Assistant: {HUMAN}###Human: <image>\n <deepfake>\n Determine the authenticity. "
                "Is the image real or fake? ###Assistant:"
            ),
        ),
        ("m2f2_cli", "Why?", f"Assistant: {HUMAN}###Human: <image>\n<deepfake>\nWhy? ###Assistant:"),
        ("m2f2_demo", "Why?", f"{USER} USER: <image>\nWhy?\n\n<deepfake> ASSISTANT:"),
        ("llava_v0", "Why?", f"{HUMAN}###Human: <image>\n<deepfake>\nWhy?###Assistant:"),
    ],
)
def test_prompts_of_the_authors_programs_word_for_word(template, question, wanted):
    assert template_named(template).prompt(question, deepfake=True) == wanted


def test_ffaas_prompt_word_for_word():
    prompt = template_named("ffaa").prompt("Is it real or fake? Why?", deepfake=False)
    assert prompt == f"{FFAA} USER: <image>\nIs it real or fake? Why? ASSISTANT:"


def test_two_turns_of_vicuna_end_answers_and_learn_them_alone():
    turns = [Turn("human", "<image>\nA?"), Turn("gpt", "Yes."), Turn("human", "B?"), Turn("gpt", "No.")]
    pieces = template_named("vicuna_v1").pieces(turns)
    assert "".join(p.text for p in pieces) == f"{USER} USER: <image>\nA? ASSISTANT: Yes.</s>USER: B? ASSISTANT: No.</s>"
    assert [p.text for p in pieces if p.learnt] == [" Yes.</s>", " No.</s>"]


def test_two_turns_of_mistral():
    turns = [Turn("human", "A?"), Turn("gpt", "Yes."), Turn("human", "B?")]
    text = "".join(p.text for p in template_named("mistral_instruct").pieces(turns))
    assert text == "[INST] A? [/INST] Yes. </s>[INST] B? [/INST]"


def test_two_turns_of_chatml():
    turns = [Turn("human", "A?"), Turn("gpt", "Yes.")]
    text = "".join(p.text for p in template_named("chatml").pieces(turns))
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n"
    )


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_model_without_detector_or_picture_has_no_placeholder_for_it(name):
    template = template_named(name)
    assert template.prompt("Q?", deepfake=True).count("<image>") == 1
    assert template.prompt("Q?", deepfake=True).count("<deepfake>") == 1
    assert "<deepfake>" not in template.prompt("Q?", deepfake=False)
    bare = template.first_message("Q?", deepfake=False, image=False)
    assert bare.strip() == "Q?"


def test_placeholders_in_a_question_are_dropped():
    prompt = template_named("vicuna_v1").prompt("Is <image> or <deepfake> here?", deepfake=False)
    assert prompt.count("<image>") == 1
    assert "Is  or  here?" in prompt


def test_turns_must_alternate_and_names_must_exist():
    with pytest.raises(ConfigError, match="turn 0 is from 'gpt'"):
        template_named("vicuna_v1").pieces([Turn("gpt", "Yes.")])
    with pytest.raises(UnknownNameError, match="vicuna_v1"):
        template_named("vicuna")


def test_text_is_cut_at_placeholders():
    assert split_placeholders("<image>\n<deepfake>\nQ") == ["<image>", "\n", "<deepfake>", "\nQ"]


def _record(**changed):
    turns = [{"from": "human", "value": "<image>\n<deepfake>\nQ?"}, {"from": "gpt", "value": "A."}]
    return {"id": "226_491", "image": "1_226_491.jpg", "conversations": turns} | changed


def test_the_authors_file_format_is_read(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([_record()]), encoding="utf-8")
    (row,) = read_conversations(path)
    assert (row.name, row.image, row.turns[1]) == ("226_491", "1_226_491.jpg", Turn("gpt", "A."))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (_record(conversations=[{"from": "human", "value": "<image>\nQ?"}]), "an answer last"),
        (_record(image=""), "stands 1 times, but there are 0 pictures"),
        (_record(conversations=[{"value": "x"}]), "expected id, image and conversations"),
        (_record(image=7), "must be text"),
        ("no record", "expected id"),
    ],
)
def test_a_wrong_record_is_named(tmp_path, record, message):
    path = tmp_path / "train.json"
    path.write_text(json.dumps([_record(), record]), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"record 1.*{message}"):
        read_conversations(path)


@pytest.mark.parametrize("content", ["[" * 100_000, "{}", "[]", "no JSON"])
def test_a_file_that_is_no_list_is_named(tmp_path, content):
    path = tmp_path / "train.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"train\.json"):
        read_conversations(path)
