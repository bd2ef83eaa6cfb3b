"""What an official list names, what of it is there, and reading of list files with errors that name the file."""

from __future__ import annotations

import csv
import json
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, Final, ParamSpec

from facewitness.datasets import DATASETS
from facewitness.datasets.records import MediaKind, Record
from facewitness.errors import ConfigError

PICTURES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VIDEOS: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})

_FORMS: Final = ("videos", "frames", "images")

_Options = ParamSpec("_Options")


@dataclass(frozen=True)
class Listing:
    """The part of a data set that was asked for.

    Attributes:
        records: What is named and there.
        missing: Paths below the root of what the official list or the layout names and the folder lacks; one that
            ends in ``/`` is a folder of which nothing is there.
    """

    records: tuple[Record, ...]
    missing: tuple[str, ...] = ()


def index_of(listing: Callable[_Options, Listing]) -> Callable[_Options, list[Record]]:
    """The ``index`` of a data set from its ``listing``, with the same options.

    Example:
        >>> index_of(lambda root: Listing(()))(Path("."))
        []
    """

    @wraps(listing)
    def index(*args: _Options.args, **kwargs: _Options.kwargs) -> list[Record]:
        return list(listing(*args, **kwargs).records)

    return index


def listing_of(name: str) -> Callable[..., Listing]:
    """``listing(root, split=None, **options) -> Listing`` of a registered set.

    A set without official lists has ``index`` alone; then nothing can be missing.

    Raises:
        UnknownNameError: If no data set has that name.
        MissingExtraError: If packages that it needs are not installed.
    """
    index = DATASETS.load(name)
    module = import_module(DATASETS.entry(name).target.partition(":")[0])
    found = getattr(module, "listing", None)
    if found is not None:
        return found  # type: ignore[no-any-return]

    @wraps(index)
    def listing(*args: Any, **kwargs: Any) -> Listing:
        return Listing(tuple(index(*args, **kwargs)))

    return listing


def sort_out(root: Path, named: Iterable[Record], what: str) -> Listing:
    """Part the named records into those that are there and those that are missing.

    A mask that is not there is taken out of its record: masks are an extra download everywhere.

    Args:
        root: The set's folder.
        named: Every record that the set's lists name; ``path`` is a file or folder.
        what: What was expected, for the message.

    Raises:
        ConfigError: If not one of them is there.
    """
    here = _Tree(root)
    records: list[Record] = []
    missing: dict[str, None] = {}
    count = 0
    for record in named:
        count += 1
        folder = record.path.rpartition("/")[0]
        if here.has(record.path):
            has_mask = not record.mask_path or here.has(record.mask_path)
            records.append(record if has_mask else replace(record, mask_path=""))
        elif here.names(folder):
            missing[record.path] = None
        else:
            missing[f"{folder}/"] = None
    if not records:
        first = f", such as {next(iter(missing))}" if missing else ""
        msg = f"expected {what} below {root}{first}; found none of {count}"
        raise ConfigError(msg)
    return Listing(tuple(records), tuple(missing))


class _Tree:
    """Whether paths exist, each folder read once: a tree on a network drive answers slowly."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, frozenset[str]] = {}
        self._sorted: dict[str, list[str]] = {}

    def names(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            self._sorted[folder] = names_in(self._root / folder)
            self._names[folder] = frozenset(self._sorted[folder])
        return self._names[folder]

    def has(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if not name.endswith("*"):
            return name in self.names(folder)
        start = name[:-1]
        here = self._sorted[folder] if self.names(folder) else []
        place = bisect_left(here, start)
        return place < len(here) and here[place].startswith(start)


@dataclass(frozen=True)
class Place:
    """A folder that holds videos in one form.

    Attributes:
        folder: Below the root.
        kind: ``video`` or ``frames``.
        suffix: What a video's name ends in here: ``.mp4``, or nothing for a folder of frames.
    """

    folder: str
    kind: MediaKind
    suffix: str

    def path(self, stem: str) -> str:
        """Path of a video below the root."""
        return f"{self.folder}/{stem}{self.suffix}"

    def stems(self, root: Path) -> list[str]:
        """Names of the videos that are there, without suffix, sorted."""
        if self.kind == "video":
            return [
                name.removesuffix(self.suffix) for name in files_in(root / self.folder) if name.endswith(self.suffix)
            ]
        return [name for name in names_in(root / self.folder) if (root / self.folder / name).is_dir()]


def place_of(root: Path, folder: str, media: str = "", *, flat: bool = False) -> Place:
    """Where the videos of a folder lie: most sets are passed on as ``videos/*.mp4`` or as one folder of pictures each.

    Args:
        root: The set's root.
        folder: Folder of one class below it.
        media: ``videos``, ``frames``, ``images``, or empty for the first of them that is there.
        flat: Whether the official release has the files in ``folder`` itself.

    Raises:
        ConfigError: If ``media`` is unknown.
    """
    if media not in ("", *_FORMS):
        msg = f"media must be one of {', '.join(_FORMS)}, got {media!r}"
        raise ConfigError(msg)
    forms = (media,) if media else _FORMS
    form = next((form for form in forms if (root / folder / form).is_dir()), "")
    if form in ("frames", "images") or media in ("frames", "images"):
        return Place(f"{folder}/{form or media}", "frames", "")
    return Place(folder if flat and not form else f"{folder}/videos", "video", ".mp4")


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted, hidden ones left out; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_in(folder: Path, suffixes: frozenset[str] = VIDEOS) -> list[str]:
    """Names of files with one of the suffixes in a folder, sorted."""
    return [name for name in names_in(folder) if PurePath(name).suffix.lower() in suffixes]


def frame_files(place: Path) -> list[Path]:
    """Pictures of one video, in the order of the words and numbers in their names: ``2.png`` before ``10.png``.

    Args:
        place: A folder, or ``FOLDER/start*`` where the pictures of several videos share one. Where no name ends as
            pictures do, names without ending count, as VidTIMIT's.

    Returns:
        The files; none if there is no such folder.
    """
    folder, start = (place.parent, place.name[:-1]) if place.name.endswith("*") else (place, "")
    names = [name for name in names_in(folder) if name.startswith(start)]
    pictures = [name for name in names if PurePath(name).suffix.lower() in PICTURES]
    found = pictures or [name for name in names if "." not in name and (folder / name).is_file()]
    return [folder / name for name in sorted(found, key=_natural)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", PurePath(name).stem)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def read_text(path: Path, what: str) -> str:
    """Text of a list file.

    Raises:
        ConfigError: If it cannot be read; names the file and what it should be.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"expected {what} at {path}: {error}"
        raise ConfigError(msg) from error


def read_json(path: Path, what: str) -> Any:
    """Value of a JSON file.

    Raises:
        ConfigError: If it cannot be read or is no JSON; names the file and what it should be.
    """
    try:
        return json.loads(read_text(path, what))
    except (ValueError, RecursionError) as error:  # nested too deep
        msg = error if isinstance(error, ConfigError) else f"expected {what} at {path}, which is no JSON: {error}"
        raise ConfigError(str(msg)) from error


def read_csv(path: Path, what: str) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a CSV file with a heading; cells beyond the heading are dropped.

    Raises:
        ConfigError: If it cannot be read or is no CSV; names the file and what it should be.
    """
    try:
        reader = csv.DictReader(read_text(path, what).splitlines(keepends=True))
        rows = [{k: v or "" for k, v in row.items() if isinstance(k, str)} for row in reader]
    except csv.Error as error:
        msg = f"expected {what} at {path}, which is no CSV: {error}"
        raise ConfigError(msg) from error
    return list(reader.fieldnames or ()), rows


def wanted(split: str | None, splits: Sequence[str], title: str) -> tuple[str, ...]:
    """The splits to list: the one asked for, or all that the set has.

    Raises:
        ConfigError: If the set has no such split.

    Example:
        >>> wanted(None, ("train", "test"), "Celeb-DF-v2")
        ('train', 'test')
    """
    if split is None:
        return tuple(splits)
    if split not in splits:
        msg = f"{title} has the splits {', '.join(splits) or 'none'}, got {split!r}"
        raise ConfigError(msg)
    return (split,)


def chosen(text: str, known: Sequence[str], what: str) -> tuple[str, ...]:
    """Names of an option that takes several, parted by commas; empty or ``all`` takes all.

    Raises:
        ConfigError: If a name is unknown.

    Example:
        >>> chosen("c23,c40", ("raw", "c23", "c40"), "compression")
        ('c23', 'c40')
    """
    names = tuple(name for name in text.split(",") if name)
    if names in ((), ("all",)):
        return tuple(known)
    for name in names:
        if name not in known:
            msg = f"{what} must be among {', '.join(known)}, parted by commas, got {name!r}"
            raise ConfigError(msg)
    return names
