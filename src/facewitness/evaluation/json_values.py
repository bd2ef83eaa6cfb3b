"""Numbers as JSON can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, at any depth, with None for NaN and infinity, which JSON does not know; tuples become lists.

    Example:
        >>> plain({"auc": float("nan"), "rows": ({"eer": 0.5},)})
        {'auc': None, 'rows': [{'eer': 0.5}]}
    """
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
