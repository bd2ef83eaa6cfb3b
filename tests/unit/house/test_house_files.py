"""What is in the repository, and what the built packages hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from unit.house.house_paths import PACKAGE, ROOT, project_files

# Written in pieces, so that this file does not match itself.
MACHINE_PARTS = (
    *("/" + "work/", "/" + "farm/", "/" + "root/", "/" + "home/[a-z]", "/tmp/" + "[a-z]", "/opt/" + "[a-z]"),
    *("python" + "hosted", "pypi" + r"\.org", "registry\\." + "npmjs", "deb\\." + "debian"),
)
MACHINE = re.compile("|".join(MACHINE_PARTS))
UNSAFE_PARTS = (
    *("weights_only=" + "False", "trust_remote_code=" + "True", "pickle" + r"\.load", "shell=" + "True"),
    *("allow_pickle=" + "True", "yaml" + r"\.load\("),
)
UNSAFE = re.compile("|".join(UNSAFE_PARTS))
UNFINISHED = re.compile("NotImplemented" + "Error|\\bTO" + "DO\\b|\\bFIX" + "ME\\b|\\bXX" + "X\\b")
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".html", ".yml", ".yaml", ".cfg", ".sh", ".svg", ".j2", ".css", ".csv"}
MAX_BYTES = 25_000_000


def text_files():
    return [p for p in project_files() if p.suffix in TEXT or p.name in {"Makefile", "run", "NOTICE"}]


def hits(pattern, files):
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_machine_paths_or_registry_hosts():
    assert hits(MACHINE, text_files()) == []


def test_nothing_unsafe_is_loaded():
    assert hits(UNSAFE, [p for p in text_files() if p.suffix == ".py"]) == []


def test_nothing_is_left_unfinished():
    assert hits(UNFINISHED, [p for p in text_files() if PACKAGE in p.parents]) == []


def test_the_searches_find_what_they_seek(tmp_path):
    assert MACHINE.search("/" + "work/main/data.csv")
    assert MACHINE.search("https://" + "pypi" + ".org/simple")
    assert not MACHINE.search("from facewitness import framework")
    assert UNSAFE.search("torch.load(path, weights_only=" + "False)")
    assert UNFINISHED.search("# TO" + "DO: later")


def test_no_file_is_too_large():
    assert [p.name for p in project_files() if p.stat().st_size > MAX_BYTES] == []


def test_ci_runs_the_make_target():
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("an sdist carries no CI script")
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert "make test" in script.read_text(encoding="utf-8")


def test_readme_starts_with_the_two_commands():
    first_screen = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_constraints_name_registry_packages_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in pins)
    assert "torch==2.14.1" in pins
    assert not any(pin.lower().startswith("facewitness") for pin in pins)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist and the wheel, built from a copy of the tracked files."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, capture_output=True, check=True
    )
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    wanted = {path.relative_to(PACKAGE.parent).as_posix() for path in project_files() if PACKAGE in path.parents}
    assert wanted <= names
    assert any(name.endswith(".tflite") for name in names)
    assert "facewitness/py.typed" in names
    strangers = {name for name in names if not name.startswith("facewitness")}
    assert strangers == set()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_sdist_can_rebuild_and_test(built):
    with tarfile.open(built[0]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt"} <= names
    assert any(name.startswith("tests/") for name in names)
    assert any(name.startswith("examples/") for name in names)
    assert not any(name.startswith((".venv", "runs/", "demo-report/")) for name in names)
