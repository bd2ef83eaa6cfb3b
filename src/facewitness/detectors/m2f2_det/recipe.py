"""How stage 1 of M2F2-Det is trained, as values; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from facewitness.config import from_mapping, named_table, table_with
from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.errors import ConfigError

_FOLDER: Final = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class FacePost:
    """What is done to a training face.

    Attributes:
        blur_chance: Of a Gaussian blur.
        blur_sigma: Lowest and highest, in pixels.
        jpeg_chance: Of a JPEG round trip.
        jpeg_qualities: Lowest and highest.
        jpeg_range: Whether qualities in between are drawn too; the authors' code draws one of the two.
        mirror_chance: Of a mirrored face.

    Raises:
        ConfigError: On a value out of range.
    """

    blur_chance: float = 0.1
    blur_sigma: tuple[float, float] = (0.0, 3.0)
    jpeg_chance: float = 0.1
    jpeg_qualities: tuple[int, int] = (30, 100)
    jpeg_range: bool = False
    mirror_chance: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        chances = (self.blur_chance, self.jpeg_chance, self.mirror_chance)
        low, high = self.jpeg_qualities
        if not all(0 <= c <= 1 for c in chances) or not 1 <= low <= high <= 100:
            msg = f"chances must be 0 to 1 and qualities 1 to 100 in order, got {chances}, {self.jpeg_qualities}"
            raise ConfigError(msg)
        if not 0 <= self.blur_sigma[0] <= self.blur_sigma[1]:
            msg = f"blur_sigma must be two numbers of at least 0 in order, got {self.blur_sigma}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class Stage1Recipe:
    """One way to train the detector; the defaults are the authors' ``stage_1_detection``.

    Attributes:
        network: The network.
        post: What is done to training faces.
        learning_rate: Of everything that is trained but the text gate.
        text_gate_rate: Of the text gate.
        weight_decay: L2 penalty of Adam.
        plateau_factor: The rate is multiplied by this when the validation loss stops falling.
        plateau_patience: Validations without a lower loss before that.
        plateau_cooldown: Validations after that in which nothing is counted.
        lowest_rate: The rate does not fall below this.
        epochs: Epochs in all; one holds ``frames_per_video`` frames of each video.
        frames_per_video: Frames drawn per video and epoch.
        skip_last_frame: Whether the last frame of a video is never drawn, as in the authors' code.
        batch_items: Faces per device and batch.
        validation_frames: Frames per video of the validation, the same in every epoch.
        validation_share: Part of the sources that is held out when the data have no split.
        augmented_validation: Whether validation faces are changed as training faces are, as in the authors' code.
        balance: Whether the loss weighs both classes alike; the authors' does not (4 fakes per real face).
        keep_best: ``auc`` over the validation frames.
        seed: Of weights, draws and dropout.

    Raises:
        ConfigError: On a value out of range.
    """

    network: M2F2Config = field(default_factory=M2F2Config)
    post: FacePost = field(default_factory=FacePost)
    learning_rate: float = 1e-3
    text_gate_rate: float = 3e-3
    weight_decay: float = 1e-6
    plateau_factor: float = 0.4
    plateau_patience: int = 6
    plateau_cooldown: int = 5
    lowest_rate: float = 1e-8
    epochs: int = 200
    frames_per_video: int = 1
    skip_last_frame: bool = True
    batch_items: int = 80
    validation_frames: int = 1
    validation_share: float = 0.1
    augmented_validation: bool = True
    balance: bool = False
    keep_best: Literal["auc"] = "auc"
    seed: int = 100

    def __post_init__(self) -> None:
        """Check the values."""
        positive = ("learning_rate", "text_gate_rate", "epochs", "frames_per_video", "batch_items", "validation_frames")
        for name in positive:
            if getattr(self, name) <= 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ConfigError(msg)
        if not 0 < self.plateau_factor < 1 or not 0 < self.validation_share < 1:
            msg = "plateau_factor and validation_share must lie between 0 and 1"
            raise ConfigError(msg)
        if min(self.plateau_patience, self.plateau_cooldown, self.lowest_rate, self.weight_decay, self.seed) < 0:
            msg = "plateau_patience, plateau_cooldown, lowest_rate, weight_decay and seed must be at least 0"
            raise ConfigError(msg)
        if self.keep_best != "auc" or not self.network.with_vision:
            msg = "keep_best must be auc, and a network that is trained needs its vision tower"
            raise ConfigError(msg)

    @property
    def with_replacement(self) -> bool:
        """Frames of one epoch are drawn once each."""
        return False

    def processor(self) -> M2F2Processor:
        """How crops are brought to the network."""
        return M2F2Processor(self.network.vision.image_size)


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes in the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("stage1*.toml")))


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Stage1Recipe:
    """A recipe of the package or of a file, with single values changed.

    Args:
        name: One of `recipe_names`, or a path that ends in ``.toml``; the file names what differs from the defaults.
        overrides: ``key=value`` each, nested keys with dots (``network.mode=corrected``).

    Raises:
        ConfigError: If there is no such recipe, or a key or a value does not fit.

    Example:
        >>> load_recipe("stage1", ["epochs=3"]).epochs
        3
    """
    values, where = named_table(name, _FOLDER, recipe_names())
    return from_mapping(Stage1Recipe, table_with(values, overrides), where=where)
