"""Running `facewitness calibrate`: table in, record out."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from facewitness.errors import ConfigError
from facewitness.evaluation.recalibration import FrameScores, Recalibration, recalibrate, updated_record
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.verdict_lines import CONFORMAL_RULE, THRESHOLD_RULE
from facewitness.reports.files import require_writable, write_atomically
from facewitness.score_maps import Method
from facewitness.weights import WeightsRecord
from facewitness.whole_files import replacing

_QUALITY = {"ece": "ECE", "ece_mass": "ECE, equal mass", "brier": "Brier score", "nll": "log-loss"}


@dataclass(frozen=True)
class CalibrationRequest:
    """What the command line asked for; the options' help says what each means."""

    scores: Path
    method: Method | None
    conformal_errors: tuple[float, ...]
    fprs: tuple[float, ...] | None
    record: Path | None
    output: Path | None
    fake_share: float | None
    by_kind: bool
    data: str
    folds: int
    seed: int
    as_json: bool


def run(request: CalibrationRequest) -> None:
    """Fit, print, and write.

    Raises:
        ConfigError: On a table that holds too little, or a file that cannot be written.
        WeightsError: If the record cannot be read.
    """
    record = None if request.record is None else WeightsRecord.read(request.record)
    if record is not None and request.output is None:
        msg = "--record needs -o FILE.json, the copy that is updated; the record itself stays as it is"
        raise ConfigError(msg)
    if request.output is not None:
        require_writable(request.output)
        _check_target(request)
    table = ScoreTable.read(request.scores)
    words = request.data or ", ".join(sorted({name for name in table.dataset.tolist() if name})) or request.scores.name
    made = recalibrate(
        FrameScores.of_table(table),
        request.method,
        fitted_on=words,
        conformal_errors=request.conformal_errors,
        fprs=request.fprs,
        by_kind=request.by_kind,
        fake_share=request.fake_share,
        folds=request.folds,
        rng=np.random.default_rng(request.seed),
    )
    document = _document(request, made)
    if request.output is not None:
        _write(request, record, made, document)
    typer.echo(json.dumps(document, allow_nan=False) if request.as_json else "\n".join(_lines(request, made)))


def _check_target(request: CalibrationRequest) -> None:
    output, record = request.output, request.record
    if output is None or record is None:
        return
    if output.suffix != ".json" or output.resolve() == record.resolve():
        msg = f"-o must be another .json file than the record {record}, got {output}"
        raise ConfigError(msg)


def _document(request: CalibrationRequest, made: Recalibration) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "calibration": None if made.calibration is None else made.calibration.to_dict(),
        "operating_points": {name: asdict(point) for name, point in made.points.items()},
        "figures": made.figures,
        "left_out": list(made.left_out),
        "n_real": made.reals,
        "n_fake": made.fakes,
        "protocol": {
            "scores": str(request.scores),
            "level": "map: frames (highest face), one weight per video; lines and figures: videos, pooled as analyze",
            "figures": f"out of up to {request.folds} folds that share no identity, dealt with seed {request.seed}",
            "threshold_rule": THRESHOLD_RULE,
            "conformal_rule": CONFORMAL_RULE,
        },
    }


def _write(
    request: CalibrationRequest, record: WeightsRecord | None, made: Recalibration, document: dict[str, Any]
) -> None:
    output = request.output
    if output is None:
        return
    if record is None or request.record is None:
        write_atomically(output, [json.dumps(document, indent=2, allow_nan=False), "\n"])
        return
    weights = request.record.with_name(record.file)
    target = output.with_suffix(weights.suffix)
    new = updated_record(record, made, target.name)
    if weights.is_file() and weights.resolve() != target.resolve():
        record.verify(weights.parent)
        with replacing(target) as part:
            shutil.copyfile(weights, part)
    new.write(output)


def _lines(request: CalibrationRequest, made: Recalibration) -> list[str]:
    found = [f"{made.reals} real and {made.fakes} fake videos, figures out of folds that share no identity"]
    if made.calibration is not None:
        found.append(f"map: {made.calibration.words}")
        found += [
            f"  {words}: {made.figures[f'{name}_before']:.4f} before, {made.figures[f'{name}_after']:.4f} after"
            for name, words in _QUALITY.items()
        ]
    for name, point in made.points.items():
        found.append(
            f"{name}: FAKE from {point.threshold:.6f}, REAL below {point.lower_threshold:.6f}, "
            f"{point.false_positive_rate:.4f} of real videos reach FAKE"
        )
        found += _error_lines(made, point.target_error)
    found += [f"left out: {line}" for line in made.left_out]
    if request.output is not None:
        found.append(f"written: {request.output}")
    return found


def _error_lines(made: Recalibration, error: float | None) -> list[str]:
    if error is None or f"unanswered {error:g}" not in made.figures:
        return []
    wrong_real, wrong_fake, unanswered = (
        made.figures[f"{name} {error:g}"] for name in ("wrong_real", "wrong_fake", "unanswered")
    )
    said = f"{wrong_real:.4f} of reals called FAKE, {wrong_fake:.4f} of fakes called REAL, {unanswered:.4f} unanswered"
    return [f"  measured: {said}"]
