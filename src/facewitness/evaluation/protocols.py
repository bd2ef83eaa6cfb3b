"""The numbers of an evaluation: frames and videos, by manipulation and generator, and over data sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.levels import EvaluationProtocol, LevelScores, choose_threshold, level_scores
from facewitness.evaluation.metrics import (
    Decisions,
    Interval,
    auc_interval,
    average_precision,
    brier_score,
    calibration_errors,
    decide,
    equal_error_rate,
    negative_log_likelihood,
    partial_auc,
    reliability_table,
    tpr_at_fpr,
)
from facewitness.evaluation.score_table import ScoreTable

__all__ = [
    "MACRO",
    "EvaluationProtocol",
    "EvaluationResult",
    "GroupResult",
    "LevelResult",
    "LevelScores",
    "choose_threshold",
    "evaluate_scores",
    "level_result",
    "level_scores",
]

MACRO: Final = ("auc", "ap", "eer", "pauc", "tpr_at_fpr_1", "tpr_at_fpr_5", "fpr_on_real", "acc", "bacc", "f1", "mcc")
_NAN: Final = float("nan")


@dataclass(frozen=True)
class LevelResult:
    """Every number of one level; a number that is not defined is NaN.

    Attributes:
        level: ``frame`` or ``video``.
        auc: AUC with its bootstrap interval over identities (videos where no identity is known).
        ap: Average precision.
        eer: Equal error rate, interpolated.
        pauc: Partial AUC up to 10 % false positives, McClish's scale.
        tpr_at_fpr_1: Fakes found at 1 % of the reals called fake.
        tpr_at_fpr_5: The same at 5 %.
        decisions: What the protocol's threshold does.
        brier: Brier score; NaN, as the rest of the calibration, where scores are not probabilities.
        nll: Negative log-likelihood, nats.
        ece: Expected calibration error, 15 equally wide bins.
        ece_mass: The same with equally full bins.
        mce: Largest gap of the equally wide bins.
        n_real: Reals scored.
        n_fake: Fakes scored.
        n_groups: Identities or videos that the bootstrap resamples.
        not_scored: Entries without a score that are left out and listed.
        dropped: Entries without a score that the rule ``drop`` leaves out.
        filled: Videos without a scored frame that count as 0.5.
        reasons: Why they have none, with counts.
        not_scored_ids: Their names, ``dataset/video_id``; videos only.
    """

    level: str
    auc: Interval
    ap: float
    eer: float
    pauc: float
    tpr_at_fpr_1: float
    tpr_at_fpr_5: float
    decisions: Decisions
    brier: float
    nll: float
    ece: float
    ece_mass: float
    mce: float
    n_real: int
    n_fake: int
    n_groups: int
    not_scored: int
    dropped: int
    filled: int
    reasons: dict[str, int]
    not_scored_ids: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Flat and fit for JSON: ``auc``, ``auc_low``, ``auc_high``, the decisions' numbers; None for NaN."""
        flat = {"level": self.level, "auc": self.auc.value, "auc_low": self.auc.low, "auc_high": self.auc.high}
        rest = {name: v for name, v in asdict(self).items() if name not in ("level", "auc", "decisions")}
        return plain(flat | asdict(self.decisions) | rest)


@dataclass(frozen=True)
class GroupResult:
    """One manipulation or generator: its fakes against all reals of the same data set, at video level.

    Attributes:
        name: ``manipulation``; for generators ``dataset/manipulation``, then the compression where one is known.
        auc: AUC with interval.
        ap: Average precision, which depends on the share of fakes.
        eer: Equal error rate, interpolated.
        tpr: Fakes called fake at the protocol's threshold.
        tpr_at_fpr_5: Fakes found at 5 % of the reals called fake.
        n_real: Reals.
        n_fake: Fakes.
    """

    name: str
    auc: Interval
    ap: float
    eer: float
    tpr: float
    tpr_at_fpr_5: float
    n_real: int
    n_fake: int

    def to_dict(self) -> dict[str, Any]:
        """Flat and fit for JSON, as `LevelResult.to_dict`."""
        flat = {"name": self.name, "auc": self.auc.value, "auc_low": self.auc.low, "auc_high": self.auc.high}
        return plain(flat | {name: v for name, v in asdict(self).items() if name not in ("name", "auc")})


@dataclass(frozen=True)
class EvaluationResult:
    """A detector on some data under a protocol.

    Attributes:
        protocol: The rules.
        frame: Numbers of frames.
        video: Numbers of videos.
        by_manipulation: Per manipulation, over the data sets that have it.
        by_generator: Per data set and manipulation (and compression).
        datasets: Numbers of videos per data set.
        macro: Mean over data sets of the names in `MACRO`, each set counting once.
        left_out: Groups and data sets without a number, and why.
    """

    protocol: EvaluationProtocol
    frame: LevelResult
    video: LevelResult
    by_manipulation: tuple[GroupResult, ...]
    by_generator: tuple[GroupResult, ...]
    datasets: dict[str, LevelResult]
    macro: dict[str, float]
    left_out: dict[str, str]

    @property
    def headline(self) -> LevelResult:
        """The level that the protocol leads with."""
        return self.video if self.protocol.level == "video" else self.frame

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON; None for NaN."""
        return {
            "protocol": plain(self.protocol.to_dict()),
            "frame": self.frame.to_dict(),
            "video": self.video.to_dict(),
            "by_manipulation": [row.to_dict() for row in self.by_manipulation],
            "by_generator": [row.to_dict() for row in self.by_generator],
            "datasets": {name: result.to_dict() for name, result in self.datasets.items()},
            "macro": plain(self.macro),
            "left_out": self.left_out,
        }


def evaluate_scores(table: ScoreTable, protocol: EvaluationProtocol | None = None) -> EvaluationResult:
    """Turn scores of faces into numbers.

    Args:
        table: Scores of faces, of one or more data sets.
        protocol: The rules; the defaults of `EvaluationProtocol` when None.

    Returns:
        Numbers of both levels and of every group.

    Raises:
        ConfigError: If one class only was scored, or as `level_scores`.

    Example:
        >>> table = ScoreTable.from_columns({
        ...     "video_id": ["a", "a", "b", "c"], "label": [0, 0, 1, 1], "score": [0.1, 0.3, 0.9, 0.6],
        ...     "frame_index": [0, 1, 0, 0]})
        >>> result = evaluate_scores(table, EvaluationProtocol(resamples=50))
        >>> result.video.auc.value, result.video.n_real, result.frame.n_real
        (1.0, 1, 2)
    """
    rules = protocol or EvaluationProtocol()
    frames, videos = level_scores(table, rules)
    left_out: dict[str, str] = {}
    datasets: dict[str, LevelResult] = {}
    for name in dict.fromkeys(table.dataset.tolist()):
        if _lacks_a_class(videos.labels[videos.rows.dataset == name]):
            left_out[f"data set {name}"] = "one class only"
        else:
            datasets[name] = level_result(_of_dataset(videos, name), rules)
    flat = [result.to_dict() for result in datasets.values()]
    return EvaluationResult(
        protocol=rules,
        frame=level_result(frames, rules),
        video=level_result(videos, rules),
        by_manipulation=_group_table(videos, rules, _manipulations(videos), left_out),
        by_generator=_group_table(videos, rules, _generators(videos), left_out),
        datasets=datasets,
        macro={name: float(np.mean([row[name] for row in flat])) for name in MACRO} if flat else {},
        left_out=left_out,
    )


def level_result(entries: LevelScores, protocol: EvaluationProtocol) -> LevelResult:
    """Every number of one level.

    Raises:
        ConfigError: If one class only was scored.
    """
    scores, labels = entries.scores, entries.labels
    if _lacks_a_class(labels):
        lost = len(entries.not_scored) + len(entries.dropped)
        msg = f"{entries.level} level: both reals and fakes must be scored, got {int(labels.sum())} fake of "
        raise ConfigError(msg + f"{labels.size} scored and {lost} not scored")
    calibration = (_NAN,) * 5
    if entries.are_probabilities:
        wide = calibration_errors(reliability_table(scores, labels))
        full = calibration_errors(reliability_table(scores, labels, kind="mass"))
        proper = brier_score(scores, labels), negative_log_likelihood(scores, labels)
        calibration = (*proper, wide.expected, full.expected, wide.maximum)
    reasons = Counter([*entries.not_scored.values(), *entries.dropped.values(), *entries.filled.values()])
    return LevelResult(
        entries.level,
        _auc(entries, protocol),
        average_precision(scores, labels),
        equal_error_rate(scores, labels),
        partial_auc(scores, labels),
        tpr_at_fpr(scores, labels, 0.01),
        tpr_at_fpr(scores, labels, 0.05),
        decide(scores, labels, threshold=protocol.threshold),
        *calibration,
        n_real=int((labels == 0).sum()),
        n_fake=int((labels == 1).sum()),
        n_groups=len(set(entries.groups)),
        not_scored=len(entries.not_scored),
        dropped=len(entries.dropped),
        filled=len(entries.filled),
        reasons=dict(reasons.most_common()),
        not_scored_ids=tuple("/".join(map(str, k)) for k in entries.not_scored) if entries.level == "video" else (),
    )


def _auc(entries: LevelScores, protocol: EvaluationProtocol) -> Interval:
    return auc_interval(
        entries.scores,
        entries.labels,
        ids=entries.groups,
        rng=protocol.rng(),
        resamples=protocol.resamples,
        level=protocol.interval_level,
    )


def _lacks_a_class(labels: NDArray[np.int64]) -> bool:
    return len(np.unique(labels)) < 2


def _of_dataset(videos: LevelScores, name: str) -> LevelScores:
    own = videos.select(videos.rows.dataset == name)
    for lists in ("not_scored", "dropped", "filled"):
        getattr(own, lists).update({key: why for key, why in getattr(videos, lists).items() if key[0] == name})
    return own


Masks = dict[str, NDArray[np.bool_]]


def _manipulations(videos: LevelScores) -> Masks:
    """Per manipulation its fakes, with all reals of the data sets that have it."""
    rows, fake = videos.rows, videos.labels == 1
    masks: Masks = {}
    for name in np.unique(rows.manipulation[fake]).tolist():
        own = fake & (rows.manipulation == name)
        masks[name or "not named"] = own | (~fake & np.isin(rows.dataset, rows.dataset[own]))
    return masks


def _generators(videos: LevelScores) -> Masks:
    """Per data set, manipulation and compression its fakes, with the reals of that data set.

    The reals are those of the same compression where there are any, so that the compression is not what is told apart.
    """
    rows, fake = videos.rows, videos.labels == 1
    fakes = rows.select(fake)
    names = zip(fakes.dataset.tolist(), fakes.manipulation.tolist(), fakes.compression.tolist(), strict=True)
    masks: Masks = {}
    for dataset, manipulation, compression in sorted(set(names)):
        there = rows.dataset == dataset
        alike = there & (rows.compression == compression)
        reals = ~fake & alike if (~fake & alike).any() else ~fake & there
        name = "/".join(part for part in (dataset, manipulation or "not named", compression) if part)
        masks[name] = reals | (fake & alike & (rows.manipulation == manipulation))
    return masks


def _group_table(
    videos: LevelScores, protocol: EvaluationProtocol, masks: Masks, left_out: dict[str, str]
) -> tuple[GroupResult, ...]:
    table = []
    for name, mask in masks.items():
        part = videos.select(mask)
        if _lacks_a_class(part.labels):
            left_out[name] = "no real of the same data set was scored"
            continue
        scores, labels = part.scores, part.labels
        table.append(
            GroupResult(
                name,
                _auc(part, protocol),
                average_precision(scores, labels),
                equal_error_rate(scores, labels),
                decide(scores, labels, threshold=protocol.threshold).tpr,
                tpr_at_fpr(scores, labels, 0.05),
                n_real=int((labels == 0).sum()),
                n_fake=int((labels == 1).sum()),
            )
        )
    return tuple(table)
