"""M2F2-Det's judgement, explanation and video metrics against what the authors' programs printed."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.dd_vqa import picture_label
from facewitness.evaluation.answer_files import read_answers, read_references
from facewitness.evaluation.judgement import judge
from facewitness.evaluation.m2f2_videos import m2f2_det_videos, oracle_accuracy
from facewitness.evaluation.metrics import average_precision, roc_auc
from facewitness.evaluation.metrics.text import bleu, cider, rouge_l
from facewitness.evaluation.score_table import ScoreTable
from parity_cases.comparing import ArrayResult, Case, Tolerance, compare

_TEXT = Tolerance(absolute=1e-9)
_SCORES = Tolerance(absolute=1e-6)
_PRINTED = Tolerance(absolute=5.1e-5)
"""Four decimals."""

_CURVES = ("auc", "ap")
_TEXT_METRICS = ("Bleu", "ROUGE_L", "CIDEr")

Found = list[ArrayResult]


def run_case(case: Case) -> Found:
    """Compare the folder's every expected number."""
    expected = json.loads((case.path / "expected.json").read_text(encoding="utf-8"))
    return [
        *_judgement(case.path, expected["judgement"]),
        *_explanation(case.path, expected["explanation"]),
        *_videos(case.path, expected["video"]),
        *_frames(expected["frame_roc"]),
    ]


def _judgement(folder: Path, expected: Mapping[str, Any]) -> Found:
    answers = read_answers(folder / "judge.jsonl")
    found = judge([one.text for one in answers], [picture_label(one.image) for one in answers]).official
    printed = [float(line.rsplit(": ", 1)[1]) for line in expected["stdout"] if ": " in line]
    ours = [found.accuracy, found.f1, found.precision, found.recall]
    return [
        _against("judgement", ours, printed, _PRINTED),
        _against("judgement, answers counted", found.answers, len(expected["pred"]), Tolerance()),
    ]


def _explanation(folder: Path, expected: Mapping[str, Any]) -> Found:
    questions = read_references(folder / "exp_gt.jsonl")
    texts = {one.key: one.text for one in read_answers(folder / "exp_pred.jsonl")}
    said, true = [texts[key] for key in questions], [one.answers for one in questions.values()]
    orders, rouge, consensus = bleu(said, true), rouge_l(said, true), cider(said, true)
    values = [score.value for score in orders]
    found = [
        _against("BLEU-1 to 4", values, expected["Bleu_1_to_4"], _TEXT),
        _against("BLEU, mean", np.mean(values), expected["Bleu_mean"], _TEXT),
        _against("ROUGE_L", rouge.value, expected["ROUGE_L"], _TEXT),
        _against("CIDEr", consensus.value, expected["CIDEr"], _TEXT),
    ]
    items = (np.array([score.items for score in orders]).T, rouge.items, consensus.items)
    for name, ours in zip(_TEXT_METRICS, items, strict=True):
        theirs = [expected["per_key"][key][name] for key in questions]
        found.append(_against(f"{name} per answer", ours, theirs, _TEXT))
    return found


def _videos(folder: Path, expected: Mapping[str, Any]) -> Found:
    with (folder / "frames.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = ScoreTable.from_rows(
        {
            "dataset": "FF++",
            "video_id": row["image_id"].rpartition("_")[0],
            "label": 1 - int(row["ground_truth"]),
            "score": 1 - float(row["prediction"]),
        }
        for row in rows
    )
    official, fixed = m2f2_det_videos(table, "official"), m2f2_det_videos(table)
    found = []
    for name, videos in (("official", official), ("fixed", fixed)):
        ours = [roc_auc(videos.scores, videos.labels), oracle_accuracy(videos.scores, videos.labels)]
        theirs = [expected[f"{name}_auc"], expected[f"{name}_best_acc"]]
        found.append(_against(f"videos, {name}", ours, theirs, _SCORES))
    per_video = expected["fixed_video_scores"]
    scores = dict(zip((video for _, video in fixed.video_ids), 1 - fixed.scores, strict=True))
    ours = [scores.get(video, np.nan) for video in per_video]
    return [*found, _against("videos, fixed scores", ours, list(per_video.values()), _SCORES)]


def _frames(expected: Mapping[str, Any]) -> Found:
    score, real = np.array(expected["prob_real"]), np.array(expected["gt_real"])
    ours = [roc_auc(score, real), average_precision(score, real)]
    return [_against("frames", ours, [expected[name] for name in _CURVES], _SCORES)]


def _against(name: str, ours: Any, theirs: Any, tolerance: Tolerance) -> ArrayResult:
    def array(values: Any) -> NDArray[np.float64]:
        return np.atleast_1d(np.asarray(values, dtype=np.float64))

    return compare(name, array(ours), array(theirs), tolerance)
