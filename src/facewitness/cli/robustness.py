"""``facewitness robustness``: how far a detector's ranking and verdicts survive what happens to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import (
    DataOption,
    DetectorOption,
    DeviceOption,
    FakeOption,
    JsonOption,
    LimitOption,
    PointOption,
    PrecisionOption,
    RealOption,
    ResamplesOption,
    ThreadsOption,
    WeightsOption,
)

_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for scores, JSON and HTML; goes on in it.")]
_Names = Annotated[
    list[str] | None, typer.Option("--perturbation", metavar="NAME", help="May be repeated; all by default.")
]
_Levels = Annotated[list[int] | None, typer.Option("--level", min=1, max=5, help="May be repeated; 1 to 5 by default.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames sampled evenly from a video, held in memory.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of noise, places and bootstrap.")]


def robustness(
    *,
    out: _Out,
    data: DataOption = None,
    real: RealOption = None,
    fake: FakeOption = None,
    detector: DetectorOption = "laa_net_lite",
    weights: WeightsOption = None,
    perturbation_names: _Names = None,
    levels: _Levels = None,
    frames: _Frames = 8,
    limit: LimitOption = None,
    operating_point: PointOption = "fpr=0.05",
    resamples: ResamplesOption = 1000,
    seed: _Seed = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    as_json: JsonOption = False,
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
