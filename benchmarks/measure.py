"""What the benchmarks share: the machine in words, a child process with its time and memory, a table."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class ChildRun:
    """One run of a program: wall seconds and the largest resident memory in MB."""

    wall_s: float
    peak_mb: float


_WATCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([time.perf_counter() - start, usage.ru_maxrss, child.returncode]))
"""
"""Runs a program from a small process: a child's peak memory starts at that of the process that forks it."""


def run_child(arguments: Sequence[str]) -> ChildRun:
    """Run a program to its end and measure it.

    Raises:
        RuntimeError: If it fails; the message holds what it wrote to standard error.
    """
    watcher = [sys.executable, "-I", "-S", "-c", _WATCHER]
    done = subprocess.run([*watcher, *arguments], capture_output=True, text=True, check=True)
    wall_s, peak, exit_code = json.loads(done.stdout)
    if exit_code != 0:
        msg = f"{' '.join(arguments)} ended with {exit_code}: {done.stderr[-500:]}"
        raise RuntimeError(msg)
    return ChildRun(wall_s, peak / (1e6 if sys.platform == "darwin" else 1024.0))  # bytes there, KiB on Linux


def facewitness(*arguments: str) -> ChildRun:
    """Run ``facewitness`` in a fresh process of this interpreter."""
    return run_child([sys.executable, "-m", "facewitness", *arguments])


def repeat(action: Callable[[], object], times: int, warm_up: int = 1) -> list[float]:
    """Wall seconds of each repetition, after ``warm_up`` that are not counted."""
    seconds = []
    for number in range(warm_up + times):
        start = time.perf_counter()
        action()
        if number >= warm_up:
            seconds.append(time.perf_counter() - start)
    return seconds


def spread(seconds: Sequence[float], scale: float = 1.0, unit: str = "s") -> str:
    """Median with the range, such as ``1.20 s (1.10 to 1.42)``."""
    values = sorted(v * scale for v in seconds)
    return f"{statistics.median(values):.3g} {unit} ({values[0]:.3g} to {values[-1]:.3g})"


def machine() -> str:
    """Processor, threads and load in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} threads, Python {platform.python_version()}{load}"


def print_table(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print rows of (what, measured, aim) as a Markdown table."""
    print(f"\n### {title}\n\n{machine()}\n")
    print("| what | measured | aim |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def example_portrait() -> Path:
    """The sample portrait.

    Raises:
        FileNotFoundError: If ``examples/`` holds none.
    """
    for path in sorted((ROOT / "examples").glob("astronaut*")):
        if path.suffix.lower() in {".png", ".jpg", ".jpeg"}:
            return path
    msg = "no astronaut picture in examples/; give --image FILE"
    raise FileNotFoundError(msg)
