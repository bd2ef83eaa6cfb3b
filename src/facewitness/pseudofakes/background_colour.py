"""Colour changes of the background before a Face X-ray style blend (training only).

Order, chances and limits are those of the LAA-Net code's BI configurations, the arithmetic that of the transforms it
takes from albumentations 1.1. The foreground stays as it is, so that the two differ and the blend has to match them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.pseudofakes.colour import ColourDraw, apply_colour, jpeg, rgb_shift

Image = NDArray[np.uint8]
Change = Literal["brightness", "contrast", "saturation", "hue"]

_CHANGES: Final[tuple[Change, ...]] = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class BackgroundColourDraw:
    """One draw; fields are applied from the first to the last, None leaves a step out.

    Attributes:
        jitter: Changes with their strengths, in the order in which they act: a factor, for hue a part of the circle.
        jpeg_quality: libjpeg quality.
        rgb: Grey levels added per channel.
        gamma: Exponent.
        blur_kernel: Odd side of a Gaussian kernel.
        noise: Standard deviation in grey levels and seed of Gaussian noise.
        last: Brightness and contrast, or hue, saturation and value.
    """

    jitter: tuple[tuple[Change, float], ...] | None = None
    jpeg_quality: int | None = None
    rgb: tuple[float, float, float] | None = None
    gamma: float | None = None
    blur_kernel: int | None = None
    noise: tuple[float, int] | None = None
    last: ColourDraw | None = None


def draw_background_colour(rng: np.random.Generator) -> BackgroundColourDraw:
    """Draw the changes (Reference: LAA-Net code, colour transforms of the BI line)."""
    jitter = None
    if rng.random() < 0.3:
        strengths = dict(zip(_CHANGES, (*rng.uniform(0.8, 1.2, 3), rng.uniform(-0.2, 0.2)), strict=True))
        jitter = tuple((_CHANGES[i], float(strengths[_CHANGES[i]])) for i in rng.permutation(len(_CHANGES)))
    quality = int(rng.integers(40, 101)) if rng.random() < 0.5 else None
    shift = _three(rng) if rng.random() < 0.3 else None
    gamma = float(rng.uniform(0.8, 1.2)) if rng.random() < 0.5 else None
    kernel, noise = None, None
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            kernel = int(rng.choice((3, 5, 7)))
        else:
            noise = float(rng.uniform(10, 50)) ** 0.5, int(rng.integers(2**32))  # the limits are variances
    last = None
    if rng.random() < 0.5:
        if rng.random() < 0.5:
            brightness, contrast = (float(x) for x in rng.uniform(-0.1, 0.1, 2))
            last = ColourDraw(brightness=brightness, contrast=contrast)
        else:
            last = ColourDraw(hsv=_three(rng))
    return BackgroundColourDraw(jitter, quality, shift, gamma, kernel, noise, last)


def _three(rng: np.random.Generator) -> tuple[float, float, float]:
    """Three shifts of up to 20 levels."""
    first, second, third = rng.uniform(-20, 20, 3)
    return float(first), float(second), float(third)


def apply_background_colour(image: Image, draw: BackgroundColourDraw) -> Image:
    """Apply one draw.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        draw: What was drawn.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.
    """
    out = image
    for change, strength in draw.jitter or ():
        out = jitter_colour(out, change, strength)
    if draw.jpeg_quality is not None:
        out = jpeg(out, draw.jpeg_quality)
    if draw.rgb is not None:
        out = rgb_shift(out, draw.rgb)
    if draw.gamma is not None:
        table = (np.linspace(0, 1, 256) ** draw.gamma * 255).astype(np.uint8)
        out = np.asarray(cv2.LUT(out, table), dtype=np.uint8)
    if draw.blur_kernel is not None:
        out = np.asarray(cv2.GaussianBlur(out, (draw.blur_kernel, draw.blur_kernel), 0), dtype=np.uint8)
    if draw.noise is not None:
        sigma, seed = draw.noise
        noise = np.random.default_rng(seed).standard_normal(out.shape, dtype=np.float32) * np.float32(sigma)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if draw.last is not None:
        out = apply_colour(out, draw.last)
    return out.copy() if out is image else out


def jitter_colour(image: Image, change: Change, strength: float) -> Image:
    """One change of a colour jitter.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        change: ``brightness`` mixes with black, ``contrast`` with the mean grey, ``saturation`` with the grey picture;
            ``hue`` turns the hue.
        strength: 1 (for hue 0) changes nothing.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array, decimals cut off (``saturation``: rounded).
    """
    levels = np.arange(256, dtype=np.float64)
    if change == "hue":
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = cv2.LUT(hsv[..., 0], np.mod(levels + strength * 180, 180).astype(np.uint8))
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)
    if change == "brightness":
        return np.asarray(cv2.LUT(image, np.clip(levels * strength, 0, 255).astype(np.uint8)), dtype=np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if change == "contrast":
        table = np.clip(levels * strength + grey.mean() * (1 - strength), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(image, table), dtype=np.uint8)
    return np.asarray(cv2.addWeighted(image, strength, cv2.merge([grey] * 3), 1 - strength, 0), dtype=np.uint8)
