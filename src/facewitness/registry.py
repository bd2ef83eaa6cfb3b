"""Names to things, with the import left for later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from facewitness.errors import MissingExtraError, UnknownNameError


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among ``known``: says which is close and which exist."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownNameError(f"no {kind} is called {name!r}.{hint} Known: {', '.join(names)}")


@dataclass(frozen=True)
class Entry:
    """One registered name.

    Attributes:
        target: ``"package.module:attribute"``; imported by `Registry.load` only.
        summary: One line for ``facewitness list``.
        paper: Where the method was published.
        extra: Name of the install extra it needs; empty for the core install.
        requires: Top-level modules that must be importable.
    """

    target: str
    summary: str
    paper: str = ""
    extra: str = ""
    requires: tuple[str, ...] = ()

    def missing(self) -> tuple[str, ...]:
        """Modules of ``requires`` that are not installed (nothing is imported)."""
        return tuple(name for name in self.requires if find_spec(name) is None)


@dataclass
class Registry:
    """A table of names that fails loudly.

    Args:
        kind: What the entries are, used in messages (``"detector"``).
    """

    kind: str
    _entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, name: str, entry: Entry) -> None:
        """Register ``entry``.

        Raises:
            ValueError: If ``name`` is taken; entries are never replaced silently.
        """
        if name in self._entries:
            msg = f"{self.kind} {name!r} is already registered by {self._entries[name].target}"
            raise ValueError(msg)
        self._entries[name] = entry

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return sorted(self._entries)

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        return iter(sorted(self._entries.items()))

    def entry(self, name: str) -> Entry:
        """The entry of ``name``; nothing is imported.

        Raises:
            UnknownNameError: If no entry has that name; says which are close and which exist.
        """
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def load(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Raises:
            UnknownNameError: If no entry has that name.
            MissingExtraError: If packages that it needs are not installed.
        """
        entry = self.entry(name)
        missing = entry.missing()
        if missing:
            msg = (
                f"{self.kind} {name!r} needs {', '.join(missing)}, not installed: "
                f"pip install 'facewitness[{entry.extra}]'"
            )
            raise MissingExtraError(msg)
        module, _, attribute = entry.target.partition(":")
        return getattr(import_module(module), attribute)
