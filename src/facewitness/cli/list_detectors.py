"""``facewitness list``: which detectors there are, and what each of them lacks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer


def list_detectors(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array instead of text.")] = False,
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
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for row in sorted(rows, key=lambda row: not row["default"]):
        console.print(Text(f"{row['name']} (default)" if row["default"] else row["name"], style="bold"))
        for line in _lines(row):
            console.print(Padding(Text(line), (0, 0, 0, 4)))


def _lines(row: dict[str, Any]) -> list[str]:
    """What is said of one detector, a line per thing."""
    ready = "ready"
    if not row["ready"]:
        ready = f"not ready: pip install 'facewitness[{row['extra']}]' (lacks {', '.join(row['missing'])})"
    elif not row["weights"]:
        ready = "ready, with --weights FILE"
    return [
        ready,
        row["summary"],
        row["paper"],
        *(f"Weights {w['file']}, sha256 {w['sha256'][:12]}... {w['licence']}" for w in row["weights"]),
    ]


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
