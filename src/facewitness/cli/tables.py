"""Tables of results in the terminal, alike for every verb that measures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facewitness.cli.report_text import printable

_WIDTH_IN_FILES = 140


def results_console() -> Console:
    """Standard output; as wide as the terminal, and of one width in files and pipes."""
    return Console(width=None if Console().is_terminal else _WIDTH_IN_FILES, highlight=False)


def results_table(headings: Sequence[str]) -> Table:
    """An empty table without lines, its first column to the left and the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", overflow="fold")
    return table


def say(console: Console, line: str) -> None:
    """Print a line as it is, whatever is in it, and never broken."""
    console.print(escape(printable(line)), soft_wrap=True)


def number(value: float | None) -> str:
    """Three decimals; a dash where there is no number.

    Example:
        >>> number(0.5), number(None)
        ('0.500', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
