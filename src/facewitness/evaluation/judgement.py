"""REAL or FAKE as answers in words state it, against the labels: M2F2-Det's way and the right one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.decisions import decide
from facewitness.language.answers import official_label, parse_answer
from facewitness.records import Label


@dataclass(frozen=True)
class JudgementScores:
    """Metrics of stated labels; fake is the positive class.

    Attributes:
        accuracy: Share of right answers.
        f1: Of the fakes.
        precision: Share of fakes among what was called fake; 0 when nothing was.
        recall: Share of the fakes that was called fake; 0 without fakes.
        answers: Answers that count.
        unparsable: Answers that state no label, or both.
    """

    accuracy: float
    f1: float
    precision: float
    recall: float
    answers: int
    unparsable: int


@dataclass(frozen=True)
class Judgement:
    """Both ways and what no picture is needed for.

    Attributes:
        official: Substring rule; unparsable answers are left out, so the rest looks better than it is.
        parsed: The parser's labels; an unparsable answer is wrong, and not a fake found.
        always_fake: Calling everything fake.
        always_real: Calling everything real.
        read_otherwise: Answers that the two read differently.
    """

    official: JudgementScores
    parsed: JudgementScores
    always_fake: JudgementScores
    always_real: JudgementScores
    read_otherwise: int

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return asdict(self)


def judge(answers: Sequence[str], labels: Sequence[Label]) -> Judgement:
    """Score answers on whether pictures are real.

    Reference: CHELSEA234/M2F2_Det, eval_judgement.py, for ``official``.

    Args:
        answers: ``n`` texts, special tokens included or not.
        labels: ``n`` true labels.

    Raises:
        ConfigError: If there is nothing, or the lengths differ.

    >>> found = judge(["It is fake.", "unrealistic shadows", "No idea."], [Label.FAKE, Label.FAKE, Label.REAL])
    >>> (found.official.accuracy, found.official.answers), (round(found.parsed.accuracy, 2), found.parsed.answers)
    ((0.5, 2), (0.67, 3))
    """
    if not answers or len(answers) != len(labels):
        msg = f"expected one label per answer, and at least one answer, got {len(answers)} and {len(labels)}"
        raise ConfigError(msg)
    official = [official_label(text) for text in answers]
    parsed = [parse_answer(text) for text in answers]
    stated = [(said, label) for said, label in zip(official, labels, strict=True) if said is not None]
    return Judgement(
        official=_scores([said for said, _ in stated], [label for _, label in stated], len(answers) - len(stated)),
        parsed=_scores(parsed, labels, parsed.count(None)),
        always_fake=_scores([Label.FAKE] * len(labels), labels, 0),
        always_real=_scores([Label.REAL] * len(labels), labels, 0),
        read_otherwise=sum(one != other for one, other in zip(official, parsed, strict=True)),
    )


def _scores(said: Sequence[Label | None], labels: Sequence[Label], unparsable: int) -> JudgementScores:
    if not said:
        return JudgementScores(0.0, 0.0, 0.0, 0.0, 0, unparsable)
    called = np.array([label is Label.FAKE for label in said], dtype=np.float64)
    found = decide(called, [int(label) for label in labels], threshold=0.5)
    hits, alarms, misses = found.true_positives, found.false_positives, found.false_negatives
    right = sum(one is not None and one == label for one, label in zip(said, labels, strict=True))
    return JudgementScores(
        accuracy=right / len(said),
        f1=found.f1,
        precision=hits / (hits + alarms) if hits + alarms else 0.0,
        recall=hits / (hits + misses) if hits + misses else 0.0,
        answers=len(said),
        unparsable=unparsable,
    )
