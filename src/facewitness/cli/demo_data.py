"""``facewitness demo-data``: a tiny synthetic copy of a data set, in its real layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_README = """\
This is no data set. Every person, video, picture and sound in this folder is synthetic: drawn by
`facewitness demo-data {name} --seed {seed} --times {times}` in the folder layout of {title},
to try commands and to test programs.
Numbers measured on it say nothing about real forgeries. Nobody is shown; it may be used for anything.

The real set: {paper}
To be had at: {apply_at}
"""


def demo_data(
    name: Annotated[str, typer.Argument(help="Data set, as facewitness data list names it.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must be empty or not exist.")],
    seed: Annotated[int, typer.Option(help="Other seeds draw other people.")] = 0,
    times: Annotated[int, typer.Option(min=1, help="As many times more people; ffpp only.")] = 1,
) -> None:
    """Draw a tiny synthetic copy of a data set in its real folder layout.

    Faces are drawn, fakes are forged from them with true masks, and the lists are as the real set has them.

    Example: facewitness demo-data ffpp demo/FF++ --times 6
    """
    import inspect
    from importlib import import_module

    from facewitness.datasets import DATASETS
    from facewitness.datasets.demo_media import DemoMaker
    from facewitness.errors import ConfigError

    DATASETS.load(name)
    module = import_module(DATASETS.entry(name).target.partition(":")[0])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} exists and is not an empty folder; give another, nothing is overwritten"
        raise ConfigError(msg)
    larger = {} if times == 1 else {"times": times}
    if larger and "times" not in inspect.signature(module.make_demo).parameters:
        msg = f"the synthetic copy of {name} has one size only; leave --times out"
        raise ConfigError(msg)
    info, maker = module.INFO, DemoMaker(seed=seed)
    about = {
        "name": name,
        "seed": seed,
        "times": times,
        "title": info.title,
        "paper": info.paper,
        "apply_at": info.apply_at,
    }
    maker.text(out / "README_SYNTHETIC.txt", _README.format(**about))
    module.make_demo(out, maker, **larger)
    typer.echo(f"{out}: a synthetic {info.title}; try: facewitness data check {name}:{out}")
