"""The program ``facewitness``: its verbs, its exit codes, and how errors are shown.

Exit codes: 0 worked, 1 an error (one line on stderr), 2 wrong usage, 130 interrupted.
Every verb lives in a module of its own whose top imports are light, so that ``--help`` stays fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Final

import typer

from facewitness import __version__
from facewitness.errors import FacewitnessError

VERBS: Final[dict[str, str]] = {
    "analyze": "facewitness.cli.analyze:analyze",
    "explain": "facewitness.cli.explain:explain",
    "explain-check": "facewitness.cli.explain_check:explain_check",
    "list": "facewitness.cli.list_detectors:list_detectors",
    "doctor": "facewitness.cli.doctor:doctor",
    "blend": "facewitness.cli.blend:blend",
    "data": "facewitness.cli.data:data",
    "demo-data": "facewitness.cli.demo_data:demo_data",
    "prepare": "facewitness.cli.prepare:prepare",
    "train": "facewitness.cli.train:train",
    "merge": "facewitness.cli.merge:merge",
    "tune": "facewitness.cli.tune:tune",
    "evaluate": "facewitness.cli.evaluate:evaluate",
    "evaluate-answers": "facewitness.cli.evaluate_answers:evaluate_answers",
    "compare": "facewitness.cli.compare:compare",
    "robustness": "facewitness.cli.robustness:robustness",
    "calibrate": "facewitness.cli.calibrate:calibrate",
    "export": "facewitness.cli.export:export",
}
"""Verb to ``module:function``; the function's docstring is the verb's help.

A module with a `typer.Typer` called ``APP`` is a group of verbs; the function is then its callback.
"""

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
        loaded = import_module(module)
        if isinstance(group := getattr(loaded, "APP", None), typer.Typer):
            app.add_typer(group, name=verb)
        else:
            app.command(verb)(getattr(loaded, function))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: Command line without the program's name; None takes the process's own.

    Returns:
        The exit code.
    """
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except FacewitnessError as error:
        return _fail(str(error))
    except OSError as error:
        _let_go_of_stdout()
        return _fail(f"{error}; check that disks are not full and that files and folders can be read and written")
    except KeyboardInterrupt:
        return 130
    return code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        build_app()(args=arguments, prog_name=_PROGRAM)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _fail(message: str) -> int:
    line = " ".join(message.split())
    shown = "".join(letter for letter in line if letter.isprintable())  # file names may hold escape sequences
    sys.stderr.write(f"{_PROGRAM}: {shown}\n")
    return 1


def _let_go_of_stdout() -> None:
    """What standard output could not take is dropped, or Python would fail once more when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
