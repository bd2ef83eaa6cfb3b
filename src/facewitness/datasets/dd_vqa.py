"""DD-VQA: questions and answers on what looks wrong in FF++ faces, in the form that M2F2-Det ships.

Citation: Zhang et al., "Common Sense Reasoning for Deepfake Detection", ECCV 2024. Licence: research only; the pictures
are frames of FF++, whose terms hold.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facewitness.datasets.listing import PICTURES, Listing, chosen, files_in, index_of, read_json, read_text, wanted
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="DD-VQA",
    paper="Zhang et al., Common Sense Reasoning for Deepfake Detection, ECCV 2024",
    licence="research only; the pictures are FF++ frames, whose terms hold",
    apply_at="https://github.com/Reality-Defender/Research-DD-VQA, pictures: M2F2-Det's repository and FF++",
    tree=(
        "DDVQA_images/<c40|c23>/<train|test>/<m>_<video>.jpg (or <c40|c23>/ in the root itself)\n"
        "train_DDVQA_format*.json\n"
        "DDVQA_eval/<c40|c23>/test.jsonl (or DDVQA_<c40|c23>_test.jsonl in the root)"
    ),
    splits=("train", "test"),
    notes=(
        "m is the method: 0 Deepfakes, 1 Face2Face, 2 FaceShifter, 3 FaceSwap, 5 original, 6 NeuralTextures; <video> "
        "is the FF++ id, or target_source. The questions of the test file give the label away ('This image is fake. "
        "Describe ...'), so it measures descriptions, not detection. Which frame was cut out was never published."
    ),
)

METHODS: Final = {
    "0": "Deepfakes",
    "1": "Face2Face",
    "2": "FaceShifter",
    "3": "FaceSwap",
    "5": "",
    "6": "NeuralTextures",
}
"""Method of a picture by the number that its name begins with; empty for originals."""

COMPRESSIONS: Final = ("c40", "c23")
_NAME: Final = re.compile(r"([012356])_(\d{3})(?:_(\d{3}))?")
_TURNS: Final = {"human": "question", "gpt": "answer"}


@dataclass(frozen=True)
class Question:
    """A question on a picture.

    Attributes:
        image: File name of the picture.
        question: In words; marks for picture and detector tokens taken out.
        answers: Reference answers.
        turn: Its place in the conversation, from 0.
    """

    image: str
    question: str
    answers: tuple[str, ...]
    turn: int = 0


def listing(root: Path, split: str | None = None, *, compression: str = "c40") -> Listing:
    """List the pictures; those that the question files name and the folders lack are missing.

    Args:
        root: M2F2-Det's ``utils`` folder, or one with ``c40/`` in it.
        split: ``train``, ``test`` or None for both.
        compression: ``c40``, ``c23``, or both parted by a comma.

    Raises:
        ConfigError: If there is no picture, or a name or a question file is damaged.
    """
    records: list[Record] = []
    missing: list[str] = []
    for rate in chosen(compression, COMPRESSIONS, "compression"):
        for part in wanted(split, INFO.splits, INFO.title):
            folder = f"{_pictures(root)}{rate}/{part}"
            names = files_in(root / folder, PICTURES)
            asked = Counter(q.image for q in questions(root, part, compression=rate))
            records += [_record(folder, name, rate, part, asked[name]) for name in names]
            missing += [f"{folder}/{name}" for name in asked if name not in set(names)]
    if not records:
        msg = f"expected pictures such as {root}/DDVQA_images/c40/test/1_454_527.jpg, found none"
        raise ConfigError(msg)
    return Listing(tuple(records), tuple(missing))


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether one of the picture folders is there with a picture of such a name."""
    folders = [root / f"{_pictures(root)}{rate}" / part for rate in COMPRESSIONS for part in INFO.splits]
    return any(_NAME.match(name) for folder in folders for name in files_in(folder, PICTURES)[:1])


def questions(root: Path, split: str, *, compression: str = "c40") -> list[Question]:
    """Questions of one split, from every question file of it that is there.

    Args:
        root: As for `listing`.
        split: ``train`` (all ``train_DDVQA_format*.json``) or ``test``.
        compression: ``c40`` or ``c23``; the training questions are the same for both.

    Raises:
        ConfigError: If a file is damaged.
    """
    if split == "train":
        files = sorted(root.glob("train_DDVQA_format*.json")) + sorted(root.glob("DDVQA*/train_DDVQA_format*.json"))
    else:
        places = (f"DDVQA_eval/{compression}/test.jsonl", f"DDVQA_{compression}_test.jsonl")
        files = [root / place for place in places if (root / place).is_file()]
    return [question for file in files for question in read_questions(file)]


def read_questions(path: Path) -> list[Question]:
    """Read a question file: conversations as a JSON list, or one ``{key: {question, answer}}`` per line.

    Raises:
        ConfigError: If it cannot be read or has another form.
    """
    try:
        if path.suffix == ".jsonl":
            lines = [line for line in read_text(path, "DD-VQA questions").splitlines() if line.strip()]
            return [question for line in lines for question in _keyed(json.loads(line))]
        values = read_json(path, "DD-VQA conversations")
        if isinstance(values, dict):
            return list(_keyed(values))
        return [question for value in values for question in _conversation(value)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        msg = f"{path} holds no DD-VQA questions: {type(error).__name__} {error}"
        raise ConfigError(msg) from error


def _keyed(values: dict[str, Any]) -> Iterator[Question]:
    """``{"3_579_701_2": {"question", "answer"}}``; the last number counts the picture's questions.

    Upstream's files put them one level deeper: ``{"3_579_701": {"2": {...}}}``.
    """
    for key, value in values.items():
        if "question" in value:
            name, _, number = key.rpartition("_")
            yield Question(f"{name}.jpg", value["question"], tuple(value["answer"]), int(number))
        else:
            for number, inner in value.items():
                yield Question(f"{key}.jpg", inner["question"], tuple(inner["answer"]), int(number))


def _conversation(value: dict[str, Any]) -> Iterator[Question]:
    turns = value["conversations"]
    for i in range(0, len(turns) - 1, 2):
        if [_TURNS[turn["from"]] for turn in turns[i : i + 2]] != ["question", "answer"]:
            msg = f"turns of {value['image']} must alternate between human and gpt"
            raise ValueError(msg)
        asked = turns[i]["value"].replace("<image>", "").replace("<deepfake>", "").strip()
        yield Question(value["image"], asked, (turns[i + 1]["value"],), i // 2)


def picture_label(name: str) -> Label:
    """Label of a picture by its file name.

    Raises:
        ConfigError: If it is not named as DD-VQA's pictures are.

    >>> picture_label("5_214.jpg").name, picture_label("1_454_527.jpg").name
    ('REAL', 'FAKE')
    """
    return Label.FAKE if METHODS[_parts(name)[1]] else Label.REAL


def picture_videos(name: str) -> tuple[str, ...]:
    """FF++ ids of the videos that a picture shows: its own, then whose face was put in.

    Raises:
        ConfigError: If it is not named as DD-VQA's pictures are.

    >>> picture_videos("1_454_527.jpg")
    ('454', '527')
    """
    return tuple(video for video in _parts(name).group(2, 3) if video)


def _parts(name: str) -> re.Match[str]:
    match = _NAME.fullmatch(name.rpartition(".")[0])
    if match is None:
        msg = f"expected a name such as 1_454_527.jpg or 5_214.jpg, got {name}"
        raise ConfigError(msg)
    return match


def _pictures(root: Path) -> str:
    return "DDVQA_images/" if (root / "DDVQA_images").is_dir() else ""


def _record(folder: str, name: str, rate: str, split: str, asked: int) -> Record:
    videos = picture_videos(name)
    method = METHODS[_parts(name)[1]]
    return Record(
        path=f"{folder}/{name}",
        video_id=f"{rate}/{name.rpartition('.')[0]}",
        label=picture_label(name),
        dataset=INFO.title,
        kind="image",
        split=split,
        identities=videos,
        sources=videos,
        manipulation=method,
        compression=rate,
        metadata={"questions": str(asked)},
    )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy in c40: three original videos of each split and three fakes of each."""
    fakes: tuple[tuple[str, Fake], ...] = (("0", "swap"), ("1", "local"), ("3", "swap"))
    conversations: list[dict[str, Any]] = []
    lines: list[str] = []
    for split, videos in (("train", ("226", "491", "301")), ("test", ("454", "527", "214"))):
        folder = root / "DDVQA_images" / "c40" / split
        for i, video in enumerate(videos):
            number, fake = fakes[i]
            other = videos[(i + 1) % len(videos)]
            for stem, word in ((f"5_{video}", "real"), (f"{number}_{video}_{other}", "fake")):
                made: Fake = fake if word == "fake" else ""
                take = number if made else ""
                maker.picture(
                    folder / f"{stem}.jpg", video, fake=made, donor=other if made else "", take=take, quality=40
                )
                ask = "<image>\n<deepfake>\nDo the image looks real or fake?"
                turns = [{"from": "human", "value": ask}, {"from": "gpt", "value": f"The image looks {word}."}]
                if split == "train":
                    conversations.append({"id": stem[2:], "image": f"{stem}.jpg", "conversations": turns})
                told = {"question": f"This image is {word}. Describe it.", "answer": [f"The face looks {word}."]}
                if split == "test":
                    lines.append(json.dumps({f"{stem}_0": told}))
    maker.json(root / "train_DDVQA_format_judge_only.json", conversations)
    maker.text(root / "DDVQA_eval" / "c40" / "test.jsonl", "\n".join(lines) + "\n")
