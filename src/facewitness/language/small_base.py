"""A LLaVA-type model to start from: a small language model, EfficientNet-Lite0, and a new projector between them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch

from facewitness.errors import MissingExtraError, WeightsError
from facewitness.language.lite_tower import LiteTower, LiteTowerConfig, register
from facewitness.language.llava import LlavaNetwork
from facewitness.language.llava_weights import LlavaSettings, LoadedLlava
from facewitness.networks.efficientnet_lite import EfficientNetLite0

_GGUF: Final = ".gguf"


def load_language(place: Path) -> tuple[Any, Any]:
    """A causal language model and its tokenizer, float32 on the CPU.

    Args:
        place: A GGUF file, whose weights are dequantised, or a folder of transformers.

    Raises:
        WeightsError: If it is neither, or cannot be read.
        MissingExtraError: If the package for GGUF files is not installed.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    folder = place
    if place.suffix == _GGUF and place.is_file():
        if find_spec("gguf") is None:
            msg = f"reading {place.name} needs a package: pip install gguf"
            raise MissingExtraError(msg)
        folder, options = place.parent, {**options, "gguf_file": place.name}
    elif not (place / "config.json").is_file():
        msg = f"expected a .gguf file or a folder of transformers with config.json, got {place}"
        raise WeightsError(msg)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{place} cannot be read as a language model: {error}; get the file again"
        raise WeightsError(msg) from error
    return model, tokenizer


def join(
    language: Any, tokenizer: Any, backbone: EfficientNetLite0, *, image_size: int, settings: LlavaSettings, seed: int
) -> LoadedLlava:
    """Put a language model and a vision network together; the projector is new and knows nothing.

    Args:
        language: As `load_language` gives it.
        tokenizer: Its tokenizer.
        backbone: The vision network with its weights.
        image_size: Side of the pictures, pixels; a multiple of 32.
        settings: Template and the like.
        seed: Of the projector.
    """
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    register()
    text = language.config.to_dict()
    text.pop("quantization_config", None)  # the weights are dequantised by now
    config = LlavaConfig(
        text_config=text,
        vision_config=LiteTowerConfig(image_size),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_token_index=len(tokenizer),
        tie_word_embeddings=bool(text.get("tie_word_embeddings", False)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        core: Any = LlavaForConditionalGeneration(config)
    core.model.language_model.load_state_dict(language.base_model.state_dict())
    core.lm_head.load_state_dict(language.get_output_embeddings().state_dict())
    tower: LiteTower = core.model.vision_tower
    tower.backbone.load_state_dict(backbone.state_dict())
    core.generation_config = language.generation_config
    return LoadedLlava(LlavaNetwork(core, max_length=settings.max_length).eval(), tokenizer, settings)
