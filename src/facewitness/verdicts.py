"""From frame scores to verdicts: every rule is stated in words beside the function that applies it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from facewitness.errors import ConfigError
from facewitness.records import FaceTrack, OperatingPoint, Verdict, VerdictLabel
from facewitness.wording import LOW_PRESENCE, SMALL_FACE_PX, change_words, pair_words, score_words

POOLING = (
    "face: mean of the log-odds of its scored frames, log-odds held within +-8; "
    "file: highest face score among faces seen in at least 10 % of the scored frames (and in 3), FAKE faces first, "
    "or, where no face reaches that, the face seen most often"
)
"""The pooling rule, as reports state it."""

MISSING_FACES = "frames without a face, and faces smaller than the stated minimum, are left out of every mean"
"""What happens to frames without a face, as reports state it."""

_LOG_ODDS_BOUND = 8.0
_MIN_SHARE = 0.1
_MIN_FRAMES = 3
_GRAVITY = (VerdictLabel.NOT_SCORED, VerdictLabel.REAL, VerdictLabel.UNCERTAIN, VerdictLabel.FAKE)


def pool_scores(scores: Sequence[float]) -> float:
    """Pool the frame scores of one face: the mean of their log-odds, as a score again.

    Args:
        scores: P(fake) per frame in [0, 1], at least one.

    Returns:
        P(fake) in [0, 1]; a single score comes back unchanged.

    Raises:
        ValueError: If there are no scores or one is not a number in [0, 1].

    Example:
        >>> round(pool_scores([0.2, 0.8]), 6)
        0.5
    """
    if not scores or not all(0.0 <= s <= 1.0 for s in scores):
        msg = f"expected at least one score in [0, 1], got {list(scores)[:5]}"
        raise ValueError(msg)
    if len(scores) == 1:
        return float(scores[0])
    mean = sum(_log_odds(s) for s in scores) / len(scores)
    return 1.0 / (1.0 + math.exp(-mean))


def shift_score(score: float, before: Sequence[float], after: Sequence[float]) -> float:
    """Move a pooled score by the mean change of log-odds that a few of its frames showed.

    Args:
        score: Pooled P(fake).
        before: P(fake) of some of its frames.
        after: P(fake) of the same frames after a change to the picture.

    Returns:
        P(fake) in [0, 1]; for a single frame pooled alone this is just ``after``.

    Raises:
        ValueError: If ``before`` and ``after`` differ in length or are empty.
    """
    if not before or len(before) != len(after):
        msg = f"expected as many scores after as before, at least one; got {len(before)} and {len(after)}"
        raise ValueError(msg)
    if len(before) == 1 and score == before[0]:
        return float(after[0])
    change = sum(_log_odds(a) - _log_odds(b) for b, a in zip(before, after, strict=True)) / len(before)
    return 1.0 / (1.0 + math.exp(-(_log_odds(score) + change)))


def _log_odds(score: float) -> float:
    if score <= 0.0 or score >= 1.0:
        return math.copysign(_LOG_ODDS_BOUND, score - 0.5)
    return max(-_LOG_ODDS_BOUND, min(_LOG_ODDS_BOUND, math.log(score / (1.0 - score))))


def choose_operating_point(wanted: str, known: Mapping[str, OperatingPoint]) -> OperatingPoint | None:
    """Find the operating point that a caller asked for.

    Args:
        wanted: ``fpr=0.01`` or ``error=0.05``: one of the points that the weights carry; ``threshold=0.7``: the
            caller's own line, for which no false-positive rate is known.
        known: The points of the weights, by name.

    Returns:
        The point; None when the weights carry none, so that no verdict can be backed by a measurement.

    Raises:
        ConfigError: If ``wanted`` is of neither form, or the weights carry points but not that one.
    """
    name, _, text = wanted.partition("=")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if name not in ("fpr", "error", "threshold") or not 0.0 < value < 1.0:
        msg = (
            "operating point must be fpr=RATE, error=RATE or threshold=SCORE with a number between 0 and 1, "
            f"got {wanted!r}"
        )
        raise ConfigError(msg)
    if name == "threshold":
        return OperatingPoint(value, math.nan, "not measured: threshold given by the caller", value)
    for known_name, point in known.items():
        kind, _, rate = known_name.partition("=")
        if kind == name and math.isclose(float(rate), value):
            return point
    if known:
        msg = f"these weights have no operating point {wanted!r}; they have {', '.join(sorted(known))}"
        raise ConfigError(msg)
    return None


def judge(score: float, point: OperatingPoint | None) -> Verdict:
    """Turn a score into a verdict.

    At or above ``threshold`` FAKE, below ``lower_threshold`` REAL, between the two UNCERTAIN.

    Args:
        score: P(fake) in [0, 1].
        point: The lines; None gives UNCERTAIN, for nothing backs a line.
    """
    if point is None:
        reason = f"score {score:.2f}, but these weights carry no measured operating point; give threshold=SCORE"
        return Verdict(VerdictLabel.UNCERTAIN, score, reason)
    if score >= point.threshold:
        shown, line = pair_words(score, point.threshold)
        reason = f"score {shown} is at or above {line}{_rate(point)}"
        return Verdict(VerdictLabel.FAKE, score, reason, point)
    if score < point.lower_threshold:
        shown, line = pair_words(score, point.lower_threshold)
        reason = f"score {shown} is below {line}: no trace that this detector knows"
        return Verdict(VerdictLabel.REAL, score, reason, point)
    shown, upper = pair_words(score, point.threshold)
    _, lower = pair_words(score, point.lower_threshold)
    reason = f"score {shown} lies between {lower} and {upper}, where this detector cannot tell"
    return Verdict(VerdictLabel.UNCERTAIN, score, reason, point)


def unless_it_flips(verdict: Verdict, changed: Mapping[str, float]) -> Verdict:
    """Turn REAL or FAKE into UNCERTAIN where a harmless change of the picture gives the opposite answer.

    A change that only leads to UNCERTAIN leaves the verdict as it is; `cautions` tells of it. As this only takes
    answers away, the rates that an operating point states still hold as upper bounds.

    Args:
        verdict: What the score alone says.
        changed: Scores after harmless changes, by the name of the change.
    """
    opposite = {VerdictLabel.FAKE: VerdictLabel.REAL, VerdictLabel.REAL: VerdictLabel.FAKE}.get(verdict.label)
    flips = [name for name, score in changed.items() if judge(score, verdict.operating_point).label is opposite]
    if opposite is None or not flips:
        return verdict
    worst = (
        min(flips, key=changed.__getitem__) if opposite is VerdictLabel.REAL else max(flips, key=changed.__getitem__)
    )
    more = f" ({len(flips) - 1} more of {len(changed)} harmless changes do so too)" if len(flips) > 1 else ""
    reason = (
        f"{verdict.label.value} alone, but {opposite.value}, {score_words(changed[worst])}, with the picture "
        f"{change_words(worst)}{more}: the answer does not survive a harmless change"
    )
    return replace(verdict, label=VerdictLabel.UNCERTAIN, reason=reason)


def _rate(point: OperatingPoint) -> str:
    if math.isnan(point.false_positive_rate):
        return ", the threshold given by the caller"
    return f", which {point.false_positive_rate * 100:.2g} % of real faces reach in its comparison set"


def judge_file(faces: Sequence[FaceTrack], frames: int) -> Verdict:
    """Give the file's verdict: that of its highest-scoring well-covered face, as `POOLING` states.

    A face whose verdict the stability check took back does not hide a FAKE one that scores lower.

    Args:
        faces: Every face track with its own verdict.
        frames: Frames that were looked at.
    """
    scored = [face for face in faces if face.verdict.score is not None]
    if not faces:
        where = "in the picture" if frames == 1 else f"in any of {frames} sampled frames"
        return Verdict(VerdictLabel.NOT_SCORED, None, f"no face was found {where}")
    if not scored:
        return Verdict(VerdictLabel.NOT_SCORED, None, faces[0].verdict.reason)
    needed = min(frames, max(_MIN_FRAMES, math.ceil(_MIN_SHARE * frames)))
    covered = [face for face in scored if _frames_scored(face) >= needed]
    pool = covered or [max(scored, key=_frames_scored)]
    decisive = max(pool, key=lambda face: (_GRAVITY.index(face.verdict.label), face.verdict.score or 0.0))
    if len(faces) == 1:
        return decisive.verdict
    highest = decisive.verdict.score == max(face.verdict.score or 0.0 for face in pool)
    how = "scores highest" if highest else "decides"
    reason = f"face {decisive.track_id} of {len(faces)} {how}: {decisive.verdict.reason}"
    return replace(decisive.verdict, reason=reason)


def _frames_scored(face: FaceTrack) -> int:
    return sum(seen.score is not None for seen in face.observations)


def cautions(faces: Sequence[FaceTrack], verdict: Verdict) -> list[str]:
    """What a reader of this verdict should know about the faces behind it."""
    found: list[str] = []
    scored = [face for face in faces if face.verdict.score is not None]
    if len(scored) < len(faces):
        found.append(f"{len(faces) - len(scored)} of {len(faces)} faces were too small to be scored")
    if len(scored) > 1 and verdict.label is VerdictLabel.FAKE:
        found.append(f"the highest of {len(scored)} faces decides, so false alarms are likelier than for one face")
    found += _flips(scored, verdict)
    found += [line for face in scored if (line := _stretch(face))]
    observations = [seen for face in scored for seen in face.observations]
    if observations:
        largest = max(float((seen.box[2:] - seen.box[:2]).max()) for seen in observations)
        if largest < SMALL_FACE_PX:
            found.append(f"small faces: the largest is {largest:.0f} pixels across, so little detail is left")
        if min(seen.presence for seen in observations) < LOW_PRESENCE:
            found.append("the landmark model was unsure of a face (turned away, covered or blurred)")
    return found


def _stretch(face: FaceTrack) -> str:
    """Words for a stretch of a video that scores as FAKE where the whole does not; empty when there is none."""
    point = face.verdict.operating_point
    if point is None or face.verdict.label is VerdictLabel.FAKE:
        return ""
    seen = [frame for frame in face.observations if frame.score is not None]
    runs = [
        list(run) for above, run in groupby(seen, key=lambda frame: (frame.score or 0.0) >= point.threshold) if above
    ]
    longest = max(runs, key=len, default=[])
    if len(longest) < max(_MIN_FRAMES, math.ceil(_MIN_SHARE * len(seen))):
        return ""
    when = f"from {longest[0].time_s:.1f} s to {longest[-1].time_s:.1f} s"
    reach = f"face {face.track_id} reaches the FAKE line in {len(longest)} frames on end"
    return f"{reach}, {when}; look at that part by itself"


def _flips(scored: Sequence[FaceTrack], verdict: Verdict) -> list[str]:
    """Harmless changes under which the face that decides would get another verdict; none where that changed it."""
    deciding = next((face for face in scored if face.verdict.score == verdict.score), None)
    point = verdict.operating_point
    if deciding is None or verdict.score is None or judge(verdict.score, point).label is not verdict.label:
        return []
    return [
        f"the verdict is not stable: {score_words(score)}, {other.value}, with the picture {change_words(name)}"
        for finding in deciding.findings
        for name, score in finding.stability.items()
        if (other := judge(score, point).label) is not verdict.label
    ]
