"""BLEU, ROUGE-L and CIDEr of answers against references, with the numbers of pycocoevalcap 1.2 but no dependency.

Texts are given tokenised, one string each with spaces between the tokens (`facewitness.evaluation.text_tokens`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean
from typing import Final

from facewitness.errors import ConfigError

BLEU_ORDER: Final = 4
ROUGE_BETA: Final = 1.2
CIDER_ORDER: Final = 4
CIDER_SIGMA: Final = 6.0
_SMALL: Final = 1e-9
_TINY: Final = 1e-15

Ngram = tuple[str, ...]
References = Sequence[Sequence[str]]


@dataclass(frozen=True)
class TextScores:
    """A metric over all answers.

    Attributes:
        value: Of the whole set: the mean of ``items``, except for BLEU, which pools counts first.
        items: One per answer, in their order.
    """

    value: float
    items: tuple[float, ...]


@dataclass(frozen=True)
class _Overlap:
    """What BLEU needs to know of one answer: lengths, and per order how many n-grams there are and match."""

    length: int
    reference: int
    guesses: tuple[int, ...]
    matches: tuple[int, ...]


def bleu(answers: Sequence[str], references: References, *, order: int = BLEU_ORDER) -> tuple[TextScores, ...]:
    """BLEU-1 to BLEU-``order``, with the closest reference length of each answer.

    Reference: Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002, section 2.

    Args:
        answers: ``n`` tokenised texts.
        references: ``n`` lists of at least one tokenised text.
        order: Longest n-gram.

    Returns:
        One per order, in [0, 1] up to rounding.

    Raises:
        ConfigError: If there is nothing, the lengths differ, an answer has no reference, or ``order`` is below 1.

    >>> [round(s.value, 3) for s in bleu(["the nose looks blurry"], [["the nose is blurry"]], order=2)]
    [0.75, 0.5]
    """
    _check(answers, references, order)
    pairs = zip(answers, references, strict=True)
    found = [_overlap(text.split(), [ref.split() for ref in refs], order) for text, refs in pairs]
    pooled = _Overlap(
        sum(one.length for one in found),
        sum(one.reference for one in found),
        tuple(sum(one.guesses[k] for one in found) for k in range(order)),
        tuple(sum(one.matches[k] for one in found) for k in range(order)),
    )
    whole, single = _bleu_of(pooled), [_bleu_of(one) for one in found]
    return tuple(TextScores(whole[k], tuple(values[k] for values in single)) for k in range(order))


def rouge_l(answers: Sequence[str], references: References, *, beta: float = ROUGE_BETA) -> TextScores:
    """ROUGE-L: F-measure of the longest common subsequence; best precision and best recall over the references.

    Two spaces in a row hold an empty token, as in pycocoevalcap.

    Reference: Lin, "ROUGE: a package for automatic evaluation of summaries", 2004, section 3.

    Args:
        answers: ``n`` tokenised texts.
        references: ``n`` lists of at least one tokenised text.
        beta: Weight of recall.

    Returns:
        Values in [0, 1].

    Raises:
        ConfigError: If there is nothing, the lengths differ, or an answer has no reference.

    >>> round(rouge_l(["the nose looks blurry"], [["the nose is blurry"]]).value, 6)
    0.75
    """
    _check(answers, references, 1)
    items = tuple(_rouge_of(answer, refs, beta) for answer, refs in zip(answers, references, strict=True))
    return TextScores(fmean(items), items)


def cider(
    answers: Sequence[str], references: References, *, order: int = CIDER_ORDER, sigma: float = CIDER_SIGMA
) -> TextScores:
    """CIDEr-D times 10: clipped cosine of TF-IDF vectors of n-grams, with a Gaussian of the difference in length.

    Document frequencies come from the references given, so values of different sets cannot be compared, and a set
    of one answer scores 0.

    Reference: Vedantam et al., "CIDEr: consensus-based image description evaluation", CVPR 2015, section 6.

    Args:
        answers: ``n`` tokenised texts.
        references: ``n`` lists of at least one tokenised text.
        order: Longest n-gram.
        sigma: Of the Gaussian, in tokens.

    Returns:
        Values in [0, 10].

    Raises:
        ConfigError: If there is nothing, the lengths differ, an answer has no reference, or ``order`` is below 1.

    >>> score = cider(["a b c d", "x y"], [["a b c d"], ["x z"]])
    >>> [round(v, 2) for v in score.items]
    [10.0, 1.25]
    """
    _check(answers, references, order)
    cooked = [[_ngrams(text.split(), order) for text in refs] for refs in references]
    frequency = Counter(ngram for refs in cooked for ngram in set().union(*refs))
    documents = log(len(answers))

    def vector(counts: Counter[Ngram]) -> _Vector:
        weights = {n: c * (documents - log(max(1, frequency[n]))) for n, c in counts.items()}
        norms = [0.0] * order
        for ngram, weight in weights.items():
            norms[len(ngram) - 1] += weight * weight
        length = sum(count for ngram, count in counts.items() if len(ngram) == 2)
        return _Vector(weights, tuple(map(sqrt, norms)), length)

    items = []
    for answer, refs in zip(answers, cooked, strict=True):
        own = vector(_ngrams(answer.split(), order))
        items.append(10 * fmean(fmean(_similarity(own, vector(ref), sigma)) for ref in refs))
    return TextScores(fmean(items), tuple(items))


@dataclass(frozen=True)
class _Vector:
    """TF-IDF weights, their norm per order, and how many bigrams there are: CIDEr-D's length."""

    weights: dict[Ngram, float]
    norms: tuple[float, ...]
    length: int


def _similarity(own: _Vector, ref: _Vector, sigma: float) -> list[float]:
    sums = [0.0] * len(own.norms)
    for ngram, weight in own.weights.items():
        other = ref.weights.get(ngram, 0.0)
        sums[len(ngram) - 1] += min(weight, other) * other
    penalty = exp(-((own.length - ref.length) ** 2) / (2 * sigma**2))
    norms = [a * b for a, b in zip(own.norms, ref.norms, strict=True)]
    return [penalty * (s / norm if norm else s) for s, norm in zip(sums, norms, strict=True)]


def _ngrams(tokens: Sequence[str], order: int) -> Counter[Ngram]:
    return Counter(tuple(tokens[i : i + k]) for k in range(1, order + 1) for i in range(len(tokens) - k + 1))


def _overlap(answer: Sequence[str], references: Sequence[Sequence[str]], order: int) -> _Overlap:
    most: Counter[Ngram] = Counter()
    for ref in references:
        most |= _ngrams(ref, order)
    matches = [0] * order
    for ngram, count in (_ngrams(answer, order) & most).items():
        matches[len(ngram) - 1] += count
    closest = min((abs(len(ref) - len(answer)), len(ref)) for ref in references)[1]
    guesses = tuple(max(0, len(answer) - k) for k in range(order))
    return _Overlap(len(answer), closest, guesses, tuple(matches))


def _bleu_of(counts: _Overlap) -> list[float]:
    # the two small numbers are pycocoevalcap's guards against empty answers; they show in the eleventh decimal
    values, product = [], 1.0
    for k, (matches, guesses) in enumerate(zip(counts.matches, counts.guesses, strict=True)):
        product *= (matches + _TINY) / (guesses + _SMALL)
        values.append(product ** (1 / (k + 1)))
    ratio = (counts.length + _TINY) / (counts.reference + _SMALL)
    penalty = exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return [value * penalty for value in values]


def _rouge_of(answer: str, references: Sequence[str], beta: float) -> float:
    tokens = answer.split(" ")
    shared = [(_common(ref.split(" "), tokens), ref.count(" ") + 1) for ref in references]
    precision = max(common / len(tokens) for common, _ in shared)
    recall = max(common / length for common, length in shared)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision) if precision else 0.0


def _common(one: Sequence[str], two: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(two) + 1)
    for token in one:
        before = 0
        for j, other in enumerate(two, 1):
            kept, row[j] = row[j], before + 1 if token == other else max(row[j], row[j - 1])
            before = kept
    return row[-1]


def _check(answers: Sequence[str], references: References, order: int) -> None:
    if not answers or len(answers) != len(references) or not all(references) or order < 1:
        without = sum(not refs for refs in references)
        msg = (
            f"expected as many lists of references as answers, none empty, and an order of at least 1, got "
            f"{len(answers)} answers, {len(references)} lists ({without} empty) and order {order}"
        )
        raise ConfigError(msg)
