"""M2F2-Det to a network file, without what no image changes: the text tower and the constant bridge are baked in."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.runtime import InferenceSession
from facewitness.whole_files import replacing

_OPSET: Final = 18


class _Flat(nn.Module):
    """The network with a tuple of named outputs, as an exporter wants it."""

    def __init__(self, model: M2F2Det) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Logits, and the cosine map where there is one."""
        output = self.model(pixels)
        return (output.logits,) if output.cosine_map is None else (output.logits, output.cosine_map)


def output_names(model: M2F2Det) -> list[str]:
    """Names of the file's outputs."""
    return ["logits", "cosine_map"] if model.config.has_prompts else ["logits"]


def export_onnx(model: M2F2Det, path: Path) -> Path:
    """Write the network as an ONNX file with a free batch size; it is left in evaluation mode.

    Args:
        model: With a vision tower; the file takes ``pixels`` and gives ``logits`` and, with prompts, ``cosine_map``.
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
