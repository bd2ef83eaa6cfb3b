"""Data named on a command line: ``NAME:ROOT[:SPLIT][?option=value&...]``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from facewitness.datasets import DATASETS
from facewitness.datasets.listing import Listing, listing_of
from facewitness.datasets.records import SPLITS, Record
from facewitness.errors import ConfigError


@dataclass(frozen=True)
class DataSpec:
    """A data set, where it lies, and which part of it.

    Attributes:
        name: Registered name (``facewitness data list``).
        root: Folder, or file for sets that are a file.
        split: ``train``, ``val``, ``test``; None takes all.
        options: Further arguments of the set's ``index``, such as ``compression``.
    """

    name: str
    root: Path
    split: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> DataSpec:
        """Read ``NAME:ROOT[:SPLIT][?option=value&...]``.

        Raises:
            ConfigError: If the text has another form, or an option no value or two.
            UnknownNameError: If no data set has that name.

        Example:
            >>> DataSpec.parse("folder:photos:test").split
            'test'
        """
        name, colon, rest = text.partition(":")
        place, _, query = rest.partition("?")
        head, _, tail = place.rpartition(":")
        root, split = (head, tail) if head and tail in (*SPLITS, "all") else (place, "all")
        if not colon or not root:
            msg = f"expected data as NAME:ROOT[:SPLIT][?option=value], such as ffpp:data/FF++:test, got {text!r}"
            raise ConfigError(msg)
        DATASETS.entry(name)
        return cls(name, Path(root), None if split == "all" else split, _options(query, text))

    def index(self) -> list[Record]:
        """The records, as the set's own ``index`` lists them.

        Raises:
            ConfigError: If the set takes no such option, or the folder does not have the set's layout.
        """
        return list(self.listing().records)

    def listing(self) -> Listing:
        """The records, and what the set's lists name and the folder lacks.

        Raises:
            ConfigError: If the set takes no such option, or the folder does not have the set's layout.
        """
        index = DATASETS.load(self.name)
        known = [name for name in inspect.signature(index).parameters if name not in ("root", "split")]
        unknown = sorted(set(self.options) - set(known))
        if unknown:
            msg = f"data set {self.name!r} has no option {unknown[0]!r}; it has {known or 'none'}"
            raise ConfigError(msg)
        if not self.root.exists():
            msg = f"{self.root} does not exist; give the folder that holds {self.name}"
            raise ConfigError(msg)
        return listing_of(self.name)(self.root, self.split, **self.options)

    def __str__(self) -> str:
        options = "&".join(f"{key}={value}" for key, value in self.options.items())
        split = f":{self.split}" if self.split else ""
        return f"{self.name}:{self.root}{split}" + (f"?{options}" if options else "")


def _options(query: str, text: str) -> dict[str, str]:
    """``option=value&...``; ``%`` escapes are read, a ``+`` stays one, as file names hold it."""
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not key or not equals:
            msg = f"expected options as option=value, parted by &, got {part!r} in {text!r}"
            raise ConfigError(msg)
        if key in options:
            msg = f"option {key!r} is given twice in {text!r}"
            raise ConfigError(msg)
        options[key] = unquote(value)
    return options
