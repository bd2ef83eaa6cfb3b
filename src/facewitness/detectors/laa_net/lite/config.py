"""Shape of LAA-Net-Lite and the recipe that trains it; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, field

from facewitness.errors import ConfigError
from facewitness.pseudofakes.degradations import DegradationConfig
from facewitness.pseudofakes.forgeries import ForgeryMix

NAME = "laa_net_lite"

EXPERTS = ("blended", "synthetic")
"""The two experts, in the order of the network's score logits."""


@dataclass(frozen=True)
class LiteConfig:
    """The network.

    Attributes:
        width: Channels of the decoder.
        dropout: Dropout before the score layer.
        image_size: Side of the input in pixels that the packaged file is made for.
        margin_ratio: Side of the crop in units of the face box.
    """

    width: int = 64
    dropout: float = 0.2
    image_size: int = 192
    margin_ratio: float = 1.25

    def __post_init__(self) -> None:
        """Check the values."""
        if self.width < 8 or not 0 <= self.dropout < 1 or not 32 <= self.image_size <= 1024:
            msg = (
                "expected width >= 8, dropout in [0, 1) and image_size in 32..1024, got "
                f"{self.width}, {self.dropout}, {self.image_size}"
            )
            raise ConfigError(msg)


@dataclass(frozen=True)
class LiteLosses:
    """Weights of the parts of the loss.

    Attributes:
        blended: Cross entropy of the expert for blends.
        synthetic: Cross entropy of the expert for wholly synthetic faces.
        boundary: Cross entropy of the boundary heatmap.
        mask: Cross entropy of the mask, a help in training only.
        soft_group_weight: Weight that reals of ``LiteData.soft`` have in the synthetic expert's loss; small, because
            their softness would give the label away.
        smoothing: Label smoothing of both experts.
    """

    blended: float = 1.0
    synthetic: float = 0.6
    boundary: float = 1.0
    mask: float = 0.5
    soft_group_weight: float = 0.1
    smoothing: float = 0.02


@dataclass(frozen=True)
class LiteData:
    """What the network learns from.

    Attributes:
        folders: Folders below the data root, each with a ``manifest.csv``.
        real: Groups (first folders of the manifest's paths) of real faces, and how often each is drawn.
        real_shares: Share of each group of ``real`` among the pairs; they need not sum to 1.
        fake: Groups of wholly synthetic faces.
        soft: Groups of ``real`` whose softness gives them away.
        validation_share: Share of the identities held out, by a hash of the identity.
    """

    folders: tuple[str, ...] = ("faces", "clips")
    real: tuple[str, ...] = (
        "train_real_lfw",
        "train_real_ffhq256",
        "train_real_ffhq1024",
        "train_real_congress",
        "train_real_webmorph",
        "train_real_18f",
        "av_real",
        "av_clips_real",
    )
    real_shares: tuple[float, ...] = (0.44, 0.13, 0.13, 0.1, 0.07, 0.01, 0.07, 0.05)
    fake: tuple[str, ...] = ("train_fake_stylegan_256", "train_fake_stylegan2_300", "train_fake_diffusion_sd21")
    soft: tuple[str, ...] = ("train_real_lfw", "av_real", "av_clips_real")
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        """Check the values."""
        if len(self.real) != len(self.real_shares) or not self.real or min(self.real_shares) <= 0:
            msg = f"real_shares must give each of the {len(self.real)} real groups a share above 0"
            raise ConfigError(msg)
        if not 0 < self.validation_share < 0.5:
            msg = f"validation_share must lie in (0, 0.5), got {self.validation_share}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class LiteRecipe:
    """One way to train LAA-Net-Lite.

    Attributes:
        network: The network.
        losses: Weights of the loss.
        data: What it learns from.
        mix: Pseudo-fakes.
        degradation: Losses drawn once for both members of a pair.
        sizes: Sides of the input, one drawn per batch.
        margin_range: Crop margins, in units of the face box, one drawn per pair.
        pairs: Real faces per batch, each with its forgery.
        synthetic: Wholly synthetic faces per batch.
        steps: Training steps.
        warmup_steps: Steps in which the rate rises.
        learning_rate: Highest rate of AdamW; falls as a cosine.
        backbone_rate: Rate of the backbone in units of ``learning_rate``.
        weight_decay: Of AdamW.
        average: Decay per step of the moving average of the weights that is validated and kept.
        validate_every: Steps between validations.
        seed: Seed of everything random.
    """

    network: LiteConfig = field(default_factory=LiteConfig)
    losses: LiteLosses = field(default_factory=LiteLosses)
    data: LiteData = field(default_factory=LiteData)
    mix: ForgeryMix = field(default_factory=lambda: ForgeryMix(0.28, 0.16, 0.18, decoded=0.22, box=0.16))
    degradation: DegradationConfig = field(default_factory=DegradationConfig)
    sizes: tuple[int, ...] = (144, 160, 176, 192, 208)
    margin_range: tuple[float, float] = (0.95, 1.45)
    pairs: int = 14
    synthetic: int = 6
    steps: int = 5200
    warmup_steps: int = 200
    learning_rate: float = 8e-4
    backbone_rate: float = 0.6
    weight_decay: float = 0.02
    average: float = 0.998
    validate_every: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        if min(self.pairs, self.steps, self.validate_every, *self.sizes) < 1 or self.synthetic < 0:
            msg = "pairs, steps, validate_every and sizes must be at least 1, synthetic at least 0"
            raise ConfigError(msg)
        if not 0 < self.margin_range[0] <= self.margin_range[1] <= 1.7:
            msg = f"margin_range must lie in (0, 1.7], the cached faces reach no further; got {self.margin_range}"
            raise ConfigError(msg)


LITE_RECIPES = {"lite": LiteRecipe()}
"""Recipes by name; ``--recipe`` also takes a TOML file that overrides fields of the first one."""
