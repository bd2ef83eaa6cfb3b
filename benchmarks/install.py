"""Time and size of the core install in a fresh venv (`pip install -c constraints.txt .`).

Run: python benchmarks/install.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import ROOT, print_table, run_child


def size_mb(folder: Path) -> float:
    """Bytes of every file below ``folder``, in MB; links are not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def main() -> None:
    """Measure and print one table."""
    with TemporaryDirectory() as name:
        venv = Path(name) / "venv"
        python = str(venv / "bin" / "python")
        made = run_child([sys.executable, "-m", "venv", str(venv)])
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        installed = run_child([*pip, "-c", str(ROOT / "constraints.txt"), str(ROOT)])
        first = run_child([python, "-m", "facewitness", "--version"])
        total = size_mb(venv)
        packages = venv / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        largest = sorted(((size_mb(p), p.name) for p in packages.iterdir() if p.is_dir()), reverse=True)[:5]
    print_table(
        "core install",
        [
            ("pip install, packages from the configured index or its cache", f"{installed.wall_s:.1f} s", "< 30 s"),
            ("making the venv itself", f"{made.wall_s:.1f} s", ""),
            ("venv on disk", f"{total:.0f} MB", "< 650 MB"),
            ("largest parts", ", ".join(f"{part} {megabytes:.0f} MB" for megabytes, part in largest), ""),
            ("`facewitness --version` for the first time", f"{first.wall_s:.2f} s", ""),
        ],
    )


if __name__ == "__main__":
    main()
