"""What ``facewitness train m2f2_det`` does with the recipes of its language model: stages 2 and 3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facewitness.cli.training_run import say_once
from facewitness.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from facewitness.cli.training_run import TrainingRequest
    from facewitness.training.llava_run import LlavaRun
    from facewitness.training.machine import TrainingMachine

SYSTEM = "m2f2_det"


def is_llava_recipe(name: str, data: Path) -> bool:
    """Whether a recipe fine-tunes a language model: by its name, or a file for a file of conversations."""
    from facewitness.language.llava_recipe import llava_recipe_names

    return name in llava_recipe_names(SYSTEM) or (name.endswith(".toml") and data.suffix == ".json")


def train_language(request: TrainingRequest, machine: TrainingMachine) -> None:
    """Fine-tune, or print the plan.

    Raises:
        ConfigError: If options, data or models do not serve.
        MissingExtraError: Without the torch extra.
    """
    job = _job(request, machine)
    if request.dry_run:
        from facewitness.training.llava_plan import plan_llava

        typer.echo(str(plan_llava(job)))
        return
    from facewitness.training.llava_run import train_llava

    folder = train_llava(job)
    say_once(f"fine-tuning: {folder}; next: facewitness merge {folder} --out MODEL")


def _job(request: TrainingRequest, machine: TrainingMachine) -> LlavaRun:
    from facewitness.language.llava_recipe import load_llava_recipe

    request.refuse(("steps", "cache", "pretrained"), "it is an option of recipe lite")
    if request.init is None:
        msg = "stages 2 and 3 start from a model: give its folder or hub id as --init (stage 3: merged stage 2)"
        raise ConfigError(msg)
    changes = request.changes()
    changes += [f"accumulate={request.accumulate}"] if request.accumulate != 1 else []
    try:
        from facewitness.training.llava_run import LlavaRun
    except ImportError as error:
        msg = f"training needs the torch extra ({error.name} is missing): pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    return LlavaRun(
        data=request.data,
        run=request.run or Path("runs") / f"{SYSTEM}-{Path(request.recipe).stem}",
        recipe=load_llava_recipe(SYSTEM, request.recipe, changes),
        model=str(request.init),
        images=request.images,
        detector=request.detector_weights,
        recipe_name=request.recipe,
        machine=machine,
        quantisation=request.quantisation,
        save_every=request.save_every,
    )
