"""LAA-Net-Lite to ONNX, checked against torch; and the untrained control."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facewitness.detectors.laa_net.lite.detector import OUTPUTS, LiteDetector
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import CheckpointError
from facewitness.runtime import InferenceSession
from facewitness.weights import sha256_of

_OPSET = 18
_LARGEST_DEVIATION = 1e-3


class _Flat(nn.Module):
    """Scores and boundary as a tuple."""

    def __init__(self, model: LaaNetLite) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Run."""
        output = self.model(image)
        return output.scores, output.boundary


def export_lite(model: LaaNetLite, path: Path, size: int) -> float:
    """Write the network as one ONNX file with a free batch size, atomically, and compare it with torch.

    Args:
        model: The network; left in evaluation mode.
        path: Where to write.
        size: Side of the input in pixels, fixed in the file.

    Returns:
        Largest difference between the file (run by OpenVINO in f32) and torch, in units of the largest value.

    Raises:
        CheckpointError: If they differ by more than 0.001; nothing is written then.
    """
    temporary = path.with_name(f".{path.name}.part.onnx")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter that needs no further package announces its successor.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
            torch.onnx.export(
                _Flat(model).eval().to(memory_format=torch.contiguous_format),
                (torch.zeros(2, 3, size, size),),
                str(temporary),
                dynamo=False,
                opset_version=_OPSET,
                input_names=["image"],
                output_names=list(OUTPUTS),
                dynamic_axes={name: {0: "batch"} for name in ("image", *OUTPUTS)},
            )
        deviation = _deviation(model, temporary, size)
        if deviation > _LARGEST_DEVIATION:
            msg = f"the exported network differs from torch by {deviation:.2g} of its largest value; not written"
            raise CheckpointError(msg)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return deviation


def _deviation(model: LaaNetLite, path: Path, size: int) -> float:
    image = np.random.default_rng(0).standard_normal((3, 3, size, size)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(image))
    found = InferenceSession(path, device="CPU", precision="f32").run(image)
    pairs = [(found[name], getattr(expected, name).numpy()) for name in OUTPUTS]
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12)) for a, b in pairs)


def untrained_detector(seed: int = 0, processor: LiteProcessor | None = None) -> LiteDetector:
    """The same network with random weights: the control that shows what training brought.

    Args:
        seed: Seed of the weights.
        processor: Crop to input; None takes that of the embedded weights' defaults.
    """
    processor = processor or LiteProcessor()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LaaNetLite()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.onnx"
        export_lite(model, path, processor.image_size)
        return LiteDetector(path, processor=processor, weights_sha256=sha256_of(path), precision="f32")
