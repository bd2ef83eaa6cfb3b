"""Where things are, for the tests of the house."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "src" / "facewitness"
_SKIPPED = {".git", "build", "dist", "runs", "demo-report"}


def modules() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def project_files() -> list[Path]:
    """Every file of the project: what git tracks, or (without git, as in an sdist) all but caches and venvs."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not any(p in _SKIPPED or p.startswith(".") or p == "__pycache__" for p in path.parts)
    ]
