"""The program ``facewitness``: its verbs, its exit codes, and how errors are shown.

Exit codes: 0 worked, 1 an error of ours (one line on stderr), 2 wrong usage, 130 interrupted.
Every verb lives in a module of its own whose top imports are light, so that ``--help`` stays fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Final

import typer

from facewitness import __version__
from facewitness.errors import FacewitnessError

VERBS: Final[dict[str, str]] = {
    "analyze": "facewitness.cli.analyze:analyze",
    "list": "facewitness.cli.list_detectors:list_detectors",
    "doctor": "facewitness.cli.doctor:doctor",
    "blend": "facewitness.cli.blend:blend",
    "train": "facewitness.cli.train:train",
    "evaluate": "facewitness.cli.evaluate:evaluate",
    "export": "facewitness.cli.export:export",
}
"""Verb to ``module:function``; the function's docstring is the verb's help."""

_PROGRAM = "facewitness"
_EPILOG = "Start with: facewitness analyze photo.jpg     Check the installation with: facewitness doctor"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{_PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Is a face in a photo or video genuine, where does it look forged, and why?"""


def build_app() -> typer.Typer:
    """The command line with every verb of `VERBS`."""
    app = typer.Typer(
        name=_PROGRAM,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb, target in VERBS.items():
        module, _, function = target.partition(":")
        if find_spec(module) is None:
            continue
        app.command(verb)(getattr(import_module(module), function))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    try:
        build_app()(args=arguments, prog_name=_PROGRAM)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except FacewitnessError as error:
        line = " ".join(str(error).split())
        shown = "".join(letter for letter in line if letter.isprintable())  # file names may hold escape sequences
        sys.stderr.write(f"{_PROGRAM}: {shown}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
