"""Whether a model's words name what was done to a face, where it is known exactly: region, kind, verdict, speed.

Answers are held against two floors: the answer that is most often right in the training data, and the model's own
answers about a blanked picture, which show what it says without looking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.explained_fakes import KINDS, QUESTIONS, REGION_PARTS, Alteration
from facewitness.errors import ConfigError
from facewitness.evaluation.explanation_checks import blank
from facewitness.evaluation.metrics.intervals import wilson_interval
from facewitness.language.answers import parse_answer
from facewitness.language.kind_names import named_kinds
from facewitness.language.models import Answer
from facewitness.language.region_names import named_regions
from facewitness.records import Label

QUESTION: Final = QUESTIONS["open"][0]
"""What every picture is asked."""


class Answering(Protocol):
    """A model that answers in batches, such as `facewitness.language.llava_answers.Llava`."""

    def answers(self, images: Sequence[NDArray[np.uint8]], questions: Sequence[str]) -> list[Answer]:
        """One answer per picture and question."""
        ...


@dataclass(frozen=True)
class Reading:
    """What an answer states.

    Attributes:
        kind: Name in `KINDS`; None where it names no kind or several.
        region: Name in `REGION_PARTS`; None where it names none or several.
        verdict: Real or fake; None where it states neither or both.
    """

    kind: str | None
    region: str | None
    verdict: Label | None


@dataclass(frozen=True)
class Rate:
    """How many of how many were right."""

    right: int
    count: int

    @property
    def share(self) -> float:
        """Right ones of all; NaN of none."""
        return self.right / self.count if self.count else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, as if pictures were independent; NaN of none."""
        return wilson_interval(self.share, self.count) if self.count else (float("nan"), float("nan"))


@dataclass(frozen=True)
class ExplainedScores:
    """How often answers are right.

    Attributes:
        region: Of altered faces: the region, and no other, is named.
        kind: Of all faces: the kind, and no other, is named; unaltered ones are called real.
        both: Of altered faces: region and kind.
        verdict: Of all faces: altered ones are called fake, others real.
        unread: Answers that state neither region nor kind; they count as wrong.
    """

    region: Rate
    kind: Rate
    both: Rate
    verdict: Rate
    unread: int


@dataclass(frozen=True)
class ExplainedReport:
    """A model against its floors.

    Attributes:
        pictures: Pictures asked about.
        identities: People on them.
        seen: Answers about the pictures.
        blanked: Answers about their mean colours.
        majority_region: The commonest region of the training data, as an answer about every altered face.
        majority_kind: The commonest kind of it, as an answer about every face.
        tokens_per_second: Of the answers about the pictures, vision included, in batches.
        batch: Pictures per batch.
    """

    pictures: int
    identities: int
    seen: ExplainedScores
    blanked: ExplainedScores
    majority_region: Rate
    majority_kind: Rate
    tokens_per_second: float
    batch: int

    @property
    def beats_floors(self) -> bool:
        """Whether region and kind lie above both floors, beyond the 95 % intervals of the answers."""
        pairs = (
            (self.seen.region, self.blanked.region, self.majority_region),
            (self.seen.kind, self.blanked.kind, self.majority_kind),
        )
        return all(seen.interval[0] > max(blanked.share, floor.share) for seen, blanked, floor in pairs)

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return {**asdict(self), "beats_floors": self.beats_floors}

    def __str__(self) -> str:
        """Lines for people."""
        rows = [f"{self.pictures} pictures of {self.identities} held-out people, asked: {QUESTION}"]
        for name, seen, blanked, floor in (
            ("region", self.seen.region, self.blanked.region, self.majority_region),
            ("kind", self.seen.kind, self.blanked.kind, self.majority_kind),
        ):
            low, high = seen.interval
            rows.append(
                f"{name:8}{seen.share:.3f} ({low:.3f} to {high:.3f}, {seen.right} of {seen.count}); "
                f"blanked {blanked.share:.3f}, majority answer {floor.share:.3f}"
            )
        rows.append(f"both    {self.seen.both.share:.3f}; verdict {self.seen.verdict.share:.3f}")
        rows.append(f"unread  {self.seen.unread} of {self.pictures}")
        rows.append(f"speed   {self.tokens_per_second:.1f} tokens per second in batches of {self.batch}")
        rows.append("above both floors" if self.beats_floors else "not clearly above both floors")
        return "\n".join(rows)


def read_explanation(text: str) -> Reading:
    """What an answer states of region, kind and verdict.

    Example:
        >>> read_explanation("This face is fake: the colour of the nose does not fit.")
        Reading(kind='colour', region='nose', verdict=<Label.FAKE: 1>)
        >>> read_explanation("Nothing stands out; the face is real.").kind
        'none'
        >>> read_explanation("The nose and the mouth are blurred.").region is None
        True
    """
    verdict = parse_answer(text)
    regions = named_regions(text) & REGION_PARTS.keys()
    kinds = named_kinds(text)
    if verdict == Label.REAL and not kinds:
        return Reading("none", None, verdict)
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    return Reading(kind, next(iter(regions)) if len(regions) == 1 else None, verdict)


def score_explanations(truths: Sequence[Alteration], texts: Sequence[str]) -> ExplainedScores:
    """Hold answers against what was done.

    Args:
        truths: What was done to each face.
        texts: The answer about each.

    Raises:
        ConfigError: If there is not one answer per face, or there are none.
    """
    if len(truths) != len(texts) or not truths:
        msg = f"expected one answer per face and at least one, got {len(texts)} answers about {len(truths)} faces"
        raise ConfigError(msg)
    rows = [(truth, read_explanation(text)) for truth, text in zip(truths, texts, strict=True)]
    altered = [(truth, said) for truth, said in rows if truth.kind != "none"]
    labels = [Label.REAL if truth.kind == "none" else Label.FAKE for truth in truths]
    return ExplainedScores(
        region=Rate(sum(said.region == truth.region for truth, said in altered), len(altered)),
        kind=Rate(sum(said.kind == truth.kind for truth, said in rows), len(rows)),
        both=Rate(sum((said.region, said.kind) == (t.region, t.kind) for t, said in altered), len(altered)),
        verdict=Rate(sum(said.verdict == label for (_, said), label in zip(rows, labels, strict=True)), len(rows)),
        unread=sum(said.kind is None and said.region is None for _, said in rows),
    )


def majority_answers(train: Sequence[Alteration], test: Sequence[Alteration]) -> tuple[Rate, Rate]:
    """How often the commonest region and the commonest kind of the training data are right.

    Args:
        train: What was done in the training data; equal counts go by the order of names.
        test: What was done to the faces that are asked about.

    Returns:
        Of the region, over altered faces; of the kind, over all.

    Raises:
        ConfigError: If the training data have no altered face.
    """
    regions = Counter(one.region for one in train if one.kind != "none")
    if not regions:
        msg = "the training data hold no altered face, so no answer is the commonest; make more pictures"
        raise ConfigError(msg)
    kinds = Counter(one.kind for one in train)
    region = max(sorted(regions), key=regions.__getitem__)
    kind = max(sorted(KINDS), key=kinds.__getitem__)
    altered = [one for one in test if one.kind != "none"]
    return (
        Rate(sum(one.region == region for one in altered), len(altered)),
        Rate(sum(one.kind == kind for one in test), len(test)),
    )


def examine(
    model: Answering,
    pictures: Sequence[NDArray[np.uint8]],
    truths: Sequence[Alteration],
    train: Sequence[Alteration],
    *,
    identities: int,
    batch: int = 8,
) -> ExplainedReport:
    """Ask a model about faces whose alteration is known, and about the same pictures blanked.

    Args:
        model: The model.
        pictures: ``(H, W, 3)`` uint8 RGB each.
        truths: What was done to each.
        train: What was done in the training data, for the majority answer.
        identities: How many people the pictures show.
        batch: Pictures per batch.

    Raises:
        ConfigError: If there is not one picture per face, or there are none.
    """
    seen = _asked(model, pictures, batch)
    blanked = _asked(model, [blank(picture) for picture in pictures], batch)
    region, kind = majority_answers(train, truths)
    seconds = sum(answers[0].seconds for answers in seen)
    tokens = sum(one.tokens for answers in seen for one in answers)
    return ExplainedReport(
        pictures=len(pictures),
        identities=identities,
        seen=score_explanations(truths, _texts(seen)),
        blanked=score_explanations(truths, _texts(blanked)),
        majority_region=region,
        majority_kind=kind,
        tokens_per_second=tokens / seconds if seconds > 0 else float("nan"),
        batch=batch,
    )


def _asked(model: Answering, pictures: Sequence[NDArray[np.uint8]], batch: int) -> list[list[Answer]]:
    parts = [pictures[start : start + batch] for start in range(0, len(pictures), batch)]
    return [model.answers(part, [QUESTION] * len(part)) for part in parts]


def _texts(batches: Sequence[Sequence[Answer]]) -> list[str]:
    return [one.text for answers in batches for one in answers]
