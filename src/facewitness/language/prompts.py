"""Questions to models by name, those of M2F2-Det word for word and our own, and the detector's evidence in words.

An endpoint frames a question by itself; the conversation template that a prompt names is for local models.

Reference: M2F2-Det's stage-2 and stage-3 training data, its two command lines and its demo.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.language.conversations import QUESTIONS
from facewitness.language.models import Evidence
from facewitness.records import Finding, Verdict
from facewitness.registry import unknown_name
from facewitness.wording import REGION_STRENGTH, expert_words, list_words, region_words, score_words, sentence

_MOST_REGIONS: Final = 4
_RULES = (
    "The verdict comes from the detector. You do not change it, and you give none of your own. Describe only what can "
    "be seen in the picture; do not invent measurements, and do not say who the person is."
)
_NEUTRAL = (
    "Look at the skin, the eyes, the nose, the mouth, the hair and the outline of this face. Say for each whether "
    "anything looks unnatural and what exactly you see there; say so where nothing does."
)
_JUDGE = "Is the face in this picture real or fake? Say which, and name the places of the face that show it."
_STANDARD_QUESTION = (
    "In at most five sentences, say what can be seen in this face that fits the evidence and what does not fit it. "
    "Name the places. Say so where you see nothing."
)


@dataclass(frozen=True)
class Prompt:
    """A question by name.

    Attributes:
        name: Name.
        text: What is asked; ``{question}`` is where the user's own question goes.
        template: Name of the conversation template that the official program puts round it; empty: the model's own.
        with_evidence: Whether the model is told the detector's finding as well.
        about: What it is for.
        standard: What stands for the user's question where there is none.
    """

    name: str
    text: str
    template: str
    with_evidence: bool
    about: str
    standard: str = ""

    @property
    def takes_question(self) -> bool:
        """Whether it has a place for the user's own question."""
        return "{question}" in self.text

    def ask(self, question: str = "") -> str:
        """The question in full.

        Args:
            question: The user's own; empty takes the prompt's standard one.

        Raises:
            ConfigError: If the prompt needs a question and got none, or has no place for one.
        """
        question = question.strip()
        if not question and self.takes_question and not self.standard:
            msg = f"the prompt {self.name!r} is nothing without a question of your own; give one (--question)"
            raise ConfigError(msg)
        if question and not self.takes_question:
            msg = f"the prompt {self.name!r} is a fixed question ({self.text}); leave out the question, or the prompt"
            raise ConfigError(msg)
        return self.text.replace("{question}", question or self.standard)


_OF_M2F2 = (
    Prompt(
        "m2f2_detect",
        QUESTIONS["cli_detection"],
        "m2f2_cli_detection",
        False,
        "M2F2-Det's judgement on its command line",
    ),
    Prompt("m2f2_explain", "{question}", "m2f2_cli", False, "your question as on M2F2-Det's command line"),
    Prompt("m2f2_demo", QUESTIONS["demo"], "m2f2_demo", False, "what M2F2-Det's demo recommends"),
    Prompt("m2f2_stage_2", QUESTIONS["train"], "vicuna_v1", False, "the question of M2F2-Det's stage 2"),
    Prompt(
        "m2f2_stage_3",
        "Describe the authenticity of the image based on {question}. Is the image real or fake?",
        "vicuna_v1",
        False,
        "the question of M2F2-Det's stage 3; yours is a list of regions",
        "eyes, nose, mouth, skin",
    ),
)
_OWN = (
    Prompt("evidence", "{question}", "", True, "your question, with the detector's finding", _STANDARD_QUESTION),
    Prompt("neutral", _NEUTRAL, "", False, "what is seen, without the finding and without a hint at the answer"),
    Prompt("judge", _JUDGE, "", False, "a side and places, without the finding and without a hint at the answer"),
    Prompt("plain", "{question}", "", False, "your question alone"),
)

PROMPTS: Final = MappingProxyType({prompt.name: prompt for prompt in (*_OWN, *_OF_M2F2)})
"""Prompts by name."""


def prompt_named(name: str) -> Prompt:
    """A prompt by name.

    Raises:
        UnknownNameError: If there is none of that name.

    Example:
        >>> prompt_named("m2f2_demo").ask()
        'Determine the authenticity of this image'
    """
    if name not in PROMPTS:
        kind = "prompt"
        raise unknown_name(kind, name, PROMPTS)
    return PROMPTS[name]


def evidence_of(finding: Finding, verdict: Verdict, heatmap: NDArray[np.float32] | None = None) -> Evidence:
    """A finding and its verdict as a model is told of them.

    Args:
        finding: What the detector measured.
        verdict: The verdict on the same face.
        heatmap: ``(h, w)`` float32 in [0, 1] over the picture that the model sees.
    """
    words = f"{verdict.label.value}. {sentence(verdict.reason)}".strip()
    if finding.fired:
        words += f" The detector's expert for {expert_words(finding.fired)[0]} reacted."
    return Evidence(finding.score, words, finding.detector, finding.regions, heatmap)


def evidence_prompt(evidence: Evidence) -> str:
    """What a detector found, in words for a model that sees the picture and, after it, the picture with its heatmap.

    The model is told that the verdict stands and is not its to change.

    Example:
        >>> words = evidence_prompt(Evidence(0.93, "FAKE. Score 0.93 is at or above 0.80.", "laa_net_lite"))
        >>> words.splitlines()[1]
        'Verdict: FAKE. Score 0.93 is at or above 0.80.'
    """
    verdict = evidence.verdict or "none"
    lines = [
        f"A forgery detector ({evidence.detector or 'unnamed'}) has measured this face. Its evidence:",
        f"Verdict: {verdict}",
        f"Score: {score_words(evidence.score)}, from 0 (no trace of forgery) to 1 (strong traces).",
        _regions_line(evidence),
    ]
    if evidence.heatmap is not None:
        lines.append(
            "The second picture is the first with the detector's heatmap laid over it: the brighter the colour, the "
            "stronger its reaction. The colours are not part of the face."
        )
    return "\n".join([*lines, _RULES])


def _regions_line(evidence: Evidence) -> str:
    ranked = sorted(evidence.regions, key=lambda region: (-region.strength, region.name))
    hot = [r for r in ranked if r.strength >= REGION_STRENGTH][:_MOST_REGIONS]
    if not hot:
        return "Places: the heatmap points to no place of the face."
    named = [f"{region_words(r.name)} ({r.strength:.2f} of 1)" for r in hot]
    return f"Places where the heatmap is strongest: {list_words(named)}. Left and right are the person's own."
