"""Pixels to network input, the same for evaluation and serving; no torch here.

The authors map the whole image to the network's side with one affine warp whose corners fall on pixel centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.pseudofakes.geometry import whole_image_map

Protocol = Literal["sbi", "bi", "single_image"]

_CROP_SIDE = 317
"""Side of the face crops that the authors' training code assumes."""


def warp_whole_image(image: NDArray[np.uint8], out: int) -> NDArray[np.uint8]:
    """Bring a whole image to a square with `whole_image_map`; black outside, bilinear.

    Args:
        image: ``(H, W, 3)`` uint8.
        out: Side of the result, pixels.

    Returns:
        ``(out, out, 3)`` uint8.
    """
    matrix = whole_image_map(image.shape[0], image.shape[1], out)
    warped = cv2.warpAffine(image, matrix, (out, out), flags=cv2.INTER_LINEAR)
    return np.asarray(warped, dtype=np.uint8)


@dataclass(frozen=True)
class LaaNetProcessor:
    """Face crop to network input.

    Attributes:
        protocol: Which of the authors' three evaluation paths. ``sbi`` cuts ``trim`` pixels off each side;
            ``bi`` resizes to 317 and keeps 18..299; ``single_image`` resizes to 317 and keeps rows 60..317 and
            columns 30..287. All then warp to ``image_size``.
        image_size: Side of the network's input.
        trim: Pixels off each side (``sbi``).
        mean: Subtracted after division by 255, per channel.
        std: Divided by, per channel.
    """

    protocol: Protocol = "sbi"
    image_size: int = 384
    trim: int = 5
    mean: float = 0.5
    std: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        if self.protocol not in ("sbi", "bi", "single_image"):
            msg = f"protocol must be sbi, bi or single_image, got {self.protocol!r}"
            raise ConfigError(msg)
        if self.image_size < 32 or self.trim < 0 or self.std <= 0:
            msg = f"need image_size >= 32, trim >= 0 and std > 0, got {self.image_size}, {self.trim} and {self.std}"
            raise ConfigError(msg)

    @classmethod
    def from_record(cls, values: dict[str, Any]) -> LaaNetProcessor:
        """The processor that a weights record describes (`to_record`)."""
        return cls(**{k: v for k, v in values.items() if k in cls.__dataclass_fields__})

    def to_record(self) -> dict[str, Any]:
        """Plain values for a weights record."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def kept(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The part of a crop that the network sees.

        Args:
            height: Of the crop, pixels.
            width: Of the crop, pixels.

        Returns:
            Top, bottom, left, right in pixels of the crop (of the crop resized to 317 unless ``sbi``).

        Raises:
            ConfigError: If nothing is left.
        """
        if self.protocol == "bi":
            return 18, 299, 18, 299
        if self.protocol == "single_image":
            return 60, _CROP_SIDE, 30, 287
        if min(height, width) <= 2 * self.trim + 1:
            msg = f"a crop of {width}x{height} is too small to lose {self.trim} pixels on each side"
            raise ConfigError(msg)
        return self.trim, height - self.trim, self.trim, width - self.trim

    def to_square(self, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut and warp, still uint8.

        Args:
            crop: ``(H, W, 3)`` uint8 RGB.

        Returns:
            ``(image_size, image_size, 3)`` uint8 RGB.

        Raises:
            ConfigError: If ``crop`` is of another type or too small.
        """
        if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3:
            msg = f"crop must be (H, W, 3) uint8 RGB, got {crop.shape} {crop.dtype}"
            raise ConfigError(msg)
        if self.protocol != "sbi":
            crop = np.asarray(cv2.resize(crop, (_CROP_SIDE, _CROP_SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
        top, bottom, left, right = self.kept(crop.shape[0], crop.shape[1])
        return warp_whole_image(np.ascontiguousarray(crop[top:bottom, left:right]), self.image_size)

    def normalise(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """``(H, W, 3)`` uint8 to ``(3, H, W)`` float32, ``(x / 255 - mean) / std``."""
        scaled = image.astype(np.float32) * np.float32(1 / (255 * self.std)) - np.float32(self.mean / self.std)
        return np.ascontiguousarray(scaled.transpose(2, 0, 1))

    def __call__(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """A batch.

        Args:
            crops: ``(H, W, 3)`` uint8 RGB each; sizes may differ.

        Returns:
            ``(n, 3, image_size, image_size)`` float32.
        """
        return np.stack([self.normalise(self.to_square(crop)) for crop in crops])

    def heatmap_over_crop(self, heatmap: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
        """Lay a heatmap of the network's input back over the crop it came from.

        Args:
            heatmap: ``(h, h)`` float32 over the square input.
            height: Of the crop, pixels.
            width: Of the crop, pixels.

        Returns:
            ``(h, h)`` float32 over the whole crop; 0 where the network did not look.
        """
        side = heatmap.shape[0]
        top, bottom, left, right = self.kept(height, width)
        full_h, full_w = (height, width) if self.protocol == "sbi" else (_CROP_SIDE, _CROP_SIDE)
        longer = max(bottom - top, right - left)
        # Both maps count cells from their edges; the input is the kept part centred in a square of its longer side.
        scale_x, scale_y = longer / full_w, longer / full_h
        shift_x = (left + (right - left - longer) / 2) * side / full_w
        shift_y = (top + (bottom - top - longer) / 2) * side / full_h
        matrix = np.array(
            [[scale_x, 0, shift_x + (scale_x - 1) / 2], [0, scale_y, shift_y + (scale_y - 1) / 2]], dtype=np.float64
        )
        return np.asarray(cv2.warpAffine(heatmap, matrix, (side, side), flags=cv2.INTER_LINEAR), dtype=np.float32)
