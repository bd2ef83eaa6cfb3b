"""The numbers of `facewitness robustness`: ranking, verdicts and lost faces, each against the clean frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import auc_interval, roc_auc
from facewitness.evaluation.recalibration import FrameScores
from facewitness.evaluation.robustness import CLEAN, Condition
from facewitness.evaluation.score_table import ScoreTable
from facewitness.media.perturbations import Perturbation
from facewitness.records import OperatingPoint, VerdictLabel
from facewitness.verdicts import judge

RULES: Final = {
    "score": "video: mean of the log-odds of its frames, each the highest of its faces, as analyze pools",
    "auc": "over videos that were scored under the condition; 95 % bootstrap interval over identities (else videos)",
    "drop": "AUC of the clean frames minus AUC under the condition, over videos scored in both",
    "flip_rate": "share of videos scored in both whose verdict goes from FAKE to REAL or from REAL to FAKE",
    "change_rate": "share of videos scored in both whose verdict is another one, UNCERTAIN included",
    "faces_lost": "share of the faces scored on clean frames that are missing on the same frame under the condition",
    "mean_drop": "mean over the levels",
}
"""How each number is made, as results state it."""

_NAN: Final = float("nan")
_RESAMPLES: Final = 1000


@dataclass(frozen=True)
class ConditionResult:
    """One condition; a number that is not defined is NaN.

    Attributes:
        name: Perturbation; ``clean`` for none.
        level: 1 to 5; 0 for clean.
        strength: Its parameter; NaN for clean.
        words: What was done.
        n_real: Real videos scored.
        n_fake: Fake videos scored.
        auc: Area under the ROC curve.
        auc_low: Lower end of its interval.
        auc_high: Upper end.
        drop: How much lower than on the same clean videos.
        flip_rate: Share of verdicts turned into their opposite.
        change_rate: Share of verdicts that are others.
        fpr_on_real: Share of reals called FAKE.
        found_fakes: Share of fakes called FAKE.
        faces_lost: Share of faces.
    """

    name: str
    level: int
    strength: float
    words: str
    n_real: int
    n_fake: int
    auc: float
    auc_low: float
    auc_high: float
    drop: float
    flip_rate: float
    change_rate: float
    fpr_on_real: float
    found_fakes: float
    faces_lost: float


@dataclass(frozen=True)
class PerturbationSummary:
    """One perturbation over its levels.

    Attributes:
        name: Of the perturbation.
        mean_drop: Mean drop of the AUC.
        mean_flip_rate: Mean flip rate.
        mean_faces_lost: Mean share of lost faces.
    """

    name: str
    mean_drop: float
    mean_flip_rate: float
    mean_faces_lost: float


@dataclass(frozen=True)
class RobustnessResult:
    """Everything that was measured.

    Attributes:
        conditions: Clean first.
        summaries: One per perturbation, the largest mean drop first.
        mean_drop: Mean over all perturbations.
        mean_flip_rate: Likewise.
    """

    conditions: tuple[ConditionResult, ...]
    summaries: tuple[PerturbationSummary, ...]
    mean_drop: float
    mean_flip_rate: float


@dataclass(frozen=True)
class _Videos:
    """One score per video of one condition."""

    scores: dict[str, float]
    labels: dict[str, int]
    owners: dict[str, str]

    @classmethod
    def of_table(cls, table: ScoreTable) -> _Videos:
        if not table.scored.any():
            return cls({}, {}, {})
        frames = FrameScores.of_table(table)
        names, first = np.unique(frames.videos, return_index=True)
        scores, labels = frames.pooled()
        keys = names.tolist()
        return cls(
            dict(zip(keys, scores.tolist(), strict=True)),
            dict(zip(keys, labels.tolist(), strict=True)),
            dict(zip(keys, frames.owners[first].tolist(), strict=True)),
        )


def robustness_result(
    tables: Mapping[Condition, ScoreTable],
    perturbations: Mapping[str, Perturbation],
    point: OperatingPoint,
    *,
    rng: np.random.Generator,
    resamples: int = _RESAMPLES,
) -> RobustnessResult:
    """Compare every condition with the clean frames.

    Args:
        tables: Of `RobustnessRun.run`, the clean one among them.
        perturbations: By name.
        point: Lines of the verdicts.
        rng: Resamples for the intervals.
        resamples: How many.

    Raises:
        ConfigError: If there is no clean table, or its scores are not probabilities.
    """
    if CLEAN not in tables:
        msg = f"robustness needs the scores of clean frames, got {', '.join(map(str, tables)) or 'nothing'}"
        raise ConfigError(msg)
    clean, faces = _Videos.of_table(tables[CLEAN]), _faces(tables[CLEAN])
    found = []
    for condition, table in tables.items():
        change = perturbations.get(condition.name) if condition.level else None
        strength = _NAN if change is None else change.strength(condition.level)
        words = "as they are" if change is None else change.level_words(condition.level)
        videos = _Videos.of_table(table)
        low, value, high = _auc_with_interval(videos, rng, resamples)
        flips, changes = _verdict_changes(clean, videos, point)
        found.append(
            ConditionResult(
                name=condition.name,
                level=condition.level,
                strength=strength,
                words=words,
                n_real=sum(label == 0 for label in videos.labels.values()),
                n_fake=sum(label == 1 for label in videos.labels.values()),
                auc=value,
                auc_low=low,
                auc_high=high,
                drop=_drop(clean, videos),
                flip_rate=flips,
                change_rate=changes,
                fpr_on_real=_called_fake(videos, point, 0),
                found_fakes=_called_fake(videos, point, 1),
                faces_lost=_lost(faces, _faces(table)),
            )
        )
    return _summed_up(found)


def _summed_up(found: Sequence[ConditionResult]) -> RobustnessResult:
    summaries = []
    for name in dict.fromkeys(row.name for row in found if row.level):
        rows = [row for row in found if row.name == name and row.level]
        summaries.append(
            PerturbationSummary(
                name,
                _mean(row.drop for row in rows),
                _mean(row.flip_rate for row in rows),
                _mean(row.faces_lost for row in rows),
            )
        )
    summaries.sort(key=lambda s: -np.nan_to_num(s.mean_drop, nan=-np.inf))
    return RobustnessResult(
        tuple(found),
        tuple(summaries),
        _mean(s.mean_drop for s in summaries),
        _mean(s.mean_flip_rate for s in summaries),
    )


def _mean(values: Iterable[float]) -> float:
    """The mean of what is defined; NaN where nothing is."""
    there = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
    return float(np.mean(there)) if there else _NAN


def _aligned(videos: _Videos, keys: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array([videos.scores[k] for k in keys]), np.array([videos.labels[k] for k in keys], dtype=np.int64)


def _auc_with_interval(videos: _Videos, rng: np.random.Generator, resamples: int) -> tuple[float, float, float]:
    """Lower end, AUC, upper end; NaN where not defined."""
    keys = list(videos.scores)
    scores, labels = _aligned(videos, keys)
    if np.unique(labels).size < 2:
        return _NAN, _NAN, _NAN
    owners = [videos.owners[k] for k in keys]
    try:
        interval = auc_interval(scores, labels, ids=owners, rng=rng, resamples=resamples)
    except ConfigError:  # too few identities to resample
        return _NAN, roc_auc(scores, labels), _NAN
    return interval.low, interval.value, interval.high


def _drop(clean: _Videos, changed: _Videos) -> float:
    keys = [k for k in clean.scores if k in changed.scores]
    before, labels = _aligned(clean, keys)
    if np.unique(labels).size < 2:
        return _NAN
    return roc_auc(before, labels) - roc_auc(_aligned(changed, keys)[0], labels)


def _verdict_changes(clean: _Videos, changed: _Videos, point: OperatingPoint) -> tuple[float, float]:
    """Shares of verdicts that became their opposite, and that became another one."""
    pairs = [
        {judge(score, point).label, judge(changed.scores[name], point).label}
        for name, score in clean.scores.items()
        if name in changed.scores
    ]
    if not pairs:
        return _NAN, _NAN
    opposite = {VerdictLabel.FAKE, VerdictLabel.REAL}
    return sum(pair == opposite for pair in pairs) / len(pairs), sum(len(pair) > 1 for pair in pairs) / len(pairs)


def _called_fake(videos: _Videos, point: OperatingPoint, label: int) -> float:
    scores = [score for name, score in videos.scores.items() if videos.labels[name] == label]
    return _mean(float(judge(score, point).label is VerdictLabel.FAKE) for score in scores)


def _faces(table: ScoreTable) -> Counter[tuple[str, str, int]]:
    """Scored faces of each frame."""
    at = table.select(table.scored)
    return Counter(zip(at.dataset.tolist(), at.video_id.tolist(), at.frame_index.tolist(), strict=True))


def _lost(clean: Counter[tuple[str, str, int]], changed: Counter[tuple[str, str, int]]) -> float:
    return (clean - changed).total() / clean.total() if clean else _NAN
