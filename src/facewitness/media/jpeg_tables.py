"""The quality that a JPEG file was saved with, from its quantisation tables."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.media.files import open_regular
from facewitness.media.limits import DEFAULT_LIMITS, Limits

_LUMA: Final = np.array(
    [
        *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58),
        *(51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103),
        *(62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
    ]
)
"""Table K.1 of ITU-T T.81, the luminance table, in the zigzag order of files."""

_START, _TABLES, _SCAN, _END = b"\xff\xd8", 0xDB, 0xDA, 0xD9
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


def jpeg_quality(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> float | None:
    """Estimate the quality, 1 to 100, on the scale of libjpeg.

    Args:
        path: Any file.
        limits: Bounds on its size.

    Returns:
        The quality whose scaled luminance table is nearest to the file's first table; None when the file is no JPEG
        or has no table.

    Raises:
        MediaError: If the file is missing, empty or not a regular file.
        LimitExceededError: If it is larger than a picture may be.

    Reference: scaling rule of the Independent JPEG Group's library, table K.1 of ITU-T T.81.
    """
    with open_regular(path, max_bytes=limits.max_image_bytes) as stream:
        table = _first_table(stream)
    return None if table is None else nearest_quality(table)


def nearest_quality(table: NDArray[np.int64]) -> float:
    """Quality whose luminance table comes nearest to a given one.

    Args:
        table: ``(64,)`` quantisation steps in zigzag order.

    Returns:
        1 to 100.

    Example:
        >>> nearest_quality(np.ones(64, dtype=np.int64)), nearest_quality(_LUMA)
        (100.0, 50.0)
    """
    qualities = np.arange(1, 101)
    scales = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    scaled = np.clip((_LUMA[None] * scales[:, None] + 50) // 100, 1, 255)
    away = np.abs(np.log(scaled) - np.log(np.clip(table, 1, None))[None]).sum(axis=1)
    return float(qualities[int(np.argmin(away))])


def _first_table(stream: BinaryIO) -> NDArray[np.int64] | None:
    """The table of the lowest number in the header's first table segment."""
    if stream.read(2) != _START:
        return None
    while True:
        head = stream.read(2)
        while len(head) == 2 and head[0] == head[1] == 0xFF:  # fill bytes
            head = head[1:] + stream.read(1)
        if len(head) < 2 or head[0] != 0xFF or head[1] in (_SCAN, _END):
            return None
        if head[1] in _ALONE:
            continue
        size = stream.read(2)
        if len(size) < 2:
            return None
        body = stream.read(max(struct.unpack(">H", size)[0] - 2, 0))
        if head[1] == _TABLES:
            return _parse(body)


def _parse(body: bytes) -> NDArray[np.int64] | None:
    """The first table of a segment: 8 or 16 bits per step."""
    if not body:
        return None
    kind, step = (">u2", 2) if body[0] >> 4 else ("u1", 1)
    if len(body) < 1 + 64 * step:
        return None
    return np.frombuffer(body, kind, 64, 1).astype(np.int64)
