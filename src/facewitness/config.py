"""Frozen dataclasses filled from TOML; an unknown key is an error with a suggestion."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

from facewitness.errors import ConfigError

T = TypeVar("T")

_KINDS: Final[Mapping[Any, tuple[tuple[type, ...], str]]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
}


def from_mapping(kind: type[T], values: Mapping[str, Any], *, where: str = "config") -> T:
    """Build ``kind`` from ``values``; nested dataclasses take nested tables, lists become tuples.

    Raises:
        ConfigError: On an unknown key (with the nearest known one), a value of another kind than the field's (a text
            for a number, NaN), or one that ``kind`` refuses.
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
            _check_kind(inner, value, f"{where}: {key}")
            arguments[key] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def _check_kind(hint: Any, value: Any, where: str) -> None:
    """Whether a value is of a plain field's kind; a whole number also serves as a float."""
    if hint not in _KINDS:
        return
    kinds, words = _KINDS[hint]
    if not isinstance(value, kinds) or (isinstance(value, bool) and hint is not bool) or value != value:  # noqa: PLR0124
        msg = f"{where} must be {words}, got {value!r}"
        raise ConfigError(msg)


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


def named_table(name: str, folder: Path, known: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The values of a recipe by name or by file.

    Args:
        name: One of ``known``, or a path that ends in ``.toml``.
        folder: Where the named ones lie, as ``NAME.toml``.
        known: Their names.

    Returns:
        The table, and the file's name for messages.

    Raises:
        ConfigError: If there is no such recipe or it cannot be read.
    """
    path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
    if not name.endswith(".toml") and name not in known:
        msg = f"the recipe must be one of {', '.join(known)} or a .toml file, got {name!r}"
        raise ConfigError(msg)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), path.name
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"cannot read recipe {path}: {error}"
        raise ConfigError(msg) from error


def table_with(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Nested values, some of them overridden; the given ones stay as they are.

    Args:
        values: The table.
        overrides: ``key=value`` each, nested keys with dots (``losses.heatmap_weight=10``), values as in TOML; what
            is not TOML is a text.

    Raises:
        ConfigError: If an override is not of that form or asks for a table where a value is.

    Example:
        >>> table_with({"a": {"b": 1}}, ["a.b=2", "c=x"])
        {'a': {'b': 2}, 'c': 'x'}
    """
    merged = _copy(values)
    for text in overrides:
        key, mark, value = text.partition("=")
        if not mark or not key.strip():
            msg = f"an override must be key=value, such as losses.heatmap_weight=10, got {text!r}"
            raise ConfigError(msg)
        *tables, last = key.strip().split(".")
        place = merged
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                msg = f"{key}: {table} is a value, not a table"
                raise ConfigError(msg)
        place[last] = _toml_value(value.strip())
    return merged


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
