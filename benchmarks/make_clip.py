"""A 10 s 720p H.264 clip for the benchmarks, made from the sample portrait with a slow pan."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.media.images import read_image

WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 30, 10


def make_clip(portrait: Path, target: Path) -> Path:
    """Write the clip and return its path.

    Args:
        portrait: Picture with a face.
        target: Where the MP4 goes.
    """
    picture = read_image(portrait).pixels
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(_view(picture, index / (FPS * SECONDS)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def _view(picture: NDArray[np.uint8], progress: float) -> NDArray[np.uint8]:
    """The portrait at the frame's height, drifting from left to right before grey."""
    height, width = picture.shape[:2]
    scale = HEIGHT / height
    shift = (WIDTH - width * scale) * (0.25 + 0.5 * progress)
    matrix = np.array([[scale, 0, shift], [0, scale, 0]], np.float64)
    grey = (96, 96, 96)
    moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderValue=grey)
    return np.asarray(moved, dtype=np.uint8)
