"""M2F2-Det to a network file, without what no image changes: the text tower and the constant bridge are baked in."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from facewitness.detectors.m2f2_det.model import M2F2Det, evidence_map
from facewitness.detectors.m2f2_det.weights import NAME, VISION_FILE, load_model
from facewitness.errors import CheckpointError, WeightsError
from facewitness.runtime import InferenceSession
from facewitness.weights import WeightsRecord, sha256_of
from facewitness.whole_files import replacing

_OPSET: Final = 18
_LARGEST_DEVIATION: Final = 1e-3
_LICENCE: Final = "terms of the checkpoint it was exported from"


class _Flat(nn.Module):
    """The network with a tuple of named outputs, as an exporter wants it."""

    def __init__(self, model: M2F2Det) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Logits, and where there are prompts the evidence map."""
        output = self.model(pixels)
        if output.cosine_map is None:
            return (output.logits,)
        return output.logits, evidence_map(self.model, output.cosine_map)


def output_names(model: M2F2Det) -> list[str]:
    """Names of the file's outputs."""
    return ["logits", "evidence"] if model.config.has_prompts else ["logits"]


def export_onnx(model: M2F2Det, path: Path) -> Path:
    """Write the network as an ONNX file with a free batch size; it is left in evaluation mode.

    Args:
        model: With a vision tower; the file takes ``pixels`` and gives ``logits`` and, with prompts, ``evidence``.
        path: Where to write, atomically.

    Returns:
        ``path``.
    """
    model.bake()
    names = output_names(model)
    side = model.config.vision.image_size
    with replacing(path, shared=True) as part, warnings.catch_warnings(), torch.no_grad():
        # The exporter that needs no further package announces its successor and comments on sizes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Flat(model),
            (torch.zeros(2, 3, side, side),),
            str(part),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes={name: {0: "batch"} for name in ("pixels", *names)},
        )
    return path


def export_checkpoint(checkpoint: Path, target: Path) -> WeightsRecord:
    """Export a checkpoint, check the file against the network, and write its record.

    Args:
        checkpoint: The authors' or ours, with a vision tower.
        target: The ONNX file to write; the record goes beside it with the suffix ``.json``.

    Returns:
        The record.

    Raises:
        WeightsError: If the checkpoint cannot be read, or the network has no vision tower.
        CheckpointError: If it does not fit, or if the exported file disagrees with the network.
    """
    model = load_model(checkpoint)
    if not model.config.with_vision:
        msg = f"{checkpoint.name} has no CLIP tower to export; put the authors' {VISION_FILE} beside it"
        raise WeightsError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(model, target)
    deviation = export_deviation(model, target)
    if deviation > _LARGEST_DEVIATION:
        target.unlink()
        msg = f"the exported network differs from the checkpoint by {deviation:.2g} in a logit; not written"
        raise CheckpointError(msg)
    own = WeightsRecord.beside(checkpoint, detector=NAME) if checkpoint.suffix == ".safetensors" else None
    record = WeightsRecord(
        file=target.name,
        sha256=sha256_of(target),
        detector=NAME,
        licence=own.licence if own else _LICENCE,
        trained_on=own.trained_on if own else "see the checkpoint",
        recipe=f"exported from {checkpoint.name}",
        processor={"image_size": model.config.vision.image_size, "mode": model.config.mode},
        calibration=own.calibration if own else {},
        operating_points=own.operating_points if own else {},
        metrics={"export_deviation": float(f"{deviation:.3g}")},
    )
    record.write(target.with_suffix(".json"))
    return record


def export_deviation(model: M2F2Det, path: Path) -> float:
    """Largest difference of logits between the file (run by OpenVINO in float32) and the network.

    Args:
        model: The network.
        path: Its export.
    """
    side = model.config.vision.image_size
    pixels = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(pixels)).logits.numpy()
    found = InferenceSession(path, device="CPU", precision="f32").run(pixels)["logits"]
    return float(np.abs(found - expected).max())
