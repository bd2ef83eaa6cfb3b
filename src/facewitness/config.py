"""Frozen dataclasses filled from TOML; an unknown key is an error with a suggestion."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from facewitness.errors import ConfigError

T = TypeVar("T")


def from_mapping(kind: type[T], values: Mapping[str, Any], *, where: str = "config") -> T:
    """Build ``kind`` from ``values``; nested dataclasses take nested tables, lists become tuples.

    Raises:
        ConfigError: On an unknown key (with the nearest known one) or a value that ``kind`` refuses.
    """
    if not isinstance(values, Mapping):
        msg = f"{where}: expected a table, got {values!r}"
        raise ConfigError(msg)
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            msg = f"{where}: unknown key {key!r}.{hint} Known: {', '.join(sorted(known))}"
            raise ConfigError(msg)
        inner = hints[key]
        if is_dataclass(inner) and isinstance(value, Mapping):
            arguments[key] = from_mapping(inner, value, where=f"{where}.{key}")  # type: ignore[arg-type]
        else:
            arguments[key] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def load_toml(kind: type[T], path: Path) -> T:
    """Read a TOML file into ``kind``.

    Raises:
        ConfigError: If the file is missing, is not TOML, or does not fit ``kind``.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"cannot read config {path}: {error}"
        raise ConfigError(msg) from error
    return from_mapping(kind, values, where=str(path.name))
