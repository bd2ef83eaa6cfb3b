"""Progress goes to standard error: a bar on a terminal, lines in a log, nothing for one file."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from facewitness.cli import progress
from facewitness.cli.progress import FileProgress


def work_through(total):
    with FileProgress(total) as shown:
        for number in range(total):
            shown.start(Path(f"file[{number}].jpg"))
            sys.stdout.write(f"result {number}\n")
            shown.advance()


def test_log_lines_say_count_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", -1.0)
    work_through(3)
    captured = capsys.readouterr()
    assert captured.out == "result 0\nresult 1\nresult 2\n"
    lines = captured.err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("1/3 files, ")
    assert lines[0].endswith("s left")


@pytest.mark.parametrize("total", [0, 1])
def test_nothing_to_say_for_one_file(monkeypatch, capsys, total):
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", -1.0)
    work_through(total)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_on_a_terminal_stays_out_of_a_redirected_output(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    work_through(3)
    assert capsys.readouterr().out == "result 0\nresult 1\nresult 2\n"
    assert "3/3" in terminal.getvalue()
    assert "file[" in terminal.getvalue()


def test_results_on_the_same_terminal_appear_above_the_bar(monkeypatch):
    terminal, out = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    work_through(2)
    assert "result 1" in terminal.getvalue()
