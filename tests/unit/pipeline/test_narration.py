"""A model's words beside a report: whom it is asked about, what it sees, and that it never costs the verdict."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness import pipeline
from facewitness.errors import ConfigError, EndpointError
from facewitness.language.models import Answer
from facewitness.language.prompts import prompt_named
from facewitness.narration import Narrator, contradiction, derived_of, face_picture
from facewitness.pipeline import AnalyzeOptions, Analyzer
from facewitness.records import VerdictLabel
from unit.pipeline.pipeline_fakes import (
    FAKE_GREY,
    REAL_GREY,
    UNSURE_GREY,
    BrightnessDetector,
    SquareFinder,
    save_clip,
    save_picture,
    scene,
)


class Parrot:
    """Says what it is told to say and keeps what it was asked."""

    name = "parrot"

    def __init__(self, text="The upper left looks odd.", reason="stop", error=None):
        self.text, self.reason, self.error = text, reason, error
        self.asked = []

    def answer(self, image, question, *, evidence=None, stream=None, cancel=None):
        self.asked.append((image, question, evidence))
        if self.error is not None:
            raise self.error
        if stream is not None:
            stream(self.text)
        return Answer(self.text, self.name, self.reason, 3, 0.25)


def centre(image):
    return int(image[image.shape[0] // 2, image.shape[1] // 2, 0])


@pytest.fixture(autouse=True)
def _squares(monkeypatch):
    monkeypatch.setattr(pipeline, "FaceFinder", SquareFinder)


@pytest.fixture
def analyzer():
    return Analyzer(BrightnessDetector(), options=AnalyzeOptions(keep_pictures=True, stability=False))


@pytest.fixture
def fake(analyzer, tmp_path):
    return analyzer.examine(save_picture(tmp_path / "two.png", (10, 60, 70, REAL_GREY), (150, 50, 120, FAKE_GREY)))


def test_the_deciding_face_is_asked_about_and_nothing_else_changes(fake):
    parrot, heard = Parrot(), []
    told = Narrator(parrot, prompt_named("neutral")).tell(fake, stream=heard.append)
    ((image, question, evidence),) = parrot.asked
    assert question == prompt_named("neutral").ask()
    assert evidence is None
    assert heard == [parrot.text]
    assert centre(image) == FAKE_GREY
    words = derived_of(told.report)
    assert (words.text, words.source, words.prompt, words.question) == (parrot.text, "parrot", "neutral", question)
    before, after = fake.report, told.report
    assert after.verdict == before.verdict
    assert after.warnings == before.warnings
    assert [face.verdict for face in after.faces] == [face.verdict for face in before.faces]
    assert after.deciding_face.findings[0].explanation == before.deciding_face.findings[0].explanation
    assert [f.derived is not None for face in after.faces for f in face.findings].count(True) == 1
    assert after.timings_s["total"] == pytest.approx(before.timings_s["total"] + 0.25)
    record = next(face for face in after.to_dict()["faces"] if face["findings"][0]["derived"])
    assert record["findings"][0]["derived"]["source"] == "parrot"


def test_heat_is_where_the_detector_saw_it(fake):
    seen = face_picture(fake, fake.report.deciding_face)
    assert seen.image.shape[:2] == seen.heatmap.shape
    face = np.argwhere((np.abs(seen.image.astype(int).mean(axis=2) - FAKE_GREY) < 4) & (seen.heatmap > 0.5))
    rest = np.argwhere(np.abs(seen.image.astype(int).mean(axis=2) - FAKE_GREY) < 4)
    # the detector's heat is the upper left quarter of its crop, which lies inside the square
    assert face[:, 0].max() < np.median(rest[:, 0]) + 10
    assert face[:, 1].max() < np.median(rest[:, 1]) + 10
    assert len(face) > 0.15 * len(rest)


def test_evidence_is_worded_for_models_that_do_not_do_it_themselves(fake):
    parrot = Parrot()
    Narrator(parrot, prompt_named("evidence"), "Why?").tell(fake)
    parrot.tells_evidence = True
    Narrator(parrot, prompt_named("evidence"), "Why?").tell(fake)
    parrot.takes_score = True
    Narrator(parrot, prompt_named("m2f2_demo")).tell(fake)
    worded, bare, official = parrot.asked
    assert worded[1].startswith("A forgery detector (brightness)")
    assert "Verdict: FAKE." in worded[1]
    assert "second picture" not in worded[1]
    assert worded[1].endswith("\n\nWhy?")
    assert bare[1] == "Why?"
    assert bare[2].heatmap is not None
    assert official[1] == "Determine the authenticity of this image"
    assert official[2].score == fake.report.deciding_face.findings[0].score


@pytest.mark.parametrize(
    ("text", "label", "wanted"),
    [
        ("The image is real.", VerdictLabel.FAKE, "calls the face REAL and the verdict is FAKE"),
        ("This face is fake.", VerdictLabel.REAL, "calls the face FAKE and the verdict is REAL"),
        ("The image is fake.", VerdictLabel.UNCERTAIN, "calls the face FAKE and the verdict is UNCERTAIN"),
        ("The image is fake.", VerdictLabel.FAKE, ""),
        ("The lighting is unrealistic.", VerdictLabel.FAKE, ""),
        ("It may be real or fake.", VerdictLabel.REAL, ""),
    ],
)
def test_contradictions(text, label, wanted):
    assert (wanted in contradiction(text, label)) if wanted else contradiction(text, label) == ""


def test_a_contradiction_is_said_beside_the_text_and_warned_of(analyzer, tmp_path):
    for grey, label in ((FAKE_GREY, "FAKE"), (UNSURE_GREY, "UNCERTAIN")):
        result = analyzer.examine(save_picture(tmp_path / "a.png", (40, 50, 120, grey)))
        told = Narrator(Parrot("The image is real."), prompt_named("neutral")).tell(result)
        sentence = f"The text calls the face REAL and the verdict is {label}; the verdict counts."
        assert derived_of(told.report).against == (sentence,)
        assert told.report.warnings[-1] == (
            f"what parrot writes contradicts the verdict: the text calls the face REAL and the verdict is {label}; "
            "the verdict counts."
        )
        assert told.report.verdict.label == label


@pytest.mark.parametrize(("reason", "note"), [("length", "cut off"), ("cancelled", "cancelled")])
def test_texts_that_did_not_end_say_so(fake, reason, note):
    told = Narrator(Parrot(reason=reason), prompt_named("neutral")).tell(fake)
    assert note in derived_of(told.report).against[0]


@pytest.mark.parametrize(
    ("parrot", "said"),
    [
        (Parrot(error=EndpointError("down")), "no text from the language model: down"),
        (Parrot(error=RuntimeError("out of memory")), "RuntimeError: out of memory"),
        (Parrot(text="", reason="cancelled"), "ended with nothing"),
    ],
)
def test_a_failing_model_costs_no_verdict(fake, parrot, said):
    told = Narrator(parrot, prompt_named("neutral")).tell(fake)
    assert said in told.report.warnings[-1]
    assert told.report.verdict == fake.report.verdict
    assert told.report.faces == fake.report.faces


def test_nobody_is_asked_about_nothing(analyzer, tmp_path):
    parrot = Parrot()
    narrator = Narrator(parrot, prompt_named("neutral"))
    for result in (
        analyzer.examine(save_picture(tmp_path / "nobody.png")),
        analyzer.examine(save_picture(tmp_path / "small.png", (40, 50, 20, FAKE_GREY))),
        analyzer.examine(tmp_path / "absent.png"),
    ):
        assert narrator.tell(result) is result
    blind = Analyzer(BrightnessDetector(), options=AnalyzeOptions(stability=False))
    told = narrator.tell(blind.examine(save_picture(tmp_path / "a.png", (40, 50, 120, FAKE_GREY))))
    assert "no picture of the face was kept" in told.report.warnings[-1]
    assert parrot.asked == []


def test_of_a_video_the_key_frame_is_shown(analyzer, tmp_path):
    frames = [scene((40, 50, 120, 200 if i == 6 else 225 if i == 8 else 150)) for i in range(10)]
    parrot = Parrot()
    result = analyzer.examine(save_clip(tmp_path / "a.mp4", frames))
    Narrator(parrot, prompt_named("neutral")).tell(result)
    assert abs(centre(parrot.asked[0][0]) - 225) < 6


def test_questions_are_checked_before_anything_is_done():
    with pytest.raises(ConfigError, match="fixed question"):
        Narrator(Parrot(), prompt_named("m2f2_demo"), "Why?")


def test_a_reader_that_fails_is_no_failure_of_the_model(fake):
    def gone(_piece):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Narrator(Parrot(), prompt_named("neutral")).tell(fake, stream=gone)
