"""What an M2F2-Det network is made of, as values; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from facewitness.errors import ConfigError
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize

Variant = Literal["bridge", "cosine"]
Mode = Literal["official", "corrected"]

OFFICIAL_SOURCE: Final = (
    "the authors' links are at github.com/CHELSEA234/M2F2_Det (current_model_180.pth of stage 1, "
    "M2F2_Det_densenet121.pth, vision_tower.pth, or the merged LLaVA folder)"
)

BACKBONES: Final = {
    "bridge": tuple(f"efficientnet_b{n}" for n in range(8)),
    "cosine": ("densenet121", "densenet161", "densenet169", "densenet201"),
}
"""What the convolutional part may be, torchvision's names. The authors release efficientnet_b4 and densenet121."""

BRIDGE_STATES: Final = (6, 10, 14)
"""Hidden states of CLIP that the bridge takes."""

BRIDGE_STAGES: Final = (4, 5, 6)
"""Stages of the EfficientNet that it takes."""

_REDUCTION: Final = 16
"""CLIP's width is divided by this on the bridge."""


@dataclass(frozen=True)
class M2F2Config:
    """One of the two networks that are called M2F2-Det.

    Attributes:
        variant: ``bridge`` (EfficientNet; stage 1 of the authors' training) or ``cosine`` (DenseNet and prompts; what
            their language model listens to).
        mode: ``official`` computes what the authors' files compute. In it the bridge is a constant, because they
            normalise over a single number. ``corrected`` has a bridge that works, and in both variants prompts that
            are trained.
        backbone: One of `BACKBONES`.
        hidden: Width of both projections.
        bridge_width: Numbers that the bridge gives to the head.
        bridge_block_heads: Attention heads of its blocks.
        bridge_block_mlp: Width inside their MLPs.
        vision: CLIP's vision tower.
        text: CLIP's text tower.
        prompt_tokens: Learned tokens.
        with_vision: Whether the network has a vision tower of its own; without one its features are handed in.

    Raises:
        ConfigError: On a value out of range.

    Reference: Guo et al., Rethinking Vision-Language Model in Face Forensics: Multi-Modal Interpretable Forged Face
    Detector, CVPR 2025, section 3.
    """

    variant: Variant = "bridge"
    mode: Mode = "official"
    backbone: str = "efficientnet_b4"
    hidden: int = 1792
    bridge_width: int = 128
    bridge_block_heads: int = 4
    bridge_block_mlp: int = 32
    vision: ClipVisionSize = field(default_factory=ClipVisionSize)
    text: ClipTextSize = field(default_factory=ClipTextSize)
    prompt_tokens: int = 7
    with_vision: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        if self.variant not in BACKBONES or self.mode not in ("official", "corrected"):
            msg = f"variant must be bridge or cosine and mode official or corrected, got {self.variant}, {self.mode}"
            raise ConfigError(msg)
        if self.backbone not in BACKBONES[self.variant]:
            known = ", ".join(BACKBONES[self.variant])
            msg = f"backbone of variant {self.variant!r} must be one of {known}, got {self.backbone!r}"
            raise ConfigError(msg)
        for name in ("hidden", "bridge_width", "bridge_block_heads", "bridge_block_mlp", "prompt_tokens"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, got {getattr(self, name)}"
                raise ConfigError(msg)
        if self.prompt_tokens > self.text.positions:
            msg = f"prompt_tokens must be at most {self.text.positions}, got {self.prompt_tokens}"
            raise ConfigError(msg)
        if self.vision.depth < self.needed_depth:
            msg = f"the vision tower needs {self.needed_depth} blocks for this variant, got {self.vision.depth}"
            raise ConfigError(msg)
        if self.has_working_bridge and self.bridge_channels % self.bridge_block_heads:
            msg = f"bridge_block_heads must divide {self.bridge_channels}, got {self.bridge_block_heads}"
            raise ConfigError(msg)

    @property
    def needed_depth(self) -> int:
        """Blocks that the vision tower must have at least."""
        return max(BRIDGE_STATES) + 1 if self.has_working_bridge else 2

    @property
    def run_depth(self) -> int:
        """Blocks that are run: all but the last, whose result nobody takes."""
        return self.vision.depth - 1

    @property
    def has_working_bridge(self) -> bool:
        """Whether the bridge sees the image."""
        return self.variant == "bridge" and self.mode == "corrected"

    @property
    def has_prompts(self) -> bool:
        """Whether the text tower has a say."""
        return self.variant == "cosine" or self.mode == "corrected"

    @property
    def bridge_channels(self) -> int:
        """Width of the bridge's tokens."""
        return max(1, self.vision.width // _REDUCTION)

    @property
    def bridge_tokens(self) -> int:
        """Tokens of the last step of the bridge: three times CLIP's patches, and the three maps."""
        side = self.vision.image_size
        maps = sum((-(-side // stride)) ** 2 for stride in (16, 16, 32))
        return 3 * self.vision.grid**2 + maps

    @property
    def head_inputs(self) -> int:
        """Numbers that the last layer sees."""
        total = 2 * self.hidden
        if self.variant == "bridge":
            total += self.bridge_width
        return total + (self.vision.grid**2 if self.has_prompts else 0)


def cosine_config(mode: Mode = "official") -> M2F2Config:
    """The cosine variant as released: DenseNet-121, width 1024.

    Example:
        >>> cosine_config().head_inputs
        2624
    """
    return M2F2Config(variant="cosine", mode=mode, backbone="densenet121", hidden=1024)
