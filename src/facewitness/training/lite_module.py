"""LAA-Net-Lite under Lightning: optimiser, schedule, moving average, validation."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from facewitness.detectors.laa_net.lite.config import LiteRecipe
from facewitness.detectors.laa_net.lite.losses import LiteTargets, lite_loss
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.networks.efficientnet_lite import load_imagenet
from facewitness.training.lite_validation import ValidationSet, validation_metrics

_VALIDATION_BATCH = 64
_LOWEST_RATE = 0.02


class LiteTraining(LightningModule):
    """One training run.

    Args:
        recipe: How to train.
        validation: What to validate on.
        pretrained: Whether to start from ImageNet.
        start: Network to start from instead.
    """

    def __init__(
        self,
        recipe: LiteRecipe,
        validation: ValidationSet,
        *,
        pretrained: bool = True,
        start: LaaNetLite | None = None,
    ) -> None:
        super().__init__()
        self.recipe = recipe
        self.validation = validation
        self.model = LaaNetLite(recipe.network)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        elif pretrained:
            load_imagenet(self.model.backbone)
        self.model.to(memory_format=torch.channels_last)
        self.average = AveragedModel(
            self.model,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.average),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self._scores: list[Tensor] = []

    @property
    def averaged(self) -> LaaNetLite:
        """The network with averaged weights: the one that is validated and kept."""
        module = self.average.module
        if not isinstance(module, LaaNetLite):
            msg = f"expected LaaNetLite, got {type(module).__name__}"
            raise TypeError(msg)
        return module

    def training_step(self, batch: tuple[Tensor, LiteTargets], _index: int) -> Tensor:
        """Loss of one batch."""
        image, targets = batch
        output = self.model(image.contiguous(memory_format=torch.channels_last))
        parts = lite_loss(output, targets, self.recipe.losses)
        self.log_dict({f"loss/{k}": v.detach() for k, v in parts.items() if k != "total"})
        self.log("loss", parts["total"].detach(), prog_bar=True)
        return parts["total"]

    def on_train_batch_start(self, *_arguments: object) -> None:
        """Let dropout depend on the seed and the step only, as batches do: training resumes exactly."""
        torch.manual_seed((self.recipe.seed << 32) + self.global_step)

    def optimizer_step(self, *arguments: Any, **named: Any) -> None:
        """Step, then move the average, so that a checkpoint written after the step holds both."""
        super().optimizer_step(*arguments, **named)
        self.average.update_parameters(self.model)

    def configure_optimizers(self) -> Any:
        """AdamW (norms and biases without decay, the backbone slower) and a cosine with warm-up, per step."""
        recipe = self.recipe
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "lr": recipe.learning_rate * (recipe.backbone_rate if in_backbone else 1.0),
                    "weight_decay": recipe.weight_decay if decays else 0.0,
                }
                for (in_backbone, decays), parameters in groups.items()
            ]
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        recipe = self.recipe
        if step < recipe.warmup_steps:
            return (step + 1) / recipe.warmup_steps
        done = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
        return _LOWEST_RATE + (1 - _LOWEST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def val_dataloader(self) -> DataLoader[Tensor]:
        """The validation pictures, normalised."""
        processor = LiteProcessor(image_size=self.validation.images.shape[1])

        def collate(rows: list[int]) -> Tensor:
            return torch.from_numpy(processor([self.validation.images[i] for i in rows]))

        rows: Any = list(range(len(self.validation.rows)))
        return DataLoader(rows, batch_size=_VALIDATION_BATCH, collate_fn=collate)

    def validation_step(self, image: Tensor, _index: int) -> None:
        """Scores of one batch by the averaged weights."""
        output = self.averaged(image.contiguous(memory_format=torch.channels_last))
        self._scores.append(output.scores.float().cpu())

    def on_validation_epoch_end(self) -> None:
        """AUCs over the whole set."""
        scores = torch.cat(self._scores).numpy() if self._scores else np.zeros((0, 2), np.float32)
        self._scores = []
        if len(scores) != len(self.validation.rows):
            return
        metrics = validation_metrics(self.validation, scores)
        self.log_dict({f"val/{k}": v for k, v in metrics.items() if k != "score"})
        self.log("score", metrics["score"], prog_bar=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Plain values only, so that the file can be read with ``weights_only=True``."""
        checkpoint["recipe"] = asdict(self.recipe)
