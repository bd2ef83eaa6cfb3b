"""Fine-tune a LLaVA-type model from conversations, or go on where a run was interrupted: M2F2-Det's stages 2 and 3."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Checkpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from facewitness.detectors.m2f2_det.explainer import detector_of, judge
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.errors import ConfigError, MissingExtraError
from facewitness.language.llava_files import LlavaPrecision, Quantisation
from facewitness.language.llava_recipe import LlavaRecipe
from facewitness.language.llava_weights import LoadedLlava, load_folder
from facewitness.language.lora import AdapterNote, save_adapter, trained_state
from facewitness.runtime import default_threads
from facewitness.training.llava_data import ConversationBatches, ConversationItem, ConversationSet, batch_order
from facewitness.training.llava_module import STATE, Judge, LlavaTraining
from facewitness.training.machine import TrainingMachine, keep_memory, quiet
from facewitness.training.run_folder import RowFile, keep_settings, put

_LOG = logging.getLogger(__name__)

ADAPTER: Final = "adapter"
LAST: Final = "last.ckpt"
CURVE: Final = "curve.jsonl"
_SETTINGS: Final = "run.json"


@dataclass(frozen=True)
class LlavaRun:
    """What to fine-tune, on what, and how often to save.

    Attributes:
        data: File of conversations.
        run: Folder of the run.
        recipe: How.
        model: Folder or hub id of the model to start from.
        images: Folder of the pictures; None is that of the file.
        detector: File of M2F2-Det's cosine detector; None takes the one in the model's folder, if any.
        recipe_name: Name or file of the recipe.
        machine: Where. A strategy of Lightning such as ``deepspeed_stage_2`` or ``deepspeed_stage_3`` shards.
        precision: Of the frozen weights; what is trained is float32.
        quantisation: Of the frozen language model, 8 or 4 bits; only with LoRA.
        save_every: Steps between checkpoints.
    """

    data: Path
    run: Path
    recipe: LlavaRecipe
    model: str
    images: Path | None = None
    detector: Path | None = None
    recipe_name: str = ""
    machine: TrainingMachine = field(default_factory=TrainingMachine)
    precision: LlavaPrecision = "auto"
    quantisation: Quantisation = "none"
    save_every: int = 100

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: If they do not go together.
            MissingExtraError: If DeepSpeed is asked for and not installed.
        """
        if self.save_every < 1 or self.machine.processes < 1:
            msg = "save_every, devices and num_nodes must be at least 1"
            raise ConfigError(msg)
        if "deepspeed" in self.machine.strategy and find_spec("deepspeed") is None:
            msg = f"strategy {self.machine.strategy} needs DeepSpeed: pip install deepspeed"
            raise MissingExtraError(msg)
        if not self.model:
            msg = "fine-tuning needs a model to start from: give a folder or a hub id as --init"
            raise ConfigError(msg)

    def load(self) -> tuple[LoadedLlava, M2F2Det | None]:
        """The model, and the detector if the recipe or the model wants its token.

        Raises:
            ConfigError: If the detector is missing.
        """
        device = "cpu" if self.machine.processes > 1 else self.machine.device
        loaded = load_folder(self.model, device=device, precision=self.precision, quantisation=self.quantisation)
        wants = "score_projector" in self.recipe.train or loaded.network.score_projector is not None
        if not wants:
            return loaded, None
        return loaded, detector_of(loaded, self.model, self.detector)


def train_llava(job: LlavaRun) -> Path:
    """Fine-tune, or go on where the run in the folder was interrupted, with the same numbers as without interruption.

    Args:
        job: What, on what, where.

    Returns:
        The folder of what was trained, ``adapter`` (see `facewitness.language.lora`), to be merged with
        ``facewitness merge``; beside it ``last.ckpt``, ``curve.jsonl`` (one row per step) and TensorBoard's curves.

    Raises:
        ConfigError: If data, model and detector do not serve, or the run was begun with other settings.
    """
    recipe, machine, run = job.recipe, job.machine, job.run
    rows = ConversationSet.open(job.data, job.images)
    order = batch_order(len(rows.rows), recipe, machine.processes)
    run.mkdir(parents=True, exist_ok=True)
    keep_settings(run, _SETTINGS, _settings(job, len(rows.rows)))
    keep_memory()
    torch.set_num_threads(machine.threads or default_threads())
    loaded, detector = job.load()
    resume = run / LAST
    done = _batches_done(resume)
    steps = len(order) // recipe.accumulate
    module = LlavaTraining(
        loaded.network, recipe, steps, judge=judge_of(loaded, detector) if detector else None, detector=detector
    )
    note = AdapterNote(
        job.model,
        str(job.detector or ""),
        recipe.template,
        recipe.aspect,
        f"{job.recipe_name or 'given'}, {job.data.name}",
    )
    writes = True
    if done < len(order):
        trainer = _fit(job, module, _loader(job, rows, loaded, order=order, first=done))
        writes = trainer.is_global_zero
    elif resume.is_file():
        module.load_state_dict(torch.load(resume, map_location="cpu", weights_only=True)["state_dict"], strict=False)
    with whole(module):
        if writes:
            save_adapter(run / ADAPTER, module.network, recipe, note)
    return run / ADAPTER


def judge_of(loaded: LoadedLlava, detector: M2F2Det) -> Judge:
    """The detector as training asks it."""

    def of(images: Any, seen: Any) -> torch.Tensor:
        return judge(loaded.network, detector, images, seen).probabilities

    return of


def whole(module: LlavaTraining) -> AbstractContextManager[Any]:
    """Makes parameters that DeepSpeed's stage 3 spread over processes whole."""
    spread = [value for value in trained_state(module.network).values() if hasattr(value, "ds_id")]
    if not spread:
        return nullcontext()
    zero: Any = import_module("deepspeed").zero
    gathered: AbstractContextManager[Any] = zero.GatheredParameters(spread)
    return gathered


def _fit(job: LlavaRun, module: LlavaTraining, loader: Any) -> Trainer:
    machine, recipe = job.machine, job.recipe
    checkpoint = job.run / LAST
    keeper = _Keeper(job.run, job.save_every, module.steps)
    strategy = "ddp" if machine.strategy == "auto" and machine.processes > 1 else machine.strategy
    with quiet():
        trainer = Trainer(
            accelerator=machine.device,
            devices=machine.devices,
            num_nodes=machine.num_nodes,
            strategy=strategy,
            precision=machine.lightning_precision,
            max_epochs=1,  # the loader goes through all epochs of the recipe
            accumulate_grad_batches=recipe.accumulate,
            gradient_clip_val=recipe.clip_norm or None,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            use_distributed_sampler=False,
            logger=TensorBoardLogger(job.run, name="", version="curves"),
            callbacks=[keeper, *([TQDMProgressBar(refresh_rate=10)] if machine.progress else [])],
            enable_progress_bar=machine.progress,
            enable_model_summary=False,
        )
        resume = str(checkpoint) if checkpoint.exists() else None
        trainer.fit(module, loader, ckpt_path=resume, weights_only=True)
    return trainer


def _loader(job: LlavaRun, rows: ConversationSet, loaded: LoadedLlava, *, order: Any, first: int) -> Any:
    deepfake = loaded.network.score_projector is not None  # made by now where the recipe trains one

    def item(index: int) -> ConversationItem:
        return rows.item(index, job.recipe, loaded.tokenizer, deepfake=deepfake)

    batches = ConversationBatches(item, order, first=first, processes=job.machine.processes)
    workers = job.machine.workers
    return DataLoader(batches, batch_size=None, num_workers=workers, prefetch_factor=2 if workers else None)


class _Keeper(Checkpoint):
    """Writes the curve and, now and then, the state of what is trained."""

    def __init__(self, run: Path, every: int, steps: int) -> None:
        self.run, self.every, self.steps = run, every, steps
        self._curve = RowFile(run / CURVE)
        self._written = -1

    def on_train_start(self, trainer: Trainer, _module: Any) -> None:
        """Forget what came after the last checkpoint."""
        if trainer.is_global_zero:
            self._curve.cut_after(trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_arguments: Any) -> None:
        """One row per step; a checkpoint now and then and at the end."""
        step = trainer.global_step
        if int(pl_module.last_step.get("step", -1)) != step or step == self._written:
            return
        self._written = step
        if trainer.is_global_zero:
            self._curve.add(pl_module.last_step)
        if step % self.every == 0 or step == self.steps:
            part = self.run / f"{LAST}.part"
            trainer.save_checkpoint(part)
            if trainer.is_global_zero:
                put(part, self.run / LAST)
            trainer.strategy.barrier("checkpoint")


def _settings(job: LlavaRun, count: int) -> dict[str, Any]:
    """Everything that decides the curve."""
    return {
        "recipe": asdict(job.recipe),
        "data": job.data.name,
        "conversations": count,
        "model": job.model,
        "detector": str(job.detector or ""),
        "processes": job.machine.processes,
        "quantisation": job.quantisation,
    }


def _batches_done(checkpoint: Path) -> int:
    if checkpoint.is_dir():
        msg = f"{checkpoint} is a sharded checkpoint, from which runs are not resumed; train with --strategy ddp"
        raise ConfigError(msg)
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)[STATE]["batches_done"])
