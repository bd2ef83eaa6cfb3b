"""M2F2-Det as a detector of face crops: by OpenVINO from an exported file, by torch from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropScore, sigmoid
from facewitness.detectors.m2f2_det.config import OFFICIAL_SOURCE
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.errors import ConfigError, MissingExtraError, WeightsError
from facewitness.faces.crops import CropSpec
from facewitness.records import OperatingPoint
from facewitness.runtime import InferenceSession, Precision, cpu_has_bf16
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

Maps = Sequence[NDArray[np.float32] | None]


class TorchRunner:
    """Logits and evidence by torch.

    Args:
        model: With a vision tower; it is moved and baked.
        device: As `create`.
        precision: As `create`.

    Raises:
        ConfigError: If the device is not there.
    """

    def __init__(self, model: M2F2Det, device: str, precision: Precision) -> None:
        import torch

        self._device = _pick_device(device)
        self.device = str(self._device).upper()
        self.precision = _pick_precision(precision, self._device.type)
        self._dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self.model = model.to(self._device, self._dtype).bake()

    def __call__(self, pixels: Tensor) -> tuple[NDArray[np.float32], Maps]:
        """``(B, 2)`` logits and one map, or None, per image."""
        import torch

        from facewitness.detectors.m2f2_det.model import evidence_map

        with torch.inference_mode():
            output = self.model(pixels.to(self._device, self._dtype))
            logits = output.logits.float().cpu().numpy()
            if output.cosine_map is None:
                return logits, [None] * len(logits)
            return logits, list(evidence_map(self.model, output.cosine_map).cpu().numpy())


class FileRunner:
    """Logits and evidence by OpenVINO.

    Args:
        network: What `export_checkpoint` wrote.
        device: As `InferenceSession`.
        precision: As `InferenceSession`.
        threads: As `InferenceSession`.

    Raises:
        WeightsError: If the file has other outputs.
    """

    def __init__(self, network: Path, device: str, precision: Precision, threads: int) -> None:
        self._session = InferenceSession(network, device=device, precision=precision, threads=threads)
        if "logits" not in self._session.output_names:
            msg = f"{network.name} has the outputs {list(self._session.output_names)}, expected logits"
            raise WeightsError(msg)
        self.device, self.precision = self._session.device, str(self._session.precision)

    def __call__(self, pixels: Tensor) -> tuple[NDArray[np.float32], Maps]:
        """``(B, 2)`` logits and one map, or None, per image."""
        outputs = self._session.run(pixels.numpy())
        logits = outputs["logits"]
        return logits, list(outputs["evidence"]) if "evidence" in outputs else [None] * len(logits)


class M2F2Detector:
    """Scores crops with an M2F2-Det network.

    Args:
        runner: Computes logits and evidence maps.
        processor: Crop to input.
        mode: ``official`` or ``corrected``.
        weights_name: File that the user gave.
        weights_sha256: Its hash.
        record: The weights' record, where there is one.
    """

    def __init__(
        self,
        runner: TorchRunner | FileRunner,
        *,
        processor: M2F2Processor,
        mode: str,
        weights_name: str,
        weights_sha256: str,
        record: WeightsRecord | None = None,
    ) -> None:
        self._run: Callable[[Tensor], tuple[NDArray[np.float32], Maps]] = runner
        self.name, self.crop, self.mode = NAME, CROP, mode
        self.weights_name, self.weights_sha256 = weights_name, weights_sha256
        self.device, self.precision = runner.device, runner.precision
        self.processor = processor
        self.operating_points: dict[str, OperatingPoint] = record.points() if record else {}
        self._calibration: Calibration | None = record.score_calibration() if record else None
        self.calibration_words = (
            f"{self._calibration.words}, fitted on {self._calibration.fitted_on}" if self._calibration else ""
        )

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> list[CropScore]:
        """Score face crops.

        Args:
            crops: ``(size, size, 3)`` uint8 RGB each.

        Returns:
            One entry per crop, in order: the softmax's share of "fake", calibrated where the record says how; with
            prompts a heatmap, see `facewitness.detectors.m2f2_det.model.evidence_map`.
        """
        scores: list[CropScore] = []
        for start in range(0, len(crops), _BATCH):
            batch = crops[start : start + _BATCH]
            logits, maps = self._run(self.processor(batch))
            fakes = sigmoid(logits[:, 1] - logits[:, 0])
            if self._calibration is not None:
                fakes = self._calibration.apply(fakes).astype(np.float32)
            for crop, fake, heat in zip(batch, fakes, maps, strict=True):
                over = None if heat is None else self.processor.map_over_image(heat, crop.shape[0], crop.shape[1])
                scores.append(CropScore(float(fake), calibrated=self._calibration is not None, heatmap=over))
        return scores


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
            beside it; the folder of a LLaVA model), ours (``.safetensors``), or an exported ``.onnx``, which is
            faster.
        device: ``auto``, ``cpu``, ``cuda`` or any device of torch; for an exported file of OpenVINO.
        precision: ``auto``, ``f32`` or ``bf16``.
        threads: Threads of inference; 0 leaves the choice to the runtime.

    Returns:
        The detector, in the mode of its weights.

    Raises:
        WeightsError: Without weights, or when they are missing, unreadable, without a CLIP tower, or not what their
            record says.
        CheckpointError: If they do not fit.
        MissingExtraError: Without torch and transformers.
    """
    if weights is None:
        msg = f"detector {NAME!r} needs weights, none are shipped: {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    if not weights.exists():
        msg = f"no weights at {weights}; {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    own = weights.suffix in (".safetensors", ".onnx")
    record = WeightsRecord.beside(weights, detector=NAME) if own else None
    hashed = weights / _INDEX if weights.is_dir() else weights
    runner: TorchRunner | FileRunner
    if weights.suffix == ".onnx":
        values = record.processor if record else {}
        runner = FileRunner(weights, device, precision, threads)
        processor, mode = M2F2Processor.from_record(values), str(values.get("mode", "official"))
    else:
        model = _load(weights, threads)
        runner = TorchRunner(model, device, precision)
        processor, mode = M2F2Processor(model.config.vision.image_size), model.config.mode
    return M2F2Detector(
        runner,
        processor=processor,
        mode=mode,
        weights_name=weights.name,
        weights_sha256=sha256_of(hashed) if hashed.is_file() else "",
        record=record,
    )


def _load(weights: Path, threads: int) -> M2F2Det:
    """The network of a checkpoint; it must have its own tower."""
    try:
        import torch

        from facewitness.detectors.m2f2_det.weights import VISION_FILE, load_model
    except ImportError as error:
        msg = f"detector {NAME!r} needs torch and transformers: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    if threads > 0:
        torch.set_num_threads(threads)
    model = load_model(weights)
    if not model.config.with_vision:
        msg = f"{weights.name} has no CLIP tower; put the authors' {VISION_FILE} beside it"
        raise WeightsError(msg)
    return model


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
