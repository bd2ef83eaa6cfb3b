"""``facewitness compare``: two detectors on the same videos, paired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Side = "Folder of an evaluate run, score table (.csv, .parquet), or detector with --data or --real and --fake."
_One = Annotated[str, typer.Argument(metavar="A", help=_Side)]
_Two = Annotated[str, typer.Argument(metavar="B", help="As A; NAME=FILE gives a detector weights of its own.")]
_Data = Annotated[list[str] | None, typer.Option(metavar="SPEC", help="Data that both detectors score; repeatable.")]
_Real = Annotated[list[str] | None, typer.Option(metavar="DIR", help="Folder of real pictures and videos.")]
_Fake = Annotated[list[str] | None, typer.Option(metavar="DIR", help="Folder of forged pictures and videos.")]
_Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for comparison.json, comparison.html and runs.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]
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
_Limit = Annotated[int | None, typer.Option(min=1, help="At most so many records of each label and data.")]
_Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of the bootstrap.")]
_Device = Annotated[str, typer.Option(help="auto, CPU, GPU.")]
_Precision = Annotated[str, typer.Option(help="auto, f32 or bf16.")]
_Threads = Annotated[int, typer.Option(min=0, help="Inference threads; 0 leaves it to the runtime.")]


def compare(
    one: _One,
    two: _Two,
    *,
    data: _Data = None,
    real: _Real = None,
    fake: _Fake = None,
    out: _Out = None,
    as_json: _Json = False,
    frames: _Frames = 32,
    pooling: _Pooling = None,
    pooled: _Pooled = None,
    missing_face: _Missing = None,
    thresholds: _Thresholds = None,
    limit: _Limit = None,
    resamples: _Resamples = 1000,
    seed: _Seed = 0,
    device: _Device = "auto",
    precision: _Precision = "auto",
    threads: _Threads = 0,
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
