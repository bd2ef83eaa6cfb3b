"""One detector on one test set under one coding: rates on reals first, then on fakes, ranking, and controls."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import CropDetector, CropScore
from facewitness.errors import FacewitnessError
from facewitness.evaluation.controls import spectrum_scores
from facewitness.evaluation.face_sets import FaceSet
from facewitness.evaluation.metrics import (
    Interval,
    bootstrap_interval,
    expected_calibration_error,
    rates,
    roc_auc,
    wilson_interval,
)
from facewitness.evaluation.reencoding import Coding
from facewitness.faces.crops import CropSpec, crop_face
from facewitness.records import OperatingPoint

Image = NDArray[np.uint8]

RESAMPLES: Final = 1000
_CHUNK = 32
_UNTRAINED: Final = {"laa_net_lite": "facewitness.detectors.laa_net.lite.packing:untrained_detector"}
"""Where the same network with random weights comes from, by detector."""


@dataclass(frozen=True)
class PointRates:
    """What an operating point does on a set.

    Attributes:
        point: The lines, as the weights carry them.
        false_positive_rate: Reals at or above the threshold.
        false_positive_interval: 95 % Wilson interval of it.
        true_positive_rate: Fakes at or above the threshold.
        reals_called_real: Reals below the lower threshold.
        fakes_called_real: Fakes below the lower threshold: the misses that are stated as REAL.
    """

    point: OperatingPoint
    false_positive_rate: float
    false_positive_interval: tuple[float, float]
    true_positive_rate: float
    reals_called_real: float
    fakes_called_real: float


@dataclass(frozen=True)
class Measurement:
    """One row of the results.

    Attributes:
        face_set: Name of the set.
        coding: Name of the coding.
        reals: Real faces scored.
        fakes: Fake faces scored.
        points: By name of the operating point, highest threshold first.
        auc: Area under the ROC curve over single pictures, 95 % bootstrap interval over ids.
        expert_aucs: The same area per expert, without an interval.
        calibration_error: Expected calibration error of the scores at the set's own share of fakes.
        controls: AUC of each control with its interval.
        scores: P(fake) per item, in the set's order.
        experts: P(fake) per expert and item.
    """

    face_set: str
    coding: str
    reals: int
    fakes: int
    points: dict[str, PointRates]
    auc: Interval
    expert_aucs: dict[str, float]
    calibration_error: float
    controls: dict[str, Interval] = field(default_factory=dict)
    scores: tuple[float, ...] = ()
    experts: dict[str, tuple[float, ...]] = field(default_factory=dict)


def untrained_control(detector_name: str, seed: int) -> tuple[CropDetector | None, str]:
    """The network of a detector with random weights, or why there is none.

    Args:
        detector_name: Registered name.
        seed: Of the random weights.

    Returns:
        The detector and an empty text, or None and the reason in words.
    """
    target = _UNTRAINED.get(detector_name)
    if target is None:
        return None, f"control 'untrained' left out: detector {detector_name!r} offers no untrained network"
    module, _, function = target.partition(":")
    try:
        made: CropDetector = getattr(import_module(module), function)(seed=seed)
    except ImportError as error:
        return None, f"control 'untrained' left out: it needs pip install 'facewitness[torch]' ({error})"
    return made, ""


def measure(
    detector: CropDetector,
    face_set: FaceSet,
    coding_name: str,
    coding: Coding,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    with_controls: bool = True,
    untrained: CropDetector | None = None,
) -> Measurement:
    """Code a set, score it, and sum up.

    Args:
        detector: Scores the crops.
        face_set: The pictures.
        coding_name: Name of the coding.
        coding: Applied to every scene of either label.
        seed: Of bootstrap and folds; mixed with the names of set and coding.
        resamples: Bootstrap resamples.
        with_controls: Whether to fit the spectrum control.
        untrained: The same network untrained, scored as a second control.

    Returns:
        The row.

    Raises:
        ConfigError: If a set is too small for its folds or its bootstrap.
    """
    coded = [coding(scene) for scene in face_set.scenes]
    crops = cut_crops(coded, face_set.boxes, detector.crop)
    scored = _score(detector, crops)
    scores = np.array([s.score for s in scored])
    labels = face_set.labels

    def interval(values: NDArray[np.float64]) -> Interval:
        rng = _generator(seed, face_set.name, coding_name, "bootstrap")
        return bootstrap_interval(roc_auc, values, labels, ids=face_set.ids, rng=rng, resamples=resamples)

    controls: dict[str, Interval] = {}
    if with_controls:
        rng = _generator(seed, face_set.name, coding_name, "folds")
        controls["spectrum"] = interval(spectrum_scores(crops, labels, face_set.ids, rng=rng))
    if untrained is not None:
        own = crops if untrained.crop == detector.crop else cut_crops(coded, face_set.boxes, untrained.crop)
        controls["untrained"] = interval(np.array([s.score for s in _score(untrained, own)]))
    experts = {name: np.array([s.experts[name] for s in scored]) for name in scored[0].experts}
    return Measurement(
        face_set=face_set.name,
        coding=coding_name,
        reals=int((labels == 0).sum()),
        fakes=int((labels == 1).sum()),
        points={name: point_rates(scores, labels, point) for name, point in _strictest_first(detector)},
        auc=interval(scores),
        expert_aucs={name: roc_auc(values, labels) for name, values in experts.items()},
        calibration_error=expected_calibration_error(scores, labels),
        controls=controls,
        scores=tuple(scores.tolist()),
        experts={name: tuple(values.tolist()) for name, values in experts.items()},
    )


def cut_crops(scenes: Sequence[Image], boxes: NDArray[np.float32], spec: CropSpec) -> list[Image]:
    """The detector's own crop out of each scene; a square larger than the scene is treated as its border rule says."""
    return [crop_face(scene, box, spec).image for scene, box in zip(scenes, boxes, strict=True)]


def point_rates(scores: NDArray[np.float64], labels: NDArray[np.int64], point: OperatingPoint) -> PointRates:
    """Shares of either label on either side of the lines.

    Args:
        scores: ``(n,)`` P(fake).
        labels: ``(n,)`` of 0 and 1, both present.
        point: The lines.

    Raises:
        ConfigError: On bad scores or labels.
    """
    called = rates(scores, labels, threshold=point.threshold)
    not_real = rates(scores, labels, threshold=point.lower_threshold)
    return PointRates(
        point=point,
        false_positive_rate=called.false_positive_rate,
        false_positive_interval=wilson_interval(called.false_positive_rate, int((labels == 0).sum())),
        true_positive_rate=called.true_positive_rate,
        reals_called_real=1 - not_real.false_positive_rate,
        fakes_called_real=1 - not_real.true_positive_rate,
    )


def _strictest_first(detector: CropDetector) -> list[tuple[str, OperatingPoint]]:
    return sorted(detector.operating_points.items(), key=lambda item: -item[1].threshold)


def _score(detector: CropDetector, crops: Sequence[Image]) -> list[CropScore]:
    scored: list[CropScore] = []
    for start in range(0, len(crops), _CHUNK):
        # heatmaps are not needed and would fill the memory
        scored += [CropScore(s.score, s.calibrated, s.experts) for s in detector.score(crops[start : start + _CHUNK])]
    if len(scored) != len(crops):
        msg = f"detector {detector.name!r} gave {len(scored)} scores for {len(crops)} crops"
        raise FacewitnessError(msg)
    return scored


def _generator(seed: int, *words: str) -> np.random.Generator:
    """Randomness that depends on the seed and the names alone, not on what else is measured."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])
