"""Where training computes: devices and precision, memory that is kept, Lightning without its advice."""

from __future__ import annotations

import ctypes
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import torch

TrainingPrecision = Literal["auto", "f32", "bf16"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Options of glibc's ``mallopt``."""


@dataclass(frozen=True)
class TrainingMachine:
    """Where and how a run computes; none of it changes what is learnt, beyond rounding.

    Attributes:
        device: ``auto`` or an accelerator of Lightning (``cpu``, ``gpu``, ``mps``).
        precision: ``auto`` is f32 on a CPU, where bf16 slows depthwise convolutions down, and bf16 elsewhere.
        threads: Threads of torch; 0 takes every processor.
        workers: Processes that make batches, per device; 0 makes them in this one.
        progress: Whether to show a progress bar.
        devices: How many devices.
        strategy: ``auto``, ``ddp``, ``fsdp``, ``deepspeed`` or any strategy of Lightning.
        num_nodes: How many machines.
    """

    device: str = "auto"
    precision: TrainingPrecision = "auto"
    threads: int = 0
    workers: int = 1
    progress: bool = True
    devices: int = 1
    strategy: str = "auto"
    num_nodes: int = 1

    @property
    def lightning_precision(self) -> Literal["32-true", "bf16-mixed"]:
        """The precision as Lightning calls it."""
        wanted = self.precision == "bf16"
        if self.precision == "auto":
            wanted = self.device != "cpu" and torch.cuda.is_available()
        return "bf16-mixed" if wanted else "32-true"

    @property
    def processes(self) -> int:
        """Processes that train, all machines together."""
        return self.devices * self.num_nodes


def widest_float(device: torch.device) -> torch.dtype:
    """What sums are kept in: float64, and float32 on Apple's MPS, which has no wider one."""
    return torch.float32 if device.type == "mps" else torch.float64


def keep_memory() -> None:
    """Let the C library keep freed blocks: giving them back to the system each step costs a quarter of the time."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        for option, size in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, (1 << 31) - 1), (_M_TOP_PAD, 1 << 28)):
            library.mallopt(option, size)


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning's advice on workers and loggers is of no use to a user of one verb."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*IterableDataset.*")
        yield
