"""One optimiser step of LAA-Net, in plain torch: both passes of SAM over all batches of the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from facewitness.detectors.laa_net.losses import LossTargets, StepCounts, laa_net_loss
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.training.laa_data import LaaBatch
from facewitness.training.machine import widest_float
from facewitness.training.sam import Sam
from facewitness.training.schedules import boosted_linear_decay

PARTS: Final = ("loss", "heatmap", "score", "consistency", "other", "correct")
"""What a step reports; ``correct`` is the share of images on the right side of 0.5, before the step."""

_MOMENTUM = 0.9


def make_optimizer(
    model: nn.Module, recipe: TrainingRecipe, sum_over_ranks: Callable[[Tensor], Tensor] | None = None
) -> Optimizer:
    """SAM around Adam, Adam or SGD over all parameters.

    Args:
        model: Whose parameters.
        recipe: Kind and values.
        sum_over_ranks: As `Sam`.
    """
    adam: Any = partial(torch.optim.Adam, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    if recipe.optimizer == "sam":
        return Sam(model.parameters(), adam, rho=recipe.rho, sum_over_ranks=sum_over_ranks)
    if recipe.optimizer == "adam":
        found: Optimizer = adam(model.parameters())
        return found
    return torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=_MOMENTUM, weight_decay=recipe.weight_decay
    )


def targets_of(batch: LaaBatch) -> LossTargets:
    """The targets of a batch as the losses take them."""
    return LossTargets(batch.heatmaps, batch.labels, batch.consistencies)


def counts_of(batches: Sequence[LaaBatch]) -> StepCounts:
    """Images, points and fakes of several batches."""
    first, *rest = [StepCounts.of(targets_of(batch)) for batch in batches]
    return sum(rest, start=first)


class LaaStep:
    """What happens to a network in one step.

    Args:
        model: The network.
        recipe: Losses, optimiser, freezing, statistics.
    """

    def __init__(self, model: LaaNet, recipe: TrainingRecipe) -> None:
        self.model = model
        self.recipe = recipe
        self.sums = torch.zeros(len(PARTS))
        self._norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
        for norm in self._norms if recipe.batch_norm_momentum else ():
            norm.momentum = recipe.batch_norm_momentum
        self.hold_statistics()

    def enter_epoch(self, epoch: int, optimizer: Optimizer) -> float:
        """Set the learning rate of an epoch, and freeze the backbone or let it go.

        Returns:
            The learning rate.
        """
        recipe = self.recipe
        rate = recipe.learning_rate * boosted_linear_decay(epoch, epochs=recipe.epochs, booster=recipe.booster)
        for group in optimizer.param_groups:
            group["lr"] = rate
        self.model.backbone.requires_grad_(epoch >= recipe.frozen_epochs)
        return rate

    def hold_statistics(self) -> None:
        """Keep running statistics still where the recipe says so; call it after every ``train()``."""
        if self.recipe.batch_norm == "frozen":
            for norm in self._norms:
                norm.eval()

    def closure(
        self,
        optimizer: Optimizer,
        batches: Sequence[LaaBatch],
        counts: StepCounts,
        *,
        seed: Sequence[int],
        backward: Callable[[Tensor], None] = torch.Tensor.backward,
    ) -> Callable[[], Tensor]:
        """A pass over all batches for ``optimizer.step``: SAM calls it twice, the others once.

        Args:
            optimizer: Whose gradients are cleared.
            batches: Of this process.
            counts: Of the whole step, other processes included.
            seed: Of dropout; the pass and the batch are added to it.
            backward: Takes the loss.

        Returns:
            The closure; after its first call `sums` holds this process's share of `PARTS`.
        """
        passes = iter(range(1 << 30))

        def once() -> Tensor:
            number = next(passes)
            optimizer.zero_grad(set_to_none=True)
            sums = torch.zeros(len(PARTS), dtype=torch.float64)
            with self._statistics(number):
                for place, batch in enumerate(batches):
                    torch.manual_seed(_mixed((*seed, number, place)))
                    loss, parts = self._loss(batch, counts)
                    backward(loss)
                    sums += parts
            if number == 0:
                self.sums = sums
            return sums[0]

        return once

    def _loss(self, batch: LaaBatch, counts: StepCounts) -> tuple[Tensor, Tensor]:
        output = self.model(batch.images.contiguous(memory_format=torch.channels_last))
        parts = laa_net_loss(
            output,
            targets_of(batch),
            self.recipe.losses,
            with_double_sigmoid=self.recipe.network.scores_twice_through_sigmoid,
            counts=counts,
        )
        logit = output.heatmap_logit.flatten(1).amax(1, keepdim=True) if output.logit is None else output.logit
        correct = (logit >= 0).eq(batch.labels >= 0.5).sum() / counts.images
        values = (parts.total, parts.heatmap, parts.score, parts.consistency, parts.other, correct)
        return parts.total, torch.stack([v.detach().to(widest_float(logit.device)) for v in values]).cpu().double()

    @contextmanager
    def _statistics(self, number: int) -> Iterator[None]:
        """In the second pass of SAM, running statistics are left alone unless the recipe has them move twice."""
        still = number > 0 and self.recipe.batch_norm == "first"
        for norm in self._norms if still else ():
            norm.track_running_stats = False
        try:
            yield
        finally:
            for norm in self._norms if still else ():
                norm.track_running_stats = True


def _mixed(numbers: Sequence[int]) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)
