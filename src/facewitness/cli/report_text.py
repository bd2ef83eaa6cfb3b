"""A report as a few lines on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from facewitness.records import Explanation, FaceTrack, Report, Verdict, VerdictLabel
from facewitness.wording import DERIVED, REGION_STRENGTH, expert_words, list_words, region_words, sentence

_STYLES = {
    VerdictLabel.FAKE: "bold white on red",
    VerdictLabel.REAL: "bold white on blue",
    VerdictLabel.UNCERTAIN: "bold black on yellow",
    VerdictLabel.NOT_SCORED: "bold white on grey37",
}
_INDENT = 4
_MOST_OTHERS = 5
_MOST_REGIONS = 3


def printable(text: str) -> str:
    r"""One line that a terminal only shows: a file's name may hold escape sequences or bytes of no known encoding.

    Example:
        >>> printable("a\x1b[2Jb.jpg")
        'a?[2Jb.jpg'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def print_report(report: Report, console: Console, *, brief: bool = False) -> None:
    """Print file, verdict, score, why, and what to beware of.

    Args:
        report: What to print.
        console: Where to; lines are only broken for a terminal.
        brief: One or two sentences for each file instead of the explanation.
    """
    wraps = console.is_terminal
    console.print(_headline(report.verdict, report.media.path), soft_wrap=not wraps)
    for line in _body(report, brief=brief):
        if wraps:
            console.print(Padding(line, (0, 0, 0, _INDENT), expand=False))
        else:
            console.print(Text(" " * _INDENT).append_text(line), soft_wrap=True)


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


def _body(report: Report, *, brief: bool) -> list[Text]:
    deciding = report.deciding_face
    words = "" if deciding is None or brief else _explanation(deciding)
    said: list[str] = []
    if deciding is None or not words:
        said.append(f"{sentence(report.verdict.reason)} {_evidence(deciding)}".rstrip())
    elif len(report.faces) > 1:
        said.append(f"Face {deciding.track_id} of {len(report.faces)} decides. {words}")
    else:
        said.append(words)
    if deciding is not None:
        said += [] if brief else derived_lines(deciding)
        said += _others([face for face in report.faces if face is not deciding])
    lines = [Text(printable(line)) for line in said]
    lines += [Text(printable(f"! {warning}"), style="yellow") for warning in report.warnings]
    return lines


def derived_lines(face: FaceTrack) -> list[str]:
    """What language models wrote of a face, each with its source; empty when none was asked."""
    told = [finding.derived for finding in face.findings if finding.derived is not None]
    return [line for words in told for line in (f"{words.source} writes: {words.text}", derived_note(words))]


def derived_note(words: Explanation) -> str:
    """What stands behind a text of a language model."""
    return f"({' '.join([DERIVED, *words.against])})"


def _explanation(face: FaceTrack) -> str:
    return " ".join(f.explanation.text for f in face.findings if f.explanation is not None)


def _evidence(face: FaceTrack | None) -> str:
    """Which expert reacted and where the heatmap is strong; empty when neither."""
    if face is None or face.verdict.label is VerdictLabel.REAL:
        return ""
    said: list[str] = []
    for finding in face.findings:
        if finding.fired:
            said.append(f"Expert for {expert_words(finding.fired)[0]}.")
        hot = [region_words(r.name) for r in finding.regions if r.strength >= REGION_STRENGTH][:_MOST_REGIONS]
        said += [f"Strongest on {list_words(hot)}."] if hot else []
    return " ".join(said)


def _others(faces: Sequence[FaceTrack]) -> list[str]:
    """A line for each of the other faces, the highest scores first."""
    ranked = sorted(faces, key=lambda face: -(face.verdict.score if face.verdict.score is not None else -1.0))
    lines = [
        f"Face {face.track_id}: {face.verdict.label.value}. {sentence(face.verdict.reason)}"
        for face in ranked[:_MOST_OTHERS]
    ]
    return lines + ([f"And {len(ranked) - _MOST_OTHERS} more faces."] if len(ranked) > _MOST_OTHERS else [])
