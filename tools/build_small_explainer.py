"""Build a small model that says what was altered in a face: ``python tools/build_small_explainer.py --help``.

One command from a folder of real faces and a small language model to a folder for ``facewitness explain --model``: it
converts, makes pictures and questions, trains, merges, and measures on people that it was not trained on. Given again
after an interruption it goes on; ``--dry-run`` only counts. Exit code 1 when something does not serve.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from facewitness.errors import FacewitnessError
from facewitness.language.llava_recipe import llava_recipe_names, load_llava_recipe
from facewitness.training.explained_data import ExplainedSizes
from facewitness.training.machine import TrainingMachine
from facewitness.training.small_explainer import IMAGENET, ExplainerJob, build_explainer, plan_explainer

SYSTEM = "small_explainer"
RECIPE = "explain"


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="build_small_explainer", description=(__doc__ or "").splitlines()[0])
    sizes = ExplainedSizes()
    made.add_argument("--faces", type=Path, required=True, help="face cache, or folder with manifest.csv and pictures")
    made.add_argument("--language", type=Path, required=True, help="a .gguf file, or a folder of transformers")
    made.add_argument("--run", type=Path, required=True, help="folder for everything; RUN/model is the model")
    names = ", ".join(llava_recipe_names(SYSTEM))
    made.add_argument("--recipe", default=RECIPE, help=f"{names}, or a .toml file")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the recipe")
    made.add_argument("--tower", default=IMAGENET, help="imagenet, or weights of laa_net_lite (.safetensors)")
    made.add_argument("--train", type=int, default=sizes.train, help="pictures to train on")
    made.add_argument("--test", type=int, default=sizes.test, help="pictures to measure with")
    made.add_argument("--held-out", type=float, default=sizes.held_out, help="share of people to measure with")
    made.add_argument("--image-size", type=int, default=sizes.image_size, help="pixels, a multiple of 32")
    made.add_argument("--seed", type=int, default=sizes.seed, help="of pictures, words and the new projector")
    made.add_argument("--device", default="cpu", help="cpu, gpu, mps")
    made.add_argument("--threads", type=int, default=0, help="0 takes every processor")
    made.add_argument("--save-every", type=int, default=50, help="steps between checkpoints")
    made.add_argument("--no-progress", action="store_true", help="no progress bar")
    made.add_argument("--dry-run", action="store_true", help="count and stop")
    return made


def job_of(options: argparse.Namespace) -> ExplainerJob:
    """What the options ask for.

    Raises:
        ConfigError: If a value is out of range or there is no such recipe.
    """
    return ExplainerJob(
        faces=options.faces,
        language=options.language,
        out=options.run,
        recipe=load_llava_recipe(SYSTEM, options.recipe, options.set),
        recipe_name=options.recipe,
        tower=options.tower,
        sizes=ExplainedSizes(options.train, options.test, options.held_out, options.image_size, options.seed),
        machine=TrainingMachine(
            device=options.device, threads=options.threads, workers=0, progress=not options.no_progress
        ),
        save_every=options.save_every,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("facewitness").setLevel(logging.INFO)
    try:
        job = job_of(options)
        if options.dry_run:
            sys.stdout.write(f"{plan_explainer(job)}\n")
            return 0
        report = build_explainer(job)
    except (FacewitnessError, OSError) as error:
        sys.stderr.write(f"build_small_explainer: {error}\n")
        return 1
    sys.stdout.write(f"{report}\nmodel: {job.model}; ask it: facewitness explain PICTURE --model {job.model}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
