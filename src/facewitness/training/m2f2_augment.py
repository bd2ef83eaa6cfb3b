"""What the authors of M2F2-Det do to a face before they train on it: blur, JPEG, mirror; no torch here."""

from __future__ import annotations

import io
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facewitness.detectors.m2f2_det.recipe import FacePost
from facewitness.jpeg import jpeg_again

Encoder = Literal["opencv", "pillow"]
_ENCODERS: Final[tuple[Encoder, Encoder]] = ("opencv", "pillow")
_REACH: Final = 4.0
"""Standard deviations after which a kernel ends."""


def post_process(image: NDArray[np.uint8], rng: np.random.Generator, post: FacePost) -> NDArray[np.uint8]:
    """One draw of blur, JPEG and mirror, in the authors' order.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        rng: Decides everything.
        post: Chances and ranges.

    Returns:
        A new picture of the same size, or ``image`` itself where nothing was drawn.
    """
    if rng.random() < post.blur_chance:
        image = gaussian_blur(image, float(rng.uniform(*post.blur_sigma)))
    if rng.random() < post.jpeg_chance:
        encoder = _ENCODERS[int(rng.integers(len(_ENCODERS)))]
        low, high = post.jpeg_qualities
        quality = int(rng.integers(low, high + 1)) if post.jpeg_range else (low, high)[int(rng.integers(2))]
        image = jpeg_round_trip(image, quality, encoder)
    if rng.random() < post.mirror_chance:
        image = image[:, ::-1]
    return image


def gaussian_blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """SciPy's ``gaussian_filter`` of each channel into 8 bits, which cuts off fractions after each of both passes.

    Args:
        image: ``(H, W, 3)`` uint8.
        sigma: Of the Gaussian in pixels; 0 leaves the picture as it is.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    radius = int(_REACH * sigma + 0.5)
    if radius == 0:
        return image.copy()
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    kernel = kernel / kernel.sum()
    for axis in (0, 1):
        image = _pass(image, kernel, radius, axis)
    return image


def _pass(image: NDArray[np.uint8], kernel: NDArray[np.float64], radius: int, axis: int) -> NDArray[np.uint8]:
    """One direction; the sums run in SciPy's order, since what is cut off depends on their last bits."""
    pads = [(radius, radius) if i == axis else (0, 0) for i in range(3)]
    padded = np.pad(image, pads, mode="symmetric").astype(np.float64)
    size = image.shape[axis]

    def shifted(by: int) -> NDArray[np.float64]:
        return padded.take(range(radius + by, radius + by + size), axis=axis)

    total = shifted(0) * kernel[radius]
    for by in range(radius, 0, -1):
        total += (shifted(-by) + shifted(by)) * kernel[radius + by]
    return np.asarray(total.astype(np.uint8))


def jpeg_round_trip(image: NDArray[np.uint8], quality: int, encoder: Encoder) -> NDArray[np.uint8]:
    """Save as JPEG and open again.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        quality: 1 to 100.
        encoder: ``opencv`` or ``pillow``; both are libjpeg with other settings.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    if encoder == "opencv":
        return jpeg_again(image, quality)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, format="jpeg", quality=quality)
    with Image.open(stream) as opened:
        return np.array(opened)
