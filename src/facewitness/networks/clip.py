"""CLIP's towers over transformers' classes: blocks of the vision tower, and learned prompts through the text tower.

Blocks behind the last one that is asked for are neither built nor run. The classes of transformers 4 and 5 differ in
the arguments and the results of a block, and in a level of the keys (`current_clip_key`); both are met here.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.errors import ConfigError
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize


class ClipVision(nn.Module):
    """CLIP's vision transformer, run as far as it is needed.

    Args:
        size: The whole tower.
        depth: Blocks that are built; None builds all, ``size.depth - 1`` reaches ``hidden_states[-2]``.

    Raises:
        ConfigError: If ``depth`` is not between 1 and that of the tower.
    """

    def __init__(self, size: ClipVisionSize, depth: int | None = None) -> None:
        super().__init__()
        self.size = size
        self.depth = size.depth if depth is None else depth
        if not 1 <= self.depth <= size.depth:
            msg = f"depth must be between 1 and {size.depth}, got {depth}"
            raise ConfigError(msg)
        from transformers import CLIPVisionConfig, CLIPVisionModel

        config = CLIPVisionConfig(
            hidden_size=size.width,
            intermediate_size=size.mlp,
            num_hidden_layers=self.depth,
            num_attention_heads=size.heads,
            image_size=size.image_size,
            patch_size=size.patch_size,
            hidden_act=size.activation,
        )
        tower = _tower(CLIPVisionModel(config), "vision_model")
        self.embeddings = tower.embeddings
        self.input_norm = tower.pre_layrnorm
        self.blocks = tower.encoder.layers

    def forward(self, pixels: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Hidden states, numbered as transformers' ``hidden_states``: 0 before the first block, k after k blocks.

        Args:
            pixels: ``(B, 3, side, side)``, normalised with CLIP's mean and deviation.
            taps: Which states, each from 0 to the number of blocks that were built.

        Returns:
            ``(B, tokens, width)`` per tap, in the order of ``taps``; the class token comes first.

        Raises:
            ConfigError: If a tap is out of range.
        """
        if not taps or min(taps) < 0 or max(taps) > self.depth:
            msg = f"taps must be among 0 to {self.depth}, got {list(taps)}"
            raise ConfigError(msg)
        hidden = self.input_norm(self.embeddings(pixels))
        kept = {0: hidden}
        for number, block in enumerate(self.blocks[: max(taps)], start=1):
            hidden = _run_block(block, hidden, None)
            if number in taps:
                kept[number] = hidden
        return [kept[tap] for tap in taps]

    def class_token(self, pixels: Tensor, tap: int) -> Tensor:
        """The class token of one hidden state, ``(B, width)``: the last block is run for that token alone.

        The token attends to all others, so their keys and values are made; their queries and MLPs are not.

        Args:
            pixels: As in `forward`.
            tap: Which state, at least 1.
        """
        hidden = self.forward(pixels, [tap - 1])[0]
        block = cast("Any", self.blocks[tap - 1])
        attention, normed = block.self_attn, block.layer_norm1(hidden)
        query, key, value = attention.q_proj(normed[:, :1]), attention.k_proj(normed), attention.v_proj(normed)
        heads = self.size.heads
        mixed = functional.scaled_dot_product_attention(
            by_head(query, heads), by_head(key, heads), by_head(value, heads)
        )
        token = hidden[:, :1] + attention.out_proj(mixed.transpose(1, 2).flatten(2))
        out: Tensor = token + block.mlp(block.layer_norm2(token))
        return out[:, 0]


class PromptEncoder(nn.Module):
    """Learned tokens through CLIP's text transformer, in place of embedded words.

    No word is embedded, so the table of words is not built.

    Args:
        size: The text tower.
        prompt_tokens: How many learned tokens.
    """

    def __init__(self, size: ClipTextSize, prompt_tokens: int = 7) -> None:
        super().__init__()
        self.size = size
        from transformers import CLIPTextConfig, CLIPTextModel

        config = CLIPTextConfig(
            vocab_size=1,
            hidden_size=size.width,
            intermediate_size=size.mlp,
            num_hidden_layers=size.depth,
            num_attention_heads=size.heads,
            max_position_embeddings=size.positions,
            hidden_act=size.activation,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
        tower = _tower(CLIPTextModel(config), "text_model")
        self.prompt = nn.Parameter(torch.randn(1, prompt_tokens, size.width))
        self.positions = tower.embeddings.position_embedding
        self.blocks = tower.encoder.layers
        self.output_norm = tower.final_layer_norm

    def forward(self, tokens: Tensor | None = None) -> Tensor:
        """The last token after the whole tower.

        Args:
            tokens: ``(B, n, width)`` to take instead of the learned ones.

        Returns:
            ``(B, width)``; without ``tokens``, B is 1.
        """
        tokens = self.prompt if tokens is None else tokens
        count = tokens.shape[1]
        hidden = tokens.to(self.positions.weight.dtype) + self.positions.weight[:count]
        later = torch.full((count, count), float("-inf"), dtype=hidden.dtype, device=hidden.device).triu(1)
        for block in self.blocks:
            hidden = _run_block(block, hidden, later[None, None])
        out: Tensor = self.output_norm(hidden)
        return out[:, -1]


def by_head(values: Tensor, heads: int) -> Tensor:
    """``(B, n, heads * d)`` to ``(B, heads, n, d)``."""
    batch, count, width = values.shape
    return values.reshape(batch, count, heads, width // heads).transpose(1, 2)


def _tower(model: nn.Module, level: str) -> Any:
    """The transformer itself, which lay one level deeper before version 5."""
    return getattr(model, level, model)


def _run_block(block: nn.Module, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """One block; ``mask`` is ``(1, 1, n, n)``, added to the attention's logits."""
    given: dict[str, Any] = {"attention_mask": mask}
    if "causal_attention_mask" in _arguments(cast("Any", type(block))):
        given["causal_attention_mask"] = None
    result = block(hidden, **given)
    out: Tensor = result[0] if isinstance(result, tuple) else result
    return out


@lru_cache(maxsize=8)
def _arguments(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind.forward).parameters)
