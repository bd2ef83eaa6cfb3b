"""LAA-Net as a detector of face crops; torch is imported for torch checkpoints only.

An exported ONNX file runs in OpenVINO with the core install. A checkpoint is exported once (this needs the torch
extra) into a cache folder under the name of its hash, and that file is run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropScore, sigmoid
from facewitness.detectors.laa_net.config import OFFICIAL_SOURCE
from facewitness.detectors.laa_net.processor import LaaNetProcessor
from facewitness.errors import MissingExtraError, WeightsError
from facewitness.faces.crops import CropSpec
from facewitness.records import OperatingPoint
from facewitness.runtime import InferenceSession, Precision
from facewitness.score_maps import Calibration
from facewitness.weights import WeightsRecord, sha256_of

_NAME = "laa_net"
_CHECKPOINTS = (".pth", ".pt", ".safetensors")
_BATCH = 8
_CACHE_VARIABLE = "FACEWITNESS_CACHE"
CROP = CropSpec(margin_ratio=1.5, size=317, border="shift")
"""The authors grow the face box by a quarter of its sides on each side; 317 px is what their training assumes."""


class LaaNetDetector:
    """Scores crops with an exported LAA-Net.

    Args:
        network: ``.onnx`` with the outputs ``heatmap_logit`` and ``logit``.
        processor: Crop to input.
        weights_name: File that the user gave.
        weights_sha256: Its hash.
        mode: ``official`` or ``corrected``.
        operating_points: By name.
        calibration: Applied to P(fake); None leaves it as it is.
        device: As `InferenceSession`.
        precision: As `InferenceSession`.
        threads: As `InferenceSession`.

    Raises:
        WeightsError: If the file has other outputs.
    """

    def __init__(
        self,
        network: Path,
        *,
        processor: LaaNetProcessor,
        weights_name: str,
        weights_sha256: str,
        mode: str = "official",
        operating_points: dict[str, OperatingPoint] | None = None,
        calibration: Calibration | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        threads: int = 0,
    ) -> None:
        self._session = InferenceSession(network, device=device, precision=precision, threads=threads)
        absent = {"heatmap_logit", "logit"} - set(self._session.output_names)
        if absent:
            msg = (
                f"{network.name} has the outputs {list(self._session.output_names)}, expected heatmap_logit and "
                "logit; write it with: facewitness export laa_net CHECKPOINT -o FILE.onnx"
            )
            raise WeightsError(msg)
        self.processor = processor
        self.name = _NAME
        self.crop = CROP
        self.mode = mode
        self.weights_name = weights_name
        self.weights_sha256 = weights_sha256
        self.precision: str = self._session.precision
        self.device = self._session.device
        self.operating_points = dict(operating_points or {})
        self._calibration = calibration
        self.calibration_words = (
            "" if calibration is None else f"{calibration.words}, fitted on {calibration.fitted_on}"
        )

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> list[CropScore]:
        """Score face crops.

        Args:
            crops: ``(size, size, 3)`` uint8 RGB each.

        Returns:
            One entry per crop, in order; the score is the sigmoid of the logit, calibrated where the record says how.
        """
        scores: list[CropScore] = []
        for start in range(0, len(crops), _BATCH):
            batch = crops[start : start + _BATCH]
            outputs = self._session.run(self.processor(batch))
            probabilities = sigmoid(outputs["logit"][:, 0])
            if self._calibration is not None:
                probabilities = self._calibration.apply(probabilities).astype(np.float32)
            heatmaps = sigmoid(outputs["heatmap_logit"][:, 0])
            for crop, probability, heatmap in zip(batch, probabilities, heatmaps, strict=True):
                over_crop = self.processor.heatmap_over_crop(heatmap, crop.shape[0], crop.shape[1])
                value = float(probability)
                scores.append(
                    CropScore(
                        value, calibrated=self._calibration is not None, experts={"blended": value}, heatmap=over_crop
                    )
                )
        return scores


def create(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> LaaNetDetector:
    """Build the detector.

    Args:
        weights: The authors' checkpoint (``.pth``, ``.pt``, ``.safetensors``), ours, or an exported ``.onnx``.
        device: As `InferenceSession`.
        precision: As `InferenceSession`.
        threads: As `InferenceSession`.

    Returns:
        The detector, in official mode unless the weights' record says otherwise.

    Raises:
        WeightsError: Without weights, or when the file is missing, of another kind, or not what its record says.
        CheckpointError: If a checkpoint does not fit.
        MissingExtraError: If a checkpoint is given and torch is not installed.
    """
    if weights is None:
        msg = (
            f"detector {_NAME!r} needs weights, none are shipped: {OFFICIAL_SOURCE} (FILE.pth or an exported FILE.onnx)"
        )
        raise WeightsError(msg)
    if not weights.is_file():
        msg = f"no weights file at {weights}; {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    if weights.suffix not in (".onnx", *_CHECKPOINTS):
        msg = f"weights must be .onnx, .pth, .pt or .safetensors, got {weights.name}"
        raise WeightsError(msg)
    network, record = (
        (weights, WeightsRecord.beside(weights, detector=_NAME)) if weights.suffix == ".onnx" else _exported(weights)
    )
    values = record.processor if record else {}
    return LaaNetDetector(
        network,
        processor=LaaNetProcessor.from_record(values),
        weights_name=weights.name,
        weights_sha256=sha256_of(weights),
        mode=str(values.get("mode", "official")),
        operating_points=record.points() if record else {},
        calibration=record.score_calibration() if record else None,
        device=device,
        precision=precision,
        threads=threads,
    )


def cache_folder() -> Path:
    """Where exports of checkpoints are kept: ``FACEWITNESS_CACHE``, else the user's cache folder.

    Where neither can be made, a folder that goes away with this process.
    """
    given = os.environ.get(_CACHE_VARIABLE)
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facewitness"
    folder = base / _NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _passing_folder()
    return folder


@lru_cache(maxsize=1)
def _passing_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="facewitness-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _exported(checkpoint: Path) -> tuple[Path, WeightsRecord | None]:
    """The cached export of a checkpoint, made now if it is not there."""
    digest = sha256_of(checkpoint)
    network = cache_folder() / f"{digest[:32]}.onnx"
    if not network.is_file() or not network.with_suffix(".json").is_file():
        try:
            from facewitness.detectors.laa_net.packing import export_checkpoint
        except ImportError as error:
            msg = (
                f"{checkpoint.name} is a torch checkpoint: pip install 'facewitness[torch]', or give the ONNX file "
                "that facewitness export wrote on a machine with torch"
            )
            raise MissingExtraError(msg) from error
        export_checkpoint(checkpoint, network)
    # What our training wrote beside its weights may have been calibrated since they were exported.
    own = record_of_checkpoint(checkpoint)
    return network, own or WeightsRecord.beside(network, detector=_NAME)


def record_of_checkpoint(checkpoint: Path) -> WeightsRecord | None:
    """The record that our training wrote beside a ``.safetensors`` file; None where there is none of that file.

    Raises:
        WeightsError: If it does not fit the file.
    """
    path = checkpoint.with_suffix(".json")
    if checkpoint.suffix != ".safetensors" or not path.is_file() or WeightsRecord.read(path).file != checkpoint.name:
        return None
    return WeightsRecord.beside(checkpoint, detector=_NAME)
