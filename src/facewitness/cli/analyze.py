"""``facewitness analyze``: files in, verdicts out as they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facewitness.pipeline import Analyzer


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
_Detector = Annotated[str, typer.Option(metavar="NAME", help="See: facewitness list.")]
_Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights instead of the packaged ones.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames sampled evenly from a video.")]
_Fps = Annotated[float | None, typer.Option(metavar="R", help="Frames per second instead of --frames.")]
_Point = Annotated[
    str, typer.Option(metavar="POINT", help="fpr=RATE or error=RATE as the weights carry, or threshold=SCORE.")
]
_Device = Annotated[str, typer.Option(help="auto, CPU, GPU.")]
_Precision = Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the networks.")]
_Threads = Annotated[int, typer.Option(min=0, help="Inference threads; 0 leaves it to the runtime.")]
_Explain = Annotated[bool, typer.Option("--explain/--no-explain", help="Write explanations.")]
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
    detector: _Detector = "laa_net_lite",
    weights: _Weights = None,
    frames: _Frames = 32,
    fps: _Fps = None,
    operating_point: _Point = "fpr=0.05",
    device: _Device = "auto",
    precision: _Precision = PrecisionChoice.AUTO,
    threads: _Threads = 0,
    explain: _Explain = True,
    stability: _Stability = None,
    output: _Output = None,
    resume: _Resume = False,
) -> None:
    """Say REAL, FAKE, UNCERTAIN or NOT_SCORED for each file.

    Results go to standard output as they come, with score, place and
    reason; progress and messages go to standard error. A file that cannot
    be read gets NOT_SCORED with its reason, and the next one follows.

    Exit code 0: at least one file was scored, whatever the verdict;
    1: none was, or an error; 2: wrong usage; 130: interrupted.

    Example: facewitness analyze photo.jpg --html report.html

    Example: facewitness analyze clip.mp4 --frames 64 --overlay pictures

    Example: facewitness analyze folder "more/*.webp" --json

    Example: facewitness analyze folder --output results.jsonl --resume
    """
    from facewitness.cli.media_paths import expand
    from facewitness.cli.report_text import printable

    if resume and output is None:
        msg = "--resume needs --output FILE, the file to go on with"
        raise typer.BadParameter(msg)
    files, complaints = expand(paths)
    for complaint in complaints:
        typer.echo(f"facewitness: {printable(complaint)}", err=True)
    if not files:
        raise typer.Exit(1)
    request, kept = Request(files, as_json, html, overlay, output, resume), bool(html or overlay)
    from facewitness.cli.analysis_run import run
    from facewitness.errors import ConfigError
    from facewitness.pipeline import AnalyzeOptions, Analyzer

    try:
        options = AnalyzeOptions(frames, fps, operating_point, explain=explain, stability=stability, keep_pictures=kept)
        loaded: Analyzer = Analyzer(
            detector, weights=weights, device=device, precision=precision.value, threads=threads, options=options
        )
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    raise typer.Exit(0 if run(loaded, request) else 1)
