"""The error tree, the registry and the configuration loader."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

import pytest

from facewitness import errors
from facewitness.config import from_mapping, load_toml
from facewitness.errors import ConfigError, FacewitnessError, MissingExtraError, UnknownNameError
from facewitness.registry import Entry, Registry


def test_every_error_has_the_one_base_and_stands_in_the_drawn_tree():
    found = {n: c for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)}
    assert len(found) > 5
    assert all(issubclass(c, FacewitnessError) for c in found.values())
    assert set(re.findall(r"[*-] (\w+)", errors.__doc__)) == set(found)


def test_errors_are_also_the_builtin_ones():
    assert issubclass(errors.MediaError, ValueError)
    assert issubclass(errors.LimitExceededError, errors.MediaError)
    assert issubclass(MissingExtraError, ImportError)
    assert str(UnknownNameError("no such thing")) == "no such thing"  # a plain KeyError would print quotes


def make_registry():
    registry = Registry("detector")
    registry.add("path_join", Entry("posixpath:join", "Joins."))
    registry.add("needs_more", Entry("json:loads", "Never loads.", extra="more", requires=("no_such_module_xyz",)))
    return registry


def test_registry_loads_late_and_lists_sorted():
    registry = make_registry()
    assert registry.load("path_join")("a", "b") == "a/b"
    assert registry.names() == ["needs_more", "path_join"]
    assert [name for name, _ in registry] == registry.names()


def test_registry_suggests_and_refuses():
    registry = make_registry()
    with pytest.raises(UnknownNameError, match=r"Did you mean 'path_join'\? Known: needs_more, path_join"):
        registry.load("pathjoin")
    with pytest.raises(ValueError, match="already registered by posixpath:join"):
        registry.add("path_join", Entry("x:y", ""))
    with pytest.raises(MissingExtraError, match=r"pip install 'facewitness\[more\]'"):
        registry.load("needs_more")
    assert registry.entry("needs_more").missing() == ("no_such_module_xyz",)


@dataclass(frozen=True)
class Inner:
    side: int = 3


@dataclass(frozen=True)
class Outer:
    rate: float = 0.5
    sides: tuple[int, ...] = ()
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.rate < 0:
            msg = f"rate must be positive, got {self.rate}"
            raise ValueError(msg)


def test_config_fills_nested_tables(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("rate = 0.25\nsides = [1, 2]\n[inner]\nside = 9\n")
    assert load_toml(Outer, file) == Outer(0.25, (1, 2), Inner(9))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rat": 1}, "unknown key 'rat'. Did you mean 'rate'"),
        ({"inner": {"sid": 1}}, r"config\.inner: unknown key 'sid'"),
        ({"rate": -1.0}, "rate must be positive, got -1"),
    ],
)
def test_config_refuses(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, values)


@pytest.mark.parametrize("content", [None, b"rate = = 1", b"\xff\xfe"], ids=["missing", "not toml", "not text"])
def test_config_names_the_broken_file(tmp_path, content):
    file = tmp_path / "recipe.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read config .*recipe\.toml"):
        load_toml(Outer, file)
