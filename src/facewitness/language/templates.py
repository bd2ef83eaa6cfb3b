"""Explanations without a language model: each sentence restates a measurement, and nothing else is said.

A score is never called a probability of forgery, a REAL verdict is "no trace found", and every text ends
by saying that the answer is a statistical judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Literal

from facewitness import wording
from facewitness.records import Explanation, Finding, OperatingPoint, RegionStrength, Verdict, VerdictLabel
from facewitness.wording import LOW_PRESENCE, REGION_STRENGTH, SMALL_FACE_PX

FEW_FRAMES = 8
"""Scored frames of a video below which the text calls the sample small."""

NEAR_LINE = 0.05
"""Distance from a threshold, in score, that counts as close."""

STABLE_WITHIN = 0.15
"""Change of the score under a harmless change of the picture that still counts as stable."""

_NAMED_REGIONS = 3
_NOT_PROOF = "this is a statistical judgement, not proof"
_NO_PLACE = f"The heatmap points to no place: it stays below {REGION_STRENGTH:.2f} of 1 in every named region."

MediaKind = Literal["image", "video", "unknown"]


@dataclass(frozen=True)
class Evidence:
    """What the pipeline knows of a face beside the detector's finding; None means not measured.

    Attributes:
        face_px: Longer side of the face box, pixels of the decoded frame (of a video the median).
        presence: Confidence of the landmark model that this is a face, [0, 1].
        frames_scored: Frames of this face that got a score.
        frames_sampled: Frames that were looked at.
        fraction_above: Share of scored frames at or above the threshold, [0, 1]; counted from the finding's
            timeline when None.
    """

    face_px: float | None = None
    presence: float | None = None
    frames_scored: int | None = None
    frames_sampled: int | None = None
    fraction_above: float | None = None


@dataclass(frozen=True)
class _Case:
    """Everything that one explanation draws on."""

    finding: Finding
    verdict: Verdict
    evidence: Evidence
    is_video: bool

    @property
    def line(self) -> OperatingPoint | None:
        return self.verdict.operating_point

    @property
    def scored(self) -> int | None:
        """Frames with a score, from the evidence or the timeline."""
        if self.evidence.frames_scored is not None:
            return self.evidence.frames_scored
        timeline = self.finding.timeline
        return None if timeline is None else sum(isfinite(score) for score in timeline.scores)

    @property
    def fraction_above(self) -> float | None:
        """Share of scored frames at or above the line; None without frames or a line."""
        if self.evidence.fraction_above is not None:
            return self.evidence.fraction_above
        timeline = self.finding.timeline
        if timeline is None or self.line is None:
            return None
        scores = [score for score in timeline.scores if isfinite(score)]
        return sum(score >= self.line.threshold for score in scores) / len(scores) if scores else None

    @property
    def span_above(self) -> tuple[float, float] | None:
        """Seconds of the first and the last frame above the line, where no scored frame between them is below."""
        timeline = self.finding.timeline
        if timeline is None or self.line is None:
            return None
        threshold = self.line.threshold
        scored = [(t, s) for t, s in zip(timeline.times_s, timeline.scores, strict=True) if isfinite(s)]
        above = [i for i, (_, score) in enumerate(scored) if score >= threshold]
        if not 1 < len(above) < len(scored) or above[-1] - above[0] + 1 != len(above):
            return None
        return scored[above[0]][0], scored[above[-1]][0]

    @property
    def hot(self) -> tuple[RegionStrength, ...]:
        """Regions that the heatmap fires on, strongest first."""
        ranked = sorted(self.finding.regions, key=lambda region: (-region.strength, region.name))
        return tuple(region for region in ranked if region.strength >= REGION_STRENGTH)[:_NAMED_REGIONS]


def explain_finding(
    finding: Finding | None,
    *,
    verdict: Verdict,
    media_kind: MediaKind,
    evidence: Evidence | None = None,
) -> Explanation:
    """Put a finding into words that a non-expert can follow and that claim no more than was measured.

    Args:
        finding: What the detector measured; None when nothing could be scored.
        verdict: The verdict for the same face, with the thresholds used.
        media_kind: ``image`` or ``video``: decides whether frames are spoken of.
        evidence: Face size, presence and frame counts where known.

    Returns:
        Two to six sentences, with the evidence for and against the verdict one sentence each;
        ``source`` is ``template``. The same input gives the same words.

    Example:
        >>> point = OperatingPoint(0.6, 0.05, "validation faces", 0.3)
        >>> words = explain_finding(
        ...     Finding("laa_net_lite", 0.1, True),
        ...     verdict=Verdict(VerdictLabel.REAL, 0.1, "below the line", point),
        ...     media_kind="image",
        ... )
        >>> words.text.split(":")[0]
        'No trace found in this face'
    """
    if finding is None or verdict.label is VerdictLabel.NOT_SCORED or not isfinite(finding.score):
        return _not_scored(verdict)
    case = _Case(finding, verdict, evidence or Evidence(), media_kind == "video")
    body = [_headline(case), _expert(case), _regions(case), _frames(case), _stability(case)]
    sentences = [sentence for sentence in body if sentence]
    return Explanation(
        text=" ".join([*sentences, f"{_caution(case)}; {_NOT_PROOF}."]),
        source="template",
        supports=_supports(case),
        against=_against(case),
    )


def _not_scored(verdict: Verdict) -> Explanation:
    reason = wording.sentence(verdict.reason or "the reason was not recorded")
    text = (
        f"Nothing was scored here. {reason} "
        "This says nothing in either direction: a missing score is neither a sign of forgery nor of its absence."
    )
    return Explanation(text=text, source="template", against=(reason,))


def _band(score: float, point: OperatingPoint) -> VerdictLabel:
    """Which verdict a score alone would give."""
    if score >= point.threshold:
        return VerdictLabel.FAKE
    return VerdictLabel.REAL if score < point.lower_threshold else VerdictLabel.UNCERTAIN


def _position(score: float, point: OperatingPoint) -> str:
    """Where a score lies among the lines, as a clause that begins with the number."""
    band = _band(score, point)
    if band is VerdictLabel.FAKE:
        number, line = wording.pair_words(score, point.threshold)
        return f"{number}, at or above the FAKE line at {line}"
    if band is VerdictLabel.REAL:
        number, line = wording.pair_words(score, point.lower_threshold)
        return f"{number}, below the REAL line at {line}"
    number, upper = wording.pair_words(score, point.threshold)
    _, lower = wording.pair_words(score, point.lower_threshold)
    return f"{number}, between the REAL line at {lower} and the FAKE line at {upper}"


def _headline(case: _Case) -> str:
    opening = {
        VerdictLabel.FAKE: "Traces of forgery found in this face",
        VerdictLabel.REAL: "No trace found in this face",
    }.get(case.verdict.label, "No clear answer for this face")
    score, point = case.finding.score, case.line
    if point is None:
        return f"{opening}: its score, from 0 to 1, is {wording.score_words(score)}."
    place = f"its score, from 0 to 1, is {_position(score, point)}"
    if _band(score, point) is case.verdict.label or not case.verdict.reason:
        return f"{opening}: {place}."
    return f"{opening} ({case.verdict.reason.strip().rstrip('.')}): taken alone, {place}."


def _expert(case: _Case) -> str:
    fired = case.finding.fired
    if not fired or case.verdict.label is VerdictLabel.REAL:
        return ""
    noun, looks_for = wording.expert_words(fired)
    above = case.line is not None and case.finding.score >= case.line.threshold
    reacted = "reacted" if above or case.verdict.label is VerdictLabel.FAKE else "reacted weakly"
    return f"The expert for {noun} {reacted}" + (f"; it looks for {looks_for}." if looks_for else ".")


def _regions(case: _Case) -> str:
    if case.finding.heatmap is None and not case.finding.regions:
        return ""
    if case.hot:
        first, *rest = case.hot
        named = [f"{wording.region_words(first.name)} ({first.strength:.2f} of 1)"]
        named += [f"{wording.region_words(region.name)} ({region.strength:.2f})" for region in rest]
        return f"The heatmap is strongest on {wording.list_words(named)}."
    return _NO_PLACE if case.finding.regions else ""


def _frames(case: _Case) -> str:
    fraction, scored = case.fraction_above, case.scored
    if not case.is_video or fraction is None or not scored or scored < 2:
        return ""
    above = round(fraction * scored)
    if above in (0, scored):
        who, reach = ("All", "reach") if above else ("None", "reaches")
        return f"{who} of its {scored:,} scored frames {reach} the FAKE line."
    span = case.span_above
    when = "" if span is None else f", those from {span[0]:.1f} s to {span[1]:.1f} s"
    share = f"{above:,} ({wording.percent_words(fraction)}) {'reaches' if above == 1 else 'reach'}"
    return f"Of its {scored:,} scored frames, {share} the FAKE line{when}."


def _checks(case: _Case) -> list[tuple[str, float]]:
    """Stability checks that gave a score, in a fixed order."""
    return [(name, score) for name, score in sorted(case.finding.stability.items()) if isfinite(score)]


def _moved(case: _Case, score: float) -> bool:
    """Whether a re-scored picture tells against the stability of the finding."""
    if case.line is not None and _band(score, case.line) is not _band(case.finding.score, case.line):
        return True
    return abs(score - case.finding.score) > STABLE_WITHIN


def _stability(case: _Case) -> str:
    checks = _checks(case)
    if not checks:
        return ""
    name, score = max(checks, key=lambda check: abs(check[1] - case.finding.score))
    stable = "not stable" if any(_moved(case, other) for _, other in checks) else "stable"
    return f"The score is {stable}: {wording.score_words(score)} with the picture {wording.change_words(name)}."


def _caution(case: _Case) -> str:
    """What limits the verdict, as a sentence without its full stop."""
    label, point = case.verdict.label, case.line
    if label is VerdictLabel.REAL:
        return (
            "Forgeries that the detector does not know, strong compression and changes outside the face can escape it"
        )
    if label is VerdictLabel.UNCERTAIN:
        return "Treat this as no answer and look for other evidence"
    if point is None or not isfinite(point.false_positive_rate):  # a threshold of the caller's own has no rate
        return "How often real faces score this high is not known here"
    chance = wording.rate_words(point.false_positive_rate)
    return f"{wording.capitalised(chance)} real faces of the comparison set reach this line too"


def _supports(case: _Case) -> tuple[str, ...]:
    label, point, finding = case.verdict.label, case.line, case.finding
    found: list[str] = []
    if point is not None and _band(finding.score, point) is label:
        found.append(f"The score is {_position(finding.score, point)}.")
    if label is VerdictLabel.FAKE:
        if finding.fired:
            noun = wording.expert_words(finding.fired)[0]
            score = finding.experts.get(finding.fired)
            found.append(f"The expert for {noun} reacted{_score_of(score)}.")
        found += [
            f"The heatmap fires on {wording.region_words(region.name)}: mean heat {region.strength:.2f} of 1, "
            f"{wording.percent_words(region.share)} of all heat on the face."
            for region in case.hot
        ]
    if label is VerdictLabel.REAL and finding.regions and not case.hot:
        found.append(_NO_PLACE)
    if _frames(case) and _frames_agree(case):
        found.append(_frames(case))
    checks = _checks(case)
    if checks and not any(_moved(case, score) for _, score in checks):
        found.append(_stability(case))
    return tuple(found)


def _score_of(score: float | None) -> str:
    return "" if score is None or not isfinite(score) else f" (score {wording.score_words(score)})"


def _frames_agree(case: _Case) -> bool:
    """Whether the frames taken one by one point the way of the verdict."""
    fraction = case.fraction_above
    if fraction is None:
        return False
    if case.verdict.label is VerdictLabel.FAKE:
        return fraction >= 0.7
    return case.verdict.label is VerdictLabel.REAL and fraction <= 0.1


def _against(case: _Case) -> tuple[str, ...]:
    return (*_against_score(case), *_against_map(case), *_against_input(case), *_against_stability(case))


def _against_score(case: _Case) -> list[str]:
    finding, point = case.finding, case.line
    found: list[str] = []
    if point is None:
        found.append("No threshold with a known rate of false alarms belongs to this score.")
    else:
        if case.verdict.label is VerdictLabel.FAKE and isfinite(point.false_positive_rate):
            chance = wording.capitalised(wording.rate_words(point.false_positive_rate))
            found.append(f"{chance} real faces of the comparison set ({point.chosen_on}) reach the FAKE line too.")
        if _band(finding.score, point) is not case.verdict.label:
            found.append(f"The score taken alone is {_position(finding.score, point)}.")
        nearest = min((point.threshold, point.lower_threshold), key=lambda line: abs(line - finding.score))
        if abs(nearest - finding.score) < NEAR_LINE:
            number, line = wording.pair_words(finding.score, nearest)
            found.append(f"The score {number} is close to the line at {line}: a small change could tip the verdict.")
    if not finding.calibrated:
        found.append("The score is not calibrated: it ranks faces, but its size has no fixed meaning.")
    if _frames(case) and not _frames_agree(case) and case.verdict.label is not VerdictLabel.UNCERTAIN:
        found.append(f"The frames do not agree: {_lower_first(_frames(case))}")
    return found


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _against_map(case: _Case) -> list[str]:
    label, regions = case.verdict.label, case.finding.regions
    if not regions:
        return []
    if label is VerdictLabel.REAL:
        return [
            f"The heatmap still fires on {wording.region_words(region.name)} (mean heat {region.strength:.2f} of 1)."
            for region in case.hot[:1]
        ]
    if not case.hot:
        return [_NO_PLACE]
    if len(regions) >= 4 and median(region.strength for region in regions) >= 0.7 * case.hot[0].strength:
        return ["The heatmap is spread over the whole face: it does not single out a place."]
    return []


def _against_input(case: _Case) -> list[str]:
    evidence, scored = case.evidence, case.scored
    found: list[str] = []
    if evidence.face_px is not None and evidence.face_px < SMALL_FACE_PX:
        found.append(f"The face is small: about {round(evidence.face_px)} pixels across, so little detail is left.")
    if evidence.presence is not None and evidence.presence < LOW_PRESENCE:
        found.append(
            f"The landmark model is not sure of the face (presence {evidence.presence:.2f} of 1): "
            "it may be turned away, covered or blurred."
        )
    if case.is_video and scored is not None:
        if scored < FEW_FRAMES:
            found.append(f"Only {wording.count_words(scored, 'frame')} of this face could be scored.")
        sampled = evidence.frames_sampled
        if sampled and scored < 0.5 * sampled:
            found.append(f"The face was scored in {scored:,} of {sampled:,} sampled frames; the rest is unknown.")
    return found


def _against_stability(case: _Case) -> list[str]:
    found: list[str] = []
    for name, score in _checks(case):
        if _moved(case, score):
            before, after = wording.score_words(case.finding.score), wording.score_words(score)
            found.append(
                f"With the picture {wording.change_words(name)} the score goes from {before} to {after}: "
                "the finding does not survive a harmless change well."
            )
    if not case.finding.stability:
        found.append("How stable the score is under re-compression was not checked.")
    return found
