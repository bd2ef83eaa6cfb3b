"""Face X-ray style blended images (BI): another person's face laid into a real picture, and training items of them.

Reference: Li et al., Face X-ray for More General Face Forgery Detection (CVPR 2020), section 3.2, in the form of
Nguyen et al., LAA-Net (CVPR 2024). Two modes: ``official`` keeps the arithmetic of the LAA-Net code, which takes every
crop for one of 317 px (landmarks are scaled by that, results have that size) and cuts decimals off at each step;
``corrected`` (the default) scales everything by the crop's real size and rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from facewitness.errors import ConfigError, FaceError
from facewitness.pseudofakes.background_colour import apply_background_colour, draw_background_colour
from facewitness.pseudofakes.blended import blend_feathered, change_mask, match_mean_colour
from facewitness.pseudofakes.blending import blending_boundary, check_picture
from facewitness.pseudofakes.colour import ColourDraw
from facewitness.pseudofakes.items import Geometry, ItemConfig, TrainingItem, draw_geometry, finished_item
from facewitness.pseudofakes.masks import HULL_KINDS, HullKind, Mode, hull_mask_uint8
from facewitness.pseudofakes.piecewise import GridDeformation, deform, draw_deformation

Image = NDArray[np.uint8]

REFERENCE_SIDE: Final = 317
"""Side in pixels of the crops that the authors' code assumes."""

_LEAST_SIDE: Final = 16


@dataclass(frozen=True)
class BlendConfig:
    """Settings of `blended_image`; the defaults are those of the LAA-Net code.

    Lengths are pixels of a crop of 317 px; ``corrected`` scales them to the crop's real size.

    Attributes:
        mode: ``corrected`` or ``official`` (see the module's text).
        fake_probability: Chance of a blend; else the picture stays real.
        blend_size: Lowest and highest side at which the two faces are blended.
        hull_kinds: Hull types to draw from.
        deformation: Lowest and highest standard deviation of the mask's deformation, parts of its size.
        nodes: Fewest and most rows and columns of the deformation's grid.
        erosion: Lowest and highest side of the kernel, for half of the masks.
        dilation: The same for the other half.
        feather: Width of the soft edge, in parts of the longer side of the mask's bounding box.
        loss_probability: Chance that the result, real or fake, is made smaller and enlarged again.
        loss_size: Lowest and highest side it is made smaller to.
        crop: Part that is kept at the end: top, bottom, left, right.
        attempts: Draws until an image counts as unusable because no mask is left.
    """

    mode: Mode = "corrected"
    fake_probability: float = 0.5
    blend_size: tuple[int, int] = (128, 317)
    hull_kinds: tuple[HullKind, ...] = HULL_KINDS
    deformation: tuple[float, float] = (0.01, 0.15)
    nodes: tuple[int, int] = (2, 4)
    erosion: tuple[int, int] = (1, 21)
    dilation: tuple[int, int] = (1, 5)
    feather: float = 0.2
    loss_probability: float = 0.5
    loss_size: tuple[int, int] = (64, 317)
    crop: tuple[int, int, int, int] = (60, 317, 30, 287)
    attempts: int = 8

    def __post_init__(self) -> None:
        """Refuse settings that no draw could satisfy."""
        rising = {"blend_size": 32, "deformation": 0, "nodes": 2, "erosion": 1, "dilation": 1, "loss_size": 16}
        problems = [
            (self.mode not in ("corrected", "official"), f"mode must be corrected or official, got {self.mode!r}"),
            (not self.hull_kinds or not set(self.hull_kinds) <= set(HULL_KINDS), f"hull_kinds: know {HULL_KINDS}"),
            (self.feather <= 0 or self.attempts < 1, f"need feather > 0, attempts >= 1: {self.feather, self.attempts}"),
            (not _inside(self.crop), f"crop: need 0 <= top < bottom <= 317, left and right alike; got {self.crop}"),
        ]
        for name, least in rising.items():
            low, high = getattr(self, name)
            problems.append((not least <= low <= high, f"{name} must rise from at least {least}, got {low, high}"))
        for name in ("fake_probability", "loss_probability"):
            value = getattr(self, name)
            problems.append((not 0 <= value <= 1, f"{name} must be within 0..1, got {value}"))
        for wrong, msg in problems:
            if wrong:
                raise ConfigError(msg)


def _inside(crop: tuple[int, int, int, int]) -> bool:
    top, bottom, left, right = crop
    return 0 <= top < bottom <= REFERENCE_SIDE and 0 <= left < right <= REFERENCE_SIDE


@dataclass(frozen=True)
class BlendDraw:
    """Everything random about one blended image; the same draw gives the same picture.

    Attributes:
        fake: Blend; else only the loss and the crop happen.
        blend_size: Side at which the faces are blended, pixels of a 317 px crop.
        kind: Hull type.
        deformation: Of the mask.
        grow: Dilate the mask; else erode it.
        kernel: Side of the kernel, pixels of a 317 px crop.
        loss_size: Side of the detour, pixels of a 317 px crop; None leaves it out.
        loss_nearest: The way down takes nearest pixels; else it is bilinear.
    """

    fake: bool
    blend_size: int
    kind: HullKind
    deformation: GridDeformation
    grow: bool
    kernel: int
    loss_size: int | None
    loss_nearest: bool


@dataclass(frozen=True)
class BlendedImage:
    """A picture that is real or holds one blend.

    Attributes:
        image: ``(h, w, 3)`` uint8 RGB.
        weights: ``(h, w)`` float32 in [0, 1]: share of the other face; zero when real.
        boundary: ``(h, w)`` float32 in [0, 1]: ``4 w (1 - w)``.
        is_fake: Whether it holds a blend.
        draw: What was drawn.
    """

    image: Image
    weights: NDArray[np.float32]
    boundary: NDArray[np.float32]
    is_fake: bool
    draw: BlendDraw


class _NoMaskError(FaceError):
    """A draw that left nothing to blend."""


def draw_blend(rng: np.random.Generator, config: BlendConfig | None = None) -> BlendDraw:
    """Draw the parameters of one blended image."""
    c = config or BlendConfig()
    fake = bool(rng.random() < c.fake_probability)
    size = int(rng.integers(c.blend_size[0], c.blend_size[1] + 1))
    kind = c.hull_kinds[int(rng.integers(len(c.hull_kinds)))]
    deformation = draw_deformation(rng, c.deformation, c.nodes)
    grow = bool(rng.random() < 0.5)
    low, high = c.dilation if grow else c.erosion
    kernel = int(rng.integers(low, high + 1))
    loss = bool(rng.random() < c.loss_probability)
    loss_size = int(rng.integers(c.loss_size[0], c.loss_size[1] + 1))
    nearest = bool(rng.random() < 0.5)
    return BlendDraw(fake, size, kind, deformation, grow, kernel, loss_size if loss else None, nearest)


def blended_image(
    background: Image,
    background_landmarks: NDArray[np.generic],
    foreground: Image,
    rng: np.random.Generator,
    config: BlendConfig | None = None,
    *,
    fake: bool | None = None,
) -> BlendedImage:
    """Blend another face into a picture, or leave it real.

    Args:
        background: ``(H, W, 3)`` uint8 RGB aligned crop of a real face, at least 64 px a side; not changed.
        background_landmarks: ``(68, 2)`` or more, x, y in pixels of ``background``; further points are not used. None
            at all, ``(0, 2)``, makes the result real, as in the authors' code.
        foreground: ``(h, w, 3)`` uint8 RGB aligned crop of another face (see `nearest_faces`); not changed. It is
            resized to the background, its own landmarks play no part.
        rng: Source of randomness.
        config: Settings.
        fake: True and False settle what is otherwise drawn.

    Returns:
        The picture with its weights and boundary, cropped: 257x257 for a crop of 317 px.

    Raises:
        FaceError: If the landmarks or pictures are not usable, or ``config.attempts`` draws in a row left no mask.
        TypeError: If a picture is not uint8 RGB.

    Reference: Face X-ray, section 3.2; LAA-Net, section 4.1.
    """
    c = config or BlendConfig()
    if len(background_landmarks) == 0:
        if fake:
            msg = "a blend needs the background's landmarks, got none; find the face first or leave it out"
            raise FaceError(msg)
        fake = False
    for _ in range(c.attempts):
        draw = draw_blend(rng, c)
        draw = draw if fake is None else replace(draw, fake=fake)
        try:
            return apply_blend(background, background_landmarks, foreground, draw, c)
        except _NoMaskError:
            fake = True  # a new mask, not a new chance to be real
    box = np.round([np.min(background_landmarks, axis=0), np.max(background_landmarks, axis=0)]).tolist()
    msg = (
        f"{c.attempts} draws left no mask: the landmarks span {box[0]} to {box[1]} in a picture of "
        f"{background.shape[1]}x{background.shape[0]} px, so the face is too small or outside; leave it out"
    )
    raise FaceError(msg)


def apply_blend(
    background: Image,
    background_landmarks: NDArray[np.generic],
    foreground: Image,
    draw: BlendDraw,
    config: BlendConfig | None = None,
) -> BlendedImage:
    """Make the picture that ``draw`` describes; see `blended_image`."""
    c = config or BlendConfig()
    check_picture(background)
    height, width = (REFERENCE_SIDE,) * 2 if c.mode == "official" else background.shape[:2]
    if draw.fake:
        check_picture(foreground)
        image, weights = _blend(background, background_landmarks, foreground, draw, c)
        image, weights = resized(image, height, width, mode=c.mode), _resized_weights(weights, height, width)
    else:
        image, weights = background, np.zeros((height, width), np.float32)
    image = _loss(image, draw, height, width)
    top, bottom, left, right = c.crop
    rows = slice(_scaled(top, height), _scaled(bottom, height))
    columns = slice(_scaled(left, width), _scaled(right, width))
    image, weights = image[rows, columns].copy(), weights[rows, columns].copy()
    return BlendedImage(image, weights, blending_boundary(weights), draw.fake, draw)


def _blend(
    background: Image, landmarks: NDArray[np.generic], foreground: Image, draw: BlendDraw, config: BlendConfig
) -> tuple[Image, NDArray[np.float32]]:
    """Steps 2 to 5 at the drawn size: both faces resized, mask, colours, blend."""
    size = (draw.blend_size, draw.blend_size)
    kernel = draw.kernel
    if config.mode == "corrected":
        height, width = background.shape[:2]
        size = max(_scaled(draw.blend_size, height), _LEAST_SIDE), max(_scaled(draw.blend_size, width), _LEAST_SIDE)
        kernel = max(1, _scaled(draw.kernel, min(height, width)))
        factor = np.array([size[1] / width, size[0] / height])
        points: NDArray[np.generic] = (np.asarray(landmarks[:68], dtype=np.float64) + 0.5) * factor - 0.5
    else:
        points = np.asarray(landmarks[:68], dtype=np.float64) * (draw.blend_size / REFERENCE_SIDE)
        points = np.asarray(np.trunc(points)) if np.isfinite(points).all() else points
    back, front = (resized(picture, *size, mode=config.mode) for picture in (background, foreground))
    mask = deform(hull_mask_uint8(points, draw.kind, size), draw.deformation)
    # Only pixels that are wholly inside stay, as the authors' cast from [0, 1] to integers has it.
    mask = change_mask(np.where(mask == 255, mask, 0), kernel, grow=draw.grow)
    try:
        front = match_mean_colour(front, back, mask, mode=config.mode)
        return blend_feathered(front, back, mask, feather=config.feather, mode=config.mode)
    except FaceError as error:
        raise _NoMaskError(str(error)) from error


def _scaled(length: int, side: int) -> int:
    """A length of a 317 px crop in one of ``side`` px."""
    return round(length * side / REFERENCE_SIDE)


def resized(image: Image, height: int, width: int, *, mode: Mode = "corrected") -> Image:
    """Resize with a Gaussian against aliasing, bilinearly, as scikit-image's ``resize`` does.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        height: Of the result.
        width: Of the result.
        mode: ``official`` cuts decimals off, ``corrected`` rounds.

    Returns:
        ``(height, width, 3)`` uint8 RGB; ``image`` itself when the size is the same already.
    """
    if image.shape[:2] == (height, width):
        return image
    smooth = image.astype(np.float32)
    sigma_y, sigma_x = (max(0.0, (a / b - 1) / 2) for a, b in zip(image.shape, (height, width), strict=False))
    if sigma_x > 0 or sigma_y > 0:
        kernel = tuple(2 * int(4 * sigma + 0.5) + 1 for sigma in (sigma_x, sigma_y))
        sigmas = (max(sigma_x, 1e-3), max(sigma_y, 1e-3))
        smooth = np.asarray(
            cv2.GaussianBlur(smooth, kernel, sigmas[0], sigmaY=sigmas[1], borderType=cv2.BORDER_REFLECT_101),
            dtype=np.float32,
        )
    out = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
    # A whole grey level must not fall to the one below because float32 sums to a hair less.
    out = out + np.float32(1e-3) if mode == "official" else np.rint(out)
    return np.asarray(np.clip(out, 0, 255), dtype=np.uint8)


def _resized_weights(weights: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    if weights.shape == (height, width):
        return weights
    return np.asarray(cv2.resize(weights, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _loss(image: Image, draw: BlendDraw, height: int, width: int) -> Image:
    """Step 7: smaller and back, and in any case to the final size, with Pillow's filters."""
    picture = PillowImage.fromarray(image)
    if draw.loss_size is not None:
        how = PillowImage.Resampling.NEAREST if draw.loss_nearest else PillowImage.Resampling.BILINEAR
        small = max(_scaled(draw.loss_size, width), _LEAST_SIDE), max(_scaled(draw.loss_size, height), _LEAST_SIDE)
        picture = picture.resize(small, how)
    return np.asarray(picture.resize((width, height), PillowImage.Resampling.BILINEAR), dtype=np.uint8)


def bi_training_item(
    image: Image,
    landmarks: NDArray[np.generic],
    foreground: Image,
    rng: np.random.Generator,
    config: ItemConfig | None = None,
    *,
    blend: BlendConfig | None = None,
) -> TrainingItem:
    """Make one picture, blended or real, ready for the network.

    Args:
        image: ``(H, W, 3)`` uint8 RGB aligned crop of a real face; not changed.
        landmarks: As `blended_image`.
        foreground: As `blended_image`.
        rng: Source of randomness.
        config: Settings; its ``blend`` (of self-blends) plays no part but for the mode, where ``blend`` is None.
        blend: Settings of the blend.

    Returns:
        An item of one picture.

    Raises:
        FaceError: As `blended_image`.

    Reference: LAA-Net, sections 3 and 4.1; the order of steps is that of its code.
    """
    c = config or ItemConfig()
    background = apply_background_colour(image, draw_background_colour(rng)) if c.augment else image
    made = blended_image(background, landmarks, foreground, rng, blend or BlendConfig(mode=c.blend.mode))
    geometry = draw_geometry(rng) if c.augment else Geometry()
    return finished_item((made.image,), (made.boundary if made.is_fake else None,), geometry, ColourDraw(), c)
