"""Running `facewitness compare`: two tables of scores from wherever they come, the comparison, table, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from facewitness.cli.evaluation_run import (
    RESULTS_FILE,
    EvaluationRequest,
    evaluate_request,
    write_results,
)
from facewitness.cli.report_text import printable
from facewitness.cli.tables import number, results_console, results_table, say
from facewitness.detectors import DETECTORS
from facewitness.errors import ConfigError
from facewitness.evaluation.comparison import Comparison, compare
from facewitness.evaluation.levels import EvaluationProtocol
from facewitness.evaluation.score_table import ScoreTable
from facewitness.reports.comparison import write_comparison_page
from facewitness.reports.files import write_atomically
from facewitness.wording import few_words

_TABLES = (".csv", ".parquet")
_RULES = ("pooling", "pooled", "faces", "missing_face", "flip", "trim", "top")
_HALF = (0.5, "0.5: the score table names no threshold")


@dataclass(frozen=True)
class ComparisonRequest:
    """What the command line asked for; the options' help says what each means."""

    sides: tuple[str, str]
    data: tuple[str, ...]
    real: tuple[str, ...]
    fake: tuple[str, ...]
    out: Path | None
    as_json: bool
    frames: int
    rules: Mapping[str, Any]
    thresholds: tuple[float, ...]
    limit: int | None
    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: As it is shown.
        table: Scores of faces.
        threshold: FAKE from here.
        threshold_from: Where it was chosen.
        rules: How the run made numbers of scores, for what the command line leaves open.
    """

    name: str
    table: ScoreTable
    threshold: float
    threshold_from: str
    rules: Mapping[str, Any] = field(default_factory=dict)


def run(request: ComparisonRequest) -> None:
    """Compare, print and write.

    Raises:
        ConfigError: On a wrong option, a side that is nothing, or too few shared videos.
    """
    if len(request.thresholds) > 2:
        msg = f"--threshold may be given once or twice, got {len(request.thresholds)} times"
        raise ConfigError(msg)
    one, two = _sides(request)
    protocol = EvaluationProtocol(**_shared_rules(one, two, request.rules))
    rules = [replace(protocol, threshold=side.threshold, threshold_from=side.threshold_from) for side in (one, two)]
    found = compare(one.table, two.table, rules[0], rules[1])
    document = {"schema_version": "1.0", "a": one.name, "b": two.name, **found.to_dict()}
    document["words"] = words(found, one.name, two.name)
    if request.out is not None:
        request.out.mkdir(parents=True, exist_ok=True)
        write_atomically(request.out / "comparison.json", [json.dumps(document, indent=1, allow_nan=False), "\n"])
        write_comparison_page(document, request.out / "comparison.html")
    if request.as_json:
        typer.echo(json.dumps(document, allow_nan=False))
        return
    _print(found, one, two)
    if request.out is not None:
        typer.echo(f"written: {request.out / 'comparison.html'} and comparison.json")


def _sides(request: ComparisonRequest) -> tuple[Side, Side]:
    """Both sides, their thresholds replaced where the command line gives some."""
    sides = [_side(request, i) for i in (0, 1)]
    if sides[0].name == sides[1].name:
        sides = [replace(side, name=f"{side.name} ({letter})") for side, letter in zip(sides, "AB", strict=True)]
    if request.thresholds:
        given = (request.thresholds[0], request.thresholds[-1])
        sides = [
            replace(side, threshold=value, threshold_from="given by the caller")
            for side, value in zip(sides, given, strict=True)
        ]
    return sides[0], sides[1]


def _shared_rules(one: Side, two: Side, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the command line says, else what both runs did.

    Raises:
        ConfigError: If they differ in a rule that the command line leaves open.
    """
    rules = {name: value for name, value in given.items() if value is not None}
    for name in _RULES:
        known = {side.name: side.rules[name] for side in (one, two) if name in side.rules}
        if name in rules or not known:
            continue
        if len(set(known.values())) > 1:
            said = ", ".join(f"{side} {value}" for side, value in known.items())
            msg = f"the runs differ in {name}: {said}; "
            msg += f"choose one with --{name.replace('_', '-')}" if name in given else "run both alike"
            raise ConfigError(msg)
        rules[name] = next(iter(known.values()))
    return rules


def _side(request: ComparisonRequest, place: int) -> Side:
    text = request.sides[place]
    path = Path(text)
    if path.is_dir():
        return _run_side(path)
    if path.suffix.lower() in _TABLES:
        return Side(text, ScoreTable.read(path), *_HALF)
    name, _, weights = text.partition("=")
    if name not in DETECTORS.names():
        msg = f"{text} is no folder of a run, no score table (.csv, .parquet) and no detector"
        raise ConfigError(msg + f"; detectors: {', '.join(DETECTORS.names())}")
    if not (request.data or request.real or request.fake):
        msg = f"{name} is a detector and needs data to run on: give --data SPEC, or --real DIR and --fake DIR"
        raise ConfigError(msg)
    return _scored_side(request, place, name, Path(weights) if weights else None)


def _run_side(folder: Path) -> Side:
    """What an earlier run left in its folder."""
    file = next(
        (folder / f"scores{suffix}" for suffix in reversed(_TABLES) if (folder / f"scores{suffix}").is_file()), None
    )
    if file is None:
        msg = (
            f"{folder} holds no scores.parquet or scores.csv; run facewitness evaluate --out {folder} to the end first"
        )
        raise ConfigError(msg)
    try:
        protocol = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))["protocol"]
        known = float(protocol["threshold"]), str(protocol["threshold_from"]), {name: protocol[name] for name in _RULES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{folder / RESULTS_FILE} is missing or damaged ({error}); run facewitness evaluate again, it goes on there"
        )
        raise ConfigError(msg) from error
    return Side(folder.name or str(folder), ScoreTable.read(file), *known)


def _scored_side(request: ComparisonRequest, place: int, name: str, weights: Path | None) -> Side:
    out = None if request.out is None else request.out / ("a", "b")[place]
    asked = EvaluationRequest(
        data=request.data,
        real=request.real,
        fake=request.fake,
        out=out,
        as_json=True,
        detector=name,
        weights=weights,
        frames=request.frames,
        min_face_px=32.0,
        rules={name: value for name, value in request.rules.items() if value is not None},
        compat=(),
        operating_point="fpr=0.05",
        limit=request.limit,
        device=request.device,
        precision=request.precision,
        threads=request.threads,
    )
    scored, document = evaluate_request(asked)
    if out is not None:
        write_results(out, scored.table, document)
    protocol = document["protocol"]
    shown = name if weights is None else f"{name}={weights.name}"
    return Side(shown, scored.table, protocol["threshold"], protocol["threshold_from"])


def _print(found: Comparison, one: Side, two: Side) -> None:
    console = results_console()
    console.print(f"{found.n_real} real and {found.n_fake} fake videos scored by both")
    table = results_table(("", "AUC", "right", "FAKE from"))
    count, both = found.n_real + found.n_fake, found.disagreement.both_right
    aucs = (found.auc.value_a, found.auc.value_b)
    only = (found.disagreement.only_a, found.disagreement.only_b)
    for side, auc, alone in zip((one, two), aucs, only, strict=True):
        right = f"{100 * (both + alone) / count:.1f} %"
        table.add_row(escape(printable(side.name)), number(auc), right, number(side.threshold))
    console.print(table)
    for line in words(found, one.name, two.name):
        say(console, line)


def words(found: Comparison, one: str, two: str) -> list[str]:
    """The comparison in sentences."""
    gap = found.auc.difference
    which = "may be chance" if gap.low <= 0 <= gap.high else "is more than chance"
    difference = f"{gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]"
    apart, split = found.delong.p_value, found.disagreement
    lines = [
        f"AUC of {one} minus that of {two}: {difference}, which {which} (identities resampled); DeLong p = {apart:.3g}",
        f"right alone: {one} {split.only_a}, {two} {split.only_b}; McNemar p = {split.p_value:.3g}",
        f"on reals p = {found.on_real.p_value:.3g}, on fakes p = {found.on_fake.p_value:.3g}",
    ]
    few = few_words(found.n_real, found.n_fake)
    lines += [few] if few else []
    left_out = {
        f"only in {one}": found.only_in_a,
        f"only in {two}": found.only_in_b,
        f"scored by {one} alone": found.scored_by_a,
        f"scored by {two} alone": found.scored_by_b,
        "scored by neither": found.scored_by_none,
    }
    named = [f"{count} {what}" for what, count in left_out.items() if count]
    return [*lines, f"left out: {', '.join(named)}"] if named else lines
