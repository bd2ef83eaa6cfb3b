"""Pictures for the vision tower of a LLaVA-type model, as CLIP's own processor makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facewitness.errors import ConfigError
from facewitness.language.models import Aspect
from facewitness.networks.clip_sizes import CLIP_MEAN, CLIP_STD


def pixel_values(images: Sequence[NDArray[np.uint8]], size: int, aspect: Aspect = "pad") -> Tensor:
    """Pictures as the vision tower takes them: shortest side to ``size`` (bicubic), cut in the middle, normalised.

    Args:
        images: ``(H, W, 3)`` uint8 RGB each.
        size: Side of the square, pixels.
        aspect: How a picture becomes square.

    Returns:
        ``(n, 3, size, size)`` float32, normalised with CLIP's mean and deviation.

    Raises:
        ConfigError: If a picture is no RGB array.
    """
    mean = np.asarray(CLIP_MEAN, dtype=np.float32)
    std = np.asarray(CLIP_STD, dtype=np.float32)
    rows = []
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            msg = f"a picture must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}"
            raise ConfigError(msg)
        square = _resized(padded(image) if aspect == "pad" else image, size)
        rows.append(torch.from_numpy((square.astype(np.float32) / 255 - mean) / std).permute(2, 0, 1))
    return torch.stack(rows)


def padded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in the middle of the smallest square around it, in CLIP's mean colour.

    Example:
        >>> padded(np.zeros((2, 4, 3), dtype=np.uint8))[:, 0].tolist()
        [[122, 116, 104], [0, 0, 0], [0, 0, 0], [122, 116, 104]]
    """
    height, width = image.shape[:2]
    side = max(height, width)
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = [int(value * 255) for value in CLIP_MEAN]
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def _resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    short, long = min(height, width), max(height, width)
    other = int(size * long / short)
    new = (size, other) if height >= width else (other, size)  # (width, height)
    picture = Image.fromarray(image).resize(new, Image.Resampling.BICUBIC) if short != size or long != size else None
    array = np.asarray(picture) if picture is not None else image
    top, left = (array.shape[0] - size) // 2, (array.shape[1] - size) // 2
    return np.ascontiguousarray(array[top : top + size, left : left + size])
