"""Reports as JSON Lines: one line per file, safe to break off and to take up again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from facewitness.errors import ConfigError
from facewitness.records import Report

_READ_BYTES = 1 << 20


class JsonLinesWriter:
    """Append reports to a file, each as one whole line that has reached the disk.

    A half-written last line, as a killed run leaves it, is cut off when the file is opened again, and
    the lines before it stay. Use it as a context manager.

    Args:
        path: File to write; made when missing, its folder must exist.
        resume: Keep the lines that are there; otherwise the file starts empty.
        sync: Wait for the disk after each line; slower, survives a power cut.

    Raises:
        ConfigError: If the file cannot be opened for writing.
    """

    def __init__(self, path: Path, *, resume: bool = False, sync: bool = True) -> None:
        self.path = path
        self._sync = sync
        try:
            self._file: BinaryIO = path.open("r+b" if resume and path.exists() else "wb")
            if resume:
                self._file.seek(_whole_lines_end(self._file))
                self._file.truncate()
        except OSError as error:
            msg = f"cannot write {path}: {error.strerror or error}; give a file in a folder that exists"
            raise ConfigError(msg) from error

    def write(self, report: Report) -> None:
        """Append one report; on return its line is in the file.

        Raises:
            ConfigError: If the disk refuses it (full, gone).
        """
        line = report.to_json().encode("utf-8", "backslashreplace") + b"\n"  # \udc80 is JSON's own escape
        try:
            self._file.write(line)
            self._file.flush()
            if self._sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            msg = f"cannot write {self.path}: {error.strerror or error}"
            raise ConfigError(msg) from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the reports of a JSON Lines file as dictionaries; a half-written last line is left out.

    Raises:
        ConfigError: If the file cannot be read, or a line other than the last is not a JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                if line.strip():
                    yield _record(line, path, number)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ConfigError(msg) from error


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        msg = f"{path}, line {number}: not JSON ({error}); move the file away or mend the line"
        raise ConfigError(msg) from error
    if not isinstance(record, dict):
        msg = f"{path}, line {number}: expected a JSON object, got {type(record).__name__}"
        raise ConfigError(msg)
    return record


def _whole_lines_end(file: BinaryIO) -> int:
    """Offset just behind the last newline; 0 when there is none."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _READ_BYTES)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
