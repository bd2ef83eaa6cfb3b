"""Kinds of alteration that a text names: of the traces that `facewitness.datasets.explained_fakes` leaves."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = {
    "colour": r"colou?r(?:s|ed|ing|ation)?|tints?|tinted|hues?|tones?|discolou?r(?:ed|ation)",
    "resampling": r"re-?sampl(?:ed|ing)|blur(?:red|ry|s|ring)?|resolution|lost detail|soft(?:ened|er)?|smoothed",
    "boundary": r"boundar(?:y|ies)|seams?|borders?|outlines?|edges?",
    "asymmetry": r"asymmetr(?:y|ic|ical)|not symmetric(?:al)?|uneven|misaligned",
}
_PATTERNS: Final = {name: re.compile(rf"(?<![\w-])(?:{words})(?!\w)", re.IGNORECASE) for name, words in _WORDS.items()}


def named_kinds(text: str) -> frozenset[str]:
    """Kinds that a text names; whether it denies them is not read.

    >>> sorted(named_kinds("A seam runs around the nose, which is blurred."))
    ['boundary', 'resampling']
    """
    return frozenset(name for name, pattern in _PATTERNS.items() if pattern.search(text))
