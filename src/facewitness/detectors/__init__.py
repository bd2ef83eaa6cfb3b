"""Detectors by name, and what each of them offers to the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness.faces.crops import CropSpec
from facewitness.records import OperatingPoint
from facewitness.registry import Entry, Registry

DETECTORS = Registry("detector")
DETECTORS.add(
    "laa_net_lite",
    Entry(
        "facewitness.detectors.laa_net.lite.detector:create",
        "Embedded default: EfficientNet-Lite, trained on real faces, self-blends and synthetic faces.",
        "LAA-Net, CVPR 2024 (method); weights trained by this project",
    ),
)
DETECTORS.add(
    "laa_net",
    Entry(
        "facewitness.detectors.laa_net.detector:create",
        "EfficientNet-B4 + E-FPN with artifact heatmap; give --weights the authors' checkpoint or an exported ONNX.",
        "LAA-Net, CVPR 2024",
        extra="torch",
    ),
)
DETECTORS.add(
    "m2f2_det",
    Entry(
        "facewitness.detectors.m2f2_det.detector:create",
        "CLIP beside a convolutional network, with forgery prompts; give --weights the authors' checkpoint or our own.",
        "M2F2-Det, CVPR 2025",
        extra="torch",
        requires=("torch", "transformers"),
    ),
)

DEFAULT_DETECTOR = "laa_net_lite"


@dataclass(frozen=True)
class CropScore:
    """What a detector says of one face crop.

    Attributes:
        score: P(fake) in [0, 1], after calibration where the weights carry one.
        calibrated: Whether it was calibrated.
        experts: P(fake) per expert.
        fired: The expert that decided, empty when there is only one.
        heatmap: ``(h, w)`` float32 in [0, 1] over the crop, or None.
    """

    score: float
    calibrated: bool
    experts: dict[str, float] = field(default_factory=dict)
    fired: str = ""
    heatmap: NDArray[np.float32] | None = None


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits to probabilities, float32; logits beyond +-60 count as that, so nothing overflows."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), dtype=np.float32)


def calibration_words(detector: object) -> str:
    """How a detector's scores are calibrated, in words; empty where it does not say (``calibration_words``)."""
    return str(getattr(detector, "calibration_words", ""))


class CropDetector(Protocol):
    """A detector that scores face crops one by one.

    ``DETECTORS.load(name)`` gives its factory:
    ``create(*, weights: Path | None = None, device: str = "auto", precision: Precision = "auto",
    threads: int = 0) -> CropDetector``.

    Attributes:
        name: Registered name.
        crop: How faces are cut out for it.
        mode: ``official``, ``corrected`` or ``lite``.
        weights_name: File name of the weights.
        weights_sha256: Their hash.
        precision: ``f32`` or ``bf16``.
        device: Where it runs.
        operating_points: By name, such as ``fpr=0.01``; empty when the weights carry none.

    Where scores are calibrated, ``calibration_words`` says how.
    """

    name: str
    crop: CropSpec
    mode: str
    weights_name: str
    weights_sha256: str
    precision: str
    device: str
    operating_points: dict[str, OperatingPoint]

    def score(self, crops: Sequence[NDArray[np.uint8]]) -> list[CropScore]:
        """Score ``(size, size, 3)`` uint8 RGB crops, batched inside; the order is kept."""
        ...


def detector_facts(detector: CropDetector) -> dict[str, str]:
    """What every result says of the detector that its scores come from."""
    return {
        "detector": detector.name,
        "mode": detector.mode,
        "weights": detector.weights_name,
        "weights_sha256": detector.weights_sha256,
        "calibration": calibration_words(detector),
        "precision": detector.precision,
    }
