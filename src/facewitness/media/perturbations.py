"""What happens to pictures and videos on their way to a detector, by name and in five levels each.

Every change works on whole frames, before faces are looked for, so that it can also cost a face. The levels of
saturation, contrast, block, noise, blur, pixelation and H.264 are those of DeeperForensics-1.0; where its program does
something else than its paper says, the paper holds here (contrast is pulled to the picture's mean grey, not to black;
pixelation leaves square cells; noise is added to RGB). Blur, pixelation and blocks are in pixels of the frame.

Reference: Jiang et al., DeeperForensics-1.0, CVPR 2020, section 3.3 and appendix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.h264 import h264_again
from facewitness.jpeg import jpeg_again

Image = NDArray[np.uint8]
Generator = np.random.Generator
Change = Callable[[Sequence[Image], float, Generator], list[Image]]

LEVELS: Final = 5
"""Levels of every perturbation, 1 the mildest."""

BLOCK_PX: Final = 8
_BLOCK_GREY = 128
_BLOCKS_PER_PX = 1 / 256

PARAMETERS: Final[Mapping[str, tuple[float, float, float, float, float]]] = {
    "jpeg": (90, 75, 60, 40, 20),
    "resize": (0.75, 0.5, 0.35, 0.25, 0.15),
    "blur": (7 / 6, 9 / 6, 13 / 6, 17 / 6, 21 / 6),
    "noise": (8.06, 11.4, 18.03, 25.5, 57.02),
    "saturation": (0.4, 0.3, 0.2, 0.1, 0.0),
    "contrast": (0.85, 0.725, 0.6, 0.475, 0.35),
    "block": (16, 32, 48, 64, 80),
    "pixelation": (2, 3, 4, 5, 6),
    "h264": (30, 32, 35, 38, 40),
    "crop_tight": (0.95, 0.9, 0.85, 0.75, 0.65),
    "crop_wide": (1.05, 1.15, 1.3, 1.5, 1.8),
}
"""The strength at level 1 to 5, in the unit that `Perturbation.words` names.

Blur is the sigma of kernels of 7 to 21 pixels, noise the root of the variances 0.001 to 0.05 in grey levels.
"""


@dataclass(frozen=True)
class Perturbation:
    """One kind of change.

    Attributes:
        name: As in `PARAMETERS`.
        words: What is done, with ``{0}`` for the strength.
        change: Frames, strength and generator to new frames; None where the frames stay and the crop changes.
    """

    name: str
    words: str
    change: Change | None

    def strength(self, level: int) -> float:
        """The parameter of a level.

        Raises:
            ConfigError: If the level is not 1 to 5.
        """
        if not 1 <= level <= LEVELS:
            msg = f"the level of {self.name!r} must be 1 to {LEVELS}, got {level}"
            raise ConfigError(msg)
        return PARAMETERS[self.name][level - 1]

    def apply(self, frames: Sequence[Image], level: int, rng: Generator) -> list[Image]:
        """Change the frames of one picture or video.

        Args:
            frames: ``(H, W, 3)`` uint8 RGB each, in the order of the video; none is changed in place.
            level: 1 to 5.
            rng: Draws noise and places; the same state gives the same frames.

        Returns:
            As many frames of the same sizes.

        Raises:
            ConfigError: If the level is out of range or a frame is not ``(H, W, 3)`` uint8.
        """
        strength = self.strength(level)
        for frame in frames:
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
                msg = f"frames must be (H, W, 3) uint8 RGB, got {frame.shape} {frame.dtype}"
                raise ConfigError(msg)
        if self.change is None or not frames:
            return list(frames)
        return self.change(frames, strength, rng)

    def margin_factor(self, level: int) -> float:
        """What the margin of the detector's crop is multiplied by; 1 where the frames are changed instead."""
        strength = self.strength(level)
        return strength if self.change is None else 1.0

    def level_words(self, level: int) -> str:
        """One level in words.

        Example:
            >>> PERTURBATIONS["jpeg"].level_words(2)
            'saved again as JPEG at quality 75'
        """
        return self.words.format(f"{self.strength(level):.3g}")


def resize_again(image: Image, factor: float) -> Image:
    """Shrink ``(H, W, 3)`` uint8 RGB to ``factor`` of its sides by area averaging and enlarge it again."""
    height, width = image.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def gaussian_blur(image: Image, sigma_px: float) -> Image:
    """Blur ``(H, W, 3)`` uint8 RGB; the edge is mirrored."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), dtype=np.uint8)


def gaussian_noise(image: Image, sigma: float, rng: Generator) -> Image:
    """Add independent Gaussian noise of ``sigma`` grey levels to every value of ``(H, W, 3)`` uint8 RGB."""
    noisy = rng.standard_normal(image.shape, dtype=np.float32)
    noisy *= np.float32(sigma)
    noisy += image
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def saturation(image: Image, factor: float) -> Image:
    """Scale the distance of ``(H, W, 3)`` uint8 RGB from its own grey (Rec. 601 luma); 0 leaves grey, 1 all colour.

    Example:
        >>> saturation(np.array([[[200, 100, 0]]], np.uint8), 0.0).tolist()
        [[[119, 119, 119]]]
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    mixed = cv2.addWeighted(image, factor, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), 1 - factor, 0)
    return np.asarray(mixed, dtype=np.uint8)


def contrast(image: Image, factor: float) -> Image:
    """Scale the distance of ``(H, W, 3)`` uint8 RGB from its mean grey level; 1 changes nothing."""
    mean = float(image.mean())
    table = np.clip(np.rint(mean + (np.arange(256) - mean) * factor), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def block_distortion(image: Image, blocks: float, rng: Generator) -> Image:
    """Lay grey squares of 8 pixels over ``(H, W, 3)`` uint8 RGB, ``blocks`` per 256 pixels of its shorter side."""
    height, width = image.shape[:2]
    count = max(1, round(blocks * min(height, width) * _BLOCKS_PER_PX))
    places = rng.random((count, 2)) * [max(1, height - BLOCK_PX + 1), max(1, width - BLOCK_PX + 1)]
    changed = image.copy()
    for y, x in places.astype(np.intp).tolist():
        changed[y : y + BLOCK_PX, x : x + BLOCK_PX] = _BLOCK_GREY
    return changed


def pixelate(image: Image, cell_px: int) -> Image:
    """Replace each cell of ``cell_px`` pixels of ``(H, W, 3)`` uint8 RGB by its mean; the last ones may be wider."""
    height, width = image.shape[:2]
    small = (max(1, width // cell_px), max(1, height // cell_px))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _each(change: Callable[[Image, float], Image]) -> Change:
    return lambda frames, strength, _: [change(frame, strength) for frame in frames]


def _each_drawn(change: Callable[[Image, float, Generator], Image]) -> Change:
    return lambda frames, strength, rng: [change(frame, strength, rng) for frame in frames]


_KINDS = (
    Perturbation("jpeg", "saved again as JPEG at quality {0}", _each(lambda f, s: jpeg_again(f, round(s)))),
    Perturbation("resize", "shrunk to {0} of its size and enlarged again", _each(resize_again)),
    Perturbation("blur", "blurred with a sigma of {0} pixels", _each(gaussian_blur)),
    Perturbation("noise", "with noise of {0} grey levels", _each_drawn(gaussian_noise)),
    Perturbation("saturation", "with {0} of its colour saturation", _each(saturation)),
    Perturbation("contrast", "with {0} of its contrast", _each(contrast)),
    Perturbation("block", "with {0} grey blocks per 256 pixels", _each_drawn(block_distortion)),
    Perturbation("pixelation", "pixelated in cells of {0} pixels", _each(lambda f, s: pixelate(f, round(s)))),
    Perturbation("h264", "coded as H.264 at CRF {0}", lambda frames, s, _: h264_again(frames, crf=round(s))),
    Perturbation("crop_tight", "cut out with {0} of the margin", None),
    Perturbation("crop_wide", "cut out with {0} times the margin", None),
)

PERTURBATIONS: Final[Mapping[str, Perturbation]] = {kind.name: kind for kind in _KINDS}
"""By name. Changes of the crop (`Perturbation.margin_factor`) leave the frames as they are."""


def perturbations(names: Sequence[str]) -> dict[str, Perturbation]:
    """The perturbations of these names; all of them for no names.

    Raises:
        UnknownNameError: On a name that is not in `PERTURBATIONS`.

    Example:
        >>> list(perturbations(["noise", "jpeg"]))
        ['noise', 'jpeg']
    """
    unknown = [name for name in names if name not in PERTURBATIONS]
    if unknown:
        msg = f"no perturbation is called {unknown[0]!r}. Known: {', '.join(PERTURBATIONS)}"
        raise UnknownNameError(msg)
    return {name: PERTURBATIONS[name] for name in names or PERTURBATIONS}
