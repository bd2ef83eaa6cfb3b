"""What ``facewitness train`` and ``facewitness tune`` do once their options are read."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typer

from facewitness.cli.analyze import PrecisionChoice
from facewitness.datasets.prepared import SETTINGS_FILE
from facewitness.errors import ConfigError, MissingExtraError

Quantisation = Literal["none", "8bit", "4bit"]

if TYPE_CHECKING:
    from facewitness.detectors.laa_net.lite.config import LiteRecipe
    from facewitness.detectors.laa_net.recipe import TrainingRecipe
    from facewitness.training.laa_run import LaaRun
    from facewitness.training.machine import TrainingMachine

_LITE: Final = "lite"
_M2F2: Final = "m2f2_det"


@dataclass(frozen=True)
class TrainingRequest:
    """The options of ``facewitness train``; the defaults are those of its command line."""

    detector: str
    data: Path
    recipe: str = _LITE
    run: Path | None = None
    epochs: int | None = None
    batch: int | None = None
    overrides: list[str] | None = None
    init: Path | None = None
    accumulate: int = 1
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    save_every: int = 200
    dry_run: bool = False
    cache: Path | None = None
    steps: int | None = None
    device: str = "auto"
    precision: PrecisionChoice = PrecisionChoice.AUTO
    threads: int = 0
    workers: int = 1
    pretrained: bool = True
    progress: bool = True
    images: Path | None = None
    detector_weights: Path | None = None
    quantisation: Quantisation = "none"

    @property
    def is_lite(self) -> bool:
        """Whether the recipe is one of the embedded detector; a TOML file is what its data are."""
        if self.recipe.endswith(".toml"):
            return not (self.data / SETTINGS_FILE).is_file()
        return self.recipe == _LITE or self.detector == "laa_net_lite"

    def changes(self) -> list[str]:
        """What is changed in the recipe, ``key=value`` each."""
        found = list(self.overrides or [])
        found += [f"epochs={self.epochs}"] if self.epochs else []
        return [*found, f"batch_items={self.batch}"] if self.batch else found

    def refuse(self, names: tuple[str, ...], why: str) -> None:
        """Stop if one of these options was given.

        Raises:
            ConfigError: Naming the first.
        """
        defaults = {f.name: f.default for f in fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                shown = {"overrides": "set", "pretrained": "no-pretrained"}.get(name, name).replace("_", "-")
                msg = f"--{shown} does not go with recipe {self.recipe!r}: {why}"
                raise ConfigError(msg)


@dataclass(frozen=True)
class TuningRequest:
    """The options of ``facewitness tune``: those of a training, the search's file, its trials, space and kind."""

    training: TrainingRequest
    study: Path
    trials: int
    space: Path | None = None
    grid: bool = False


def run_training(request: TrainingRequest) -> None:
    """Train, or print the plan.

    Raises:
        ConfigError: If options or data do not serve.
        MissingExtraError: Without the torch extra.
    """
    from facewitness.cli.llava_training import SYSTEM, is_llava_recipe, train_language

    if request.detector == SYSTEM and is_llava_recipe(request.recipe, request.data):
        train_language(request, _machine(request))
        return
    if request.detector == _M2F2:
        _train_m2f2(request)
        return
    if request.detector not in ("laa_net", "laa_net_lite"):
        msg = f"detector must be laa_net or m2f2_det (the recipe says which network), got {request.detector!r}"
        raise ConfigError(msg)
    if request.is_lite:
        _train_lite(request)
        return
    job = _laa_job(request)
    if request.dry_run:
        from facewitness.training.laa_plan import plan_laa

        typer.echo(str(plan_laa(job)))
        return
    from facewitness.training.laa_run import train_laa

    say_once(f"best weights: {train_laa(job)}")


def run_tuning(request: TuningRequest) -> None:
    """Search and print the best values as JSON.

    Raises:
        ConfigError: If options or data do not serve, or no trial finished.
        MissingExtraError: Without the torch extra.
    """
    asked = request.training
    if asked.detector != "laa_net" or asked.is_lite:
        msg = f"only the recipes of laa_net on prepared data are tuned, got {asked.detector} with {asked.recipe!r}"
        raise ConfigError(msg)
    job = _laa_job(asked)
    try:
        from facewitness.training.laa_tune import DEFAULT_SPACE, Study, read_space, tune_laa
    except ImportError as error:
        raise _no_torch(error) from error
    space = read_space(request.space) if request.space else DEFAULT_SPACE

    def make(overrides: list[str]) -> TrainingRecipe:
        return _laa_recipe(asked.recipe, [*asked.changes(), *overrides])

    found = tune_laa(job, Study(request.study, request.trials, space, request.grid), make)
    typer.echo(json.dumps(found, indent=2))


def _laa_job(request: TrainingRequest) -> LaaRun:
    """The run that the options describe."""
    request.refuse(("steps", "cache", "pretrained"), "it is an option of recipe lite; see --epochs, --init")
    chosen = _laa_recipe(request.recipe, request.changes())
    try:
        from facewitness.training.laa_run import LaaRun
    except ImportError as error:
        raise _no_torch(error) from error
    _log()
    return LaaRun(
        data=request.data,
        run=request.run or Path("runs") / f"laa_net-{Path(request.recipe).stem}",
        recipe=chosen,
        recipe_name=request.recipe,
        machine=_machine(request),
        accumulate=request.accumulate,
        init=request.init,
        save_every=request.save_every,
    )


def _laa_recipe(name: str, overrides: list[str]) -> TrainingRecipe:
    """A recipe of LAA-Net by name or file; remarks on the authors' files go to standard error."""
    from facewitness.detectors.laa_net.recipe import load_recipe, recipe_names, recipe_with

    if name.endswith((".yaml", ".yml")):
        from dataclasses import asdict

        from facewitness.detectors.laa_net.official_yaml import read_official_yaml

        recipe, remarks = read_official_yaml(Path(name))
        for remark in remarks:
            typer.echo(f"{name}: {remark}", err=True)
        values = {**asdict(recipe), "network": vars(recipe.network)}
        return recipe_with(values, overrides, where=name) if overrides else recipe
    if name not in recipe_names() and not name.endswith(".toml"):
        known = ", ".join((_LITE, *recipe_names()))
        msg = f"--recipe must be one of {known} or a .toml file, got {name!r}"
        raise ConfigError(msg)
    return load_recipe(name, overrides)


def _train_m2f2(request: TrainingRequest) -> None:
    """Train stage 1 of M2F2-Det, or print the plan."""
    from facewitness.detectors.m2f2_det.recipe import load_recipe

    request.refuse(("steps", "cache", "pretrained"), "it is an option of recipe lite; see --epochs, --init")
    chosen = load_recipe("stage1" if request.recipe == _LITE else request.recipe, request.changes())
    try:
        from facewitness.training.m2f2_run import M2F2Run, plan_m2f2, train_m2f2
    except ImportError as error:
        raise _no_torch(error) from error
    _log()
    job = M2F2Run(
        data=request.data,
        run=request.run or Path("runs") / f"m2f2_det-{Path(request.recipe).stem}",
        recipe=chosen,
        recipe_name=request.recipe,
        machine=_machine(request),
        accumulate=request.accumulate,
        init=request.init,
        save_every=request.save_every,
    )
    if request.dry_run:
        typer.echo(str(plan_m2f2(job)))
        return
    say_once(f"best weights: {train_m2f2(job)}")


def say_once(line: str) -> None:
    """Print a line; of several processes only the first one does."""
    if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0:
        typer.echo(line)


def _train_lite(request: TrainingRequest) -> None:
    refused = ("epochs", "batch", "overrides", "accumulate", "devices", "num_nodes", "strategy", "save_every")
    request.refuse((*refused, "dry_run"), "it is an option of the recipes sbi, bi and their like")
    chosen = _lite_recipe(request.recipe, request.steps)
    try:
        from facewitness.training.lite_run import train_lite
    except ImportError as error:
        raise _no_torch(error) from error
    _log()
    best = train_lite(
        request.data,
        request.run or Path("runs/lite"),
        chosen,
        cache=request.cache,
        pretrained=request.pretrained,
        init=() if request.init is None else (request.init,),
        machine=_machine(request),
    )
    typer.echo(f"best weights: {best}")


def _lite_recipe(name: str, steps: int | None) -> LiteRecipe:
    from facewitness.config import load_toml
    from facewitness.detectors.laa_net.lite.config import LITE_RECIPES, LiteRecipe

    if name not in LITE_RECIPES and not name.endswith(".toml"):
        msg = f"--recipe must be one of {', '.join(LITE_RECIPES)} or a .toml file, got {name!r}"
        raise ConfigError(msg)
    recipe = LITE_RECIPES[name] if name in LITE_RECIPES else load_toml(LiteRecipe, Path(name))
    return recipe if steps is None else replace(recipe, steps=steps)


def _machine(request: TrainingRequest) -> TrainingMachine:
    from facewitness.training.machine import TrainingMachine

    return TrainingMachine(
        request.device,
        request.precision.value,
        request.threads,
        request.workers,
        request.progress,
        request.devices,
        request.strategy,
        request.num_nodes,
    )


def _log() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def _no_torch(error: ImportError) -> MissingExtraError:
    msg = f"training needs the torch extra ({error.name} is missing): pip install 'facewitness[torch]'"
    return MissingExtraError(msg)
