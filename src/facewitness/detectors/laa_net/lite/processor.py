"""Crop to network input: one object for training, evaluation and serving."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.config import from_mapping
from facewitness.errors import ConfigError
from facewitness.faces.crops import CropSpec


@dataclass(frozen=True)
class LiteProcessor:
    """Values that turn a face crop into the network's input.

    Attributes:
        image_size: Side of the network's input, pixels.
        margin_ratio: Side of the crop in units of the face box.
        views: Parts of the crop's side that the network looks at, each about the centre; their logits are averaged.
        mirror: Whether it also looks at each view mirrored.
        mean: Subtracted from pixels in [0, 1], all channels.
        std: Divides them after that.
    """

    image_size: int = 192
    margin_ratio: float = 1.25
    views: tuple[float, ...] = (1.0,)
    mirror: bool = False
    mean: float = 0.498
    std: float = 0.502

    def __post_init__(self) -> None:
        """Check the views: the first must be the whole crop, for the heatmap covers it."""
        if not self.views or self.views[0] != 1.0 or not all(0.5 <= v <= 1 for v in self.views):
            msg = f"views must begin with 1.0 and lie in [0.5, 1], got {self.views}"
            raise ConfigError(msg)

    @property
    def crop(self) -> CropSpec:
        """How faces are cut out: so large that the smallest view is not enlarged."""
        size = math.ceil(self.image_size / min(self.views))
        return CropSpec(margin_ratio=self.margin_ratio, size=size, border="shift")

    @property
    def looks(self) -> int:
        """Network inputs per crop."""
        return len(self.views) * (2 if self.mirror else 1)

    def prepare(self, crop: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The views of one crop, upright ones first, then mirrored ones in the same order.

        Args:
            crop: ``(C, C, 3)`` uint8 RGB.

        Returns:
            `looks` pictures, ``(S, S, 3)`` uint8 RGB.
        """
        seen = [_central(crop, share, self.image_size) for share in self.views]
        return seen + [np.ascontiguousarray(v[:, ::-1]) for v in seen] if self.mirror else seen

    def __call__(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Normalise.

        Args:
            pictures: ``(S, S, 3)`` uint8 RGB each, all of one size.

        Returns:
            ``(B, 3, S, S)`` float32.

        Example:
            >>> LiteProcessor()([np.zeros((8, 8, 3), np.uint8)]).shape
            (1, 3, 8, 8)
        """
        batch = np.stack(pictures).astype(np.float32)
        batch *= np.float32(1 / (255 * self.std))
        batch -= np.float32(self.mean / self.std)
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))

    def to_record(self) -> dict[str, Any]:
        """Plain values for a weights record."""
        return {**asdict(self), "views": list(self.views)}

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> LiteProcessor:
        """From a record's values.

        Raises:
            ConfigError: On an unknown key or a value out of range.
        """
        return from_mapping(cls, values, where="processor")


def _central(crop: NDArray[np.uint8], share: float, size: int) -> NDArray[np.uint8]:
    side = crop.shape[0]
    inner = round(side * share)
    start = (side - inner) // 2
    part = crop[start : start + inner, start : start + inner]
    if inner == size:
        return np.ascontiguousarray(part)
    how = cv2.INTER_AREA if inner > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (size, size), interpolation=how), dtype=np.uint8)
