"""A real face with its landmarks, and another one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.pseudofakes.geometry import flip_landmarks
from unit.house.house_paths import ROOT


@dataclass(frozen=True)
class FacePicture:
    """A square crop, ``(S, S, 3)`` uint8 RGB, with its 81 and 468 landmarks."""

    image: np.ndarray
    landmarks: np.ndarray
    mesh: np.ndarray


@pytest.fixture(scope="session")
def portrait():
    pixels = read_image(ROOT / "examples" / "astronaut.jpg").pixels
    (found,) = FaceFinder(threads=1).find(pixels)
    crop = crop_face(pixels, found.box, CropSpec(1.5, 200))
    return FacePicture(
        crop.image, apply_affine(crop.frame_to_crop, found.landmarks81), apply_affine(crop.frame_to_crop, found.mesh)
    )


@pytest.fixture
def face(portrait):
    """A copy that a test may break."""
    return FacePicture(portrait.image.copy(), portrait.landmarks.copy(), portrait.mesh.copy())


@pytest.fixture
def donor(face):
    """The same face mirrored, in other colours and at another size: as good as another person."""
    image = np.ascontiguousarray(face.image[:, ::-1, ::-1])
    points = flip_landmarks(face.landmarks, image.shape[1])
    larger = cv2.resize(image, (300, 300), interpolation=cv2.INTER_CUBIC)
    return FacePicture(larger, (points + 0.5) * 1.5 - 0.5, np.zeros((468, 2), np.float32))
