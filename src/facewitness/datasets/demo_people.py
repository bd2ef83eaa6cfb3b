"""Who and what a synthetic picture shows: people and scenes as numbers, drawn at random."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

Colour = tuple[float, float, float]
"""RGB in [0, 1]."""

_SKINS: Final[tuple[Colour, ...]] = (
    (0.93, 0.78, 0.69),
    (0.88, 0.71, 0.59),
    (0.80, 0.60, 0.46),
    (0.68, 0.48, 0.35),
    (0.52, 0.35, 0.25),
    (0.40, 0.27, 0.20),
)
_HAIRS: Final[tuple[Colour, ...]] = (
    (0.08, 0.07, 0.07),
    (0.18, 0.12, 0.08),
    (0.32, 0.20, 0.12),
    (0.55, 0.40, 0.22),
    (0.58, 0.57, 0.56),
    (0.36, 0.15, 0.08),
)
_IRISES: Final[tuple[Colour, ...]] = ((0.22, 0.13, 0.08), (0.30, 0.20, 0.10), (0.25, 0.36, 0.45), (0.28, 0.36, 0.24))


def rng_of(*parts: object) -> np.random.Generator:
    """A generator that depends on ``parts`` only, the same on every machine.

    Example:
        >>> int(rng_of(0, "a").integers(1000)) == int(rng_of(0, "a").integers(1000))
        True
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


@dataclass(frozen=True)
class DemoFace:
    """What one person looks like; lengths in half widths of the face, colours linear-ish RGB in [0, 1].

    Attributes:
        skin: Colour of the skin.
        hair: Colour of hair and brows.
        iris: Colour of the irises.
        lips: Factor of the skin's colour at the lips.
        long: Stretch of the face from the eyes down.
        jaw: Stretch of the lower face's width.
        eye_gap: Half the distance of the eyes.
        eye_size: Factor of the eyes' size.
        brow_height: How far the brows lie above the eyes.
        brow_weight: Their strength.
        nose_width: Factor.
        nose_length: From the eyes to the nose's base.
        mouth_width: Half width.
        lip_size: Factor of the lips' height.
        fringe: How far hair reaches into the forehead.
        long_hair: Whether hair falls beside the face.
        beard: Strength of stubble, 0 for none.
        texture: Seed of pores and freckles.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    long: float
    jaw: float
    eye_gap: float
    eye_size: float
    brow_height: float
    brow_weight: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lip_size: float
    fringe: float
    long_hair: bool
    beard: float
    texture: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> DemoFace:
        """A random person."""
        u = rng.uniform
        skin = _SKINS[int(rng.integers(len(_SKINS)))]
        shade = float(u(0.94, 1.06))
        dark = skin[0] < 0.6
        hair = _HAIRS[int(rng.integers(3 if dark else len(_HAIRS)))]
        long_hair = bool(rng.random() < 0.5)
        return cls(
            skin=(skin[0] * shade, skin[1] * shade, skin[2] * shade),
            hair=hair,
            iris=_IRISES[0] if dark else _IRISES[int(rng.integers(len(_IRISES)))],
            lips=(float(u(0.86, 0.98)), float(u(0.60, 0.74)), float(u(0.62, 0.76))),
            long=float(u(0.94, 1.08)),
            jaw=float(u(0.92, 1.06)),
            eye_gap=float(u(0.43, 0.48)),
            eye_size=float(u(0.92, 1.12)),
            brow_height=float(u(0.27, 0.34)),
            brow_weight=float(u(0.6, 1.0)),
            nose_width=float(u(0.88, 1.2)),
            nose_length=float(u(0.68, 0.78)),
            mouth_width=float(u(0.34, 0.43)),
            lip_size=float(u(0.85, 1.25)),
            fringe=float(u(-0.05, 0.16)),
            long_hair=long_hair,
            beard=0.0 if long_hair or rng.random() < 0.5 else float(u(0.1, 0.35)),
            texture=int(rng.integers(2**31)),
        )


@dataclass(frozen=True)
class DemoScene:
    """Where a person is filmed.

    Attributes:
        light: Direction towards the light: right, up, towards the camera.
        ambient: Share of light from everywhere.
        wall: Colours of the background, left and right.
        cloth: Colour of the clothes.
        centre: Point between the eyes, shares of the picture's side.
        scale: Half width of the face, share of the picture's side.
        texture: Seed of the background.
    """

    light: tuple[float, float, float]
    ambient: float
    wall: tuple[Colour, Colour]
    cloth: Colour
    centre: tuple[float, float]
    scale: float
    texture: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> DemoScene:
        """A random scene."""
        u = rng.uniform
        base = u(0.2, 0.7) + u(-0.09, 0.09, 3)
        walls = [np.clip(base + u(-0.12, 0.12) + u(-0.04, 0.04, 3), 0.05, 0.95) for _ in range(2)]
        cloth = np.clip(u(0.08, 0.6) + u(-0.1, 0.1, 3), 0.03, 0.9)
        return cls(
            light=(float(u(-0.5, 0.5)), float(u(0.25, 0.6)), 1.0),
            ambient=float(u(0.45, 0.6)),
            wall=((*map(float, walls[0]),), (*map(float, walls[1]),)),  # type: ignore[arg-type]
            cloth=(float(cloth[0]), float(cloth[1]), float(cloth[2])),
            centre=(float(u(0.46, 0.54)), float(u(0.40, 0.45))),
            scale=float(u(0.205, 0.245)),
            texture=int(rng.integers(2**31)),
        )
