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

    In folders (recursive; hidden entries and links to other folders left out) a file counts when its name or its
    content says picture or video; a file named directly always counts, so that it gets its verdict or the reason
    for none.

    Args:
        paths: As on the command line.

    Returns:
        The files, and a complaint for each pattern or folder that gave none and each folder that cannot be read.
    """
    found: dict[Path, None] = {}
    complaints: list[str] = []
    for text in paths:
        before = len(complaints)
        files = list(_files_of(text, complaints))
        if not files and len(complaints) == before:
            complaints.append(f"{text or repr(text)}: no picture or video there")
        found.update(dict.fromkeys(files))
    return list(found), complaints


def _files_of(text: str, complaints: list[str]) -> Iterator[Path]:
    path = Path(text)
    if not text:  # an unset variable of a script, which Path takes for the current folder
        return
    # os.path answers False where Path raises: names too long, folders that may not be entered
    if os.path.isdir(text):  # noqa: PTH112
        yield from _files_in(path, complaints)
    elif glob.has_magic(text) and not os.path.exists(text):  # noqa: PTH110
        # pathlib's glob takes no absolute patterns
        matches = (Path(name) for name in sorted(glob.glob(text, recursive=True)))  # noqa: PTH207
        yield from (match for match in matches if not match.is_dir())
    else:
        yield path


def _files_in(folder: Path, complaints: list[str]) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        complaints.append(f"{error.filename}: this folder cannot be read ({error.strerror})")

    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place) / name
            if not name.startswith(".") and _is_media(path):
                yield path


def _is_media(path: Path) -> bool:
    from facewitness.media.kind import sniff

    return path.suffix.lower() in MEDIA_SUFFIXES or sniff(path) in ("image", "video")
