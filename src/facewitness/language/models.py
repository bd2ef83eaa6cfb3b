"""What asks and what answers: one way to talk to every model that explains a picture in words.

A local LLaVA-type model (`facewitness.language.llava_answers.Llava`) and an OpenAI-compatible endpoint both
are an `Explainer`. The verdict never comes from here: a text is derived from the evidence that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.records import RegionStrength

FinishReason = Literal["stop", "length", "cancelled"]
"""Why a text ended: the model ended it or a stop string came, the limit on tokens was met, or somebody cancelled."""

Aspect = Literal["pad", "crop"]
"""How a picture becomes square for a local model: padded with CLIP's mean colour, or cut at its sides."""

ASPECTS: Final = ("pad", "crop")

Stream = Callable[[str], None]
"""Called with each new piece of the text, in order; the pieces joined are the whole text."""

Cancel = Callable[[], bool]
"""Asked before each new piece; a true answer ends the text with ``cancelled``."""


@dataclass(frozen=True)
class Evidence:
    """What a detector found, for a model to put into words.

    Attributes:
        score: P(fake) in [0, 1].
        verdict: The verdict in words, as the report prints it; empty where there is none.
        detector: Name of the detector.
        regions: Face regions that the heatmap fires on, strongest first.
        heatmap: ``(h, w)`` float32 in [0, 1] over the picture, or None.
    """

    score: float
    verdict: str = ""
    detector: str = ""
    regions: tuple[RegionStrength, ...] = ()
    heatmap: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse a score that is no probability.

        Raises:
            ConfigError: If the score is not from 0 to 1.
        """
        if not 0.0 <= self.score <= 1.0:
            msg = f"the score of evidence is P(fake), from 0 to 1, got {self.score}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class Answer:
    """A text and how it came to be.

    Attributes:
        text: The text without special tokens and without the stop string, stripped.
        model: Name of the model.
        finish_reason: Why it ended.
        tokens: Tokens that were generated; 0 where an endpoint does not say.
        seconds: Wall time; of answers made in one batch, that of the batch.
    """

    text: str
    model: str
    finish_reason: FinishReason
    tokens: int
    seconds: float


class Explainer(Protocol):
    """A model that answers a question about a picture.

    Attributes:
        name: Name of the model, for reports.
    """

    name: str

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
            image: ``(H, W, 3)`` uint8 RGB.
            question: The question, without placeholders.
            evidence: What the detector found.
            stream: Takes the text piece by piece.
            cancel: Ends it early.
        """
        ...


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: Limit on the tokens of an answer.
        temperature: 0 always takes the likeliest token.
        top_p: Sample from the likeliest tokens that together have this probability.
        seed: Of the sampling; the same seed, machine and batch give the same text.
    """

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ConfigError: Naming the first.
        """
        if self.max_new_tokens < 1:
            msg = f"max_new_tokens must be at least 1, got {self.max_new_tokens}"
            raise ConfigError(msg)
        if self.temperature < 0:
            msg = f"temperature must be 0 (greedy) or more, got {self.temperature}"
            raise ConfigError(msg)
        if not 0 < self.top_p <= 1:
            msg = f"top_p must be above 0 and at most 1, got {self.top_p}"
            raise ConfigError(msg)


class Asking(TypedDict, total=False):
    """How a local model is asked, beside picture, question and evidence.

    Attributes:
        stream: Takes the pieces of the first answer.
        cancel: Ends every answer early.
        sampling: How tokens are chosen.
    """

    stream: Stream | None
    cancel: Cancel | None
    sampling: Sampling | None
