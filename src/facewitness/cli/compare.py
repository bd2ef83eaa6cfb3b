"""``facewitness compare``: two detectors on the same videos, paired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import (
    DeviceOption,
    FakeOption,
    JsonOption,
    LimitOption,
    PrecisionOption,
    RealOption,
    ResamplesOption,
    ThreadsOption,
)

_Side = "Folder of an evaluate run, score table (.csv, .parquet), or detector with --data or --real and --fake."
_One = Annotated[str, typer.Argument(metavar="A", help=_Side)]
_Two = Annotated[str, typer.Argument(metavar="B", help="As A; NAME=FILE gives a detector weights of its own.")]
_Data = Annotated[list[str] | None, typer.Option(metavar="SPEC", help="Data that both detectors score; repeatable.")]
_Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for comparison.json, comparison.html and runs.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames of a video, for detectors that are run.")]
_Pooling = Annotated[
    str | None,
    typer.Option(help="Frames to video: mean, max, median, trimmed, topk, confident. As the runs did, else mean."),
]
_Pooled = Annotated[str | None, typer.Option(help="What is pooled: probabilities or logits. As the runs did.")]
_Missing = Annotated[str | None, typer.Option(help="Videos without a face: abstain, drop, 0.5. As the runs did.")]
_Thresholds = Annotated[
    list[float] | None, typer.Option("--threshold", min=0, max=1, help="Of both, or once for A and once for B.")
]
_Seed = Annotated[int, typer.Option(min=0, help="Of the bootstrap.")]


def compare(
    one: _One,
    two: _Two,
    *,
    data: _Data = None,
    real: RealOption = None,
    fake: FakeOption = None,
    out: _Out = None,
    as_json: JsonOption = False,
    frames: _Frames = 32,
    pooling: _Pooling = None,
    pooled: _Pooled = None,
    missing_face: _Missing = None,
    thresholds: _Thresholds = None,
    limit: LimitOption = None,
    resamples: ResamplesOption = 1000,
    seed: _Seed = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
) -> None:
    """Compare two runs, score tables or detectors on the videos that both scored.

    Says by how much the AUC differs, with a 95 % interval that resamples
    identities and DeLong's test, and where the two disagree. Thresholds
    are those of the runs, or the detectors' own at fpr=0.05.

    Example: facewitness compare results-a results-b

    Example: facewitness compare laa_net_lite laa_net=official.pth --real photos --fake forgeries --out versus
    """
    from facewitness.cli.comparison_run import ComparisonRequest, run

    run(
        ComparisonRequest(
            sides=(one, two),
            data=tuple(data or ()),
            real=tuple(real or ()),
            fake=tuple(fake or ()),
            out=out,
            as_json=as_json,
            frames=frames,
            rules={
                "pooling": pooling,
                "pooled": pooled,
                "missing_face": missing_face,
                "resamples": resamples,
                "seed": seed,
            },
            thresholds=tuple(thresholds or ()),
            limit=limit,
            device=device,
            precision=precision,
            threads=threads,
        )
    )
