"""What happens to pictures on their way through the world: scaling, codecs, blur, noise, colour.

A `Degradation` is drawn once and applied to any number of pictures, so that a real face and the
fake made from it go through the very same losses and neither can be told by them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.h264 import h264_compress
from facewitness.jpeg import jpeg_again

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class DegradationConfig:
    """Probabilities and ranges, both ends included; ``*_p`` is the chance that the step happens.

    Attributes:
        scale_p: Downscaling (area), not undone: the caller resizes to the network's size.
        scale_range: Remaining share of the side.
        min_side_px: Scaling never goes below this.
        h264_p: H.264 coding.
        h264_crf: Constant rate factor (18 visually lossless, 40 the "c40" of FF++).
        h264_inter_p: Given H.264, the chance that the picture is a predicted (P) frame.
        jpeg_p: JPEG coding.
        jpeg_quality: libjpeg quality.
        blur_p: Gaussian blur.
        blur_sigma_px: Its sigma.
        noise_p: Gaussian sensor noise.
        noise_sigma: Its sigma, grey levels.
        colour_p: Brightness, contrast, gamma and channel gains.
        grey_p: Removal of colour.
    """

    scale_p: float = 0.6
    scale_range: tuple[float, float] = (0.4, 1.0)
    min_side_px: int = 72
    h264_p: float = 0.5
    h264_crf: tuple[int, int] = (18, 41)
    h264_inter_p: float = 0.4
    jpeg_p: float = 0.5
    jpeg_quality: tuple[int, int] = (35, 95)
    blur_p: float = 0.22
    blur_sigma_px: tuple[float, float] = (0.3, 3.2)
    noise_p: float = 0.22
    noise_sigma: tuple[float, float] = (1.0, 14.0)
    colour_p: float = 0.6
    grey_p: float = 0.03


@dataclass(frozen=True)
class Degradation:
    """One drawn chain of losses; ``None`` or 0 leaves a step out. Steps run in field order."""

    colour_table: NDArray[np.uint8] | None = None
    grey: bool = False
    blur_sigma_px: float = 0.0
    scale: float = 1.0
    noise_sigma: float = 0.0
    noise_seed: int = 0
    h264_crf: int | None = None
    h264_inter: bool = False
    jpeg_quality: int | None = None

    def __call__(self, image: Image) -> Image:
        """Apply to one ``(H, W, 3)`` uint8 RGB picture; the result is smaller when ``scale`` < 1."""
        if self.colour_table is not None:
            image = np.asarray(cv2.LUT(image, self.colour_table), dtype=np.uint8)
        if self.grey:
            image = np.repeat(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)[..., None], 3, 2)
        if self.blur_sigma_px > 0:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur_sigma_px), dtype=np.uint8)
        if self.scale < 1:
            side = (max(2, round(image.shape[1] * self.scale)), max(2, round(image.shape[0] * self.scale)))
            image = np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        if self.noise_sigma > 0:
            noise = np.random.default_rng(self.noise_seed).standard_normal(image.shape, dtype=np.float32)
            image = np.clip(np.rint(image + noise * np.float32(self.noise_sigma)), 0, 255).astype(np.uint8)
        if self.h264_crf is not None:
            image = h264_compress(image, crf=self.h264_crf, inter=self.h264_inter)
        if self.jpeg_quality is not None:
            image = jpeg_again(image, self.jpeg_quality)
        return np.ascontiguousarray(image)


def draw_degradation(rng: np.random.Generator, side_px: int, config: DegradationConfig | None = None) -> Degradation:
    """Draw a chain of losses for pictures of about ``side_px`` pixels."""
    c = config or DegradationConfig()
    scale = 1.0
    if rng.random() < c.scale_p:
        scale = max(float(rng.uniform(*c.scale_range)), min(1.0, c.min_side_px / side_px))
    with_h264 = rng.random() < c.h264_p
    return Degradation(
        colour_table=_draw_colour_table(rng) if rng.random() < c.colour_p else None,
        grey=bool(rng.random() < c.grey_p),
        blur_sigma_px=float(rng.uniform(*c.blur_sigma_px)) if rng.random() < c.blur_p else 0.0,
        scale=scale,
        noise_sigma=float(rng.uniform(*c.noise_sigma)) if rng.random() < c.noise_p else 0.0,
        noise_seed=int(rng.integers(1 << 31)),
        h264_crf=int(rng.integers(c.h264_crf[0], c.h264_crf[1] + 1)) if with_h264 else None,
        h264_inter=bool(rng.random() < c.h264_inter_p),
        jpeg_quality=int(rng.integers(c.jpeg_quality[0], c.jpeg_quality[1] + 1)) if rng.random() < c.jpeg_p else None,
    )


def _draw_colour_table(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A ``(1, 256, 3)`` look-up table of gamma, contrast, brightness and channel gain."""
    x = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    gain = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    y = np.clip((x ** rng.uniform(0.75, 1.33) - 0.5) * gain + 0.5 + rng.uniform(-0.08, 0.08), 0, 1)
    return (y * 255 + 0.5).astype(np.uint8)[None]
