"""``facewitness doctor``: is this installation whole, and do its models still say what they should?"""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facewitness import __version__

if TYPE_CHECKING:
    from facewitness.detectors import CropDetector
    from facewitness.weights import WeightsRecord

CORE_PACKAGES = ("numpy", "opencv-python-headless", "pillow", "av", "openvino", "typer", "rich", "jinja2")
EXTRA_PACKAGES = {"torch": ("torch", "torchvision", "lightning", "tensorboard", "onnx")}

FACE_ASSETS = {
    "face_detection_full_range.tflite": "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    "face_landmark.tflite": "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
}
"""Hashes of the packaged face networks, as NOTICE states them."""

_CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
_LOW_DISK_BYTES = 1 << 30


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Attributes:
        name: What was looked at.
        state: ok, note (works, but worth knowing) or broken.
        detail: What was found and, when broken, what to do.
    """

    name: str
    state: State
    detail: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Check versions, processor, devices, model files, and models against their golden output.

    Exit code 0 when everything works, 1 when something is broken.

    Example: facewitness doctor --json
    """
    checks = list(run_checks())
    broken = any(check.state is State.BROKEN for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not broken, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        _print(checks)
    raise typer.Exit(1 if broken else 0)


def run_checks() -> Iterator[Check]:
    """Every check, in the order that they are shown; a check that fails is itself a finding."""
    for check in (_software, _extras, _processor, _devices, _disk, _face_networks, _detectors):
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - a doctor reports whatever is broken and goes on
            name = check.__name__.strip("_").replace("_", " ")
            yield Check(name, State.BROKEN, f"{type(error).__name__}: {error}")


def _print(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table

    styles = {State.OK: "green", State.NOTE: "yellow", State.BROKEN: "bold red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        table.add_row(f"[{styles[check.state]}]{check.state.value}[/]", check.name, check.detail.replace("[", "\\["))
    Console(highlight=False).print(table)


def _software() -> Iterator[Check]:
    yield Check("facewitness", State.OK, __version__)
    yield Check("python", State.OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    versions = {name: _version(name) for name in CORE_PACKAGES}
    missing = [name for name, found in versions.items() if found is None]
    if missing:
        # another build of the same library (opencv-python) may stand in, so this alone breaks nothing
        yield Check("packages", State.NOTE, f"not installed under these names: {', '.join(missing)}")
    yield Check("packages", State.OK, ", ".join(f"{name} {found}" for name, found in versions.items() if found))


def _extras() -> Iterator[Check]:
    for extra, packages in EXTRA_PACKAGES.items():
        missing = [name for name in packages if _version(name) is None]
        if missing:
            detail = f"not installed ({', '.join(missing)}): pip install 'facewitness[{extra}]' to train and export"
            yield Check(f"extra {extra}", State.NOTE, detail)
        else:
            yield Check(f"extra {extra}", State.OK, ", ".join(f"{name} {_version(name)}" for name in packages))


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> Iterator[Check]:
    from facewitness.runtime import cpu_has_bf16, default_threads

    flags = _cpu_flags()
    known = ", ".join(flag for flag in _CPU_FLAGS if flag in flags) if flags else "flags not readable here"
    bf16 = "bfloat16 in hardware" if cpu_has_bf16() else "no bfloat16: f32 is used, about half as fast"
    yield Check("processor", State.OK, f"{default_threads()} usable threads; {known}; {bf16}")


def _cpu_flags() -> set[str]:
    """Instruction sets as Linux lists them; empty elsewhere."""
    source = Path("/proc/cpuinfo")
    if not sys.platform.startswith("linux") or not source.is_file():
        return set()
    lines = (line for line in source.read_text(encoding="utf-8").splitlines() if line.startswith("flags"))
    return set(next(lines, "").split())


def _devices() -> Iterator[Check]:
    from facewitness.runtime import available_devices

    yield Check("devices", State.OK, "; ".join(f"{name}: {text}" for name, text in available_devices().items()))


def _disk() -> Iterator[Check]:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    state = State.OK if free > _LOW_DISK_BYTES else State.NOTE
    yield Check("disk", state, f"{free / 1e9:.1f} GB free for temporary files")


def _face_networks() -> Iterator[Check]:
    from facewitness import faces
    from facewitness.faces.finder import FaceFinder
    from facewitness.selftest import SELF_TEST_SEED, self_test_crop
    from facewitness.weights import sha256_of

    folder = Path(faces.__file__).parent / "assets"
    for name, expected in FACE_ASSETS.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != expected:
            yield Check(name, State.BROKEN, "missing or changed; reinstall facewitness")
            return
    found = FaceFinder().find(self_test_crop(SELF_TEST_SEED, 256))
    yield Check(
        "face networks", State.OK, f"files are the packaged ones and run ({len(found)} faces in a test pattern)"
    )


def _detectors() -> Iterator[Check]:
    from facewitness.selftest import packaged_weights

    found = packaged_weights()
    if not found:
        yield Check("detectors", State.BROKEN, "no packaged weights; reinstall facewitness")
    for record, folder in found:
        yield _self_test(record, folder)


def _self_test(record: WeightsRecord, folder: Path) -> Check:
    """Hash of the file, then the score of the golden input."""
    from facewitness.detectors import DETECTORS
    from facewitness.errors import FacewitnessError
    from facewitness.selftest import SELF_TEST_TOLERANCE, self_test_crop

    name = f"detector {record.detector}"
    try:
        record.verify(folder)
        create: Callable[..., CropDetector] = DETECTORS.load(record.detector)
        detector = create()
    except FacewitnessError as error:
        return Check(name, State.BROKEN, str(error))
    golden = record.metrics.get("self_test")
    if golden is None:
        return Check(name, State.NOTE, f"{record.file} loads; its record holds no golden output to compare with")
    score = detector.score([self_test_crop(int(golden["seed"]), detector.crop.size)])[0].score
    expected = float(golden["expected"])
    agrees = abs(score - expected) <= SELF_TEST_TOLERANCE
    detail = f"{record.file} {record.sha256[:12]}: golden score {expected:.4f}, got {score:.4f} ({detector.precision})"
    if agrees:
        return Check(name, State.OK, detail)
    return Check(name, State.BROKEN, f"{detail}; beyond {SELF_TEST_TOLERANCE}: reinstall, or try --precision f32")
