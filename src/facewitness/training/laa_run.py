"""Train LAA-Net from prepared data with a recipe, or go on where a run was interrupted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from facewitness.datasets.prepared import PreparedSet, open_prepared
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import ConfigError
from facewitness.runtime import default_threads
from facewitness.training.laa_data import LaaData
from facewitness.training.laa_faces import LaaVideos, split_videos
from facewitness.training.laa_init import start_network
from facewitness.training.laa_keeper import BEST_WEIGHTS, LAST, BestRule, RunKeeper
from facewitness.training.laa_module import STATE, LaaTraining
from facewitness.training.lightning_run import make_trainer, progress_of
from facewitness.training.machine import TrainingMachine, keep_memory, quiet
from facewitness.training.run_folder import keep_settings
from facewitness.weights import WeightsRecord

_LOG = logging.getLogger(__name__)

_SETTINGS = "run.json"


@dataclass(frozen=True)
class LaaRun:
    """What to train, on what, and how often to save.

    Attributes:
        data: Folder that ``facewitness prepare`` wrote.
        run: Folder of the run.
        recipe: How.
        recipe_name: Name or file of the recipe, for the record.
        machine: Where.
        accumulate: Batches per step: the effective batch is items x devices x machines x this.
        init: As `start_network`.
        save_every: Steps between checkpoints inside an epoch.
    """

    data: Path
    run: Path
    recipe: TrainingRecipe
    recipe_name: str = ""
    machine: TrainingMachine = field(default_factory=TrainingMachine)
    accumulate: int = 1
    init: Path | None = None
    save_every: int = 200

    def __post_init__(self) -> None:
        """Check the values."""
        if self.accumulate < 1 or self.save_every < 1 or self.machine.processes < 1:
            msg = "accumulate, save_every, devices and num_nodes must be at least 1"
            raise ConfigError(msg)
        if "deepspeed" in self.machine.strategy and self.recipe.optimizer == "sam":
            msg = (
                "DeepSpeed owns its optimiser steps, so SAM cannot move the weights between two passes; "
                "take --strategy ddp or fsdp, or --set optimizer=adam"
            )
            raise ConfigError(msg)

    def open(self) -> tuple[PreparedSet, LaaVideos]:
        """The prepared data and what of them is trained and validated on.

        Raises:
            ConfigError: If the data do not serve.
        """
        prepared = open_prepared(self.data, needs=("crops", "landmarks"))
        videos = split_videos(prepared, self.recipe)
        if videos.held_out:
            _LOG.warning("%s has no validation split: %d real videos are held out", self.data, len(videos.val_real))
        if videos.left_out:
            _LOG.warning("%d videos have no frame with landmarks and are left out", videos.left_out)
        return prepared, videos


def train_laa(job: LaaRun, *, on_validation: Callable[[int, Mapping[str, float]], None] | None = None) -> Path:
    """Train, or go on where the run in the folder was interrupted, with the same numbers as without interruption.

    Args:
        job: What, on what, where.
        on_validation: Called with epoch and figures after each validation; what it raises ends the run.

    Returns:
        Path of the best weights, ``best.safetensors`` with its record; beside it ``last.safetensors``, the whole
        states ``best.ckpt`` and ``last.ckpt``, ``curve.jsonl`` (one row per step), ``validation.jsonl`` (one per
        epoch) and TensorBoard's curves.

    Raises:
        ConfigError: If the data do not serve, or the run was begun with other settings.
    """
    run, recipe, machine = job.run, job.recipe, job.machine
    prepared, videos = job.open()
    run.mkdir(parents=True, exist_ok=True)
    keep_settings(run, _SETTINGS, _settings(job, prepared))
    keep_memory()
    torch.set_num_threads(machine.threads or default_threads())
    model, origin = start_network(recipe, job.init)
    resume = run / LAST
    step, done = progress_of(resume, STATE)
    data = LaaData(videos, recipe, machine, accumulate=job.accumulate, first_batch=done, prepared=prepared)
    module = LaaTraining(model, recipe, data, accumulate=job.accumulate)
    batches = data.batches(machine.processes)
    rule = BestRule(recipe.keep_best)
    keeper = RunKeeper(
        run,
        rule,
        _record(job, prepared, videos, origin),
        batches_per_epoch=batches.batches_per_epoch,
        save_every=job.save_every,
        on_validation=on_validation,
    )
    with quiet():
        trainer = make_trainer(
            run,
            machine,
            keeper,
            batches_per_epoch=batches.batches_per_epoch,
            strategy=strategy_name(job),
            double_precision=recipe.double_precision,
        )
        keeper.go_on_from(step, is_first_process=trainer.is_global_zero)
        if done < len(batches):
            trainer.fit(module, datamodule=data, ckpt_path=str(resume) if done else None, weights_only=True)
    return run / BEST_WEIGHTS


def strategy_name(job: LaaRun) -> str:
    """The strategy for Lightning: DDP must look for unused parameters while a backbone is frozen."""
    name = job.machine.strategy
    if name == "auto" and job.machine.processes > 1:
        name = "ddp"
    if name in ("ddp", "ddp_spawn") and job.recipe.frozen_epochs:
        name = f"{name}_find_unused_parameters_true"
    return name


def _settings(job: LaaRun, prepared: PreparedSet) -> dict[str, Any]:
    """Everything that decides the curve."""
    return {
        "recipe": asdict(job.recipe),
        "data": prepared.fingerprint,
        "videos": len(prepared.videos),
        "processes": job.machine.processes,
        "accumulate": job.accumulate,
        "init": job.init.name if job.init else None,
    }


def _record(job: LaaRun, prepared: PreparedSet, videos: LaaVideos, origin: str) -> WeightsRecord:
    recipe = job.recipe
    return WeightsRecord(
        file="",
        sha256="",
        detector="laa_net",
        licence="terms of the data and of the initial weights that it was trained on",
        trained_on=(
            f"{prepared.dataset}, prepared {prepared.fingerprint}: {len(videos.train)} real videos, "
            f"{recipe.pseudo_fakes} pseudo-fakes; from {origin}"
        ),
        recipe=job.recipe_name,
        processor={**recipe.processor().to_record(), "mode": recipe.network.mode},
    )
