"""Files of a model's answers, and of what they are measured against: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from facewitness.datasets.dd_vqa import Question, picture_label, read_questions
from facewitness.datasets.listing import read_text
from facewitness.errors import ConfigError
from facewitness.evaluation.text_tokens import clean_answer
from facewitness.records import Label

_LABELS = {"real": Label.REAL, "fake": Label.FAKE, "0": Label.REAL, "1": Label.FAKE}


@dataclass(frozen=True)
class PredictedAnswer:
    """A model's answer.

    Attributes:
        image: File name of the picture, without folders; empty where the line has none.
        key: Of the question, as in ``3_579_701_2``; empty where the line has none.
        text: Without the tokeniser's marks.
    """

    image: str
    key: str
    text: str


def read_answers(path: Path) -> list[PredictedAnswer]:
    """Read answers: ``text`` with ``key`` or ``image`` per line, other fields left aside.

    Raises:
        ConfigError: If the file cannot be read, holds no line, or a line has another form.
    """
    answers = []
    for number, value in _lines(path, "answers"):
        text, image, key = (value.get(name, "") for name in ("text", "image", "key"))
        if "text" not in value or not all(isinstance(part, str) for part in (text, image, key)) or not (image or key):
            msg = f'expected {{"text": ..., "image" or "key": ...}} in line {number} of {path}, got {_short(value)}'
            raise ConfigError(msg)
        answers.append(PredictedAnswer(_name(image), key, clean_answer(text)))
    return answers


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by file name of the picture.

    Args:
        path: ``image`` and ``label`` (real, fake, 0, 1) per line, or a question file of DD-VQA, whose pictures' names
            say the label.

    Raises:
        ConfigError: If the file cannot be read or has another form.
    """
    first = next(_lines(path, "labels"))[1] if path.suffix == ".jsonl" else {}
    if "label" not in first:
        return {question.image: picture_label(question.image) for question in read_questions(path)}
    labels = {}
    for number, value in _lines(path, "labels"):
        label = _LABELS.get(str(value.get("label")).lower())
        if label is None or not isinstance(value.get("image"), str):
            msg = (
                f'expected {{"image": ..., "label": "real" or "fake"}} in line {number} of {path}, got {_short(value)}'
            )
            raise ConfigError(msg)
        labels[_name(value["image"])] = label
    return labels


def read_references(path: Path) -> dict[str, Question]:
    """Questions with their reference answers, by key, in the order of the file.

    Raises:
        ConfigError: If the file cannot be read, has another form, or names a key twice.
    """
    found: dict[str, Question] = {}
    for question in read_questions(path):
        key = question_key(question)
        if key in found or not question.answers:
            msg = f"{path} names the question {key} {'twice' if key in found else 'without an answer'}"
            raise ConfigError(msg)
        found[key] = question
    return found


def question_key(question: Question) -> str:
    """The key of a question: its picture and number.

    >>> question_key(Question("3_579_701.jpg", "Why?", ("So.",), 2))
    '3_579_701_2'
    """
    return f"{question.image.rpartition('.')[0]}_{question.turn}"


def _lines(path: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered objects of a file; at least one."""
    empty = True
    for number, line in enumerate(read_text(path, what).splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            msg = f"expected one JSON object per line, line {number} of {path} is none: {error}"
            raise ConfigError(msg) from error
        if not isinstance(value, dict):
            msg = f"expected one JSON object per line, line {number} of {path} is {_short(value)}"
            raise ConfigError(msg)
        empty = False
        yield number, value
    if empty:
        msg = f"expected {what} at {path}, which is empty"
        raise ConfigError(msg)


def _name(image: str) -> str:
    return PurePosixPath(image.replace("\\", "/")).name


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}..."
