"""Which files the paths on a command line mean."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

MEDIA_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".bmp", ".tif", ".tiff", ".gif"}
    | {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv"}
    | {".3gp", ".ogv", ".mxf"}
)
"""Files of these names in a folder are analysed even when their content is broken, so that none is lost silently."""


def expand(paths: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Turn files, folders and globs into files, each once, in a stable order.

    In folders (recursive, hidden entries left out) a file counts when its name or its content says picture
    or video; a file named directly always counts, so that it gets its verdict or the reason for none.

    Args:
        paths: As on the command line.

    Returns:
        The files, and the patterns and folders that gave none.
    """
    found: dict[Path, None] = {}
    fruitless: list[str] = []
    for text in paths:
        files = list(_files_of(text))
        if not files:
            fruitless.append(text)
        found.update(dict.fromkeys(files))
    return list(found), fruitless


def _files_of(text: str) -> Iterator[Path]:
    path = Path(text)
    if path.is_dir():
        yield from _files_in(path)
    elif glob.has_magic(text) and not path.exists():
        # pathlib's glob takes no absolute patterns
        matches = (Path(name) for name in sorted(glob.glob(text, recursive=True)))  # noqa: PTH207
        yield from (match for match in matches if not match.is_dir())
    else:
        yield path


def _files_in(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and _is_media(path):
                yield path


def _is_media(path: Path) -> bool:
    from facewitness.media.kind import sniff

    return path.suffix.lower() in MEDIA_SUFFIXES or sniff(path) in ("image", "video")
