"""METEOR and SPICE, which only exist as Java programs; pycocoevalcap brings them. Nothing is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from facewitness.errors import MissingExtraError
from facewitness.evaluation.metrics.text import References, TextScores

_SPICE_JARS: Final = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def meteor(answers: Sequence[str], references: References) -> TextScores:
    """METEOR 1.5 with its own normalisation.

    Reference: Denkowski and Lavie, "Meteor universal", WMT 2014.

    Args:
        answers: ``n`` texts.
        references: ``n`` lists of at least one text.

    Raises:
        MissingExtraError: If Java or pycocoevalcap is missing.
    """
    _need()
    scorer = import_module("pycocoevalcap.meteor.meteor").Meteor()
    value, items = _run(scorer, answers, references)
    for stream in (scorer.meteor_p.stdout, scorer.meteor_p.stderr):
        stream.close()
    return TextScores(float(value), tuple(float(item) for item in items))


def spice(answers: Sequence[str], references: References) -> TextScores:
    """SPICE: F1 of the scene graphs' tuples.

    Reference: Anderson et al., "SPICE: semantic propositional image caption evaluation", ECCV 2016.

    Args:
        answers: ``n`` texts.
        references: ``n`` lists of at least one text.

    Raises:
        MissingExtraError: If Java, pycocoevalcap or the jars of CoreNLP 3.6.0, which it does not bring, are missing.
    """
    folder = _need() / "spice" / "lib"
    if lacking := [name for name in _SPICE_JARS if not (folder / name).is_file()]:
        msg = f"SPICE needs {' and '.join(lacking)} of CoreNLP 3.6.0 in {folder}; put them there"
        raise MissingExtraError(msg)
    _, items = _run(import_module("pycocoevalcap.spice.spice").Spice(), answers, references)
    values = tuple(float(item["All"]["f"]) for item in items)
    return TextScores(sum(values) / len(values), values)


def _run(scorer: Any, answers: Sequence[str], references: References) -> tuple[Any, Any]:
    """What a scorer gives; keys sort in the order of the answers, and each text is one line."""
    keys = [f"{i:09}" for i in range(len(answers))]
    asked = {key: [_line(text) for text in refs] for key, refs in zip(keys, references, strict=True)}
    said = {key: [_line(text)] for key, text in zip(keys, answers, strict=True)}
    value, items = scorer.compute_score(asked, said)
    return value, items


def _line(text: str) -> str:
    return " ".join(text.replace("|||", " ").split())


def _need() -> Path:
    """Folder of pycocoevalcap."""
    found = find_spec("pycocoevalcap")
    places = list(found.submodule_search_locations or ()) if found is not None else []
    if not places or shutil.which("java") is None:
        lacking = "pycocoevalcap (pip install pycocoevalcap)" if not places else "java on the PATH"
        msg = f"METEOR and SPICE are Java programs that pycocoevalcap brings; {lacking} is missing"
        raise MissingExtraError(msg)
    return Path(places[0])
