"""The page of `facewitness compare`: the difference with its interval, and who is right where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facewitness.reports.html import write_plain_page

WIDTH = 600
"""Width of the drawing of the difference in units of its view box."""


def write_comparison_page(document: Mapping[str, Any], path: Path) -> None:
    """Write the page of a document, the JSON of `facewitness compare`.

    Args:
        document: As ``comparison.json`` holds it.
        path: Where the page goes; replaced when it exists.

    Raises:
        ConfigError: If the file cannot be written.
    """
    gap = document["auc"]["difference"]
    reach = gap_reach(gap["low"], gap["high"])
    write_plain_page(
        path,
        "comparison.html",
        document=document,
        gap=gap,
        reach=reach,
        at={name: round(WIDTH / 2 * (1 + gap[name] / reach), 1) for name in ("low", "value", "high")},
        width=WIDTH,
    )


def gap_reach(low: float, high: float) -> float:
    """Half the width of a scale around 0 that holds an interval, rounded up to 0.05, 0.1, 0.25, 0.5 or 1.

    Example:
        >>> gap_reach(-0.02, 0.07), gap_reach(-0.6, 0.1)
        (0.1, 1.0)
    """
    most = max(abs(low), abs(high))
    return next((reach for reach in (0.05, 0.1, 0.25, 0.5) if most <= reach), 1.0)
