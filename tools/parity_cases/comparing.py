"""How arrays are compared, and what a case is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tolerance:
    """When two arrays count as equal.

    Attributes:
        relative: Largest difference in units of the largest reference value.
        absolute: A difference up to this always counts as equal.
        outliers: Share of entries that may break both bounds (interpolation at a black border).
        outlier_absolute: Bound for those.
        touched: Share of entries that may differ at all (pictures that another OpenCV rounds otherwise).
    """

    relative: float = 0.0
    absolute: float = 0.0
    outliers: float = 0.0
    outlier_absolute: float = 0.0
    touched: float = 1.0

    def __str__(self) -> str:
        """For a log line."""
        parts = [f"rel {self.relative:g}"] if self.relative else []
        parts += [f"abs {self.absolute:g}"] if self.absolute else []
        parts += [f"on {self.touched:.0%} of entries"] if self.touched < 1 else []
        parts += [f"{self.outliers:.1%} up to {self.outlier_absolute:g}"] if self.outliers else []
        return ", ".join(parts) or "exact"


EXACT = Tolerance()
PICTURE = Tolerance(absolute=2, touched=0.10)
"""uint8 pictures through an OpenCV warp: another version rounds fixed-point weights otherwise."""


@dataclass(frozen=True)
class ArrayResult:
    """One array against its reference.

    Attributes:
        name: Name in the npz file.
        passed: Whether it is within tolerance.
        absolute: Largest absolute difference.
        relative: The same in units of the largest reference value.
        note: Why it failed, or that it is an input; empty otherwise.
        is_input: Whether the array is a recorded input (nothing to compute).
    """

    name: str
    passed: bool
    absolute: float = 0.0
    relative: float = 0.0
    note: str = ""
    is_input: bool = False


@dataclass(frozen=True)
class Case:
    """One entry of a parity folder: its description, its arrays, and where it lies.

    A case that is a folder of files has no description and no arrays; one of names and shapes alone has no arrays.
    """

    name: str
    meta: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    path: Path = Path()


def read_cases(folder: Path, *, only: str | None = None) -> list[str]:
    """Names of the cases of a folder, from its manifest (a list of ``cases``, or a table by name) or its files."""
    manifest = folder / "manifest.json"
    if manifest.is_file():
        listed = json.loads(manifest.read_text(encoding="utf-8"))
        names = [str(entry["name"]) for entry in listed["cases"]] if "cases" in listed else list(listed)
    else:
        names = sorted(path.stem for path in folder.glob("*.json") if path.with_suffix(".npz").is_file())
    return [name for name in names if only is None or name == only]


def read_case(folder: Path, name: str) -> Case:
    """Read one case; arrays are loaded without pickle."""
    if (folder / name).is_dir():
        return Case(name, {}, {}, folder / name)
    meta = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    arrays = {}
    if (folder / f"{name}.npz").is_file():
        with np.load(folder / f"{name}.npz", allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    return Case(name, meta, arrays, folder)


def compare(name: str, found: NDArray[Any], reference: NDArray[Any], tolerance: Tolerance) -> ArrayResult:
    """Compare two arrays; shapes must be equal, NaN differs from everything."""
    if found.shape != reference.shape:
        return ArrayResult(name, passed=False, note=f"shape {found.shape}, reference {reference.shape}")
    if reference.size == 0:
        return ArrayResult(name, passed=True)
    difference = np.abs(found.astype(np.float64) - reference.astype(np.float64))
    scale = float(np.abs(reference.astype(np.float64)).max())
    largest = float(difference.max())
    if not np.isfinite(difference).all():
        return ArrayResult(name, passed=False, absolute=np.inf, relative=np.inf, note="not finite")
    bound = max(tolerance.absolute, tolerance.relative * scale)
    beyond = float((difference > bound).mean())
    touched = float((difference > 0).mean())
    passed = beyond <= tolerance.outliers and touched <= tolerance.touched
    if beyond > 0:
        passed = passed and largest <= tolerance.outlier_absolute
    note = "" if passed else f"{beyond:.2%} of entries beyond tolerance ({tolerance}), {touched:.2%} differ"
    return ArrayResult(name, passed, largest, largest / scale if scale else (0.0 if largest == 0 else np.inf), note)
