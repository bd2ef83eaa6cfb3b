"""Face boxes by BlazeFace (full range) through OpenVINO.

Reference: Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019;
decoding constants from MediaPipe's published full-range graph (192 px input, 48 x 48 anchors of unit size).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.runtime import Device, InferenceSession, Precision

ASSETS = Path(__file__).parent / "assets"
DETECTOR_FILE = "face_detection_full_range.tflite"
INPUT_SIZE = 192
_GRID = 48
_LOGIT_CLIP = 80.0  # float32 overflows in exp at 89
_OVERLAP = 0.3
_MAX_TILES = 12


@dataclass(frozen=True)
class Detection:
    """One face as the box detector sees it.

    Attributes:
        box: ``(4,)`` float32 xyxy, frame pixels (brow to chin, may leave the frame).
        keypoints: ``(6, 2)`` float32: right eye, left eye, nose tip, mouth centre, right ear, left ear.
        score: [0, 1].
    """

    box: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    score: float


@dataclass(frozen=True)
class View:
    """A rectangle of the frame that the detector looks at; it may reach beyond the frame, which is black there."""

    x0: float
    y0: float
    width: float
    height: float


class FaceDetector:
    """Find face boxes.

    Args:
        precision: ``f32``, ``bf16`` or ``auto``.
        device: Where it runs.
        threads: Inference threads; 0 leaves it to the runtime.
    """

    def __init__(self, *, precision: Precision = "f32", device: Device = "auto", threads: int = 0) -> None:
        self._session = InferenceSession(ASSETS / DETECTOR_FILE, precision=precision, device=device, threads=threads)
        self._anchors = _anchors()

    def look(self, image: NDArray[np.uint8], view: View, min_score: float) -> list[Detection]:
        """Detect in one view of the frame, best first."""
        pixels, scale, offset = _fit(image, view)
        out = self._session.run(pixels)
        raw_boxes, logits = sorted((v[0] for v in out.values()), key=lambda v: -v.shape[-1])
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits[:, 0], -_LOGIT_CLIP, _LOGIT_CLIP)))
        chosen = np.flatnonzero(scores >= min_score)
        if chosen.size == 0:
            return []
        points = self._decode(raw_boxes[chosen], self._anchors[chosen])
        points = points / scale + np.asarray(offset, dtype=np.float32)
        return merge(points, scores[chosen])

    @staticmethod
    def _decode(raw: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, 8, 2)`` points in input pixels: two box corners, six keypoints."""
        pairs = raw.reshape(-1, 8, 2)
        centre = pairs[:, 0] + anchors
        half = pairs[:, 1] / 2
        keypoints = pairs[:, 2:] + anchors[:, None]
        return np.concatenate([(centre - half)[:, None], (centre + half)[:, None], keypoints], axis=1)


def _anchors() -> NDArray[np.float32]:
    """``(2304, 2)`` anchor centres in input pixels, row by row."""
    centres = (np.arange(_GRID, dtype=np.float32) + 0.5) * (INPUT_SIZE / _GRID)
    x, y = np.meshgrid(centres, centres)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _fit(image: NDArray[np.uint8], view: View) -> tuple[NDArray[np.float32], float, tuple[float, float]]:
    """The view letterboxed into the network's input.

    Returns:
        ``(1, 192, 192, 3)`` float32 in [-1, 1]; the scale; and the frame position of the input's corner.
    """
    height, width = image.shape[:2]
    scale = INPUT_SIZE / max(view.width, view.height)
    left = view.x0 - (INPUT_SIZE / scale - view.width) / 2
    top = view.y0 - (INPUT_SIZE / scale - view.height) / 2
    x0, y0 = max(0, int(view.x0)), max(0, int(view.y0))
    x1 = min(width, int(np.ceil(view.x0 + view.width)))
    y1 = min(height, int(np.ceil(view.y0 + view.height)))
    new_w, new_h = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
    shrinks = scale < 1
    small = cv2.resize(
        image[y0:y1, x0:x1], (new_w, new_h), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    canvas = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    dx = min(max(0, round((x0 - left) * scale)), INPUT_SIZE - 1)
    dy = min(max(0, round((y0 - top) * scale)), INPUT_SIZE - 1)
    new_w, new_h = min(new_w, INPUT_SIZE - dx), min(new_h, INPUT_SIZE - dy)
    canvas[dy : dy + new_h, dx : dx + new_w] = small[:new_h, :new_w]
    pixels = canvas[None].astype(np.float32) * (2 / 255) - 1
    return pixels, scale, (x0 - dx / scale, y0 - dy / scale)


def iou(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlap of one ``(4,)`` box with ``(n, 4)`` boxes: intersection over union, [0, 1]."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=1)
    area = float(np.prod(box[2:] - box[:2]))
    union = area + np.prod(others[:, 2:] - others[:, :2], axis=1) - inter
    return np.asarray(inter / np.maximum(union, 1e-9), dtype=np.float32)


def merge(points: NDArray[np.float32], scores: NDArray[np.float32], overlap: float = _OVERLAP) -> list[Detection]:
    """Weighted non-maximum suppression: boxes of one face are averaged by their scores.

    Args:
        points: ``(n, 8, 2)`` corners and keypoints, frame pixels.
        scores: ``(n,)`` in [0, 1].
        overlap: Boxes that overlap the best one more than this belong to the same face.

    Returns:
        Detections, best first.
    """
    boxes = points[:, :2].reshape(-1, 4)
    valid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(points).all(axis=(1, 2))
    remaining = np.flatnonzero(valid)
    remaining = remaining[np.argsort(-scores[remaining], kind="stable")]
    found: list[Detection] = []
    while remaining.size:
        same = iou(boxes[remaining[0]], boxes[remaining]) > overlap
        same[0] = True
        group = remaining[same]
        weights = (scores[group] / scores[group].sum()).astype(np.float32)
        mean = np.tensordot(weights, points[group], axes=1).astype(np.float32)
        found.append(Detection(mean[:2].reshape(4), mean[2:], float(scores[group[0]])))
        remaining = remaining[~same]
    return found


def whole(image: NDArray[np.uint8], pad_ratio: float = 0.0) -> View:
    """The whole frame, with a border of ``pad_ratio`` of its longer side all around."""
    height, width = image.shape[:2]
    pad = pad_ratio * max(height, width)
    return View(-pad, -pad, width + 2 * pad, height + 2 * pad)


def tiles(image: NDArray[np.uint8], side: float, max_tiles: int = _MAX_TILES) -> list[View]:
    """Square views that cover the frame with a quarter of overlap; the side grows until at most ``max_tiles``."""
    height, width = image.shape[:2]
    while True:
        columns = _starts(width, side)
        rows = _starts(height, side)
        if len(columns) * len(rows) <= max_tiles:
            return [View(x, y, min(side, width), min(side, height)) for y in rows for x in columns]
        side *= 1.15


def _starts(length: int, side: float) -> list[float]:
    if length <= side:
        return [0.0]
    count = int(np.ceil((length - side) / (0.75 * side))) + 1
    return [float(v) for v in np.linspace(0, length - side, count)]
