"""A Lightning trainer for runs whose loader goes through all epochs, and where such a run stands."""

from __future__ import annotations

from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from facewitness.errors import ConfigError
from facewitness.training.machine import TrainingMachine


def make_trainer(
    run: Path,
    machine: TrainingMachine,
    keeper: Callback,
    *,
    batches_per_epoch: int,
    strategy: str,
    double_precision: bool = False,
) -> Trainer:
    """The trainer of a run; a validation follows every ``batches_per_epoch`` batches.

    Args:
        run: Folder for TensorBoard's curves.
        machine: Where.
        keeper: Writes the run's files.
        batches_per_epoch: Of one process.
        strategy: As Lightning names it.
        double_precision: Whether it runs in float64.
    """
    bars = [TQDMProgressBar(refresh_rate=10)] if machine.progress else []
    return Trainer(
        accelerator=machine.device,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=strategy,
        precision="64-true" if double_precision else machine.lightning_precision,
        max_epochs=1,  # the loader goes through all epochs of the recipe
        val_check_interval=batches_per_epoch,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        use_distributed_sampler=False,
        logger=TensorBoardLogger(run, name="", version="curves"),
        callbacks=[keeper, *bars],
        enable_progress_bar=machine.progress,
        enable_model_summary=False,
    )


def progress_of(checkpoint: Path, key: str) -> tuple[int, int]:
    """Steps and batches that a checkpoint has behind it; zeros where there is none.

    Args:
        checkpoint: The file.
        key: Where the module keeps ``batches_done``.

    Raises:
        ConfigError: If it is a sharded one.
    """
    if checkpoint.is_dir():
        msg = f"{checkpoint} is a sharded checkpoint, from which runs are not resumed; train with --strategy ddp"
        raise ConfigError(msg)
    if not checkpoint.is_file():
        return 0, 0
    state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    return int(state["global_step"]), int(state[key]["batches_done"])
