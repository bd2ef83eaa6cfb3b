"""From pictures to CLIP's input, on batches of tensors, equal to the authors' way through Pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facewitness.config import from_mapping
from facewitness.errors import ConfigError
from facewitness.networks.clip_sizes import CLIP_MEAN, CLIP_STD

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class M2F2Processor:
    """Shorter side to ``image_size`` (bicubic, 8 bits), the central square of it, CLIP's normalisation.

    CLIP and the convolutional network see the same tensor.

    Attributes:
        image_size: Side of the input in pixels.

    Raises:
        ConfigError: If it is below 1.

    Example:
        >>> M2F2Processor(336).resized(160, 224)
        (336, 470)
    """

    image_size: int = 336

    def __post_init__(self) -> None:
        """Check the value."""
        if self.image_size < 1:
            msg = f"image_size must be at least 1 pixel, got {self.image_size}"
            raise ConfigError(msg)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize: the longer side is rounded down."""
        short, long = sorted((height, width))
        other = int(self.image_size * long / short)
        return (self.image_size, other) if height <= width else (other, self.image_size)

    def to_square(self, images: Tensor) -> Tensor:
        """Resize and cut.

        Args:
            images: ``(B, 3, H, W)`` uint8 RGB.

        Returns:
            ``(B, 3, image_size, image_size)`` uint8.
        """
        from facewitness.networks.resampling import resize_and_cut

        height, width = self.resized(*images.shape[-2:])
        top, left = (height - self.image_size) // 2, (width - self.image_size) // 2
        window = (top, left, top + self.image_size, left + self.image_size)
        return resize_and_cut(images, height, width, window)

    def normalise(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` uint8 to float32 with CLIP's mean and deviation."""
        import torch

        mean = torch.tensor(CLIP_MEAN, device=images.device)[:, None, None]
        std = torch.tensor(CLIP_STD, device=images.device)[:, None, None]
        return (images.float() / 255 - mean) / std

    def of_tensors(self, images: Tensor) -> Tensor:
        """Input of the network for a batch of equal size.

        Args:
            images: ``(B, 3, H, W)``: uint8, or floating point in [0, 1], of which 8 bits are taken by truncation as
                the authors do.

        Returns:
            ``(B, 3, image_size, image_size)`` float32.
        """
        import torch

        if images.is_floating_point():
            images = (images.float() * 255).clamp(0, 255).to(torch.uint8)
        return self.normalise(self.to_square(images))

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Input of the network for pictures of any sizes.

        Args:
            images: ``(H, W, 3)`` uint8 RGB each.

        Returns:
            ``(B, 3, image_size, image_size)`` float32.
        """
        import torch

        if len({image.shape for image in images}) == 1:
            batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
            return self.of_tensors(batch)
        squares = [self.to_square(torch.from_numpy(np.ascontiguousarray(i)).permute(2, 0, 1)[None]) for i in images]
        return self.normalise(torch.cat(squares))

    def map_over_image(self, values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
        """A map of the network's grid laid over a picture; what the cut left out is 0.

        Args:
            values: ``(h, w)`` float32.
            height: Of the picture.
            width: Of the picture.

        Returns:
            As many cells over the whole picture, so that a square picture keeps its map as it is.
        """
        tall, wide = self.resized(height, width)
        if tall == wide:
            return values
        h, w = values.shape
        rows, columns = (round(n * side / self.image_size) for n, side in ((h, tall), (w, wide)))
        whole = np.zeros((rows, columns), np.float32)
        top, left = (rows - h) // 2, (columns - w) // 2
        whole[top : top + h, left : left + w] = values
        return whole

    def to_record(self) -> dict[str, Any]:
        """For a weights record."""
        return asdict(self)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> M2F2Processor:
        """From what a weights record holds; other entries are of no concern here.

        Raises:
            ConfigError: If the size is no size.
        """
        return from_mapping(cls, {"image_size": values["image_size"]} if "image_size" in values else {})
