"""What ``facewitness blend`` makes and writes: blends of the largest face, their pictures, one sheet."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facewitness import __version__
from facewitness.errors import ConfigError, FaceError
from facewitness.faces.crops import CropSpec, FaceCrop, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.pseudofakes.blended_items import BlendConfig, apply_blend, blended_image
from facewitness.pseudofakes.blending import boundary_to_uint8
from facewitness.pseudofakes.items import Geometry, apply_geometry
from facewitness.pseudofakes.masks import Mode
from facewitness.pseudofakes.self_blended import SelfBlendConfig, self_blend
from facewitness.pseudofakes.targets import BoundaryTargets, TargetConfig, boundary_targets
from facewitness.reports.heat import heat_colours

Picture = NDArray[np.uint8]

MARGIN_RATIO: Final = 1.5
"""Side of the crop in units of the face's longer side, as the authors cut their training faces."""
HEATMAP_CELLS: Final = 96
_TITLES: Final = ("real", "fake", "mask", "boundary", "heatmap target")
_GAP: Final = 8
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


@dataclass(frozen=True)
class MadeBlend:
    """One blend with its targets.

    Attributes:
        real: ``(h, w, 3)`` uint8 RGB.
        fake: ``(h, w, 3)`` uint8 RGB.
        mask: ``(h, w)`` float32 in [0, 1]: where the other picture was put.
        boundary: ``(h, w)`` float32 in [0, 1].
        draw: What was drawn, plain values.
        words: The main ones in one line.
        targets: What the network is to answer.
    """

    real: Picture
    fake: Picture
    mask: NDArray[np.float32]
    boundary: NDArray[np.float32]
    draw: dict[str, Any]
    words: str
    targets: BoundaryTargets

    def pictures(self) -> dict[str, Picture]:
        """File stem to uint8 picture, RGB or grey."""
        return {
            "real": self.real,
            "fake": self.fake,
            "mask": np.rint(self.mask * np.float32(255)).astype(np.uint8),
            "boundary": boundary_to_uint8(self.boundary),
            "heatmap": np.rint(self.targets.heatmap * np.float32(255)).astype(np.uint8),
        }

    def panels(self) -> list[Picture]:
        """The five ``(h, w, 3)`` pictures of a row of the sheet; the heatmap is enlarged and lies over the fake."""
        shown = self.pictures()
        side = Image.fromarray(shown["fake"]).size
        heat = np.asarray(Image.fromarray(shown["heatmap"]).resize(side, Image.Resampling.BILINEAR))
        strength = heat.astype(np.float32) / np.float32(255)
        dimmed = shown["fake"] * np.float32(0.45)
        colours = heat_colours(strength)
        over = dimmed + (colours - dimmed) * np.sqrt(strength)[..., None]
        grey = [np.repeat(shown[name][..., None], 3, axis=2) for name in ("mask", "boundary")]
        return [shown["real"], shown["fake"], *grey, np.rint(over).astype(np.uint8)]


@dataclass(frozen=True)
class Blends:
    """All blends of one picture.

    Attributes:
        made: At least one.
        facts: What else belongs into ``blend.json``.
    """

    made: tuple[MadeBlend, ...]
    facts: dict[str, Any]


def make_blends(path: Path, *, seed: int, mode: Mode, count: int, size: int, donor: Path | None = None) -> Blends:
    """Find the largest face of a picture and blend it, with itself or with a donor's.

    Args:
        path: Picture file.
        seed: Blend ``i`` depends on it and on ``i`` alone.
        mode: ``corrected`` or ``official``.
        count: How many.
        size: Side of the crop in pixels.
        donor: Picture file with the other face; None blends the face with itself.

    Raises:
        MediaError: If a picture cannot be read.
        FaceError: If there is no face in it, or none that can be blended.
    """
    box, crop, landmarks = _largest_face(path, size)
    facts = {
        "facewitness": __version__,
        "picture": path.name,
        "donor": donor and donor.name,
        "seed": seed,
        "mode": mode,
        "face_box": box.tolist(),
        "crop_to_frame": crop.crop_to_frame.tolist(),
        "crop_px": size,
    }
    generators = [np.random.default_rng([seed, number]) for number in range(count)]
    if donor is None:
        return Blends(tuple(_self_blended(crop.image, landmarks, rng, mode) for rng in generators), facts)
    other = _largest_face(donor, size)[1].image
    return Blends(tuple(_blended(crop.image, landmarks, other, rng, mode) for rng in generators), facts)


def _largest_face(path: Path, size: int) -> tuple[NDArray[np.float32], FaceCrop, NDArray[np.float32]]:
    """Box, crop and landmarks in the crop of a picture's largest face."""
    pixels = read_image(path).pixels
    faces = FaceFinder().find(pixels)
    if not faces:
        msg = f"{path.name}: no face found; give a picture in which a face is at least 20 pixels wide"
        raise FaceError(msg)
    crop = crop_face(pixels, faces[0].box, CropSpec(MARGIN_RATIO, size))
    return faces[0].box, crop, apply_affine(crop.frame_to_crop, faces[0].landmarks81)


def _self_blended(image: Picture, landmarks: NDArray[np.float32], rng: np.random.Generator, mode: Mode) -> MadeBlend:
    pair = self_blend(image, landmarks, rng, SelfBlendConfig(mode=mode))
    draw = pair.draw
    where = "source" if draw.colour_on_source else "target"
    words = f"hull {draw.kind}, ratio {draw.ratio:g}, colours of the {where} changed, {draw.colour.frequency}"
    targets = _targets(pair.boundary, mode)
    return MadeBlend(pair.real, pair.fake, pair.mask, pair.boundary, asdict(draw), words, targets)


def _blended(
    image: Picture, landmarks: NDArray[np.float32], donor: Picture, rng: np.random.Generator, mode: Mode
) -> MadeBlend:
    config = BlendConfig(mode=mode)
    made = blended_image(image, landmarks, donor, rng, config, fake=True)
    draw = made.draw
    # The real picture goes through the same loss of sharpness and the same crop.
    real = apply_blend(image, landmarks, donor, replace(draw, fake=False), config).image
    how = f"mask {'grown' if draw.grow else 'shrunk'} by {draw.kernel} px"
    words = f"hull {draw.kind}, blended at {draw.blend_size} px, {how}"
    targets = _targets(made.boundary, mode)
    return MadeBlend(real, made.image, made.weights, made.boundary, asdict(draw), words, targets)


def _targets(boundary: NDArray[np.float32], mode: Mode) -> BoundaryTargets:
    small = apply_geometry(boundary_to_uint8(boundary), Geometry(), HEATMAP_CELLS)
    return boundary_targets(small, TargetConfig(mode))


def write_blends(blends: Blends, folder: Path) -> Path:
    """Write the pictures, the parameters and the sheet.

    Args:
        blends: From `make_blends`.
        folder: Made when missing; files of the same names are replaced.

    Returns:
        The sheet's path.

    Raises:
        ConfigError: If something cannot be written.
    """
    several = len(blends.made) > 1
    for number, made in enumerate(blends.made, 1):
        into = folder / f"{number:02}" if several else folder
        for stem, picture in made.pictures().items():
            _write(into / f"{stem}.png", _encoded(Image.fromarray(picture), "PNG"))
    drawn = [
        {
            **made.draw,
            "vulnerable_points": made.targets.points.tolist(),
            "size_px": made.real.shape[0],
        }
        for made in blends.made
    ]
    text = json.dumps({**blends.facts, "blends": drawn}, indent=2)
    _write(folder / "blend.json", f"{text}\n".encode())
    _write(folder / "blend.jpg", _encoded(sheet(blends.made), "JPEG"))
    return folder / "blend.jpg"


def sheet(made: Sequence[MadeBlend]) -> Image.Image:
    """One picture with a titled row of five panels for each blend."""
    rows = [m.panels() for m in made]
    side = max(max(panel.shape[:2]) for row in rows for panel in row)
    font = ImageFont.load_default(max(10, side // 18))
    line = round(1.5 * max(10, side // 18))
    height = line + len(rows) * (side + line + _GAP)
    page = Image.new("RGB", (len(_TITLES) * (side + _GAP) + _GAP, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for column, title in enumerate(_TITLES):
        draw.text((_GAP + column * (side + _GAP) + side / 2, line / 2), title, fill=_INK, font=font, anchor="mm")
    for number, (row, one) in enumerate(zip(rows, made, strict=True)):
        top = line + number * (side + line + _GAP)
        for column, panel in enumerate(row):
            shown = Image.fromarray(panel).resize((side, side), Image.Resampling.BICUBIC)
            page.paste(shown, (_GAP + column * (side + _GAP), top))
        draw.text((_GAP, top + side + line / 2), one.words, fill=_INK, font=font, anchor="lm")
    return page


def _encoded(picture: Image.Image, kind: str) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return held.getvalue()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; give a folder that can be written to with --output"
        raise ConfigError(msg) from error
