"""Options that several verbs share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data", metavar="SPEC", help="NAME:ROOT[:SPLIT][?option=value] or prepared:DIR[:SPLIT]; repeatable."
    ),
]
RealOption = Annotated[
    list[str] | None, typer.Option("--real", metavar="DIR", help="Folder of real pictures and videos; repeatable.")
]
FakeOption = Annotated[
    list[str] | None, typer.Option("--fake", metavar="DIR", help="Folder of forged pictures and videos; repeatable.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many records of each label and data.")
]
DetectorOption = Annotated[str, typer.Option("--detector", metavar="NAME", help="See: facewitness list.")]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", help="Weights instead of the packaged ones.")
]
PointOption = Annotated[
    str,
    typer.Option(
        "--operating-point", metavar="POINT", help="fpr=RATE or error=RATE of the weights, or threshold=SCORE."
    ),
]
ResamplesOption = Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap resamples.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, CPU, GPU.")]
PrecisionOption = Annotated[str, typer.Option("--precision", help="auto, f32 or bf16.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=0, help="Inference threads; 0 leaves it to the runtime.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]
