"""How texts become tokens before they are compared: as M2F2-Det's program does it, and normalised.

``raw`` leaves texts as they are, so that a capital letter or a full stop makes another word. ``normalised`` follows
what image captioning does, the Penn Treebank tokeniser of CoreNLP and then no punctuation, without Java: lower case,
typographic quotes as plain ones, clitics (``'s``, ``n't``) apart, ``cannot`` as two words, a full stop kept only in
abbreviations and numbers, hyphens and slashes kept inside words, punctuation and brackets dropped. It is an
approximation of that tokeniser; ``docs/explanations.md`` says how often both agree.
"""

from __future__ import annotations

import re
from typing import Final, Literal

Tokenisation = Literal["raw", "normalised"]
TOKENISATIONS: Final[tuple[Tokenisation, ...]] = ("raw", "normalised")

_MARKS: Final = re.compile(r"<s>|</s>|</n>")
_QUOTES: Final = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "`": "'", "\u201c": '"', "\u201d": '"'}
    | {"\u2013": "--", "\u2014": "--", "\u2026": "..."}
)
_CLITICS: Final = re.compile(r"(?<=\w)(n't|'(?:s|m|d|re|ve|ll))(?!\w)")
_ABBREVIATIONS: Final = frozenset({"e.g", "i.e", "mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "cf", "fig"})
_TOKEN: Final = re.compile(
    r"n't(?!\w)|'(?:s|m|d|re|ve|ll)(?!\w)"
    r"|\d+(?:[.,:/-]\d+)*(?![\w-])"
    r"|(?:[^\W\d_]\.){2,}"
    r"|\w+(?:['&./@-]\w+)*\.?"
    r"|#+|[$€£%&@+=*/<>_~^|\\]"
)


def clean_answer(text: str) -> str:
    """An answer without the marks that a tokeniser leaves, and without space around it.

    >>> clean_answer("<s> The image is fake.</s>")
    'The image is fake.'
    """
    return _MARKS.sub("", text).strip()


def tokenise(text: str, tokenisation: Tokenisation) -> str:
    """A text as tokens with spaces between them.

    Args:
        text: Cleaned by `clean_answer` where it comes from a model.
        tokenisation: One of `TOKENISATIONS`.

    >>> tokenise("The person's skin isn't real.", "normalised")
    "the person 's skin is n't real"
    >>> tokenise("The skin  is real.", "raw")
    'The skin  is real.'
    """
    if tokenisation == "raw":
        return text
    plain = _CLITICS.sub(r" \1", text.lower().translate(_QUOTES))
    plain = re.sub(r"--|\.\.\.", " ", re.sub(r"\bcannot\b", "can not", plain))
    return " ".join(_without_stop(token) for token in _TOKEN.findall(plain))


def _without_stop(token: str) -> str:
    """The token without a full stop that ends a sentence."""
    if not token.endswith(".") or token.count(".") > 1 or token[:-1] in _ABBREVIATIONS:
        return token
    return token[:-1]
