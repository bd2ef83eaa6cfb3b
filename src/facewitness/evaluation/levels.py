"""How scores of faces become numbers: the protocol that is written down, and the scores of frames and videos."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import (
    MissingFace,
    Pooling,
    best_threshold,
    flip_average,
    video_scores_with_missing,
)
from facewitness.evaluation.metrics.checks import grouped
from facewitness.evaluation.metrics.grouping import TOP, TRIM, labels_of
from facewitness.evaluation.score_table import ScoreTable
from facewitness.score_maps import log_odds, logistic

Level = Literal["frame", "video"]
Key = tuple[Any, ...]
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "level": get_args(Level),
    "pooled": ("probabilities", "logits"),
    "faces": ("max", "mean"),
    "pooling": get_args(Pooling),
    "missing_face": get_args(MissingFace),
}


@dataclass(frozen=True)
class EvaluationProtocol:
    """Everything that turns scores of faces into a number; it stands beside every number.

    Attributes:
        level: Which level leads the result; both are computed.
        pooling: From frames to a video, a rule of `metrics.pool_frames`.
        pooled: What is pooled: ``probabilities`` (the column ``score``) or ``logits`` (the column ``logit``, where it
            is NaN the logit of the score), of which the sigmoid is taken afterwards.
        faces: From the faces of a frame to the frame: the ``max`` (the most suspicious face) or the ``mean``.
        missing_face: What becomes of a video without any scored frame.
        trim: Share that ``trimmed`` cuts off at each end.
        top: How many frames ``topk`` takes.
        flip: Whether the mean over a face and its mirror image is taken, of what ``pooled`` says.
        frames_per_video: At most so many frames of a video, evenly spread over the table's; 0 takes all.
        threshold: Scores at or above it are called fake, on both levels.
        threshold_rule: How it was chosen: ``fixed``, or a criterion of `metrics.best_threshold`.
        threshold_from: Where it was chosen, in words; never the data that is evaluated.
        resamples: Bootstrap resamples.
        interval_level: Share of resamples inside the intervals.
        seed: Of the bootstrap.

    Raises:
        ConfigError: On a value out of range.
    """

    level: Level = "video"
    pooling: Pooling = "mean"
    pooled: Literal["probabilities", "logits"] = "probabilities"
    faces: Literal["max", "mean"] = "max"
    missing_face: MissingFace = "abstain"
    trim: float = TRIM
    top: int = TOP
    flip: bool = False
    frames_per_video: int = 0
    threshold: float = 0.5
    threshold_rule: str = "fixed"
    threshold_from: str = "set in advance"
    resamples: int = 1000
    interval_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                msg = f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}"
                raise ConfigError(msg)
        good = {
            "trim": 0 <= self.trim < 0.5,
            "top": self.top >= 1,
            "frames_per_video": self.frames_per_video >= 0,
            "threshold": bool(np.isfinite(self.threshold)),
            "resamples": self.resamples >= 1,
            "interval_level": 0 < self.interval_level < 1,
            "seed": self.seed >= 0,
        }
        for name, fits in good.items():
            if not fits:
                msg = f"{name} of an evaluation protocol is out of range: {getattr(self, name)!r}"
                raise ConfigError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)

    def rng(self) -> np.random.Generator:
        """A fresh source of randomness from the seed."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, eq=False)
class LevelScores:
    """Scores of one level, one entry per frame or video that has one.

    Attributes:
        level: ``frame`` or ``video``.
        keys: ``(dataset, video_id)``, with the frame's index as third for frames.
        scores: ``(k,)`` float64, higher means fake; probabilities where the table's scores are.
        labels: ``(k,)`` int64.
        rows: ``(k,)`` one row of the table for each entry, for what is known of it; its score is that of one face.
        groups: ``(k,)`` whom the entry belongs to, for resampling: the identity, else the video.
        not_scored: Why entries without a score have none, by key; left out of every number but this count.
        dropped: The same under the rule ``drop``.
        filled: The same for videos that got 0.5 nevertheless; they are among ``keys``.
    """

    level: Level
    keys: tuple[Key, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    rows: ScoreTable
    groups: tuple[tuple[str, ...], ...]
    not_scored: dict[Key, str]
    dropped: dict[Key, str]
    filled: dict[Key, str]

    @property
    def are_probabilities(self) -> bool:
        """Whether every score is in [0, 1]."""
        return bool(self.scores.size and self.scores.min() >= 0 and self.scores.max() <= 1)

    def select(self, which: NDArray[np.bool_]) -> LevelScores:
        """The entries where ``which`` is True; lists of what has no score are emptied."""
        at = np.flatnonzero(which)
        return replace(
            self,
            keys=tuple(self.keys[i] for i in at),
            scores=self.scores[at],
            labels=self.labels[at],
            rows=self.rows.select(at),
            groups=tuple(self.groups[i] for i in at),
            not_scored={},
            dropped={},
            filled={},
        )


def level_scores(table: ScoreTable, protocol: EvaluationProtocol) -> tuple[LevelScores, LevelScores]:
    """Scores of frames and of videos as a protocol makes them.

    Args:
        table: Scores of faces.
        protocol: The rules.

    Returns:
        Frames, then videos.

    Raises:
        ConfigError: If a video has both labels, nothing was scored, mirrored scores are missing for the flip test, or
            a rule needs probabilities and the scores are others.
    """
    table = _spread_frames(table, protocol.frames_per_video)
    videos: list[Key] = list(zip(table.dataset.tolist(), table.video_id.tolist(), strict=True))
    labels_of(*grouped(videos, len(table)), table.label.astype(bool))
    frames: list[Key] = [(*video, index) for video, index in zip(videos, table.frame_index.tolist(), strict=True)]
    _, group = grouped(frames, len(table))
    first = np.unique(group, return_index=True)[1]
    names = [frames[i] for i in first]
    values = _over_faces(_face_values(table, protocol), group, len(names), protocol.faces)
    labels = table.label[first]
    there = ~np.isnan(values)
    lost = {names[i]: str(table.not_scored[first[i]]) for i in np.flatnonzero(~there)}
    frame_level = _level("frame", [names[i] for i in np.flatnonzero(there)], values[there], table, protocol)
    if protocol.missing_face == "0.5":
        _require_probabilities(table, "the missing-face rule 0.5")
    pooled = video_scores_with_missing(
        values,
        labels,
        [videos[i] for i in first],
        missing_face=protocol.missing_face,
        neutral=0.0 if protocol.pooled == "logits" else 0.5,
        pooling=protocol.pooling,
        trim=protocol.trim,
        top=protocol.top,
    )
    video_level = _level("video", list(pooled.video_ids), pooled.scores, table, protocol)
    why = _reasons(table, videos)
    video_level = replace(
        video_level,
        not_scored={video: why[video] for video in why if video in pooled.not_scored},
        dropped={video: why[video] for video in why if video in pooled.dropped},
        filled={video: why[video] for video in why if video in pooled.filled},
    )
    return replace(frame_level, not_scored=lost), video_level


def choose_threshold(
    table: ScoreTable, protocol: EvaluationProtocol, criterion: str, *, chosen_on: str
) -> EvaluationProtocol:
    """A protocol with the threshold that is best on validation data, at the protocol's level.

    Args:
        table: Scores of the validation data.
        protocol: The rules; all but its threshold are kept.
        criterion: Of `metrics.best_threshold`: ``youden``, ``accuracy`` or ``fpr=x``.
        chosen_on: The validation data in words.

    Raises:
        ConfigError: As `level_scores` and `metrics.best_threshold`.
    """
    frames, videos = level_scores(table, protocol)
    entries = videos if protocol.level == "video" else frames
    return replace(
        protocol,
        threshold=best_threshold(entries.scores, entries.labels, criterion),
        threshold_rule=criterion,
        threshold_from=f"{chosen_on} ({entries.scores.size} {protocol.level}s)",
    )


def face_logits(table: ScoreTable) -> NDArray[np.float64]:
    """``(n,)`` logit of each face: the column ``logit``, where it is NaN the logit of the score.

    Raises:
        ConfigError: If a logit is missing and the scores are not probabilities.
    """
    if (np.isnan(table.logit) & table.scored).any():
        _require_probabilities(table, "logits, where the table has none")
        return np.where(np.isnan(table.logit), log_odds(table.score), table.logit)
    return np.where(table.scored, table.logit, np.nan)


def _face_values(table: ScoreTable, protocol: EvaluationProtocol) -> NDArray[np.float64]:
    """What is pooled, of each face; NaN where not scored."""
    logits = protocol.pooled == "logits"
    values = face_logits(table) if logits else table.score
    if not protocol.flip:
        return values
    return flip_average(values, log_odds(table.score_flipped) if logits else table.score_flipped)


def _over_faces(values: NDArray[np.float64], group: NDArray[np.int64], count: int, faces: str) -> NDArray[np.float64]:
    there = ~np.isnan(values)
    inside = np.bincount(group[there], minlength=count)
    if faces == "max":
        found = np.full(count, -np.inf)
        np.maximum.at(found, group[there], values[there])
    else:
        found = np.bincount(group[there], weights=values[there], minlength=count) / np.maximum(inside, 1)
    return np.where(inside > 0, found, np.nan)


def _level(
    level: Level, keys: list[Any], values: NDArray[np.float64], table: ScoreTable, protocol: EvaluationProtocol
) -> LevelScores:
    where: dict[Key, int] = {}
    columns = zip(table.dataset.tolist(), table.video_id.tolist(), table.frame_index.tolist(), strict=True)
    for i, key in enumerate(columns):
        where.setdefault(key if level == "frame" else key[:2], i)
    rows = table.select(np.array([where[key] for key in keys], dtype=np.int64))
    who = zip(rows.dataset.tolist(), rows.identity.tolist(), rows.video_id.tolist(), strict=True)
    return LevelScores(
        level=level,
        keys=tuple(keys),
        scores=logistic(values) if protocol.pooled == "logits" else values,
        labels=rows.label,
        rows=rows,
        groups=tuple((d, "identity", i) if i else (d, "video", v) for d, i, v in who),
        not_scored={},
        dropped={},
        filled={},
    )


def _spread_frames(table: ScoreTable, count: int) -> ScoreTable:
    """At most ``count`` frames of each video, evenly spread; all when 0."""
    if not count:
        return table
    names, group = grouped(list(zip(table.dataset.tolist(), table.video_id.tolist(), strict=True)), len(table))
    keep = np.zeros(len(table), dtype=bool)
    order = np.argsort(group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(group, minlength=len(names)))[:-1]):
        frames = np.unique(table.frame_index[rows])
        chosen = frames[np.linspace(0, frames.size - 1, min(count, frames.size)).astype(np.int64)]
        keep[rows[np.isin(table.frame_index[rows], chosen)]] = True
    return table.select(keep)


def _reasons(table: ScoreTable, videos: list[Key]) -> dict[Key, str]:
    """The commonest reason of each video's rows."""
    counts: dict[Key, Counter[str]] = {}
    for video, reason in zip(videos, table.not_scored.tolist(), strict=True):
        counts.setdefault(video, Counter())[reason] += 1
    return {video: reasons.most_common(1)[0][0] for video, reasons in counts.items()}


def _require_probabilities(table: ScoreTable, what: str) -> None:
    values = table.score[table.scored]
    if values.size and (values.min() < 0 or values.max() > 1):
        msg = (
            f"{what} needs scores in [0, 1], got {values.min():g} to {values.max():g}; give P(fake) in the column score"
        )
        raise ConfigError(msg)
