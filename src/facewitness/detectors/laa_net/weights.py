"""Checkpoints of LAA-Net: the authors' files into our names, and our own files.

The authors store ``{"epoch", "state_dict", "optimizer"}`` in float64, register one inception block under two names,
and may carry a ``module.`` prefix. `from_official` undoes all three and says what it did; `load_state` fits the
result to a model or names every misfit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.config import OFFICIAL_SOURCE, HRNetStageConfig, LaaNetConfig
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recognition import infer_config
from facewitness.errors import CheckpointError
from facewitness.networks.e_fpn import EFpn
from facewitness.networks.efficientnet import EfficientNet
from facewitness.networks.state import COUNTER, fit_state, read_header
from facewitness.networks.state import read_tensors as tensors_of
from facewitness.whole_files import replacing

_GATE = re.compile(r"se_layer_?(\d+)\.")
_METADATA_KEY = "laa_net_config"

_HEADS = (
    (r"^hm\.", "heads.heatmap."),
    (r"^cls\.", "heads.score."),
    (r"^cstency\.", "heads.consistency."),
    (r"^offset\.", "heads.offset."),
)
Replacement = str | Callable[[re.Match[str]], str]
_FLAT_LAYERS = (
    r"^deconv_layers\.(\d+)\.([a-z_]+)$",
    lambda m: f"decoder.deconv_layers.{int(m[1]) // 3}.{int(m[1]) % 3}.{m[2]}",
)
"""Transposed convolution, norm and ReLU may stand in one flat list instead of three short ones."""
_DECODERS = (r"^((?:deconv|pw_block|conv_block|inception_block|conv_c2).*)$", r"decoder.\1")
_BACKBONE = (r"^((?:conv\d|bn\d|layer\d|block\d|stage\d|transition\d).*)$", r"backbone.\1")
_RULES: dict[str, tuple[tuple[str, Replacement], ...]] = {
    "efficientnet": (
        (r"^_conv_stem\.", "backbone.stem_conv."),
        (r"^_bn0\.", "backbone.stem_bn."),
        (r"^_blocks\.(\d+)\._bn0\.", r"backbone.blocks.\1.expand_bn."),
        (r"^_blocks\.(\d+)\._bn1\.", r"backbone.blocks.\1.depthwise_bn."),
        (r"^_blocks\.(\d+)\._bn2\.", r"backbone.blocks.\1.project_bn."),
        (r"^_blocks\.(\d+)\._", r"backbone.blocks.\1."),
        (r"^_conv_head\.", "backbone.head_conv."),
        (r"^_bn1\.", "backbone.head_bn."),
        (r"^inception_block\.", "decoder.deconv_4.0."),
        (r"^se_layer_?(\d+)\.", r"decoder.channel_gates.\1."),
        _FLAT_LAYERS,
        _DECODERS,
        *_HEADS,
    ),
    "resnet": (_BACKBONE, _FLAT_LAYERS, _DECODERS, *_HEADS),
    "hrnet": (_BACKBONE, (r"^final_layer\.", "heads.heatmap."), (r"^final_layer_cls\.", "heads.score.")),
    "xception": (_BACKBONE, _DECODERS, *_HEADS),
}


@dataclass(frozen=True)
class KeyReport:
    """What `from_official` did to a checkpoint.

    Attributes:
        renamed: Official key to ours.
        cast: Official keys that were not float32 (or integer counters) and were cast.
        duplicates: Official keys left out because another key holds the same tensor.
        unused: Official keys left out because the config switches their module off.
        had_module_prefix: Whether ``module.`` was removed.
        epoch: Epoch that the wrapper names; None without a wrapper.
    """

    renamed: dict[str, str]
    cast: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    had_module_prefix: bool = False
    epoch: int | None = None

    def __str__(self) -> str:
        """One line for a log."""
        parts = [f"{len(self.renamed)} tensors renamed", f"{len(self.cast)} cast to float32"]
        parts.append(f"{len(self.duplicates)} duplicates left out")
        if self.unused:
            parts.append(f"{len(self.unused)} of modules that are switched off")
        if self.had_module_prefix:
            parts.append("module. prefix removed")
        return ", ".join(parts) + (f", epoch {self.epoch}" if self.epoch is not None else "")


def from_official(state: Mapping[str, Any], config: LaaNetConfig | None = None) -> tuple[dict[str, Tensor], KeyReport]:
    """Translate the authors' checkpoint into our parameter names.

    Args:
        state: Their ``state_dict``, or the wrapper ``{"epoch", "state_dict", "optimizer"}``.
        config: The network it is for; None infers it with `infer_config`.

    Returns:
        Our state dictionary (float32, counters int64) and what was done.

    Raises:
        CheckpointError: If a key has no place in such a network, is not a tensor, or if the two names of the
            inception block disagree.
    """
    state, epoch = _unwrap(state)
    stripped = {k.removeprefix("module."): v for k, v in state.items()}
    had_prefix = any(k.startswith("module.") for k in state)
    if len(stripped) != len(state):
        msg = "checkpoint holds the same keys with and without the module. prefix; it is damaged"
        raise CheckpointError(msg)
    config = config or infer_config(stripped)
    gates = _gate_names(stripped, config)
    renamed: dict[str, str] = {}
    ours: dict[str, Tensor] = {}
    cast: list[str] = []
    duplicates: list[str] = []
    unused = [key for key in stripped if _is_switched_off(key, config, gates)]
    for key, value in stripped.items():
        if key in unused:
            continue
        name, tensor = _place(key, value, config, gates)
        if tensor.dtype != value.dtype:
            cast.append(key)
        if name not in ours:
            ours[name] = tensor
            renamed[key] = name
        elif torch.equal(ours[name], tensor):
            duplicates.append(key)
        else:
            msg = f"checkpoint entries for {name!r} disagree: {key!r} is not the tensor of its other name"
            raise CheckpointError(msg)
    return ours, KeyReport(renamed, tuple(cast), tuple(duplicates), tuple(unused), had_prefix, epoch)


def _place(key: str, value: object, config: LaaNetConfig, gates: Mapping[str, str]) -> tuple[str, Tensor]:
    """Our name and the float32 tensor of one entry."""
    if not isinstance(value, Tensor):
        msg = f"checkpoint entry {key!r} must be a tensor, got {type(value).__name__}"
        raise CheckpointError(msg)
    name = _rename(key, _RULES[config.backbone], gates)
    if name is None:
        msg = f"checkpoint key {key!r} is of no {config.backbone} LAA-Net; check that the config fits the file"
        raise CheckpointError(msg)
    return name, value if key.endswith(COUNTER) else value.to(torch.float32)


def _is_switched_off(key: str, config: LaaNetConfig, gates: Mapping[str, str]) -> bool:
    """Whether an entry is of a module that such a network may register and never runs."""
    if config.decoder == "plain" and config.backbone in ("efficientnet", "resnet"):
        return key.startswith(("inception_block.", "conv_c2.", "pw_block_", "deconv_layer_"))
    if config.backbone == "resnet":
        return not config.use_c2 and key.startswith("pw_block_3.")
    gate = _GATE.match(key)
    return gate is not None and config.with_channel_gates and gate[1] not in gates


def load_state(model: LaaNet, state: Mapping[str, Tensor]) -> LaaNet:
    """Load our state dictionary into ``model``, all or nothing.

    Batch-norm counters may be absent; everything else must be there with its shape.

    Raises:
        CheckpointError: Naming missing keys, left-over keys and wrong shapes.
    """
    fit_state(model, state, f"{model.config.backbone} LAA-Net ({model.config.decoder})")
    return model


def load_official_checkpoint(path: Path, config: LaaNetConfig | None = None) -> tuple[LaaNet, KeyReport]:
    """Build the network of one of the authors' files.

    Args:
        path: ``.pth`` or ``.pt`` (read with ``weights_only=True``, so no code in it runs) or ``.safetensors``.
        config: The network it is for; None infers it. An FPN without gates (``tfpn``) has the keys of E-FPN and
            must be named.

    Returns:
        The network in evaluation mode, and the key report.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it does not fit.
    """
    state = read_tensors(path)
    config = config or infer_config(_unwrap(state)[0])
    ours, report = from_official(state, config)
    return load_state(LaaNet(config), ours).eval(), report


def save_model(model: LaaNet, path: Path) -> None:
    """Write weights and config as one safetensors file, atomically."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    with replacing(path) as part:
        save_file(state, str(part), metadata={_METADATA_KEY: json.dumps(asdict(model.config))})


def load_model(path: Path) -> LaaNet:
    """Read any checkpoint: ours (`save_model`) or the authors'.

    Returns:
        The network in evaluation mode.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it does not fit.
    """
    metadata = read_header(path)
    if _METADATA_KEY in metadata:
        config = _config_from_json(metadata[_METADATA_KEY])
        return load_state(LaaNet(config), read_tensors(path)).eval()
    return load_official_checkpoint(path)[0]


def official_module(name: str, config: LaaNetConfig) -> str:
    """Our name of a module of the authors' network (``deconv_1`` is ``decoder.deconv_1``).

    Raises:
        CheckpointError: If such a network has no such module.
    """
    ours = _rename(f"{name}.", _RULES[config.backbone], {})
    if ours is None:
        msg = f"no {config.backbone} LAA-Net has a module {name!r}"
        raise CheckpointError(msg)
    return ours.removesuffix(".")


def _unwrap(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
    if "state_dict" not in state:
        return state, None
    inner, epoch = state["state_dict"], state.get("epoch")
    if not isinstance(inner, Mapping):
        msg = f"checkpoint's state_dict must be a mapping of tensors, got {type(inner).__name__}"
        raise CheckpointError(msg)
    return inner, int(epoch) if isinstance(epoch, int | float) else None


def _gate_names(state: Mapping[str, Any], config: LaaNetConfig) -> dict[str, str]:
    """Number of an official gate to the fusion that it follows.

    One gate per fusion is taken in order; where there are more, each fusion takes the next of its width.
    """
    numbers = sorted({m[1]: m[0] for k in state if (m := _GATE.match(k))}.items(), key=lambda item: int(item[0]))
    if not numbers or config.backbone != "efficientnet" or config.decoder == "plain":
        return {}
    decoder = EFpn(
        EfficientNet.pyramid_channels(config.width, config.depth),
        use_c2=config.use_c2,
        use_c3=config.use_c3,
        use_c4=config.use_c4,
    )
    steps = dict(decoder.fused_channels)
    if len(numbers) == len(steps):
        return {number: step for (number, _), step in zip(numbers, steps, strict=True)}
    names: dict[str, str] = {}
    for number, prefix in numbers:
        weight = state.get(f"{prefix}fc.2.weight")
        step = next((s for s, n in steps.items() if isinstance(weight, Tensor) and n == weight.shape[0]), None)
        if step is not None:
            names[number] = step
            del steps[step]
    return names


def _rename(key: str, rules: Iterable[tuple[str, Replacement]], gates: Mapping[str, str]) -> str | None:
    for pattern, replacement in rules:
        name, count = re.subn(pattern, replacement, key)
        if count:
            head, mark, tail = name.partition("channel_gates.")
            if mark:
                number, _, rest = tail.partition(".")
                return f"{head}{mark}{gates.get(number, number)}.{rest}"
            return name
    return None


def read_tensors(path: Path) -> Mapping[str, Any]:
    """The mapping that a file holds; no code in it runs.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it holds something else.
    """
    return tensors_of(path, source=OFFICIAL_SOURCE)


def _config_from_json(text: str) -> LaaNetConfig:
    values = json.loads(text)
    stages = values.pop("hrnet_stages", [])
    values["hrnet_stages"] = tuple(
        HRNetStageConfig(s["modules"], tuple(s["blocks"]), tuple(s["channels"]), s["block"]) for s in stages
    )
    return from_mapping(LaaNetConfig, values, where="checkpoint config")
