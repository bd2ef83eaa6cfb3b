"""Crop to network input: one object for training, evaluation and serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.config import from_mapping
from facewitness.faces.crops import CropSpec


@dataclass(frozen=True)
class LiteProcessor:
    """Values that turn a face crop into the network's input.

    Attributes:
        image_size: Side of crop and input, pixels.
        margin_ratio: Side of the crop in units of the face box.
        mean: Subtracted from pixels in [0, 1], all channels.
        std: Divides them after that.
    """

    image_size: int = 192
    margin_ratio: float = 1.25
    mean: float = 0.498
    std: float = 0.502

    @property
    def crop(self) -> CropSpec:
        """How faces are cut out."""
        return CropSpec(margin_ratio=self.margin_ratio, size=self.image_size, border="shift")

    def __call__(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Normalise.

        Args:
            crops: ``(S, S, 3)`` uint8 RGB each, all of one size.

        Returns:
            ``(B, 3, S, S)`` float32.

        Example:
            >>> LiteProcessor()([np.zeros((8, 8, 3), np.uint8)]).shape
            (1, 3, 8, 8)
        """
        batch = np.stack(crops).astype(np.float32)
        batch *= np.float32(1 / (255 * self.std))
        batch -= np.float32(self.mean / self.std)
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))

    def to_record(self) -> dict[str, Any]:
        """Plain values for a weights record."""
        return asdict(self)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> LiteProcessor:
        """From a record's values.

        Raises:
            ConfigError: On an unknown key.
        """
        return from_mapping(cls, values, where="processor")
