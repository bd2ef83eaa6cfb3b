"""`import facewitness` and `facewitness --help` stay light."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = {"torch", "torchvision", "cv2", "openvino", "av", "PIL", "numpy", "jinja2", "safetensors"}
REPORT = "import sys, json; json.dump(sorted(m for m in sys.modules if '.' not in m), sys.stderr)"


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_package_import_is_light():
    assert loaded_by("import facewitness") & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["analyze", "--help"]], ids=" ".join)
def test_help_is_light(arguments):
    loaded = loaded_by(f"from facewitness.cli.main import main\nassert main({arguments!r}) == 0")
    assert "typer" in loaded
    assert loaded & HEAVY == set()


def test_help_is_quick():
    # The aim is 0.5 s; the bound leaves room for a busy machine and still catches an imported torch or OpenVINO.
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "facewitness", "--help"], capture_output=True, check=True)
        best = min(best, time.perf_counter() - start)
    assert best < 1.5


def test_public_names_arrive_on_first_use():
    assert "numpy" in loaded_by("import facewitness\nfacewitness.Report")
    code = "import facewitness, inspect\nassert callable(facewitness.analyze)"
    assert "torch" not in loaded_by(code)


def test_starting_the_runtime_reports_to_nobody():
    # OpenVINO brings a package that sends an event to its makers' statistics server at each import.
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a name was looked up')\n"
        "socket.getaddrinfo = refuse\n"
        "from facewitness.runtime import available_devices\n"
        "assert 'CPU' in available_devices()"
    )
    loaded = loaded_by(code)
    assert "openvino" in loaded
    assert "openvino_telemetry" not in loaded
