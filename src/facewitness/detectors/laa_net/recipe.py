"""How LAA-Net is trained, as values; no torch here.

The recipes are TOML files in ``recipes/``; the training room builds optimiser, schedule and data from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from facewitness.config import from_mapping, named_table, table_with
from facewitness.detectors.laa_net.config import LaaNetConfig, LossConfig, Mode
from facewitness.detectors.laa_net.processor import LaaNetProcessor
from facewitness.errors import ConfigError
from facewitness.pseudofakes.blended_items import BlendConfig
from facewitness.pseudofakes.items import ItemConfig
from facewitness.pseudofakes.self_blended import SelfBlendConfig
from facewitness.pseudofakes.targets import TargetConfig

_FOLDER: Final = Path(__file__).parent / "recipes"
_MAP_STRIDE: Final = 4


@dataclass(frozen=True)
class TrainingRecipe:
    """One way to train; the defaults are the authors' ``efn4_fpn_sbi_adv`` as their code runs it.

    Attributes:
        network: The network.
        losses: Weights and constants.
        pseudo_fakes: ``sbi`` (self-blended, pairs) or ``bi`` (blended with another face).
        data_mode: Which arithmetic of blends and targets; it overrides the ``mode`` of the next three.
        blend: Settings of the self-blend.
        blended: Settings of blended images.
        target: Settings of heatmap and consistency targets.
        mean: Subtracted from pixels in [0, 1].
        std: Divided by.
        optimizer: ``sam`` (around Adam), ``adam`` or ``sgd`` (momentum 0.9).
        learning_rate: Base rate; the schedule multiplies it by up to ``booster``.
        weight_decay: L2 penalty.
        rho: Radius of SAM.
        booster: Highest factor of the schedule, at a quarter of the epochs.
        epochs: Epochs in all.
        frozen_epochs: First epochs in which the backbone's parameters do not move (its statistics do).
        batch_norm: When running statistics move: ``both`` passes of SAM (the authors' code: the second pass sees the
            weights at the worst nearby point, which nobody evaluates), ``first`` pass only, or ``frozen``.
        batch_norm_momentum: Share of a batch in the running statistics; 0 leaves the network's own, 0.01 in
            EfficientNet, which needs hundreds of steps to get anywhere.
        batch_items: Items per device and step; an SBI item is a pair of images.
        frames_per_video: Frames drawn per video and epoch.
        with_replacement: Whether one frame can be drawn twice (the authors' code); else as many as there are.
        validation_frames: Frames per video of the validation, the same in every epoch.
        validation_share: Part of the sources that is held out when the data have no split.
        keep_best: ``auc`` on the pseudo-fakes of the validation, ``auc_fakes`` on its real fakes, or ``official``:
            only when accuracy rises and loss falls at once, as the authors keep their only checkpoint.
        double_precision: Whether it runs in float64, as the authors' code does; never needed here.
        seed: Of weights, draws and dropout.

    Raises:
        ConfigError: On a value out of range.
    """

    network: LaaNetConfig = field(default_factory=LaaNetConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    pseudo_fakes: Literal["sbi", "bi"] = "sbi"
    data_mode: Mode = "official"
    blend: SelfBlendConfig = field(default_factory=SelfBlendConfig)
    blended: BlendConfig = field(default_factory=BlendConfig)
    target: TargetConfig = field(default_factory=TargetConfig)
    mean: float = 0.5
    std: float = 0.5
    optimizer: Literal["sam", "adam", "sgd"] = "sam"
    learning_rate: float = 5e-5
    weight_decay: float = 1e-4
    rho: float = 0.05
    booster: float = 4.0
    epochs: int = 100
    frozen_epochs: int = 6
    batch_norm: Literal["both", "first", "frozen"] = "both"
    batch_norm_momentum: float = 0.0
    batch_items: int = 8
    frames_per_video: int = 8
    with_replacement: bool = True
    validation_frames: int = 8
    validation_share: float = 0.1
    keep_best: Literal["auc", "auc_fakes", "official"] = "auc"
    double_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        above_zero = ("learning_rate", "booster", "std", "epochs", "batch_items")
        for name in (*above_zero, "frames_per_video", "validation_frames"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ConfigError(msg)
        choices = {
            "pseudo_fakes": ("sbi", "bi"),
            "data_mode": ("official", "corrected"),
            "optimizer": ("sam", "adam", "sgd"),
            "batch_norm": ("both", "first", "frozen"),
            "keep_best": ("auc", "auc_fakes", "official"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                msg = f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                raise ConfigError(msg)
        if not 0 <= self.frozen_epochs <= self.epochs:
            msg = f"frozen_epochs must be between 0 and epochs ({self.epochs}), got {self.frozen_epochs}"
            raise ConfigError(msg)
        shares = 0 < self.validation_share < 1 and 0 <= self.batch_norm_momentum <= 1
        if not shares or min(self.weight_decay, self.rho, self.seed) < 0:
            msg = "need validation_share and batch_norm_momentum in (0, 1) and weight_decay, rho, seed of at least 0"
            raise ConfigError(msg)

    @property
    def images_per_item(self) -> int:
        """2 for a self-blended pair, 1 for a face that is either blended or not."""
        return 2 if self.pseudo_fakes == "sbi" else 1

    def item_config(self, *, augment: bool) -> ItemConfig:
        """Settings of `training_item` for this recipe."""
        return ItemConfig(
            size=self.network.image_size,
            heatmap_size=self.network.image_size // _MAP_STRIDE,
            mean=self.mean,
            std=self.std,
            augment=augment,
            blend=replace(self.blend, mode=self.data_mode),
            target=replace(self.target, mode=self.data_mode),
        )

    def processor(self) -> LaaNetProcessor:
        """How crops are brought to a network that was trained like this."""
        return LaaNetProcessor(
            protocol=self.pseudo_fakes, image_size=self.network.image_size, mean=self.mean, std=self.std
        )


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes in the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> TrainingRecipe:
    """A recipe of the package or of a file, with single values changed.

    Args:
        name: One of `recipe_names`, or a path that ends in ``.toml``; the file names what differs from the defaults.
        overrides: ``key=value`` each, nested keys with dots (``losses.heatmap_weight=10``), values as in TOML; what
            is not TOML is a text.

    Raises:
        ConfigError: If there is no such recipe, or a key or a value does not fit.

    Example:
        >>> load_recipe("bi", ["epochs=3", "frozen_epochs=0"]).epochs
        3
    """
    values, where = named_table(name, _FOLDER, recipe_names())
    return recipe_with(values, overrides, where=where)


def recipe_with(values: Mapping[str, Any], overrides: Sequence[str], *, where: str) -> TrainingRecipe:
    """A recipe from nested values, some of them overridden; see `load_recipe`."""
    return from_mapping(TrainingRecipe, table_with(values, overrides), where=where)
