"""Training items: a self-blend and its real picture as a network takes them, with their targets; and their batches.

Items of Face X-ray style blends are made in `facewitness.pseudofakes.blended_items` from the same parts. The order
of steps is that of the LAA-Net code (flip, self-blend, geometry, warp to the network's side, targets, joint colour,
normalisation). Geometry and warp are one map here, so that pixels are interpolated once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.pseudofakes.blending import boundary_to_uint8
from facewitness.pseudofakes.colour import ColourDraw, apply_colour, draw_joint_colour
from facewitness.pseudofakes.geometry import whole_image_map
from facewitness.pseudofakes.self_blended import SelfBlendConfig, self_blend
from facewitness.pseudofakes.targets import TargetConfig, boundary_targets

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class ItemConfig:
    """Settings of `training_item`; the defaults are those of the LAA-Net configurations.

    Attributes:
        size: Side of the network's input, pixels.
        heatmap_size: Side of its maps, cells.
        mean: Subtracted after division by 255.
        std: Divided by.
        augment: Draw geometry and joint colour; else only blend, warp and normalise.
        blend: Settings of the self-blend.
        target: Settings of the targets.
    """

    size: int = 384
    heatmap_size: int = 96
    mean: float = 0.5
    std: float = 0.5
    augment: bool = True
    blend: SelfBlendConfig = field(default_factory=SelfBlendConfig)
    target: TargetConfig = field(default_factory=TargetConfig)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.size < 32 or self.heatmap_size < 2 or self.std <= 0:
            msg = f"need size >= 32, heatmap_size >= 2, std > 0; got {self.size}, {self.heatmap_size}, {self.std}"
            raise ConfigError(msg)


@dataclass(frozen=True)
class Geometry:
    """One draw of the geometric changes that both pictures and their boundary share.

    Attributes:
        flip: Mirror.
        crop: Part that is kept: left, top, right, bottom in parts of width and height.
        zoom: Factor about the centre.
        erase: Rectangle that is blackened, as ``crop``; None leaves it out.
    """

    flip: bool = False
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    zoom: float = 1.0
    erase: tuple[float, float, float, float] | None = None


def draw_geometry(rng: np.random.Generator) -> Geometry:
    """Draw a flip (0.5), then with 0.5 one of crop (up to 14 % of a side), zoom (15 %) and erasing (2 to 33 %).

    Reference: LAA-Net code, geometric transforms of training.
    """
    flip = bool(rng.random() < 0.5)
    if rng.random() >= 0.5:
        return Geometry(flip)
    which = int(rng.integers(3))
    if which == 1:
        return Geometry(flip, zoom=float(rng.uniform(0.85, 1.15)))
    if which == 0:
        width, height = (1 - rng.integers(0, 15, 2) / 100).tolist()
        return Geometry(flip, crop=_place(rng, width, height))
    area, aspect = float(rng.uniform(0.02, 0.33)), math.exp(float(rng.uniform(math.log(0.3), math.log(3.3))))
    return Geometry(flip, erase=_place(rng, min(math.sqrt(area * aspect), 1.0), min(math.sqrt(area / aspect), 1.0)))


def _place(rng: np.random.Generator, width: float, height: float) -> tuple[float, float, float, float]:
    """A rectangle of a given size anywhere in the unit square."""
    left, top = float(rng.uniform(0, 1 - width)), float(rng.uniform(0, 1 - height))
    return left, top, left + width, top + height


def apply_geometry(image: Image, geometry: Geometry, out: int) -> Image:
    """Change a picture and bring it to a square, in one interpolation.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` uint8; not changed.
        geometry: What was drawn.
        out: Side of the result in pixels.

    Returns:
        ``(out, out)`` or ``(out, out, 3)`` uint8, bilinear, black outside.
    """
    if geometry.erase is not None:
        image = image.copy()
        _part(image, geometry.erase)[...] = 0
    kept = _part(image, geometry.crop)
    height, width = kept.shape[:2]
    matrix = whole_image_map(height, width, out)
    middle = (out - 1) / 2
    # The map puts the centre on the centre, so zoom and flip act about it afterwards.
    matrix = matrix * geometry.zoom
    matrix[:, 2] += (1 - geometry.zoom) * middle
    if geometry.flip:
        matrix[0] *= -1
        matrix[0, 2] += out - 1
    return np.asarray(cv2.warpAffine(kept, matrix, (out, out), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def _part(image: Image, box: tuple[float, float, float, float]) -> Image:
    """A view of the part that ``box`` (parts of width and height) names."""
    height, width = image.shape[:2]
    left, top, right, bottom = box
    return image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]


def normalise(image: Image, mean: float, std: float, out: NDArray[np.float32]) -> None:
    """Write ``(x / 255 - mean) / std`` of an ``(H, W, 3)`` uint8 picture into ``(3, H, W)`` float32."""
    scale, shift = 1 / (255 * std), -mean / std
    for number, plane in enumerate(cv2.split(image)):
        np.multiply(plane, np.float32(scale), out=out[number])
        out[number] += np.float32(shift)


@dataclass(frozen=True)
class TrainingItem:
    """An item or a batch; ``n`` is 2 for a self-blended item (fake, then real), 1 for a blended one (either).

    Attributes:
        images: ``(n, 3, size, size)`` float32, normalised RGB.
        heatmaps: ``(n, 1, cells, cells)`` float32 in [0, 1].
        consistencies: ``(n, 1, cells, cells)`` float32 in [0, 1].
        labels: ``(n, 1)`` float32; 1 fake, 0 real.
    """

    images: NDArray[np.float32]
    heatmaps: NDArray[np.float32]
    consistencies: NDArray[np.float32]
    labels: NDArray[np.float32]


def training_item(
    image: Image, landmarks: NDArray[np.generic], rng: np.random.Generator, config: ItemConfig | None = None
) -> TrainingItem:
    """Make a fake from a real face and both ready for the network.

    Args:
        image: ``(H, W, 3)`` uint8 RGB crop of a real face; not changed.
        landmarks: ``(81, 2)`` or ``(68, 2)`` x, y in pixels of ``image``.
        rng: Source of randomness.
        config: Settings.

    Returns:
        Fake and real, changed alike, with the targets of each.

    Raises:
        FaceError: As `self_blend`.

    Reference: LAA-Net, sections 3 and 4.1.
    """
    c = config or ItemConfig()
    pair = self_blend(image, landmarks, rng, c.blend)
    geometry = draw_geometry(rng) if c.augment else Geometry()
    colour = draw_joint_colour(rng) if c.augment else ColourDraw()
    return finished_item((pair.fake, pair.real), (pair.boundary, None), geometry, colour, c)


def finished_item(
    pictures: Sequence[Image],
    boundaries: Sequence[NDArray[np.float32] | None],
    geometry: Geometry,
    colour: ColourDraw,
    config: ItemConfig,
) -> TrainingItem:
    """Bring pictures to the network's size, change them alike, and make their targets.

    Args:
        pictures: ``(H, W, 3)`` uint8 RGB each.
        boundaries: ``(H, W)`` float32 in [0, 1] for a fake, None for a real picture.
        geometry: Change of pictures and boundaries.
        colour: Change of the pictures.
        config: Settings.

    Returns:
        The item, in the order of the pictures.
    """
    images = np.empty((len(pictures), 3, config.size, config.size), np.float32)
    for slot, picture in zip(images, pictures, strict=True):
        changed = apply_colour(apply_geometry(picture, geometry, config.size), colour)
        normalise(changed, config.mean, config.std, slot)
    cells = config.heatmap_size
    maps = [
        np.zeros((cells, cells), np.uint8) if b is None else apply_geometry(boundary_to_uint8(b), geometry, cells)
        for b in boundaries
    ]
    made = [boundary_targets(m, config.target) for m in maps]
    return TrainingItem(
        images,
        np.stack([m.heatmap for m in made])[:, None],
        np.stack([m.consistency for m in made])[:, None] * np.float32(1 / 255),
        np.array([[float(b is not None)] for b in boundaries], np.float32),
    )


def collate(items: Sequence[TrainingItem], rng: np.random.Generator | None = None) -> TrainingItem:
    """Put items into one batch.

    Args:
        items: At least one.
        rng: Shuffles the pictures; None keeps pairs side by side.

    Returns:
        The batch; its arrays are new.
    """
    count = sum(len(item.labels) for item in items)
    order = rng.permutation(count) if rng is not None else np.arange(count)

    def gather(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows = [row for part in parts for row in part]
        return np.stack([rows[i] for i in order])

    return TrainingItem(
        gather([item.images for item in items]),
        gather([item.heatmaps for item in items]),
        gather([item.consistencies for item in items]),
        gather([item.labels for item in items]),
    )
