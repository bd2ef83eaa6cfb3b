"""Which room may import which; imports inside functions count as well."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from unit.house.house_paths import PACKAGE, modules

ROOT_MODULES = {
    "errors",
    "records",
    "registry",
    "config",
    "runtime",
    "weights",
    "selftest",
    "jpeg",
    "h264",
    "wording",
    "score_maps",
    "whole_files",
}
ALLOWED: dict[str, set[str]] = {
    "media": set(),
    "faces": {"media"},
    "pseudofakes": set(),
    "networks": set(),
    "language": {"networks", "reports"},
    "detectors": {"faces", "pseudofakes", "networks", "language"},
    "datasets": {"media", "faces", "pseudofakes"},
    "training": {"media", "faces", "pseudofakes", "networks", "language", "detectors", "datasets", "evaluation"},
    "evaluation": {
        "media",
        "faces",
        "pseudofakes",
        "networks",
        "language",
        "detectors",
        "datasets",
        "verdicts",
        "pipeline",
    },
    "verdicts": set(),
    "findings": {"media", "faces", "detectors", "language", "verdicts"},
    "pipeline": {"media", "faces", "detectors", "language", "verdicts", "findings"},
    "narration": {"language", "pipeline", "reports"},
    "reports": set(),
}
CLI = {"cli", "__main__"}
TORCHLESS = (
    "media",
    "faces",
    "pseudofakes",
    "reports",
    "pipeline",
    "verdicts",
    "narration",
    "cli",
    "detectors/laa_net/lite/detector",
)
TORCH_WORDS = {"torch", "torchvision", "lightning", "timm", "torchmetrics"}


def room_of(dotted: str) -> str:
    return dotted.split(".")[1] if "." in dotted else ""


def imports_of(source: str, package: str) -> set[str]:
    """Every dotted name that ``source`` imports, at the top or later, relative ones made absolute."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            # `from facewitness import records` imports a room through the package itself
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "facewitness" else {base}
    return found


def package_of(path: Path) -> str:
    return ".".join(("facewitness", *path.relative_to(PACKAGE).parent.parts))


def wrong_imports(room: str, imported: set[str]) -> list[str]:
    """What a module of ``room`` imports although the house plan does not let it."""
    if room in CLI:
        return []
    allowed = ALLOWED.get(room, set()) | {room} | ROOT_MODULES | {"__version__"}
    ours = {name for name in imported if name.split(".")[0] == "facewitness"}
    return sorted(name for name in ours if room_of(name) and room_of(name) not in allowed)


# The front door, facewitness/__init__.py, hands out names of any room on first use.
@pytest.mark.parametrize(
    "path", [p for p in modules() if p != PACKAGE / "__init__.py"], ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_rooms_import_downwards_only(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in ROOT_MODULES | ALLOWED.keys() | CLI, f"{room} is a new room: give it a line in ALLOWED"
    assert wrong_imports(room, imports_of(path.read_text(encoding="utf-8"), package_of(path))) == []


def test_root_modules_have_no_circle():
    edges = {
        name: {
            room_of(i)
            for i in imports_of((PACKAGE / f"{name}.py").read_text(encoding="utf-8"), "facewitness")
            if i.startswith("facewitness.") and i != "facewitness.__version__"
        }
        for name in ROOT_MODULES
    }
    done: set[str] = set()
    while ready := {n for n, needs in edges.items() if n not in done and needs <= done}:
        done |= ready
    assert done == ROOT_MODULES


@pytest.mark.parametrize("room", TORCHLESS)
def test_core_rooms_do_not_mention_torch(room):
    place = PACKAGE / room
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    # verbs that only make sense with the torch extra may import it, inside their function
    needs_torch = {"train.py", "evaluate.py", "export.py"}
    for path in files:
        if room == "cli" and path.name in needs_torch:
            continue
        tops = {name.split(".")[0] for name in imports_of(path.read_text(encoding="utf-8"), package_of(path))}
        assert not tops & TORCH_WORDS, path


def test_the_check_sees_wrong_imports():
    late = "def f():\n    from facewitness.reports import html\n"
    assert wrong_imports("media", imports_of(late, "facewitness.media")) == ["facewitness.reports"]
    assert wrong_imports("media", imports_of("from ..cli import main", "facewitness.media")) == ["facewitness.cli"]
    assert wrong_imports("faces", imports_of("from facewitness import pipeline", "x")) == ["facewitness.pipeline"]
    assert wrong_imports("faces", imports_of("from facewitness.media.images import read_image", "x")) == []
