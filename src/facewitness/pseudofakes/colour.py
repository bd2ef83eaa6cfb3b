"""Colour and frequency changes on uint8 RGB pictures, by look-up tables and small filters.

Each change is a plain function of its parameters; the random forms draw from a `numpy.random.Generator`. The
arithmetic (order of steps, truncation to grey levels) is that of the transforms the LAA-Net code takes from
albumentations 1.1, so that the same draws give the same pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

_LEVELS = np.arange(256, dtype=np.float32)


def rgb_shift(image: NDArray[np.uint8], shift: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Add one number of grey levels per channel.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        shift: Red, green, blue, in grey levels.

    Returns:
        A new uint8 array, clipped to 0..255.
    """
    table = np.clip(_LEVELS[:, None] + np.asarray(shift, np.float32), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8)


def hsv_shift(image: NDArray[np.uint8], hue: float, saturation: float, value: float) -> NDArray[np.uint8]:
    """Shift hue (0..179, cyclic), saturation and value (0..255), decimals cut off.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        hue: Shift of the hue in half degrees.
        saturation: Shift of the saturation, grey levels.
        value: Shift of the value, grey levels.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array (rounded by the way to HSV and back even for shifts of 0).
    """
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = np.mod(_LEVELS + np.float32(hue), 180)
    table[0, :, 1] = np.clip(_LEVELS + np.float32(saturation), 0, 255)
    table[0, :, 2] = np.clip(_LEVELS + np.float32(value), 0, 255)
    shifted = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table)
    return np.asarray(cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def brightness_contrast(image: NDArray[np.uint8], brightness: float, contrast: float) -> NDArray[np.uint8]:
    """Multiply by ``1 + contrast`` and add ``255 * brightness``.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        brightness: Part of the full range to add, such as 0.1.
        contrast: Relative change of the slope, such as -0.1.

    Returns:
        A new uint8 array, clipped to 0..255.
    """
    table = np.clip(_LEVELS * np.float32(1 + contrast) + np.float32(255 * brightness), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def downscale(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Shrink by an integer factor with nearest neighbours and enlarge back bilinearly.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        factor: 2, 4, ...

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(width // factor, 1), max(height // factor, 1)), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def sharpen(image: NDArray[np.uint8], alpha: float, lightness: float) -> NDArray[np.uint8]:
    """Mix the picture with its 3x3 sharpened form.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        alpha: Share of the sharpened form, 0..1.
        lightness: Added to the centre weight 8 of the sharpening kernel; 1 keeps the brightness.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.
    """
    kernel = np.full((3, 3), -alpha, np.float32)
    kernel[1, 1] = (1 - alpha) + alpha * (8 + lightness)
    return np.asarray(cv2.filter2D(image, -1, kernel), dtype=np.uint8)


def jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode as JPEG and decode again.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        quality: libjpeg quality, 1 (worst) to 100.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.
    """
    # The encoder sees RGB as BGR, as in the official code; encode and decode agree, only chroma weights differ.
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, int(quality)))
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)


@dataclass(frozen=True)
class ColourDraw:
    """Parameters of one colour and frequency perturbation; None leaves a step out.

    Attributes:
        rgb: Shift of red, green and blue, grey levels.
        hsv: Shift of hue, saturation and value.
        brightness: Part of the full range to add.
        contrast: Relative change of the slope.
        frequency: Which of the two frequency changes comes last.
        factor: Factor of the downscale.
        alpha: Share of the sharpened form.
        lightness: Lightness of the sharpening.
        jpeg_quality: libjpeg quality; None leaves the compression out.
    """

    rgb: tuple[float, float, float] | None = None
    hsv: tuple[float, float, float] | None = None
    brightness: float | None = None
    contrast: float = 0.0
    frequency: Literal["none", "downscale", "sharpen"] = "none"
    factor: int = 2
    alpha: float = 0.0
    lightness: float = 1.0
    jpeg_quality: int | None = None


def draw_source_colour(rng: np.random.Generator) -> ColourDraw:
    """Draw the perturbation of the source (or target) of a self-blend.

    Reference: SBI, section 3.1 (source-target generator), with the limits of the LAA-Net code.
    """
    return ColourDraw(
        rgb=_three(rng, 20) if rng.random() < 0.3 else None,
        hsv=_three(rng, 0.3),
        brightness=float(rng.uniform(-0.1, 0.1)),
        contrast=float(rng.uniform(-0.1, 0.1)),
        frequency="downscale" if rng.random() < 0.5 else "sharpen",
        factor=2 if rng.random() < 0.5 else 4,
        alpha=float(rng.uniform(0.2, 0.5)),
        lightness=float(rng.uniform(0.5, 1.0)),
    )


def draw_joint_colour(rng: np.random.Generator) -> ColourDraw:
    """Draw the perturbation that real and fake share just before the network (training only).

    Reference: LAA-Net code, SBI training transforms.
    """
    jitter = rng.random() < 0.3
    return ColourDraw(
        rgb=_three(rng, 20) if rng.random() < 0.3 else None,
        hsv=_three(rng, 0.3) if rng.random() < 0.3 else None,
        brightness=float(rng.uniform(-0.3, 0.3)) if jitter else None,
        contrast=float(rng.uniform(-0.3, 0.3)) if jitter else 0.0,
        jpeg_quality=int(rng.integers(40, 101)) if rng.random() < 0.5 else None,
    )


def apply_colour(image: NDArray[np.uint8], draw: ColourDraw) -> NDArray[np.uint8]:
    """Apply one draw: RGB shift, HSV shift, brightness and contrast, frequency change, JPEG, in this order.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        draw: What was drawn.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array; the input is not changed.
    """
    out = image
    if draw.rgb is not None:
        out = rgb_shift(out, draw.rgb)
    if draw.hsv is not None:
        out = hsv_shift(out, *draw.hsv)
    if draw.brightness is not None:
        out = brightness_contrast(out, draw.brightness, draw.contrast)
    if draw.frequency == "downscale":
        out = downscale(out, draw.factor)
    elif draw.frequency == "sharpen":
        out = sharpen(out, draw.alpha, draw.lightness)
    if draw.jpeg_quality is not None:
        out = jpeg(out, draw.jpeg_quality)
    return out.copy() if out is image else out


def _three(rng: np.random.Generator, limit: float) -> tuple[float, float, float]:
    """Three numbers uniform in ``[-limit, limit)``."""
    first, second, third = rng.uniform(-limit, limit, 3)
    return float(first), float(second), float(third)
