"""Which of the authors' files a state dictionary is, and which network it is of, by its keys and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from facewitness.detectors.m2f2_det.config import M2F2Config, Mode
from facewitness.errors import CheckpointError
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize, current_clip_key
from facewitness.networks.state import some

Kind = Literal["bridge", "cosine", "vision_tower", "llava", "clip"]
"""Stage 1's network, the detector of the language model, LLaVA's vision tower, a whole LLaVA, OpenAI's CLIP."""

_HEAD_WIDTH: Final = 64
"""Of an attention head in every released CLIP; shapes do not tell it."""

_EFFICIENTNETS: Final = {1408: 2, 1536: 3, 1792: 4, 2048: 5, 2304: 6}
"""Width of the last map to number; B0 and B1, B6 and B7 differ in depth or width only."""

_DENSENETS: Final = {24: "densenet121", 32: "densenet169", 48: "densenet201"}
"""Layers of the third dense block to network; DenseNet-161 has a wider start."""

TEXT: Final = "clip_text_encoder.model."
VISION: Final = "clip_vision_encoder.model."
_TOWERS: Final = ("model.vision_tower.vision_tower.", "vision_tower.vision_tower.", "vision_tower.")


@dataclass(frozen=True)
class OfficialFile:
    """A checkpoint, brought to the names of the detector alone.

    Attributes:
        kind: What it is.
        state: Detector keys as the authors' classes have them, with today's names of CLIP; a vision tower's are
            below ``clip_vision_encoder.model.``.
        others: Keys that belong to other parts of a whole model.
        had_module_prefix: Whether ``module.`` was removed.
        epoch: That the wrapper names.
    """

    kind: Kind
    state: Mapping[str, Any]
    others: tuple[str, ...] = ()
    had_module_prefix: bool = False
    epoch: int | None = None


def recognise(state: Mapping[str, Any]) -> OfficialFile:
    """Take the wrapper, the prefixes and the other parts of a whole model away, and say what it is.

    Args:
        state: What a file holds.

    Raises:
        CheckpointError: If it is none of the authors' files, or holds one key twice.
    """
    epoch = None
    if "model_state_dict" in state:
        found = state.get("epoch")
        epoch = int(found) if isinstance(found, int) else None
        state = state["model_state_dict"]
        if not isinstance(state, Mapping):
            msg = f"checkpoint's model_state_dict must be a mapping of tensors, got {type(state).__name__}"
            raise CheckpointError(msg)
    had_prefix = any(key.startswith("module.") for key in state)
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    kind = _kind(plain)
    renamed = {key: _detector_key(key, kind) for key in plain}
    kept = {name: plain[key] for key, name in renamed.items() if name}
    others = tuple(key for key, name in renamed.items() if not name)
    if len(kept) + len(others) != len(state):
        msg = "checkpoint holds the same keys with and without a prefix; it is damaged"
        raise CheckpointError(msg)
    return OfficialFile(kind, kept, others, had_prefix, epoch)


def _kind(keys: Mapping[str, Any]) -> Kind:
    if "output.weight" in keys:
        return "bridge" if any(k.startswith("bridge_adapter_proj.") for k in keys) else "cosine"
    if "deepfake_encoder.output.weight" in keys:
        return "llava"
    if any(k.startswith(_TOWERS) for k in keys):
        return "vision_tower"
    if any("pre_layrnorm." in k or "final_layer_norm." in k for k in keys):
        return "clip"
    msg = f"checkpoint is of no known M2F2-Det; its first keys are {some(list(keys))}"
    raise CheckpointError(msg)


def _detector_key(key: str, kind: Kind) -> str:
    """The name in the detector, or an empty text for what is of another part."""
    for tower in _TOWERS:
        if key.startswith(tower):
            return VISION + current_clip_key(key.removeprefix(tower))
    if kind == "clip":
        return _clip_key(key)
    if kind == "vision_tower":
        return ""
    if kind == "llava":
        if not key.startswith("deepfake_encoder."):
            return ""
        key = key.removeprefix("deepfake_encoder.")
    for prefix in (TEXT, VISION):
        if key.startswith(prefix):
            return prefix + current_clip_key(key.removeprefix(prefix))
    return key


def _clip_key(key: str) -> str:
    """A key of OpenAI's CLIP as transformers stores it; projections and temperature are of no use here."""
    if key.startswith("text_model."):
        return TEXT + current_clip_key(key)
    if key.startswith(("vision_model.", "embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm.")):
        return VISION + current_clip_key(key)
    return ""


def infer_config(file: OfficialFile, mode: Mode = "official") -> M2F2Config:
    """The network that a file is of.

    Widths and depths come from shapes; the heads of CLIP are taken to be 64 wide, as those of all released CLIPs.

    Args:
        file: Of kind ``bridge``, ``cosine`` or ``llava``.
        mode: Of the network.

    Raises:
        CheckpointError: If a part is missing or of a size that no network has.
    """
    keys = file.state
    try:
        projection = keys["deepfake_proj.0.weight"].shape
        vision = _vision_size(keys) or _handed_in(keys)
        text = _text_size(keys)
        is_bridge = file.kind == "bridge"
        reduction = "bridge_adapter_proj.bridge_adapter_reduction.0.weight"
        return M2F2Config(
            variant="bridge" if is_bridge else "cosine",
            mode=mode,
            backbone=_efficientnet(keys, int(projection[1])) if is_bridge else _densenet(keys),
            hidden=int(projection[0]),
            bridge_width=int(keys[reduction].shape[0]) if is_bridge else 128,
            vision=vision,
            text=text,
            prompt_tokens=int(keys["clip_text_encoder.prompt_tokens"].shape[1]),
            with_vision=any(k.startswith(VISION) for k in keys),
        )
    except (KeyError, AttributeError, IndexError) as error:
        msg = f"checkpoint of kind {file.kind} lacks a part that tells its size: {error}"
        raise CheckpointError(msg) from error


def _vision_size(keys: Mapping[str, Any]) -> ClipVisionSize | None:
    if f"{VISION}embeddings.position_embedding.weight" not in keys:
        return None
    tokens, width = (int(n) for n in keys[f"{VISION}embeddings.position_embedding.weight"].shape)
    patch = int(keys[f"{VISION}embeddings.patch_embedding.weight"].shape[-1])
    return ClipVisionSize(
        width=width,
        mlp=int(keys[f"{VISION}encoder.layers.0.mlp.fc1.weight"].shape[0]),
        depth=_depth(keys, VISION),
        heads=max(1, width // _HEAD_WIDTH),
        image_size=round((tokens - 1) ** 0.5) * patch,
        patch_size=patch,
    )


def _handed_in(keys: Mapping[str, Any]) -> ClipVisionSize:
    """What is known of a tower that another model runs: its width, and its patches from the head's inputs."""
    width = int(keys["vision_proj.0.weight"].shape[1])
    patches = int(keys["output.weight"].shape[1]) - 2 * int(keys["deepfake_proj.0.weight"].shape[0])
    patch = ClipVisionSize().patch_size
    return ClipVisionSize(width=width, heads=max(1, width // _HEAD_WIDTH), image_size=round(patches**0.5) * patch)


def _text_size(keys: Mapping[str, Any]) -> ClipTextSize:
    positions, width = (int(n) for n in keys[f"{TEXT}embeddings.position_embedding.weight"].shape)
    return ClipTextSize(
        width=width,
        mlp=int(keys[f"{TEXT}encoder.layers.0.mlp.fc1.weight"].shape[0]),
        depth=_depth(keys, TEXT),
        heads=max(1, width // _HEAD_WIDTH),
        positions=positions,
    )


def _depth(keys: Mapping[str, Any], prefix: str) -> int:
    pattern = re.compile(re.escape(prefix) + r"encoder\.layers\.(\d+)\.")
    return 1 + max(int(m[1]) for k in keys if (m := pattern.match(k)))


def _efficientnet(keys: Mapping[str, Any], width: int) -> str:
    blocks = len({k.split(".")[2] for k in keys if k.startswith("deepfake_encoder.1.")})
    number = {1280: 0 if blocks == 1 else 1, 2560: 7}.get(width, _EFFICIENTNETS.get(width, -1))
    if number < 0:
        msg = f"checkpoint has an EfficientNet that ends in {width} channels; B0 to B7 are known"
        raise CheckpointError(msg)
    return f"efficientnet_b{number}"


def _densenet(keys: Mapping[str, Any]) -> str:
    layers = len({k.split(".")[2] for k in keys if k.startswith("deepfake_encoder.denseblock3.")})
    start = int(keys["deepfake_encoder.conv0.weight"].shape[0])
    name = "densenet161" if start == 96 else _DENSENETS.get(layers)
    if name is None:
        msg = f"checkpoint has a DenseNet with {layers} layers in its third block; 121, 161, 169 and 201 are known"
        raise CheckpointError(msg)
    return name
