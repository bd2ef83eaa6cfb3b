"""Whether a language model's text about a face comes from the picture, and from the evidence, or from the question.

Every check asks again with one thing changed and compares the answers: the picture (repeated, blanked, swapped for
another) or the question (neutral, or stating that the picture is real or fake). Texts are compared as normalised
tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.explanations import RegionNaming, naming_of
from facewitness.evaluation.metrics.text import rouge_l
from facewitness.evaluation.text_tokens import clean_answer, tokenise
from facewitness.language.answers import parse_answer
from facewitness.language.region_names import GROUP_OF_REGION, groups_of, named_regions
from facewitness.records import Label

Picture = NDArray[np.uint8]
Answer = Callable[[Picture, str], str]
"""``answer(image, question)``: what the model says of an ``(H, W, 3)`` uint8 RGB picture."""

_CLAIMS = {Label.REAL: "This image is real.", Label.FAKE: "This image is fake."}
_POSSIBLE = frozenset(GROUP_OF_REGION.values())
"""Groups of regions that heatmaps can have."""


@dataclass(frozen=True)
class CheckItem:
    """A face to ask about.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB.
        question: The question, in words that do not give a label away.
        answer: The model, with what it is told beside the question (a detector's score) fixed for this face.
        verdict: What the detector's score says; None where it is uncertain or there is none.
        regions: The toolkit's names of the regions that the heatmap fires on; None without a heatmap.
    """

    image: Picture
    question: str
    answer: Answer
    verdict: Label | None = None
    regions: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Change:
    """How answers differ from the first ones.

    Attributes:
        texts: Share of texts that differ.
        verdicts: Share of stated labels that differ; stating none counts as a third label.
        similarity: Mean ROUGE-L of the new texts against the first ones.
    """

    texts: float
    verdicts: float
    similarity: float


@dataclass(frozen=True)
class PictureUse:
    """What the picture does to the answers.

    Attributes:
        repeated: Asked the same again: what chance alone changes.
        blanked: With the picture's mean colour in its place.
        swapped: With another item's picture in its place.
    """

    repeated: Change
    blanked: Change
    swapped: Change


@dataclass(frozen=True)
class Agreement:
    """Labels stated in texts against the detector's.

    Attributes:
        agreeing: Share of texts that state the detector's label, of those that state one; NaN without any.
        stated: Texts that state a label, on faces that the detector decides.
        unparsable: Texts on such faces that state none, or both.
        undecided: Faces that the detector does not decide, left out.
    """

    agreeing: float
    stated: int
    unparsable: int
    undecided: int


@dataclass(frozen=True)
class RegionAgreement:
    """Regions that texts name against those that heatmaps fire on.

    Attributes:
        named: Precision, recall and F1.
        by_chance: The same when each text is held against another face's heatmap.
        faces: Faces with a heatmap.
    """

    named: RegionNaming
    by_chance: RegionNaming
    faces: int


@dataclass(frozen=True)
class ClaimUse:
    """What a question that states a label does to the answers.

    Attributes:
        follows_real: Share of texts that state REAL after "This image is real."
        follows_fake: Share of texts that state FAKE after "This image is fake."
        neutral_real: Share that states REAL when asked neutrally.
        neutral_fake: Share that states FAKE when asked neutrally.
        turned: Share of faces whose stated label follows both claims: the text says what it is told.
    """

    follows_real: float
    follows_fake: float
    neutral_real: float
    neutral_fake: float
    turned: float


@dataclass(frozen=True)
class ExplanationChecks:
    """Every check that the items allow.

    Attributes:
        items: Faces asked about.
        picture: Use of the picture; None with a single item, for want of another picture.
        agreement: With the detector's labels; None when no item has one.
        regions: With heatmaps; None with fewer than two heatmaps.
        claims: Of the question's claim.
    """

    items: int
    picture: PictureUse | None
    agreement: Agreement | None
    regions: RegionAgreement | None
    claims: ClaimUse

    def to_dict(self) -> dict[str, Any]:
        """Everything, fit for JSON; NaN stays NaN."""
        return asdict(self)


def check_explanations(items: Sequence[CheckItem], *, rng: np.random.Generator) -> ExplanationChecks:
    """Ask everything and compare: six answers per item.

    Args:
        items: Faces; two or more for the swapped picture.
        rng: Chooses which picture is swapped for which.

    Raises:
        ConfigError: If there is no item.
    """
    if not items:
        msg = "expected at least one face to ask about, got none"
        raise ConfigError(msg)
    texts = first_answers(items)
    with_heat = sum(item.regions is not None for item in items)
    return ExplanationChecks(
        items=len(items),
        picture=check_picture_use(items, texts, rng=rng) if len(items) > 1 else None,
        agreement=check_agreement(items, texts) if any(item.verdict is not None for item in items) else None,
        regions=check_regions(items, texts, rng=rng) if with_heat > 1 else None,
        claims=check_claims(items, texts),
    )


def first_answers(items: Sequence[CheckItem]) -> list[str]:
    """What the model says of each item as it is."""
    return [clean_answer(item.answer(item.image, item.question)) for item in items]


def check_picture_use(items: Sequence[CheckItem], texts: Sequence[str], *, rng: np.random.Generator) -> PictureUse:
    """How the answers change with the picture; a model that looks changes far more than chance does.

    Args:
        items: At least two.
        texts: `first_answers` of them.
        rng: Chooses the pictures of ``swapped``, which get the size of the one they stand for.

    Raises:
        ConfigError: With fewer than two items.
    """
    others = _others(len(items), rng)
    swapped = [_resized(items[j].image, item.image) for item, j in zip(items, others, strict=True)]
    return PictureUse(
        repeated=_change(texts, [item.answer(item.image, item.question) for item in items]),
        blanked=_change(texts, [item.answer(blank(item.image), item.question) for item in items]),
        swapped=_change(texts, [item.answer(image, item.question) for item, image in zip(items, swapped, strict=True)]),
    )


def check_agreement(items: Sequence[CheckItem], texts: Sequence[str]) -> Agreement:
    """Whether texts state the detector's label."""
    decided = [(item.verdict, text) for item, text in zip(items, texts, strict=True) if item.verdict is not None]
    said = [(verdict, label) for verdict, text in decided if (label := parse_answer(text)) is not None]
    agreeing = fmean(verdict == label for verdict, label in said) if said else float("nan")
    return Agreement(agreeing, len(said), len(decided) - len(said), len(items) - len(decided))


def check_regions(items: Sequence[CheckItem], texts: Sequence[str], *, rng: np.random.Generator) -> RegionAgreement:
    """Whether texts name the regions that heatmaps fire on, and how often they would by chance.

    Left and right are not told apart, and regions that no heatmap can have (skin, hair) are left out.

    Args:
        items: At least two with regions.
        texts: `first_answers` of them.
        rng: Chooses the other face's heatmap of ``by_chance``.

    Raises:
        ConfigError: With fewer than two heatmaps.
    """
    pairs = [(text, item.regions) for item, text in zip(items, texts, strict=True) if item.regions is not None]
    others = _others(len(pairs), rng)
    said = [named_regions(text) & _POSSIBLE for text, _ in pairs]
    hot = [groups_of(regions) for _, regions in pairs]
    return RegionAgreement(naming_of(said, hot), naming_of(said, [hot[j] for j in others]), len(pairs))


def check_claims(items: Sequence[CheckItem], texts: Sequence[str]) -> ClaimUse:
    """Whether texts state what the question claims."""
    said = {
        claim: [parse_answer(item.answer(item.image, f"{words} {item.question}")) for item in items]
        for claim, words in _CLAIMS.items()
    }
    neutral = [parse_answer(text) for text in texts]
    turned = [
        real is Label.REAL and fake is Label.FAKE for real, fake in zip(said[Label.REAL], said[Label.FAKE], strict=True)
    ]
    return ClaimUse(
        follows_real=_share(said[Label.REAL], Label.REAL),
        follows_fake=_share(said[Label.FAKE], Label.FAKE),
        neutral_real=_share(neutral, Label.REAL),
        neutral_fake=_share(neutral, Label.FAKE),
        turned=fmean(turned),
    )


def blank(image: Picture) -> Picture:
    """A picture of the same size in its mean colour.

    >>> blank(np.array([[[0, 10, 20], [4, 10, 21]]], np.uint8))[0].tolist()
    [[2, 10, 20], [2, 10, 20]]
    """
    return np.broadcast_to(image.mean(axis=(0, 1)).astype(np.uint8), image.shape).copy()


def _change(first: Sequence[str], second: Sequence[str]) -> Change:
    before = [tokenise(text, "normalised") for text in first]
    after = [tokenise(clean_answer(text), "normalised") for text in second]
    verdicts = zip(map(parse_answer, first), map(parse_answer, second), strict=True)
    return Change(
        texts=fmean(one != two for one, two in zip(before, after, strict=True)),
        verdicts=fmean(one != two for one, two in verdicts),
        similarity=rouge_l(after, [[text] for text in before]).value,
    )


def _others(count: int, rng: np.random.Generator) -> list[int]:
    """For each of ``count`` items another one, each used once."""
    if count < 2:
        msg = f"expected at least two faces, to hold one against another, got {count}"
        raise ConfigError(msg)
    order = rng.permutation(count)
    found = np.empty(count, dtype=np.int64)
    found[order] = np.roll(order, 1)
    return [int(i) for i in found]


def _resized(image: Picture, like: Picture) -> Picture:
    height, width = like.shape[:2]
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _share(said: Sequence[Label | None], label: Label) -> float:
    return fmean(one is label for one in said)
