"""A prepared folder of a few videos, made out of the sample portrait, and a recipe that trains on it in seconds."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from facewitness.datasets.prepared import (
    Points,
    PreparedFrame,
    PreparedSet,
    PreparedVideo,
    fingerprint_of,
    save_prepared,
)
from facewitness.datasets.records import Record
from facewitness.detectors.laa_net.recipe import TrainingRecipe, load_recipe
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.records import Label
from unit.house.house_paths import ROOT
from unit.training.training_data import write_png

SIDE = 96
FRAMES = 4


@lru_cache(maxsize=1)
def portrait() -> tuple[np.ndarray, np.ndarray]:
    pixels = read_image(ROOT / "examples" / "astronaut.jpg").pixels
    (found,) = FaceFinder(threads=1).find(pixels)
    crop = crop_face(pixels, found.box, CropSpec(1.5, SIDE))
    return crop.image, apply_affine(crop.frame_to_crop, found.landmarks81)


def face_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The portrait moved, stretched and recoloured, with its landmarks."""
    image, points = portrait()
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.9, 1.1, 2), rng.uniform(-4, 4, 2)
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    moved = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
    moved = np.clip(moved * rng.uniform(0.7, 1.2, 3), 0, 255).astype(np.uint8)
    return moved, np.clip(points * scale + shift, 0, SIDE - 1)


def make_prepared(
    folder: Path, *, train: int = 4, val: int = 2, fakes: int = 2, with_splits: bool = True, with_aligned: bool = False
) -> Path:
    """Write the folder; videos are ``train0``, ``val0``, ``fake0`` and so on, fakes belong to the validation."""
    videos = []
    kinds = [("train", Label.REAL)] * train + [("val", Label.REAL)] * val + [("val", Label.FAKE)] * fakes
    for number, (split, label) in enumerate(kinds):
        name = f"{split}{number}" if label == Label.REAL else f"fake{number}"
        frames = []
        for index in range(FRAMES):
            image, points = face_of(100 * number + index)
            if label == Label.FAKE:
                image[30:60, 30:60] = cv2.GaussianBlur(image, (9, 9), 0)[30:60, 30:60]
            path = f"crops/{name}/{index:03d}.png"
            write_png(folder / path, image)
            landmarks = Points(points)
            aligned = {"aligned": path, "aligned_landmarks": landmarks} if with_aligned else {}
            box = (0, 0, SIDE, SIDE)
            frames.append(PreparedFrame(index, index / 25, box, box, crop=path, landmarks=landmarks, **aligned))
        record = Record(f"{name}.mp4", name, label, "made", split=split if with_splits else "", sources=(name,))
        videos.append(PreparedVideo(record, tuple(frames)))
    settings = {"steps": ["crops", "landmarks"], "frames": FRAMES}
    save_prepared(PreparedSet(folder, "made", settings, fingerprint_of(settings), tuple(videos)))
    return folder


MINI = (
    "network.image_size=64",
    "network.width=0.2",
    "network.depth=0.3",
    "network.head_width=8",
    "network.consistency_channels=8",
    "epochs=3",
    "learning_rate=5e-4",
    "batch_items=2",
    "frames_per_video=2",
    "validation_frames=2",
)
"""Makes `tiny_sbi` smaller still: eight steps an epoch in a fraction of a second."""


def mini(*overrides: str, name: str = "tiny_sbi") -> TrainingRecipe:
    return load_recipe(name, [*MINI, *overrides])
