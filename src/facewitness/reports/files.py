"""Text files of results: checked before the work, written whole after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from facewitness.errors import ConfigError
from facewitness.whole_files import replacing


def require_writable(path: Path) -> None:
    """Find out before the work whether `write_atomically` could put a file there.

    Raises:
        ConfigError: If the folder is missing or cannot be written to, or ``path`` is a folder, a device or a pipe,
            which a file must not take the place of.
    """
    if path.exists() and not path.is_file():
        msg = f"cannot write {path}: it is no ordinary file; give the path of a file"
        raise ConfigError(msg)
    if not path.parent.is_dir():
        msg = f"cannot write {path}: the folder {path.parent} does not exist; make it first"
        raise ConfigError(msg)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        msg = f"cannot write {path}: the folder {path.parent} is not writable; choose another"
        raise ConfigError(msg)


def write_atomically(path: Path, pieces: Iterable[str]) -> None:
    """Write text as UTF-8 so that a reader sees the old file or the new one, never a part.

    Args:
        path: The file; replaced when it exists.
        pieces: The text, piece by piece, so that it need not fit into memory. Lone surrogates, as
            undecodable file names hold, become ``?``. When making a piece fails, the file stays as it was.

    Raises:
        ConfigError: If the folder is missing or cannot be written to, or ``path`` is no ordinary file.
    """
    require_writable(path)
    try:
        with (
            replacing(path, shared=True) as part,
            part.open("x", encoding="utf-8", errors="replace", newline="\n") as file,
        ):
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; give a file in a folder that exists and is writable"
        raise ConfigError(msg) from error
