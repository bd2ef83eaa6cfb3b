"""Merge a fine-tuning into its model, and prove that it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from facewitness.errors import CheckpointError
from facewitness.language.conversations import IGNORE
from facewitness.language.llava import LlavaNetwork
from facewitness.language.lora import Adapter, load_adapter
from facewitness.language.splicing import Tokens

_PROBE_TOKENS: Final = 24
_LOST: Final = 0.25
"""Merged and unmerged logits may differ by this part of what the fine-tuning changes; more is lost in rounding."""


@dataclass(frozen=True)
class MergeReport:
    """What a merge did, on random tokens.

    Attributes:
        layers: LoRA layers that were merged.
        projectors: Projectors' tensors that were taken over.
        left_out: LoRA matrices without effect outside the language model.
        effect: Largest change of a logit by the LoRA layers.
        error: Largest difference between merged and unmerged logits.
    """

    layers: int
    projectors: int
    left_out: int
    effect: float
    error: float

    def __str__(self) -> str:
        """One line."""
        lora = f"{self.layers} LoRA layers merged (they change logits by up to {self.effect:.3g}, "
        lora += f"merged and unmerged differ by {self.error:.3g})"
        parts = [lora if self.layers else "no LoRA layers"]
        parts.append(f"{self.projectors} tensors of projectors")
        parts += [f"{self.left_out} LoRA matrices without effect left out"] if self.left_out else []
        return ", ".join(parts)


@torch.no_grad()
def merge(network: LlavaNetwork, adapter: Adapter) -> MergeReport:
    """Merge a fine-tuning into a network, in place.

    Args:
        network: The model that the fine-tuning changes.
        adapter: The fine-tuning.

    Raises:
        CheckpointError: If it fits another model, if its LoRA layers change nothing, or if merging loses them in
            the rounding of the model's precision.
    """
    tuner = load_adapter(network, adapter)
    network.eval()
    if tuner is None:
        return MergeReport(0, len(adapter.projectors), len(adapter.left_out), 0.0, 0.0)
    idle = [layer for layer, (down, up) in adapter.lora.items() if not (bool(down.any()) and bool(up.any()))]
    if len(idle) == len(adapter.lora):
        msg = "every LoRA layer of the fine-tuning is zero: it was saved before training or lost in conversion"
        raise CheckpointError(msg)
    unmerged = probe(network)
    tuner.disable_adapter_layers()
    base = probe(network)
    tuner.enable_adapter_layers()
    effect = float((unmerged - base).abs().max())
    if effect == 0.0:
        msg = "the LoRA layers change no logit on random tokens, so merging them would do nothing"
        raise CheckpointError(msg)
    tuner.merge_and_unload(safe_merge=True)
    left = [name for name, _ in network.named_parameters() if ".lora_" in name]
    error = float((probe(network) - unmerged).abs().max())
    if left or not error <= _LOST * effect:
        msg = (
            f"merged and unmerged logits differ by {error:.3g}, while the LoRA layers change them by {effect:.3g}: "
            f"rounding to {next(network.core.parameters()).dtype} loses the fine-tuning; merge with --precision f32"
        )
        raise CheckpointError(msg)
    return MergeReport(len(adapter.lora), len(adapter.projectors), len(adapter.left_out), effect, error)


@torch.no_grad()
def probe(network: LlavaNetwork, *, seed: int = 0) -> Tensor:
    """Logits on random words, float32 on the CPU.

    Args:
        network: The network.
        seed: Of the words.

    Returns:
        ``(24, vocabulary)``.
    """
    words = _vocabulary(network.embedding)
    drawn = torch.randint(0, words, (_PROBE_TOKENS,), generator=torch.Generator().manual_seed(seed)).tolist()
    out = network([Tokens(tuple(drawn), (IGNORE,) * len(drawn))])
    logits: Tensor = out.logits[0].float().cpu()
    return logits


def _vocabulary(embedding: nn.Module) -> int:
    return int(next(embedding.parameters()).shape[0])
