"""Running `facewitness evaluate`: data, scores, numbers, table, files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from facewitness.cli.evaluation_data import chosen_sources, load_detector
from facewitness.cli.evaluation_text import print_document
from facewitness.cli.progress import FileProgress
from facewitness.detectors import CropDetector
from facewitness.errors import ConfigError, MissingExtraError, UnknownNameError
from facewitness.evaluation.compat import COMPAT
from facewitness.evaluation.evaluation_document import Document, evaluation_document, summary
from facewitness.evaluation.levels import EvaluationProtocol
from facewitness.evaluation.score_store import ScoreStore
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import FaceScorer, ScoringRule
from facewitness.evaluation.scoring_run import ScoredData, score_sources, scoring_settings
from facewitness.evaluation.sources import DataSource
from facewitness.faces.finder import FaceFinder
from facewitness.records import OperatingPoint
from facewitness.reports.evaluation import write_evaluation_page
from facewitness.reports.files import write_atomically
from facewitness.verdicts import choose_operating_point

SCORES_FOLDER, RESULTS_FILE, PAGE_FILE = "scores", "results.json", "report.html"


@dataclass(frozen=True)
class EvaluationRequest:
    """What the command line asked for; the options' help says what each means."""

    data: tuple[str, ...]
    real: tuple[str, ...]
    fake: tuple[str, ...]
    out: Path | None
    as_json: bool
    detector: str
    weights: Path | None
    frames: int
    min_face_px: float
    rules: Mapping[str, Any]
    compat: tuple[str, ...]
    operating_point: str
    limit: int | None
    device: str
    precision: str
    threads: int


def run(request: EvaluationRequest) -> None:
    """Score, sum up, print and write.

    Raises:
        ConfigError: On a wrong option or data that hold nothing, before anything slow starts; when nothing of one
            label could be scored.
        UnknownNameError: If a data set, a detector or a project does not exist.
    """
    scored, document = evaluate_request(request)
    if request.out is not None:
        write_results(request.out, scored.table, document)
    if request.as_json:
        typer.echo(json.dumps(summary(document), allow_nan=False))
        return
    print_document(document)
    if request.out is not None:
        typer.echo(f"written: {request.out / PAGE_FILE} and {RESULTS_FILE}")


def evaluate_request(request: EvaluationRequest) -> tuple[ScoredData, Document]:
    """Score what a request names, or go on where an earlier run stopped, and sum up.

    Raises:
        ConfigError: As `run`.
    """
    protocol = EvaluationProtocol(**request.rules)
    unknown = [name for name in request.compat if name not in COMPAT]
    if unknown:
        msg = f"no project is called {unknown[0]!r} for --compat; known: {', '.join(COMPAT)}"
        raise UnknownNameError(msg)
    sources = chosen_sources(request.data, request.real, request.fake, limit=request.limit)
    detector = load_detector(
        request.detector, request.weights, device=request.device, precision=request.precision, threads=request.threads
    )
    point = choose_operating_point(request.operating_point, detector.operating_points)
    protocol = at_point(protocol, point)
    rule = ScoringRule(frames=request.frames, min_face_px=request.min_face_px, flip=protocol.flip)
    scored = score_request(request, sources, detector, rule)
    document = evaluation_document(scored, protocol, detector, rule, point=point, compat=request.compat)
    return scored, document


def at_point(protocol: EvaluationProtocol, point: OperatingPoint | None) -> EvaluationProtocol:
    """The protocol with the threshold of an operating point; 0.5 where the weights carry none."""
    if point is None:
        return replace(protocol, threshold=0.5, threshold_from="0.5: the weights carry no operating point")
    rate = "" if point.false_positive_rate != point.false_positive_rate else f"fpr={point.false_positive_rate:.3g}, "
    return replace(protocol, threshold=point.threshold, threshold_from=f"{rate}{point.chosen_on}")


def score_request(
    request: EvaluationRequest, sources: tuple[DataSource, ...], detector: CropDetector, rule: ScoringRule
) -> ScoredData:
    """Score with progress on standard error, keeping what is done where there is a folder."""
    finder = FaceFinder(device=request.device, threads=request.threads, max_faces=rule.max_faces)
    store = None
    if request.out is not None:
        store = ScoreStore(request.out / SCORES_FOLDER, scoring_settings(detector, rule, sources))
    masks = any(source.has_masks for source in sources)
    scorer = FaceScorer(detector, finder, rule, keep_evidence=True, localise=masks)
    with FileProgress(sum(len(source.records) for source in sources)) as progress:
        return score_sources(sources, scorer, store=store, on_record=lambda _record: progress.advance())


def write_results(out: Path, table: ScoreTable, document: Document) -> None:
    """Write scores, results and page into a folder; CSV where Parquet cannot be had, which is said.

    Raises:
        ConfigError: If the folder cannot be written.
    """
    try:
        _write_scores(out, table)
    except OSError as error:
        msg = f"cannot write scores to {out}: {error.strerror or error}"
        raise ConfigError(msg) from error
    write_atomically(out / RESULTS_FILE, [json.dumps(document, indent=1, allow_nan=False), "\n"])
    write_evaluation_page(document, out / PAGE_FILE)


def _write_scores(out: Path, table: ScoreTable) -> None:
    parquet, plain = out / "scores.parquet", out / "scores.csv"
    try:
        table.write(parquet)
        plain.unlink(missing_ok=True)
    except MissingExtraError as error:
        table.write(plain)
        parquet.unlink(missing_ok=True)
        typer.echo(f"facewitness: {error}; the scores are in {plain}", err=True)
