"""Stage 1 of M2F2-Det under Lightning: what is frozen, steps, validation, what a checkpoint remembers."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau

from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recipe import Stage1Recipe
from facewitness.errors import FaceError
from facewitness.evaluation.metrics import average_precision, roc_auc
from facewitness.training.m2f2_data import M2F2Batch, M2F2Data
from facewitness.training.machine import widest_float

_LOG = logging.getLogger(__name__)

STATE: Final = "m2f2_det_run"
"""Where the checkpoint keeps what this module adds."""

_SHOWN: Final = 20
"""Bad pictures that are named before the rest is only counted."""


def freeze_towers(model: M2F2Det) -> list[str]:
    """Leave CLIP's two towers out of the training, as the authors do; the learned prompts are trained.

    Returns:
        Names of the parameters that are trained.
    """
    for name, parameter in model.named_parameters():
        is_tower = name.startswith(("clip.", "prompts.")) and name != "prompts.prompt"
        parameter.requires_grad_(not is_tower)
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def make_optimizer(model: M2F2Det, recipe: Stage1Recipe) -> torch.optim.Adam:
    """Adam over what is trained, the text gate with a rate of its own."""
    others = [p for n, p in model.named_parameters() if p.requires_grad and n != "text_gate"]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": [model.text_gate], "lr": recipe.text_gate_rate}]
    return torch.optim.Adam(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


class M2F2Training(LightningModule):
    """One training run.

    Args:
        model: The network; its towers are frozen.
        recipe: How.
        data: Where labels and validation rows are known.
        accumulate: Batches per step.
    """

    def __init__(self, model: M2F2Det, recipe: Stage1Recipe, data: M2F2Data, *, accumulate: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model, self.recipe, self.data, self.accumulate = model, recipe, data, accumulate
        freeze_towers(model)
        self.processor = recipe.processor()
        self.register_buffer("class_weights", _class_weights(recipe, data), persistent=False)
        self.batches_done = self.replaced = 0
        self.last_step: dict[str, float] = {}
        self.validation: dict[str, float] = {}
        self._waiting: list[float] = []
        self._named: set[str] = set()
        self._rows = torch.zeros(0)

    def configure_optimizers(self) -> Any:
        """Adam, and a rate that falls when the validation loss does not."""
        optimizer = make_optimizer(self.model, self.recipe)
        recipe = self.recipe
        scheduler = ReduceLROnPlateau(
            optimizer,
            "min",
            factor=recipe.plateau_factor,
            patience=recipe.plateau_patience,
            cooldown=recipe.plateau_cooldown,
            min_lr=recipe.lowest_rate,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "monitor": "val/loss"}}

    def training_step(self, batch: M2F2Batch, _index: int) -> None:
        """One batch forward and backward; a step when enough batches are in."""
        if not self._waiting:
            self._optimizer().zero_grad()
        self.batches_done += 1
        self._note(batch.problems)
        # Dropout and the like draw from here, so that a run that goes on draws what it would have drawn.
        torch.manual_seed(hash((self.recipe.seed, self.batches_done, self.global_rank)) % 2**31)
        loss = functional.cross_entropy(self._logits(batch), batch.labels, weight=self._weights())
        self.manual_backward(loss / self.accumulate)
        self._waiting.append(float(loss.detach()))
        if len(self._waiting) < self.accumulate:
            return
        step, optimizer = self.global_step, self._optimizer()
        optimizer.step()
        mean, self._waiting = sum(self._waiting) / len(self._waiting), []
        rate = float(optimizer.param_groups[0]["lr"])
        self.last_step = {"step": step + 1, "epoch": batch.epoch, "rate": rate, "loss": mean}
        self.log("train/loss", mean, batch_size=1)
        self.log("loss", mean, prog_bar=True, logger=False, batch_size=1)

    def on_validation_epoch_start(self) -> None:
        """Make room for the logit, label and loss of every row; each process fills in its own."""
        self._rows = torch.zeros(4, len(self.data.validation), device=self.device, dtype=widest_float(self.device))

    def validation_step(self, batch: M2F2Batch, _index: int) -> None:
        """Logits and losses of one batch."""
        self._note(batch.problems)
        if not len(batch.index):
            return
        logits = self._logits(batch).float()
        losses = functional.cross_entropy(logits, batch.labels, reduction="none")
        values = (logits[:, 1] - logits[:, 0], batch.labels, losses, torch.ones_like(losses))
        self._rows[:, batch.index] = torch.stack([v.to(self._rows.dtype) for v in values])

    def on_validation_epoch_end(self) -> None:
        """Figures over all rows of all processes; the rate follows the loss."""
        rows = self._sum_over_ranks(self._rows).cpu()
        if self.trainer.sanity_checking:
            return
        seen = rows[3] > 0
        if 2 * int(seen.sum()) < len(seen):
            msg = f"{int((~seen).sum())} of {len(seen)} validation faces cannot be read; prepare the data again"
            raise FaceError(msg)
        logits, labels, losses = (rows[:3, seen] / rows[3, seen]).numpy()
        found = {"loss": float(losses.mean()), "unusable": float((~seen).sum())}
        found["accuracy"] = float(np.mean((logits >= 0) == (labels >= 0.5)))
        both = 0 < labels.sum() < len(labels)
        if both:
            found["auc"] = float(roc_auc(logits, labels.astype(np.int64)))
            found["ap"] = float(average_precision(logits, labels.astype(np.int64)))
        self.validation = found
        self.log_dict({f"val/{name}": value for name, value in found.items()})
        if both:
            self.log("auc", found["auc"], prog_bar=True, logger=False)
        scheduler: Any = self.lr_schedulers()
        scheduler.step(found["loss"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where the run stands; plain values, so that the file can be read with ``weights_only=True``."""
        checkpoint[STATE] = {"batches_done": self.batches_done, "replaced": self.replaced}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting from there."""
        self.batches_done = int(checkpoint[STATE]["batches_done"])
        self.replaced = int(checkpoint[STATE]["replaced"])

    def _logits(self, batch: M2F2Batch) -> Tensor:
        logits: Tensor = self.model(self.processor.normalise(batch.images)).logits
        return logits

    def _weights(self) -> Tensor | None:
        weights: Any = self.class_weights
        return weights if self.recipe.balance else None

    def _optimizer(self) -> Any:
        return self.optimizers()

    def _sum_over_ranks(self, value: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return value
        summed: Tensor = self.trainer.strategy.reduce(value.clone(), reduce_op="sum")
        return summed

    def _note(self, problems: tuple[str, ...]) -> None:
        """Name faces that had to be replaced, the first ones, and count all."""
        for text in problems:
            self.replaced += 1
            if text not in self._named and len(self._named) < _SHOWN:
                self._named.add(text)
                _LOG.warning("another face was taken instead of %s", text)


def _class_weights(recipe: Stage1Recipe, data: M2F2Data) -> Tensor:
    """Weights under which both classes count alike, however many videos each has; their mean over videos is 1."""
    labels = torch.tensor([int(clip.record.label) for clip in data.clips.train])
    counts = torch.bincount(labels, minlength=2).float()
    return len(labels) / (2 * counts) if recipe.balance else torch.ones(2)
