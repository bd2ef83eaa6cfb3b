"""What a run of LAA-Net will do, counted and measured before it begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.runtime import default_threads
from facewitness.training.laa_data import ItemRequest, LaaBatch, LaaData
from facewitness.training.laa_init import start_network
from facewitness.training.laa_run import LaaRun, strategy_name
from facewitness.training.laa_step import LaaStep, counts_of, make_optimizer
from facewitness.training.machine import keep_memory
from facewitness.training.schedules import boosted_linear_decay
from facewitness.wording import time_words

_MEASURED_ITEMS: Final = 2
_MEASURED_STEPS: Final = 2
_COPIES: Final = {"sam": 5, "adam": 4, "sgd": 3}
"""Numbers kept per parameter: value and gradient; the optimiser's moments; SAM's way back."""
_SHOWN_EPOCHS: Final = 5


@dataclass(frozen=True)
class StepMeasure:
    """What steps on real batches took.

    Attributes:
        images: Images per step.
        seconds: Of the fastest step, all passes and the optimiser.
        activation_bytes: What one pass keeps for its backward pass.
    """

    images: int
    seconds: float
    activation_bytes: int

    @property
    def images_per_s(self) -> float:
        """Images that the network learns from in a second."""
        return self.images / self.seconds


def measure_steps(model: LaaNet, recipe: TrainingRecipe, batch: LaaBatch) -> StepMeasure:
    """Train on one batch a few times and take the time of the fastest step; the network is changed by it.

    Args:
        model: The network, with its backbone thawed.
        recipe: Losses and optimiser.
        batch: What to train on.
    """
    model = model.train().to(memory_format=torch.channels_last)
    step, optimizer = LaaStep(model, recipe), make_optimizer(model, recipe)
    step.enter_epoch(recipe.frozen_epochs, optimizer)
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    counts, taken = counts_of([batch]), []
    for number in range(_MEASURED_STEPS):
        closure = step.closure(optimizer, [batch], counts, seed=(recipe.seed, number))
        start = time.perf_counter()
        optimizer.step(closure)  # type: ignore[arg-type]  # torch wants a float, SAM takes any loss
        taken.append(time.perf_counter() - start)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        closure = step.closure(optimizer, [batch], counts, seed=(recipe.seed, _MEASURED_STEPS), backward=lambda _: None)
        closure()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return StepMeasure(len(batch.labels), min(taken), sum(n for place, n in kept.items() if place not in weights))


@dataclass(frozen=True)
class LaaPlan:
    """A plan as rows of words.

    Attributes:
        rows: Name and value.
    """

    rows: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.rows)


def plan_laa(job: LaaRun) -> LaaPlan:
    """Count data, steps and parameters; train two steps on two items and from that estimate memory and time.

    Args:
        job: What would be trained. Nothing is written, except that partners of blended images may be kept beside
            the prepared data.

    Raises:
        ConfigError: As `train_laa`.
    """
    recipe, machine = job.recipe, job.machine
    prepared, videos = job.open()
    keep_memory()
    torch.set_num_threads(machine.threads or default_threads())
    model, origin = start_network(recipe, job.init)
    data = LaaData(videos, recipe, machine, accumulate=job.accumulate, prepared=prepared)
    batches = data.batches(machine.processes)
    batch, item_s = _sample(data)
    measure = measure_steps(model, recipe, batch)
    per_step = recipe.batch_items * recipe.images_per_item * machine.processes * job.accumulate
    steps = batches.batches_per_epoch // job.accumulate
    frames = sum(len(video.faces) for video in videos.train)
    return LaaPlan(
        (
            ("recipe", f"{job.recipe_name or 'given'}: {recipe.pseudo_fakes}, {recipe.network.image_size} px"),
            ("data", f"{prepared.dataset} in {job.data}, fingerprint {prepared.fingerprint}"),
            ("train", f"{len(videos.train)} real videos, {frames} frames, {batches.items_per_epoch} items an epoch"),
            (
                "validate",
                f"{len(videos.val_real)} real and {len(videos.val_fake)} fake videos, {len(data.pseudo)} items, "
                f"{len(data.plain)} plain faces" + (", held out for want of a split" if videos.held_out else ""),
            ),
            ("network", f"{_millions(model)}; starts from {origin}"),
            ("optimiser", f"{recipe.optimizer}, {_schedule(recipe)}"),
            ("backbone", f"frozen for {recipe.frozen_epochs} epochs" if recipe.frozen_epochs else "never frozen"),
            ("step", f"{per_step} images ({machine.processes} processes, {job.accumulate} batches each)"),
            ("steps", f"{steps} an epoch, {steps * recipe.epochs} in {recipe.epochs} epochs"),
            ("computes", f"{machine.device}, strategy {strategy_name(job)}, precision {_precision(job)}"),
            ("memory", _memory(model, recipe, measure)),
            ("speed", _speed(measure, recipe, steps * per_step)),
            ("loading", _loading(measure, recipe, item_s)),
        )
    )


def _sample(data: LaaData) -> tuple[LaaBatch, float]:
    """A small batch, and seconds for one item."""
    requests = data.batches().batches(0)[0]
    while len(requests) < _MEASURED_ITEMS + 1:
        last = requests[-1]
        requests = [*requests, ItemRequest(last.epoch, last.place + 1, last.video, last.frame)]
    data.items[requests[0]]  # opens what is opened once
    start = time.perf_counter()
    made = [data.items[request] for request in requests[1 : _MEASURED_ITEMS + 1]]
    seconds = (time.perf_counter() - start) / len(made)
    return data.collate(made), seconds


def _millions(model: LaaNet) -> str:
    parts = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    shown = ", ".join(f"{name} {count / 1e6:.2f}" for name, count in parts.items() if count)
    return f"{sum(parts.values()) / 1e6:.2f} million parameters ({shown})"


def _schedule(recipe: TrainingRecipe) -> str:
    last = recipe.epochs - 1
    shown = sorted({round(i * last / (_SHOWN_EPOCHS - 1)) for i in range(_SHOWN_EPOCHS)} | {recipe.epochs // 4})
    factors = [boosted_linear_decay(epoch, epochs=recipe.epochs, booster=recipe.booster) for epoch in shown]
    rates = [f"{epoch}: {recipe.learning_rate * factor:.3g}" for epoch, factor in zip(shown, factors, strict=True)]
    return f"rate by epoch {', '.join(rates)}"


def _precision(job: LaaRun) -> str:
    return "f64" if job.recipe.double_precision else job.machine.lightning_precision


def _memory(model: LaaNet, recipe: TrainingRecipe, measure: StepMeasure) -> str:
    size = 8 if recipe.double_precision else 4
    states = sum(p.numel() for p in model.parameters()) * _COPIES[recipe.optimizer] * size
    images = recipe.batch_items * recipe.images_per_item
    activations = measure.activation_bytes * images / measure.images
    return (
        f"about {(states + activations) / 1e9:.2f} GB per device: {states / 1e9:.2f} for weights and optimiser, "
        f"{activations / 1e9:.2f} for {images} images in f32 (bf16 takes about half of that)"
    )


def _speed(measure: StepMeasure, recipe: TrainingRecipe, images_per_epoch: int) -> str:
    seconds = images_per_epoch * recipe.epochs / measure.images_per_s
    return (
        f"{measure.images_per_s:.2f} images/s on this CPU ({_MEASURED_STEPS} steps of {measure.images} images), "
        f"so {time_words(seconds)} for the whole run on it"
    )


def _loading(measure: StepMeasure, recipe: TrainingRecipe, item_s: float) -> str:
    made = recipe.images_per_item / item_s
    need = measure.images_per_s / made
    return f"{made:.0f} images/s per worker process; the network here needs {need:.2g} of one"
