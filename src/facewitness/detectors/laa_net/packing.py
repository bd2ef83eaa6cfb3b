"""A checkpoint to an ONNX file with its weights record beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facewitness.detectors.laa_net.detector import record_of_checkpoint
from facewitness.detectors.laa_net.export import export_deviation, export_onnx
from facewitness.detectors.laa_net.processor import LaaNetProcessor, Protocol
from facewitness.detectors.laa_net.weights import load_model
from facewitness.errors import CheckpointError
from facewitness.weights import WeightsRecord, sha256_of

_LARGEST_DEVIATION = 1e-3
_LICENCE = "terms of the checkpoint it was exported from (the authors' are for academic use only)"


def export_checkpoint(
    checkpoint: Path,
    target: Path,
    *,
    size: int | None = None,
    protocol: Protocol | None = None,
) -> WeightsRecord:
    """Export a checkpoint, check the file against the network, and write its record.

    Args:
        checkpoint: The authors' or ours.
        target: The ONNX file to write; the record goes beside it with the suffix ``.json``.
        size: Side of the input in pixels; None takes the network's.
        protocol: Preprocessing that the weights were trained for; None takes that of the checkpoint's record, or
            ``sbi``.

    Returns:
        The record.

    Raises:
        WeightsError: If the checkpoint cannot be read.
        CheckpointError: If it does not fit, or if the exported file disagrees with the network.
    """
    model = load_model(checkpoint)
    side = model.config.image_size if size is None else size
    target.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(model, target, side)
    deviation = export_deviation(model, target, side, batch=1)
    worst = max(deviation.values())
    if worst > _LARGEST_DEVIATION:
        target.unlink()
        msg = f"the exported network differs from the checkpoint by {worst:.2g} of its largest value; not written"
        raise CheckpointError(msg)
    own = record_of_checkpoint(checkpoint)
    processor = LaaNetProcessor.from_record({**(own.processor if own else {}), "image_size": side})
    if protocol is not None:
        processor = replace(processor, protocol=protocol)
    record = WeightsRecord(
        file=target.name,
        sha256=sha256_of(target),
        detector="laa_net",
        licence=own.licence if own else _LICENCE,
        trained_on=own.trained_on if own else "see the checkpoint",
        recipe=f"exported from {checkpoint.name}, sha256 {sha256_of(checkpoint)}",
        processor={**processor.to_record(), "mode": model.config.mode},
        metrics={"export_deviation": {name: float(f"{value:.3g}") for name, value in deviation.items()}},
    )
    record.write(target.with_suffix(".json"))
    return record
