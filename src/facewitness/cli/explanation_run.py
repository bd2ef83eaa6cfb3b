"""Running `facewitness explain`: the verdict first, then the model's text as it comes, then what to make of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from facewitness.cli.analysis_run import show
from facewitness.cli.model_choice import ModelChoice, open_narrator
from facewitness.cli.report_text import derived_note, print_report, printable
from facewitness.errors import ConfigError
from facewitness.pipeline import AnalysisResult, AnalyzeOptions, Analyzer

if TYPE_CHECKING:
    from facewitness.narration import Narrator


def run(
    path: Path,
    choice: ModelChoice | None,
    detector: str,
    settings: Mapping[str, Any],
    *,
    operating_point: str,
    question: str,
    as_json: bool,
) -> int:
    """Analyse a file and have it explained.

    Args:
        path: Picture or video.
        choice: The language model; None for the template alone.
        detector: Registered name.
        settings: Weights, device and precision of the detector.
        operating_point: As `AnalyzeOptions` takes it.
        question: The user's question.
        as_json: Print the report as JSON instead of text.

    Returns:
        The exit code.

    Raises:
        FacewitnessError: If detector or model cannot be loaded.
    """
    try:
        narrator = None if choice is None else open_narrator(choice)
        options = AnalyzeOptions(operating_point=operating_point, keep_pictures=narrator is not None)
        analyzer = Analyzer(detector, options=options, **settings)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    result = analyzer.examine(path)
    scored = result.report.verdict.score is not None
    if not as_json:
        print_report(result.report, Console(highlight=False))
    code = 0 if scored else 1
    if narrator is not None and scored:
        result, answered = _ask(narrator, result, silent=as_json, stream=choice is not None and choice.streaming)
        code = 0 if answered else 1
    elif question and scored:
        sys.stderr.write("facewitness: no model was named, so the question was not asked; the template answers none\n")
    if as_json:
        show(result.report, None, brief=False)
    return code


def _ask(narrator: Narrator, result: AnalysisResult, *, silent: bool, stream: bool) -> tuple[AnalysisResult, bool]:
    """Ask, print the text unless ``silent``, and say whether there is one."""
    from facewitness.narration import derived_of

    if silent:
        told = narrator.tell(result)
    else:
        sys.stdout.write(f"\n{printable(narrator.explainer.name)} writes:\n")
        told = narrator.tell(result, stream=_write if stream else None)
    words = derived_of(told.report)
    if not silent and words is not None:
        if not stream:
            _write(words.text)
        sys.stdout.write(f"\n{printable(derived_note(words))}\n")
        sys.stdout.flush()
    if words is None:
        for warning in told.report.warnings[len(result.report.warnings) :]:
            sys.stderr.write(f"facewitness: {printable(warning)}\n")
    return told, words is not None


def _write(piece: str) -> None:
    """Show a piece of text at once; a model's text must not steer the terminal."""
    sys.stdout.write("".join(letter if letter.isprintable() or letter == "\n" else " " for letter in piece))
    sys.stdout.flush()
