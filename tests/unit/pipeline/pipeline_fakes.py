"""Synthetic people for the pipeline's logic: bright or dark squares on grey, "fake" when bright.

Plainly not faces: they let tests say exactly who is where and what every score must be. The real
finder and detector are tested end to end elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from facewitness.detectors import CropScore
from facewitness.faces.crops import CropSpec
from facewitness.faces.finder import Face
from facewitness.records import OperatingPoint

BACKGROUND = 128
FAKE_GREY, REAL_GREY, UNSURE_GREY = 235, 20, 165
POINTS = {
    "fpr=0.05": OperatingPoint(0.8, 0.05, "synthetic squares", 0.3),
    "fpr=0.01": OperatingPoint(0.95, 0.01, "synthetic squares", 0.3),
}


def scene(*squares: tuple[int, int, int, int], size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """A grey picture (width, height) with squares ``(x, y, side, grey)``; RGB uint8."""
    picture = np.full((size[1], size[0], 3), BACKGROUND, np.uint8)
    for x, y, side, grey in squares:
        picture[y : y + side, x : x + side] = grey
    return picture


def save_picture(path: Path, *squares: tuple[int, int, int, int]) -> Path:
    Image.fromarray(scene(*squares)).save(path)
    return path


def save_clip(path: Path, frames: Sequence[np.ndarray], fps: int = 10) -> Path:
    """Write H.264 of high quality."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


class SquareFinder:
    """Finds the squares; stands in for FaceFinder."""

    def __init__(self, **_settings: object) -> None:
        self.looked_at = 0

    def find(self, image: np.ndarray) -> list[Face]:
        self.looked_at += 1
        mask = (np.abs(image.astype(np.int16).mean(axis=2) - BACKGROUND) > 15).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        faces = []
        for x, y, width, height, area in stats[1:]:
            if area < 64:
                continue
            grid = np.linspace(0.0, 1.0, 22, dtype=np.float32)
            mesh = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)[:468]
            mesh = (mesh * [width - 1, height - 1] + [x, y]).astype(np.float32)
            box = np.array([x, y, x + width, y + height], np.float32)
            faces.append(Face(box, mesh, 0.99, 0.9))
        return sorted(faces, key=lambda face: -face.size_px)


class BrightnessDetector:
    """P(fake) is the mean brightness of the crop; the heatmap is hot in its upper left quarter."""

    name = "brightness"
    crop = CropSpec(margin_ratio=0.8, size=64)
    mode = "lite"
    weights_name = "none"
    weights_sha256 = "0" * 64
    precision = "f32"
    device = "CPU"

    def __init__(self, points: dict[str, OperatingPoint] | None = None) -> None:
        self.operating_points = POINTS if points is None else points
        self.batches: list[int] = []

    def score(self, crops: Sequence[np.ndarray]) -> list[CropScore]:
        self.batches.append(len(crops))
        heat = np.zeros((16, 16), np.float32)
        heat[:8, :8] = 1.0
        return [self._one(float(crop.mean()) / 255, heat) for crop in crops]

    @staticmethod
    def _one(value: float, heat: np.ndarray) -> CropScore:
        fired = "blended" if value > 0.5 else ""
        return CropScore(
            value, calibrated=True, experts={"blended": value, "synthetic": 0.1}, fired=fired, heatmap=heat
        )


def create(**settings: object) -> BrightnessDetector:
    """What a registered detector's factory looks like."""
    detector = BrightnessDetector()
    detector.settings = settings
    return detector
