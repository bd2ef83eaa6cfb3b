"""Networks small enough for tests."""

from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize

SIDE = 56


def tiny_config(variant="bridge", mode="official", **changes):
    values = {
        "variant": variant,
        "mode": mode,
        "backbone": "efficientnet_b0" if variant == "bridge" else "densenet121",
        "hidden": 24,
        "bridge_width": 8,
        "bridge_block_heads": 2,
        "bridge_block_mlp": 8,
        "vision": ClipVisionSize(64, 96, 16, 1, SIDE, 14),
        "text": ClipTextSize(64, 96, 2, 1),
        "prompt_tokens": 5,
    }
    return M2F2Config(**{**values, **changes})


def small_densenet(weights=None):
    """Stands in for torchvision's densenet121 where runs are trained and saved: the same layers, far fewer."""
    from torchvision.models import DenseNet

    assert weights is None
    return DenseNet(growth_rate=8, block_config=(2, 2, 2, 2), num_init_features=16)


VARIANTS = [("bridge", "official"), ("bridge", "corrected"), ("cosine", "official")]


def to_official(ours, config):
    """The official names of our state dictionary, with what the authors' files hold besides; transformers 4 keys."""
    import torch

    names = {
        "clip_gate": "clip_vision_alpha",
        "text_gate": "clip_text_alpha",
        "clip.embeddings": "clip_vision_encoder.model.vision_model.embeddings",
        "clip.input_norm": "clip_vision_encoder.model.vision_model.pre_layrnorm",
        "clip.blocks": "clip_vision_encoder.model.vision_model.encoder.layers",
        "cnn_projection": "deepfake_proj",
        "cnn": "deepfake_encoder",
        "clip_projection": "vision_proj",
        "head": "output",
        "prompts.prompt": "clip_text_encoder.prompt_tokens",
        "prompts.positions": "clip_text_encoder.model.text_model.embeddings.position_embedding",
        "prompts.blocks": "clip_text_encoder.model.text_model.encoder.layers",
        "prompts.output_norm": "clip_text_encoder.model.text_model.final_layer_norm",
        "text_projection": "text_proj",
        "bridge.token_value": "bridge_adapter_proj.bridge_adapter_proj.2.bias",
        "bridge.reduce": "bridge_adapter_proj.bridge_adapter_reduction",
    }
    found = {}
    for key, value in ours.items():
        part = next(p for p in names if key == p or key.startswith(f"{p}."))
        found[names[part] + key.removeprefix(part)] = value
    layers = "clip_vision_encoder.model.vision_model.encoder.layers"
    last = f"{layers}.{config.vision.depth - 2}."
    found |= {
        key.replace(last, f"{layers}.{config.vision.depth - 1}."): v for key, v in found.items() if key.startswith(last)
    }
    for kind in ("weight", "bias"):
        found[f"clip_vision_encoder.model.vision_model.post_layernorm.{kind}"] = torch.ones(config.vision.width)
    found["clip_text_encoder.model.text_model.embeddings.token_embedding.weight"] = torch.ones(3, config.text.width)
    if config.variant == "bridge":
        found["linear_1.weight"], found["clip_reduction.weight"] = torch.ones(4, 80), torch.ones(4, 64)
        found["bridge_adapter_proj.bridge_adapter_proj.1.weight"] = torch.ones(1, 4)
        found["bridge_adapter_proj.bridge_adapter_proj.2.weight"] = torch.ones(1)
        found["text_proj.0.weight"] = torch.ones(24, 64)
        found["clip_text_encoder.prompt_tokens"] = torch.ones(1, 5, 64)
        text = "clip_text_encoder.model.text_model."
        found[f"{text}embeddings.position_embedding.weight"] = torch.ones(77, 64)
        for number in range(config.text.depth):
            found[f"{text}encoder.layers.{number}.mlp.fc1.weight"] = torch.ones(96, 64)
    return found
