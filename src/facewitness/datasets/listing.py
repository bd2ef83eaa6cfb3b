"""What an official list names, what of it is there, and reading of list files with errors that name the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, Final, ParamSpec

from facewitness.datasets import DATASETS
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError

PICTURES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
VIDEOS: Final = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})

_Options = ParamSpec("_Options")


@dataclass(frozen=True)
class Listing:
    """The part of a data set that was asked for.

    Attributes:
        records: What is named and there.
        missing: Paths below the root of what the official list or the layout names and the folder lacks.
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
    missing: list[str] = []
    for record in named:
        if not here.has(record.path):
            missing.append(record.path)
        elif record.mask_path and not here.has(record.mask_path):
            records.append(replace(record, mask_path=""))
        else:
            records.append(record)
    if not records:
        first = f", such as {missing[0]}" if missing else ""
        msg = f"expected {what} below {root}{first}; found none of {len(missing)}"
        raise ConfigError(msg)
    return Listing(tuple(records), tuple(missing))


class _Tree:
    """Whether paths exist, each folder read once: a tree on a network drive answers slowly."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if folder not in self._names:
            self._names[folder] = frozenset(names_in(self._root / folder))
        return name in self._names[folder]


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
    except ValueError as error:
        msg = error if isinstance(error, ConfigError) else f"expected {what} at {path}, which is no JSON: {error}"
        raise ConfigError(str(msg)) from error


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
