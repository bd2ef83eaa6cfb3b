"""The results of `facewitness evaluate` as aligned text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from facewitness.evaluation.face_sets import FACE_SETS, FaceSet
from facewitness.evaluation.measurement import Measurement, PointRates
from facewitness.evaluation.metrics import Interval


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
