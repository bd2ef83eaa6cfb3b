"""LAA-Net-Lite as a detector of face crops: OpenVINO, numpy, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.config import from_mapping
from facewitness.detectors import CropScore, sigmoid
from facewitness.detectors.laa_net.lite.config import EXPERTS, NAME
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import WeightsError
from facewitness.records import OperatingPoint
from facewitness.runtime import InferenceSession, Precision
from facewitness.score_maps import Calibration
from facewitness.weights import SCORE, WeightsRecord, sha256_of

PACKAGED = Path(__file__).parent / "laa_net_lite.onnx"
"""The embedded weights; their record lies beside them."""

OUTPUTS = ("scores", "boundary")

_BATCH = 16
_FIRED_FROM = 0.5


@dataclass(frozen=True)
class ExpertCalibration:
    """``P(fake) = sigmoid(scale * logit + bias)`` of one expert (Platt)."""

    scale: float
    bias: float


class LiteDetector:
    """Scores crops with an exported LAA-Net-Lite.

    Args:
        network: ``.onnx`` with the outputs ``scores`` ``(B, 2)`` and ``boundary`` ``(B, 1, h, w)``, logits.
        processor: Crop to input.
        weights_sha256: Hash of the file.
        calibration: By expert; empty leaves the scores uncalibrated.
        score_calibration: Applied to the P(fake) of every expert after that.
        operating_points: By name.
        device: As `InferenceSession`.
        precision: As `InferenceSession`.
        threads: As `InferenceSession`.

    Raises:
        WeightsError: If the file has other outputs.
    """

    mode = "lite"
    name = NAME

    def __init__(
        self,
        network: Path,
        *,
        processor: LiteProcessor,
        weights_sha256: str,
        calibration: Mapping[str, ExpertCalibration] | None = None,
        score_calibration: Calibration | None = None,
        operating_points: Mapping[str, OperatingPoint] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        threads: int = 0,
    ) -> None:
        self._session = InferenceSession(network, device=device, precision=precision, threads=threads)
        if set(self._session.output_names) != set(OUTPUTS):
            msg = (
                f"{network.name} has the outputs {list(self._session.output_names)}, expected {list(OUTPUTS)}; write "
                f"it with: facewitness export {NAME} WEIGHTS.safetensors -o FILE.onnx"
            )
            raise WeightsError(msg)
        self.processor = processor
        self.crop = processor.crop
        self.weights_name = network.name
        self.weights_sha256 = weights_sha256
        self.precision: str = self._session.precision
        self.device = self._session.device
        self.operating_points = dict(operating_points or {})
        self._calibration = dict(calibration or {})
        self._score_calibration = score_calibration
        said = ["Platt scaling of each expert"] if self._calibration else []
        if score_calibration is not None:
            said.append(f"{score_calibration.words}, fitted on {score_calibration.fitted_on}")
        self.calibration_words = "; then ".join(said)

    def logits(self, crops: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Raw output, averaged over the views.

        Args:
            crops: ``(C, C, 3)`` uint8 RGB each.

        Returns:
            ``(n, 2)`` score logits (blended, synthetic), and ``(n, h, w)`` boundary heat in [0, 1] of the whole crop.
        """
        processor, looks = self.processor, self.processor.looks
        scores: list[NDArray[np.float32]] = []
        heats: list[NDArray[np.float32]] = []
        crops_per_run = max(1, _BATCH // looks)
        for start in range(0, len(crops), crops_per_run):
            batch = crops[start : start + crops_per_run]
            pictures = [view for crop in batch for view in processor.prepare(crop)]
            outputs = self._session.run(processor(pictures))
            scores.append(outputs["scores"].reshape(len(batch), looks, len(EXPERTS)).mean(axis=1))
            maps = sigmoid(outputs["boundary"][:, 0]).reshape(len(batch), looks, *outputs["boundary"].shape[2:])
            heat = maps[:, 0]
            if processor.mirror:
                heat = (heat + maps[:, len(processor.views), :, ::-1]) * np.float32(0.5)
            heats.append(heat)
        if not scores:
            return np.zeros((0, len(EXPERTS)), np.float32), np.zeros((0, 1, 1), np.float32)
        return np.concatenate(scores), np.concatenate(heats)

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> list[CropScore]:
        """Score face crops.

        Args:
            crops: ``(size, size, 3)`` uint8 RGB each, cut as `crop` says.

        Returns:
            One entry per crop, in order; the score is that of the expert that is surer of a fake.
        """
        logits, heats = self.logits(crops)
        probabilities = {name: self.expert_scores(name, logits[:, i]) for i, name in enumerate(EXPERTS)}
        return [
            self._one({name: float(values[i]) for name, values in probabilities.items()}, heats[i])
            for i in range(len(crops))
        ]

    def expert_scores(self, expert: str, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(fake) of one expert from its logits, calibrated where the weights carry a calibration."""
        line = self._calibration.get(expert)
        scores = sigmoid(logits if line is None else line.scale * logits + line.bias)
        if self._score_calibration is None:
            return scores
        return np.asarray(self._score_calibration.apply(scores), dtype=np.float32)

    def _one(self, experts: dict[str, float], heat: NDArray[np.float32]) -> CropScore:
        decisive = max(experts, key=lambda name: experts[name])
        score = experts[decisive]
        return CropScore(
            score,
            calibrated=bool(self.calibration_words),
            experts=experts,
            fired=decisive if score >= _FIRED_FROM else "",
            heatmap=_enlarged(heat),
        )


def create(
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    threads: int = 0,
) -> LiteDetector:
    """Build the detector.

    Args:
        weights: An exported ``.onnx``; None takes the embedded one.
        device: As `InferenceSession`.
        precision: As `InferenceSession`.
        threads: As `InferenceSession`.

    Raises:
        WeightsError: If the file is missing, not of this detector, or not what its record says.
    """
    network = weights or PACKAGED
    if not network.is_file() or network.suffix != ".onnx":
        msg = f"{NAME} needs an exported .onnx file, got {network}; leave --weights out to use the embedded one"
        raise WeightsError(msg)
    record = WeightsRecord.beside(network, detector=NAME)
    lines = {name: line for name, line in record.calibration.items() if name != SCORE} if record else {}
    return LiteDetector(
        network,
        processor=LiteProcessor.from_record(record.processor if record else {}),
        weights_sha256=record.sha256 if record else sha256_of(network),
        calibration={name: from_mapping(ExpertCalibration, line, where=name) for name, line in lines.items()},
        score_calibration=record.score_calibration() if record else None,
        operating_points=record.points() if record else {},
        device=device,
        precision=precision,
        threads=threads,
    )


def _enlarged(heat: NDArray[np.float32], factor: int = 2) -> NDArray[np.float32]:
    """Twice as many cells, interpolated: a smoother picture, the same content."""
    size = (heat.shape[1] * factor, heat.shape[0] * factor)
    return np.clip(cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)
