"""Pairs of a real face and a pseudo-fake of it, drawn from five processes.

Self-blend, local change, swap with another person, a face that a small decoder painted, and a box of the face that was
made at a low resolution and pasted back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError
from facewitness.pseudofakes.blending import alpha_blend, blending_boundary
from facewitness.pseudofakes.masks import HULL_KINDS, draw_softening, hull_mask, soften_mask
from facewitness.pseudofakes.self_blended import SelfBlendConfig, self_blend
from facewitness.pseudofakes.swaps import lay_on, match_colour
from facewitness.pseudofakes.warps import PARTS, colour_shift, jaw_field, part_mask, resynthesise, smooth_field, warp

Image = NDArray[np.uint8]
ForgeryKind = Literal["self_blend", "local", "swap", "decoded", "box"]
Donor = Callable[[], tuple[Image, NDArray[np.float32]]]
"""Gives another person's face of similar pose: picture and landmarks."""

Painter = Callable[[], Image]
"""Gives the same face as a generator's decoder painted it: the whole picture, same size."""


@dataclass(frozen=True)
class ForgeryMix:
    """Shares of the five processes and their strengths.

    Attributes:
        self_blend: Weight of self-blends.
        local: Weight of local changes (mouth, eyes, ... moved and re-synthesised).
        swap: Weight of swaps with another person.
        decoded: Weight of faces, or parts of them, that a decoder painted.
        box: Weight of low-resolution boxes with another mouth, as lip-sync tools paste them.
        resynthesis_p: Chance that a self-blend's source also goes through `resynthesise`.
        strength: Upper end of the strength of local changes; each draw is uniform from 0.35 up to it.
        blend: Settings of the self-blends.
    """

    self_blend: float = 0.45
    local: float = 0.25
    swap: float = 0.30
    decoded: float = 0.0
    box: float = 0.0
    resynthesis_p: float = 0.4
    strength: float = 1.0
    blend: SelfBlendConfig = field(default_factory=lambda: SelfBlendConfig(flip_probability=0.0, margin=(0, 0)))


@dataclass(frozen=True)
class Forgery:
    """A pair.

    Attributes:
        real: ``(H, W, 3)`` uint8 RGB.
        fake: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` float32 in [0, 1], 1 where the fake's pixels are foreign.
        boundary: ``(H, W)`` float32 in [0, 1].
        kind: Process that made it.
    """

    real: Image
    fake: Image
    mask: NDArray[np.float32]
    boundary: NDArray[np.float32]
    kind: ForgeryKind


def draw_forgery(
    image: Image,
    landmarks: NDArray[np.float32],
    rng: np.random.Generator,
    mix: ForgeryMix,
    donor: Donor | None = None,
    *,
    painter: Painter | None = None,
) -> Forgery:
    """Draw a process and make a pair.

    Args:
        image: ``(S, S, 3)`` uint8 RGB crop with the whole face; not changed.
        landmarks: ``(81, 2)`` raw dlib-81 order, pixels.
        rng: Source of randomness.
        mix: Shares and strengths.
        donor: Needed for swaps; without one there are none.
        painter: Needed for decoded faces; without one there are none.

    Raises:
        FaceError: If the landmarks leave no mask.
    """
    kinds: tuple[ForgeryKind, ...] = ("self_blend", "local", "swap", "decoded", "box")
    swap, decoded = mix.swap if donor is not None else 0.0, mix.decoded if painter is not None else 0.0
    weights = np.array([mix.self_blend, mix.local, swap, decoded, mix.box])
    kind = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    if kind == "local":
        return _local_change(image, landmarks, rng, mix)
    if kind == "box":
        return _pasted_box(image, landmarks, rng)
    if kind == "swap" and donor is not None:
        return _swap(image, landmarks, rng, donor)
    if kind == "decoded" and painter is not None:
        return _decoded(image, landmarks, rng, painter())
    return _self_blend(image, landmarks, rng, mix)


def _self_blend(image: Image, landmarks: NDArray[np.float32], rng: np.random.Generator, mix: ForgeryMix) -> Forgery:
    """SBI; sometimes the foreign part has also lost texture, as a decoder's output has."""
    pair = self_blend(image, landmarks, rng, mix.blend)
    fake = pair.fake
    if rng.random() < mix.resynthesis_p:
        softer = resynthesise(rng, fake, strength=float(rng.uniform(0.3, 0.8)))
        fake = alpha_blend(softer, fake, pair.mask)
    return Forgery(pair.real, fake, pair.mask, pair.boundary, "self_blend")


def _soft(mask: NDArray[np.float32], rng: np.random.Generator, side: float) -> NDArray[np.float32]:
    """A soft edge of 1 to 8 % of the face's side, kept at full strength inside."""
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, float(rng.uniform(0.01, 0.08)) * side))
    peak = float(soft.max())
    if peak <= 0:
        msg = "the forged part lies outside the picture"
        raise FaceError(msg)
    return np.asarray(soft / peak, dtype=np.float32)


def _local_change(image: Image, landmarks: NDArray[np.float32], rng: np.random.Generator, mix: ForgeryMix) -> Forgery:
    """Move a face part by a smooth field, lose texture in it, put it back."""
    shape = (image.shape[0], image.shape[1])
    side = float(np.ptp(landmarks[:68], axis=0).max())
    strength = float(rng.uniform(0.35, max(mix.strength, 0.36)))
    part = PARTS[int(rng.choice(len(PARTS), p=(0.35, 0.2, 0.12, 0.08, 0.25)))]
    amplitude = side * 0.022 * strength
    displacement = smooth_field(rng, shape, amplitude_px=amplitude, cells=int(rng.integers(4, 9)))
    if part in ("mouth", "lower_face", "inner_face"):
        displacement = displacement * 0.6 + jaw_field(rng, landmarks, shape, amplitude_px=amplitude * 2.5)
    source = warp(image, displacement)
    if rng.random() < 0.85:
        source = resynthesise(rng, source, strength=strength)
    grow = max(1, round(side * float(rng.uniform(0.01, 0.07))))
    mask = _soft(part_mask(landmarks, part, shape, grow), rng, side)
    ratio = float(rng.choice((1.0, 1.0, 0.75)))
    return Forgery(image, alpha_blend(source, image, mask, ratio=ratio), mask, blending_boundary(mask), "local")


def _pasted_box(image: Image, landmarks: NDArray[np.float32], rng: np.random.Generator) -> Forgery:
    """Move the mouth in a box of the face that is kept at a low resolution, and paste the box or its lower part.

    Reference: the outputs of Wav2Lip (Prajwal et al., 2020): a 96 px box of the face, its lower half made anew.
    """
    height, width = image.shape[:2]
    low, high = landmarks[:68].min(axis=0), landmarks[:68].max(axis=0)
    size = high - low
    side = float(size.max())
    grown = rng.uniform((-0.06, -0.02, -0.06, -0.04), (0.12, 0.3, 0.12, 0.12)) * side
    whole = float(rng.random()) < 0.6
    top = low[1] - grown[1] if whole else low[1] + float(rng.uniform(0.3, 0.6)) * size[1]
    x0, x1 = np.clip(np.round([low[0] - grown[0], high[0] + grown[2]]), 0, width).astype(int)
    y0, y1 = np.clip(np.round([top, high[1] + grown[3]]), 0, height).astype(int)
    if x1 - x0 < 8 or y1 - y0 < 8:
        msg = "the forged part lies outside the picture"
        raise FaceError(msg)
    moved = warp(image, jaw_field(rng, landmarks, (height, width), amplitude_px=side * 0.04))
    scale = float(rng.uniform(0.3, 0.85))
    small = cv2.resize(moved[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    how = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)[int(rng.integers(3))]
    source = image.copy()
    source[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=how)
    if rng.random() < 0.5:
        source = colour_shift(rng, source, limit=5)
    mask = np.zeros((height, width), np.float32)
    mask[y0:y1, x0:x1] = 1
    # A hard edge would have no boundary to learn from: it is two pixels wide.
    mask = _soft(mask, rng, side) if rng.random() < 0.5 else np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.6))
    return Forgery(image, alpha_blend(source, image, mask), mask, blending_boundary(mask), "box")


def _swap(image: Image, landmarks: NDArray[np.float32], rng: np.random.Generator, donor: Donor) -> Forgery:
    """Lay a donor's face on, match its colour more or less well, blend inside a hull."""
    picture, points = donor()
    source = lay_on(picture, points, landmarks, image.shape[0])
    kind = HULL_KINDS[int(rng.integers(len(HULL_KINDS)))]
    hull = hull_mask(landmarks[:68] if rng.random() < 0.5 else landmarks, kind, image.shape)
    mask = soften_mask(hull, draw_softening(rng, image.shape))
    if rng.random() < 0.9:
        source = match_colour(source, image, hull, with_spread=bool(rng.random() < 0.5))
    if rng.random() < 0.4:
        source = colour_shift(rng, source, limit=6)
    if rng.random() < 0.6:
        source = resynthesise(rng, source, strength=float(rng.uniform(0.2, 0.8)))
    ratio = float(rng.choice((1.0, 1.0, 1.0, 0.75)))
    return Forgery(image, alpha_blend(source, image, mask, ratio=ratio), mask, blending_boundary(mask), "swap")


def _decoded(image: Image, landmarks: NDArray[np.float32], rng: np.random.Generator, painted: Image) -> Forgery:
    """Put a decoder's picture of the face in its place: all of it, as swaps do, or a part, as reenactments do."""
    shape = (image.shape[0], image.shape[1])
    if rng.random() < 0.55:
        kind = HULL_KINDS[int(rng.integers(len(HULL_KINDS)))]
        hull = hull_mask(landmarks[:68] if rng.random() < 0.5 else landmarks, kind, image.shape)
        mask = soften_mask(hull, draw_softening(rng, image.shape))
    else:
        side = float(np.ptp(landmarks[:68], axis=0).max())
        part = PARTS[int(rng.choice(len(PARTS), p=(0.3, 0.3, 0.05, 0.05, 0.3)))]
        hull = part_mask(landmarks, part, shape, max(1, round(side * float(rng.uniform(0.01, 0.08)))))
        mask = _soft(hull, rng, side)
    source = painted
    if rng.random() < 0.5:
        source = match_colour(source, image, hull, with_spread=bool(rng.random() < 0.5))
    if rng.random() < 0.5:
        source = colour_shift(rng, source, limit=6)
    # Real generators are often better than ours: some of the original's texture comes back.
    ratio = float(rng.choice((1.0, 1.0, 0.8, 0.6)))
    return Forgery(image, alpha_blend(source, image, mask, ratio=ratio), mask, blending_boundary(mask), "decoded")
