"""``facewitness robustness``: how far a detector's ranking and verdicts survive what happens to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Data = Annotated[
    list[str] | None, typer.Option("--data", metavar="SPEC", help="NAME:ROOT[:SPLIT] or prepared:DIR; may be repeated.")
]
_Real = Annotated[list[str] | None, typer.Option("--real", metavar="DIR", help="Real pictures and videos.")]
_Fake = Annotated[list[str] | None, typer.Option("--fake", metavar="DIR", help="Forged pictures and videos.")]
_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for scores, JSON and HTML; goes on in it.")]
_Detector = Annotated[str, typer.Option(metavar="NAME", help="See: facewitness list.")]
_Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights instead of the packaged ones.")]
_Names = Annotated[
    list[str] | None, typer.Option("--perturbation", metavar="NAME", help="May be repeated; all by default.")
]
_Levels = Annotated[list[int] | None, typer.Option("--level", min=1, max=5, help="May be repeated; 1 to 5 by default.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames sampled evenly from a video, held in memory.")]
_Limit = Annotated[int | None, typer.Option(min=1, help="At most so many records of each label and set.")]
_Point = Annotated[
    str, typer.Option(metavar="POINT", help="fpr=RATE or error=RATE of the weights, or threshold=SCORE.")
]
_Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of noise, places and bootstrap.")]
_Device = Annotated[str, typer.Option(help="auto, CPU, GPU.")]
_Precision = Annotated[str, typer.Option(help="auto, f32 or bf16.")]
_Threads = Annotated[int, typer.Option(min=0, help="Inference threads; 0 leaves it to the runtime.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the JSON document instead of the table.")]


def robustness(
    *,
    out: _Out,
    data: _Data = None,
    real: _Real = None,
    fake: _Fake = None,
    detector: _Detector = "laa_net_lite",
    weights: _Weights = None,
    perturbation_names: _Names = None,
    levels: _Levels = None,
    frames: _Frames = 8,
    limit: _Limit = None,
    operating_point: _Point = "fpr=0.05",
    resamples: _Resamples = 1000,
    seed: _Seed = 0,
    device: _Device = "auto",
    precision: _Precision = "auto",
    threads: _Threads = 0,
    as_json: _Json = False,
) -> None:
    """Score data as they are and under eleven kinds of changes in five levels.

    Whole frames are changed before faces are looked for. Says per change
    and level: AUC, its drop, verdicts that flip, and faces that are lost.
    Writes robustness.json and robustness.html to --out. A killed run goes
    on where it stopped; a file that cannot be read never stops it.

    Example: facewitness robustness --real photos --fake forgeries --out robust

    Example: facewitness robustness --data ffpp:FF++:test --limit 50
    --perturbation jpeg --perturbation h264 --out robust
    """
    from facewitness.cli.robustness_run import RobustnessRequest, run

    run(
        RobustnessRequest(
            out=out,
            data=tuple(data or ()),
            real=tuple(real or ()),
            fake=tuple(fake or ()),
            detector=detector,
            weights=weights,
            names=tuple(perturbation_names or ()),
            levels=tuple(sorted(set(levels or (1, 2, 3, 4, 5)))),
            frames=frames,
            limit=limit,
            operating_point=operating_point,
            resamples=resamples,
            seed=seed,
            device=device,
            precision=precision,
            threads=threads,
            as_json=as_json,
        )
    )
