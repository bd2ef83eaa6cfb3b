"""A LLaVA-type model that is fine-tuned: its loss, its rates, and a checkpoint of what is trained alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import LightningModule
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from facewitness.language.llava import LlavaNetwork, Seen
from facewitness.language.llava_recipe import LlavaRecipe
from facewitness.language.lora import prepare, trained_state
from facewitness.training.llava_data import ConversationItem

STATE: Final = "facewitness"
"""Under this name a checkpoint keeps how many batches are done."""

Judge = Callable[[list[NDArray[np.uint8]], Seen], Tensor]
"""``(n, 2)`` P(real), P(fake) of pictures that the vision tower has seen."""


class LlavaTraining(LightningModule):
    """Training of a model.

    Args:
        network: The model; it is frozen but for what the recipe trains.
        recipe: How.
        steps: Optimiser steps of the whole run.
        judge: The frozen detector; None for models without its token.
        detector: Its network, so that it moves to the device.
    """

    def __init__(
        self,
        network: LlavaNetwork,
        recipe: LlavaRecipe,
        steps: int,
        *,
        judge: Judge | None = None,
        detector: nn.Module | None = None,
    ) -> None:
        super().__init__()
        torch.manual_seed(recipe.seed)  # new projectors and LoRA layers
        self.tuner = [prepare(network, recipe)]  # in a list: it holds the network, which is not to be counted twice
        self.network = network
        self.detector = detector.eval().requires_grad_(requires_grad=False) if detector is not None else None
        self.recipe, self.steps, self.judge = recipe, steps, judge
        self.strict_loading = False
        self.batches_done = 0
        self.last_step: dict[str, float] = {}
        self._losses: list[float] = []
        if recipe.gradient_checkpointing:
            newer = getattr(network.core, "activation_checkpointing_enable", None)  # its name in newer versions
            (newer or network.core.gradient_checkpointing_enable)({"use_reentrant": False})

    def train(self, mode: bool = True) -> LlavaTraining:
        """As any module; vision tower and detector stay in evaluation."""
        super().train(mode)
        self.network.core.model.vision_tower.eval()
        if self.detector is not None:
            self.detector.eval()
        return self

    def training_step(self, batch: list[ConversationItem], _index: int) -> Tensor:
        """The loss of one batch."""
        torch.manual_seed(self._seed())  # dropout must not depend on when the run was interrupted
        images = [item.image for item in batch]
        seen = self.network.see(images, self.recipe.aspect)
        probabilities = None
        if self.judge is not None:
            with torch.no_grad():
                probabilities = self.judge(images, seen)
        out = self.network([item.tokens for item in batch], seen, probabilities)
        # cut off before any answer there is nothing to learn, but a gradient is due
        loss: Tensor = out.loss if out.loss is not None else out.logits.sum() * 0.0
        self._losses.append(float(loss.detach()))
        self.batches_done += 1
        if self.batches_done % self.recipe.accumulate == 0:
            rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
            mean = sum(self._losses) / len(self._losses)
            self.last_step = {"step": self.batches_done // self.recipe.accumulate, "loss": mean, "rate": rate}
            self._losses = []
        return loss

    def transfer_batch_to_device(self, batch: Any, _device: torch.device, _loader: int) -> Any:
        """Words and pictures become tensors where the model is."""
        return batch

    def configure_optimizers(self) -> Any:
        """AdamW with a rate for the projectors and one for the rest."""
        from torch.optim import AdamW

        trained = trained_state(self.network)
        projectors = [value for name, value in trained.items() if ".lora_" not in name]
        others = [value for name, value in trained.items() if ".lora_" in name]
        groups = [
            {"params": others, "lr": self.recipe.learning_rate},
            {"params": projectors, "lr": self.recipe.projector_rate},
        ]
        optimizer = AdamW([group for group in groups if group["params"]], weight_decay=self.recipe.weight_decay)
        schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, steps=self.steps, warmup=self.recipe.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Only what is trained is kept; the rest is in the model's folder."""
        kept = {f"network.{name}" for name in trained_state(self.network)}
        checkpoint["state_dict"] = {key: value for key, value in checkpoint["state_dict"].items() if key in kept}
        checkpoint[STATE] = {"batches_done": self.batches_done}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on counting."""
        self.batches_done = int(checkpoint[STATE]["batches_done"])

    def _seed(self) -> int:
        drawn = np.random.SeedSequence((self.recipe.seed, self.batches_done, self.global_rank))
        return int(drawn.generate_state(1)[0])


def warmup_cosine(step: int, *, steps: int, warmup: float) -> float:
    """Factor on the rate: a linear rise, then half a cosine to 0.

    Args:
        step: 0-based.
        steps: In all.
        warmup: Share of them that rises.

    Example:
        >>> [round(warmup_cosine(s, steps=10, warmup=0.2), 3) for s in (0, 1, 2, 6, 10)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rise = math.ceil(steps * warmup)
    if step < rise:
        return step / rise
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))
