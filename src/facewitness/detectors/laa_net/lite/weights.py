"""Weights of LAA-Net-Lite as safetensors, with the network's shape in the header."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.lite.config import NAME, LiteConfig
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.errors import CheckpointError, ConfigError, WeightsError
from facewitness.whole_files import replacing


def save_lite(model: LaaNetLite, path: Path) -> None:
    """Write weights and shape, atomically."""
    tensors = {name: value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    with replacing(path) as part:
        save_file(tensors, part, metadata={"detector": NAME, "config": json.dumps(asdict(model.config))})


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


def average_lite(paths: Sequence[Path]) -> LaaNetLite:
    """The mean of several checkpoints of one run, in equal parts; the network is in evaluation mode.

    Checkpoints of one trajectory lie in one basin, and their mean generalises better than each of them: an early one
    has not yet learnt its pictures by heart, a late one knows more.

    Args:
        paths: Files that `save_lite` wrote, at least one.

    Raises:
        WeightsError: If a file is missing or not a safetensors file of this detector.
        CheckpointError: If their shapes differ, or there is none.

    Reference: Wortsman et al., Model soups, ICML 2022.
    """
    models = [load_lite(path) for path in paths]
    if not models or any(model.config != models[0].config for model in models):
        msg = f"expected checkpoints of one network, got {[path.name for path in paths]} of different shapes or none"
        raise CheckpointError(msg)
    states = [model.state_dict() for model in models]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]
