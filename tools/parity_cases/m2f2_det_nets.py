"""M2F2-Det's two networks: built from the stored sizes, filled by recipe, run, and sliced as the reference was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.m2f2_det.config import BRIDGE_STATES, M2F2Config
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.detectors.m2f2_det.weights import from_official, load_state
from facewitness.networks.clip import PromptEncoder
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize, current_clip_key
from parity_cases import recipes
from parity_cases.comparing import ArrayResult, Case, Tolerance, compare

Arrays = dict[str, NDArray[Any]]
_DEFAULT_GATES = {"clip_gate": 0.5, "text_gate": 4.0}
_TEXT_PREFIX = "clip_text_encoder."


def tolerance_of(name: str) -> Tolerance:
    """2e-4, or 1e-3 for the networks of full size."""
    return Tolerance(absolute=1e-3 if name.endswith("_full") else 2e-4)


def config_of(meta: Mapping[str, Any]) -> M2F2Config:
    """Our config of a stored one."""
    made = meta["config"]["ctor"]
    is_bridge = "sequence" in meta["config"]["source"]
    return M2F2Config(
        variant="bridge" if is_bridge else "cosine",
        backbone=made["deepfake_encoder_name"],
        hidden=made["hidden_size"],
        bridge_width=made.get("bridge_adapter_dim", 128),
        vision=vision_size(meta["config"]["vision"]),
        text=text_size(meta["config"]["text"]),
        prompt_tokens=meta["config"].get("prompt_token_num", 7),
    )


def vision_size(values: Mapping[str, Any]) -> ClipVisionSize:
    """From transformers' names."""
    return ClipVisionSize(
        values["hidden_size"],
        values["intermediate_size"],
        values["num_hidden_layers"],
        values["num_attention_heads"],
        values["image_size"],
        values["patch_size"],
        values["hidden_act"],
    )


def text_size(values: Mapping[str, Any]) -> ClipTextSize:
    """From transformers' names."""
    return ClipTextSize(
        values["hidden_size"],
        values["intermediate_size"],
        values["num_hidden_layers"],
        values["num_attention_heads"],
        values["max_position_embeddings"],
        values["hidden_act"],
    )


def filled(state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The official state dictionary with values by recipe; counters are 0."""
    return {
        key: torch.from_numpy(recipes.fill_value(key, tuple(shape))).reshape(tuple(shape))
        if "float" in kind
        else torch.zeros(tuple(shape), dtype=torch.int64)
        for key, (shape, kind) in state.items()
    }


def prompt_encoder(size: ClipTextSize, state: Mapping[str, torch.Tensor], prefix: str = _TEXT_PREFIX) -> PromptEncoder:
    """A prompt encoder with the entries of an official state dictionary."""
    encoder = PromptEncoder(size, state[f"{prefix}prompt_tokens"].shape[1])
    ours = {"prompt": state[f"{prefix}prompt_tokens"]}
    for key, value in state.items():
        name = current_clip_key(key.removeprefix(f"{prefix}model."))
        name = name.replace("embeddings.position_embedding", "positions").replace("encoder.layers", "blocks")
        name = name.replace("final_layer_norm", "output_norm")
        if key.startswith(f"{prefix}model.") and "token_embedding" not in name:
            ours[name] = value
    encoder.load_state_dict(ours)
    return encoder.eval()


def build(meta: Mapping[str, Any]) -> tuple[M2F2Det, dict[str, torch.Tensor]]:
    """The network of a case in official mode with its weights, and the official state dictionary."""
    config, state = config_of(meta), filled(meta["state_dict"])
    ours, report = from_official(state, config)
    if len(report.renamed) + len(report.unused) != len(state):
        msg = f"{len(state)} official entries, {len(report.renamed)} renamed, {len(report.unused)} left out"
        raise ValueError(msg)
    return load_state(M2F2Det(config), ours).eval(), state


@torch.no_grad()
def run_case(case: Case) -> list[ArrayResult]:
    """Compare every array of a network's case."""
    model, state = build(case.meta)
    found: Arrays = {}
    for name, made in case.meta["inputs"].items():
        maker = {"uniform": uniform_input, "normal": recipes.normal_input}[made["kind"]]
        given = torch.from_numpy(maker(made["seed"], tuple(made["shape"])))
        is_bridge = model.config.variant == "bridge"
        pixels = M2F2Processor(model.config.vision.image_size).of_tensors(given) if is_bridge else given
        run = _bridge_outputs if is_bridge else _cosine_outputs
        outputs = {**_common_outputs(model, pixels, state), **run(model, pixels)}
        found |= {f"{name}/{key}": value.numpy() for key, value in outputs.items()}
    missing = [ArrayResult(name, passed=False, note="nothing computes it") for name in case.arrays if name not in found]
    bound = tolerance_of(case.name)
    return missing + [compare(name, found[name], case.arrays[name], bound) for name in case.arrays if name in found]


def uniform_input(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers from 0 to 1."""
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def _common_outputs(model: M2F2Det, pixels: torch.Tensor, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    output, last = model(pixels), model.config.run_depth
    assert model.clip is not None
    tokens = model.clip(pixels, (last,))[0]
    cnn_map = model.cnn(pixels)
    pooled = prompt_encoder(model.config.text, state)()
    linear = torch.nn.functional.linear(pooled, state["text_proj.0.weight"], state["text_proj.0.bias"])
    norm = state["text_proj.1.weight"], state["text_proj.1.bias"]
    return {
        "logits": output.logits,
        "softmax": output.logits.softmax(1),
        "fused": output.fused,
        "text_pooled": pooled,
        "text_proj": torch.nn.functional.layer_norm(linear, linear.shape[-1:], *norm),
        "deepfake_map_slice": cnn_map[:, ::64],
        "deepfake_proj": model.cnn_projection(cnn_map.mean(dim=(2, 3))),
        "vision_proj_slice": model.clip_projection(tokens[:, ::48]),
        "clip_hm2_slice": tokens[:, ::48, ::8],
        "logits_alpha_default": _with_default_gates(model, pixels),
    }


def _bridge_outputs(model: M2F2Det, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    assert model.clip is not None
    states = model.clip(pixels, BRIDGE_STATES)
    taps = {f"clip_h{n}_slice": state[:, :-1][:, ::48, ::8] for n, state in zip(BRIDGE_STATES, states, strict=True)}
    return {
        **taps,
        "pixels_slice": pixels[:, :, ::16, ::16],
        "bridge_vec": model.bridge_vector().expand(len(pixels), -1),
    }


def _cosine_outputs(model: M2F2Det, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    output = model(pixels)
    assert model.clip is not None
    assert output.cosine_map is not None
    tokens = model.clip(pixels, (model.config.run_depth,))[0]
    return {"cosine_map": output.cosine_map, "logits_given_clip_features": model(pixels, tokens).logits}


def _with_default_gates(model: M2F2Det, pixels: torch.Tensor) -> torch.Tensor:
    """Logits with the gates that a new network has."""
    kept = {name: getattr(model, name).item() for name in _DEFAULT_GATES}
    for name, value in _DEFAULT_GATES.items():
        getattr(model, name).fill_(value)
    logits: torch.Tensor = model(pixels).logits
    for name, value in kept.items():
        getattr(model, name).fill_(value)
    return logits
