"""From frames to videos: pooling, and what becomes of a video without any face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked, grouped

Pooling = Literal["mean", "max", "median", "trimmed", "topk", "confident"]
"""How frames become a video: `pool_frames` says what each does."""

MissingFace = Literal["drop", "0.5", "abstain"]
"""What becomes of a video without any scored frame: left out; scored 0.5; left out, but listed as not scored."""

TRIM: Final = 0.1
TOP: Final = 5
_SURE_FAKE: Final = 0.8
_SURE_REAL: Final = 0.2


@dataclass(frozen=True)
class VideoScores:
    """One score per video.

    Attributes:
        video_ids: Distinct ids in the order of their first frame.
        scores: ``(v,)`` pooled score.
        labels: ``(v,)`` int64.
        frames: ``(v,)`` int64, frames pooled.
        not_scored: Ids without any scored frame that are listed as such (``abstain``).
        dropped: Ids without any scored frame that are left out (``drop``).
        filled: Ids without any scored frame that got a score nevertheless (``0.5``).
    """

    video_ids: tuple[object, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    frames: NDArray[np.int64]
    not_scored: tuple[object, ...] = ()
    dropped: tuple[object, ...] = ()
    filled: tuple[object, ...] = ()


def pool_frames(values: ArrayLike, pooling: Pooling = "mean", *, trim: float = TRIM, top: int = TOP) -> float:
    """One score of the frames of a video; their order does not matter.

    ``mean``, ``max`` and ``median`` are what they say; ``trimmed`` is the mean without the ``floor(trim * n)`` lowest
    and as many highest; ``topk`` the mean of the ``top`` highest (of all when there are fewer); ``confident`` the
    rule of the winner of the DFDC: the mean of those above 0.8 when they are more than 11 and more than
    ``floor(n / 2.5)``, else the mean of those below 0.2 when they are more than 90 %, else the mean.

    Args:
        values: ``(n,)`` finite, n >= 1; P(fake) for ``confident``.
        pooling: The rule.
        trim: Share cut off at each end, in [0, 0.5).
        top: How many frames ``topk`` takes.

    Returns:
        The pooled score.

    Raises:
        ConfigError: On no frame, values that are not finite, another rule or a setting out of range.

    >>> pool_frames([0.1, 0.2, 0.9], "median")
    0.2
    """
    frames = np.sort(np.asarray(values, dtype=np.float64))
    if frames.ndim != 1 or frames.size == 0 or not np.isfinite(frames).all():
        msg = f"frames to pool must be (n,) finite with n >= 1, got shape {frames.shape}; drop unscored frames first"
        raise ConfigError(msg)
    if not 0 <= trim < 0.5 or top < 1:
        msg = f"trim must be in [0, 0.5) and top at least 1, got {trim} and {top}"
        raise ConfigError(msg)
    if pooling == "max":
        return float(frames[-1])
    if pooling == "median":
        return float(np.median(frames))
    cut = int(trim * frames.size)
    kept = {"mean": frames, "trimmed": frames[cut : frames.size - cut], "topk": frames[-top:]}
    if pooling == "confident":
        kept["confident"] = _confident(frames)
    if pooling not in kept:
        msg = f"pooling must be one of {', '.join(get_args(Pooling))}, got {pooling!r}"
        raise ConfigError(msg)
    return float(kept[pooling].mean())


def _confident(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    if frames[0] < 0 or frames[-1] > 1:
        msg = f"confident pooling needs P(fake) in [0, 1], got {frames[0]:g} to {frames[-1]:g}; pool probabilities"
        raise ConfigError(msg)
    fakes, reals = frames[frames > _SURE_FAKE], frames[frames < _SURE_REAL]
    if fakes.size > 11 and fakes.size > frames.size // 2.5:
        return fakes
    return reals if reals.size > 0.9 * frames.size else frames


def video_scores(
    scores: ArrayLike,
    labels: ArrayLike,
    video_ids: Sequence[object] | NDArray[np.generic],
    *,
    pooling: Pooling = "mean",
    trim: float = TRIM,
    top: int = TOP,
) -> VideoScores:
    """Pool frame scores per video.

    Pass logits to pool logits (as the LAA-Net authors do) or probabilities to pool probabilities: both exist in
    papers and differ.

    Args:
        scores: ``(n,)`` of frames.
        labels: ``(n,)`` of 0 and 1, equal within a video.
        video_ids: ``(n,)``; must be unique per video, so not a bare folder name that two methods share.
        pooling: The rule of `pool_frames`.
        trim: Share that ``trimmed`` cuts off at each end.
        top: How many frames ``topk`` takes.

    Returns:
        One entry per video.

    Raises:
        ConfigError: On bad input or a video with both labels.
    """
    values, fake = checked(scores, labels, both_classes=False)
    names, group = grouped(video_ids, values.size, "video_ids")
    truth = labels_of(names, group, fake)
    frames = np.bincount(group)
    if pooling == "mean":
        pooled = np.bincount(group, weights=values) / frames
    else:
        parts = np.split(values[np.argsort(group, kind="stable")], np.cumsum(frames)[:-1])
        pooled = np.array([pool_frames(part, pooling, trim=trim, top=top) for part in parts])
    return VideoScores(tuple(names), pooled, truth, frames.astype(np.int64))


def video_scores_with_missing(
    scores: ArrayLike,
    labels: ArrayLike,
    video_ids: Sequence[object] | NDArray[np.generic],
    *,
    missing_face: MissingFace,
    neutral: float = 0.5,
    pooling: Pooling = "mean",
    trim: float = TRIM,
    top: int = TOP,
) -> VideoScores:
    """Pool frame scores per video where NaN stands for a frame without a score (no face, unreadable).

    Such frames never count in a video that has others. The rule is for videos that have nothing else.

    Args:
        scores: ``(n,)`` of frames, NaN where not scored.
        labels: ``(n,)`` of 0 and 1, equal within a video.
        video_ids: ``(n,)``, unique per video.
        missing_face: The rule.
        neutral: Score of the rule ``0.5``, in the units of ``scores``: 0 for logits.
        pooling: The rule of `pool_frames`.
        trim: Share that ``trimmed`` cuts off at each end.
        top: How many frames ``topk`` takes.

    Returns:
        One entry per video with a score, and the names of the others; ``filled`` ones have 0 frames and stand last.

    Raises:
        ConfigError: On bad input, a video with both labels, another rule, or not one scored frame.

    >>> pooled = video_scores_with_missing([0.2, float("nan")], [0, 1], ["a", "b"], missing_face="abstain")
    >>> pooled.video_ids, pooled.not_scored
    (('a',), ('b',))
    """
    if missing_face not in get_args(MissingFace):
        msg = f"missing_face must be one of {', '.join(get_args(MissingFace))}, got {missing_face!r}"
        raise ConfigError(msg)
    values = np.asarray(scores, dtype=np.float64)
    there = ~np.isnan(values)
    if values.ndim != 1 or not there.any():
        msg = f"at least one frame must have a score, got none of {values.size}"
        raise ConfigError(msg)
    _, fake = checked(np.where(there, values, 0.0), labels, both_classes=False)
    names, group = grouped(video_ids, values.size, "video_ids")
    truth = labels_of(names, group, fake)
    kept = [names[i] for i in group[there]]
    found = video_scores(values[there], fake[there], kept, pooling=pooling, trim=trim, top=top)
    lost = np.flatnonzero(np.bincount(group[there], minlength=len(names)) == 0)
    listed = tuple(names[i] for i in lost)
    if missing_face != "0.5":
        where = {"drop": "dropped", "abstain": "not_scored"}[missing_face]
        return VideoScores(found.video_ids, found.scores, found.labels, found.frames, **{where: listed})
    return VideoScores(
        found.video_ids + listed,
        np.r_[found.scores, np.full(lost.size, neutral)],
        np.r_[found.labels, truth[lost]],
        np.r_[found.frames, np.zeros(lost.size, dtype=np.int64)],
        filled=listed,
    )


def labels_of(names: Sequence[object], group: NDArray[np.int64], fake: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The label of each video.

    Args:
        names: Ids of the videos, for messages.
        group: ``(n,)`` video of each frame, as an index into ``names``.
        fake: ``(n,)`` label of each frame.

    Returns:
        ``(v,)`` of 0 and 1.

    Raises:
        ConfigError: If a video has frames of both labels.
    """
    frames = np.bincount(group)
    fakes = np.bincount(group, weights=fake)
    mixed = np.flatnonzero((fakes > 0) & (fakes < frames))
    if mixed.size:
        msg = f"video {names[mixed[0]]!r} has frames of both labels; make the ids unique (method and name)"
        raise ConfigError(msg)
    return (fakes > 0).astype(np.int64)


def flip_average(scores: ArrayLike, flipped: ArrayLike) -> NDArray[np.float64]:
    """Flip test: mean over a picture and its mirror image, of whatever is handed in (logits or probabilities).

    Args:
        scores: ``(n,)``, NaN where not scored.
        flipped: ``(n,)`` of the mirrored pictures, in the same units.

    Returns:
        ``(n,)`` mean; NaN where ``scores`` is.

    Raises:
        ConfigError: On other shapes, or where a scored picture lacks its mirrored score.

    >>> flip_average([0.2, 0.6], [0.4, 0.8]).round(6).tolist()
    [0.3, 0.7]
    """
    one, two = np.asarray(scores, dtype=np.float64), np.asarray(flipped, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1:
        msg = f"scores and flipped must be (n,) of one length, got {one.shape} and {two.shape}"
        raise ConfigError(msg)
    lacking = int((~np.isnan(one) & np.isnan(two)).sum())
    if lacking:
        msg = f"the flip test needs the mirrored score of every scored face; {lacking} of {one.size} lack it"
        raise ConfigError(msg)
    return np.asarray((one + two) / 2, dtype=np.float64)
