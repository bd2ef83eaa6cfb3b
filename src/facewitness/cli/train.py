"""``facewitness train``: a recipe and data in, weights out, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facewitness.cli.analyze import PrecisionChoice

if TYPE_CHECKING:
    from facewitness.detectors.laa_net.lite.config import LiteRecipe

_DEFAULT_RUN = Path("runs/lite")


def train(
    detector: Annotated[str, typer.Argument(help="What to train: laa_net.")],
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder with the recipe's data folders.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a TOML file that overrides the first.")] = "lite",
    run: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the run; begun there, it goes on.")
    ] = _DEFAULT_RUN,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Face caches, to share between runs.")] = None,
    *,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, instead of the recipe's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, gpu, mps.")] = "auto",
    precision: Annotated[PrecisionChoice, typer.Option(help="Arithmetic of the networks.")] = PrecisionChoice.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="Threads of torch; 0 takes every processor.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make batches.")] = 1,
    pretrained: Annotated[bool, typer.Option(help="Start from ImageNet weights.")] = True,
) -> None:
    """Train a detector; the same command again goes on after an interruption.

    Recipe: lite (LAA-Net-Lite, the embedded detector). Every folder of the
    recipe's data needs a manifest.csv with columns file, label, identity.
    Curves: tensorboard --logdir RUN.

    Example: facewitness train laa_net --recipe lite --data data --run runs/lite

    Example: facewitness export laa_net_lite runs/lite/best.safetensors -o lite.onnx
    """
    from facewitness.errors import ConfigError, MissingExtraError

    if detector not in ("laa_net", "laa_net_lite"):
        msg = f"detector must be laa_net (the recipe says which network), got {detector!r}"
        raise ConfigError(msg)
    chosen = _recipe(recipe, steps)
    try:
        from facewitness.training.lite_run import train_lite
        from facewitness.training.machine import TrainingMachine
    except ImportError as error:
        msg = f"training needs the torch extra ({error.name} is missing): pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    best = train_lite(
        data,
        run,
        chosen,
        cache=cache,
        pretrained=pretrained,
        machine=TrainingMachine(device, precision.value, threads, workers),
    )
    typer.echo(f"best weights: {best}")


def _recipe(name: str, steps: int | None) -> LiteRecipe:
    from dataclasses import replace

    from facewitness.config import load_toml
    from facewitness.detectors.laa_net.lite.config import LITE_RECIPES, LiteRecipe
    from facewitness.errors import ConfigError

    if name in LITE_RECIPES:
        recipe = LITE_RECIPES[name]
    elif name.endswith(".toml"):
        recipe = load_toml(LiteRecipe, Path(name))
    else:
        msg = f"--recipe must be one of {', '.join(LITE_RECIPES)} or a .toml file, got {name!r}"
        raise ConfigError(msg)
    return recipe if steps is None else replace(recipe, steps=steps)
