"""Our text metrics and tokens against pycocoevalcap's: ``python benchmarks/text_metrics.py DDVQA_FOLDER``.

The folder holds DDVQA_c40_test.jsonl and DDVQA_exp_c40.jsonl; pycocoevalcap must be importable (its wheel unpacked on
PYTHONPATH is enough), and Java for the tokeniser.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from facewitness.evaluation.answer_files import read_answers, read_references
from facewitness.evaluation.metrics.text import bleu, cider, rouge_l
from facewitness.evaluation.text_tokens import tokenise


def timed(function: Callable[[], Any], repeats: int = 5) -> tuple[Any, float]:
    """The result, and the median of the seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = function()
        seconds.append(time.perf_counter() - start)
    return found, float(np.median(seconds))


def theirs(name: str, *arguments: int) -> Any:
    """A scorer of pycocoevalcap."""
    return getattr(import_module(f"pycocoevalcap.{name}.{name}"), name.capitalize())(*arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one JSON object."""
    (folder,) = map(Path, arguments or sys.argv[1:])
    questions = read_references(folder / "DDVQA_c40_test.jsonl")
    texts = {one.key: one.text for one in read_answers(folder / "DDVQA_exp_c40.jsonl")}
    said, true = [texts[key] for key in questions], [list(one.answers) for one in questions.values()]
    asked = (dict(zip(questions, true, strict=True)), {key: [texts[key]] for key in questions})
    found: dict[str, Any] = {"answers": len(said)}

    ours, own_s = timed(lambda: bleu(said, true))
    (values, items), their_s = timed(lambda: theirs("bleu", 4).compute_score(*asked, verbose=0))
    gaps = [abs(score.value - value) for score, value in zip(ours, values, strict=True)]
    gaps += [float(np.abs(np.subtract(score.items, row)).max()) for score, row in zip(ours, items, strict=True)]
    found["bleu"] = {"largest_difference": max(gaps), "ours_s": own_s, "theirs_s": their_s}
    for name, metric in (("rouge", rouge_l), ("cider", cider)):
        score, own_s = timed(lambda metric=metric: metric(said, true))
        (value, items), their_s = timed(lambda name=name: theirs(name).compute_score(*asked))
        gap = max(abs(score.value - value), float(np.abs(np.subtract(score.items, items)).max()))
        found[name] = {"largest_difference": gap, "ours_s": own_s, "theirs_s": their_s}
    if shutil.which("java") is not None:
        found["tokens"] = tokens([*said, *(text for refs in true for text in refs)])
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


def tokens(texts: Sequence[str]) -> dict[str, int]:
    """How many different texts our normalised tokens and the Penn Treebank tokeniser split alike."""
    different = list(dict.fromkeys(texts))
    tokeniser = import_module("pycocoevalcap.tokenizer.ptbtokenizer").PTBTokenizer()
    split = tokeniser.tokenize({i: [{"caption": text}] for i, text in enumerate(different)})
    return {
        "texts": len(different),
        "alike": sum(split[i][0] == tokenise(text, "normalised") for i, text in enumerate(different)),
    }


if __name__ == "__main__":
    sys.exit(main())
