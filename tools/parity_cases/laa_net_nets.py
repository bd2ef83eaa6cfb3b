"""LAA-Net networks: built from the official config, filled by recipe, run, and reduced as the reference was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facewitness.detectors.laa_net.config import from_official_model_block
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.weights import KeyReport, from_official, load_state, official_module
from facewitness.networks.efficientnet import block_specs
from parity_cases import recipes
from parity_cases.comparing import ArrayResult, Case, Tolerance, compare

NETWORK = Tolerance(relative=1e-4, absolute=1e-7)
"""Largest difference in units of the largest reference value; the authors' float32 and float64 differ by 1e-6."""

_SLICED = re.compile(r"^(?P<name>.+)__c(?P<channels>\d+)_s(?P<cells>\d+)$")
_OUTPUTS = {"hm": "heatmap_logit", "cls": "logit", "cstency": "consistency", "offset": "offset"}


def merged(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``overrides`` on top; nested mappings merge, dotted names descend."""
    result = dict(values)
    for key, value in overrides.items():
        head, _, rest = key.removeprefix("MODEL.").partition(".") if key not in values else (key, "", "")
        if rest:
            result[head] = merged(result.get(head, {}), {rest: value})
        elif isinstance(value, Mapping) and isinstance(result.get(head), Mapping):
            result[head] = merged(result[head], value)
        else:
            result[head] = value
    return result


def recipe_input(text: str) -> NDArray[np.float32]:
    """The input that a recipe in words describes; only ``default_rng(seed).standard_normal(shape)`` is understood."""
    seed = re.search(r"default_rng\(\s*(?:seed\s*=\s*)?(\d+)\s*\)", text)
    shape = re.search(r"standard_normal\(\s*(?:size\s*=\s*)?[(\[]([\d,\s]+)[)\]]", text)
    if seed is None or shape is None:
        msg = f"input recipe not understood: {text!r}"
        raise ValueError(msg)
    return recipes.normal_input(int(seed[1]), tuple(int(n) for n in shape[1].split(",") if n.strip()))


def build(meta: Mapping[str, Any]) -> tuple[LaaNet, KeyReport]:
    """The network of a case with its synthetic weights, loaded through the converter of official checkpoints."""
    config = from_official_model_block(merged(meta["config_values"], meta.get("model_overrides") or {}))
    shapes = {k: (tuple(shape), kind.startswith("float")) for k, (shape, kind) in meta["state_dict"].items()}
    gain = float(meta.get("weight_gain") or 1.0)
    filled = recipes.fill_state(shapes, gain=gain)
    state: dict[str, Tensor] = {k: torch.from_numpy(v) for k, v in filled.items()}
    state |= {k: torch.zeros(s, dtype=torch.int64) for k, (s, is_float) in shapes.items() if not is_float}
    ours, report = from_official(state, config)
    return load_state(LaaNet(config), ours).eval(), report


def network_outputs(model: LaaNet, x: NDArray[np.float32], middles: set[str]) -> dict[str, Tensor]:
    """Outputs by their official names, and the inner activations asked for (``mid_*``)."""
    kept: dict[str, Tensor] = {}
    hooks = []
    for name in middles:
        module, pick = _middle(model, name.removeprefix("mid_"))
        hooks.append(module.register_forward_hook(_keeper(kept, name, pick=pick)))
    try:
        with torch.no_grad():
            output = model(torch.from_numpy(x))
    finally:
        for hook in hooks:
            hook.remove()
    for official, ours in _OUTPUTS.items():
        value = getattr(output, ours)
        if value is not None:
            kept[official] = value
    if model.config.scores_twice_through_sigmoid and "cls" in kept:
        kept["cls"] = torch.sigmoid(kept["cls"])
    return kept


def _keeper(kept: dict[str, Tensor], name: str, *, pick: int | None) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        kept[name] = (output if pick is None else output[pick]).clone()

    return hook


def _middle(model: LaaNet, name: str) -> tuple[nn.Module, int | None]:
    """The module that an official inner activation comes out of, and which of its outputs."""
    endpoint = re.fullmatch(r"ep_reduction_(\d)", name)
    if endpoint is None:
        return model.get_submodule(official_module(name, model.config)), None
    if endpoint[1] == "6":
        return model.backbone, -1
    stages = block_specs(model.config.width, model.config.depth)
    ends = np.cumsum([len(stage) for stage in stages])
    stage = {"1": 0, "2": 1, "3": 2, "4": 4, "5": 6}[endpoint[1]]
    return model.get_submodule(f"backbone.blocks.{ends[stage] - 1}"), None


def reduce_like(name: str, outputs: Mapping[str, Tensor]) -> NDArray[Any] | None:
    """An array as the reference stores it: whole, strided, or channel statistics; None when there is no such output."""
    sliced = _SLICED.match(name)
    if sliced:
        value = outputs.get(sliced["name"])
        if value is None:
            return None
        value = value[:1] if name.startswith("mid_") else value
        channels, cells = int(sliced["channels"]), int(sliced["cells"])
        return np.asarray(value[:, ::channels, ::cells, ::cells].numpy())
    base, mark, statistic = name.rpartition("__chan_")
    if mark:
        value = outputs.get(base)
        if value is None:
            return None
        plain = value.numpy().astype(np.float64)
        return np.asarray(plain.mean((2, 3)) if statistic == "mean" else plain.std((2, 3)), dtype=np.float32)
    value = outputs.get(name)
    return None if value is None else value.numpy()


def run_network(case: Case) -> list[ArrayResult]:
    """Compare every array of a network case."""
    x = recipe_input(case.meta["input"])
    expected_sum = case.meta.get("input_sum")
    if expected_sum is not None and not np.isclose(float(x.astype(np.float64).sum()), expected_sum, atol=1e-2):
        note = f"input sums to {x.astype(np.float64).sum():.4f}, reference {expected_sum:.4f}"
        return [ArrayResult("input", passed=False, note=note)]
    model, _ = build(case.meta)
    middles = {_SLICED.sub(r"\g<name>", k).partition("__chan_")[0] for k in case.arrays if k.startswith("mid_")}
    outputs = network_outputs(model, x, middles)
    results = []
    for name, reference in case.arrays.items():
        found = reduce_like(name, outputs)
        if found is None:
            results.append(ArrayResult(name, passed=False, note="not reproduced"))
        else:
            results.append(compare(name, found, reference, NETWORK))
    return results
