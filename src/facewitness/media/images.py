"""Pictures: one file in, one upright RGB array out, or one clear error."""

from __future__ import annotations

import contextlib
import importlib
import logging
import struct
import threading
import warnings as python_warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facewitness.errors import LimitExceededError, MediaError
from facewitness.media.files import open_regular
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.media.pixels import to_rgb
from facewitness.media.signatures import HEAD_BYTES, PICTURES, advice_for, name_of_head, name_warning

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "BMP", "TIFF", "GIF")
"""Pillow formats admitted; others (EPS, which starts a program, among them) are never tried."""

_DECODER_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RuntimeError),
    *(EOFError, MemoryError, BufferError, AssertionError, struct.error, zlib.error),
)
"""What Pillow is known to raise on damaged files."""

_ORIENTATION_TAG = 0x0112
_START_OF_SCAN = b"\xff\xda"
_CHUNK_BYTES = 1 << 20
_SCANS_AT_FULL_SIZE = 20
_SIDEWAYS = frozenset({5, 6, 7, 8})
_BYTES_WHILE_DECODING = 7  # per pixel: the decoder's RGBA and our RGB
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its remarks on damaged files go to stderr
_warnings_lock = threading.Lock()  # catch_warnings swaps global state


@dataclass(frozen=True)
class DecodedImage:
    """One picture, upright.

    Attributes:
        pixels: ``(H, W, 3)`` uint8, sRGB.
        format: Format of the content (``JPEG``, ``WebP``), whatever the name says.
        width: Width of the upright picture, pixels.
        height: Height of the upright picture, pixels.
        warnings: What the reader should know, in plain words.
    """

    pixels: NDArray[np.uint8]
    format: str
    width: int
    height: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageHeader:
    """What a picture's header says, without decoding it.

    Attributes:
        format: Format of the content.
        width: Width of the upright picture, pixels.
        height: Height of the upright picture, pixels.
        is_animated: Whether there is more than one frame or page.
    """

    format: str
    width: int
    height: int
    is_animated: bool


def read_image(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode one picture, turned upright, in sRGB.

    The format is found by content. Animated files and files of several pages give their first picture and a warning.

    Args:
        path: JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF; HEIC when ``pillow-heif`` is installed.
        limits: Bounds on bytes, pixels and memory, checked before decoding.

    Raises:
        MediaError: If the file is missing, empty, truncated, damaged or not a picture.
        LimitExceededError: If it is beyond the limits.
    """
    notes: list[str] = []
    with open_regular(path, max_bytes=limits.max_image_bytes) as stream, _quiet():
        name, picture = _open(path, stream, limits)
        try:
            if picture.format in {"GIF", "PNG", "WEBP", "AVIF", "TIFF"} and getattr(picture, "is_animated", False):
                notes.append(
                    f"the file holds {getattr(picture, 'n_frames', 'several')} pictures; the first one is used"
                )
            picture.load()
            pixels = to_rgb(picture, notes)
        except Image.DecompressionBombError as error:
            raise LimitExceededError(_too_large(path, limits)) from error
        except _DECODER_ERRORS as error:
            raise MediaError(_damage(path, name, error)) from error
        pixels = _upright(pixels, _orientation(picture, notes))
    if warning := name_warning(path, name):
        notes.insert(0, warning)
    height, width = pixels.shape[:2]
    return DecodedImage(pixels, name, width, height, tuple(dict.fromkeys(notes)))


def read_header(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> ImageHeader:
    """Read a picture's format and size without decoding it.

    Raises:
        MediaError: If the file is missing, empty or not a picture.
        LimitExceededError: If it is beyond the limits.
    """
    with open_regular(path, max_bytes=limits.max_image_bytes) as stream, _quiet():
        name, picture = _open(path, stream, limits)
        try:
            is_animated = bool(getattr(picture, "is_animated", False))
        except _DECODER_ERRORS:
            is_animated = False  # a damaged second frame
        width, height = picture.size
        # Pillow gives TIFF sizes upright already.
        if name != "TIFF" and _orientation(picture, []) in _SIDEWAYS:
            width, height = height, width
        return ImageHeader(name, width, height, is_animated)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the caller; what matters of them is said in `DecodedImage.warnings`."""
    with _warnings_lock, python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        yield


def _open(path: Path | str, stream: BinaryIO, limits: Limits) -> tuple[str, Image.Image]:
    """Read the header and refuse what is no picture or too large; nothing is decoded."""
    name = name_of_head(stream.read(HEAD_BYTES))
    stream.seek(0)
    if name == "HEIC":
        _enable_heic(path)
    try:
        picture = Image.open(stream, formats=[f for f in _FORMATS if f != "HEIF" or name == "HEIC"])
    except Image.DecompressionBombError as error:
        raise LimitExceededError(_too_large(path, limits)) from error
    except UnidentifiedImageError as error:
        raise MediaError(_not_a_picture(path, name)) from error
    except _DECODER_ERRORS as error:
        raise MediaError(_damage(path, name, error)) from error
    if min(picture.size) < 1:
        msg = f"{path}: a {name} picture of {picture.width}x{picture.height} pixels; give a picture that is not empty"
        raise MediaError(msg)
    limits.check_size(path, picture.width, picture.height)
    limits.check_decoded(path, picture.width * picture.height * _BYTES_WHILE_DECODING)
    if name == "JPEG":
        _check_scans(path, stream, picture.width * picture.height, limits)
    return name, picture


def _check_scans(path: Path | str, stream: BinaryIO, pixels: int, limits: Limits) -> None:
    """Refuse a progressive JPEG that paints its picture over and over to keep the decoder busy for hours."""
    most = max(_SCANS_AT_FULL_SIZE * limits.max_pixels // pixels, _SCANS_AT_FULL_SIZE)
    scans, last, place = 0, b"", stream.tell()
    stream.seek(0)
    while scans <= most and (chunk := stream.read(_CHUNK_BYTES)):
        scans += (last + chunk).count(_START_OF_SCAN)
        last = chunk[-1:]
    stream.seek(place)
    if scans > most:
        msg = (
            f"{path}: more than {most} scans in one JPEG, a normal one has up to 20; save it anew with another program"
        )
        raise LimitExceededError(msg)


def _enable_heic(path: Path | str) -> None:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        msg = f"{path}: a HEIC picture, which needs an extra package: pip install pillow-heif, or save it as JPEG"
        raise MediaError(msg) from error


def _orientation(picture: Image.Image, notes: list[str]) -> int:
    """The EXIF orientation that Pillow has not applied itself; 1 when there is none."""
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except _DECODER_ERRORS:
        notes.append("EXIF data unreadable; the picture is taken as upright")
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation in _SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _too_large(path: Path | str, limits: Limits) -> str:
    return f"{path}: claims many more than {limits.max_pixels} pixels, the most admitted; scale the picture down first"


def _not_a_picture(path: Path | str, name: str) -> str:
    if name in PICTURES:
        return f"{path}: begins like {name} but its header is damaged or cut off; download or copy it again"
    return f"{path}: expected a picture (JPEG, PNG, WebP, AVIF, BMP, TIFF, GIF), the file is {advice_for(name)}"


def _damage(path: Path | str, name: str, error: BaseException) -> str:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return f"{path}: this {name} picture is truncated; download or copy it again"
    return f"{path}: this {name} picture is damaged ({text}); download or copy it again"
