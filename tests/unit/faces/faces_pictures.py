"""Pictures for the tests of faces: the shipped portrait and what is made of it, and one loaded finder."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from facewitness.faces.finder import Face, FaceFinder
from facewitness.media.images import read_image

ROOT = Path(__file__).resolve().parents[3]

EYES_AND_MOUTH = np.array([[203, 101], [247.5, 103], [223.5, 126], [203.5, 140], [244, 141]], np.float32)
"""Pupils, nose tip and mouth corners of the portrait, read off an enlarged print by eye, to about 2 pixels."""

NEAR_PX = 5.5
"""How near the mesh comes to them: a twentieth of the face (the corners of a broad smile are the worst)."""


@lru_cache(maxsize=1)
def finder() -> FaceFinder:
    return FaceFinder(threads=1)


@lru_cache(maxsize=1)
def portrait() -> np.ndarray:
    """512 x 512, one face of about 105 pixels; read-only."""
    pixels = read_image(ROOT / "examples" / "astronaut.jpg").pixels
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=1)
def portrait_face() -> Face:
    (face,) = finder().find(portrait())
    return face


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=kind)


def blotches(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Smooth random colours without a face."""
    noise = np.random.default_rng(seed).integers(60, 200, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def mesh_error(face: Face, expected: np.ndarray) -> float:
    """Mean distance of mesh points from where they belong, in units of the face's size."""
    return float(np.linalg.norm(face.mesh - expected, axis=1).mean() / face.size_px)


def turned(image: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture turned about its middle, and the ``(2, 3)`` matrix that did it."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), matrix
