"""Released checkpoints of LLaVA's own layout: names of tensors, and sizes read off them.

``model_type`` llava_llama (LLaVA 1.5, M2F2-Det) or llava_mistral (LLaVA 1.6, FFAA); transformers' Llava class has the
same tensors under other names. What belongs to a detector inside is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from facewitness.errors import CheckpointError
from facewitness.networks.clip_sizes import current_clip_key

DETECTOR_PREFIX: Final = "deepfake_encoder."
"""Of the tensors of M2F2-Det's detector in a merged checkpoint."""

_TOWER: Final = ("model.vision_tower.vision_tower.", "vision_tower.")
_RENAMED: Final[tuple[tuple[str, str], ...]] = (
    ("model.mm_projector.0.", "core.model.multi_modal_projector.linear_1."),
    ("model.mm_projector.2.", "core.model.multi_modal_projector.linear_2."),
    ("deepfake_projector.", "score_projector."),
    ("lm_head.", "core.lm_head."),
    ("model.", "core.model.language_model."),
)
_UNUSED: Final = ("model.image_newline",)
"""Left over from LLaVA 1.6's cut-up pictures, which neither M2F2-Det nor FFAA makes."""

_BUFFERS: Final = (".position_ids", ".rotary_emb.inv_freq")
"""Constants that older versions of transformers stored and newer ones compute."""

_KINDS: Final[dict[str, str]] = {
    "llava_llama": "llama",
    "llava": "llama",
    "llava_mistral": "mistral",
    "llava_qwen": "qwen2",
}
_DROPPED: Final = ("architectures", "model_type", "auto_map", "torch_dtype", "dtype", "transformers_version", "bits")


@dataclass(frozen=True)
class LlavaReport:
    """What became of each tensor of a checkpoint.

    Attributes:
        renamed: How many were taken, most under another name.
        detector: How many belong to the detector inside.
        dropped: Names that are not needed, each for a known reason.
    """

    renamed: int
    detector: int
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        """One line."""
        return f"{self.renamed} tensors taken, {self.detector} of the detector, {len(self.dropped)} not needed"


def current_key(key: str) -> str | None:
    """The name of an official tensor in `LlavaNetwork`; None where it is not needed.

    Example:
        >>> current_key("model.layers.0.self_attn.q_proj.weight")
        'core.model.language_model.layers.0.self_attn.q_proj.weight'
        >>> current_key("model.vision_tower.vision_tower.vision_model.post_layernorm.bias")
        'core.model.vision_tower.post_layernorm.bias'
        >>> current_key("deepfake_projector.0.bias")
        'score_projector.0.bias'
    """
    if key in _UNUSED or key.endswith(_BUFFERS):
        return None
    for prefix in _TOWER:
        if key.startswith(prefix):
            return "core.model.vision_tower." + current_clip_key(key.removeprefix(prefix))
    for old, new in _RENAMED:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def split_official(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], LlavaReport]:
    """Part a merged checkpoint.

    Args:
        state: Official name to tensor (or to anything that stands for it, such as its shape).

    Returns:
        Values under the names of `LlavaNetwork`; those of the detector without their prefix; the report.

    Raises:
        CheckpointError: If two tensors would get one name.
    """
    ours: dict[str, Any] = {}
    detector: dict[str, Any] = {}
    dropped: list[str] = []
    for key, value in state.items():
        if key.startswith(DETECTOR_PREFIX):
            detector[key.removeprefix(DETECTOR_PREFIX)] = value
            continue
        name = current_key(key)
        if name is None:
            dropped.append(key)
        elif name in ours:
            msg = f"the checkpoint holds {name} twice, once as {key}; it mixes layouts of two versions"
            raise CheckpointError(msg)
        else:
            ours[name] = value
    return ours, detector, LlavaReport(len(ours), len(detector), tuple(dropped))


def core_config(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The ``LlavaConfig`` of transformers for a checkpoint in LLaVA's own layout.

    Args:
        config: Its ``config.json``; a table ``vision`` in it overrides what is read off the tensors.
        shapes: Names of `LlavaNetwork` to shapes.

    Raises:
        CheckpointError: If the kind is unknown or tensors that tell sizes are missing.
    """
    from transformers import AutoConfig, LlavaConfig

    kind = _KINDS.get(str(config.get("model_type", "llava_llama")))
    if kind is None:
        msg = f"model_type must be one of {', '.join(_KINDS)}, got {config.get('model_type')!r}"
        raise CheckpointError(msg)
    if config.get("mm_projector_type", "mlp2x_gelu") != "mlp2x_gelu":
        msg = f"only projectors of type mlp2x_gelu can be read, got {config['mm_projector_type']!r}"
        raise CheckpointError(msg)
    text = {key: value for key, value in config.items() if key not in _DROPPED and not _is_multimodal(key)}
    if kind == "mistral" and config.get("sliding_window") is None:
        text["sliding_window"] = None
    cls_kept = config.get("mm_vision_select_feature", "patch") == "cls"
    vocabulary = shapes["core.lm_head.weight"][0] if "core.lm_head.weight" in shapes else text["vocab_size"]
    return LlavaConfig(
        text_config=AutoConfig.for_model(kind, **{**text, "vocab_size": vocabulary}),
        vision_config=AutoConfig.for_model(
            "clip_vision_model", **{**_vision_sizes(shapes), **dict(config.get("vision") or {})}
        ),
        vision_feature_layer=int(config.get("mm_vision_select_layer", -2)),
        vision_feature_select_strategy="full" if cls_kept else "default",
        projector_hidden_act="gelu",
        image_token_index=int(vocabulary),
        tie_word_embeddings=False,
    )


def _is_multimodal(key: str) -> bool:
    first = key.partition("_")[0]
    return first in ("mm", "deepfake", "tune", "freeze", "unfreeze", "tokenizer", "vision") or key.startswith("image_")


def _vision_sizes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Sizes of a CLIP tower from the shapes of its tensors; heads of 64 numbers, as all of OpenAI's have."""
    tower = "core.model.vision_tower."
    try:
        (width,) = shapes[f"{tower}embeddings.class_embedding"]
        patch = shapes[f"{tower}embeddings.patch_embedding.weight"][-1]
        positions = shapes[f"{tower}embeddings.position_embedding.weight"][0]
        mlp = shapes[f"{tower}encoder.layers.0.mlp.fc1.weight"][0]
    except KeyError as error:
        msg = (
            f"the checkpoint has no vision tower inside ({error.args[0]} is missing); "
            "only merged models can be read: see `facewitness merge`"
        )
        raise CheckpointError(msg) from error
    depth = sum(key.startswith(f"{tower}encoder.layers.") and key.endswith(".mlp.fc1.bias") for key in shapes)
    return {
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": depth,
        "num_attention_heads": max(1, width // 64),
        "image_size": round((positions - 1) ** 0.5) * patch,
        "patch_size": patch,
        "hidden_act": "quick_gelu",
    }
