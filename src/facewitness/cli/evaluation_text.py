"""The document of `facewitness evaluate` as tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from facewitness.cli.report_text import printable
from facewitness.cli.tables import number, results_console, results_table, say
from facewitness.wording import missing_words

_MOST_GROUPS = 30


def print_document(document: Mapping[str, Any]) -> None:
    """Print the numbers, the controls, the groups and where the threshold came from, on standard output."""
    console = results_console()
    protocol, result = document["protocol"], document["result"]
    say(console, f"{protocol['detector']} ({protocol['mode']}), {protocol['precision']} on {protocol['device']}")
    _print_levels(console, document, result)
    for title, rows in (
        ("data set", _datasets(result)),
        ("manipulation", result["by_manipulation"]),
        ("generator", result["by_generator"]),
        ("compression", document["by_compression"]),
    ):
        if len(rows) > 1:
            _print_groups(console, title, rows)
    _print_controls(console, document["controls"])
    if document["localisation"]:
        _print_localisation(console, document["localisation"])
    for report in document["compat"]:
        _print_compat(console, report)
    for line in remarks(document):
        say(console, line)


def remarks(document: Mapping[str, Any]) -> list[str]:
    """What must be known beside the numbers, one sentence per line."""
    protocol = document["protocol"]
    lines = [
        f"FAKE from {number(protocol['threshold'])}, chosen elsewhere: {protocol['threshold_from']}",
        f"{document['not_scored']} not scored (rule {protocol['missing_face']}): {_reasons(document['reasons'])}",
    ]
    lines += [document["few"]] if document["few"] else []
    for name, reason in document["result"]["left_out"].items():
        lines.append(f"no numbers for {name}: {reason}")
    lines += [
        f"{one['spec']}: {one['real']} real, {one['fake']} fake, list {one['list_sha256'][:16]}"
        for one in document["data"]
    ]
    lines += [
        missing_words(one["spec"], one["missing_first"], one["missing"]) for one in document["data"] if one["missing"]
    ]
    return lines


def interval(row: Mapping[str, Any]) -> str:
    """An AUC with its interval."""
    return f"{number(row['auc'])} [{number(row['auc_low'])}, {number(row['auc_high'])}]"


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "every video has a score"


def _print_levels(console: Console, document: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    headings = (
        "level",
        "AUC [95 %]",
        "AP",
        "EER",
        "TPR@1%",
        "TPR@5%",
        "false alarms",
        "found",
        "real",
        "fake",
        "not scored",
    )
    table = results_table(headings)
    leading = document["protocol"]["level"]
    for name in sorted(("video", "frame"), key=lambda level: level != leading):
        row = result[name]
        table.add_row(
            name,
            interval(row),
            *(number(row[key]) for key in ("ap", "eer", "tpr_at_fpr_1", "tpr_at_fpr_5", "fpr_on_real", "tpr")),
            *(str(row[key]) for key in ("n_real", "n_fake", "not_scored")),
        )
    console.print(table)


def _datasets(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"name": name, **row} for name, row in result["datasets"].items()]


def _print_groups(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = results_table((title, "AUC [95 %]", "AP", "EER", "TPR@5%", "found", "real", "fake"))
    for row in rows[:_MOST_GROUPS]:
        table.add_row(
            escape(printable(row["name"])),
            interval(row),
            *(number(row[key]) for key in ("ap", "eer", "tpr_at_fpr_5", "tpr")),
            *(str(row[key]) for key in ("n_real", "n_fake")),
        )
    console.print()
    console.print(table)
    if len(rows) > _MOST_GROUPS:
        say(console, f"{len(rows) - _MOST_GROUPS} more in results.json and report.html")


def _print_controls(console: Console, controls: Sequence[Mapping[str, Any]]) -> None:
    table = results_table(("control", "AUC [95 %]", "share"))
    table.add_column("without any forensics", justify="left", overflow="fold")
    for one in controls:
        auc = one["auc"]
        shown = "-" if auc is None else f"{number(auc['value'])} [{number(auc['low'])}, {number(auc['high'])}]"
        share = "-" if one["share"] is None else f"{one['share'] * 100:.0f} %"
        table.add_row(one["name"], shown, share, escape(one["words"].partition(": ")[2] or one["words"]))
    console.print()
    console.print(table)
    console.print()


def _print_localisation(console: Console, row: Mapping[str, Any]) -> None:
    table = results_table(("heatmap", "pixel AUC", "AP", "IoU", "pointing game", "hot area of reals"))
    cells = (number(row[name]) for name in ("auc", "ap", "iou", "pointing", "false_activation"))
    table.add_row(f"{row['fakes']} fake, {row['reals']} real", *cells)
    console.print(table)
    console.print()


def _print_compat(console: Console, report: Mapping[str, Any]) -> None:
    table = results_table((f"as {report['name']} would report", "theirs", "right"))
    for name, theirs in report["theirs"].items():
        table.add_row(name, number(theirs), number(report["ours"].get(name)))
    console.print(table)
    for defect in report["defects"]:
        say(console, f"  {defect}")
    console.print()
