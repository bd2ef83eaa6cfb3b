"""``facewitness train``: a recipe and data in, weights out, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facewitness.cli.analyze import PrecisionChoice

_Detector = Annotated[str, typer.Argument(help="What to train: laa_net, m2f2_det.")]
_Data = Annotated[Path, typer.Option(metavar="DIR", help="What `prepare` wrote; for lite, its data folders' root.")]
_Recipe = Annotated[str, typer.Option(help="sbi, bi, tiny_sbi, lite ...; stage1, stage2 ...; a .toml or .yaml.")]
_Run = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the run; begun there, it goes on.")]
_Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs, instead of the recipe's.")]
_Batch = Annotated[int | None, typer.Option(min=1, help="Items per device and batch.")]
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any value; may be repeated.")]
_Init = Annotated[Path | None, typer.Option(metavar="FILE", help="ImageNet backbone or checkpoint to start from.")]
_Accumulate = Annotated[int, typer.Option(min=1, help="Batches per step.")]
_Devices = Annotated[int, typer.Option(min=1, help="Devices of this machine.")]
_Nodes = Annotated[int, typer.Option(min=1, help="Machines.")]
_Strategy = Annotated[str, typer.Option(help="auto, ddp, fsdp, deepspeed or another one of Lightning.")]
_SaveEvery = Annotated[int, typer.Option(min=1, help="Steps between checkpoints inside an epoch.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print counts, sizes, memory and speed; train nothing.")]
_Cache = Annotated[Path | None, typer.Option(metavar="DIR", help="lite: face caches, to share between runs.")]
_Steps = Annotated[int | None, typer.Option(min=1, help="lite: steps, instead of the recipe's.")]
_Device = Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")]
_Precision = Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the networks.")]
_Threads = Annotated[int, typer.Option(min=0, help="Threads of torch; 0 takes every processor.")]
_Workers = Annotated[int, typer.Option(min=0, help="Processes that make batches.")]
_Pretrained = Annotated[bool, typer.Option(help="lite: start from ImageNet weights.")]
_Images = Annotated[
    Path | None, typer.Option(metavar="DIR", help="stage2, stage3: pictures; default: beside the data.")
]
_DetectorWeights = Annotated[Path | None, typer.Option(metavar="FILE", help="stage2, stage3: the cosine detector.")]
_Quantisation = Annotated[Literal["none", "8bit", "4bit"], typer.Option(help="stage3: bits of the frozen model.")]
_Progress = Annotated[bool, typer.Option(help="Show a progress bar.")]


def train(
    detector: _Detector,
    data: _Data,
    recipe: _Recipe = "lite",
    run: _Run = None,
    *,
    epochs: _Epochs = None,
    batch: _Batch = None,
    overrides: _Set = None,
    init: _Init = None,
    accumulate: _Accumulate = 1,
    devices: _Devices = 1,
    num_nodes: _Nodes = 1,
    strategy: _Strategy = "auto",
    save_every: _SaveEvery = 200,
    dry_run: _DryRun = False,
    cache: _Cache = None,
    steps: _Steps = None,
    device: _Device = "auto",
    precision: _Precision = PrecisionChoice.AUTO,
    threads: _Threads = 0,
    workers: _Workers = 1,
    pretrained: _Pretrained = True,
    progress: _Progress = True,
    images: _Images = None,
    detector_weights: _DetectorWeights = None,
    quantisation: _Quantisation = "none",
) -> None:
    """Train a detector; the same command again goes on after an interruption.

    sbi and bi are LAA-Net as published, corrected_* the same with repairs,
    tiny_sbi a small one for a CPU; they take what `facewitness prepare`
    wrote. lite is the embedded detector; its data folders need a
    manifest.csv. Curves: tensorboard --logdir RUN.

    Example: facewitness train laa_net --recipe tiny_sbi --data prepared --run runs/tiny

    stage1 (stage1_corrected, stage1_cosine) of m2f2_det trains its detector
    on prepared crops or the authors' HDF5 files.
    stage2 and stage3 of m2f2_det fine-tune a language model (--init) on a
    JSON file of conversations (--data); merge puts the result in.

    Example: facewitness train laa_net --recipe sbi --data prepared --init b4.pth --devices 4 --dry-run

    Example: facewitness train m2f2_det --recipe stage3 --data train.json --images c40/train --init stage2-merged
    """
    options = dict(locals())  # before anything else gets a name
    from facewitness.cli.training_run import TrainingRequest, run_training

    run_training(TrainingRequest(**options))
