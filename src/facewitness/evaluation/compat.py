"""The numbers that other projects would print for a score table, their defects included, beside the right ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.levels import EvaluationProtocol, face_logits
from facewitness.evaluation.m2f2_videos import TRIMMED_FRAMES, m2f2_det_videos, oracle_accuracy
from facewitness.evaluation.metrics import accuracy, average_precision, equal_error_rate, rates, roc_auc, summarise
from facewitness.evaluation.metrics.checks import grouped
from facewitness.evaluation.protocols import EvaluationResult, evaluate_scores
from facewitness.evaluation.score_table import ScoreTable
from facewitness.score_maps import logistic

Numbers = dict[str, float]
_NAN: Final = float("nan")
_SBI_FRAMES: Final = 32


@dataclass(frozen=True)
class CompatReport:
    """What a project would report, and what is right.

    Attributes:
        name: The project.
        theirs: Its numbers under its own names; NaN where its program would stop or print NaN.
        ours: Ours under the same names, so that each pair can be compared, from unique videos, all of them, at the
            protocol's threshold.
        defects: What its way does to this table, in sentences; empty when nothing is known against it here.
    """

    name: str
    theirs: Numbers
    ours: Numbers
    defects: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON; None for NaN."""
        return plain(asdict(self))


def compat_report(table: ScoreTable, name: str, protocol: EvaluationProtocol | None = None) -> CompatReport:
    """Aggregate a table as a project does, defects included, beside the right way.

    Args:
        table: Scores of faces; the order of the rows is that of the project's own result file.
        name: One of `COMPAT`.
        protocol: Rules of our numbers; the defaults when None. Whether logits or probabilities are pooled, and how
            many frames, follows the project.

    Returns:
        Both sets of numbers and the defects that show on this table.

    Raises:
        UnknownNameError: If no project has that name.
        ConfigError: If the scores are not probabilities, nothing or one class only was scored, or as
            `evaluate_scores`.
    """
    if name not in COMPAT:
        msg = f"no project is called {name!r}; known: {', '.join(COMPAT)}"
        raise UnknownNameError(msg)
    values = table.score[table.scored]
    if values.size and (values.min() < 0 or values.max() > 1):
        msg = f"other projects' numbers need P(fake) in [0, 1], got {values.min():g} to {values.max():g}"
        raise ConfigError(msg)
    return COMPAT[name](table, protocol or EvaluationProtocol())


def _deepfakebench(table: ScoreTable, protocol: EvaluationProtocol) -> CompatReport:
    """Frames pooled by the name of their folder; labels averaged and cut to whole numbers.

    Reference: SCLBD/DeepfakeBench, training/metrics/utils.py, get_test_metrics.
    """
    ours = evaluate_scores(table, protocol)
    scored = table.select(table.scored)
    folders, group = grouped(scored.folder, len(scored))
    frames = np.bincount(group)
    pooled = np.bincount(group, weights=scored.score) / frames
    labels = (np.bincount(group, weights=scored.label) / frames).astype(np.int64)
    theirs = {
        "acc": float(np.mean((scored.score > 0.5) == (scored.label == 1))),
        "auc": roc_auc(scored.score, scored.label),
        "eer": equal_error_rate(scored.score, scored.label, method="nearest"),
        "ap": average_precision(scored.score, scored.label),
        "video_auc": _or_nan(roc_auc, pooled, labels),
        "video_eer": _or_nan(lambda s, y: equal_error_rate(s, y, method="nearest"), pooled, labels),
        "videos": float(len(folders)),
    }
    right = _names(ours, frame=("acc", "auc", "eer", "ap"), video={"video_auc": "auc", "video_eer": "eer"})
    right["videos"] = float(ours.video.n_real + ours.video.n_fake)
    return CompatReport("deepfakebench", theirs, right, _folder_defects(scored, group, folders))


def _laa_net(table: ScoreTable, protocol: EvaluationProtocol) -> CompatReport:
    """Mean of the logits by the name of the folder, then the sigmoid.

    Reference: 10Ring/LAA-Net, scripts/test.py.
    """
    protocol = replace(protocol, pooled="logits")
    ours = evaluate_scores(table, protocol)
    scored = table.select(table.scored)
    folders, group = grouped(scored.folder, len(scored))
    pooled = logistic(np.bincount(group, weights=face_logits(scored)) / np.bincount(group))
    labels = scored.label[np.unique(group, return_index=True)[1]]
    theirs = dict.fromkeys(("acc", "auc", "ap", "ar", "mf1"), _NAN)
    if len(np.unique(labels)) == 2:
        row = summarise(pooled, labels, threshold=0.5)
        theirs = {"acc": row.acc, "auc": row.auc, "ap": row.ap, "ar": row.ar, "mf1": row.mf1}
    theirs["videos"] = float(len(folders))
    right = _names(ours, video={"acc": "acc", "auc": "auc", "ap": "ap", "ar": "bacc"})
    right["mf1"] = 2 * right["ap"] * right["ar"] / (right["ap"] + right["ar"])
    right["videos"] = float(ours.video.n_real + ours.video.n_fake)
    notes = ("mf1 is the harmonic mean of average precision and macro recall, not an F1 of decisions",)
    return CompatReport("laa_net", theirs, right, _folder_defects(scored, group, folders) + notes)


def _sbi(table: ScoreTable, protocol: EvaluationProtocol) -> CompatReport:
    """32 frames, the most suspicious face of each, their mean; 0.5 for a video without any face.

    Reference: mapooon/SelfBlendedImages, src/inference/inference_dataset.py.
    """
    theirs = evaluate_scores(
        table,
        replace(
            protocol,
            pooled="probabilities",
            faces="max",
            pooling="mean",
            missing_face="0.5",
            frames_per_video=_SBI_FRAMES,
            flip=False,
        ),
    )
    ours = evaluate_scores(table, replace(protocol, frames_per_video=_SBI_FRAMES))
    filled = theirs.video.filled
    defects = (f"{filled} videos without any face count as 0.5, {_who(theirs)}",) if filled else ()

    def numbers(result: EvaluationResult) -> Numbers:
        return {"auc": result.video.auc.value, "videos": float(result.video.n_real + result.video.n_fake)}

    return CompatReport("sbi", numbers(theirs), numbers(ours), defects)


def _who(result: EvaluationResult) -> str:
    return f"among {result.video.n_real} reals and {result.video.n_fake} fakes"


def _m2f2_det(table: ScoreTable, protocol: EvaluationProtocol) -> CompatReport:
    """Runs of rows of one video, without the 10 lowest and 10 highest; best accuracy over thresholds.

    A run is closed by the first row of the next, whose label it gets; nothing closes the last. ``fixed_auc`` and
    ``fixed_acc`` are the same way without these two defects.

    Reference: CHELSEA234/M2F2_Det, stage_1_detection_inference.py, parse_auc_score.
    """
    ours = evaluate_scores(table, protocol)
    scored = table.select(table.scored)
    official, fixed = m2f2_det_videos(scored, "official"), m2f2_det_videos(scored)
    there = not np.isnan(official.scores).any()
    theirs = {
        "auc": _or_nan(roc_auc, official.scores, official.labels) if there else _NAN,
        "acc": oracle_accuracy(official.scores, official.labels) if official.scores.size else _NAN,
        "fixed_auc": roc_auc(fixed.scores, fixed.labels),
        "fixed_acc": oracle_accuracy(fixed.scores, fixed.labels),
        "videos": float(official.scores.size),
    }
    right = _names(ours, video={"auc": "auc", "acc": "acc", "fixed_auc": "auc", "fixed_acc": "acc"})
    right["videos"] = float(ours.video.n_real + ours.video.n_fake)
    runs = official.scores.size
    defects = [f"the last video is never counted: {runs} of {runs + 1} are"]
    own = dict(zip(fixed.video_ids, fixed.labels, strict=True))
    wrong = sum(own[name] != label for name, label in zip(official.video_ids, official.labels, strict=True))
    if wrong:
        defects.append(f"{wrong} videos get the label of the video after them")
    if not there:
        short = int(np.isnan(official.scores).sum())
        defects.append(f"{short} videos of at most {2 * TRIMMED_FRAMES} frames give NaN, so no AUC")
    defects.append("the accuracy is the best over all thresholds on the test data itself")
    return CompatReport("m2f2_det", theirs, right, tuple(defects))


def _ffaa(table: ScoreTable, protocol: EvaluationProtocol) -> CompatReport:
    """Faces pooled over all sets; recall of the reals is called ``tpr`` and that of the fakes ``tnr``.

    Reference: thu-huangzc/FFAA, eval.py.
    """
    ours = evaluate_scores(table, protocol)
    scored = table.select(table.scored)
    found = rates(scored.score, scored.label, threshold=0.5)
    accuracies = [
        accuracy(scored.score[own], scored.label[own], threshold=0.5)
        for own in (scored.dataset == name for name in dict.fromkeys(scored.dataset.tolist()))
    ]
    spread = float(np.std(accuracies))
    theirs = {
        "acc": accuracy(scored.score, scored.label, threshold=0.5),
        "auc": roc_auc(scored.score, scored.label),
        "ap": average_precision(scored.score, scored.label),
        "tpr": 1 - found.false_positive_rate,
        "tnr": found.true_positive_rate,
        "sacc": spread,
    }
    right = _names(ours, frame=("acc", "auc", "ap", "tpr", "tnr")) | {"sacc": spread}
    swapped = "tpr and tnr are swapped: their tpr is the recall of reals, their tnr that of fakes"
    vague = "sacc is the population's standard deviation of the accuracy over data sets: no program of theirs "
    vague += "computes it, and no one formula gives their published values"
    return CompatReport("ffaa", theirs, right, (swapped, vague))


COMPAT: Final[dict[str, Callable[[ScoreTable, EvaluationProtocol], CompatReport]]] = {
    "laa_net": _laa_net,
    "m2f2_det": _m2f2_det,
    "ffaa": _ffaa,
    "sbi": _sbi,
    "deepfakebench": _deepfakebench,
}
"""Projects by the name of ``--compat``."""


def _names(result: EvaluationResult, *, frame: tuple[str, ...] = (), video: dict[str, str] | None = None) -> Numbers:
    """Our numbers under a project's names."""
    frames, videos = result.frame.to_dict(), result.video.to_dict()
    found = {name: float(frames[name]) for name in frame}
    return found | {theirs: float(videos[own]) for theirs, own in (video or {}).items()}


def _or_nan(
    metric: Callable[[NDArray[np.float64], NDArray[np.int64]], float],
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> float:
    return metric(scores, labels) if len(np.unique(labels)) == 2 else _NAN


def _folder_defects(scored: ScoreTable, group: NDArray[np.int64], folders: list[object]) -> tuple[str, ...]:
    """Which videos share a folder's name, and which folders hold both labels."""
    videos = list(zip(group.tolist(), scored.dataset.tolist(), scored.video_id.tolist(), strict=True))
    inside = np.bincount([folder for folder, _, _ in set(videos)], minlength=len(folders))
    fakes = np.bincount(group, weights=scored.label) / np.bincount(group)
    defects = []
    if (inside > 1).any():
        merged, names = int(inside[inside > 1].sum()), int((inside > 1).sum())
        example = folders[int(np.argmax(inside))]
        defects.append(f"{merged} videos share {names} folder names and are averaged into {names}, such as {example!r}")
    mixed = int(((fakes > 0) & (fakes < 1)).sum())
    if mixed:
        defects.append(f"{mixed} folder names hold reals and fakes, which become one video with one label")
    return tuple(defects)
