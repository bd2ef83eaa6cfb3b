"""Sizes of CLIP's two towers; no torch here, so that configs can hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from facewitness.errors import ConfigError

CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
"""Subtracted from RGB in [0, 1]."""

CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
"""Divided by, RGB."""


@dataclass(frozen=True)
class ClipVisionSize:
    """A vision tower; the defaults are ViT-L/14 at 336 px.

    Attributes:
        width: Numbers per token.
        mlp: Width inside a block's MLP.
        depth: Blocks.
        heads: Attention heads per block.
        image_size: Side of the input in pixels.
        patch_size: Side of a patch in pixels.
        activation: Of the MLP, as transformers names it.

    Raises:
        ConfigError: If a size is not above 0, or one does not divide the other.

    Reference: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.

    Example:
        >>> ClipVisionSize().tokens
        577
    """

    width: int = 1024
    mlp: int = 4096
    depth: int = 24
    heads: int = 16
    image_size: int = 336
    patch_size: int = 14
    activation: str = "quick_gelu"

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self, ("width", "mlp", "depth", "heads", "image_size", "patch_size"))
        if self.image_size % self.patch_size:
            msg = f"image_size must be a multiple of patch_size, got {self.image_size} and {self.patch_size}"
            raise ConfigError(msg)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return self.grid**2 + 1


@dataclass(frozen=True)
class ClipTextSize:
    """A text tower; the defaults are that of ViT-L/14.

    Attributes:
        width: Numbers per token.
        mlp: Width inside a block's MLP.
        depth: Blocks.
        heads: Attention heads per block.
        positions: Longest sequence.
        activation: Of the MLP, as transformers names it.

    Raises:
        ConfigError: If a size is not above 0, or the heads do not divide the width.
    """

    width: int = 768
    mlp: int = 3072
    depth: int = 12
    heads: int = 12
    positions: int = 77
    activation: str = "quick_gelu"

    def __post_init__(self) -> None:
        """Check the values."""
        _check(self, ("width", "mlp", "depth", "heads", "positions"))


def _check(size: ClipVisionSize | ClipTextSize, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(size, name) < 1:
            msg = f"{name} of a CLIP tower must be at least 1, got {getattr(size, name)}"
            raise ConfigError(msg)
    if size.width % size.heads:
        msg = f"width of a CLIP tower must be a multiple of its heads, got {size.width} and {size.heads}"
        raise ConfigError(msg)


def current_clip_key(key: str) -> str:
    """A key of a CLIP tower as transformers names it today: without the level that it had before version 5.

    Example:
        >>> current_clip_key("vision_model.encoder.layers.0.mlp.fc1.bias")
        'encoder.layers.0.mlp.fc1.bias'
        >>> current_clip_key("embeddings.class_embedding")
        'embeddings.class_embedding'
    """
    return key.removeprefix("vision_model.").removeprefix("text_model.")
