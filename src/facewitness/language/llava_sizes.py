"""How large a model is, before it is loaded: its network without memory, from config and headers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facewitness.language.llava import LlavaNetwork
from facewitness.language.llava_files import (
    DETECTOR_FILE,
    SCORE_FILE,
    find_folder,
    know_tower,
    read_folder,
    read_json,
    readable,
)
from facewitness.language.llava_official import split_official
from facewitness.language.llava_weights import build_empty


def empty_network(place: str | Path) -> LlavaNetwork:
    """The network of a folder, every parameter of it on torch's ``meta`` device.

    Args:
        place: Folder or hub id.

    Raises:
        WeightsError: If the folder is no model.
        CheckpointError: If sizes cannot be told.
    """
    folder = find_folder(place)
    with readable(folder):
        return _empty(folder)


def _empty(folder: Path) -> LlavaNetwork:
    config = read_json(folder / "config.json")
    if config.get("model_type") != "llava":
        return build_empty(split_official(_shapes(folder))[0], config)
    import transformers
    from accelerate import init_empty_weights

    know_tower(config)
    kinds: Any = transformers
    with init_empty_weights(include_buffers=False):
        core = kinds.LlavaForConditionalGeneration(kinds.LlavaConfig.from_pretrained(folder))
        network = LlavaNetwork(core, score_projector=(folder / SCORE_FILE).is_file())
    core.tie_weights()  # parameters without memory were made one by one
    return network


def _shapes(folder: Path) -> dict[str, Tensor]:
    """Names and shapes of a folder; safetensors are not read beyond their headers."""
    from safetensors import safe_open

    files = [path for path in sorted(folder.glob("*.safetensors")) if path.name not in (SCORE_FILE, DETECTOR_FILE)]
    if not files:
        return {key: value.to("meta") for key, value in read_folder(folder).items()}
    found: dict[str, Tensor] = {}
    for path in files:
        with safe_open(str(path), framework="pt") as stream:
            for key in stream.keys():  # noqa: SIM118 - not a mapping
                found[key] = torch.empty(stream.get_slice(key).get_shape(), device="meta")
    return found
