"""``facewitness calibrate``: from a table of scores to calibrated scores and measured lines in a weights record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_Scores = Annotated[Path, typer.Option(metavar="FILE", help="Score table, .parquet or .csv, of facewitness evaluate.")]
_Method = Annotated[
    Literal["temperature", "platt", "isotonic", "none"], typer.Option(help="Map of the score; none draws lines only.")
]
_Errors = Annotated[
    list[float] | None,
    typer.Option("--conformal-error", metavar="RATE", help="Draw lines with this target error; may be repeated."),
]
_Fprs = Annotated[
    list[float] | None,
    typer.Option("--fpr", metavar="RATE", help="False-positive rate; may be repeated. 0.01 and 0.05 where possible."),
]
_Record = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights record (.json) that is copied and updated.")
]
_Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="JSON file to write.")]
_Share = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Share of fakes that P(fake) is meant for; else the table's.")
]
_ByKind = Annotated[bool, typer.Option("--by-kind", help="Kinds of fakes count alike, not by their videos.")]
_Words = Annotated[str, typer.Option(metavar="TEXT", help="The data in words; else the names of its sets.")]
_Folds = Annotated[int, typer.Option(min=2, help="Folds, apart by identity, of the figures before and after.")]
_Seed = Annotated[int, typer.Option(min=0, help="Deals the folds.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def calibrate(
    *,
    scores: _Scores,
    method: _Method = "temperature",
    conformal_errors: _Errors = None,
    fprs: _Fprs = None,
    record: _Record = None,
    output: _Output = None,
    fake_share: _Share = None,
    by_kind: _ByKind = False,
    data: _Words = "",
    folds: _Folds = 5,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Calibrate a detector on scores of data that trained nothing.

    Fits the map on every frame, one weight per video, draws the lines of
    verdicts on one score per video, and measures both on folds that share
    no identity. With --record and -o a copy of the record gets them, and
    the weights file is copied beside it when it lies beside the record;
    use that one with --weights, and its lines with --operating-point.

    Example: facewitness calibrate --scores out/scores.parquet --conformal-error 0.05

    Example: facewitness calibrate --scores out/scores.csv --method platt --fpr 0.05
    --record weights.json -o mine/weights.json
    """
    from facewitness.cli.calibration_run import CalibrationRequest, run

    run(
        CalibrationRequest(
            scores=scores,
            method=None if method == "none" else method,
            conformal_errors=tuple(conformal_errors or ()),
            fprs=None if fprs is None else tuple(fprs),
            record=record,
            output=output,
            fake_share=fake_share,
            by_kind=by_kind,
            data=data,
            folds=folds,
            seed=seed,
            as_json=as_json,
        )
    )
