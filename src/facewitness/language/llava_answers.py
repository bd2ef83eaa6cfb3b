"""A local LLaVA-type model that answers questions about pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.errors import ConfigError, WeightsError
from facewitness.language.conversations import DEEPFAKE, DEEPFAKE_ID, IMAGE, Piece, Template, Turn, template_named
from facewitness.language.generation import generate
from facewitness.language.llava import Seen
from facewitness.language.llava_files import LlavaPrecision, Quantisation
from facewitness.language.llava_weights import LoadedLlava, load_folder
from facewitness.language.models import Answer, Asking, Cancel, Evidence, Sampling, Stream
from facewitness.language.splicing import Tokens, tokenise


class Llava:
    """A model and its tokenizer, ready to answer; an `Explainer`.

    Args:
        loaded: The model.
        name: Its name in reports.
        sampling: How tokens are chosen unless a call says otherwise.
        template: Name of a conversation template instead of the model's own.

    Raises:
        WeightsError: If the model has no tokenizer.
    """

    def __init__(
        self, loaded: LoadedLlava, name: str, *, sampling: Sampling | None = None, template: str | None = None
    ) -> None:
        if loaded.tokenizer is None:
            msg = f"{name} has no tokenizer; put tokenizer.json (or tokenizer.model) of its language model beside it"
            raise WeightsError(msg)
        self.loaded = loaded
        self.network = loaded.network
        self.tokenizer = loaded.tokenizer
        self.name = name
        self.sampling = sampling or Sampling()
        self.template: Template = template_named(template or loaded.settings.template)

    @property
    def takes_score(self) -> bool:
        """Whether the model has a token for a detector's score, so that evidence goes in as numbers."""
        return self.network.score_projector is not None

    def see(self, images: Sequence[NDArray[np.uint8]]) -> Seen:
        """Run the vision tower once, for any number of questions.

        Args:
            images: ``(H, W, 3)`` uint8 RGB each.
        """
        settings = self.loaded.settings
        with torch.inference_mode():
            return self.network.see(images, settings.aspect, as_half=settings.half_pixels)

    def answer(
        self,
        image: NDArray[np.uint8],
        question: str,
        *,
        evidence: Evidence | None = None,
        stream: Stream | None = None,
        cancel: Cancel | None = None,
        sampling: Sampling | None = None,
    ) -> Answer:
        """Answer one question about one picture.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            question: The question; placeholders in it are dropped.
            evidence: What a detector found; a model with a token for the score (`takes_score`) needs it.
            stream: Takes the text piece by piece.
            cancel: Ends it early.
            sampling: How tokens are chosen.

        Raises:
            ConfigError: If the model needs a score and got none.
        """
        return self.answers([image], [question], evidence=[evidence], stream=stream, cancel=cancel, sampling=sampling)[
            0
        ]

    def answers(
        self,
        images: Sequence[NDArray[np.uint8]] | Seen,
        questions: Sequence[str],
        *,
        evidence: Sequence[Evidence | None] | None = None,
        **how: Unpack[Asking],
    ) -> list[Answer]:
        """Answer questions in one batch; each picture is looked at once.

        Args:
            images: One picture per question, or one for all; or what `see` made of them.
            questions: The questions.
            evidence: One per question, or one for all.
            how: Stream, cancel, sampling.

        Raises:
            ConfigError: If numbers of pictures and questions do not go together, or a score is needed and missing.
        """
        prompts = [self._tokens(self.template.prompt(question, deepfake=self.takes_score)) for question in questions]
        return self._run(prompts, images, evidence, **how)

    def complete(
        self,
        images: Sequence[NDArray[np.uint8]] | Seen,
        prompts: Sequence[str],
        *,
        evidence: Sequence[Evidence | None] | None = None,
        **how: Unpack[Asking],
    ) -> list[Answer]:
        """As `answers`, but the prompts are whole, with system, roles and placeholders, word for word.

        Raises:
            ConfigError: If a prompt has no ``<image>``, or others than the model takes.
        """
        for prompt in prompts:
            if prompt.count(IMAGE) != 1 or prompt.count(DEEPFAKE) > int(self.takes_score):
                most = f"at most one {DEEPFAKE}" if self.takes_score else f"no {DEEPFAKE}"
                msg = f"a whole prompt for {self.name} needs one {IMAGE} and {most}, got {prompt!r}"
                raise ConfigError(msg)
        return self._run([self._tokens(prompt) for prompt in prompts], images, evidence, **how)

    def conversation(self, turns: Sequence[Turn]) -> Tokens:
        """A whole conversation as token ids with the labels that training takes."""
        return tokenise(self.template.pieces(turns), self.tokenizer)

    def _tokens(self, prompt: str) -> Tokens:
        return tokenise([Piece(prompt)], self.tokenizer)

    def _run(
        self,
        prompts: Sequence[Tokens],
        images: Sequence[NDArray[np.uint8]] | Seen,
        evidence: Sequence[Evidence | None] | None,
        **how: Unpack[Asking],
    ) -> list[Answer]:
        started = time.perf_counter()
        seen = images if isinstance(images, Seen) else self.see(images)
        seen = _spread(seen, len(prompts))
        made = generate(
            self.network,
            self.tokenizer,
            prompts,
            seen,
            self._probabilities(prompts, evidence),
            sampling=how.get("sampling") or self.sampling,
            stop=self.template.stop,
            stream=how.get("stream"),
            cancel=how.get("cancel"),
        )
        seconds = time.perf_counter() - started
        return [Answer(one.text, self.name, one.finish_reason, len(one.ids), seconds) for one in made]

    def _probabilities(
        self, prompts: Sequence[Tokens], evidence: Sequence[Evidence | None] | None
    ) -> torch.Tensor | None:
        """``(n, 2)`` P(real), P(fake) for prompts with a place for them."""
        if not any(DEEPFAKE_ID in prompt.ids for prompt in prompts):
            return None
        given = list(evidence or [None])
        given = given * len(prompts) if len(given) == 1 else given
        scores = [one.score for one in given if one is not None]
        if len(scores) != len(prompts):
            msg = (
                f"{self.name} takes a detector's score with every question; {len(prompts)} questions came with "
                f"{len(scores)} scores: give evidence"
            )
            raise ConfigError(msg)
        return torch.tensor([[1 - score, score] for score in scores])


def load_llava(
    place: str | Path,
    *,
    device: str = "auto",
    precision: LlavaPrecision = "auto",
    quantisation: Quantisation = "none",
    sampling: Sampling | None = None,
    template: str | None = None,
) -> Llava:
    """Load a model that answers.

    Args:
        place: Folder or hub id: our own folders, those of transformers (``model_type`` llava) and the authors' merged
            ones (llava_llama, llava_mistral).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``spread`` over all there is.
        precision: Of the weights.
        quantisation: 8 or 4 bits; needs bitsandbytes.
        sampling: How tokens are chosen unless a call says otherwise.
        template: Name of a conversation template instead of the model's own.

    Raises:
        WeightsError: If there is no model, or it has no tokenizer.
        CheckpointError: If its tensors do not fit.
        MissingExtraError: If a package is missing.
    """
    loaded = load_folder(place, device=device, precision=precision, quantisation=quantisation)
    name = str(place).rstrip("/")
    name = Path(name).name if Path(name).is_dir() else name
    return Llava(loaded, name, sampling=sampling, template=template)


def _spread(seen: Seen, count: int) -> Seen:
    """One picture per prompt."""
    have = len(seen.tokens)
    if have == count:
        return seen
    if have != 1:
        msg = f"give one picture for all questions or one each: {have} pictures, {count} questions"
        raise ConfigError(msg)
    return seen.repeated(count)
