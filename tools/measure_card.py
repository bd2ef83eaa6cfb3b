"""Measure a detector on the named test sets of a manifest, in several codings, beside controls.

Run: python tools/measure_card.py ROOT --json FILE      (ROOT holds manifest.csv and pictures)

The figures of docs/model_card.md come from here (tools/model_card.py reads FILE). Reals and fakes are brought to one
face size and go through the same JPEG or H.264 coding. Intervals resample identities. The controls say what a program
that knows nothing of faces reaches on the same crops. For data of any other layout use `facewitness evaluate`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from facewitness.cli.progress import FileProgress
from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS, CropDetector, detector_facts
from facewitness.errors import ConfigError, FacewitnessError
from facewitness.evaluation.controls import SPECTRUM_RULE
from facewitness.evaluation.face_sets import (
    FACE_PX,
    FACE_SETS,
    MISSING_FACE_RULE,
    FaceSet,
    face_set_spec,
    load_face_set,
)
from facewitness.evaluation.measurement import RESAMPLES, Measurement, PointRates, measure, untrained_control
from facewitness.evaluation.metrics import Interval
from facewitness.evaluation.reencoding import codings
from facewitness.reports.files import write_atomically
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
        with FileProgress(len(chosen), f"codings of {name}") as progress:
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
                progress.advance()
        results.append((faces, measured))
        _say(set_lines(faces, measured))
    protocol = _protocol(request, detector, [left_out] if left_out else [])
    _say(protocol_lines(protocol))
    if request.json_file is not None:
        _write_json(request.json_file, protocol, results)


def _say(lines: Sequence[str]) -> None:
    print("\n".join(lines) + "\n")


def _protocol(request: EvaluationRequest, detector: CropDetector, notes: list[str]) -> dict[str, Any]:
    """Everything that is needed to get the numbers again."""
    crop = detector.crop
    return {
        **detector_facts(detector),
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
    write_atomically(path, [json.dumps(document, indent=1, allow_nan=False), "\n"])


def set_lines(faces: FaceSet, measured: Sequence[Measurement]) -> list[str]:
    """A heading, a table with one line per coding, and what was left out.

    Args:
        faces: The set.
        measured: At least one row, all with the same points, experts and controls.
    """
    first = measured[0]
    spec = FACE_SETS[faces.name]
    head = f"{faces.name}: {first.reals} real, {first.fakes} fake, square {spec.margin_ratio:g} times the face"
    table = [_headings(first), *(_cells(row) for row in measured)]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    left_out = "; ".join(f"{what} {count}" for what, count in sorted(faces.left_out.items()))
    tail = [f"left out: {left_out}"] if left_out else []
    return [head, f"({spec.note})", *(line.rstrip() for line in lines), *tail]


def _headings(row: Measurement) -> list[str]:
    return [
        "coding",
        *(f"FPR {_short(name)}" for name in row.points),
        *(f"TPR {_short(name)}" for name in row.points),
        "AUC (95 % interval)",
        *(f"AUC {name}" for name in row.expert_aucs),
        *(f"control: {name}" for name in row.controls),
    ]


def _cells(row: Measurement) -> list[str]:
    return [
        row.coding,
        *(_false_positives(point) for point in row.points.values()),
        *(_percent(point.true_positive_rate) for point in row.points.values()),
        _interval(row.auc),
        *(f"{value:.3f}" for value in row.expert_aucs.values()),
        *(_interval(value) for value in row.controls.values()),
    ]


def _short(name: str) -> str:
    """``@0.01`` for ``fpr=0.01``."""
    return "@" + name.removeprefix("fpr=")


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _false_positives(rates: PointRates) -> str:
    low, high = (f"{end * 100:.1f}" for end in rates.false_positive_interval)
    return f"{_percent(rates.false_positive_rate)} ({low}-{high})"


def _interval(value: Interval) -> str:
    return f"{value.value:.3f} ({value.low:.3f}-{value.high:.3f})"


def protocol_lines(protocol: Mapping[str, Any]) -> list[str]:
    """How the numbers came about, one line per part."""
    points = [
        f"{name}: FAKE from {point['threshold']:.6f}, REAL below {point['lower_threshold']:.6f} ({point['chosen_on']})"
        for name, point in protocol["operating_points"].items()
    ]
    versions = ", ".join(f"{name} {version}" for name, version in protocol["versions"].items())
    weights = f"{protocol['weights']} sha256 {protocol['weights_sha256'][:16]}"
    where = f"{protocol['precision']} on {protocol['device']}"
    return [
        f"detector: {protocol['detector']} ({protocol['mode']}), weights {weights}, {where}",
        "operating points: " + ("; ".join(points) or "none: these weights carry none, so no rates are given"),
        f"scene: {protocol['scene']}",
        f"crop: {protocol['crop']}",
        f"codings: {protocol['codings']}",
        f"missing faces: {protocol['missing_face_rule']}",
        f"intervals: {protocol['intervals']}",
        f"controls: {protocol['controls']}",
        f"seed: {protocol['seed']}",
        f"versions: {versions}",
        *protocol["notes"],
    ]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("root", type=Path, help="folder with manifest.csv (file, label, identity) and pictures")
    made.add_argument("--detector", metavar="NAME", default=DEFAULT_DETECTOR, help="see: facewitness list")
    made.add_argument("--weights", type=Path, metavar="FILE", help="weights instead of the packaged ones")
    made.add_argument("--sets", action="append", metavar="NAME", help="test set; may be repeated; all by default")
    made.add_argument("--codings", action="append", metavar="NAME", help="such as jpeg-q60; may be repeated")
    made.add_argument("--work", type=Path, default=Path("runs/evaluation"), help="where cut faces are kept")
    made.add_argument("--json", dest="json_file", type=Path, metavar="FILE", help="write everything, scores too")
    made.add_argument("--controls", action=argparse.BooleanOptionalAction, default=True, help="spectrum, untrained")
    made.add_argument("--face-px", type=int, default=FACE_PX, help="face size that pictures are brought to, pixels")
    made.add_argument("--resamples", type=int, default=RESAMPLES, help="bootstrap resamples")
    made.add_argument("--seed", type=int, default=0, help="of swaps, folds, bootstrap and untrained network")
    made.add_argument("--device", default="auto", help="auto, CPU, GPU")
    made.add_argument("--precision", default="auto", help="auto, f32 or bf16")
    made.add_argument("--threads", type=int, default=0, help="inference threads; 0 leaves it to the runtime")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; 1 after an error, said in one line on standard error."""
    chosen = vars(parser().parse_args(arguments))
    chosen |= {name: tuple(chosen[name] or ()) for name in ("sets", "codings")}
    try:
        run(EvaluationRequest(**chosen))
    except FacewitnessError as error:
        print(f"measure_card: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
