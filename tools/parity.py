"""Run a folder of reference cases through our implementation: ``python tools/parity.py SYSTEM DIR``.

A folder holds ``NAME.json`` (how it was made) and ``NAME.npz`` (what came out) per case, or a folder ``NAME``. One
line per case says the largest absolute and relative difference and PASS or FAIL; the exit code is 1 when a case
fails, 2 on wrong usage.
An array that nothing computes is a FAIL.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from parity_cases.comparing import ArrayResult, Case, read_case, read_cases

SYSTEMS: dict[str, str] = {
    "laa_net": "parity_cases.laa_net:run_case",
    "m2f2_det": "parity_cases.m2f2_det:run_case",
}
"""System to ``module:function``; the function takes a `Case` and gives one `ArrayResult` per array."""

Runner = Callable[[Case], list[ArrayResult]]


def runner(system: str) -> Runner:
    """The function that runs a case of ``system``."""
    module, _, function = SYSTEMS[system].partition(":")
    found: Runner = getattr(import_module(module), function)
    return found


def run(system: str, folder: Path, name: str) -> list[ArrayResult]:
    """Run one case; an exception becomes a failed result."""
    try:
        results = runner(system)(read_case(folder, name))
    except Exception as error:  # noqa: BLE001 - one broken case must not stop the others
        return [ArrayResult("case", passed=False, note=f"{type(error).__name__}: {error}")]
    return results or [ArrayResult("case", passed=False, note="holds no arrays")]


def line(name: str, results: list[ArrayResult]) -> str:
    """The line of a case."""
    verdict = "PASS" if all(r.passed for r in results) else "FAIL"
    computed = [r for r in results if not r.is_input]
    worst_absolute = max(computed, key=lambda r: r.absolute, default=ArrayResult("-", passed=True))
    worst_relative = max(computed, key=lambda r: r.relative, default=ArrayResult("-", passed=True))
    inputs = len(results) - len(computed)
    count = f"{len(computed)} arrays" + (f" + {inputs} inputs" if inputs else "")
    return (
        f"{verdict}  {name:<28} {count:<24} "
        f"max abs {worst_absolute.absolute:.3g} ({worst_absolute.name})  "
        f"max rel {worst_relative.relative:.3g} ({worst_relative.name})"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    parser = argparse.ArgumentParser(prog="parity", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("system", choices=sorted(SYSTEMS), help="which system")
    parser.add_argument("folder", type=Path, help="folder of NAME.json and NAME.npz")
    parser.add_argument("--only", help="run this case only")
    parser.add_argument("--verbose", action="store_true", help="one more line per array")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"no folder at {options.folder}")
    names = read_cases(options.folder, only=options.only)
    if not names:
        parser.error(f"no cases in {options.folder}")
    failed = 0
    for name in names:
        results = run(options.system, options.folder, name)
        failed += not all(r.passed for r in results)
        sys.stdout.write(line(name, results) + "\n")
        for r in results:
            if options.verbose or not r.passed:
                mark = "ok  " if r.passed else "FAIL"
                detail = f"abs {r.absolute:.3g} rel {r.relative:.3g}"
                sys.stdout.write(f"      {mark} {r.name}: {detail}{'; ' + r.note if r.note else ''}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(names) - failed} of {len(names)} cases pass\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
