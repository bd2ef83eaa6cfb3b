"""Everything of LAA-Net that the parity sets hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from parity_cases import laa_net_functions, laa_net_masks
from parity_cases.comparing import EXACT, ArrayResult, Case, Tolerance, compare
from parity_cases.laa_net_nets import run_network

Arrays = dict[str, NDArray[Any]]
_PSEUDO_FAKES = "parity_cases.laa_net_pure"
"""Pseudo-fakes and targets; offers ``pure_outputs`` and, where it differs from here, ``TOLERANCES``."""
_TOLERANCES: tuple[tuple[str, Tolerance], ...] = (
    (r"gt\w+_hm_\w+|bi_weight", Tolerance(absolute=1e-6)),
    (r"radius_out|nn_dist", Tolerance(relative=1e-12)),
    (r"hull\d+_facehull", Tolerance(absolute=2, touched=0.10)),
    (r"bmask\d+_out", Tolerance(absolute=2)),
    (r"sbi_blend_\w+|sbi_boundary|bi_color|bi_blend", Tolerance(absolute=1, touched=0.10)),
)
"""Everything else of the pseudo-fakes is exact: integer masks, landmarks, indices, run lengths."""
_INPUTS = re.compile(r"radius_hw|maskwh_pts|bmask\d+_params|nn_queries|gtedge_mask_u8|gtlow_mask_u8|bi_mask")
"""Recorded draws and hand-made masks of the pseudo-fakes."""


def run_case(case: Case) -> list[ArrayResult]:
    """Compare every array of a case: a network, or the set of pure functions."""
    return run_network(case) if "state_dict" in case.meta else _run_functions(case)


def _run_functions(case: Case) -> list[ArrayResult]:
    offset = int(case.meta.get("seed_offset", 0))
    tolerances = dict(laa_net_functions.TOLERANCES)
    inputs = set(laa_net_functions.INPUTS)
    found: Arrays = {}
    failures: list[ArrayResult] = []
    for name, run in (laa_net_functions.GROUPS | laa_net_masks.GROUPS).items():
        _collect(found, failures, name, lambda run=run: run(case, offset))  # type: ignore[misc]
    try:
        pseudo_fakes = import_module(_PSEUDO_FAKES)
    except ModuleNotFoundError as error:
        failures.append(ArrayResult("pseudo_fakes", passed=False, note=f"not importable: {error}"))
    else:
        tolerances |= getattr(pseudo_fakes, "TOLERANCES", {})
        inputs |= set(getattr(pseudo_fakes, "INPUTS", ()))
        _collect(found, failures, "pseudo_fakes", lambda: pseudo_fakes.pure_outputs(case.arrays, offset))
    return failures + [_compare(name, case, found, inputs, tolerances) for name in case.arrays]


def _collect(found: Arrays, failures: list[ArrayResult], name: str, run: Callable[[], Arrays]) -> None:
    """Add what ``run`` gives; its failure becomes a failed result and the others go on."""
    try:
        found |= run()
    except Exception as error:  # noqa: BLE001 - the report must name every part that breaks
        failures.append(ArrayResult(name, passed=False, note=f"{type(error).__name__}: {error}"))


def _compare(name: str, case: Case, found: Arrays, inputs: set[str], tolerances: dict[str, Any]) -> ArrayResult:
    if name in found:
        return compare(name, found[name], case.arrays[name], tolerances.get(name) or _default(name))
    if name in inputs or _INPUTS.fullmatch(name):
        return ArrayResult(name, passed=True, note="input", is_input=True)
    return ArrayResult(name, passed=False, note="not reproduced")


def _default(name: str) -> Tolerance:
    return next((tolerance for pattern, tolerance in _TOLERANCES if re.fullmatch(pattern, name)), EXACT)
