"""Train stage 1 of M2F2-Det, go on where a run was interrupted, or say beforehand what a run takes."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch.nn import functional

from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recipe import Stage1Recipe
from facewitness.detectors.m2f2_det.weights import NAME, load_into, save_model
from facewitness.errors import ConfigError
from facewitness.runtime import default_threads
from facewitness.training.laa_keeper import BEST_WEIGHTS, LAST, BestRule, RunKeeper
from facewitness.training.laa_plan import LaaPlan
from facewitness.training.lightning_run import make_trainer, progress_of
from facewitness.training.m2f2_data import FaceClips, M2F2Data, open_clips
from facewitness.training.m2f2_module import STATE, M2F2Training, freeze_towers, make_optimizer
from facewitness.training.machine import TrainingMachine, keep_memory, quiet
from facewitness.training.run_folder import keep_settings
from facewitness.weights import WeightsRecord
from facewitness.wording import time_words

_LOG = logging.getLogger(__name__)
_SETTINGS: Final = "run.json"
_MEASURED: Final = 2
"""Faces of the step that a plan measures."""


@dataclass(frozen=True)
class M2F2Run:
    """What to train, on what, and how often to save.

    Attributes:
        data: Folder that ``facewitness prepare`` wrote, or M2F2-Det's HDF5 files.
        run: Folder of the run.
        recipe: How.
        recipe_name: Name or file of the recipe, for the record.
        machine: Where.
        accumulate: Batches per step.
        init: One of the authors' files, OpenAI's CLIP (file or folder), or ours; without one everything is random,
            which serves tests only.
        save_every: Steps between checkpoints inside an epoch.
    """

    data: Path
    run: Path
    recipe: Stage1Recipe
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


def train_m2f2(job: M2F2Run) -> Path:
    """Train, or go on where the run in the folder was interrupted, with the same numbers as without interruption.

    Args:
        job: What, on what, where.

    Returns:
        Path of the best weights, ``best.safetensors`` with its record; beside it the files that `RunKeeper` writes.

    Raises:
        ConfigError: If the data do not serve, or the run was begun with other settings.
    """
    run, recipe, machine = job.run, job.recipe, job.machine
    clips = open_clips(job.data, recipe)
    if clips.held_out:
        _LOG.warning("%s has no validation split: %d videos are held out", job.data, len(clips.val))
    run.mkdir(parents=True, exist_ok=True)
    keep_settings(run, _SETTINGS, _settings(job, clips))
    keep_memory()
    torch.set_num_threads(machine.threads or default_threads())
    model, origin = start_network(recipe, job.init)
    resume = run / LAST
    step, done = progress_of(resume, STATE)
    data = M2F2Data(clips, recipe, machine, accumulate=job.accumulate, first_batch=done)
    module = M2F2Training(model, recipe, data, accumulate=job.accumulate)
    batches = data.batches(machine.processes)
    keeper = RunKeeper(
        run,
        BestRule(recipe.keep_best),
        _record(job, clips, origin),
        batches_per_epoch=batches.batches_per_epoch,
        save_every=job.save_every,
        save=save_model,
    )
    strategy = "ddp" if machine.strategy == "auto" and machine.processes > 1 else machine.strategy
    with quiet():
        trainer = make_trainer(run, machine, keeper, batches_per_epoch=batches.batches_per_epoch, strategy=strategy)
        keeper.go_on_from(step, is_first_process=trainer.is_global_zero)
        if done < len(batches):
            trainer.fit(module, datamodule=data, ckpt_path=str(resume) if done else None, weights_only=True)
    return run / BEST_WEIGHTS


def start_network(recipe: Stage1Recipe, init: Path | None) -> tuple[M2F2Det, str]:
    """The network with its first weights, and where they are from in words."""
    torch.manual_seed(recipe.seed)
    model = M2F2Det(recipe.network)
    if init is None:
        _LOG.warning("no --init: CLIP and the convolutional network begin with random weights")
        return model, "random weights"
    taken = load_into(model, init)
    return model, f"{init.name} ({len(taken)} of {len(model.state_dict())} entries)"


def plan_m2f2(job: M2F2Run) -> LaaPlan:
    """Count data, steps and parameters; train one step on two faces and from that estimate memory and time.

    Args:
        job: What would be trained. Nothing is written.

    Raises:
        ConfigError: As `train_m2f2`.
    """
    recipe = job.recipe
    clips = open_clips(job.data, recipe)
    torch.set_num_threads(job.machine.threads or default_threads())
    model, origin = start_network(recipe, job.init)
    data = M2F2Data(clips, recipe, job.machine, accumulate=job.accumulate)
    batches = data.batches(job.machine.processes)
    freeze_towers(model)
    everything = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    seconds, kept = _measured_step(model, recipe, data)
    faces = batches.batches_per_epoch * recipe.batch_items * job.machine.processes
    held = (everything + 3 * trained) * 4
    activations = kept * recipe.batch_items / _MEASURED
    reals, fakes = (sum(int(c.record.label) == label for c in clips.train) for label in (0, 1))
    network = f"{recipe.network.variant}, {recipe.network.mode}, {recipe.network.backbone}; from {origin}"
    memory = (
        f"about {(held + activations) / 1e9:.2f} GB per device in f32: {held / 1e9:.2f} for weights and Adam, "
        f"{activations / 1e9:.2f} for {recipe.batch_items} faces"
    )
    whole = time_words(faces * recipe.epochs * seconds / _MEASURED)
    rows = (
        ("data", f"{clips.title}: {reals} real and {fakes} fake videos to train on, {len(clips.val)} to validate on"),
        ("validation", "held out of the training videos" if clips.held_out else "as the data are split"),
        ("network", network),
        ("parameters", f"{everything / 1e6:.1f} M, {trained / 1e6:.1f} M of them trained"),
        ("steps", f"{batches.batches_per_epoch // job.accumulate} per epoch, {recipe.epochs} epochs"),
        ("memory", memory),
        ("speed", f"{_MEASURED / seconds:.2f} faces/s on this CPU, so {whole} for the whole run on it"),
    )
    return LaaPlan(rows)


def _measured_step(model: M2F2Det, recipe: Stage1Recipe, data: M2F2Data) -> tuple[float, int]:
    """Seconds of one step on two faces, and bytes kept for its backward pass."""
    images = torch.stack([data.items[request][0] for request in data.batches().batches(0)[0][:1] * _MEASURED])
    labels = torch.arange(_MEASURED) % 2
    optimizer = make_optimizer(model.train(), recipe)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    start = time.perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = functional.cross_entropy(model(recipe.processor().normalise(images)).logits, labels)
    torch.autograd.backward(loss)
    optimizer.step()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return time.perf_counter() - start, sum(n for place, n in kept.items() if place not in weights)


def _settings(job: M2F2Run, clips: FaceClips) -> dict[str, Any]:
    """Everything that decides the curve."""
    return {
        "recipe": asdict(job.recipe),
        "data": clips.fingerprint,
        "videos": len(clips.train),
        "processes": job.machine.processes,
        "accumulate": job.accumulate,
        "init": job.init.name if job.init else None,
    }


def _record(job: M2F2Run, clips: FaceClips, origin: str) -> WeightsRecord:
    recipe = job.recipe
    return WeightsRecord(
        file="",
        sha256="",
        detector=NAME,
        licence="terms of the data and of the initial weights that it was trained on",
        trained_on=f"{clips.title}, {clips.fingerprint}: {len(clips.train)} videos; from {origin}",
        recipe=job.recipe_name,
        processor={**recipe.processor().to_record(), "mode": recipe.network.mode},
    )
