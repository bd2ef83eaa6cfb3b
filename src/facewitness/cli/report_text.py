"""A report as a few lines on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from facewitness.records import FaceTrack, Report, Verdict, VerdictLabel

_STYLES = {
    VerdictLabel.FAKE: "bold white on red",
    VerdictLabel.REAL: "bold white on blue",
    VerdictLabel.UNCERTAIN: "bold black on yellow",
    VerdictLabel.NOT_SCORED: "bold white on grey37",
}
_INDENT = 4


def printable(text: str) -> str:
    r"""One line that a terminal only shows: a file's name may hold escape sequences or bytes of no known encoding.

    Example:
        >>> printable("a\x1b[2Jb.jpg")
        'a?[2Jb.jpg'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def print_report(report: Report, console: Console) -> None:
    """Print file, verdict, score, why, and what to beware of."""
    console.print(_headline(report.verdict, report.media.path))
    for line in _body(report):
        console.print(Padding(line, (0, 0, 0, _INDENT)))


def print_summary(counts: Mapping[str, int], console: Console) -> None:
    """Print how many files got which verdict."""
    parts = ", ".join(f"{counts[label.value]} {label.value}" for label in VerdictLabel if counts.get(label.value))
    console.print(Text(f"{sum(counts.values())} files: {parts}", style="bold"))


def _headline(verdict: Verdict, name: str) -> Text:
    line = Text()
    line.append(f" {verdict.label.value} ", style=_STYLES[verdict.label])
    line.append(f" {verdict.score:.2f}  " if verdict.score is not None else "  ")
    line.append(printable(name), style="bold")
    return line


def _body(report: Report) -> list[Text]:
    told = [(face, words) for face in report.faces if (words := _explanation(face))]
    lines: list[Text] = []
    if len(told) != 1 or len(report.faces) > 1:  # else the explanation says all that the reason does
        lines.append(Text(printable(_sentence(report.verdict.reason))))
    for face, words in told:
        label = f"Face {face.track_id} ({face.verdict.label.value}): " if len(report.faces) > 1 else ""
        lines.append(Text(label + printable(words)))
    lines += [Text(printable(f"! {warning}"), style="yellow") for warning in report.warnings]
    return lines


def _explanation(face: FaceTrack) -> str:
    return " ".join(f.explanation.text for f in face.findings if f.explanation is not None)


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:].rstrip(".") + "."
