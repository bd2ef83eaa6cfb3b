"""Pillow's bicubic resize on batches of tensors, bit for bit, on any device.

Pillow turns its kernel into integers of 22 fractional bits, sums in integers, rounds, and keeps 8 bits between the
horizontal and the vertical pass. torch's own 8-bit resize has fewer bits and differs by one level here and there.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor
from typing import Final

import torch
from torch import Tensor

from facewitness.errors import ConfigError

_BITS: Final = 22
_SUPPORT: Final = 2.0
_SHARPNESS: Final = -0.5


def resize_bicubic(images: Tensor, height: int, width: int) -> Tensor:
    """What ``PIL.Image.resize((width, height), BICUBIC)`` gives for each image.

    Args:
        images: ``(B, C, H, W)`` uint8.
        height: Of the result, in pixels.
        width: Of the result, in pixels.

    Returns:
        ``(B, C, height, width)`` uint8.

    Raises:
        ConfigError: If the images are not 8 bits deep or a size is below 1.
    """
    window = (0, 0, height, width)
    return resize_and_cut(images, height, width, window)


def resize_and_cut(images: Tensor, height: int, width: int, window: tuple[int, int, int, int]) -> Tensor:
    """A window of what `resize_bicubic` gives; only its pixels are computed.

    Args:
        images: As there.
        height: As there.
        width: As there.
        window: Top, left, bottom, right in the resized image, inside it.

    Returns:
        ``(B, C, bottom - top, right - left)`` uint8.

    Raises:
        ConfigError: As there, or if the window leaves the image.
    """
    top, left, bottom, right = window
    if images.dtype != torch.uint8 or images.ndim != 4 or min(height, width) < 1:
        msg = f"expected (B, C, H, W) uint8 and a size of at least 1, got {images.dtype} {tuple(images.shape)}"
        raise ConfigError(msg)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        msg = f"window {window} is not inside {height} x {width}"
        raise ConfigError(msg)
    if images.shape[2:] == (height, width):
        return images[..., top:bottom, left:right]
    rows = _weights(images.shape[2], height)[top:bottom].to(images.device)
    columns = _weights(images.shape[3], width)[left:right].to(images.device)
    passes = [_across, _down]
    if _is_vertical_first(images.shape[2], images.shape[3], height, width):
        passes.reverse()
    for one_pass in passes:
        images = one_pass(images, rows, columns)
    return images


def _is_vertical_first(tall: int, wide: int, height: int, width: int) -> bool:
    """Which pass comes first, as Pillow 13 has it (found by trial): its 8 bits in between make that visible.

    Older versions begin with the horizontal pass always; the two agree unless a picture loses far more rows than
    columns, such as one of over twice its width in height that is shrunk.
    """
    return height < tall and tall - height > 2 * (wide - width)


def _across(images: Tensor, _rows: Tensor, columns: Tensor) -> Tensor:
    return _rounded(images.double() @ columns.T)


def _down(images: Tensor, rows: Tensor, _columns: Tensor) -> Tensor:
    return _rounded(rows @ images.double())


def _rounded(sums: Tensor) -> Tensor:
    """Sums of 22 fractional bits to 8-bit levels; every value is a whole number that float64 holds exactly."""
    return torch.floor((sums + 2.0 ** (_BITS - 1)) / 2.0**_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=32)
def _weights(size: int, target: int) -> Tensor:
    """``(target, size)`` float64: Pillow's integer weights of every source pixel for every target pixel."""
    scale = size / target
    stretch = max(scale, 1.0)
    support = _SUPPORT * stretch
    weights = torch.zeros(target, size, dtype=torch.float64)
    for place in range(target):
        centre = (place + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        end = min(int(centre + support + 0.5), size)
        line = [_kernel((x - centre + 0.5) / stretch) for x in range(first, end)]
        total = sum(line)
        for x, value in zip(range(first, end), line, strict=True):
            weights[place, x] = _whole(value / total * 2**_BITS)
    return weights


def _kernel(x: float) -> float:
    """Keys' cubic convolution kernel."""
    x, a = abs(x), _SHARPNESS
    if x < 1.0:
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < _SUPPORT else 0.0


def _whole(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    return float(floor(value + 0.5) if value >= 0 else -floor(0.5 - value))
