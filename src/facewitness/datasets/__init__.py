"""Data sets by name; each module lists a set's records and says on which terms it is to be had."""

from __future__ import annotations

from typing import Final

from facewitness.registry import Entry, Registry

DATASETS = Registry("data set")
"""Name to ``index(root, split, **options) -> list[Record]``; the module also has ``INFO`` and ``make_demo``."""

_MODULES: Final[dict[str, str]] = {
    "folder": "Any folder with real/ and fake/ in it.",
}
for _name, _summary in _MODULES.items():
    DATASETS.add(_name, Entry(f"facewitness.datasets.{_name}:index", _summary))
