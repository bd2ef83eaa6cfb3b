"""JPEG in memory: for pictures kept aside cheaply, and for the re-compression check."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    """Encode ``(H, W, 3)`` uint8 RGB.

    Args:
        image: The picture.
        quality: libjpeg quality, 1 (worst) to 100 (best).

    Raises:
        ValueError: If the picture cannot be a JPEG (more than 65,500 pixels on a side).
    """
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        msg = f"expected a picture that JPEG can hold, got shape {image.shape}"
        raise ValueError(msg)
    return data.tobytes()


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode what `encode_jpeg` gave to ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: If ``data`` is not a picture.

    Example:
        >>> decode_jpeg(encode_jpeg(np.zeros((4, 6, 3), np.uint8), 90)).shape
        (4, 6, 3)
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        msg = f"expected JPEG data, got {len(data)} bytes of something else"
        raise ValueError(msg)
    return np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8)


def jpeg_again(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Save ``(H, W, 3)`` uint8 RGB as JPEG of libjpeg quality 1 to 100 and open it again; ``image`` is not changed."""
    return decode_jpeg(encode_jpeg(image, quality))
