"""What ``facewitness evaluate-answers`` does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import typer
from rich.console import Console

from facewitness.cli.tables import results_console, results_table, say
from facewitness.datasets.dd_vqa import picture_label
from facewitness.errors import ConfigError
from facewitness.evaluation.answer_files import read_answers, read_labels, read_references
from facewitness.evaluation.explanations import MoreMetrics, evaluate_explanations
from facewitness.evaluation.json_values import plain
from facewitness.evaluation.judgement import judge
from facewitness.evaluation.metrics.text_java import meteor, spice
from facewitness.evaluation.metrics.text_similarity import sentence_encoder, sentence_similarity
from facewitness.evaluation.text_tokens import Tokenisation

_WAYS = {
    "official": "as M2F2-Det's program",
    "parsed": "answers parsed",
    "always_fake": "floor: always fake",
    "always_real": "floor: always real",
}
_FLOORS = {
    "scores": "answers",
    "constant": "floor: one answer to everything",
    "question_only": "floor: the question alone",
}


@dataclass(frozen=True)
class AnswersRequest:
    """The options of the verb."""

    predictions: Path
    references: Path | None
    task: Literal["judgement", "explanation"]
    tokenisations: tuple[Tokenisation, ...]
    sentence_model: str | None
    meteor: bool
    spice: bool
    as_json: bool


def run(request: AnswersRequest) -> None:
    """Measure and print.

    Raises:
        ConfigError: If a file is damaged, or predictions and references do not belong together.
        MissingExtraError: If a metric's packages are missing.
    """
    document = _judgement(request) if request.task == "judgement" else _explanation(request)
    if request.as_json:
        typer.echo(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False))
        return
    console = results_console()
    if request.task == "judgement":
        _print_judgement(console, document)
    else:
        for result in document["results"]:
            _print_explanation(console, result)


def _judgement(request: AnswersRequest) -> dict[str, Any]:
    if request.meteor or request.spice or request.sentence_model is not None:
        msg = "--meteor, --spice and --sentence-model measure explanations; leave them out, or give --task explanation"
        raise ConfigError(msg)
    answers = read_answers(request.predictions)
    unnamed = sum(not answer.image for answer in answers)
    if unnamed:
        msg = f'judgement needs an "image" in every line of {request.predictions}; {unnamed} have none'
        raise ConfigError(msg)
    labels = (
        {answer.image: picture_label(answer.image) for answer in answers}
        if request.references is None
        else read_labels(request.references)
    )
    unknown = [answer.image for answer in answers if answer.image not in labels]
    if unknown:
        msg = f"{request.references} has no label for {len(unknown)} pictures of {request.predictions}, as {unknown[0]}"
        raise ConfigError(msg)
    counts = Counter(answer.image for answer in answers)
    result = judge([answer.text for answer in answers], [labels[answer.image] for answer in answers])
    return {
        "task": "judgement",
        **result.to_dict(),
        "missing": len(labels.keys() - counts.keys()),
        "repeated": sum(count - 1 for count in counts.values()),
    }


def _explanation(request: AnswersRequest) -> dict[str, Any]:
    if request.references is None:
        msg = "explanations are measured against reference answers; give --references FILE"
        raise ConfigError(msg)
    questions = read_references(request.references)
    answers = read_answers(request.predictions)
    texts = {answer.key: answer.text for answer in answers if answer.key}
    more = _more(request)
    results = []
    for i, tokenisation in enumerate(request.tokenisations):
        # the further metrics see texts, not tokens, so one run is enough
        found = evaluate_explanations(texts, questions, tokenisation, more=more if i == 0 else None)
        results.append(found.to_dict())
    return {
        "task": "explanation",
        "results": results,
        "not_asked": len(texts.keys() - questions.keys()),
        "repeated": len(answers) - len(texts),
    }


def _more(request: AnswersRequest) -> MoreMetrics:
    found: dict[str, Any] = {}
    if request.meteor:
        found["meteor"] = meteor
    if request.spice:
        found["spice"] = spice
    if request.sentence_model is not None:
        found["sentence_similarity"] = partial(sentence_similarity, encode=sentence_encoder(request.sentence_model))
    return found


def _print_judgement(console: Console, document: Mapping[str, Any]) -> None:
    table = results_table(("judgement", "accuracy", "F1", "precision", "recall", "answers", "unparsable"))
    for name, words in _WAYS.items():
        row = document[name]
        shown = [f"{row[key]:.4f}" for key in ("accuracy", "f1", "precision", "recall")]
        table.add_row(words, *shown, str(row["answers"]), str(row["unparsable"]))
    console.print(table)
    say(
        console,
        f"{document['read_otherwise']} answers are read otherwise by the parser; an unparsable answer is wrong there, "
        "and left out by M2F2-Det's program",
    )
    for key, words in (("missing", "pictures have a label and no answer"), ("repeated", "answers are repeated")):
        if document[key]:
            say(console, f"{document[key]} {words}")


def _print_explanation(console: Console, result: Mapping[str, Any]) -> None:
    headings = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "BLEU", "ROUGE_L", "CIDEr", "TF-IDF", "regions F1")
    table = results_table((f"explanation, {result['tokenisation']} tokens", *headings))
    for name, words in _FLOORS.items():
        row = result[name]
        values = [*row["bleu"], row["bleu_mean"], row["rouge_l"], row["cider"], row["tfidf"], row["regions"]["f1"]]
        table.add_row(words, *(f"{value:.5f}" for value in values))
    console.print(table)
    for name, value in result["scores"]["more"].items():
        say(console, f"{name} {value:.5f}")
    for name, row in result["scores"]["by_label"].items():
        say(console, f"{name} pictures alone: ROUGE_L {row['rouge_l']:.5f}, CIDEr {row['cider']:.5f}")
    counts = f"{result['questions']} questions, {result['missing']} unanswered"
    say(console, f"BLEU is the mean of BLEU-1 to BLEU-4. {counts}")
    say(console, f"One answer to everything: {result['constant_answer']}")
    console.print()
