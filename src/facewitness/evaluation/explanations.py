"""Answers in words against reference answers, beside what answers without any look at the picture would get."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Final

from facewitness.datasets.dd_vqa import Question, picture_label
from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.text import TextScores, bleu, cider, rouge_l
from facewitness.evaluation.metrics.text_similarity import tfidf_cosine
from facewitness.evaluation.text_tokens import Tokenisation, tokenise
from facewitness.language.region_names import named_regions
from facewitness.records import Label

MoreMetrics = Mapping[str, Callable[[Sequence[str], Sequence[Sequence[str]]], TextScores]]
_REGIONS_ASKED: Final = re.compile(r"based on .*", re.DOTALL)


@dataclass(frozen=True)
class RegionNaming:
    """Regions that answers name against those that references name, all counts pooled.

    Attributes:
        precision: Share of the named regions that a reference names; 0 when none is named.
        recall: Share of the references' regions that the answers name; 0 without any.
        f1: Harmonic mean.
    """

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ExplanationScores:
    """Metrics of a set of answers.

    Attributes:
        bleu: BLEU-1 to BLEU-4.
        bleu_mean: Their mean, which M2F2-Det's program calls "Bleu".
        rouge_l: ROUGE-L.
        cider: CIDEr, whose scale is 0 to 10.
        tfidf: Cosine of TF-IDF vectors: an offline stand-in for similarity of meaning.
        more: Further metrics that were asked for, by name.
        by_label: ROUGE-L and CIDEr, averaged over the answers on real and on fake pictures, where names say which.
        regions: How well regions are named.
    """

    bleu: tuple[float, ...]
    bleu_mean: float
    rouge_l: float
    cider: float
    tfidf: float
    more: dict[str, float]
    by_label: dict[str, dict[str, float]]
    regions: RegionNaming


@dataclass(frozen=True)
class ExplanationResult:
    """Scores under one tokenisation, with the floors.

    Attributes:
        tokenisation: ``raw`` or ``normalised``.
        scores: Of the answers.
        constant: Of one answer to everything: the most frequent reference.
        question_only: Of answers that know the question alone: the most frequent reference to the same question on
            other pictures. Where questions give the label away, this floor is high.
        questions: Questions asked.
        missing: Questions without an answer, which count as empty ones.
        constant_answer: What the constant floor says.
    """

    tokenisation: Tokenisation
    scores: ExplanationScores
    constant: ExplanationScores
    question_only: ExplanationScores
    questions: int
    missing: int
    constant_answer: str

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON."""
        return asdict(self)


def evaluate_explanations(
    answers: Mapping[str, str],
    questions: Mapping[str, Question],
    tokenisation: Tokenisation,
    *,
    more: MoreMetrics | None = None,
) -> ExplanationResult:
    """Score answers, and the floors under them.

    Reference: CHELSEA234/M2F2_Det, eval_explanation.py, whose numbers are those of ``raw``.

    Args:
        answers: Texts by key of the question.
        questions: Questions with references by key.
        tokenisation: ``raw`` as theirs, or ``normalised``.
        more: Metrics by name, such as METEOR; they get texts as they are, not tokens, and no floor.

    Raises:
        ConfigError: If there is no question, or no answer belongs to one.
    """
    if not questions or not answers.keys() & questions.keys():
        msg = f"expected answers to the questions asked, got {len(answers)} answers to none of {len(questions)}"
        raise ConfigError(msg)
    asked = list(questions.values())
    texts = [answers.get(key, "") for key in questions]
    constant = Counter(text for question in asked for text in question.answers).most_common(1)[0][0]
    return ExplanationResult(
        tokenisation=tokenisation,
        scores=_scores(texts, asked, tokenisation, more or {}),
        constant=_scores([constant] * len(asked), asked, tokenisation, {}),
        question_only=_scores(question_only_answers(asked), asked, tokenisation, {}),
        questions=len(asked),
        missing=len(questions.keys() - answers.keys()),
        constant_answer=constant,
    )


def question_only_answers(questions: Sequence[Question]) -> list[str]:
    """To each question the most frequent reference to the same question on other pictures.

    The regions that "based on ..." lists do not make another question. Without such a reference, the most frequent
    one on all other pictures is taken; the empty text when there is none.

    >>> asked = [Question(f"5_00{i}.jpg", "Why?", (text,)) for i, text in enumerate(("a", "a", "b"))]
    >>> question_only_answers(asked)
    ['a', 'a', 'a']
    """
    by_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_picture: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in questions:
        by_kind[_kind(one)].update(one.answers)
        by_picture[_kind(one), one.image].update(one.answers)
    everything: Counter[str] = sum(by_kind.values(), Counter())
    found = []
    for one in questions:
        others = by_kind[_kind(one)] - by_picture[_kind(one), one.image] or everything - Counter(one.answers)
        found.append(others.most_common(1)[0][0] if others else "")
    return found


def region_naming(answers: Sequence[str], references: Sequence[Sequence[str]]) -> RegionNaming:
    """How well answers name the regions that references name.

    >>> region_naming(["The nose and the mouth."], [["The nose is blurry.", "The skin too."]])
    RegionNaming(precision=0.5, recall=0.5, f1=0.5)
    """
    said = [named_regions(text) for text in answers]
    true = [frozenset().union(*(named_regions(text) for text in refs)) for refs in references]
    return naming_of(said, true)


def naming_of(said: Sequence[frozenset[str]], true: Sequence[frozenset[str]]) -> RegionNaming:
    """Precision and recall of sets of names, counts pooled over all pairs."""
    hits = sum(len(one & other) for one, other in zip(said, true, strict=True))
    named, wanted = sum(map(len, said)), sum(map(len, true))
    f1 = 2 * hits / (named + wanted) if named + wanted else 0.0
    return RegionNaming(hits / named if named else 0.0, hits / wanted if wanted else 0.0, f1)


def _kind(question: Question) -> str:
    return _REGIONS_ASKED.sub("based on", question.question)


def _label(question: Question) -> Label | None:
    """The picture's label; None where it is not named as DD-VQA's."""
    try:
        return picture_label(question.image)
    except ConfigError:
        return None


def _scores(
    answers: Sequence[str], questions: Sequence[Question], tokenisation: Tokenisation, more: MoreMetrics
) -> ExplanationScores:
    references = [question.answers for question in questions]
    said = [tokenise(text, tokenisation) for text in answers]
    true = [[tokenise(text, tokenisation) for text in refs] for refs in references]
    orders, rouge, consensus = bleu(said, true), rouge_l(said, true), cider(said, true)
    groups: dict[str, dict[str, float]] = {}
    for label in Label:
        own = [i for i, question in enumerate(questions) if _label(question) is label]
        if own:
            means = {name: fmean(s.items[i] for i in own) for name, s in (("rouge_l", rouge), ("cider", consensus))}
            groups[label.name.lower()] = means
    return ExplanationScores(
        bleu=tuple(score.value for score in orders),
        bleu_mean=fmean(score.value for score in orders),
        rouge_l=rouge.value,
        cider=consensus.value,
        tfidf=tfidf_cosine(said, true).value,
        more={name: metric(answers, references).value for name, metric in more.items()},
        by_label=groups,
        regions=region_naming(answers, references),
    )
