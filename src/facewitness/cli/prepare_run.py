"""What ``facewitness prepare`` does: the data named, the settings put together, the summary shown."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from facewitness.cli.progress import FileProgress
from facewitness.cli.report_text import printable
from facewitness.config import from_mapping
from facewitness.datasets.prepare.laa_json import laa_items, laa_json_name, write_laa_json
from facewitness.datasets.prepare.runner import WITHOUT_FACES, Summary, prepare
from facewitness.datasets.prepare.settings import PRESETS, PrepareSettings, chosen_settings
from facewitness.datasets.prepared import open_prepared
from facewitness.datasets.records import SPLITS
from facewitness.datasets.spec import DataSpec
from facewitness.errors import ConfigError
from facewitness.wording import missing_words

_SHOWN = 10


@dataclass(frozen=True)
class PrepareRequest:
    """The command line, unchecked."""

    data: str
    root: Path | None
    out: Path
    steps: tuple[str, ...] | None
    preset: str
    changes: Mapping[str, Any]
    settings_file: Path | None
    split: str | None
    options: tuple[str, ...]
    workers: int
    with_laa_json: bool
    as_json: bool


def run(request: PrepareRequest) -> None:
    """Prepare, and say what came of it.

    Raises:
        ConfigError: If the command line does not fit together, or nothing could be made of any file.
    """
    spec = _spec(request)
    settings = _settings(request)
    steps = request.steps or PRESETS[request.preset][2]
    listing = spec.listing()
    records = listing.records
    try:
        with FileProgress(len(records)) as progress:

            def count(record: Any) -> None:
                progress.start(Path(record.path))
                progress.advance()

            summary = prepare(
                records,
                spec.root,
                request.out,
                settings,
                steps,
                split=spec.split,
                missing=listing.missing,
                workers=request.workers,
                on_video=count,
            )
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; the same command goes on where it was ({request.out})\n")
        raise
    if listing.missing:
        sys.stderr.write(f"facewitness: {printable(missing_words(spec, listing.missing, len(listing.missing)))}\n")
    written = _write_laa_json(request.out) if request.with_laa_json else []
    if request.as_json:
        sys.stdout.write(
            json.dumps(
                {"out": str(request.out), **asdict(summary), "missing": len(listing.missing), "laa_json": written}
            )
            + "\n"
        )
    else:
        _show(summary, request.out, written)
    if summary.videos and len(summary.problems) == summary.videos:
        msg = f"nothing could be made of any of {summary.videos} files; the first: {summary.problems[0][1]}"
        raise ConfigError(msg)


def _spec(request: PrepareRequest) -> DataSpec:
    """The data, from ``NAME ROOT`` with options or from ``NAME:ROOT:SPLIT``."""
    if request.root is None:
        spec = DataSpec.parse(request.data)
    else:
        DataSpec.parse(f"{request.data}:.")  # refuses a name that does not exist
        spec = DataSpec(request.data, request.root)
    pairs = [option.partition("=") for option in request.options]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        msg = f"--option must be NAME=VALUE, got {wrong[0]!r}"
        raise ConfigError(msg)
    if request.split not in (None, "all", *SPLITS):
        msg = f"--split must be one of {', '.join(SPLITS)} or all, got {request.split!r}"
        raise ConfigError(msg)
    split = spec.split if request.split is None else None if request.split == "all" else request.split
    return DataSpec(spec.name, spec.root, split, {**spec.options, **{name: value for name, _, value in pairs}})


def _settings(request: PrepareRequest) -> PrepareSettings:
    preset = chosen_settings(request.preset)
    if request.settings_file is None:
        return chosen_settings(request.preset, **request.changes)
    try:
        values = tomllib.loads(request.settings_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"cannot read --settings {request.settings_file}: {error}"
        raise ConfigError(msg) from error
    return from_mapping(PrepareSettings, {**asdict(preset), **values, **request.changes})


def _write_laa_json(out: Path) -> list[str]:
    """A JSON per compression and split, under both of the authors' names."""
    prepared = open_prepared(out, needs=("crops", "landmarks"))
    landmarks, written = int(prepared.settings["landmarks"]), []
    for compression, split in sorted({(v.record.compression, v.record.split) for v in prepared.videos}):
        items = laa_items(prepared, split=split, compression=compression)
        kinds = sorted({item.fake_type for item in items}, key=lambda kind: (kind == "original", kind))
        folder = out / "processed_data" / ("c0" if compression in ("", "raw") else compression.replace("/", "_"))
        for convention in ("script", "readme"):
            name = laa_json_name(
                split or "all",
                dataset=prepared.dataset,
                fake_type=kinds[0] if kinds else "original",
                landmarks=landmarks,
                convention=convention,
            )
            path = folder / name.replace("/", "_")
            write_laa_json(path, items)
            written.append(path.relative_to(out).as_posix())
    return written


def _show(summary: Summary, out: Path, laa_json: list[str]) -> None:
    console = Console(file=sys.stdout, highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("prepared", str(out))
    table.add_row("fingerprint", summary.fingerprint)
    table.add_row("steps", ", ".join(summary.steps))
    table.add_row("videos and pictures", f"{summary.videos} ({summary.reused} of them by an earlier run)")
    table.add_row("frames with a face", str(summary.frames))
    table.add_row("frames without", f"{summary.frames_without_face} ({WITHOUT_FACES})")
    table.add_row("without any face", str(summary.videos_without_face))
    table.add_row("not usable", str(len(summary.problems)))
    for name in laa_json:
        table.add_row("LAA-Net's JSON", name)
    console.print(table)
    for title, entries in (("not usable", summary.problems), ("odd", summary.notes)):
        alike: dict[str, list[str]] = {}
        for path, text in entries:
            alike.setdefault(text, []).append(path)
        for text, paths in list(alike.items())[:_SHOWN]:
            more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
            console.print(f"{title}: {printable(paths[0])}{more}: {printable(text)}", markup=False, soft_wrap=True)
        if len(alike) > _SHOWN:
            console.print(f"{title}: {len(alike) - _SHOWN} further kinds, in index.jsonl")
