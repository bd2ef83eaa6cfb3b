"""A language model's words beside a report: the verdict stands, the text is marked as derived, contradictions are said.

Only the face that decides a file's verdict is put into words: models are slow, and endpoints cost money.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FacewitnessError
from facewitness.language.answers import parse_answer
from facewitness.language.models import Answer, Cancel, Evidence, Explainer, Stream
from facewitness.language.prompts import Prompt, evidence_of, evidence_prompt
from facewitness.pipeline import AnalysisResult
from facewitness.records import Explanation, FaceTrack, Finding, Report, VerdictLabel
from facewitness.reports.heat import around_face, heat_in_view
from facewitness.reports.overlay import observation_in

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())

_MARGIN = 1.6
_LONGEST_SIDE = 768


@dataclass(frozen=True)
class FacePicture:
    """What a model sees of a face.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB: the face with some surroundings.
        heatmap: ``(H, W)`` float32 in [0, 1] over it; None when the detector made none on this frame.
    """

    image: NDArray[np.uint8]
    heatmap: NDArray[np.float32] | None


def face_picture(result: AnalysisResult, face: FaceTrack) -> FacePicture | None:
    """The key frame's cut-out of a face with its heatmap; None when the frame was not kept.

    Args:
        result: An analysis with pictures (``AnalyzeOptions(keep_pictures=True)``).
        face: One of its faces.
    """
    heatmap = next((f.heatmap for f in face.findings if f.heatmap is not None), None)
    wanted = [seen.frame_index for seen in face.observations] if heatmap is None else [heatmap.frame_index]
    index = next((i for i in wanted if i in result.pictures), None)
    seen = None if index is None else observation_in(face, index)
    if index is None or seen is None or not np.isfinite(seen.box).all():
        return None
    frame = result.pictures[index]
    view = around_face(seen.box, frame.shape, margin=_MARGIN, max_side=_LONGEST_SIDE)
    if heatmap is None:
        return FacePicture(view.cut(frame), None)
    whole = np.zeros((view.height, view.width), np.float32)
    heat, left, top = heat_in_view(heatmap, view)
    whole[top : top + heat.shape[0], left : left + heat.shape[1]] = heat
    return FacePicture(view.cut(frame), whole)


def contradiction(text: str, verdict: VerdictLabel) -> str:
    """A sentence on a text that calls the face something else than the verdict does; empty when it does not.

    Example:
        >>> contradiction("The image is real.", VerdictLabel.FAKE)
        'The text calls the face REAL and the verdict is FAKE; the verdict counts.'
        >>> contradiction("The mouth has a seam.", VerdictLabel.FAKE)
        ''
    """
    said = parse_answer(text)
    if said is None or said.name == verdict.value:
        return ""
    return f"The text calls the face {said.name} and the verdict is {verdict.value}; the verdict counts."


@dataclass(frozen=True)
class Narrator:
    """Asks a model about the deciding face of each report.

    Attributes:
        explainer: The model.
        prompt: How it is asked.
        question: The user's own question; empty takes the prompt's standard one.

    Raises:
        ConfigError: If prompt and question do not go together.
    """

    explainer: Explainer
    prompt: Prompt
    question: str = ""

    def __post_init__(self) -> None:
        self.prompt.ask(self.question)

    def tell(
        self, result: AnalysisResult, *, stream: Stream | None = None, cancel: Cancel | None = None
    ) -> AnalysisResult:
        """Add what the model writes; a model that fails leaves the report as it was, with a warning.

        Args:
            result: An analysis with pictures; one without a scored face comes back unchanged.
            stream: Takes the text piece by piece.
            cancel: Asked many times a second; a true answer ends the text.
        """
        report = result.report
        face = report.deciding_face
        if face is None or not face.findings or face.verdict.score is None:
            return result
        seen = face_picture(result, face)
        if seen is None:
            return _warned(result, "no picture of the face was kept, so the language model was not asked")
        finding = face.findings[0]
        asked = self.prompt.ask(self.question)
        question, evidence = self.request(asked, evidence_of(finding, face.verdict, seen.heatmap))
        try:
            heard = None if stream is None else partial(_pass_on, stream)
            answer = self.explainer.answer(seen.image, question, evidence=evidence, stream=heard, cancel=cancel)
        except _ReaderError as error:
            raise error.cause from None
        except FacewitnessError as error:
            return _warned(result, f"no text from the language model: {error}")
        except Exception as error:  # noqa: BLE001 - logged, and said in the report
            # a model that runs out of memory must not cost the verdict
            _LOG.exception("unexpected failure of %s", self.explainer.name)
            return _warned(result, f"no text from the language model: {type(error).__name__}: {error}")
        if not answer.text:
            return _warned(result, f"no text from the language model: {answer.model} ended with nothing")
        return self._with(result, face, finding, answer)

    def request(self, question: str, evidence: Evidence) -> tuple[str, Evidence | None]:
        """A question as the model gets it, and the evidence where the model is to have it.

        Args:
            question: The question.
            evidence: What the detector found.
        """
        takes_score = bool(getattr(self.explainer, "takes_score", False))  # it has a token for it and needs it always
        if not self.prompt.with_evidence:
            return question, evidence if takes_score else None
        if not getattr(self.explainer, "tells_evidence", False):
            question = f"{evidence_prompt(replace(evidence, heatmap=None))}\n\n{question}"
        return question, evidence

    def _with(self, result: AnalysisResult, face: FaceTrack, finding: Finding, answer: Answer) -> AnalysisResult:
        against = contradiction(answer.text, face.verdict.label)
        notes = [against] if against else []
        notes += {
            "length": ["The text was cut off at the limit of its length."],
            "cancelled": ["The text was cancelled."],
        }.get(answer.finish_reason, [])
        asked = self.prompt.ask(self.question)
        derived = Explanation(answer.text, answer.model, (), tuple(notes), question=asked, prompt=self.prompt.name)
        told = replace(face, findings=(replace(finding, derived=derived), *face.findings[1:]))
        report = result.report
        timings = {**report.timings_s, "language_model": answer.seconds}
        timings["total"] = timings.pop("total", 0.0) + answer.seconds
        changed = replace(
            report, faces=tuple(told if other is face else other for other in report.faces), timings_s=timings
        )
        plain = replace(result, report=changed)
        warning = (
            f"what {answer.model} writes contradicts the verdict: {against[0].lower()}{against[1:]}" if against else ""
        )
        return _warned(plain, warning) if warning else plain


class _ReaderError(Exception):
    """Carries a failure of the caller's own stream past what is caught of the model's."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _pass_on(stream: Stream, piece: str) -> None:
    try:
        stream(piece)
    except Exception as error:
        raise _ReaderError(error) from error


def derived_of(report: Report) -> Explanation | None:
    """What a model wrote of the deciding face; None when it did not."""
    face = report.deciding_face
    return None if face is None else next((f.derived for f in face.findings if f.derived is not None), None)


def _warned(result: AnalysisResult, warning: str) -> AnalysisResult:
    return replace(result, report=replace(result.report, warnings=(*result.report.warnings, warning)))
