"""What a run writes: its curves, the last checkpoint, the best weights."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint

from facewitness.detectors.laa_net.weights import save_model
from facewitness.training.run_folder import RowFile, put, writing
from facewitness.weights import WeightsRecord, sha256_of

_LOG = logging.getLogger(__name__)

CURVE: Final = "curve.jsonl"
VALIDATION: Final = "validation.jsonl"
LAST: Final = "last.ckpt"
BEST: Final = "best.ckpt"
BEST_WEIGHTS: Final = "best.safetensors"
LAST_WEIGHTS: Final = "last.safetensors"


def judged_by(kind: str, figures: Mapping[str, float]) -> tuple[str, float]:
    """The figure that a validation is judged by, and its value; higher is better.

    Where the wanted AUC is missing, because its videos have one label alone, the AUC of the pseudo-fakes stands in for
    it, or the loss.

    Example:
        >>> judged_by("auc_fakes", {"loss": 2.0, "auc": 0.9}), judged_by("auc", {"loss": 2.0})
        (('auc', 0.9), ('loss', -2.0))
    """
    name = next((name for name in (kind, "auc") if name in figures), "loss")
    return name, -figures["loss"] if name == "loss" else figures[name]


class BestRule:
    """Decides which validation is the best so far.

    Args:
        kind: ``auc`` and ``auc_fakes`` take the highest, as `judged_by` finds it; ``official`` asks that accuracy rises
            above and loss falls below those of the last one kept, both at once.

    Example:
        >>> rule = BestRule("official")
        >>> [rule.improves({"accuracy": a, "loss": b}) for a, b in ((0.6, 9), (0.8, 10), (0.7, 8), (0.75, 8))]
        [True, False, True, False]
    """

    def __init__(self, kind: Literal["auc", "auc_fakes", "official"]) -> None:
        self.kind = kind
        self.best = float("-inf")
        self.loss = float("inf")
        self._replaced_by = ""

    def improves(self, figures: Mapping[str, float]) -> bool:
        """Whether these figures are the best; if so they are remembered."""
        if self.kind == "official":
            value, is_better = figures["accuracy"], figures["loss"] < self.loss
        else:
            (name, value), is_better = judged_by(self.kind, figures), True
            self._say(name)
        if not (value > self.best and is_better):
            return False
        self.best, self.loss = value, figures["loss"]
        return True

    def _say(self, name: str) -> None:
        if name not in (self.kind, self._replaced_by):
            self._replaced_by = name
            _LOG.warning("validation gives no %s, as it lacks reals or fakes: the best is kept by %s", self.kind, name)


class RunKeeper(Checkpoint):
    """Writes the files of a run, so that a kill at any time loses no more than the steps since the last checkpoint.

    Args:
        run: Folder.
        rule: Which validation is the best; it has seen those of an interrupted run.
        record: Of the weights; file, hash and figures are filled in.
        batches_per_epoch: Batches after which a validation follows.
        save_every: Steps between checkpoints inside an epoch.
        on_validation: Called with the figures after each validation, on the first process.
        save: Writes the module's ``model`` as weights of its detector.
    """

    def __init__(
        self,
        run: Path,
        rule: BestRule,
        record: WeightsRecord,
        *,
        batches_per_epoch: int,
        save_every: int,
        on_validation: Any = None,
        save: Callable[[Any, Path], None] = save_model,
    ) -> None:
        self.run, self.rule, self.record = run, rule, record
        self.batches_per_epoch, self.save_every = batches_per_epoch, save_every
        self.on_validation, self.save = on_validation, save
        self._curve, self._validation = RowFile(run / CURVE), RowFile(run / VALIDATION)
        self._written = -1

    def go_on_from(self, step: int, *, is_first_process: bool) -> None:
        """Forget what came after the last checkpoint, and remember what was best before."""
        if is_first_process:
            self._curve.cut_after(step)
            self._validation.cut_after(step)
        for row in self._validation.rows():
            if int(row["step"]) <= step:
                self.rule.improves(row)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_arguments: Any) -> None:
        """One row per step; a checkpoint now and then, but not where the validation writes one."""
        step = trainer.global_step
        if int(pl_module.last_step.get("step", -1)) != step or step == self._written:
            return
        self._written = step
        if trainer.is_global_zero:
            self._curve.add(pl_module.last_step)
        if step % self.save_every == 0 and pl_module.batches_done % self.batches_per_epoch:
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """One row per validation, the weights, the checkpoint."""
        if trainer.sanity_checking:
            return
        figures = pl_module.validation
        epoch = pl_module.batches_done // self.batches_per_epoch - 1
        row = {"step": trainer.global_step, "epoch": epoch, **figures, "replaced": pl_module.replaced}
        is_best = self.rule.improves(figures)
        if trainer.is_global_zero:
            self._validation.add(row)
        self._weights(trainer, pl_module, LAST_WEIGHTS, row)
        if is_best:
            self._weights(trainer, pl_module, BEST_WEIGHTS, row)
        self._save(trainer, is_best=is_best)
        if self.on_validation is not None and trainer.is_global_zero:
            self.on_validation(epoch, figures)

    def _save(self, trainer: Trainer, *, is_best: bool = False) -> None:
        """The whole state, put in place at once; sharded strategies write folders."""
        part = self.run / f"{LAST}.part"
        with writing(part):
            trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            put(part, self.run / LAST)
            if is_best:
                copy = self.run / f"{BEST}.part"
                _copy(self.run / LAST, copy)
                put(copy, self.run / BEST)
        trainer.strategy.barrier("checkpoint")

    def _weights(self, trainer: Trainer, module: Any, name: str, row: Mapping[str, Any]) -> None:
        """The network alone, as safetensors with its record: what ``analyze --weights`` takes."""
        with _whole(trainer, module):
            if not trainer.is_global_zero:
                return
            path = self.run / name
            with writing(path):
                self.save(module.model, path)
        record = replace(self.record, file=name, sha256=sha256_of(path), metrics={"validation": dict(row)})
        record.write(path.with_suffix(".json"))


def _whole(trainer: Trainer, module: Any) -> Any:
    """Makes every parameter whole while the weights are written; only FSDP splits them."""
    from contextlib import nullcontext

    from lightning.pytorch.strategies import FSDPStrategy

    if not isinstance(trainer.strategy, FSDPStrategy):
        return nullcontext()
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel.summon_full_params(module, writeback=False, rank0_only=False)


def _copy(source: Path, target: Path) -> None:
    """A second name for the file, which is only ever replaced, never written to; a copy where links do not work."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
        return
    target.unlink(missing_ok=True)
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copy2(source, target)
