"""Weights of LAA-Net-Lite as safetensors, with the network's shape in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.lite.config import NAME, LiteConfig
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.errors import CheckpointError, ConfigError, WeightsError


def save_lite(model: LaaNetLite, path: Path) -> None:
    """Write weights and shape, atomically."""
    temporary = path.with_name(f".{path.name}.part")
    tensors = {name: value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(tensors, temporary, metadata={"detector": NAME, "config": json.dumps(asdict(model.config))})
    temporary.replace(path)


def load_lite(path: Path) -> LaaNetLite:
    """Read what `save_lite` wrote, strictly; the network is in evaluation mode.

    Raises:
        WeightsError: If the file is missing or not a safetensors file of this detector.
        CheckpointError: If its tensors do not fit its shape.
    """
    if not path.is_file():
        msg = f"no weights file at {path}"
        raise WeightsError(msg)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if header.get("detector") != NAME:
            msg = f"{path.name} holds weights of {header.get('detector', 'an unknown detector')!r}, expected {NAME!r}"
            raise WeightsError(msg)
        config = from_mapping(LiteConfig, json.loads(header["config"]), where=path.name)
    except (SafetensorError, OSError, KeyError, ValueError, ConfigError) as error:
        msg = f"{path.name} is not a safetensors file of {NAME}: {error}"
        raise WeightsError(msg) from error
    model = LaaNetLite(config)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        msg = f"{path.name} does not fit its own shape: {error}"
        raise CheckpointError(msg) from error
    return model.eval()
