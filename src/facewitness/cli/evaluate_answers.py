"""``facewitness evaluate-answers``: a language model's answers against labels or reference answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

_Predictions = Annotated[
    Path, typer.Option(metavar="FILE", help='Answers, one {"text": ..., "image" or "key": ...} per line.')
]
_References = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='DD-VQA questions, or {"image", "label"} per line for judgement. Without it, DD-VQA picture names tell.',
    ),
]
_Task = Annotated[
    Literal["judgement", "explanation"], typer.Option(help="Real or fake, or why: against reference answers.")
]
_Tokenisation = Annotated[
    Literal["raw", "normalised", "both"], typer.Option(help="raw as M2F2-Det's program; normalised as captioning.")
]
_Sentences = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Folder or hub id of a text model for sentence similarity.")
]
_Meteor = Annotated[bool, typer.Option("--meteor", help="METEOR too; needs Java and pycocoevalcap.")]
_Spice = Annotated[bool, typer.Option("--spice", help="SPICE too; needs Java, pycocoevalcap and CoreNLP 3.6.0.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def evaluate_answers(
    *,
    predictions: _Predictions,
    task: _Task,
    references: _References = None,
    tokenisation: _Tokenisation = "both",
    sentence_model: _Sentences = None,
    meteor: _Meteor = False,
    spice: _Spice = False,
    as_json: _Json = False,
) -> None:
    """Measure answers in words, with floors that never saw a picture.

    Judgement: accuracy, F1, precision and recall by M2F2-Det's substring
    rule and by a parser that counts what it cannot read. Explanation:
    BLEU, ROUGE-L and CIDEr as pycocoevalcap computes them.

    Example: facewitness evaluate-answers --predictions det.jsonl --task judgement

    Example: facewitness evaluate-answers --predictions exp.jsonl --references test.jsonl --task explanation
    """
    from facewitness.cli.answers_run import AnswersRequest, run

    run(
        AnswersRequest(
            predictions=predictions,
            references=references,
            task=task,
            tokenisations=("raw", "normalised") if tokenisation == "both" else (tokenisation,),
            sentence_model=sentence_model,
            meteor=meteor,
            spice=spice,
            as_json=as_json,
        )
    )
