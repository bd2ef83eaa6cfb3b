"""The network of a LLaVA-type model: vision tower, projector, language model, and a token for a detector's score.

The core is transformers' own ``LlavaForConditionalGeneration`` over Llama, Mistral, Qwen2 or any other language model
of it, so saved folders open there as well. What it lacks is here: features in the place of placeholders that are no
words of the vocabulary, and M2F2-Det's token made of P(real), P(fake).

Reference: Liu et al., Improved Baselines with Visual Instruction Tuning, CVPR 2024; Guo et al., Rethinking
Vision-Language Model in Face Forensics (M2F2-Det), CVPR 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facewitness.language.conversations import DEEPFAKE_ID, IMAGE_ID
from facewitness.language.models import Aspect
from facewitness.language.pictures import pixel_values
from facewitness.language.splicing import PaddingSide, Spliced, Tokens, splice


class ScoreProjector(nn.Sequential):
    """P(real), P(fake) to one token of the language model: two linear layers with a GELU between.

    Args:
        width: Width of the language model.
        values: Numbers that come in.
    """

    def __init__(self, width: int, values: int = 2) -> None:
        super().__init__(nn.Linear(values, width), nn.GELU(), nn.Linear(width, width))
        for layer in (self[0], self[2]):  # the authors' start, large beside the usual one
            nn.init.normal_(cast("nn.Linear", layer).weight, std=0.1)
            nn.init.zeros_(cast("nn.Linear", layer).bias)


@dataclass(frozen=True)
class Seen:
    """What the vision tower made of pictures; computed once, used for any number of questions.

    Attributes:
        states: ``(n, tokens, width)`` hidden state with the class token first; what a detector takes.
        tokens: ``(n, k, width of the language model)`` projected, without the class token.
    """

    states: Tensor
    tokens: Tensor

    def repeated(self, times: int) -> Seen:
        """Each picture ``times`` times in a row, for as many questions."""
        return Seen(self.states.repeat_interleave(times, 0), self.tokens.repeat_interleave(times, 0))


@dataclass(frozen=True)
class LlavaOutput:
    """Logits over the spliced sequence, the batch itself, and the loss where labels were asked for."""

    logits: Tensor
    batch: Spliced
    loss: Tensor | None


class LlavaNetwork(nn.Module):
    """A LLaVA-type model.

    Args:
        core: ``LlavaForConditionalGeneration`` of transformers.
        score_projector: Whether the language model takes a detector's token.
        max_length: Spliced sequences are cut to this length in training.
    """

    def __init__(self, core: Any, *, score_projector: bool = False, max_length: int = 2048) -> None:
        super().__init__()
        self.core = core
        width = core.config.text_config.hidden_size
        self.score_projector = ScoreProjector(width) if score_projector else None
        self.max_length = max_length

    @property
    def device(self) -> torch.device:
        """Where token ids go in."""
        return next(self.embedding.parameters()).device

    @property
    def embedding(self) -> nn.Module:
        """The embedding of the language model."""
        return cast("nn.Module", self.core.get_input_embeddings())

    @property
    def image_size(self) -> int:
        """Side of the pictures that the vision tower takes, pixels."""
        return int(self.core.config.vision_config.image_size)

    def see(self, images: Sequence[NDArray[np.uint8]], aspect: Aspect = "pad", *, as_half: bool = False) -> Seen:
        """Run the vision tower and the projector.

        Args:
            images: ``(H, W, 3)`` uint8 RGB each.
            aspect: How a picture becomes square.
            as_half: Round pixel values to float16 first, as the authors' programs do.
        """
        values = pixel_values(images, self.image_size, aspect)
        return self.see_pixels(values.half() if as_half else values)

    def see_pixels(self, values: Tensor) -> Seen:
        """As `see`, from normalised pixel values ``(n, 3, size, size)``; the tower itself gets no gradient."""
        tower = self.core.model.vision_tower
        like = next(tower.parameters())
        with torch.no_grad():
            out = tower(values.to(like.device, like.dtype), output_hidden_states=True)
            states = out.hidden_states[self.core.config.vision_feature_layer]
        return Seen(states, self.project(states))

    def project(self, states: Tensor) -> Tensor:
        """States of a vision tower, class token first, to tokens of the language model (without the class token).

        The gradient goes into the projector.
        """
        patches = states[:, 1:] if self.core.config.vision_feature_select_strategy == "default" else states
        projector = self.core.model.multi_modal_projector
        return cast("Tensor", projector(patches.to(next(projector.parameters()))))

    def score_tokens(self, probabilities: Tensor) -> Tensor:
        """A detector's token.

        Args:
            probabilities: ``(n, 2)`` P(real), P(fake).

        Returns:
            ``(n, 1, width)``.
        """
        if self.score_projector is None:
            msg = "this model takes no detector's token; its network was built with score_projector=False"
            raise TypeError(msg)
        like = next(self.score_projector.parameters())
        out: Tensor = self.score_projector(probabilities.to(like.device, like.dtype))
        return out[:, None]

    def splice(
        self,
        tokens: Sequence[Tokens],
        seen: Seen | None,
        probabilities: Tensor | None = None,
        *,
        side: PaddingSide = "right",
        limit: bool = True,
    ) -> Spliced:
        """Put pictures and detector's tokens into texts, one of each per text at most.

        Args:
            tokens: One per sample.
            seen: One picture per sample; None for texts without.
            probabilities: ``(n, 2)`` P(real), P(fake); None for texts without.
            side: Where to pad.
            limit: Whether to cut sequences at `max_length`.
        """
        features: dict[int, list[list[Tensor]]] = {}
        if seen is not None:
            features[IMAGE_ID] = [[row] for row in seen.tokens]
        if probabilities is not None:
            features[DEEPFAKE_ID] = [[row] for row in self.score_tokens(probabilities)]
        limit_at = self.max_length if limit else None
        return splice(tokens, self.embedding, features, side=side, max_length=limit_at)

    def forward(
        self,
        tokens: Sequence[Tokens],
        seen: Seen | None = None,
        probabilities: Tensor | None = None,
        *,
        side: PaddingSide = "right",
    ) -> LlavaOutput:
        """Logits and, if any token is learnt, the mean cross-entropy of the learnt ones."""
        batch = self.splice(tokens, seen, probabilities, side=side)
        out = self.core(
            inputs_embeds=batch.embeddings, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
        )
        learnt = bool((batch.labels[:, 1:] != -100).any())
        loss = next_token_loss(out.logits, batch.labels) if learnt else None
        return LlavaOutput(out.logits, batch, loss)


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each learnt token given those before it, in float32.

    Args:
        logits: ``(n, length, vocabulary)``.
        labels: ``(n, length)``; -100 is not learnt.
    """
    wanted = labels[:, 1:].to(logits.device)
    there = wanted != -100  # a logit row of the whole vocabulary is large: only those that count become float32
    return nn.functional.cross_entropy(logits[:, :-1][there].float(), wanted[there])
