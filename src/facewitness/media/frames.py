"""One decoded video frame to an upright RGB array."""

from __future__ import annotations

import struct

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

_WHITE = 255
_MATRIX_BYTES = 36


def frame_pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    """Convert a frame to RGB and turn it upright.

    Colour matrix and range follow the stream's own tags; untagged streams are taken as BT.601, as FFmpeg and OpenCV
    take them. Frames with transparency are laid on white.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.
    """
    if any(part.is_alpha for part in frame.format.components):
        rgba = frame.to_ndarray(format="rgba").astype(np.uint16)
        alpha = rgba[..., 3:]
        pixels = ((rgba[..., :3] * alpha + _WHITE * (255 - alpha) + 127) // 255).astype(np.uint8)
    else:
        pixels = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return _turn(pixels, display_matrix(frame))


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """The signs (a, b, c, d) of the frame's display matrix: x' = a x + c y, y' = b x + d y.

    Rotations by other than quarter turns are rounded to the nearest one. No matrix: ``(1, 0, 0, 1)``.
    """
    entry = frame.side_data.get("DISPLAYMATRIX")
    data = bytes(entry) if isinstance(entry, Buffer) else b""
    if len(data) < _MATRIX_BYTES:
        return (1, 0, 0, 1)
    a, b, _, c, d, *_rest = struct.unpack("=9i", data[:_MATRIX_BYTES])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def rotation_of(frame: VideoFrame) -> int:
    """Clockwise degrees by which the stored frame is turned for display: 0, 90, 180 or 270."""
    a, b, _, d = display_matrix(frame)
    if b:
        return 90 if b > 0 else 270
    return 180 if a < 0 and d < 0 else 0


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Width and height of the upright frame."""
    swapped = display_matrix(frame)[0] == 0
    return (frame.height, frame.width) if swapped else (frame.width, frame.height)


def _turn(pixels: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    a, b, c, d = matrix
    if a == 0:
        pixels = pixels.transpose(1, 0, 2)
    if a + c < 0:
        pixels = pixels[:, ::-1]
    if b + d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
