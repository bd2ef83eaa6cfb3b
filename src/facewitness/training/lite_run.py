"""Train LAA-Net-Lite from a data root: caches, decoded faces, Lightning, the best weights as safetensors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from facewitness.detectors.laa_net.lite.config import LiteRecipe
from facewitness.detectors.laa_net.lite.weights import average_lite, save_lite
from facewitness.errors import ConfigError
from facewitness.runtime import default_threads
from facewitness.training.face_cache import build_cache, read_manifest
from facewitness.training.lite_module import LiteTraining
from facewitness.training.lite_validation import ValidationSet, build_validation
from facewitness.training.machine import TrainingMachine, keep_memory, quiet
from facewitness.training.pair_data import FaceStore, PairBatches
from facewitness.training.resynthesis import build_decoded
from facewitness.training.run_folder import RowFile, keep_settings

_LOG = logging.getLogger(__name__)

_DECODED_FROM_FACES = 500
"""Caches with fewer faces are too small to train a decoder on."""


class _KeepBest(Callback):
    """Writes the averaged weights as ``best.safetensors`` whenever the validation score rises.

    The best score is read from ``validation.jsonl``: a checkpoint is older than the validation of its own step.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = RowFile(folder / "validation.jsonl")
        rows = self._log.rows() if (folder / "best.safetensors").is_file() else []
        self.best = max((float(row["score"]) for row in rows), default=-1.0)
        self.steps = {int(row["step"]) for row in rows}

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Compare and write."""
        if trainer.sanity_checking or "score" not in trainer.callback_metrics:
            return
        metrics = {name: round(float(v), 5) for name, v in trainer.callback_metrics.items()}
        save_lite(pl_module.averaged, self.folder / "last.safetensors")
        if metrics["score"] > self.best:
            self.best = metrics["score"]
            save_lite(pl_module.averaged, self.folder / "best.safetensors")
        self.steps.add(trainer.global_step)
        self._log.add({"step": trainer.global_step, **metrics})


def prepare_faces(root: Path, folder: Path, recipe: LiteRecipe) -> list[Path]:
    """Build the face caches of a recipe (and the decoded faces of the large ones), or find them built.

    Args:
        root: Data root; the recipe's folders lie below it.
        folder: Where caches go, one sub-folder each.
        recipe: Folders and groups.

    Returns:
        Folders of the caches.

    Raises:
        ConfigError: If no folder of the recipe is there, or a manifest is wrong.
    """
    groups = set(recipe.data.real) | set(recipe.data.fake)
    found: list[Path] = []
    for name in recipe.data.folders:
        if not (root / name).is_dir():
            _LOG.warning("%s is not there; training goes on without it", root / name)
            continue
        rows = [row for row in read_manifest(root / name, split="train") if row.group in groups]
        if not rows:
            continue
        cache = build_cache(root / name, rows, folder / name)
        if sum(row.label == 0 for row in cache.rows) >= _DECODED_FROM_FACES:
            build_decoded(cache, folder / name, seed=recipe.seed)
        found.append(folder / name)
    if not found:
        msg = f"{root} has none of the folders {list(recipe.data.folders)}; give the folder that holds them as --data"
        raise ConfigError(msg)
    return found


def train_lite(
    root: Path,
    run: Path,
    recipe: LiteRecipe,
    *,
    cache: Path | None = None,
    pretrained: bool = True,
    init: Sequence[Path] = (),
    machine: TrainingMachine | None = None,
) -> Path:
    """Train, or go on where a run was interrupted.

    Args:
        root: Data root, see `prepare_faces`.
        run: Folder of the run; an interrupted run in it is resumed, with the recipe that it was begun with.
        recipe: How to train.
        cache: Folder of the face caches; None takes ``run/cache``.
        pretrained: Whether to start from ImageNet weights.
        init: Weights of an earlier run to start from instead; of several, their mean.
        machine: Device, precision, processes.

    Returns:
        Path of the best weights, ``best.safetensors``; beside it ``last.safetensors``, ``validation.jsonl``,
        ``last.ckpt`` and TensorBoard's curves.

    Raises:
        ConfigError: If the data is missing, or the run was begun with another recipe.
    """
    machine = machine or TrainingMachine()
    run.mkdir(parents=True, exist_ok=True)
    keep_settings(run, "recipe.json", asdict(recipe))
    keep_memory()
    torch.set_num_threads(machine.threads or default_threads())
    folders = prepare_faces(root, cache or run / "cache", recipe)
    seed_everything(recipe.seed, verbose=False)
    start = average_lite(init) if init else None
    module = LiteTraining(recipe, _validation(folders, recipe), pretrained=pretrained, start=start)
    resume = run / "last.ckpt"
    batches = PairBatches(folders, recipe, first_step=_step_of(resume))
    loader = DataLoader(
        batches, batch_size=None, num_workers=machine.workers, prefetch_factor=3 if machine.workers else None
    )
    keeper = _KeepBest(run)
    with quiet():
        trainer = _trainer(run, recipe, machine, keeper)
        trainer.fit(module, loader, ckpt_path=str(resume) if resume.is_file() else None, weights_only=True)
        if recipe.steps not in keeper.steps:
            trainer.validate(module, verbose=False)
    return run / "best.safetensors"


def _trainer(run: Path, recipe: LiteRecipe, machine: TrainingMachine, keeper: _KeepBest) -> Trainer:
    checkpoints = ModelCheckpoint(
        dirpath=run,
        filename="step",
        save_last=True,
        save_top_k=0,
        every_n_train_steps=max(1, min(100, recipe.validate_every)),
        enable_version_counter=False,
    )
    bars = [TQDMProgressBar(refresh_rate=10)] if machine.progress else []
    return Trainer(
        accelerator=machine.device,
        devices=1,
        precision=machine.lightning_precision,
        max_steps=recipe.steps,
        val_check_interval=min(recipe.validate_every, recipe.steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        log_every_n_steps=20,
        gradient_clip_val=2.0,
        logger=TensorBoardLogger(run, name="", version="curves"),
        callbacks=[keeper, checkpoints, *bars],
        enable_progress_bar=machine.progress,
        enable_model_summary=False,
    )


def _validation(folders: list[Path], recipe: LiteRecipe) -> ValidationSet:
    store = FaceStore(folders, recipe)
    return build_validation(store, size=recipe.network.image_size, margin_ratio=recipe.network.margin_ratio)


def _step_of(checkpoint: Path) -> int:
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
