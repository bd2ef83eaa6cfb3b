"""H.264 in memory: what a video codec does to pictures, without a file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

import av
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def h264_compress(image: Image, *, crf: int, inter: bool = False) -> Image:
    """Encode one picture with x264 and decode it again.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; odd sides are padded by one replicated row or column and cut again.
        crf: Constant rate factor, 0 to 51.
        inter: Code a slightly shifted copy first and return the predicted frame that follows it.

    Returns:
        A new picture of the same size.
    """
    before = [np.roll(_even(image), (1, 1), (0, 1))] if inter else []
    height, width = image.shape[:2]
    return np.ascontiguousarray(_coded([*before, _even(image)], crf)[-1][:height, :width])


def h264_again(frames: Sequence[Image], *, crf: int) -> list[Image]:
    """Encode pictures as consecutive frames of a video with x264 and decode them again.

    Args:
        frames: ``(H, W, 3)`` uint8 RGB each; where the size changes, a new video begins.
        crf: Constant rate factor, 0 to 51.

    Returns:
        New pictures of the same sizes and in the same order.
    """
    found: list[Image] = []
    for (height, width, _), run in groupby(frames, key=np.shape):
        found += [np.ascontiguousarray(f[:height, :width]) for f in _coded([_even(f) for f in run], crf)]
    return found


def _even(image: Image) -> Image:
    """The picture with even sides, as 4:2:0 needs them."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def _coded(pictures: Sequence[Image], crf: int) -> list[Image]:
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "bf": "0", "tune": "zerolatency"}
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for i, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts = i
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [f for p in packets for f in decoder.decode(p)] + list(decoder.decode(None))
    return [np.asarray(f.to_ndarray(format="rgb24"), dtype=np.uint8) for f in frames]
