"""What the folder of a run remembers: its settings, and rows of numbers that an interruption leaves whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from facewitness.errors import ConfigError
from facewitness.whole_files import write_whole


def keep_settings(run: Path, name: str, values: Mapping[str, Any]) -> None:
    """Write the settings of a new run, or refuse others for a run that is there.

    A run that failed before it wrote anything else may be begun with other settings.

    Raises:
        ConfigError: If the run was begun with other settings, or what it says of them is damaged.
    """
    path = run / name
    text = json.dumps(values, indent=2)
    if path.is_file() and any(entry.is_file() and entry.name != name for entry in run.iterdir()):
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{path} is damaged ({error}); give --run another folder"
            raise ConfigError(msg) from error
        if before != json.loads(text):
            msg = f"{run} was begun with another recipe ({path}); give --run another folder, or the recipe of that run"
            raise ConfigError(msg)
        return
    write_whole(path, text + "\n")


def put(source: Path, target: Path) -> None:
    """Put a file or folder in the place of another at once."""
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What writers of tensors raise when a disk is full or a folder closed, as one named error.

    torch and safetensors have errors of their own for it, with a stack of C++ inside.

    Raises:
        ConfigError: Instead of those.
    """
    try:
        yield
    except (SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):
            raise
        free = shutil.disk_usage(path.parent).free
        msg = (
            f"cannot write {path} ({free / 2**20:.0f} MB are free); make room and run the same command again, it "
            "goes on from the last checkpoint"
        )
        raise ConfigError(msg) from error


class RowFile:
    """A file of JSON lines, each with the optimiser step that it belongs to.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self) -> list[dict[str, Any]]:
        """Every whole line."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                break  # the process was killed while it wrote this one
        return found

    def cut_after(self, step: int) -> list[dict[str, Any]]:
        """Drop what lies after a step, which will be done again, and give what is left."""
        kept = [row for row in self.rows() if int(row["step"]) <= step]
        if self.path.is_file():
            write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return kept

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row; it is on its way to the disk when this returns."""
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
