"""M2F2-Det: which module runs which case; a new kind of case is one more line in ``RUNNERS``."""

from __future__ import annotations

import re
from importlib import import_module

from parity_cases.comparing import ArrayResult, Case

RUNNERS: tuple[tuple[str, str], ...] = (
    (r"stage1_\w+|llava_detector_\w+", "parity_cases.m2f2_det_nets:run_case"),
    (r"parts", "parity_cases.m2f2_det_parts:run_case"),
    (r"llava_7b_manifest", "parity_cases.m2f2_det_manifest:run_case"),
    (r"llava_tiny\w*", "parity_cases.m2f2_det_llava:run_case"),
    (r"metrics", "parity_cases.m2f2_det_metrics:run_case"),
)
"""Pattern of the case's whole name to ``module:function``; the function takes a `Case` and gives its results."""


def run_case(case: Case) -> list[ArrayResult]:
    """Run a case with the first runner whose pattern is its name.

    Raises:
        LookupError: If no pattern fits.
    """
    for pattern, runner in RUNNERS:
        if re.fullmatch(pattern, case.name):
            module, _, function = runner.partition(":")
            found: list[ArrayResult] = getattr(import_module(module), function)(case)
            return found
    msg = f"nothing runs a case called {case.name!r}"
    raise LookupError(msg)
