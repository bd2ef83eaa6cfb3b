"""What the template explanations say, and what they must never say."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.language.templates import Evidence, explain_finding
from facewitness.records import (
    Finding,
    Heatmap,
    OperatingPoint,
    RegionStrength,
    Timeline,
    Verdict,
    VerdictLabel,
)
from facewitness.wording import REGION_STRENGTH, change_words, pair_words, percent_words, rate_words

POINT = OperatingPoint(threshold=0.62, false_positive_rate=0.05, chosen_on="validation faces", lower_threshold=0.3)
REGIONS = ("mouth", "jaw", "left_eye", "right_eye", "nose", "forehead")


def heatmap():
    return Heatmap(np.zeros((4, 4), np.float32), np.eye(2, 3, dtype=np.float32), 4)


def band(score, point=POINT):
    if score >= point.threshold:
        return VerdictLabel.FAKE
    return VerdictLabel.REAL if score < point.lower_threshold else VerdictLabel.UNCERTAIN


def explain(score, *, label=None, kind="image", evidence=None, reason="by score", point=POINT, **fields):
    finding = Finding("laa_net_lite", score, fields.pop("calibrated", True), **fields)
    return explain_finding(
        finding, verdict=Verdict(label or band(score), score, reason, point), media_kind=kind, evidence=evidence
    )


def everything(words):
    return " ".join([words.text, *words.supports, *words.against])


def sentences(text):
    return [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", text) if s]


def test_fake_names_expert_region_score_line_and_rate():
    words = explain(
        0.93,
        fired="blended",
        experts={"blended": 0.93, "synthetic": 0.4},
        heatmap=heatmap(),
        regions=(RegionStrength("jaw", 0.1, 0.1), RegionStrength("mouth", 0.71, 0.5)),
        stability={"jpeg_q75": 0.9},
    )
    for piece in ("0.93", "0.62", "pasted", "the mouth (0.71 of 1)", "5 in 100", "quality 75"):
        assert piece in words.text
    assert "jaw" not in everything(words)
    assert words.source == "template"
    assert any("50 %" in line for line in words.supports)
    assert not any("stab" in line for line in words.against)
    # the set is named beside the false alarms, and not in the text; another expert's silence is no counter-evidence
    assert words.against == (
        "About 5 in 100 real faces of the comparison set (validation faces) reach the FAKE line too.",
    )
    assert "validation faces" not in words.text


def test_real_is_no_trace_found_and_lists_blind_spots():
    words = explain(0.04, regions=(RegionStrength("mouth", 0.05, 0.3),))
    assert words.text.startswith("No trace found")
    assert "does not know" in words.text
    assert "re-compression was not checked" in " ".join(words.against)


def test_uncertain_asks_for_other_evidence():
    words = explain(0.45)
    assert words.text.startswith("No clear answer")
    assert "between the REAL line at 0.30 and the FAKE line at 0.62" in words.text
    assert "no answer" in words.text


@pytest.mark.parametrize("finding", [None, Finding("laa_net_lite", math.nan, True)])
def test_not_scored_gives_the_reason_and_no_direction(finding):
    words = explain_finding(
        finding, verdict=Verdict(VerdictLabel.NOT_SCORED, None, "no face was found"), media_kind="image"
    )
    assert "No face was found." in words.text
    assert "neither a sign of forgery nor of its absence" in words.text
    assert words.supports == ()


def test_verdict_that_differs_from_the_score_says_why():
    words = explain(0.93, label=VerdictLabel.UNCERTAIN, reason="the face is only 30 pixels wide.")
    assert "No clear answer for this face (the face is only 30 pixels wide): taken alone" in words.text
    assert not any("0.93" in line for line in words.supports)
    assert any("0.93" in line for line in words.against)


def test_every_weakness_is_listed_against():
    words = explain(
        0.64,
        kind="video",
        calibrated=False,
        fired="blended",
        regions=tuple(RegionStrength(name, 0.4, 0.16) for name in REGIONS),
        stability={"jpeg_q75": 0.4},
        timeline=Timeline((0.0, 1.0, 2.0, 3.0), (0.9, 0.1, math.nan, 0.9)),
        evidence=Evidence(face_px=48, presence=0.4, frames_sampled=32),
    )
    against = " ".join(words.against)
    for piece in (
        "close to the line",
        "not calibrated",
        "spread over the whole face",
        "48 pixels",
        "presence 0.40",
        "Only 3 frames",
        "3 of 32 sampled",
        "from 0.64 to 0.40",
        "frames do not agree: of its 3 scored frames, 2 (67 %) reach",
    ):
        assert piece in against, piece
    assert "not stable" in words.text


def test_video_that_agrees_supports():
    timeline = Timeline(tuple(range(10)), (0.9,) * 9 + (0.1,))
    words = explain(0.85, kind="video", timeline=timeline)
    assert any("9 (90 %)" in line for line in words.supports)
    assert "those from 0.0 s to 8.0 s" in words.text
    assert "scored frame" not in explain(0.85, kind="image", timeline=timeline).text


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ((0.9, 0.1, 0.9, 0.1), "2 (50 %) reach the FAKE line."),
        ((0.1, math.nan, 0.9, 0.8), "2 (67 %) reach the FAKE line, those from 2.0 s to 3.0 s."),
        ((0.1, 0.1, 0.9, 0.1), "1 (25 %) reaches the FAKE line."),
        ((0.9, 0.9, 0.9, 0.9), "All of its 4 scored frames reach the FAKE line."),
        ((0.1, 0.1, 0.1, math.nan), "None of its 3 scored frames reaches the FAKE line."),
    ],
)
def test_frames_above_the_line_are_counted_and_placed(scores, said):
    words = explain(0.7, kind="video", timeline=Timeline((0.0, 1.0, 2.0, 3.0), scores))
    assert said in words.text
    assert "scored frame" not in explain(0.7, kind="video", timeline=Timeline((0.0,), (0.7,))).text


def test_synthetic_face_with_a_quiet_map_points_to_no_place():
    words = explain(0.9, fired="synthetic", experts={"synthetic": 0.9}, regions=(RegionStrength("nose", 0.01, 1.0),))
    assert "generated as a whole" in words.text
    assert "points to no place" in words.text
    assert "strongest on" not in words.text


def test_no_threshold_is_said():
    words = explain(0.9, label=VerdictLabel.FAKE, point=None)
    assert "No threshold" in " ".join(words.against)
    assert "5 in 100" not in words.text


unit = st.floats(0.0, 1.0)
points = st.tuples(unit, unit, unit).map(lambda t: OperatingPoint(max(t[:2]), t[2], "validation faces", min(t[:2])))
regions = st.lists(st.builds(RegionStrength, st.sampled_from(REGIONS), unit, unit), max_size=6).map(tuple)
timelines = st.none() | st.lists(unit | st.just(math.nan), max_size=40).map(
    lambda scores: Timeline(tuple(float(i) for i in range(len(scores))), tuple(scores))
)
findings = st.builds(
    Finding,
    st.just("laa_net_lite"),
    unit,
    st.booleans(),
    experts=st.dictionaries(st.sampled_from(["blended", "synthetic"]), unit),
    fired=st.sampled_from(["", "blended", "synthetic"]),
    regions=regions,
    timeline=timelines,
    stability=st.dictionaries(st.sampled_from(["jpeg_q75", "flip", "scale_0.5"]), unit | st.just(math.nan)),
)
evidences = st.none() | st.builds(
    Evidence,
    st.none() | st.floats(1, 4000),
    st.none() | unit,
    st.none() | st.integers(0, 500),
    st.none() | st.integers(0, 500),
)


@settings(deadline=None, max_examples=300)
@given(findings, points, st.sampled_from(["image", "video"]), evidences, st.sampled_from([None, *VerdictLabel]))
def test_claims_stay_within_the_evidence(finding, point, kind, evidence, forced):
    label = forced or band(finding.score, point)
    verdict = Verdict(label, finding.score, "a reason", point)
    words = explain_finding(finding, verdict=verdict, media_kind=kind, evidence=evidence)
    text = everything(words)

    assert words == explain_finding(finding, verdict=verdict, media_kind=kind, evidence=evidence)
    assert not re.search(r"\b(genuine|authentic|certain|definitely|undoubtedly|proves?|proven|probability)\b", text)
    assert text.count("proof") == text.count("not proof")
    assert "nan" not in text.lower().split()
    assert 2 <= len(sentences(words.text)) <= 6, words.text
    for line in (*words.supports, *words.against):
        assert re.fullmatch(r"\S.*\.", line)
        assert len(sentences(line)) == 1, line

    scored = label is not VerdictLabel.NOT_SCORED
    assert ("statistical judgement, not proof" in words.text.lower()) == scored
    if not (finding.fired == "blended" and scored and label is not VerdictLabel.REAL):
        assert "pasted into another" not in text
    if not (finding.fired == "synthetic" and scored and label is not VerdictLabel.REAL):
        assert "generated as a whole" not in text
    for name in REGIONS:
        if not any(region.name == name and region.strength >= REGION_STRENGTH for region in finding.regions):
            assert name.replace("_", " ") not in text
    if kind == "image":
        assert "frame" not in text
    if label is not VerdictLabel.FAKE:
        assert "Traces of forgery found" not in text
    if label is not VerdictLabel.REAL:
        assert "No trace found" not in text


@settings(deadline=None)
@given(unit, unit)
def test_a_printed_score_never_lies_on_the_wrong_side(score, line):
    if abs(score - line) < 1e-6:
        return
    printed = [float(text.split()[-1]) for text in pair_words(score, line)]
    assert printed[0] == printed[1] or (printed[0] < printed[1]) == (score < line)


@settings(deadline=None)
@given(st.floats(0, 1))
def test_only_none_and_all_print_as_0_and_100_percent(fraction):
    assert (percent_words(fraction) == "0 %") == (fraction == 0)
    assert (percent_words(fraction) == "100 %") == (fraction == 1)


@pytest.mark.parametrize(
    ("rate", "words"), [(0.05, "about 5 in 100"), (0.01, "about 1 in 100"), (0.0049, "about 5 in 1,000")]
)
def test_rates_read_as_people(rate, words):
    assert rate_words(rate) == words


def test_unknown_checks_are_still_named():
    assert "odd change" in change_words("odd_change")
