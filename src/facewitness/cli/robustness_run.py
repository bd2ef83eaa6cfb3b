"""Running `facewitness robustness`: data, scores under every condition, table, JSON, page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from facewitness.cli.evaluation_data import chosen_sources, load_detector
from facewitness.cli.progress import FileProgress
from facewitness.cli.tables import number, results_console, results_table, say
from facewitness.detectors import CropDetector, detector_facts
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.robustness import CLEAN, Condition, RobustnessRun
from facewitness.evaluation.robustness_results import RULES, RobustnessResult, robustness_result
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import ScoringRule
from facewitness.evaluation.sources import DataSource
from facewitness.faces.finder import FaceFinder
from facewitness.media.perturbations import Perturbation, perturbations
from facewitness.records import OperatingPoint
from facewitness.reports.files import write_atomically
from facewitness.reports.robustness import write_robustness_page
from facewitness.runtime import deciding_versions
from facewitness.verdicts import choose_operating_point
from facewitness.wording import few_words

_HALF = OperatingPoint(0.5, math.nan, "not measured: the weights carry no lines, so 0.5 is used", 0.5)


@dataclass(frozen=True)
class RobustnessRequest:
    """What the command line asked for; the options' help says what each means."""

    out: Path
    data: tuple[str, ...]
    real: tuple[str, ...]
    fake: tuple[str, ...]
    detector: str
    weights: Path | None
    names: tuple[str, ...]
    levels: tuple[int, ...]
    frames: int
    limit: int | None
    operating_point: str
    resamples: int
    seed: int
    device: str
    precision: str
    threads: int
    as_json: bool


def run(request: RobustnessRequest) -> None:
    """Score, sum up, print and write.

    Raises:
        ConfigError: On a wrong option or data that hold nothing, before anything slow starts.
        UnknownNameError: If a perturbation, a data set or the detector does not exist.
    """
    chosen = perturbations(request.names)
    sources = chosen_sources(request.data, request.real, request.fake, limit=request.limit)
    detector = load_detector(
        request.detector, request.weights, device=request.device, precision=request.precision, threads=request.threads
    )
    point = choose_operating_point(request.operating_point, detector.operating_points) or _HALF
    rule = ScoringRule(frames=request.frames)
    finder = FaceFinder(device=request.device, threads=request.threads, max_faces=rule.max_faces)
    work = RobustnessRun(
        detector,
        finder,
        chosen,
        sources,
        rule=rule,
        folder=request.out / "scores",
        levels=request.levels,
        seed=request.seed,
    )
    tables = _scored(work)
    result = robustness_result(
        tables, chosen, point, rng=np.random.default_rng(request.seed), resamples=request.resamples
    )
    document = {
        "schema_version": "1.0",
        **plain(asdict(result)),
        "few": _few(result),
        "protocol": {**_protocol(request, detector, sources, point), "not_scored_clean": _not_scored(tables[CLEAN])},
    }
    write_atomically(request.out / "robustness.json", [json.dumps(document, indent=1, allow_nan=False), "\n"])
    write_robustness_page(document, request.out / "robustness.html")
    if request.as_json:
        typer.echo(json.dumps(document, allow_nan=False))
    else:
        _print(result, chosen)
        typer.echo(f"written: {request.out / 'robustness.html'} and robustness.json")


def _scored(work: RobustnessRun) -> dict[Condition, ScoreTable]:
    with FileProgress(work.steps, "records under conditions") as progress:
        return work.run(progress.advance)


def _not_scored(clean: ScoreTable) -> int:
    """Videos of which nothing was scored even on clean frames."""
    names = list(zip(clean.dataset.tolist(), clean.video_id.tolist(), strict=True))
    there = {name for name, scored in zip(names, clean.scored.tolist(), strict=True) if scored}
    return len(set(names) - there)


def _protocol(
    request: RobustnessRequest, detector: CropDetector, sources: Sequence[DataSource], point: OperatingPoint
) -> dict[str, Any]:
    """Everything that is needed to get the numbers again."""
    return {
        **detector_facts(detector),
        "device": detector.device,
        "crop": detector.crop.words,
        "data": [source.spec for source in sources],
        "list_sha256": [source.list_sha256 for source in sources],
        "missing": [source.missing.count for source in sources],
        "limit": request.limit,
        "frames": request.frames,
        "changes": "whole frames, before faces are looked for; crop_tight and crop_wide change the detector's crop",
        "operating_point": request.operating_point,
        "fake_from": point.threshold,
        "real_below": point.lower_threshold,
        "seed": request.seed,
        "resamples": request.resamples,
        "versions": [f"{name} {version}" for name, version in deciding_versions().items()],
        "rules": RULES,
    }


def _few(result: RobustnessResult) -> str:
    clean = result.conditions[0]
    return few_words(clean.n_real, clean.n_fake)


def _print(result: RobustnessResult, chosen: Mapping[str, Perturbation]) -> None:
    """One line per perturbation: AUC by level, then the means."""
    clean = result.conditions[0]
    levels = sorted({row.level for row in result.conditions if row.level})
    aucs = (f"AUC {level}" for level in levels)
    table = results_table(("perturbation", *aucs, "mean drop", "flipped", "faces lost"))
    for name in chosen:
        rows = {row.level: row for row in result.conditions if row.name == name}
        summary = next(s for s in result.summaries if s.name == name)
        table.add_row(
            name,
            *(number(rows[level].auc) for level in levels),
            number(summary.mean_drop),
            _share(summary.mean_flip_rate),
            _share(summary.mean_faces_lost),
        )
    console = results_console()
    say(
        console,
        f"clean: AUC {number(clean.auc)} ({number(clean.auc_low)} to {number(clean.auc_high)}), "
        f"{clean.n_real} real and {clean.n_fake} fake videos scored, {_share(clean.fpr_on_real)} of reals called FAKE",
    )
    if _few(result):
        say(console, _few(result))
    console.print(table)
    say(console, f"mean drop {number(result.mean_drop)}, mean flip rate {_share(result.mean_flip_rate)}")


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
