"""M2F2-Det's pieces: prompt encoder, taps, smoothing, adapter block, projection, preprocessing, augmentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from facewitness.detectors.m2f2_det.config import BRIDGE_STATES
from facewitness.detectors.m2f2_det.parts import AdapterBlock, ConstantBridge
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.networks.clip import ClipVision
from facewitness.networks.clip_sizes import current_clip_key
from facewitness.networks.smoothing import GaussianSmoothing, LaplacianPyramid
from facewitness.training.m2f2_augment import gaussian_blur, jpeg_round_trip
from parity_cases import recipes
from parity_cases.comparing import ArrayResult, Case, Tolerance, compare
from parity_cases.m2f2_det_nets import filled, prompt_encoder, text_size, vision_size

_CLOSE = Tolerance(absolute=1e-5)
_BF16 = Tolerance(absolute=2e-2)
_LEVELS = Tolerance(absolute=3)
Values = Mapping[str, Any]


def run_case(case: Case) -> list[ArrayResult]:
    """Compare every array of the pieces."""
    results = []
    for name, reference in case.arrays.items():
        try:
            found = _compute(name, case.meta)
        except Exception as error:  # noqa: BLE001 - the report must name every piece that breaks
            results.append(ArrayResult(name, passed=False, note=f"{type(error).__name__}: {error}"))
            continue
        results.append(compare(name, found, reference, _tolerance(name)))
    return results


def _tolerance(name: str) -> Tolerance:
    if name.startswith("augment/"):
        return _LEVELS
    return _BF16 if name == "adapter_block" else _CLOSE


@torch.no_grad()
def _compute(name: str, meta: Values) -> NDArray[Any]:
    """What our code gives for one array."""
    group, _, part = name.partition("/")
    if group == "preprocess":
        made = meta["preprocess"][part]["input"]
        picture = bytes_image(made["seed"], tuple(made["shape"]))
        return M2F2Processor()([picture])[0].numpy()[:, ::6, ::6]
    if group == "augment":
        return _augmented(part, meta["augment"]["input"])
    module = meta["modules"][group]
    if part == "kernel":
        return _gaussian(module, []).weight.numpy()
    inputs = [torch.from_numpy(recipes.normal_input(i["seed"], tuple(i["shape"]))) for i in module["inputs"]]
    run = next(run for pattern, run in _MODULES if re.match(pattern, group))
    return np.asarray(run(module, inputs).numpy())


def bytes_image(seed: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Noise of 8 bits."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _augmented(part: str, note: str) -> NDArray[Any]:
    """A blurred or compressed picture; the note says how its source is made."""
    made = re.search(r"bytes_image\((\d+),\((\d+),(\d+),3\)\).* to (\d+)x(\d+)", note)
    if made is None:
        msg = f"the note of the source cannot be read: {note!r}"
        raise ValueError(msg)
    seed, height, width, wide, tall = (int(n) for n in made.groups())
    small = Image.fromarray(bytes_image(seed, (height, width, 3)))
    picture = np.asarray(small.resize((wide, tall), Image.Resampling.BILINEAR))
    kind, *values = part.split("_")
    if kind == "blur":
        return gaussian_blur(picture, float(values[0]))
    return jpeg_round_trip(picture, int(values[1]), "opencv" if values[0] == "cv2" else "pillow")


def _prompts(module: Values, inputs: list[Tensor]) -> Tensor:
    encoder = prompt_encoder(text_size(module["config"]["text"]), filled(module["state_dict"]), prefix="")
    out: Tensor = encoder(*inputs)
    return out


def _taps(module: Values, inputs: list[Tensor]) -> Tensor:
    size = vision_size(module["config"]["vision"])
    tower = ClipVision(size, size.depth - 1).eval()
    ours = {}
    for key, value in filled(module["state_dict"]).items():
        name = current_clip_key(key.removeprefix("model."))
        ours[name.replace("pre_layrnorm", "input_norm").replace("encoder.layers", "blocks")] = value
    tower.load_state_dict({name: ours[name] for name in tower.state_dict()})
    *taps, last = tower(inputs[0], (*BRIDGE_STATES, size.depth - 1))
    return torch.cat([*(t[:, :-1].flatten(1) for t in taps), last.flatten(1)], dim=1)


def _gaussian(module: Values, _inputs: list[Tensor]) -> GaussianSmoothing:
    made = module["config"]
    return GaussianSmoothing(made["channels"], made["kernel_size"], made["sigma"])


def _laplacian(module: Values, inputs: list[Tensor]) -> Tensor:
    made = module["config"]
    pyramid = LaplacianPyramid(made["in_c"], made["gauss_ker_size"], made["scale"]).eval()
    state = filled(module["state_dict"])
    ours = {key.replace("conv_1x1", "mix"): v for key, v in state.items() if not key.startswith("smoothing.")}
    pyramid.load_state_dict({**pyramid.state_dict(), **ours})
    out: Tensor = pyramid(inputs[0])
    return out


def _block(module: Values, inputs: list[Tensor], dtype: torch.dtype | None) -> Tensor:
    made, state = module["config"], filled(module["state_dict"])
    block = AdapterBlock(made["embed_dim"], made["num_heads"], made["ff_dim"], attention_dtype=dtype).eval()
    names = {"attn.out_proj": "merge", "norm1": "attention_norm", "norm2": "mlp_norm", "ffn": "mlp"}
    ours = {}
    for key, value in state.items():
        if ".Wqkv." in key:
            kind = key.rpartition(".")[2]
            ours |= {f"{n}.{kind}": part for n, part in zip(("query", "key", "value"), value.chunk(3), strict=True)}
        else:
            old = next(n for n in names if key.startswith(n))
            ours[key.replace(old, names[old])] = value
    block.load_state_dict(ours)
    out: Tensor = block(inputs[0])
    return out


def _constant(module: Values, inputs: list[Tensor]) -> Tensor:
    tokens, images, _ = inputs[0].shape
    state = filled(module["state_dict"])
    bridge = ConstantBridge(tokens, module["config"]["bridge_adapter_dim"]).eval()
    reduction = "bridge_adapter_reduction"
    ours = {key.replace(reduction, "reduce"): value for key, value in state.items() if key.startswith(reduction)}
    bridge.load_state_dict({"token_value": state["bridge_adapter_proj.2.bias"], **ours})
    out: Tensor = bridge()
    return out.expand(images, -1)


_MODULES: tuple[tuple[str, Callable[[Values, list[Tensor]], Tensor]], ...] = (
    ("prompt_encoder", _prompts),
    ("vision_taps", _taps),
    ("gaussian", lambda module, inputs: _gaussian(module, inputs)(inputs[0])),
    ("laplacian", _laplacian),
    ("adapter_block_fp32", lambda module, inputs: _block(module, inputs, None)),
    ("adapter_block", lambda module, inputs: _block(module, inputs, torch.bfloat16)),
    ("adapter_proj", _constant),
)
"""Start of a piece's name to how it is run."""
