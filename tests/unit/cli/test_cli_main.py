"""The program: exit codes, version, help, completion, how errors look."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import typer

from facewitness import __version__
from facewitness.cli import main as cli_main
from facewitness.cli.main import VERBS, build_app, main
from facewitness.errors import WeightsError


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"facewitness {__version__}\n"


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)
    assert main([]) == 2
    assert "Usage" in capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"facewitness {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_options_of_examples_are_those_of_the_verb_that_they_call(verb):
    commands = typer.main.get_command(build_app()).commands
    helps = [commands[verb].help, *(inner.help for inner in getattr(commands[verb], "commands", {}).values())]
    examples = [part for text in helps for part in " ".join(text.split()).split("Example: facewitness ")[1:]]
    assert examples
    for example in examples:
        name, *words = example.split()
        called = commands[name]
        called = called.commands[words[0]] if hasattr(called, "commands") else called
        known = {name for option in called.params for name in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if re.match("--?[a-z]", word)} <= known, example


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyse"],
        ["analyze"],
        ["analyze", "x", "--frames", "0"],
        ["analyze", "x", "--fps", "nan"],
        ["analyze", "x", "--operating-point", "nonsense"],
        ["list", "--no-such"],
    ],
)
def test_wrong_usage_is_2(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


def test_our_errors_are_one_line_and_1(monkeypatch, capsys):
    def build_app():
        def app(**_):
            msg = "weights file x.onnx is missing;\n  reinstall"
            raise WeightsError(msg)

        return app

    monkeypatch.setattr(cli_main, "build_app", build_app)
    assert main([]) == 1
    captured = capsys.readouterr()
    assert captured.err == "facewitness: weights file x.onnx is missing; reinstall\n"
    assert captured.out == ""


def test_errors_show_no_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "facewitness", "analyze", __file__, "--detector", "laanet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no detector is called 'laanet'. Did you mean 'laa_net'?" in done.stderr


def test_interrupt_is_130_and_quiet(monkeypatch, capsys):
    from facewitness.cli import list_detectors

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(list_detectors, "_rows", interrupted)
    assert main(["list"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_completion_script_is_offered():
    done = subprocess.run(
        [sys.executable, "-m", "facewitness.cli.main"],
        env={"_FACEWITNESS_COMPLETE": "source_bash", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_FACEWITNESS_COMPLETE=complete_bash" in done.stdout
