"""Opening a path without surprises: regular files only, never a pipe, a device or a folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from facewitness.errors import LimitExceededError, MediaError

_NON_REGULAR = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_regular(path: Path | str, *, max_bytes: int) -> BinaryIO:
    """Open a file for reading after checking that it is one.

    The check is repeated on the open descriptor, so a path swapped in between gains nothing.

    Args:
        path: The file; symbolic links are followed.
        max_bytes: Largest size admitted.

    Raises:
        MediaError: If the path is missing, not readable, not a regular file, or empty.
        LimitExceededError: If the file is larger than ``max_bytes``.
    """
    try:
        _require_regular(path, Path(path).stat().st_mode)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        msg = f"{path}: no such file; check the path"
        raise MediaError(msg) from error
    except PermissionError as error:
        msg = f"{path}: not readable; check its permissions"
        raise MediaError(msg) from error
    except MediaError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        msg = f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error}); check the path"
        raise MediaError(msg) from error
    stream = os.fdopen(descriptor, "rb")
    try:
        state = os.fstat(stream.fileno())
        _require_regular(path, state.st_mode)
        _require_size(path, state.st_size, max_bytes)
    except MediaError:
        stream.close()
        raise
    return stream


def _require_regular(path: Path | str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = next((name for test, name in _NON_REGULAR if test(mode)), "not a regular file")
        msg = f"{path}: this is {what}, expected a picture, video or sound; give the path of a file"
        raise MediaError(msg)


def _require_size(path: Path | str, size: int, max_bytes: int) -> None:
    if size == 0:
        msg = f"{path}: the file is empty (0 bytes); download or copy it again"
        raise MediaError(msg)
    if size > max_bytes:
        msg = f"{path}: {size} bytes, at most {max_bytes}; use a smaller file or raise the limit on bytes"
        raise LimitExceededError(msg)
