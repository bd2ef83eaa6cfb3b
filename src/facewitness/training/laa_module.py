"""LAA-Net under Lightning: steps of two passes, validation, what a checkpoint remembers."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer

from facewitness.detectors.laa_net.losses import StepCounts, laa_net_loss
from facewitness.detectors.laa_net.model import LaaNet, LaaNetOutput
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import ConfigError, FaceError
from facewitness.evaluation.metrics import roc_auc
from facewitness.records import Label
from facewitness.training.laa_data import LaaBatch, LaaData
from facewitness.training.laa_step import PARTS, LaaStep, counts_of, make_optimizer, targets_of
from facewitness.training.machine import widest_float

_LOG = logging.getLogger(__name__)

STATE: Final = "laa_net_run"
"""Where the checkpoint keeps what this module adds."""

_PAIR: Final = 2
"""Images of a validation item: a pseudo-fake and its real face."""

_SHOWN: Final = 20
"""Bad pictures that are named before the rest is only counted."""


class LaaTraining(LightningModule):
    """One training run.

    Args:
        model: The network to train.
        recipe: How.
        data: Where validation rows and their videos are known.
        accumulate: Batches per step.
    """

    def __init__(self, model: LaaNet, recipe: TrainingRecipe, data: LaaData, *, accumulate: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model.to(memory_format=torch.channels_last)
        self.recipe = recipe
        self.data = data
        self.accumulate = accumulate
        self.step = LaaStep(self.model, recipe)
        self.batches_done = 0
        self.replaced = 0
        self.last_step: dict[str, float] = {}
        self.validation: dict[str, float] = {}
        self._pending: list[LaaBatch] = []
        self._epoch = -1
        self._rate = 0.0
        self._named: set[str] = set()
        self._pseudo = self._plain = self._losses = torch.zeros(0)

    def configure_optimizers(self) -> Optimizer:
        """The recipe's optimiser; under FSDP, where each process holds a part, SAM's norm is that of all parts."""
        from lightning.pytorch.strategies import FSDPStrategy

        is_sharded = isinstance(self.trainer.strategy, FSDPStrategy)
        return make_optimizer(self.model, self.recipe, self._sum_over_ranks if is_sharded else None)

    def train(self, mode: bool = True) -> LaaTraining:
        """As any module; running statistics that the recipe freezes stay frozen."""
        super().train(mode)
        self.step.hold_statistics()
        return self

    def on_train_batch_start(self, batch: LaaBatch, _index: int) -> None:
        """Enter the epoch of the batch."""
        if batch.epoch != self._epoch:
            self._epoch = batch.epoch
            self._rate = self.step.enter_epoch(batch.epoch, self._optimizer())

    def training_step(self, batch: LaaBatch, _index: int) -> None:
        """Collect batches until the step is full, then do it."""
        self._pending.append(batch)
        self.batches_done += 1
        self._note(batch.problems)
        if len(self._pending) < self.accumulate:
            return
        batches, self._pending = self._pending, []
        counts = counts_of(batches)
        total = self._sum_over_ranks(torch.stack([counts.images, counts.points, counts.fakes]))
        counts = type(counts)(*total)
        step = self.global_step
        closure = self.step.closure(
            self._optimizer(),
            batches,
            counts,
            seed=(self.recipe.seed, step, self.global_rank),
            # Processes average their gradients, but these are shares of one loss that must be added.
            backward=lambda loss: self.manual_backward(loss * self.trainer.world_size),
        )
        optimizer: Any = self.optimizers()
        optimizer.step(closure)
        sums = self._sum_over_ranks(self.step.sums.to(self.device, torch.float32))
        values = dict(zip(PARTS, sums.tolist(), strict=True))
        _require_numbers(np.array(list(values.values())), step + 1)
        self.last_step = {"step": step + 1, "epoch": batch.epoch, "rate": self._rate, **values}
        self.log_dict({f"train/{name}": value for name, value in values.items()}, batch_size=1)
        self.log("loss", values["loss"], prog_bar=True, logger=False, batch_size=1)

    def on_validation_epoch_start(self) -> None:
        """Make room for the logits of every row; each process fills in its own."""
        wide = widest_float(self.device)
        images = len(self.data.pseudo) * _PAIR
        self._pseudo = torch.zeros(3, images, device=self.device, dtype=wide)
        self._plain = torch.zeros(2, len(self.data.plain), device=self.device, dtype=wide)
        self._losses = torch.zeros(7, device=self.device, dtype=wide)

    def validation_step(self, batch: LaaBatch, _index: int, dataloader_idx: int = 0) -> None:
        """Logits and loss of one batch."""
        self._note(batch.problems)
        if not len(batch.index):
            return
        output = self.model(batch.images.contiguous(memory_format=torch.channels_last))
        logit = output.logit if output.logit is not None else output.heatmap_logit.flatten(1).amax(1, keepdim=True)
        values = logit[:, 0].to(self._pseudo.dtype)
        if dataloader_idx == 1:
            self._plain[:, batch.index] = torch.stack([values, torch.ones_like(values)])
            return
        rows = (batch.index[:, None] * _PAIR + torch.arange(_PAIR, device=batch.index.device)).flatten()
        self._pseudo[:, rows] = torch.stack([values, batch.labels[:, 0].to(values), torch.ones_like(values)])
        self._losses += self._loss_sums(output, batch)

    def _loss_sums(self, output: LaaNetOutput, batch: LaaBatch) -> Tensor:
        """Heatmap, score, consistency, other, each undivided; images, points, fakes."""
        targets = targets_of(batch)
        one = targets.label.new_ones(())
        parts = laa_net_loss(
            output,
            targets,
            self.recipe.losses,
            with_double_sigmoid=self.recipe.network.scores_twice_through_sigmoid,
            counts=StepCounts(one, one, one),
        )
        counts = StepCounts.of(targets)
        values = (parts.heatmap, parts.score, parts.consistency, parts.other)
        return torch.stack([v.to(self._losses.dtype) for v in (*values, counts.images, counts.points, counts.fakes)])

    def _validation_loss(self, sums: Tensor) -> float:
        """The loss of all validation images as if they were one batch, whatever batches they came in."""
        heatmap, score, consistency, other, images, points, fakes = sums.tolist()
        losses = self.recipe.losses
        fewest = 1.0 if losses.mode == "official" else images
        asked = fakes if losses.consistency_of_reals == "skip" else images
        return float(heatmap / max(points, fewest) + consistency / max(asked, 1.0) + (score + other) / images)

    def on_validation_epoch_end(self) -> None:
        """Figures over all rows of all processes."""
        pseudo, plain, losses = (self._sum_over_ranks(t).cpu() for t in (self._pseudo, self._plain, self._losses))
        if self.trainer.sanity_checking:
            return
        repeated = pseudo[2].clamp(min=1)  # a process without rows of its own takes the first one
        logits, labels, seen = (pseudo[0] / repeated).numpy(), (pseudo[1] / repeated).numpy(), pseudo[2].numpy() > 0
        if 2 * seen.sum() < len(seen):
            msg = f"{len(seen) - seen.sum()} of {len(seen)} validation images cannot be used; prepare the data again"
            raise FaceError(msg)
        _require_numbers(logits[seen], self.global_step)
        found = {"loss": self._validation_loss(losses), "unusable": float(len(seen) - seen.sum())}
        found["accuracy"] = float(np.mean((logits[seen] >= 0) == (labels[seen] >= 0.5)))
        found |= _auc("auc", logits[seen], labels[seen])
        if plain.numel():
            found |= self._video_auc((plain[0] / plain[1].clamp(min=1)).numpy(), plain[1].numpy() > 0)
        self.validation = found
        self.log_dict({f"val/{name}": value for name, value in found.items()})
        if "auc" in found:
            self.log("auc", found["auc"], prog_bar=True, logger=False)

    def _video_auc(self, logits: NDArray[np.float64], seen: NDArray[np.bool_]) -> dict[str, float]:
        """``auc_fakes`` over videos; a video's score is the mean of its frames' logits, under its own id."""
        scores: dict[str, list[float]] = {}
        labels: dict[str, Label] = {}
        for (video, _), value, is_there in zip(self.data.plain.rows, logits, seen, strict=True):
            if is_there:
                scores.setdefault(video.video_id, []).append(float(value))
                labels[video.video_id] = video.label
        means = np.array([np.mean(values) for values in scores.values()])
        return _auc("auc_fakes", means, np.array([int(labels[name]) for name in scores], dtype=np.float64))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where the run stands; plain values, so that the file can be read with ``weights_only=True``."""
        checkpoint[STATE] = {"batches_done": self.batches_done, "replaced": self.replaced}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.batches_done = int(checkpoint[STATE]["batches_done"])
        self.replaced = int(checkpoint[STATE]["replaced"])

    def _optimizer(self) -> Optimizer:
        wrapped: Any = self.optimizers()
        inner: Optimizer = wrapped.optimizer
        return inner

    def _sum_over_ranks(self, value: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return value
        summed: Tensor = self.trainer.strategy.reduce(value.clone(), reduce_op="sum")
        return summed

    def _note(self, problems: tuple[str, ...]) -> None:
        """Name pictures that had to be replaced, the first ones, and count all."""
        for text in problems:
            self.replaced += 1
            if text not in self._named and len(self._named) < _SHOWN:
                self._named.add(text)
                _LOG.warning("another picture was taken instead of %s", text)


def _require_numbers(values: NDArray[np.float64], step: int) -> None:
    """Stop before a network that has come apart is kept as the last checkpoint.

    Raises:
        ConfigError: If a value is infinite or NaN.
    """
    if not np.isfinite(values).all():
        msg = (
            f"the network gives no numbers any more at step {step}: training has diverged; take a smaller "
            "learning_rate, or --precision f32, in a new --run"
        )
        raise ConfigError(msg)


def _auc(name: str, scores: NDArray[np.float64], labels: NDArray[np.float64]) -> dict[str, float]:
    """The AUC under its name, or nothing where one class is missing."""
    if len(set(labels.tolist())) < 2:
        return {}
    return {name: float(roc_auc(scores, labels.astype(np.int64)))}
