"""Write the figures of docs/model_card.md from an evaluation and the weights record.

Run: python tools/model_card.py EVALUATION.json

EVALUATION.json is what `python tools/measure_card.py ROOT --json FILE` wrote. Its figures, without the single scores,
are kept as docs/laa_net_lite_evaluation.json; the tables between the markers of the card are replaced.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "docs" / "model_card.md"
SUMMARY = ROOT / "docs" / "laa_net_lite_evaluation.json"
RECORD = ROOT / "src" / "facewitness" / "detectors" / "laa_net" / "lite" / "laa_net_lite.json"
_BULKY = ("files", "ids", "labels", "scores", "experts")


def without_scores(value: Any) -> Any:
    """The document without what belongs to single pictures."""
    if isinstance(value, dict):
        return {k: without_scores(v) for k, v in value.items() if k not in _BULKY}
    return [without_scores(v) for v in value] if isinstance(value, list) else value


def interval(auc: dict[str, Any]) -> str:
    """An AUC with its interval."""
    return f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"


def evaluation_tables(document: dict[str, Any]) -> str:
    """One table per test set, and the protocol."""
    lines: list[str] = []
    for face_set in document["sets"]:
        first = face_set["results"][0]
        lines += [f"**{face_set['name']}**: {first['reals']} real, {first['fakes']} fake; {face_set['note']}", ""]
        names = list(first["points"])
        heads = ["coding", *(f"false alarms at {n}" for n in names), *(f"found at {n}" for n in names)]
        heads += ["AUC (95 %)", "blended", "synthetic", "spectrum", "untrained"]
        lines += ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        for row in face_set["results"]:
            points = [row["points"][n] for n in names]
            cells = [
                row["coding"],
                *(f"{p['false_positive_rate']:.1%}" for p in points),
                *(f"{p['true_positive_rate']:.1%}" for p in points),
            ]
            cells += [interval(row["auc"])]
            cells += [f"{row['expert_aucs'][e]:.3f}" for e in ("blended", "synthetic")]
            cells += [f"{row['controls'][c]['value']:.3f}" if c in row["controls"] else "" for c in CONTROLS]
            lines.append("| " + " | ".join(cells) + " |")
        left_out = "; ".join(f"{what} {count}" for what, count in face_set["left_out"].items())
        lines += ["", f"Left out: {left_out or 'nothing'}.", ""]
    protocol = document["protocol"]
    said = ("scene", "crop", "codings", "missing_face_rule", "intervals", "controls")
    lines += [f"* {name.replace('_', ' ')}: {protocol[name]}" for name in said]
    lines.append(f"* weights {protocol['weights_sha256'][:16]}, {protocol['precision']} on {protocol['device']}")
    return "\n".join(lines)


CONTROLS = ("spectrum", "untrained")


def held_out_table(record: dict[str, Any]) -> str:
    """AUC by kind and strength."""
    metrics = record["metrics"]["held_out_faces"]
    strengths = ("q90", "c23", "c40")
    lines = ["| kind | " + " | ".join(strengths) + " |", "|---|---|---|---|"]
    for kind in ("own", "synthetic", "swap"):
        cells = [kind, *(f"{metrics[f'auc_{kind}_{s}']:.3f}" for s in strengths)]
        lines += ["| " + " | ".join(cells) + " |"]
    lines += [
        "",
        "q90: scaled to 0.8, JPEG 90; c23 and c40: scaled to 0.7 and 0.6, H.264 CRF 23 and 38, predicted frame.",
    ]
    lines.append(f"Calibration error of the score: {record['metrics']['calibration_error']:.3f}.")
    return "\n".join(lines)


def points_table(record: dict[str, Any]) -> str:
    """The lines."""
    lines = ["| name | FAKE from | REAL below | measured rate | on |", "|---|---|---|---|---|"]
    for name, p in record["operating_points"].items():
        lines.append(
            f"| `{name}` | {p['threshold']:.3f} | {p['lower_threshold']:.3f} | {p['false_positive_rate']:.2%} "
            f"| {p['chosen_on']} |"
        )
    return "\n".join(lines)


def training_lines(record: dict[str, Any]) -> str:
    """What made these weights."""
    processor = record["processor"]
    looks = len(processor["views"]) * (2 if processor["mirror"] else 1)
    views = f"views {processor['views']}, mirrored: {'yes' if processor['mirror'] else 'no'}"
    lines = [
        f"* file `{record['file']}`, sha256 `{record['sha256']}`",
        f"* recipe: {record['recipe']}",
        f"* commit: {record['commit']}",
        f"* trained on: {record['trained_on']}",
    ]
    size, margin = processor["image_size"], processor["margin_ratio"]
    lines.append(f"* input: {size} px, crop {margin:g} times the face mesh, {looks} looks per face ({views})")
    return "\n".join(lines)


def main() -> int:
    """Rewrite the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("evaluation", type=Path)
    document = without_scores(json.loads(parser.parse_args().evaluation.read_text(encoding="utf-8")))
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    if document["protocol"]["weights_sha256"] != record["sha256"]:
        sys.stderr.write("the evaluation is of other weights than those in the package; evaluate again\n")
        return 1
    SUMMARY.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    figures = {
        "training": training_lines(record),
        "evaluation": evaluation_tables(document),
        "held_out": held_out_table(record),
        "points": points_table(record),
    }
    card = CARD.read_text(encoding="utf-8")
    for name, text in figures.items():
        pattern = rf"(<!-- figures:{name} -->\n).*?(<!-- /figures -->)"
        card = re.sub(pattern, lambda m, t=text: f"{m[1]}\n{t}\n\n{m[2]}", card, flags=re.DOTALL)
    CARD.write_text(card, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
