"""``facewitness tune``: search for hyper-parameters of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.analyze import PrecisionChoice

_Detector = Annotated[str, typer.Argument(help="What to train: laa_net.")]
_Data = Annotated[Path, typer.Option(metavar="DIR", help="What `facewitness prepare` wrote.")]
_Study = Annotated[Path, typer.Option(metavar="FILE", help="The search; begun there, it goes on. .db is SQLite.")]
_Trials = Annotated[int, typer.Option(min=1, help="Trials in all, earlier calls included.")]
_Recipe = Annotated[str, typer.Option(help="As of train: the recipe whose values are varied.")]
_Space = Annotated[Path | None, typer.Option(metavar="TOML", help='Key = [low, high], [low, high, "log"] or choices.')]
_Grid = Annotated[bool, typer.Option("--grid", help="Try every combination; the space must hold choices only.")]
_Run = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the trials' runs; beside FILE by default.")]
_Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs of a trial, instead of the recipe's.")]
_Batch = Annotated[int | None, typer.Option(min=1, help="Items per batch.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any value; may be repeated.")]
_Init = Annotated[Path | None, typer.Option(metavar="FILE", help="ImageNet backbone or checkpoint to start from.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")]
_Precision = Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the networks.")]
_Threads = Annotated[int, typer.Option(min=0, help="Threads of torch; 0 takes every processor.")]
_Workers = Annotated[int, typer.Option(min=0, help="Processes that make batches.")]


def tune(
    detector: _Detector,
    data: _Data,
    study: _Study,
    *,
    trials: _Trials = 20,
    recipe: _Recipe = "tiny_sbi",
    space: _Space = None,
    grid: _Grid = False,
    run: _Run = None,
    epochs: _Epochs = None,
    batch: _Batch = None,
    overrides: _Set = None,
    init: _Init = None,
    device: _Device = "auto",
    precision: _Precision = PrecisionChoice.AUTO,
    threads: _Threads = 0,
    workers: _Workers = 1,
) -> None:
    """Vary a recipe's values and keep what validates best.

    Trials that lag behind the median of earlier ones are stopped. Without
    --space the learning rate, SAM's radius and the losses' weights vary.

    Example: facewitness tune laa_net --recipe tiny_sbi --data prepared --study runs/study.db --trials 20

    Example: facewitness tune laa_net --data prepared --study runs/grid.log --space choices.toml --grid
    """
    from facewitness.cli.training_run import TrainingRequest, TuningRequest, run_tuning

    request = TrainingRequest(
        detector=detector,
        data=data,
        recipe=recipe,
        run=run or study.with_name(f"{study.stem}-trials"),
        epochs=epochs,
        batch=batch,
        overrides=overrides,
        init=init,
        device=device,
        precision=precision,
        threads=threads,
        workers=workers,
        progress=False,
    )
    run_tuning(TuningRequest(request, study, trials, space, grid))
