"""Self-blended images: a picture blended with a perturbed copy of itself.

Reference: Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images (CVPR 2022), in the form of
Nguyen et al., LAA-Net (CVPR 2024). Two modes: ``official`` keeps the arithmetic of the LAA-Net code, ``corrected``
(the default) repairs it: mirrored landmarks without the one-pixel offset, no NaN on empty masks, rounding instead of
truncation inside the blend, mirrored instead of black borders, and a margin that follows the picture's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.pseudofakes.blending import alpha_blend, blending_boundary, check_picture
from facewitness.pseudofakes.colour import ColourDraw, apply_colour, draw_source_colour
from facewitness.pseudofakes.geometry import affine_about_centre, displace, elastic_field, flip_landmarks
from facewitness.pseudofakes.masks import (
    HULL_KINDS,
    HullKind,
    MaskSoftening,
    Mode,
    draw_softening,
    hull_mask_uint8,
    soften_mask,
)

_REFERENCE_SIDE = 317
"""Side in pixels of the crops for which the margin of the official code was chosen."""


@dataclass(frozen=True)
class SelfBlendConfig:
    """Settings of `self_blend`; the defaults are those of the LAA-Net code.

    Attributes:
        mode: ``corrected`` or ``official`` (see the module's text).
        flip_probability: Chance of a horizontal flip before the blend (0 outside training).
        margin: Lowest and highest margin, in pixels, cut off each side at the end; ``corrected`` takes them as
            pixels of a 317 px picture and scales them. ``(0, 0)`` keeps the whole picture.
        face68_probability: Chance that only the first 68 landmarks shape the mask.
        source_probability: Chance that the colour change goes to the source; else it goes to the target, and then
            the real member of the pair has it too.
        hull_kinds: Hull types to draw from.
        ratios: Blend strengths to draw from.
        scale: Highest scale of the source, along x and y independently; the lowest is its inverse.
        shift: Largest shift of the source along x and y, parts of the width and the height.
        elastic_alpha: Gain of the elastic deformation of the mask.
        elastic_sigma: Its smoothness in pixels.
    """

    mode: Mode = "corrected"
    flip_probability: float = 0.5
    margin: tuple[int, int] = (5, 24)
    face68_probability: float = 0.25
    source_probability: float = 0.5
    hull_kinds: tuple[HullKind, ...] = HULL_KINDS
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
    scale: float = 1 / 0.95
    shift: tuple[float, float] = (0.03, 0.015)
    elastic_alpha: float = 50.0
    elastic_sigma: float = 7.0

    def __post_init__(self) -> None:
        """Refuse settings that no draw could satisfy."""
        problems = [
            (self.mode not in ("corrected", "official"), f"mode must be corrected or official, got {self.mode!r}"),
            (not 0 <= self.margin[0] <= self.margin[1] <= 100, f"margin must rise within 0..100, got {self.margin}"),
            (not self.hull_kinds or not set(self.hull_kinds) <= set(HULL_KINDS), f"hull_kinds: know {HULL_KINDS}"),
            (not self.ratios or not all(0 < r <= 1 for r in self.ratios), f"ratios must be in (0, 1]: {self.ratios}"),
            (self.scale < 1, f"scale must be at least 1, got {self.scale}"),
        ]
        for wrong, msg in problems:
            if wrong:
                raise ConfigError(msg)


@dataclass(frozen=True)
class SelfBlendDraw:
    """Everything random about one self-blend; the same draw gives the same pictures.

    Attributes:
        flip: Mirror picture and landmarks first.
        margin: Pixels cut off each side at the end.
        use68: The mask uses the first 68 landmarks only.
        kind: Hull type.
        colour: Colour and frequency change.
        colour_on_source: It goes to the source (else to the target).
        scale: Scale of the source along x and y.
        shift: Shift of the source, parts of width and height.
        elastic_seed: Seed of the elastic field.
        softening: Size, blurs of the mask.
        ratio: Strength of the blend.
    """

    flip: bool
    margin: int
    use68: bool
    kind: HullKind
    colour: ColourDraw
    colour_on_source: bool
    scale: tuple[float, float]
    shift: tuple[float, float]
    elastic_seed: int
    softening: MaskSoftening
    ratio: float


@dataclass(frozen=True)
class SelfBlend:
    """A pair of pictures that differ by one blend.

    Attributes:
        real: ``(h, w, 3)`` uint8 RGB: the target of the blend.
        fake: ``(h, w, 3)`` uint8 RGB.
        mask: ``(h, w)`` float32 in [0, 1]: the blending mask, without the blend's strength.
        boundary: ``(h, w)`` float32 in [0, 1]: ``4 m (1 - m)``; that of the real picture is zero.
        landmarks: ``(n, 2)`` float32 in pixels of the two pictures, in the order they came in.
        draw: What was drawn.
    """

    real: NDArray[np.uint8]
    fake: NDArray[np.uint8]
    mask: NDArray[np.float32]
    boundary: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    draw: SelfBlendDraw


def draw_self_blend(
    rng: np.random.Generator, shape: tuple[int, ...], config: SelfBlendConfig | None = None
) -> SelfBlendDraw:
    """Draw the parameters for a picture of ``shape`` ``(H, W, ...)``."""
    config = config or SelfBlendConfig()
    low, high = 1 / config.scale, config.scale
    margin = int(rng.integers(config.margin[0], config.margin[1] + 1))
    if config.mode == "corrected":
        margin = round(margin * min(shape[:2]) / _REFERENCE_SIDE)
    return SelfBlendDraw(
        flip=bool(rng.random() < config.flip_probability),
        margin=margin,
        use68=bool(rng.random() < config.face68_probability),
        kind=config.hull_kinds[int(rng.integers(len(config.hull_kinds)))],
        colour=draw_source_colour(rng),
        colour_on_source=bool(rng.random() < config.source_probability),
        scale=(float(rng.uniform(low, high)), float(rng.uniform(low, high))),
        shift=(
            float(rng.uniform(-config.shift[0], config.shift[0])),
            float(rng.uniform(-config.shift[1], config.shift[1])),
        ),
        elastic_seed=int(rng.integers(2**63)),
        softening=draw_softening(rng, shape),
        ratio=config.ratios[int(rng.integers(len(config.ratios)))],
    )


def _source_and_mask(
    image: NDArray[np.uint8], hull: NDArray[np.uint8], draw: SelfBlendDraw, config: SelfBlendConfig
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Move source and mask together, deform the mask alone, soften it."""
    height, width = hull.shape
    matrix = affine_about_centre(hull.shape, draw.scale, draw.shift)
    border = cv2.BORDER_REFLECT_101 if config.mode == "corrected" else cv2.BORDER_CONSTANT
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    source = np.asarray(moved, dtype=np.uint8)
    mask = np.asarray(cv2.warpAffine(hull, matrix, (width, height), flags=cv2.INTER_NEAREST), dtype=np.uint8)
    rng = np.random.Generator(np.random.PCG64(draw.elastic_seed))
    field = elastic_field(rng, hull.shape, alpha=config.elastic_alpha, sigma=config.elastic_sigma)
    deformed = displace(mask, field)
    level = np.asarray(deformed, dtype=np.float32) * np.float32(1 / 255)
    return source, soften_mask(level, draw.softening, mode=config.mode)


def apply_self_blend(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.generic],
    draw: SelfBlendDraw,
    config: SelfBlendConfig | None = None,
) -> SelfBlend:
    """Make the pair that ``draw`` describes; see `self_blend`."""
    config = config or SelfBlendConfig()
    check_picture(image)
    points = landmarks
    if draw.flip:
        points = flip_landmarks(points, image.shape[1], mode=config.mode)
        image = np.asarray(cv2.flip(image, 1), dtype=np.uint8)
    hull = hull_mask_uint8(points[:68] if draw.use68 else points, draw.kind, image.shape)
    changed = apply_colour(image, draw.colour)
    target = image if draw.colour_on_source else changed
    source, mask = _source_and_mask(changed if draw.colour_on_source else image, hull, draw, config)
    m = draw.margin
    inner = (slice(m, image.shape[0] - m), slice(m, image.shape[1] - m))
    target, mask = np.ascontiguousarray(target[inner]), np.ascontiguousarray(mask[inner])
    fake = alpha_blend(np.ascontiguousarray(source[inner]), target, mask, ratio=draw.ratio, mode=config.mode)
    moved = np.asarray(points, dtype=np.float32) - np.float32(m)
    if np.shares_memory(target, image):
        target = target.copy()
    return SelfBlend(target, fake, mask, blending_boundary(mask), moved, draw)


def self_blend(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.generic],
    rng: np.random.Generator,
    config: SelfBlendConfig | None = None,
) -> SelfBlend:
    """Make a fake from one real picture by blending it with a perturbed copy of itself.

    Args:
        image: ``(H, W, 3)`` uint8 RGB crop of a face, at least 64 px a side; not changed.
        landmarks: ``(81, 2)`` (raw dlib-81 order) or ``(68, 2)`` x, y in pixels of ``image``.
        rng: Source of randomness.
        config: Settings.

    Returns:
        The pair, its mask and boundary; smaller than ``image`` by twice the margin drawn.

    Raises:
        FaceError: If the picture is too small or the landmarks are not usable (not 68 or 81, not finite, outside).
        TypeError: If ``image`` is not uint8 RGB.

    Reference: SBI, section 3; LAA-Net, section 4.1 (data).
    """
    config = config or SelfBlendConfig()
    check_picture(image)
    return apply_self_blend(image, landmarks, draw_self_blend(rng, image.shape, config), config)
