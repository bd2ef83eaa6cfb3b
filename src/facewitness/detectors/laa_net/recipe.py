"""How the authors train, as values; no torch here.

The training room builds optimiser, schedule and data from these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from facewitness.detectors.laa_net.config import CORRECTED_LOSSES, LaaNetConfig, LossConfig
from facewitness.errors import ConfigError


@dataclass(frozen=True)
class TrainingRecipe:
    """One way to train.

    Attributes:
        network: The network.
        losses: Weights and constants.
        pseudo_fakes: ``sbi`` (self-blended, pairs) or ``bi`` (blended with another face).
        optimizer: ``sam`` (around Adam), ``adam`` or ``sgd``.
        learning_rate: Base rate; the schedule multiplies it by up to ``booster``.
        weight_decay: L2 penalty.
        rho: Radius of SAM.
        booster: Highest factor of the schedule, at a quarter of the epochs.
        epochs: Epochs in all.
        frozen_epochs: First epochs in which the backbone's parameters do not move.
        batch_items: Items per step; an SBI item is a pair of images.
        frames_per_video: Frames drawn per video and epoch.
        double_precision: Whether the authors ran it in float64; never needed here.

    Raises:
        ConfigError: On a value out of range.
    """

    network: LaaNetConfig = field(default_factory=LaaNetConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    pseudo_fakes: Literal["sbi", "bi"] = "sbi"
    optimizer: Literal["sam", "adam", "sgd"] = "sam"
    learning_rate: float = 5e-5
    weight_decay: float = 1e-4
    rho: float = 0.05
    booster: float = 4.0
    epochs: int = 100
    frozen_epochs: int = 6
    batch_items: int = 8
    frames_per_video: int = 8
    double_precision: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("learning_rate", "booster", "epochs", "batch_items", "frames_per_video"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ConfigError(msg)
        if not 0 <= self.frozen_epochs <= self.epochs:
            msg = f"frozen_epochs must be between 0 and epochs ({self.epochs}), got {self.frozen_epochs}"
            raise ConfigError(msg)


OFFICIAL_SBI = TrainingRecipe()
"""The authors' ``efn4_fpn_sbi_adv``."""

OFFICIAL_BI = TrainingRecipe(
    losses=LossConfig(heatmap_weight=10.0), pseudo_fakes="bi", batch_items=16, frames_per_video=32
)
"""The authors' ``efn4_fpn_hm_adv``."""

CORRECTED_SBI = TrainingRecipe(network=LaaNetConfig().corrected(), losses=CORRECTED_LOSSES)
"""The SBI recipe with the repairs of the model card."""

RECIPES = {"official_sbi": OFFICIAL_SBI, "official_bi": OFFICIAL_BI, "corrected_sbi": CORRECTED_SBI}
