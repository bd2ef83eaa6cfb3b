"""From a score table to what a weights record carries: a map of the score, lines of the verdict, and what both hold.

The map is fitted on every frame with one weight per video; lines are drawn on one score per video, pooled as
`facewitness analyze` pools. Figures come from folds that share no identity: fitted without the videos they judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.calibration import fit_calibration, grouped_weights
from facewitness.evaluation.controls import folds_by_id
from facewitness.evaluation.metrics import (
    brier_score,
    calibration_errors,
    negative_log_likelihood,
    reliability_table,
)
from facewitness.evaluation.protocols import EvaluationProtocol, level_scores
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.verdict_lines import fit_conformal, operating_points
from facewitness.records import OperatingPoint, VerdictLabel
from facewitness.score_maps import Calibration, Method
from facewitness.verdicts import pool_scores
from facewitness.weights import SCORE, WeightsRecord

Floats = NDArray[np.float64]

FOLDS: Final = 5
FPRS: Final = (0.01, 0.05)
_LEAST_FOLDS = 2


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of frames with all that calibration asks of them.

    Attributes:
        scores: ``(n,)`` P(fake), the highest face of each frame.
        labels: ``(n,)`` int64.
        videos: ``(n,)`` str, whom each frame belongs to.
        owners: ``(n,)`` str, the identity of the video, else the video: what folds keep together.
        kinds: ``(n,)`` str, manipulation.
    """

    scores: Floats
    labels: NDArray[np.int64]
    videos: NDArray[np.str_]
    owners: NDArray[np.str_]
    kinds: NDArray[np.str_]

    @classmethod
    def of_table(cls, table: ScoreTable) -> FrameScores:
        """The scored frames of a table.

        Raises:
            ConfigError: If a video has both labels, nothing was scored, or scores are outside [0, 1].
        """
        frames, _ = level_scores(table, EvaluationProtocol(missing_face="drop"))
        if not frames.are_probabilities:
            msg = "calibration needs P(fake) in [0, 1] in the column score; make the table with: facewitness evaluate"
            raise ConfigError(msg)
        videos = np.array([f"{dataset}/{video}" for dataset, video, _ in frames.keys])
        owners = np.array(["/".join(group) for group in frames.groups])
        return cls(frames.scores, frames.labels, videos, owners, frames.rows.manipulation)

    def select(self, which: NDArray[np.bool_]) -> FrameScores:
        """The frames where ``which`` is True."""
        return FrameScores(
            self.scores[which], self.labels[which], self.videos[which], self.owners[which], self.kinds[which]
        )

    def pooled(self, calibration: Calibration | None = None) -> tuple[Floats, NDArray[np.int64]]:
        """One score and label per video, pooled as `facewitness analyze` does, after a calibration of the frames."""
        scores = self.scores if calibration is None else calibration.apply(self.scores)
        _, first, group = np.unique(self.videos, return_index=True, return_inverse=True)
        order = np.argsort(group, kind="stable")
        parts = np.split(scores[order], np.cumsum(np.bincount(group))[:-1])
        return np.array([pool_scores(part.tolist()) for part in parts]), self.labels[first]


@dataclass(frozen=True)
class Recalibration:
    """What was fitted and what it holds.

    Attributes:
        calibration: The map, fitted on everything; None where none was asked for.
        points: Operating points on the calibrated scores, by name.
        figures: Out-of-fold figures by name; see `recalibrate`.
        left_out: What could not be drawn, and why.
        reals: Real videos.
        fakes: Fake videos.
    """

    calibration: Calibration | None
    points: dict[str, OperatingPoint]
    figures: dict[str, float]
    left_out: tuple[str, ...]
    reals: int
    fakes: int


def recalibrate(
    frames: FrameScores,
    method: Method | None,
    *,
    fitted_on: str,
    conformal_errors: Sequence[float] = (),
    fprs: Sequence[float] | None = None,
    by_kind: bool = False,
    fake_share: float | None = None,
    folds: int = FOLDS,
    rng: np.random.Generator,
) -> Recalibration:
    """Fit a calibration and draw lines.

    Args:
        frames: Scores of data that trained nothing.
        method: Map; None leaves the scores as they are and draws lines only.
        fitted_on: The data in words.
        conformal_errors: Target errors of abstention; each becomes an operating point ``error=E``.
        fprs: False-positive rates; None tries `FPRS` and leaves out what the number of videos does not allow.
        by_kind: Whether kinds of fakes count alike instead of by their videos.
        fake_share: Share of fakes that P(fake) is to be right for; None takes that of the videos.
        folds: Folds for the figures; fewer where there are fewer identities.
        rng: Deals the folds.

    Returns:
        Fit, lines and figures: ``ece``, ``ece_mass``, ``brier`` and ``nll`` of videos, each ``_before`` and
        ``_after``; for a target error E ``wrong_real E``, ``wrong_fake E`` and ``unanswered E``, shares of videos.

    Raises:
        ConfigError: On one class only, too few identities, or lines asked for that the videos do not allow.
    """

    def fit(part: FrameScores) -> Calibration | None:
        if method is None:
            return None
        kinds = part.kinds if by_kind else None
        weights = grouped_weights(part.videos, part.labels, kinds=kinds, fake_share=fake_share)
        return fit_calibration(method, part.scores, part.labels, fitted_on=fitted_on, weights=weights)

    calibration = fit(frames)
    scores, labels = frames.pooled(calibration)
    figures = _figures(frames, fit, conformal_errors, _dealt(frames, folds, rng))
    points, left_out = _points(scores, labels, fitted_on, conformal_errors, fprs)
    if calibration is not None:
        kept = {name: round(value, 6) for name, value in figures.items() if name.endswith(("_before", "_after"))}
        calibration = replace(calibration, errors=kept)
    return Recalibration(calibration, points, figures, left_out, int((labels == 0).sum()), int((labels == 1).sum()))


def updated_record(record: WeightsRecord, made: Recalibration, file: str) -> WeightsRecord:
    """A record with the calibration and the lines; lines for the scores of before are gone.

    Args:
        record: Of the weights that the scores came from.
        made: What was fitted.
        file: Name of the weights file that the new record lies beside.

    Raises:
        ConfigError: If the record calibrates its scores already, for a second map would be fitted on the first.
    """
    if made.calibration is None:
        return replace(record, file=file, operating_points=_plain(made.points))
    if SCORE in record.calibration:
        msg = (
            f"the record of {record.file} calibrates its scores already; evaluate and calibrate with the record that "
            "it was made from"
        )
        raise ConfigError(msg)
    metrics = dict(record.metrics)
    if isinstance(test := metrics.get("self_test"), dict) and "expected" in test:
        expected = float(made.calibration.apply(test["expected"]))
        metrics["self_test"] = {**test, "expected": round(expected, 6)}
    return replace(
        record,
        file=file,
        calibration={**record.calibration, SCORE: made.calibration.to_dict()},
        operating_points=_plain(made.points),
        metrics=metrics,
    )


def _plain(points: dict[str, OperatingPoint]) -> dict[str, Any]:
    return {name: asdict(point) for name, point in points.items()}


def _dealt(frames: FrameScores, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``(n,)`` fold of each frame; identities stay together, those with fakes and those without are dealt apart."""
    faked = np.isin(frames.owners, frames.owners[frames.labels == 1])
    counts = [np.unique(frames.owners[frames.labels == label]).size for label in (0, 1)]
    folds = min(folds, *counts)
    if folds < _LEAST_FOLDS:
        msg = f"calibration needs at least 2 identities (or videos) of either label, got {counts[0]} and {counts[1]}"
        raise ConfigError(msg)
    fold = np.zeros(frames.scores.size, dtype=np.int64)
    for part in (faked, ~faked):
        owners = frames.owners[part].tolist()
        if len(set(owners)) >= folds:
            fold[part] = folds_by_id(owners, folds, rng)
    return fold


def _figures(
    frames: FrameScores,
    fit: Callable[[FrameScores], Calibration | None],
    errors: Sequence[float],
    fold: NDArray[np.int64],
) -> dict[str, float]:
    before, after, truth = [], [], []
    said: dict[float, list[VerdictLabel]] = {error: [] for error in errors}
    for held_out in np.unique(fold):
        rest, part = frames.select(fold != held_out), frames.select(fold == held_out)
        calibration = fit(rest)
        scores, labels = part.pooled(calibration)
        before.append(part.pooled()[0])
        after.append(scores)
        truth.append(labels)
        for error in errors:
            try:
                said[error].extend(fit_conformal(*rest.pooled(calibration), error).decide(scores))
            except ConfigError:  # too few videos without this fold; `_points` says whether there are enough with it
                said[error].extend([VerdictLabel.NOT_SCORED] * scores.size)
    labels = np.concatenate(truth)
    found = {f"{name}_before": v for name, v in _quality(np.concatenate(before), labels).items()}
    found |= {f"{name}_after": v for name, v in _quality(np.concatenate(after), labels).items()}
    for error, verdicts in said.items():
        found |= _conformal_figures(error, np.array([v.value for v in verdicts]), labels)
    return found


def _quality(scores: Floats, labels: NDArray[np.int64]) -> dict[str, float]:
    return {
        "ece": calibration_errors(reliability_table(scores, labels)).expected,
        "ece_mass": calibration_errors(reliability_table(scores, labels, kind="mass")).expected,
        "brier": brier_score(scores, labels),
        "nll": negative_log_likelihood(scores, labels),
    }


def _conformal_figures(error: float, said: NDArray[np.str_], labels: NDArray[np.int64]) -> dict[str, float]:
    if (said == VerdictLabel.NOT_SCORED.value).any():
        return {}
    return {
        f"wrong_real {error:g}": float((said[labels == 0] == VerdictLabel.FAKE.value).mean()),
        f"wrong_fake {error:g}": float((said[labels == 1] == VerdictLabel.REAL.value).mean()),
        f"unanswered {error:g}": float((said == VerdictLabel.UNCERTAIN.value).mean()),
    }


def _points(
    scores: Floats,
    labels: NDArray[np.int64],
    fitted_on: str,
    errors: Sequence[float],
    fprs: Sequence[float] | None,
) -> tuple[dict[str, OperatingPoint], tuple[str, ...]]:
    reals, fakes = scores[labels == 0], scores[labels == 1]
    where = f"{reals.size} real and {fakes.size} fake videos of {fitted_on}"
    points: dict[str, OperatingPoint] = {}
    left_out: list[str] = []
    for rate in FPRS if fprs is None else fprs:
        try:
            points |= operating_points(reals, fakes, fprs=(rate,), chosen_on=where)
        except ConfigError as problem:
            if fprs is not None:
                raise
            left_out.append(f"fpr={rate:g}: {problem}")
    for error in errors:
        points[f"error={error:g}"] = fit_conformal(scores, labels, error).point(where)
    return points, tuple(left_out)
