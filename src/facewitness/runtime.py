"""Inference sessions: one small class over OpenVINO, so that nothing else imports it.

OpenVINO reads ONNX, TensorFlow Lite and its own format, and runs without torch.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from facewitness import __version__
from facewitness.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from openvino import CompiledModel, Core

Precision = Literal["auto", "f32", "bf16"]
Device = str
"""``auto``, ``CPU``, ``GPU`` or any device name that OpenVINO lists."""


@lru_cache(maxsize=1)
def _core() -> Core:
    """The process-wide OpenVINO core (creating it costs tens of milliseconds)."""
    with _no_telemetry():
        from openvino import Core

    return Core()


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Hide the package with which OpenVINO tells its makers of each import; without it OpenVINO takes a stub."""
    if "openvino_telemetry" in sys.modules:  # the caller's own choice
        yield
        return
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it now fails
    try:
        yield
    finally:
        del sys.modules["openvino_telemetry"]


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 natively, as OpenVINO reports it."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def available_devices() -> dict[str, str]:
    """Devices that networks can run on, with their makers' names."""
    core = _core()
    return {name: str(core.get_property(name, "FULL_DEVICE_NAME")).strip() for name in core.available_devices}


class InferenceSession:
    """A compiled network.

    Args:
        path: ``.onnx``, ``.tflite`` or ``.xml`` file.
        device: ``auto`` takes a GPU that OpenVINO sees, else the CPU.
        precision: ``auto`` is bf16 where the CPU has it, else f32.
        threads: Inference threads; 0 leaves the choice to OpenVINO.
        latency: Tune for single calls (True) or for many parallel ones.

    Raises:
        WeightsError: If the file is missing or not a network.
        ConfigError: If the device or precision is unknown.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: Device = "auto",
        precision: Precision = "f32",
        threads: int = 0,
        latency: bool = True,
    ) -> None:
        if not path.is_file():
            msg = f"no network file at {path}; reinstall the package or give --weights an existing file"
            raise WeightsError(msg)
        self.device = self._pick_device(device)
        self.precision = self._pick_precision(precision, self.device)
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if self.precision == "bf16" else "f32",
            "PERFORMANCE_HINT": "LATENCY" if latency else "THROUGHPUT",
        }
        if threads > 0 and self.device == "CPU":
            properties["INFERENCE_NUM_THREADS"] = threads
        try:
            model = _core().read_model(str(path))
            self._compiled: CompiledModel = _core().compile_model(model, self.device, properties)
        except RuntimeError as error:
            first_line = str(error).strip().splitlines()[-1]
            msg = f"{path.name} is not a network that OpenVINO can run: {first_line}"
            raise WeightsError(msg) from error
        self.output_names = tuple(_port_name(port, i) for i, port in enumerate(self._compiled.outputs))

    @staticmethod
    def _pick_device(device: Device) -> str:
        available = _core().available_devices
        if device.lower() == "auto":
            return next((d for d in available if d.startswith("GPU")), "CPU")
        if device.upper().split(".")[0] not in {d.split(".")[0] for d in available}:
            msg = f"device {device!r} is not available; this machine has {', '.join(available)}"
            raise ConfigError(msg)
        return device.upper()

    @staticmethod
    def _pick_precision(precision: Precision, device: str) -> Literal["f32", "bf16"]:
        if precision not in ("auto", "f32", "bf16"):
            msg = f"precision must be auto, f32 or bf16, got {precision!r}"
            raise ConfigError(msg)
        if precision == "auto":
            return "bf16" if device == "CPU" and cpu_has_bf16() else "f32"
        return precision

    def run(self, inputs: NDArray[Any] | Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run once.

        Args:
            inputs: The only input, or a mapping from input name to array.

        Returns:
            Output name to a fresh float32 array.
        """
        result = self._compiled(dict(inputs) if isinstance(inputs, Mapping) else [inputs])
        return {name: np.array(result[i], dtype=np.float32, copy=True) for i, name in enumerate(self.output_names)}


def _port_name(port: Any, index: int) -> str:
    """A port's friendly name, or its index where the file gives none."""
    names = port.get_names()
    return min(names) if names else str(index)


def default_threads() -> int:
    """Number of CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def deciding_versions() -> dict[str, str]:
    """Versions of this package and of the libraries that change numbers, as far as they are installed by name."""
    found = {"facewitness": __version__}
    for name in ("numpy", "opencv-python-headless", "pillow", "av", "openvino"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
