"""`examples/walkthrough.sh`: its commands exist with their options, and files that it reads were made before."""

from __future__ import annotations

import re
import shlex

import pytest

from facewitness.cli.main import main
from unit.house.house_paths import ROOT

TEXT = (ROOT / "examples" / "walkthrough.sh").read_text(encoding="utf-8").replace("\\\n", " ")
COMMANDS = [shlex.split(line) for line in re.findall(r"^ *facewitness (.*)$", TEXT, flags=re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_verbs_and_options_exist(command, capsys):
    verb = command[: 2 if command[0] == "data" else 1]
    assert main([*verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"{word}\b", shown) for word in command if word.startswith("--"))


def test_the_line_is_drawn_on_the_validation_before_the_test():
    verbs = [words[0] for words in COMMANDS]
    drawn = verbs.index("calibrate")
    measured = next(i for i, words in enumerate(COMMANDS) if "prepared:$out/prepared:test" in words)
    (validated,) = (i for i, words in enumerate(COMMANDS) if "prepared:$out/prepared:val" in words)
    assert verbs.index("train") < validated < drawn < measured
    calibrate, evaluate = COMMANDS[drawn], COMMANDS[measured]
    record = calibrate[calibrate.index("--output") + 1]
    assert evaluate[evaluate.index("--weights") + 1] == record.replace(".json", ".safetensors")
    rate = calibrate[calibrate.index("--fpr") + 1]
    assert evaluate[evaluate.index("--operating-point") + 1] == f"fpr={rate}"
