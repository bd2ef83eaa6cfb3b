"""A plain folder: ``real/`` and ``fake/`` with pictures, videos, or one folder of frames per video.

Citation and licence: those of the user's own data.
"""

from __future__ import annotations

from pathlib import Path

from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="folder",
    paper="none: the user's own data",
    licence="the user's own",
    apply_at="nowhere; put files in two folders",
    tree="real/**/*.jpg|mp4|...\nfake/**/*.jpg|mp4|...",
    splits=(),
)

_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})


def index(root: Path, split: str | None = None) -> list[Record]:
    """List every picture and video below ``real`` and ``fake``; each counts as one video.

    Args:
        root: Folder with ``real`` and ``fake``.
        split: Must be None; a plain folder has no splits.

    Raises:
        ConfigError: If a split is asked for, or one of the two folders is missing or empty.
    """
    if split is not None:
        msg = f"a plain folder has no splits, got {split!r}; use the manifest data set for that"
        raise ConfigError(msg)
    return [
        record for name, label in (("real", Label.REAL), ("fake", Label.FAKE)) for record in _below(root, name, label)
    ]


def _below(root: Path, name: str, label: Label) -> list[Record]:
    files = sorted(f for f in (root / name).rglob("*") if f.suffix.lower() in _PICTURES | _VIDEOS and f.is_file())
    if not files:
        msg = f"expected pictures or videos in {root / name}, found none"
        raise ConfigError(msg)
    records = []
    for file in files:
        path = file.relative_to(root).as_posix()
        is_picture = file.suffix.lower() in _PICTURES
        records.append(Record(path, path, label, "folder", "image" if is_picture else "video"))
    return records
