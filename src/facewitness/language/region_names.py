"""Regions of the face that a text names, and which of the toolkit's named regions they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_WORDS: Final = {
    "eyes": r"eyes?|eyelids?|pupils?|iris(?:es)?|gaze|glasses|eyelash(?:es)?",
    "eyebrows": r"eye[- ]?brows?|brows?",
    "nose": r"nose|nostrils?|nasal",
    "mouth": r"mouth|lips?|teeth|tooth|tongue|smile",
    "skin": r"skin|complexion|face'?s?\s+texture",
    "hair": r"hair(?:line|lines|style)?|bangs|beard|m[uo]u?stache",
    "jaw": r"jaw(?:line)?|chin",
    "cheeks": r"cheeks?|cheekbones?",
    "forehead": r"forehead|brow\s+bone",
    "ears": r"ears?|ear[- ]?rings?",
}
_PATTERNS: Final = {name: re.compile(rf"(?<![\w-])(?:{words})(?!\w)", re.IGNORECASE) for name, words in _WORDS.items()}

REGION_GROUPS: Final = tuple(_WORDS)
"""The groups that words stand for."""

GROUP_OF_REGION: Final = {
    "right_eye": "eyes",
    "left_eye": "eyes",
    "right_brow": "eyebrows",
    "left_brow": "eyebrows",
    "nose": "nose",
    "mouth": "mouth",
    "jaw": "jaw",
    "right_cheek": "cheeks",
    "left_cheek": "cheeks",
    "forehead": "forehead",
}
"""Group of each region of `facewitness.faces.regions`; skin, hair and ears have no region of their own."""


def named_regions(text: str) -> frozenset[str]:
    """Groups of regions that a text names; whether it finds fault with them is not read.

    >>> sorted(named_regions("There are boundaries between the eyebrows; the teeth look blurry."))
    ['eyebrows', 'mouth']
    """
    return frozenset(name for name, pattern in _PATTERNS.items() if pattern.search(text))


def groups_of(regions: Iterable[str]) -> frozenset[str]:
    """Groups of the toolkit's named regions; others are left out.

    >>> sorted(groups_of(["left_eye", "right_eye", "nose"]))
    ['eyes', 'nose']
    """
    return frozenset(GROUP_OF_REGION[name] for name in regions if name in GROUP_OF_REGION)
