"""The page of `facewitness robustness`: one panel per perturbation, a table under it, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facewitness.reports.curves import HEIGHT, WIDTH, Curve, across, band, curve
from facewitness.reports.html import write_plain_page


@dataclass(frozen=True)
class _Panel:
    """One perturbation, clean frames first."""

    name: str
    summary: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    auc: Curve
    interval: str
    flips: Curve
    lost: Curve
    places: tuple[float, ...]


def write_robustness_page(document: Mapping[str, Any], path: Path) -> None:
    """Write the page of a document, the JSON of `facewitness robustness`.

    Args:
        document: With ``conditions``, ``summaries``, ``protocol`` and the means; NaN as None.
        path: Where the page goes; replaced when it exists.

    Raises:
        ConfigError: If the file cannot be written.
    """
    clean = next(row for row in document["conditions"] if not row["level"])
    panels = [_panel(summary, clean, document["conditions"]) for summary in document["summaries"]]
    write_plain_page(
        path,
        "robustness.html",
        document=document,
        clean=clean,
        panels=panels,
        width=WIDTH,
        height=HEIGHT,
    )


def _panel(summary: Mapping[str, Any], clean: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> _Panel:
    shown = [clean, *(row for row in rows if row["name"] == summary["name"])]
    return _Panel(
        name=summary["name"],
        summary=summary,
        rows=shown,
        auc=curve([row["auc"] for row in shown]),
        interval=band([row["auc_low"] for row in shown], [row["auc_high"] for row in shown]),
        flips=curve([row["flip_rate"] for row in shown]),
        lost=curve([row["faces_lost"] for row in shown]),
        places=across(len(shown)),
    )
