"""Pieces of M2F2-Det: projections, the adapter's transformer block, both bridges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.networks.clip import by_head

_INIT_STD = 0.01


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer, initialised small, and a layer norm."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=_INIT_STD)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.LayerNorm(outputs))


class AdapterBlock(nn.Module):
    """A transformer block with its norms behind the sums.

    Args:
        width: Numbers per token.
        heads: Attention heads.
        mlp: Width inside the MLP.
        dropout: While training.
        attention_dtype: Arithmetic of the attention; the authors' is bfloat16. None takes the input's.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp: int,
        *,
        dropout: float = 0.1,
        attention_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.attention_dtype = heads, attention_dtype
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp), nn.ReLU(), nn.Dropout(dropout), nn.Linear(mlp, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, n, width)`` to the same shape; samples do not see each other."""
        x = self.attention_norm(x + self.dropout(self._attend(x)))
        out: Tensor = self.mlp_norm(x + self.dropout(self.mlp(x)))
        return out

    def _attend(self, x: Tensor) -> Tensor:
        dtype = self.attention_dtype or x.dtype
        x_in = x.to(dtype)

        def project(layer: nn.Linear) -> Tensor:
            out = functional.linear(x_in, layer.weight.to(dtype), layer.bias.to(dtype))
            return by_head(out, self.heads)

        query, key, value = project(self.query), project(self.key), project(self.value)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        flat = mixed.transpose(1, 2).flatten(2)
        return functional.linear(flat, self.merge.weight.to(dtype), self.merge.bias.to(dtype)).to(x.dtype)


class ConstantBridge(nn.Module):
    """What the authors' bridge amounts to: a vector that no image changes.

    They normalise each token over one number, which leaves the norm's bias of every token; the rest is a linear layer
    and a norm over equal numbers. What lies before it has no influence on the result and gets no gradient.

    Args:
        tokens: Tokens of the sequence.
        width: Of the result.
    """

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.token_value = nn.Parameter(torch.zeros(1))
        self.reduce = projection(tokens, width)

    def forward(self) -> Tensor:
        """``(width,)``."""
        tokens = self.reduce[0].in_features
        assert isinstance(tokens, int)  # noqa: S101 - it is a linear layer
        out: Tensor = self.reduce(self.token_value.expand(tokens))
        return out


class Bridge(nn.Module):
    """A bridge that sees the image: maps of the convolutional network and states of CLIP, step by step.

    Where the authors' differs: blocks are part of the network (theirs are neither stored nor switched to evaluation),
    the attention is over tokens (theirs is over the images of a batch), CLIP's class token is left out (theirs leaves
    out the last patch), and a token is normalised over its features (theirs over one number).

    Args:
        map_channels: Of the convolutional maps.
        clip_width: Of CLIP's tokens.
        channels: Of the bridge's tokens.
        tokens: Of the last step.
        width: Of the result.
        heads: Of the blocks.
        mlp: Inside the blocks.

    Reference: M2F2-Det, section 3.2.
    """

    def __init__(
        self,
        map_channels: Sequence[int],
        clip_width: int,
        channels: int,
        *,
        tokens: int,
        width: int,
        heads: int,
        mlp: int,
    ) -> None:
        super().__init__()
        self.clip_reduction = nn.Linear(clip_width, channels)
        self.map_reductions = nn.ModuleList(nn.Linear(count, channels) for count in map_channels)
        self.blocks = nn.ModuleList(AdapterBlock(channels, heads, mlp) for _ in map_channels)
        self.token_norm = nn.LayerNorm(channels)
        self.token_value = nn.Linear(channels, 1)
        self.reduce = projection(tokens, width)

    def forward(self, maps: Sequence[Tensor], states: Sequence[Tensor]) -> Tensor:
        """One vector per image.

        Args:
            maps: ``(B, C, h, w)`` each, from early to late.
            states: ``(B, 1 + patches, width)`` each, class token first, as many as maps.

        Returns:
            ``(B, width)``.
        """
        sequence: list[Tensor] = []
        steps = zip(maps, states, self.map_reductions, self.blocks, strict=True)
        for cnn_map, state, reduce_map, block in steps:
            cnn_tokens = reduce_map(cnn_map.flatten(2).transpose(1, 2))
            joined = torch.cat([*sequence, cnn_tokens, self.clip_reduction(state[:, 1:])], dim=1)
            sequence = [block(joined)]
        values = self.token_value(self.token_norm(sequence[0])).flatten(1)
        out: Tensor = self.reduce(values)
        return out
