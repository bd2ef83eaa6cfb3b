"""A model behind an OpenAI-compatible address (vLLM, llama.cpp's server, Ollama, hosted ones) as an `Explainer`.

The picture, the question and the detector's evidence (in words, and as a picture with the heatmap) are sent to the one
address that the user names, and nowhere else.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, EndpointError
from facewitness.jpeg import encode_jpeg
from facewitness.language.models import Answer, Cancel, Evidence, FinishReason, Sampling, Stream
from facewitness.language.prompts import evidence_prompt
from facewitness.language.transport import Address, Patience, Reply, Request, post
from facewitness.records import Heatmap
from facewitness.reports.heat import blend_heat, whole_frame

MOST_LETTERS: Final = 50_000
"""Letters of an answer beyond which it is none."""

_LONGEST_SIDE: Final = 1024
_JPEG_QUALITY: Final = 90
_ERROR_BYTES: Final = 1 << 16
_SHOWN_LETTERS: Final = 300
_SYSTEM: Final = (
    "You help people to understand the result of a forgery detector for faces. Write plainly, for a reader without "
    "technical knowledge, in the language of the question."
)
_SHORTEST_SECRET: Final = 4
"""Letters of a key below which it is a stand-in for servers without keys, and part of ordinary words."""

_DONE: Final = "done"
_DROPPABLE: Final = ("max_tokens", "temperature", "top_p", "seed")


def read_api_key(variable: str = "", file: Path | None = None) -> str:
    """A key from an environment variable or a file: command lines are seen by every user of a machine.

    Args:
        variable: Name of the environment variable; empty for none.
        file: File that holds nothing but the key.

    Returns:
        The key; empty where neither is given.

    Raises:
        ConfigError: If both are given, the variable is not set, or what is there is no key. The key is never shown.
    """
    if variable and file is not None:
        msg = "give the key either by environment variable or by file, not both"
        raise ConfigError(msg)
    if file is not None:
        try:
            key, where = file.read_text(encoding="utf-8").strip(), f"the file {file}"
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the key file {file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
            raise ConfigError(msg) from None
    elif variable:
        key, where = os.environ.get(variable, "").strip(), f"the environment variable {variable[:80]!r}"
    else:
        return ""
    if not key or not key.isascii() or not key.isprintable() or " " in key or len(key) > 4096:
        msg = f"{where} holds no key: expected one line of letters without spaces"
        raise ConfigError(msg)
    return key


class EndpointExplainer:
    """Asks a model at an address; implements `facewitness.language.models.Explainer`.

    Args:
        url: Address, such as ``http://localhost:8000/v1``.
        model: Name of the model there.
        api_key: Key; empty for servers without.
        sampling: How tokens are chosen.
        patience: How long it is waited for.
        streaming: Whether the text is asked for piece by piece.

    Attributes:
        name: Model and machine, for reports.
        tells_evidence: Evidence goes into requests by itself, in words and as a picture.

    Raises:
        ConfigError: If the address is no http(s) one or the model has no name.
    """

    tells_evidence: Final = True

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str = "",
        sampling: Sampling | None = None,
        patience: Patience | None = None,
        streaming: bool = True,
    ) -> None:
        if not model.strip() or not model.isprintable():
            msg = f"an endpoint needs the name of a model that it serves (--model NAME), got {model!r}"
            raise ConfigError(msg)
        self.address = Address.of(url)
        self.name = f"{model.strip()} at {self.address}"
        self._model = model.strip()
        self._key = api_key
        self._sampling = sampling or Sampling()
        self._patience = patience or Patience()
        self._streaming = streaming

    def answer(
        self,
        image: NDArray[np.uint8],
        question: str,
        *,
        evidence: Evidence | None = None,
        stream: Stream | None = None,
        cancel: Cancel | None = None,
    ) -> Answer:
        """Answer one question.

        Args:
            image: ``(H, W, 3)`` uint8 RGB; sent as JPEG, its longer side at most 1,024 pixels.
            question: The question.
            evidence: What the detector found; told before the question, its heatmap shown as a second picture.
            stream: Takes the text piece by piece.
            cancel: Asked many times a second; a true answer ends it with what there is.

        Raises:
            EndpointError: If the server is down, late, refuses, or answers something that is no answer.
        """
        started = time.monotonic()
        text, reason, tokens = "", "", 0
        with closing(self._shown_pieces(_messages(image, question, evidence), cancel or _never)) as pieces:
            for piece in pieces:
                said = piece.text
                text, tokens = text + said, piece.tokens or tokens
                if piece.reason and not (reason and piece.reason == _DONE):
                    reason = piece.reason
                if len(text) > MOST_LETTERS:
                    msg = f"{self.name} answered with more than {MOST_LETTERS:,} letters; lower --max-tokens"
                    raise EndpointError(msg)
                if said and stream is not None:
                    stream(said)
        if not text.strip() and reason != "cancelled":
            advice = "raise --max-tokens" if reason == "length" else "does the model take pictures?"
            msg = f"{self.name} answered with nothing; {advice}"
            raise EndpointError(msg)
        ended: FinishReason = "cancelled" if reason == "cancelled" else "length" if reason == "length" else "stop"
        return Answer(text.strip(), self.name, ended, tokens, time.monotonic() - started)

    def _shown_pieces(self, messages: list[dict[str, Any]], cancel: Cancel) -> Generator[_Piece, None, None]:
        """As `_pieces`, without control characters and without the key, also where it is spread over pieces."""
        held = ""
        with closing(self._pieces(messages, cancel)) as pieces:
            for piece in pieces:
                said = self._without_key(held + _cleaned(piece.text))
                kept = next((n for n in range(len(self._key) - 1, 0, -1) if said.endswith(self._key[:n])), 0)
                held = said[len(said) - kept :]
                yield replace(piece, text=said[: len(said) - kept])
        yield _Piece(held)

    def _pieces(self, messages: list[dict[str, Any]], cancel: Cancel) -> Generator[_Piece, None, None]:
        """The pieces of an answer; the last one has a reason, that of a cancelled answer is ``cancelled``."""
        reply = self._asked(messages, cancel)
        if reply is None:
            yield _Piece("", "cancelled")
            return
        with reply:
            ended = False
            for piece in self._read(reply):
                ended = ended or bool(piece.reason)
                yield piece
            if reply.cancelled:
                yield _Piece("", "cancelled")
            elif not ended:
                msg = f"{self.address} broke off in the middle of its answer; look at the server's log"
                raise EndpointError(msg)

    def _asked(self, messages: list[dict[str, Any]], cancel: Cancel) -> Reply | None:
        """The reply with an answer; parameters that a server says it does not take are left out, one by one."""
        wanted = self._body(messages)
        for _ in range(len(_DROPPABLE) + 1):
            body = json.dumps(wanted).encode()
            headers = {"Accept": "text/event-stream, application/json", "User-Agent": "facewitness"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            reply = post(Request(self.address, body, headers, self._patience), cancel)
            if reply is None or reply.status == 200:
                return reply
            with reply:
                said = _object(reply.everything(_ERROR_BYTES))
                if reply.cancelled:
                    return None
                name = _refused_parameter(said) if reply.status in (400, 422) else ""
                if name not in wanted:
                    raise self._refusal(reply.status, said)
            value = wanted.pop(name)
            if name == "max_tokens":
                wanted["max_completion_tokens"] = value
        msg = f"{self.address} refuses every form of the request; is it OpenAI-compatible?"
        raise EndpointError(msg)

    def _body(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        sampling = self._sampling
        body: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "stream": self._streaming,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
        }
        if sampling.temperature > 0:
            body |= {"top_p": sampling.top_p, "seed": sampling.seed}
        return body

    def _refusal(self, status: int, said: dict[str, Any]) -> EndpointError:
        advice = {
            401: "it wants a key (--api-key-env or --api-key-file), or another one",
            403: "the key does not allow this",
            404: "is the address right (it often ends in /v1), and does it serve this model?",
            405: "is the address that of an OpenAI-compatible server?",
            413: "the pictures are too large for it",
        }.get(status, "does the model take pictures?")
        words = self._without_key(_error_words(said))
        return EndpointError(f"{self.name} refused with status {status}{f' ({words})' if words else ''}; {advice}")

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if len(self._key) >= _SHORTEST_SECRET else text

    def _read(self, reply: Reply) -> Iterator[_Piece]:
        if reply.content_type != "text/event-stream":
            raw = reply.everything()
            if not reply.cancelled:
                yield self._piece(raw, "message")
            return
        for event in events(reply.lines()):
            if event.strip() == b"[DONE]":
                yield _Piece("", _DONE)
                return
            yield self._piece(event, "delta")

    def _piece(self, raw: bytes, part: str) -> _Piece:
        said = _object(raw)
        if said.get("error"):
            msg = f"{self.name} failed while answering ({self._without_key(_error_words(said))})"
            raise EndpointError(msg)
        try:
            choices = said["choices"]
            if not choices:  # a last event that only counts tokens
                return _Piece("", "", _tokens(said))
            content = choices[0].get(part, {}).get("content")
            reason = choices[0].get("finish_reason") or ("stop" if part == "message" else "")
            return _Piece(_text_of(content), str(reason), _tokens(said))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            beginning = self._without_key(_shown(raw[:_SHOWN_LETTERS].decode("utf-8", "replace"))) or "nothing"
            msg = f"{self.address} answered something that is no answer ({beginning}); is it OpenAI-compatible?"
            raise EndpointError(msg) from error


def events(lines: Iterable[bytes]) -> Iterator[bytes]:
    r"""The data of server-sent events; comments and other fields are skipped.

    Example:
        >>> list(events([b": hello", b"data: a", b"data: b", b"", b"id: 7", b"data:c"]))
        [b'a\nb', b'c']
    """
    data: list[bytes] = []
    for line in lines:
        if not line and data:
            yield b"\n".join(data)
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    if data:
        yield b"\n".join(data)


@dataclass(frozen=True)
class _Piece:
    """A piece of an answer; ``reason`` is why it ended, empty where it goes on; ``tokens`` where they were counted."""

    text: str
    reason: str = ""
    tokens: int = 0


def _messages(image: NDArray[np.uint8], question: str, evidence: Evidence | None) -> list[dict[str, Any]]:
    pictures = [image]
    words = question
    if evidence is not None:
        words = f"{evidence_prompt(evidence)}\n\n{question}"
        if evidence.heatmap is not None:
            pictures.append(with_heat(image, evidence.heatmap))
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": _picture_uri(picture)}} for picture in pictures
    ]
    content.append({"type": "text", "text": words})
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": content}]


def with_heat(image: NDArray[np.uint8], heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A picture with a heatmap laid over the whole of it.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        heatmap: ``(h, w)`` float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    side = max(heatmap.shape)
    to_picture = np.array([[image.shape[1] / side, 0, 0], [0, image.shape[0] / side, 0]], np.float32)
    to_picture[:, 2] = (to_picture[[0, 1], [0, 1]] - 1) / 2  # pixel centres, not corners, are at whole numbers
    picture = image.copy()
    blend_heat(picture, Heatmap(heatmap, to_picture, side), whole_frame(image.shape))
    return picture


def _picture_uri(image: NDArray[np.uint8]) -> str:
    height, width = image.shape[:2]
    scale = _LONGEST_SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return f"data:image/jpeg;base64,{b64encode(encode_jpeg(image, _JPEG_QUALITY)).decode('ascii')}"


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text_of(content: object) -> str:
    """Text of a message: a string, nothing, or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    msg = "neither text nor parts"
    raise TypeError(msg)


def _tokens(said: dict[str, Any]) -> int:
    usage = said.get("usage")
    count = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return count if isinstance(count, int) and count >= 0 else 0


def _error_words(said: dict[str, Any]) -> str:
    error = said.get("error", said.get("detail", said.get("message", "")))
    words = error.get("message", "") if isinstance(error, dict) else error
    return _shown(str(words))


def _refused_parameter(said: dict[str, Any]) -> str:
    """The parameter that a server says it does not take; empty where it says no such thing."""
    error = said.get("error")
    named = error.get("param") if isinstance(error, dict) else None
    return named if isinstance(named, str) and named in _DROPPABLE else ""


def _cleaned(text: str) -> str:
    """Text without control characters other than line ends, so that a terminal only shows it."""
    return "".join(letter for letter in text.replace("\t", " ") if letter.isprintable() or letter == "\n")


def _shown(text: str) -> str:
    return _cleaned(" ".join(text.split()))[:_SHOWN_LETTERS]


def _never() -> bool:
    return False
