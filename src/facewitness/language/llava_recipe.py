"""How a LLaVA-type model is fine-tuned, as values; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facewitness.config import from_mapping, named_table, table_with
from facewitness.errors import ConfigError
from facewitness.language.conversations import template_named
from facewitness.language.models import ASPECTS, Aspect

_FOLDER: Final = Path(__file__).parent / "recipes"

PARTS: Final = ("score_projector", "projector", "lora")
"""What can be trained: the projector of a detector's score, that of pictures, and LoRA layers of the language model."""


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank layers beside every linear layer of the language model.

    Attributes:
        rank: Width of the narrow layer.
        alpha: The layers' result is multiplied by ``alpha / rank``.
        dropout: Of their input.

    Reference: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
    """

    rank: int = 128
    alpha: int = 256
    dropout: float = 0.05

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            ConfigError: Naming them.
        """
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            msg = f"rank and alpha must be at least 1, dropout from 0 to below 1, got {self}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class LlavaRecipe:
    """A fine-tuning; the defaults are M2F2-Det's stage 3.

    Attributes:
        train: Some of `PARTS`; everything else is frozen.
        template: Conversation template.
        learning_rate: Highest, of what has no rate of its own.
        projector_rate: Highest, of both projectors.
        weight_decay: Of AdamW.
        warmup: Share of the steps in which the rate rises; then it falls along a cosine to 0.
        batch_items: Conversations per device and batch.
        accumulate: Batches per step.
        epochs: How often every conversation is seen.
        max_length: Longer sequences are cut.
        aspect: How pictures become square.
        gradient_checkpointing: Whether activations are computed twice instead of kept.
        clip_norm: Largest norm of the gradient; 0 is none.
        lora: Of the LoRA layers.
        seed: Of order, dropout and new weights.
    """

    train: tuple[str, ...] = PARTS
    template: str = "vicuna_v1"
    learning_rate: float = 2e-5
    projector_rate: float = 2e-5
    weight_decay: float = 0.0
    warmup: float = 0.03
    batch_items: int = 20
    accumulate: int = 6
    epochs: int = 1
    max_length: int = 2048
    aspect: Aspect = "crop"
    gradient_checkpointing: bool = True
    clip_norm: float = 1.0
    lora: LoraSettings = field(default_factory=LoraSettings)
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse values that make no training.

        Raises:
            ConfigError: Naming the first.
            UnknownNameError: If there is no such template.
        """
        unknown = [part for part in self.train if part not in PARTS]
        if unknown or not self.train:
            msg = f"train must name some of {', '.join(PARTS)}, got {list(self.train)}"
            raise ConfigError(msg)
        template_named(self.template)
        if self.aspect not in ASPECTS:
            msg = f"aspect must be one of {', '.join(ASPECTS)}, got {self.aspect!r}"
            raise ConfigError(msg)
        for name in ("batch_items", "accumulate", "epochs", "max_length"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, got {getattr(self, name)}"
                raise ConfigError(msg)
        for name in ("learning_rate", "projector_rate", "weight_decay", "clip_norm", "warmup"):
            if getattr(self, name) < 0:
                msg = f"{name} must not be negative, got {getattr(self, name)}"
                raise ConfigError(msg)
        if self.warmup >= 1:
            msg = f"warmup is a share of the steps, below 1, got {self.warmup}"
            raise ConfigError(msg)

    @property
    def has_lora(self) -> bool:
        """Whether LoRA layers are trained."""
        return "lora" in self.train


def llava_recipe_names(system: str) -> tuple[str, ...]:
    """Recipes of the package for a system.

    Example:
        >>> llava_recipe_names("m2f2_det")
        ('stage2', 'stage3')
    """
    return tuple(sorted(path.stem for path in (_FOLDER / system).glob("*.toml")))


def load_llava_recipe(system: str, name: str, overrides: Sequence[str] = ()) -> LlavaRecipe:
    """A recipe of the package or of a file, with single values changed.

    Args:
        system: Name of the system (``m2f2_det``).
        name: One of `llava_recipe_names`, or a path that ends in ``.toml``.
        overrides: ``key=value`` each, nested keys with dots (``lora.rank=8``).

    Raises:
        ConfigError: If there is no such recipe, or a key or a value does not fit.

    Example:
        >>> load_llava_recipe("m2f2_det", "stage3", ["lora.rank=8"]).lora
        LoraSettings(rank=8, alpha=256, dropout=0.05)
    """
    values, where = named_table(name, _FOLDER / system, llava_recipe_names(system))
    return from_mapping(LlavaRecipe, table_with(values, overrides), where=where)
