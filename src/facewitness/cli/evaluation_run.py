"""Running `facewitness evaluate`: sets, codings, table, JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facewitness.cli.evaluation_text import protocol_lines, set_lines
from facewitness.detectors import DETECTORS, CropDetector
from facewitness.errors import ConfigError
from facewitness.evaluation.controls import SPECTRUM_RULE
from facewitness.evaluation.face_sets import FACE_SETS, MISSING_FACE_RULE, FaceSet, face_set_spec, load_face_set
from facewitness.evaluation.measurement import Measurement, measure, untrained_control
from facewitness.evaluation.reencoding import codings
from facewitness.runtime import Precision, deciding_versions
from facewitness.training.face_cache import read_manifest


@dataclass(frozen=True)
class EvaluationRequest:
    """What the command line asked for; the options' help says what each means."""

    root: Path
    detector: str
    weights: Path | None
    sets: tuple[str, ...]
    codings: tuple[str, ...]
    work: Path
    json_file: Path | None
    controls: bool
    face_px: int
    resamples: int
    seed: int
    device: str
    precision: str
    threads: int


def run(request: EvaluationRequest) -> None:
    """Measure, print a table per set as it is done, and write the JSON file.

    Raises:
        ConfigError: On a wrong option, before anything slow starts; or when the file cannot be written.
        UnknownNameError: If a set, a coding or the detector does not exist.
    """
    names = tuple(dict.fromkeys(request.sets)) or tuple(FACE_SETS)
    for name in names:
        face_set_spec(name)
    chosen = codings(request.codings)
    if request.precision not in get_args(Precision):
        msg = f"--precision must be one of {', '.join(get_args(Precision))}, got {request.precision!r}"
        raise ConfigError(msg)
    if request.json_file is not None and not request.json_file.parent.is_dir():
        msg = f"cannot write {request.json_file}: the folder {request.json_file.parent} does not exist; make it first"
        raise ConfigError(msg)
    rows = read_manifest(request.root)
    detector: CropDetector = DETECTORS.load(request.detector)(
        weights=request.weights, device=request.device, precision=request.precision, threads=request.threads
    )
    untrained, left_out = untrained_control(detector.name, request.seed) if request.controls else (None, "")
    results: list[tuple[FaceSet, list[Measurement]]] = []
    for name in names:
        faces = load_face_set(name, request.root, rows, work=request.work, seed=request.seed, face_px=request.face_px)
        with _bar() as bar:
            task = bar.add_task(name, total=len(chosen))
            measured = []
            for coding_name, coding in chosen.items():
                measured.append(
                    measure(
                        detector,
                        faces,
                        coding_name,
                        coding,
                        seed=request.seed,
                        resamples=request.resamples,
                        with_controls=request.controls,
                        untrained=untrained,
                    )
                )
                bar.advance(task)
        results.append((faces, measured))
        _say(set_lines(faces, measured))
    protocol = _protocol(request, detector, [left_out] if left_out else [])
    _say(protocol_lines(protocol))
    if request.json_file is not None:
        _write_json(request.json_file, protocol, results)


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _say(lines: Sequence[str]) -> None:
    typer.echo("\n".join(lines) + "\n")


def _protocol(request: EvaluationRequest, detector: CropDetector, notes: list[str]) -> dict[str, Any]:
    """Everything that is needed to get the numbers again."""
    crop = detector.crop
    return {
        "detector": detector.name,
        "mode": detector.mode,
        "weights": detector.weights_name,
        "weights_sha256": detector.weights_sha256,
        "precision": detector.precision,
        "device": detector.device,
        "operating_points": {name: asdict(point) for name, point in detector.operating_points.items()},
        "scene": f"square around the largest face, as wide as the set states, its longer side {request.face_px} px",
        "crop": f"square, {crop.margin_ratio:g} times the face mesh, {crop.size} px, {crop.border} at scene's border",
        "codings": "applied to scenes of both labels alike, before the detector's crop; "
        "JPEG 4:2:0 by libjpeg, H.264 one intra frame by x264",
        "missing_face_rule": MISSING_FACE_RULE,
        "intervals": f"AUC: 95 % bootstrap over identities, {request.resamples} resamples; rates on reals: 95 % Wilson",
        "controls": SPECTRUM_RULE if request.controls else "not asked for",
        "seed": request.seed,
        "notes": notes,
        "versions": deciding_versions(),
    }


def _write_json(path: Path, protocol: dict[str, Any], results: Sequence[tuple[FaceSet, list[Measurement]]]) -> None:
    document = {
        "schema_version": "1.0",
        "protocol": protocol,
        "sets": [
            {
                "name": faces.name,
                **asdict(FACE_SETS[faces.name]),
                "left_out": faces.left_out,
                "files": faces.files,
                "ids": faces.ids,
                "labels": faces.labels.tolist(),
                "results": [asdict(row) for row in measured],
            }
            for faces, measured in results
        ],
    }
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise ConfigError(msg) from error
