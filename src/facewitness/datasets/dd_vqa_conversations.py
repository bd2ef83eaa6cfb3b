"""Training conversations of M2F2-Det from DD-VQA's questions, checked; questions that do not give the label away."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from facewitness.datasets.dd_vqa import Question, picture_label, picture_videos
from facewitness.errors import ConfigError
from facewitness.records import Label

Style = Literal["judge", "describe", "describe_judge", "describe_then_judge"]
"""``judge``: real or fake, one turn. ``describe``: the question as it is, one turn. ``describe_judge``: both questions
in one turn. ``describe_then_judge``: in two turns."""

TOKENS: Final = "<image>\n<deepfake>\n"
"""Places of the picture's tokens and of the detector's; at the head of the first question only."""

JUDGE_QUESTION: Final = "Do the image looks real or fake?"
JUDGE_SUFFIX: Final = "Is the image real or fake?"

_STATED: Final = re.compile(r"^\s*This (?:image|picture|photo|video) is (?:real|fake)\.\s*", re.IGNORECASE)
_REGION: Final = re.compile(
    r"^\s*The (?P<region>[\w -]+?) in the (?:image|picture|photo|video) (?:is|are) (?:real|fake), tell me why\.?.*$",
    re.IGNORECASE | re.DOTALL,
)
_LABEL: Final = re.compile(r"\b(?:real|fake|genuine|authentic|manipulated|forged)\b", re.IGNORECASE)
_BOTH: Final = re.compile(r"\b(?:real or (?:a )?fake|fake or (?:a )?real)\b", re.IGNORECASE)
_WORDS: Final = {Label.REAL: "real", Label.FAKE: "fake"}
_KEYS: Final = frozenset({"id", "image", "conversations"})


def reveals_label(question: str) -> bool:
    """Whether a question says that something is real or fake, instead of asking.

    >>> reveals_label("This image is fake. Describe it."), reveals_label("Is the image real or fake?")
    (True, False)
    """
    return _LABEL.search(_BOTH.sub(" ", question)) is not None


def neutral_question(question: str) -> str:
    """The question without the label: what it states goes, and so do model answers that fit one label only.

    Args:
        question: One of DD-VQA's, or any that does not reveal the label, which comes back as it is.

    Raises:
        ConfigError: If it reveals the label in words that are not DD-VQA's.

    >>> neutral_question("This image is fake. Describe the authenticity of the image based on nose.")
    'Describe the authenticity of the image based on nose.'
    >>> neutral_question("The eyes in the image are real, tell me why. Answer in one sentence in the format ...")
    'Do the eyes in the image look real or fake? Tell me why. Answer in one sentence.'
    """
    if not reveals_label(question):
        return question
    match = _REGION.match(question)
    if match is not None:
        region = match["region"].lower()
        verb = "Do" if region.endswith("s") else "Does"
        return f"{verb} the {region} in the image look real or fake? Tell me why. Answer in one sentence."
    neutral = _STATED.sub("", question)
    if reveals_label(neutral) or not neutral:
        msg = f"expected a question of DD-VQA's forms, such as 'This image is fake. Describe ...', got {question!r}"
        raise ConfigError(msg)
    return neutral


def claiming_question(question: str, label: Label) -> str:
    """The neutral question behind a sentence that states a label, true or not.

    Raises:
        ConfigError: As `neutral_question`.

    >>> claiming_question("The eyes in the image are real, tell me why.", Label.FAKE)[:40]
    'This image is fake. Do the eyes in the i'
    """
    return f"This image is {_WORDS[label]}. {neutral_question(question)}"


def with_neutral_questions(questions: Sequence[Question]) -> list[Question]:
    """The questions made neutral, answers as they were.

    Raises:
        ConfigError: As `neutral_question`.
    """
    return [replace(one, question=neutral_question(one.question)) for one in questions]


def conversations(questions: Sequence[Question], style: Style) -> list[dict[str, Any]]:
    """Training records as M2F2-Det's reader expects them.

    Args:
        questions: DD-VQA's; with several references of one question each gives a record.
        style: What is asked; ``judge`` gives one record per question, answered by the picture's label.

    Returns:
        Per record ``id`` (FF++ ids), ``image`` and ``conversations`` of ``human`` and ``gpt`` in turn.

    Raises:
        ConfigError: If the style is unknown, a picture is not named as DD-VQA's are, or a question has no answer.

    >>> one = Question("5_214.jpg", "Describe the nose.", ("It is straight.",))
    >>> conversations([one], "describe_judge")[0]["conversations"][1]["value"]
    'It is straight. The image looks real.'
    """
    if style not in get_args(Style):
        msg = f"style must be one of {', '.join(get_args(Style))}, got {style!r}"
        raise ConfigError(msg)
    records = []
    for question in questions:
        verdict = f"The image looks {_WORDS[picture_label(question.image)]}."
        if style == "judge":
            records.append(_record(question.image, [(JUDGE_QUESTION, verdict)]))
            continue
        if not question.answers:
            msg = f"the question {question.question!r} on {question.image} has no answer to train on"
            raise ConfigError(msg)
        asked = question.question
        records += [_record(question.image, _turns(asked, answer, verdict, style)) for answer in question.answers]
    return records


def write_conversations(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write records as the JSON list that the reader takes."""
    path.write_text(json.dumps(list(records), indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _turns(asked: str, answer: str, verdict: str, style: Style) -> list[tuple[str, str]]:
    if style == "describe":
        return [(asked, answer)]
    if style == "describe_judge":
        return [(f"{asked} {JUDGE_SUFFIX}", f"{answer} {verdict}")]
    return [(asked, answer), (JUDGE_SUFFIX, verdict)]


def _record(image: str, turns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    said = []
    for i, (asked, answer) in enumerate(turns):
        said.append({"from": "human", "value": f"{'' if i else TOKENS}{asked}"})
        said.append({"from": "gpt", "value": answer})
    return {"id": "_".join(picture_videos(image)), "image": image, "conversations": said}


def check_conversations(records: Sequence[Any], *, images: Collection[str] | None = None) -> list[str]:
    """What is wrong with training records, one sentence per kind of fault and record.

    Args:
        records: A JSON list, as `conversations` gives or a file holds.
        images: File names of the pictures that are there; None does not check.

    Returns:
        Sentences; empty when all is well.

    >>> check_conversations([{"id": "214", "image": "5_214.jpg", "conversations": []}])
    ['record 0 (5_214.jpg): no turn']
    """
    problems = []
    for number, record in enumerate(records):
        if not isinstance(record, Mapping) or not record.keys() >= _KEYS:
            problems.append(f"record {number}: expected an object with {', '.join(sorted(_KEYS))}")
            continue
        where = f"record {number} ({record['image']})"
        problems += [f"{where}: {fault}" for fault in _faults(record)]
        if images is not None and record["image"] not in images:
            problems.append(f"{where}: no such picture")
    return problems


def check_splits(train: Sequence[Question], test: Sequence[Question]) -> list[str]:
    """Videos that training and test questions share, as a sentence; empty when they are apart."""
    used = [{video for one in part for video in picture_videos(one.image)} for part in (train, test)]
    shared = sorted(used[0] & used[1])
    return [f"{len(shared)} videos are in training and test, such as {shared[0]}"] if shared else []


def _faults(record: Mapping[str, Any]) -> list[str]:
    turns = record["conversations"]
    if not isinstance(turns, list) or not turns:
        return ["no turn"]
    if any(not isinstance(turn, Mapping) or not isinstance(turn.get("value"), str) for turn in turns):
        return ["a turn is no object with a value in words"]
    if [turn.get("from") for turn in turns] != ["human", "gpt"] * (len(turns) // 2) or len(turns) % 2:
        return ["turns must alternate between human and gpt and end with gpt"]
    faults = []
    if not turns[0]["value"].startswith(TOKENS):
        faults.append(f"the first question must begin with {TOKENS!r}")
    later = [turns[0]["value"].removeprefix(TOKENS), *(turn["value"] for turn in turns[1:])]
    if any("<image>" in value or "<deepfake>" in value for value in later):
        faults.append("<image> or <deepfake> stands elsewhere than at the head of the first question")
    if not all(value.strip() for value in later):
        faults.append("a question or an answer is empty")
    return faults + _name_faults(record, turns)


def _name_faults(record: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Faults of the name and of verdicts that the name contradicts."""
    try:
        label, videos = picture_label(str(record["image"])), picture_videos(str(record["image"]))
    except ConfigError as error:
        return [str(error)]
    faults = []
    if record["id"] != "_".join(videos):
        faults.append(f"the id is {record['id']!r}, the name says {'_'.join(videos)!r}")
    other = _WORDS[Label(1 - label)]
    if any(re.search(rf"\bThe image (?:looks|is) {other}\b", turn["value"]) for turn in turns if turn["from"] == "gpt"):
        faults.append(f"an answer calls it {other}, the name says {_WORDS[label]}")
    return faults
