"""Conversations as text: templates by name, placeholders of pictures and detectors, and what a model learns from.

Reference: the templates are those that LLaVA, M2F2-Det and FFAA were trained or are asked with; a released
checkpoint depends on every space of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from facewitness.errors import ConfigError, UnknownNameError

IMAGE: Final = "<image>"
"""Stands for the tokens of a picture."""

DEEPFAKE: Final = "<deepfake>"
"""Stands for the token of a detector: P(real), P(fake)."""

IMAGE_ID: Final = -200
DEEPFAKE_ID: Final = -300
IGNORE: Final = -100
"""Label of what is not learnt."""

PLACEHOLDERS: Final[dict[str, int]] = {IMAGE: IMAGE_ID, DEEPFAKE: DEEPFAKE_ID}

_SPLIT: Final = re.compile("|".join(f"({re.escape(word)})" for word in PLACEHOLDERS))

Style = Literal["single", "two", "chatml", "inst", "plain"]


@dataclass(frozen=True)
class Turn:
    """One message: ``role`` is ``human`` or ``gpt``, as in LLaVA's files."""

    role: Literal["human", "gpt"]
    text: str


@dataclass(frozen=True)
class Conversation:
    """A conversation about at most one picture.

    Attributes:
        name: Its id.
        image: Path of the picture below the folder of pictures; empty without one.
        turns: Messages, human first, in turn.
    """

    name: str
    image: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Piece:
    """A stretch of a rendered conversation and whether it is learnt."""

    text: str
    learnt: bool = False


@dataclass(frozen=True)
class Template:
    """How messages become one string.

    Attributes:
        name: Its name.
        style: ``two`` ends messages with two separators in turn, ``single`` with one, ``chatml`` opens roles
            without a colon, ``inst`` wraps questions in ``[INST]``, ``plain`` has no roles.
        system: What stands in front.
        roles: Names of the human and of the model.
        separator: After a message of the human (``single``, ``chatml``: of both).
        end: After an answer.
        layout: The first message, with ``{question}`` and placeholders.
        stop: Strings that end an answer, besides the end token.
    """

    name: str
    style: Style
    system: str = ""
    roles: tuple[str, str] = ("USER", "ASSISTANT")
    separator: str = " "
    end: str = "</s>"
    layout: str = "<image>\n<deepfake>\n{question}"
    stop: tuple[str, ...] = ()

    def first_message(self, question: str, *, deepfake: bool, image: bool = True) -> str:
        r"""The first message of a conversation with its placeholders.

        Args:
            question: The question; placeholders in it are dropped.
            deepfake: Whether the model takes a detector's token.
            image: Whether there is a picture.

        Example:
            >>> template_named("vicuna_v1").first_message("Real or fake?", deepfake=True)
            '<image>\n<deepfake>\nReal or fake?'
            >>> template_named("m2f2_demo").first_message("Real or fake?", deepfake=False)
            '<image>\nReal or fake?'
        """
        layout = self.layout
        for word, wanted in ((IMAGE, image), (DEEPFAKE, deepfake)):
            if not wanted:
                front = re.sub(rf"^{re.escape(word)}\s*", "", layout)
                layout = re.sub(rf"\s*{re.escape(word)}", "", front)
        return layout.replace("{question}", _SPLIT.sub("", question).strip())

    def pieces(self, turns: Sequence[Turn]) -> list[Piece]:
        """A conversation cut into what is learnt (answers with their end) and what is not.

        Args:
            turns: Human and model in turn; if the human speaks last, the string ends where the answer begins.

        Raises:
            ConfigError: If turns do not alternate.
        """
        for index, turn in enumerate(turns):
            if turn.role != ("human", "gpt")[index % 2]:
                msg = f"turns must alternate, human first; turn {index} is from {turn.role!r}"
                raise ConfigError(msg)
        writer = {"inst": self._inst, "plain": self._plain}.get(self.style, self._roles)
        return [piece for piece in writer(turns) if piece.text]

    def prompt(self, question: str, *, deepfake: bool, image: bool = True) -> str:
        r"""The string that an answer follows.

        Example:
            >>> template_named("mistral_instruct").prompt("Why?", deepfake=False)
            '[INST] <image>\nWhy? [/INST]'
        """
        turn = Turn("human", self.first_message(question, deepfake=deepfake, image=image))
        return "".join(piece.text for piece in self.pieces([turn]))

    def _roles(self, turns: Sequence[Turn]) -> list[Piece]:
        colon, gap = (":", " ") if self.style != "chatml" else ("", "")
        human, model = (role + colon for role in self.roles)
        found = [Piece(self.system + self.separator if self.system else "")]
        end = self.end if self.style == "two" else self.separator
        for turn in turns:
            if turn.role == "human":
                found.append(Piece(f"{human}{gap}{turn.text}{self.separator}{model}"))
            else:
                found.append(Piece(f"{gap}{turn.text}{end}", learnt=True))
        return found

    def _inst(self, turns: Sequence[Turn]) -> list[Piece]:
        found: list[Piece] = []
        system = f"<<SYS>>\n{self.system}\n<</SYS>>\n\n" if self.system else ""
        for index, turn in enumerate(turns):
            if turn.role == "human":
                opening = self.separator if index else ""
                found.append(Piece(f"{opening}[INST] {system if not index else ''}{turn.text} [/INST]"))
            else:
                found.append(Piece(f" {turn.text} {self.end}", learnt=True))
        return found

    def _plain(self, turns: Sequence[Turn]) -> list[Piece]:
        return [Piece(turn.text + (self.end if turn.role == "gpt" else ""), turn.role == "gpt") for turn in turns]


_ASSISTANT: Final = (
    "artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the"
)
_USER_SYSTEM: Final = f"A chat between a curious user and an {_ASSISTANT} user's questions."
_HUMAN_SYSTEM: Final = f"A chat between a curious human and an {_ASSISTANT} human's questions."
_LLAMA_2_SYSTEM: Final = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)
_FFAA_SYSTEM: Final = (
    "You are an AI master specialized in face forgery analysis. You'll be provided with a human face image. "
    "You need to think step by step to analyze whether the face is real or fake."
)
_CHATML_ROLES: Final = ("<|im_start|>user\n", "<|im_start|>assistant\n")

TEMPLATES: Final[dict[str, Template]] = {
    template.name: template
    for template in (
        Template("vicuna_v1", "two", _USER_SYSTEM),
        Template("llava_v1", "two", _HUMAN_SYSTEM),
        Template("llava_v0", "single", _HUMAN_SYSTEM, ("Human", "Assistant"), "###", "###", stop=("###",)),
        Template("llama_2", "inst", _LLAMA_2_SYSTEM, separator="<s>"),
        Template("mistral_instruct", "inst", separator=""),
        Template(
            "chatml",
            "chatml",
            "<|im_start|>system\nYou are a helpful assistant.",
            _CHATML_ROLES,
            "<|im_end|>\n",
            "<|im_end|>\n",
            stop=("<|im_end|>",),
        ),
        Template("plain", "plain", end="\n", layout="<image><deepfake>{question}", stop=("\n",)),
        Template("ffaa", "two", _FFAA_SYSTEM),
        Template("m2f2_demo", "two", _USER_SYSTEM, layout="<image>\n{question}\n\n<deepfake>"),
        Template(
            "m2f2_cli",
            "single",
            f"Assistant: {_HUMAN_SYSTEM}",
            ("Human", "Assistant"),
            "###",
            "###",
            layout="<image>\n<deepfake>\n{question} ",
        ),
        Template(
            "m2f2_cli_detection",
            "single",
            f"Assistant: {_HUMAN_SYSTEM}",
            ("Human", "Assistant"),
            "###",
            "###",
            layout="<image>\n <deepfake>\n {question} ",
        ),
    )
}
"""Templates by name. M2F2-Det is trained with ``vicuna_v1``; its command lines ask with ``m2f2_cli*`` and its demo
with ``m2f2_demo``, each with placeholders in another order."""

QUESTIONS: Final[dict[str, str]] = {
    "train": "Do the image looks real or fake?",
    "cli_detection": "Determine the authenticity. Is the image real or fake?",
    "demo": "Determine the authenticity of this image",
}
"""Questions of M2F2-Det by the place that they come from, word for word."""


def template_named(name: str) -> Template:
    """A template.

    Raises:
        UnknownNameError: If there is none of this name.
    """
    if name not in TEMPLATES:
        msg = f"no conversation template is called {name!r}; known are {', '.join(sorted(TEMPLATES))}"
        raise UnknownNameError(msg)
    return TEMPLATES[name]


def split_placeholders(text: str) -> list[str]:
    r"""A string cut before and behind each placeholder, placeholders kept.

    Example:
        >>> split_placeholders("USER: <image>\nWhy?")
        ['USER: ', '<image>', '\nWhy?']
    """
    return [part for part in _SPLIT.split(text) if part]


def read_conversations(path: Path) -> list[Conversation]:
    """Read a JSON list of conversations, the format of LLaVA, DD-VQA (M2F2-Det) and FFA-VQA.

    Returns:
        One per record: ``{"id", "image", "conversations": [{"from": "human" | "gpt", "value"}]}``.

    Raises:
        ConfigError: If the file is no such list; the first wrong record is named.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"conversations {path} cannot be read: {error}"
        raise ConfigError(msg) from error
    if not isinstance(records, list) or not records:
        msg = f"{path} must hold a JSON list of conversations, got {type(records).__name__} or nothing"
        raise ConfigError(msg)
    return [_conversation(record, f"{path}, record {index}") for index, record in enumerate(records)]


def _conversation(record: Any, where: str) -> Conversation:
    try:
        turns = tuple(Turn(turn["from"], turn["value"]) for turn in record["conversations"])
        image = record.get("image", "")
        name = str(record.get("id", image))
    except (TypeError, KeyError, AttributeError) as error:
        msg = f"{where}: expected id, image and conversations with from and value, got {error!r}"
        raise ConfigError(msg) from error
    texts: Iterable[Any] = (image, *(turn.text for turn in turns))
    roles = [turn.role for turn in turns]
    if not all(isinstance(text, str) for text in texts):
        msg = f"{where}: image and values must be text"
        raise ConfigError(msg)
    if not turns or roles != (["human", "gpt"] * len(turns))[: len(turns)] or len(turns) % 2:
        msg = f"{where}: expected human and gpt in turn, an answer last, got {roles}"
        raise ConfigError(msg)
    pictures = sum(turn.text.count(IMAGE) for turn in turns)
    if pictures != bool(image):
        msg = f"{where}: {IMAGE} stands {pictures} times, but there are {int(bool(image))} pictures"
        raise ConfigError(msg)
    return Conversation(name, image, turns)
