"""A small model that says what was altered in a face: made, trained, merged and measured, step by step.

Steps that are done are not done again, and the training goes on where it was interrupted, so the same command may be
given until it ends.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from facewitness.detectors.laa_net.lite.weights import load_lite
from facewitness.errors import ConfigError
from facewitness.evaluation.explained import Answering, ExplainedReport, examine
from facewitness.language.llava_answers import load_llava
from facewitness.language.llava_merge import merge
from facewitness.language.llava_recipe import LlavaRecipe
from facewitness.language.llava_weights import LlavaSettings, load_folder, save_folder
from facewitness.language.lora import read_adapter
from facewitness.language.models import Sampling
from facewitness.language.small_base import join, load_language
from facewitness.media.images import read_image
from facewitness.networks.efficientnet_lite import EfficientNetLite0, load_imagenet
from facewitness.training.explained_data import (
    CONVERSATIONS,
    ExplainedSizes,
    Fact,
    alterations_of,
    read_facts,
    real_faces,
    write_explained,
)
from facewitness.training.face_cache import FaceCache, build_cache, open_cache, read_manifest
from facewitness.training.laa_plan import LaaPlan
from facewitness.training.llava_data import batch_order
from facewitness.training.llava_plan import plan_llava
from facewitness.training.llava_run import LlavaRun, train_llava
from facewitness.training.machine import TrainingMachine
from facewitness.training.run_folder import keep_settings, put
from facewitness.whole_files import write_whole

_LOG = logging.getLogger(__name__)

IMAGENET: Final = "imagenet"
REPORT: Final = "report.json"
_SETTINGS: Final = "build.json"
_LONGEST_ANSWER: Final = 48


@dataclass(frozen=True)
class ExplainerJob:
    """What to build, and of what.

    Attributes:
        faces: A cache of faces, or a folder with ``manifest.csv`` and pictures, which is cached first.
        language: The language model: a GGUF file or a folder of transformers.
        out: Folder of everything that is made; ``out/model`` is the model.
        recipe: How it is trained.
        recipe_name: Name or file of the recipe.
        tower: ``imagenet``, or a file of LAA-Net-Lite's weights, whose backbone is taken.
        sizes: How many pictures, and of whom.
        machine: Where.
        save_every: Steps between checkpoints.
        batch: Pictures per batch when it is measured.
    """

    faces: Path
    language: Path
    out: Path
    recipe: LlavaRecipe
    recipe_name: str = ""
    tower: str = IMAGENET
    sizes: ExplainedSizes = field(default_factory=ExplainedSizes)
    machine: TrainingMachine = field(default_factory=TrainingMachine)
    save_every: int = 50
    batch: int = 8

    def __post_init__(self) -> None:
        """Refuse a recipe or a size that the model does not take.

        Raises:
            ConfigError: If the recipe wants a detector's score, or batch is below 1.
        """
        if "score_projector" in self.recipe.train:
            msg = "the small model takes no detector's score: the recipe's train must name projector and lora alone"
            raise ConfigError(msg)
        if self.batch < 1:
            msg = f"batch must be at least 1, got {self.batch}"
            raise ConfigError(msg)

    @property
    def base(self) -> Path:
        """The model before training."""
        return self.out / "base"

    @property
    def model(self) -> Path:
        """The model that answers."""
        return self.out / "model"

    @property
    def training(self) -> LlavaRun:
        """The fine-tuning."""
        return LlavaRun(
            data=self.out / "data" / CONVERSATIONS,
            run=self.out / "run",
            recipe=self.recipe,
            model=str(self.base),
            recipe_name=self.recipe_name,
            machine=self.machine,
            save_every=self.save_every,
        )


def plan_explainer(job: ExplainerJob) -> LaaPlan:
    """Count what would be done; nothing is made, and the language model is not opened.

    Where pictures and model are there from an earlier call, the plan is that of their training, memory included.

    Raises:
        ConfigError: If the faces do not serve, or the recipe's step is larger than the data.
    """
    if job.training.data.is_file() and (job.base / "config.json").is_file():
        return plan_llava(job.training)
    steps = len(batch_order(job.sizes.train, job.recipe)) // job.recipe.accumulate
    if not job.language.exists():
        msg = f"no language model at {job.language}; give a .gguf file or a folder of transformers"
        raise ConfigError(msg)
    return LaaPlan(
        (
            ("faces", _faces_words(job)),
            ("pictures", f"{job.sizes.train} to train on, {job.sizes.test} to measure with, {job.sizes.image_size} px"),
            ("language", str(job.language)),
            ("tower", f"EfficientNet-Lite0, weights: {job.tower}"),
            ("recipe", f"{job.recipe_name or 'given'}: trains {', '.join(job.recipe.train)}"),
            ("steps", f"{steps} of {job.recipe.batch_items * job.recipe.accumulate} in {job.recipe.epochs} epochs"),
            ("writes", f"{job.out}: base, data, run, model, {REPORT}"),
        )
    )


def build_explainer(job: ExplainerJob) -> ExplainedReport:
    """Do every step that is not done yet: base model, pictures, training, merge, measurement.

    Args:
        job: What to build.

    Returns:
        The measurement, which is also in ``report.json``; ``facewitness explain --model OUT/model`` asks the model.

    Raises:
        ConfigError: If the faces do not serve, or the folder was begun with other settings.
        WeightsError: If the language model or the tower's weights cannot be read.
        MissingExtraError: If a package is missing.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    if job.base.is_dir():
        keep_settings(job.base, _SETTINGS, _settings(job))
    else:
        _LOG.info("base model")
        make_base(job)
    _LOG.info("pictures")
    data = job.out / "data"
    facts = read_facts(data) if data.is_dir() else write_explained(data, _faces(job), job.sizes)
    if not job.model.is_dir():
        _LOG.info("training")
        merge_into(job, train_llava(job.training))
    _LOG.info("measurement")
    report = measure_explainer(job, facts)
    write_whole(job.out / REPORT, json.dumps(report.to_dict(), indent=2) + "\n")
    return report


def make_base(job: ExplainerJob) -> Path:
    """Convert the language model once and put the vision tower before it.

    Raises:
        WeightsError: If weights cannot be read.
        MissingExtraError: If the package for GGUF files is missing.
    """
    language, tokenizer = load_language(job.language)
    backbone = EfficientNetLite0()
    if job.tower == IMAGENET:
        load_imagenet(backbone)
    else:
        backbone = load_lite(Path(job.tower)).backbone
    recipe = job.recipe
    settings = LlavaSettings(
        recipe.template, recipe.aspect, max_length=recipe.max_length, made_by=f"{job.language.name}, tower {job.tower}"
    )
    made = join(language, tokenizer, backbone, image_size=job.sizes.image_size, settings=settings, seed=job.sizes.seed)
    half = save_folder(job.out / ".base.part", made.network, made.tokenizer, made.settings)
    write_whole(half / _SETTINGS, json.dumps(_settings(job), indent=2) + "\n")
    put(half, job.base)
    return job.base


def merge_into(job: ExplainerJob, adapter: Path) -> Path:
    """Merge the fine-tuning and write the model that answers.

    Raises:
        CheckpointError: If the fine-tuning changes nothing or would be lost.
    """
    loaded = load_folder(job.base, device="cpu", precision="f32")
    done = merge(loaded.network, read_adapter(adapter))
    _LOG.info("%s", done)
    settings = replace(loaded.settings, made_by=f"{loaded.settings.made_by}; {job.recipe_name or 'given recipe'}")
    half = job.out / ".model.part"
    put(save_folder(half, loaded.network, loaded.tokenizer, settings), job.model)
    return job.model


def measure_explainer(job: ExplainerJob, facts: list[Fact], model: Answering | None = None) -> ExplainedReport:
    """Ask the model about the people that it was not trained on.

    Args:
        job: Where pictures and model are.
        facts: What was done to the pictures.
        model: Who is asked; None asks the model of the job.
    """
    asked = model or load_llava(job.model, device=job.machine.device, sampling=Sampling(_LONGEST_ANSWER))
    tested = [fact for fact in facts if fact.part == "test"]
    return examine(
        asked,
        [read_image(job.out / "data" / fact.image).pixels for fact in tested],
        [fact.alteration for fact in tested],
        alterations_of(facts, "train"),
        identities=len({fact.identity for fact in tested}),
        batch=job.batch,
    )


def _faces(job: ExplainerJob) -> FaceCache:
    if (job.faces / "fingerprint.txt").is_file():
        return open_cache(job.faces)
    rows = [row for row in read_manifest(job.faces) if row.label == 0]
    return build_cache(job.faces, rows, job.out / "faces")


def _faces_words(job: ExplainerJob) -> str:
    if (job.faces / "fingerprint.txt").is_file():
        parts = real_faces(open_cache(job.faces), job.sizes)
        return f"{len(parts['train'])} to train on, {len(parts['test'])} of other people to measure with"
    rows = [row for row in read_manifest(job.faces) if row.label == 0]
    people = len({row.identity for row in rows})
    return f"{len(rows)} pictures of {people} people in {job.faces}, of which faces are cut out first"


def _settings(job: ExplainerJob) -> dict[str, Any]:
    """Everything that decides what comes out."""
    return {
        "faces": str(job.faces.resolve()),
        "language": str(job.language.resolve()),
        "tower": job.tower,
        "recipe": asdict(job.recipe),
        "sizes": asdict(job.sizes),
    }
