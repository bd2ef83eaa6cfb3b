"""``facewitness data``: which sets there are, what they are, and whether a copy on disk is sound."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from facewitness.datasets.spec import DataSpec
    from facewitness.datasets.validate import Fault

APP = typer.Typer(no_args_is_help=True)
"""The group of verbs."""

_SHOWN_PER_KIND = 20

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@APP.callback()
def data() -> None:
    """List data sets, explain them, check copies of them, and list their records.

    Data are named NAME:ROOT[:SPLIT][?option=value&...], such as ffpp:data/FF++:test?compression=c23.

    Example: facewitness data check ffpp:data/FF++
    """


@APP.command("list")
def list_sets(as_json: AsJson = False) -> None:
    """List the data sets that can be read.

    Example: facewitness data list
    """
    from facewitness.datasets import DATASETS

    rows = [{"name": name, "summary": entry.summary} for name, entry in DATASETS]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        typer.echo(f"{row['name']:<{width}}  {row['summary']}")


@APP.command()
def show(
    name: Annotated[str, typer.Argument(help="Data set, as facewitness data list names it.")],
    as_json: AsJson = False,
) -> None:
    """Show licence, citation, folder tree, options and quirks of a data set.

    Example: facewitness data show ffpp
    """
    import inspect
    import textwrap
    from importlib import import_module

    from facewitness.datasets import DATASETS

    index = DATASETS.load(name)
    info = import_module(DATASETS.entry(name).target.partition(":")[0]).INFO
    parameters = inspect.signature(index).parameters.values()
    options = {p.name: str(p.default) for p in parameters if p.name not in ("root", "split")}
    if as_json:
        typer.echo(json.dumps({"name": name, **asdict(info), "options": options}, indent=2))
        return
    given = ", ".join(f"{key}={value or '(all)'}" for key, value in options.items())
    values = {field.name: getattr(info, field.name) for field in fields(info)}
    values |= {"splits": ", ".join(info.splits) or "no official ones", "options": given or "none"}
    for key in ("title", "paper", "licence", "apply_at", "tree", "splits", "options", "notes"):
        lines = str(values[key]).split("\n") if key == "tree" else textwrap.wrap(str(values[key]), 96)
        for i, line in enumerate(lines):
            typer.echo(f"{key.replace('_', ' ') if i == 0 else '':<10}{line}")


@APP.command()
def index(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="NAME:ROOT[:SPLIT][?option=value], or a root.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every record as one line of JSON.")] = False,
) -> None:
    """List the records of data sets, or how many there are of what.

    What the set's list names and the folder lacks is said on standard error.

    Example: facewitness data index celeb_df_v2:data/Celeb-DF-v2:test --json
    """
    from facewitness.cli.report_text import printable
    from facewitness.wording import missing_words

    for spec in _specs(specs):
        listing = spec.listing()
        records = listing.records
        if listing.missing:
            whole_folders_first = sorted(listing.missing, key=lambda path: not path.endswith("/"))
            said = missing_words(spec, whole_folders_first, len(listing.missing))
            typer.echo(f"facewitness: {printable(said)}", err=True)
        if as_json:
            for record in records:
                typer.echo(json.dumps(record.to_dict(), ensure_ascii=False))
            continue
        typer.echo(f"{spec}: {len(records)} records")
        counts = Counter((r.split or "no split", r.label.name.lower(), r.manipulation, r.compression) for r in records)
        for key, count in sorted(counts.items()):
            typer.echo(f"  {count:>7}  {' '.join(part for part in key if part)}")


@APP.command()
def check(
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="NAME:ROOT[:SPLIT][?option=value], or a root.")],
    as_json: AsJson = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="A kind of finding to leave out, such as shared_identity; repeatable."),
    ] = None,
) -> None:
    """Name what is missing, duplicated, mislabelled, unreadable, or shared between splits.

    Several specs are checked against each other. Exit code 0 when nothing was found, 1 otherwise.

    Example: facewitness data check ffpp:data/FF++ --json
    """
    from facewitness.datasets.validate import FAULT_KINDS
    from facewitness.errors import ConfigError

    left_out = set(ignore or ())
    if not left_out <= set(FAULT_KINDS):
        msg = f"--ignore takes {', '.join(FAULT_KINDS)}, got {', '.join(sorted(left_out - set(FAULT_KINDS)))}"
        raise ConfigError(msg)
    sets, faults = _checked(_specs(specs))
    faults = [fault for fault in faults if fault.kind not in left_out]
    if as_json:
        found = [{**asdict(fault), "paths": list(fault.paths)} for fault in faults]
        typer.echo(json.dumps({"ok": not faults, "sets": sets, "findings": found}, indent=2, ensure_ascii=False))
    else:
        _print(sets, faults)
    raise typer.Exit(1 if faults else 0)


def _specs(texts: list[str]) -> list[DataSpec]:
    """The specs; says on standard error as what a plain root was taken."""
    from facewitness.datasets.validate import spec_of

    found = []
    for text in texts:
        spec = spec_of(text)
        if not text.startswith(f"{spec.name}:"):
            typer.echo(f"{text}: taken as {spec}", err=True)
        found.append(spec)
    return found


def _checked(specs: list[DataSpec]) -> tuple[list[dict[str, Any]], list[Fault]]:
    """What each spec holds, and what is wrong."""
    from facewitness.cli.progress import FileProgress
    from facewitness.datasets.validate import Item, check, missing_of

    sets: list[dict[str, Any]] = []
    items: list[Item] = []
    faults: list[Fault] = []
    for spec in specs:
        listing = spec.listing()
        items += [Item(spec.root, record) for record in listing.records]
        faults += missing_of(spec.root, listing.missing)
        labels = Counter(record.label.name.lower() for record in listing.records)
        splits = Counter(record.split for record in listing.records if record.split)
        counts = {"records": len(listing.records), "real": labels["real"], "fake": labels["fake"]}
        sets.append({"spec": str(spec), **counts, "splits": dict(splits), "missing": len(listing.missing)})
    with FileProgress(len(items)) as progress:

        def on_item(path: Path) -> None:
            progress.start(path)
            progress.advance()

        faults += check(items, on_item)
    return sets, faults


def _print(sets: list[dict[str, Any]], faults: list[Fault]) -> None:
    from facewitness.cli.report_text import printable

    for row in sets:
        parts = ", ".join(f"{name} {count}" for name, count in row["splits"].items())
        typer.echo(
            printable(f"{row['spec']}: {row['records']} records, {row['real']} real, {row['fake']} fake; {parts}")
        )
    seen: Counter[str] = Counter()
    for fault in faults:
        seen[fault.kind] += 1
        if seen[fault.kind] <= _SHOWN_PER_KIND:
            typer.echo(printable(f"{fault.kind}: {', '.join(fault.paths)}: {fault.detail}"))
    for kind, count in seen.items():
        if count > _SHOWN_PER_KIND:
            typer.echo(f"{kind}: {count - _SHOWN_PER_KIND} more; --json names all")
    typer.echo(f"{len(faults)} findings" if faults else "nothing wrong was found")
