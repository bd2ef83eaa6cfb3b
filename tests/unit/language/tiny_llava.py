"""A LLaVA-type model of some thousand parameters with random weights, and its tokenizer; no download."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from facewitness.language.llava import LlavaNetwork
from facewitness.language.llava_weights import LlavaSettings, LoadedLlava

TEXTS = (
    (
        "A chat between a curious user and an artificial intelligence assistant. USER: Do the image "
        "looks real or fake? ASSISTANT: The image looks fake."
    ),
    "The image looks real. Why is the mouth fake? There are boundaries between eyebrows. [INST] one two [/INST]",
)
SIDE = 56
PATCH = 14


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """A byte-level tokenizer whose start and end tokens are those of Llama."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=2048
    )


def text_config(kind: str = "llama") -> Any:
    """A language model of two layers."""
    from transformers import AutoConfig

    return AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer()),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def core(kind: str = "llama", *, seed: int = 0, vision_width: int = 32) -> Any:
    """``LlavaForConditionalGeneration`` over a tiny CLIP."""
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=vision_width,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=max(1, vision_width // 64),
        image_size=SIDE,
        patch_size=PATCH,
    )
    config = LlavaConfig(
        text_config=text_config(kind),
        vision_config=vision,
        vision_feature_layer=-2,
        image_token_index=len(tokenizer()),
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    made = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim >= 2:  # the usual start is so near zero that every logit is alike
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    return made.eval()


def network(kind: str = "llama", *, score: bool = True, seed: int = 0) -> LlavaNetwork:
    """The network around it."""
    made = LlavaNetwork(core(kind, seed=seed), score_projector=score)
    return made.eval()


def loaded(kind: str = "llama", *, score: bool = True, template: str = "vicuna_v1", seed: int = 0) -> LoadedLlava:
    """Network, tokenizer and settings."""
    return LoadedLlava(network(kind, score=score, seed=seed), tokenizer(), LlavaSettings(template=template))


def official_state(made: LlavaNetwork) -> dict[str, torch.Tensor]:
    """The tensors under the authors' names (those of transformers 4.37)."""
    names = {}
    for key, value in made.state_dict().items():
        name = key.removeprefix("core.")
        name = name.replace("model.vision_tower.", "model.vision_tower.vision_tower.vision_model.")
        name = name.replace("model.language_model.", "model.")
        name = name.replace("model.multi_modal_projector.linear_1.", "model.mm_projector.0.")
        name = name.replace("model.multi_modal_projector.linear_2.", "model.mm_projector.2.")
        names[name.replace("score_projector.", "deepfake_projector.")] = value
    return names


def official_config(kind: str = "llava_llama") -> dict[str, Any]:
    """The authors' ``config.json`` for it."""
    text = text_config("mistral" if kind == "llava_mistral" else "llama").to_dict()
    kept = {key: value for key, value in text.items() if isinstance(value, int) and not isinstance(value, bool)}
    return {
        **kept,
        "model_type": kind,
        "architectures": ["LlavaLlamaForCausalLM"],
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "cls_patch",
        "mm_projector_type": "mlp2x_gelu",
        "image_aspect_ratio": "pad",
        "tokenizer_model_max_length": 512,
        "rms_norm_eps": 1e-6,
    }
