"""M2F2-Det as a detector of face crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropScore
from facewitness.detectors.m2f2_det.config import OFFICIAL_SOURCE
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.errors import ConfigError, MissingExtraError, WeightsError
from facewitness.faces.crops import CropSpec
from facewitness.records import OperatingPoint
from facewitness.runtime import Precision, cpu_has_bf16
from facewitness.score_maps import Calibration
from facewitness.weights import WeightsRecord, sha256_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from facewitness.detectors.m2f2_det.model import M2F2Det

NAME: Final = "m2f2_det"
_BATCH: Final = 8
_INDEX: Final = "model.safetensors.index.json"

CROP: Final = CropSpec(margin_ratio=1.3, size=336, border="shift")
"""The authors give cut faces and not how they cut them; 1.3 is the usual margin of FF++ crops, 336 px is CLIP's input,
so that nothing is resized twice."""


class M2F2Detector:
    """Scores crops with an M2F2-Det network, by torch.

    Args:
        model: ``M2F2Det`` with a vision tower; it is baked and moved.
        weights_name: File that the user gave.
        weights_sha256: Its hash.
        record: The weights' record, where there is one.
        device: ``auto`` (a GPU that torch sees, else the CPU) or any device of torch.
        precision: ``auto`` is bf16 where the processor has it, else f32.

    Raises:
        ConfigError: If the device is not there or the network has no vision tower.
    """

    def __init__(
        self,
        model: M2F2Det,
        *,
        weights_name: str,
        weights_sha256: str,
        record: WeightsRecord | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> None:
        import torch

        if not model.config.with_vision:
            msg = f"{weights_name} has no CLIP tower; put the authors' vision_tower.pth beside it"
            raise ConfigError(msg)
        self.name, self.crop, self.mode = NAME, CROP, model.config.mode
        self.weights_name, self.weights_sha256 = weights_name, weights_sha256
        self._device = _pick_device(device)
        self.device = str(self._device).upper()
        self.precision: str = _pick_precision(precision, self._device.type)
        self.operating_points: dict[str, OperatingPoint] = record.points() if record else {}
        self._calibration: Calibration | None = record.score_calibration() if record else None
        self.calibration_words = (
            f"{self._calibration.words}, fitted on {self._calibration.fitted_on}" if self._calibration else ""
        )
        self.processor = M2F2Processor(model.config.vision.image_size)
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self.model = model.to(self._device, self._dtype).bake()

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> list[CropScore]:
        """Score face crops.

        Args:
            crops: ``(size, size, 3)`` uint8 RGB each.

        Returns:
            One entry per crop, in order: the softmax's share of "fake", calibrated where the record says how; with
            prompts a heatmap, see `evidence_map`.
        """
        scores: list[CropScore] = []
        for start in range(0, len(crops), _BATCH):
            batch = crops[start : start + _BATCH]
            fakes, maps = self._run(batch)
            if self._calibration is not None:
                fakes = self._calibration.apply(fakes).astype(np.float32)
            for crop, fake, heat in zip(batch, fakes, maps, strict=True):
                over = None if heat is None else self.processor.map_over_image(heat, crop.shape[0], crop.shape[1])
                scores.append(CropScore(float(fake), calibrated=self._calibration is not None, heatmap=over))
        return scores

    def _run(
        self, crops: Sequence[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float32], Sequence[NDArray[np.float32] | None]]:
        """P(fake) and heatmaps of one batch."""
        import torch

        pixels = self.processor(crops).to(self._device, self._dtype)
        with torch.inference_mode():
            output = self.model(pixels)
            fakes = output.logits.float().softmax(1)[:, 1].cpu().numpy()
            if output.cosine_map is None:
                return fakes, [None] * len(crops)
            return fakes, list(evidence_map(self.model, output.cosine_map).cpu().numpy())


def evidence_map(model: M2F2Det, cosine_map: Tensor) -> Tensor:
    """Where the nearness of patches to the prompts speaks for a fake.

    The sign of a cosine means nothing by itself: the head decides for each patch whether nearness speaks for or
    against. A patch has 0 where it speaks for a real face or not at all; near 1 where it would settle the verdict if
    all patches spoke alike.

    Args:
        model: The network, with prompts.
        cosine_map: ``(B, patches)``, its output.

    Returns:
        ``(B, grid, grid)`` float32 in [0, 1].
    """
    count = cosine_map.shape[1]
    first = 0 if model.config.variant == "cosine" else model.config.head_inputs - count
    weights = model.head.weight[:, first : first + count].float()
    said = (weights[1] - weights[0]) * model.text_gate.float() * cosine_map.float()
    grid = model.config.vision.grid
    return (said * count / 2).tanh().clamp(min=0).reshape(-1, grid, grid)


def create(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> M2F2Detector:
    """Build the detector.

    Args:
        weights: One of the authors' files (stage 1's ``.pth``; the detector's ``.pth`` with ``vision_tower.pth``
            beside it; the folder of a LLaVA model), or ours (``.safetensors``).
        device: ``auto``, ``cpu``, ``cuda`` or any device of torch.
        precision: ``auto``, ``f32`` or ``bf16``.
        threads: Threads of torch; 0 leaves the choice to it.

    Returns:
        The detector, in the mode of its weights.

    Raises:
        WeightsError: Without weights, or when they are missing, unreadable, or not what their record says.
        CheckpointError: If they do not fit.
        MissingExtraError: Without torch and transformers.
    """
    if weights is None:
        msg = f"detector {NAME!r} needs weights, none are shipped: {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    if not weights.exists():
        msg = f"no weights at {weights}; {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    try:
        import torch

        from facewitness.detectors.m2f2_det.weights import load_model
    except ImportError as error:
        msg = f"detector {NAME!r} needs torch and transformers: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    record = WeightsRecord.beside(weights, detector=NAME) if weights.suffix == ".safetensors" else None
    if threads > 0:
        torch.set_num_threads(threads)
    hashed = weights / _INDEX if weights.is_dir() else weights
    return M2F2Detector(
        load_model(weights),
        weights_name=weights.name,
        weights_sha256=sha256_of(hashed) if hashed.is_file() else "",
        record=record,
        device=device,
        precision=precision,
    )


def _pick_device(device: str) -> torch.device:
    """The device of torch that is meant.

    Raises:
        ConfigError: If torch does not know it or cannot use it here.
    """
    import torch

    wanted = device.lower()
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(wanted)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        msg = f"device {device!r} is not available to torch; give auto or cpu"
        raise ConfigError(msg) from error
    return found


def _pick_precision(precision: str, kind: str) -> str:
    if precision not in ("auto", "f32", "bf16"):
        msg = f"precision must be auto, f32 or bf16, got {precision!r}"
        raise ConfigError(msg)
    if precision == "auto":
        return "f32" if kind == "cpu" and not cpu_has_bf16() else "bf16"
    return precision
