"""Progress over files on standard error, with rate and time left, that never gets into the results."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facewitness.cli.report_text import printable

_PLAIN_EVERY_S = 15.0


class FileProgress:
    """A bar on a terminal, a line now and then in a log, nothing for a single file.

    While the bar is shown, what is written to standard output on the same terminal appears above it.

    Args:
        total: Number of files, or of what else ``noun`` names.
        noun: What is counted, for the log; shown beside the bar until a file is named.
    """

    def __init__(self, total: int, noun: str = "files") -> None:
        self._total = total
        self._noun = noun
        self._done = 0
        self._started = self._spoken = time.monotonic()
        terminal = Console(stderr=True)
        self._bar: Progress | None = None
        if terminal.is_terminal and total > 1:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=terminal,
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._task = self._bar.add_task("" if noun == "files" else noun, total=total, rate="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, path: Path) -> None:
        """Say which file is next."""
        if self._bar is not None:
            self._bar.update(self._task, description=printable(path.name[-40:]).replace("[", "\\["))

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        now = time.monotonic()
        rate = self._done / max(now - self._started, 1e-9)
        if self._bar is not None:
            self._bar.update(self._task, advance=count, rate=f"{rate:.1f}/s")
        elif self._total > 1 and now - self._spoken > _PLAIN_EVERY_S:
            self._spoken = now
            left = (self._total - self._done) / rate
            sys.stderr.write(f"{self._done}/{self._total} {self._noun}, {rate:.2f}/s, about {left:.0f} s left\n")
            sys.stderr.flush()

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
