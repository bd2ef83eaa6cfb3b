"""What a language model's answer says of a picture: FAKE, REAL, or nothing that can be read.

Words are read with their boundaries and their negation, so "unrealistic" and "not real" are not REAL. Questions that
the model repeats, alternatives ("real or fake"), doubts and comparisons ("unlike a real face") say nothing. What is
still contradictory stays undecided; it must be counted, never dropped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from facewitness.language import answer_words as words
from facewitness.records import Label

_LONGEST: Final = 20_000
"""Letters read of the end of an answer; beyond it a model runs in a loop."""

_MOST_OBJECTS: Final = 50
_DENIAL_REACH: Final = 80
"""Letters before a word in which its denial is looked for."""


def official_label(text: str) -> Label | None:
    """The label as M2F2-Det's program reads it: REAL with "real" anywhere, even in "unrealistic" and "real or fake".

    Reference: CHELSEA234/M2F2_Det, eval_judgement.py.

    Args:
        text: An answer, special tokens included or not.

    Returns:
        The label; None with neither "real" nor "fake" nor "computer-generated", which their program leaves out.

    >>> official_label("unrealistic shadows").name, official_label("A fake.").name, official_label("Yes.")
    ('REAL', 'FAKE', None)
    """
    small = text.lower()
    if "real" in small:
        return Label.REAL
    return Label.FAKE if "fake" in small or "computer-generated" in small else None


def parse_answer(text: str) -> Label | None:
    """The label that an answer states.

    In this order: a field of a JSON object; what follows a word like "Verdict:"; what is said of the picture or the
    person as a whole; what is said of anything. A later conclusion ("so", "therefore", "but") beats what it follows.
    English in full; verdict words of German, French, Spanish, Italian, Portuguese, Russian, Chinese and Japanese.

    Args:
        text: An answer, special tokens included or not.

    Returns:
        The label, or None when the answer states none, both, or doubt.

    >>> parse_answer("The lighting is unrealistic, so the image is not real.").name
    'FAKE'
    >>> parse_answer("Verdict: real").name, parse_answer('{"is_fake": true}').name
    ('REAL', 'FAKE')
    >>> parse_answer("It is hard to say whether it is real or fake.") is None
    True
    """
    plain = _plain(text)
    for found in (_from_json(plain), _from_verdict(plain)):
        if found is not None:
            return found
    statements = [s for sentence in _sentences(plain) for s in _statements(sentence)]
    whole = [s for s in statements if words.WHOLE.search(s)]
    for group in (whole, statements):
        said = [label for s in group if (label := _label_of(s)) is not None]
        if said:
            return _agreed(group, said)
    return None


def _plain(text: str) -> str:
    """Small letters, plain quotes and colons, no special tokens, no Markdown."""
    plain = unicodedata.normalize("NFKC", text[-_LONGEST:]).casefold().translate(words.QUOTES)
    return re.sub(r"[*_`]{2,}|(?<!\w)[*_`]|[*_`](?!\w)", "", words.SPECIAL.sub(" ", plain)).strip()


def _from_json(text: str) -> Label | None:
    """The label of the first JSON object that has one."""
    decoder = json.JSONDecoder()
    for start in (match.start() for match in islice(re.finditer(r"\{", text), _MOST_OBJECTS)):
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        for fields in (value, *(inner for inner in value.values() if isinstance(inner, dict))):
            if (found := _from_fields(fields)) is not None:
                return found
    return None


def _from_fields(fields: dict[str, Any]) -> Label | None:
    for name, value in fields.items():
        plain = re.sub(r"[\s-]+", "_", name)
        if isinstance(value, bool) and plain in words.YES_FIELDS:
            return words.YES_FIELDS[plain] if value else Label(1 - words.YES_FIELDS[plain])
        if isinstance(value, str) and plain in words.VERDICT_FIELDS and (found := _short(value)) is not None:
            return found
    return None


def _from_verdict(text: str) -> Label | None:
    """What follows the last "verdict:" that is followed by a label."""
    for match in reversed(list(words.VERDICT.finditer(text))):
        rest = re.split(r"[\n.;!]", text[match.end() :].lstrip(), maxsplit=1)[0]
        if (found := _short(rest)) is not None:
            return found
    return None


def _short(text: str) -> Label | None:
    """The label of a few words, where nothing but the label is expected."""
    said = [label for s in _statements(text) if (label := _label_of(s)) is not None]
    return said[0] if len(set(said)) == 1 else None


def _sentences(text: str) -> Iterable[str]:
    """Sentences that are not questions."""
    for match in words.SENTENCE.finditer(text):
        if not words.QUESTION.search(match[0]):
            yield match[0]


def _statements(sentence: str) -> list[str]:
    """The parts of a sentence that state something: no alternatives, doubts, conditions or comparisons."""
    kept = words.ALTERNATIVE.sub(" ", sentence)
    kept = words.CONCESSION.sub(" ", words.DOUBT.sub(" ", words.COMPARISON.sub(" ", kept)))
    return [part for part in words.CLAUSE_END.split(kept) if part.strip()]


def _label_of(statement: str) -> Label | None:
    """The label of one statement; None without one or with both."""
    found: set[Label] = set()
    for match in words.TERM.finditer(statement):
        label = Label.FAKE if match.lastgroup == "fake" else Label.REAL
        before = statement[max(0, match.start() - _DENIAL_REACH) : match.start()]
        denied = bool(words.DENIAL.search(before)) != bool(words.ABSENCE.search(before))
        found.add(Label(1 - label) if denied else label)
    if not found:
        found = {label for pattern, label in words.FOREIGN if pattern.search(statement)}
    return found.pop() if len(found) == 1 else None


def _agreed(statements: list[str], said: list[Label]) -> Label | None:
    """The one label; of two, the one of the last statement that concludes."""
    if len(set(said)) == 1:
        return said[0]
    for statement in reversed(statements):
        if words.CONCLUSION.search(statement) and (label := _label_of(statement)) is not None:
            return label
    return None
