"""``facewitness list``: which detectors there are, and what each of them lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer


def list_detectors(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of a table.")] = False,
) -> None:
    """List detectors, their weights, and missing extras.

    Nothing is loaded or downloaded: this reads tables and the records beside the weights.

    Example: facewitness list --json
    """
    rows = _rows()
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("detector", "ready", "weights", "what it is"):
        table.add_column(heading, no_wrap=heading == "detector", overflow="fold")
    for row in rows:
        name = f"{row['name']} (default)" if row["default"] else row["name"]
        missing = ", ".join(row["missing"])
        ready = "yes" if row["ready"] else f"no: pip install 'facewitness\\[{row['extra']}]' (lacks {missing})"
        weights = "\n".join(_weights_line(w) for w in row["weights"]) or "give --weights FILE"
        table.add_row(name, ready, weights, f"{row['summary']}\n[dim]{row['paper']}[/dim]")
    Console().print(table)


def _weights_line(weights: dict[str, Any]) -> str:
    return f"{weights['file']} {weights['sha256'][:12]}\n[dim]{weights['licence']}[/dim]"


def _rows() -> list[dict[str, Any]]:
    """One dictionary of JSON types per registered detector."""
    from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS
    from facewitness.selftest import packaged_weights

    records = [record for record, _ in packaged_weights()]
    return [
        {
            "name": name,
            "default": name == DEFAULT_DETECTOR,
            "ready": not entry.missing(),
            "extra": entry.extra,
            "missing": list(entry.missing()),
            "summary": entry.summary,
            "paper": entry.paper,
            "weights": [asdict(record) for record in records if record.detector == name],
        }
        for name, entry in DETECTORS
    ]
