"""``facewitness analyze``: files in, verdicts out as they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facewitness.cli.model_choice import KeyFileOption, KeyVariableOption, ModelChoice, PromptOption, QuestionOption
from facewitness.cli.options import DetectorOption, DeviceOption, PointOption, ThreadsOption, WeightsOption

if TYPE_CHECKING:
    from facewitness.narration import Narrator


class PrecisionChoice(StrEnum):
    """Arithmetic of the networks."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"


@dataclass(frozen=True)
class Request:
    """What the command line asked for.

    Attributes:
        files: Files to analyse, in order.
        as_json: Print one JSON object per line instead of text.
        html: Where the HTML report goes.
        overlay: Folder for pictures with the findings drawn in.
        output: JSON Lines file that gets every report.
        resume: Keep what ``output`` holds and skip the files it has.
    """

    files: list[Path]
    as_json: bool = False
    html: Path | None = None
    overlay: Path | None = None
    output: Path | None = None
    resume: bool = False


_Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH", help="Pictures, videos, folders (recursive) or quoted globs.", show_default=False),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines: one object per file.")]
_Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Write one self-contained HTML report.")]
_Overlay = Annotated[Path | None, typer.Option(metavar="DIR", help="Write pictures with the findings drawn in.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames sampled evenly from a video.")]
_Fps = Annotated[float | None, typer.Option(metavar="R", help="Frames per second instead of --frames.")]
_Precision = Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the networks.")]
_Explain = Annotated[
    bool | None,
    typer.Option(
        "--explain/--no-explain",
        help="Write explanations (the default). --explain with --weights FOLDER also asks the language model in there.",
        show_default=False,
    ),
]
_Explainer = Annotated[
    str,
    typer.Option(
        "--explainer",
        "--explain-with",
        metavar="MODEL",
        help="Folder or hub id of a language model, or the address of an endpoint: adds its words, marked as derived.",
    ),
]
_ExplainerModel = Annotated[str, typer.Option(metavar="NAME", help="Name of the model at the endpoint.")]
_Stability = Annotated[
    bool | None,
    typer.Option(
        "--stability/--no-stability",
        help="Score again after harmless changes; a verdict that flips becomes UNCERTAIN. By default with --explain.",
    ),
]
_Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write JSON Lines here.")]
_Resume = Annotated[bool, typer.Option("--resume", help="With --output: skip files already in it.")]


def analyze(
    paths: _Paths,
    *,
    as_json: _Json = False,
    html: _Html = None,
    overlay: _Overlay = None,
    detector: DetectorOption = "laa_net_lite",
    weights: WeightsOption = None,
    frames: _Frames = 32,
    fps: _Fps = None,
    operating_point: PointOption = "fpr=0.05",
    device: DeviceOption = "auto",
    precision: _Precision = PrecisionChoice.AUTO,
    threads: ThreadsOption = 0,
    explain: _Explain = None,
    explainer: _Explainer = "",
    explainer_model: _ExplainerModel = "",
    question: QuestionOption = "",
    prompt: PromptOption = "",
    api_key_env: KeyVariableOption = "",
    api_key_file: KeyFileOption = None,
    stability: _Stability = None,
    output: _Output = None,
    resume: _Resume = False,
) -> None:
    """Say REAL, FAKE, UNCERTAIN or NOT_SCORED for each file.

    Results go to standard output as they come; progress and messages go
    to standard error. A file that cannot be read gets NOT_SCORED with its
    reason, and the next one follows.

    Exit code 0: at least one file was scored, whatever the verdict;
    1: none was, or an error; 2: wrong usage; 130: interrupted.

    Example: facewitness analyze photo.jpg --html report.html

    Example: facewitness analyze folder "more/*.webp" --json

    Example: facewitness analyze clip.mp4 --frames 64 --overlay pictures
    Example: facewitness analyze folder --output results.jsonl --resume
    """
    _check_resume(output, resume=resume)
    request = Request(_files(paths), as_json, html, overlay, output, resume)
    explainer = explainer or _inside(weights, wanted=explain)
    choice = ModelChoice(explainer, explainer_model, prompt, question, api_key_env, api_key_file, device=device)
    from facewitness.cli.analysis_run import run
    from facewitness.errors import ConfigError
    from facewitness.pipeline import AnalyzeOptions, Analyzer

    try:
        kept = bool(html or overlay or explainer)
        told = explain is not False
        options = AnalyzeOptions(frames, fps, operating_point, explain=told, stability=stability, keep_pictures=kept)
        loaded = Analyzer(
            detector, weights=weights, device=device, precision=precision.value, threads=threads, options=options
        )
        narrator = _narrator(choice)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(0 if run(loaded, request, narrator) else 1)


def _check_resume(output: Path | None, *, resume: bool) -> None:
    if resume and output is None:
        msg = "--resume needs --output FILE, the file to go on with"
        raise typer.BadParameter(msg)


def _inside(weights: Path | None, *, wanted: bool | None) -> str:
    """The folder of the weights, where explanations are asked for and it may hold a language model; else empty."""
    return str(weights) if wanted and weights is not None and (weights / "config.json").is_file() else ""


def _files(paths: list[str]) -> list[Path]:
    """The files that the command line names; ends the program where there is none."""
    from facewitness.cli.media_paths import expand
    from facewitness.cli.report_text import printable

    files, complaints = expand(paths)
    for complaint in complaints:
        typer.echo(f"facewitness: {printable(complaint)}", err=True)
    if not files:
        raise typer.Exit(1)
    return files


def _narrator(choice: ModelChoice) -> Narrator | None:
    """The language model of the command line, opened; None where none is named."""
    if choice.place:
        from facewitness.cli.model_choice import open_narrator

        return open_narrator(choice)
    if choice != ModelChoice("", device=choice.device):
        msg = "these options are for a language model; name one with --explainer"
        raise typer.BadParameter(msg)
    return None
