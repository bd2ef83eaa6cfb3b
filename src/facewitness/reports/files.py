"""Files that are either wholly written or not touched."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from facewitness.errors import ConfigError


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 so that a reader sees the old file or the new one, never a part.

    Lone surrogates, as undecodable file names hold, become ``?``.

    Raises:
        ConfigError: If the folder is missing or cannot be written to.
    """
    temporary = path.with_name(f".{path.name[:40]}.{uuid4().hex}.part")
    try:
        with temporary.open("xb") as file:
            file.write(text.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; give a file in a folder that exists and is writable"
        raise ConfigError(msg) from error
    finally:
        temporary.unlink(missing_ok=True)
