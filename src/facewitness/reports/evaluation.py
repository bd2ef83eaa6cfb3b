"""The page of `facewitness evaluate`: numbers, drawings, tables and protocol, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facewitness.reports.charts import SIDE, histogram, place, polyline, reliability_dots
from facewitness.reports.html import write_plain_page


def write_evaluation_page(document: Mapping[str, Any], path: Path) -> None:
    """Write the page of a document, the JSON of `facewitness evaluate`.

    Args:
        document: As ``results.json`` holds it.
        path: Where the page goes; replaced when it exists.

    Raises:
        ConfigError: If the file cannot be written.
    """
    curves, result = document["curves"], document["result"]
    drawn = histogram(curves["histogram"]["edges"], curves["histogram"]["real"], curves["histogram"]["fake"])
    at = (document["threshold"] - drawn.low) / (drawn.high - drawn.low)
    groups = (
        ("Data set", [{"name": name, **row} for name, row in result["datasets"].items()]),
        ("Manipulation", result["by_manipulation"]),
        ("Generator", result["by_generator"]),
        ("Compression", document["by_compression"]),
    )
    write_plain_page(
        path,
        "evaluation.html",
        document=document,
        levels=[document["result"][name] for name in _leading_first(document)],
        groups=[(title, rows) for title, rows in groups if len(rows) > 1],
        roc=polyline(curves["roc"]),
        pr=polyline(curves["pr"]),
        prevalence=document["n_fake"] / (document["n_fake"] + document["n_real"]),
        chosen=place(document["fpr_on_real"], document["tpr"]),
        dots=reliability_dots(curves["reliability"]),
        histogram=drawn,
        threshold_at=round(SIDE * at, 2) if 0 <= at <= 1 else None,
        side=SIDE,
    )


def _leading_first(document: Mapping[str, Any]) -> list[str]:
    leading = document["protocol"]["level"]
    return sorted(("video", "frame"), key=lambda level: level != leading)
