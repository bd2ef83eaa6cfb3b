"""LAA-Net to ONNX, and proof that the file says what the network says."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facewitness.detectors.laa_net.model import LaaNet
from facewitness.errors import ConfigError
from facewitness.runtime import InferenceSession
from facewitness.whole_files import replacing

OUTPUTS = ("heatmap_logit", "logit")
_KNOWN = ("heatmap_logit", "logit", "consistency", "offset")
_OPSET = 18


class _Flat(nn.Module):
    """The network with a tuple of named outputs, as an exporter wants it."""

    def __init__(self, model: LaaNet, outputs: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.outputs = tuple(outputs)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run and pick."""
        output = self.model(image)
        return tuple(getattr(output, name) for name in self.outputs)


def export_onnx(model: LaaNet, path: Path, size: int | None = None, outputs: Sequence[str] = OUTPUTS) -> Path:
    """Write the network as one ONNX file with a free batch size.

    Args:
        model: The network; exported in evaluation mode, its own mode is restored.
        path: Where to write, atomically.
        size: Side of the input in pixels; None takes the config's. It is fixed in the file, because "same"
            padding depends on it.
        outputs: Which of ``heatmap_logit``, ``logit``, ``consistency``, ``offset``.

    Returns:
        ``path``.

    Raises:
        ConfigError: If an output is unknown or the network has no such head.
    """
    side = model.config.image_size if size is None else size
    heads = {"heatmap_logit": "heatmap", "logit": "score", "consistency": "consistency", "offset": "offset"}
    absent = [name for name in outputs if name not in _KNOWN or heads[name] not in model.heads]
    if absent or not outputs:
        there = [name for name in _KNOWN if heads[name] in model.heads]
        msg = f"outputs must be among {there}, got {list(outputs)}"
        raise ConfigError(msg)
    was_training = model.training
    example = torch.zeros(2, 3, side, side)
    try:
        with replacing(path, shared=True) as part, warnings.catch_warnings(), torch.no_grad():
            # The exporter that needs no further package announces its successor and comments on slices.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
            warnings.filterwarnings("ignore", message="Converting a tensor")
            torch.onnx.export(
                _Flat(model.eval(), outputs),
                (example,),
                str(part),
                dynamo=False,
                opset_version=_OPSET,
                input_names=["image"],
                output_names=list(outputs),
                dynamic_axes={name: {0: "batch"} for name in ("image", *outputs)},
            )
    finally:
        model.train(was_training)
    return path


def export_deviation(model: LaaNet, path: Path, size: int | None = None, *, batch: int = 3) -> dict[str, float]:
    """Largest difference between the file (run by OpenVINO in float32) and the network, per output.

    Args:
        model: The network.
        path: Its export.
        size: Side of the input; None takes the config's.
        batch: Images of the comparison; another than the exporter's example, so that the free axis is tried too.

    Returns:
        Output to largest absolute difference in units of its largest value.
    """
    side = model.config.image_size if size is None else size
    image = np.random.default_rng(0).standard_normal((batch, 3, side, side)).astype(np.float32)
    was_training = model.training
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(image))
    model.train(was_training)
    found = InferenceSession(path, device="CPU", precision="f32").run(image)
    deviations = {}
    for name, value in found.items():
        reference = getattr(expected, name).numpy()
        deviations[name] = float(np.abs(value - reference).max() / max(np.abs(reference).max(), 1e-12))
    return deviations
