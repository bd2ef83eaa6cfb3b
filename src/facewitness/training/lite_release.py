"""From trained weights to the file that ships: input, calibration, operating points, record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors.laa_net.lite.config import EXPERTS, NAME
from facewitness.detectors.laa_net.lite.detector import ExpertCalibration, LiteDetector
from facewitness.detectors.laa_net.lite.packing import export_lite
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.detectors.laa_net.lite.weights import average_lite, load_lite
from facewitness.evaluation.calibration import fit_platt
from facewitness.evaluation.metrics import expected_calibration_error
from facewitness.evaluation.verdict_lines import operating_points
from facewitness.records import OperatingPoint
from facewitness.selftest import self_test_entry
from facewitness.training.lite_validation import REAL_OF, Kind, ValidationSet, build_validation, validation_metrics
from facewitness.training.pair_data import FaceStore
from facewitness.weights import WeightsRecord, sha256_of

_ALL_FACES = 10_000
_CALIBRATION_SEED = 2
_BATCH = 128


@dataclass(frozen=True)
class InputScore:
    """How one way of looking does on held-out faces.

    Attributes:
        processor: The way of looking.
        metrics: As `validation_metrics`.
    """

    processor: LiteProcessor
    metrics: dict[str, float]


def compare_inputs(
    weights: Path, store: FaceStore, processors: Sequence[LiteProcessor], folder: Path
) -> Iterator[InputScore]:
    """Score the held-out faces in several ways of cutting and looking, one after another.

    Args:
        weights: What `facewitness train` wrote.
        store: The faces.
        processors: Ways of looking.
        folder: Where the exported networks go.
    """
    model = load_lite(weights)
    for processor in processors:
        network = folder / f"lite_{processor.image_size}.onnx"
        if not network.is_file():
            export_lite(model, network, processor.image_size)
        detector = LiteDetector(network, processor=processor, weights_sha256=sha256_of(network), precision="f32")
        data = _pictures(store, processor, seed=1, most_faces=360)
        yield InputScore(processor, validation_metrics(data, _logits(detector, data)))


def release_lite(
    weights: Path,
    store: FaceStore,
    target: Path,
    *,
    processor: LiteProcessor,
    licence: str,
    average_with: Sequence[Path] = (),
    commit: str = "",
    evaluation: dict[str, Any] | None = None,
) -> WeightsRecord:
    """Export trained weights, calibrate them on held-out faces, and write the record beside them.

    Args:
        weights: What `facewitness train` wrote.
        store: The faces; those of held-out identities are used.
        target: ONNX file to write.
        processor: Crop to input.
        licence: Terms of the weights, in words.
        average_with: Further checkpoints of the run; the mean of all is released.
        commit: Commit of this project that trained them.
        evaluation: Figures to be kept in the record.

    Returns:
        The record.

    Raises:
        CheckpointError: If the exported network disagrees with torch.
        ConfigError: If there are too few held-out faces for the operating points.
    """
    files = (weights, *average_with)
    part = target.with_name(f".{target.stem}.part.onnx")
    try:
        deviation = export_lite(average_lite(files), part, processor.image_size)
        digest = sha256_of(part)
        lines, points, metrics = _measured(part, digest, store, processor)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    metrics["export_deviation"] = float(f"{deviation:.3g}")
    if evaluation:
        metrics["evaluation"] = evaluation
    record = WeightsRecord(
        file=target.name,
        sha256=digest,
        detector=NAME,
        licence=licence,
        trained_on=_data_words(store),
        recipe=f"facewitness train laa_net --recipe lite ({store.recipe.steps} steps); {_files_words(files)}",
        commit=commit,
        processor=processor.to_record(),
        calibration={name: asdict(line) for name, line in lines.items()},
        operating_points={name: asdict(point) for name, point in points.items()},
        metrics=metrics,
    )
    record.write(target.with_suffix(".json"))
    return record


def _measured(
    network: Path, digest: str, store: FaceStore, processor: LiteProcessor
) -> tuple[dict[str, ExpertCalibration], dict[str, OperatingPoint], dict[str, Any]]:
    """Calibration, operating points and figures of an exported network on held-out faces."""
    bare = LiteDetector(network, processor=processor, weights_sha256=digest, precision="f32")
    data = _pictures(store, processor, seed=_CALIBRATION_SEED, most_faces=_ALL_FACES)
    logits = _logits(bare, data)
    lines = calibrate(data, logits)
    detector = LiteDetector(network, processor=processor, weights_sha256=digest, calibration=lines, precision="f32")
    points, calibration_error = _points(detector, data, logits)
    metrics = {
        "held_out_faces": validation_metrics(data, logits),
        "calibration_error": round(calibration_error, 4),
        "self_test": self_test_entry(lambda crops: [s.score for s in detector.score(crops)], detector.crop.size),
    }
    return lines, points, metrics


def calibrate(data: ValidationSet, logits: NDArray[np.float32]) -> dict[str, ExpertCalibration]:
    """Platt scaling of both experts.

    The expert for blends learns from the recipe's own forgeries and their genuine partners, the one for synthetic faces
    from all real faces and synthetic ones; what the other expert is for is left out.
    """
    lines = {}
    kinds: tuple[Kind, ...] = ("own", "synthetic")
    for i, (expert, kind) in enumerate(zip(EXPERTS, kinds, strict=True)):
        fakes = data.pick(kind)
        chosen = np.concatenate([data.pick(REAL_OF[kind]), fakes])
        labels = np.arange(len(chosen)) >= len(chosen) - len(fakes)
        scale, bias = fit_platt(logits[chosen, i], labels)
        lines[expert] = ExpertCalibration(float(scale), float(bias))
    return lines


def _points(
    detector: LiteDetector, data: ValidationSet, logits: NDArray[np.float32]
) -> tuple[dict[str, OperatingPoint], float]:
    """Operating points on the score that users see, and its calibration error on own forgeries and their partners.

    Each face counts once, in one of the codings in turn, for codings of one face are no independent faces. Soft and
    sharp faces get a threshold each and the higher one counts, so that a kind with few faces is not drowned.
    """
    scores = np.max([detector.expert_scores(name, logits[:, i]) for i, name in enumerate(EXPERTS)], axis=0)
    once = {kind: _one_coding_each(data, kind) for kind in ("real", "own", "synthetic")}
    fakes = scores[np.concatenate([once["own"], once["synthetic"]])]
    sharp = np.array([data.rows[int(i)].sharp for i in once["real"]])
    of_kind: list[dict[str, OperatingPoint]] = []
    for name, chosen in (("soft", once["real"][~sharp]), ("sharp", once["real"][sharp])):
        where = f"{len(chosen)} {name} ones of {len(sharp)} held-out real faces at JPEG 90 and H.264 CRF 23 and 38"
        if len(chosen):
            of_kind.append(operating_points(scores[chosen], fakes, chosen_on=where))
    points = {name: max((kind[name] for kind in of_kind), key=lambda point: point.threshold) for name in of_kind[0]}
    reals, forged = data.pick("own_real"), data.pick("own")
    error = expected_calibration_error(
        scores[np.concatenate([reals, forged])], np.r_[np.zeros(len(reals)), np.ones(len(forged))]
    )
    return points, error


def _one_coding_each(data: ValidationSet, kind: str) -> NDArray[np.intp]:
    indices = data.pick(kind)  # type: ignore[arg-type]
    codings = len({row.strength for row in data.rows})
    return np.array([i for k, i in enumerate(indices) if k % codings == (k // codings) % codings], dtype=np.intp)


def _pictures(store: FaceStore, processor: LiteProcessor, *, seed: int, most_faces: int) -> ValidationSet:
    crop = processor.crop
    return build_validation(store, size=crop.size, margin_ratio=crop.margin_ratio, most_faces=most_faces, seed=seed)


def _logits(detector: LiteDetector, data: ValidationSet) -> NDArray[np.float32]:
    parts = [
        detector.logits(list(data.images[start : start + _BATCH]))[0] for start in range(0, len(data.images), _BATCH)
    ]
    return np.concatenate(parts)


def _files_words(files: Sequence[Path]) -> str:
    named = " and ".join(f"{path.name} {sha256_of(path)[:16]}" for path in files)
    return f"mean of {named}" if len(files) > 1 else named


def _data_words(store: FaceStore) -> str:
    data = store.recipe.data
    counts = {g: len(store.refs(g, validation=False)) for g in (*data.real, *data.fake)}
    listed = ", ".join(f"{group} {count}" for group, count in counts.items() if count)
    return f"cached faces by group: {listed}; {data.validation_share:.0%} of the identities held out"
