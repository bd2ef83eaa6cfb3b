"""Checkpoints of M2F2-Det: the authors' files into our names, and our own files.

Four kinds of the authors' files are read: stage 1's ``.pth`` (a wrapper that holds its training state too), the flat
``.pth`` of the language model's detector, ``vision_tower.pth``, and the folder of a whole LLaVA model. Names of CLIP
may be those of transformers before or since version 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from facewitness.config import from_mapping
from facewitness.detectors.m2f2_det.config import OFFICIAL_SOURCE, M2F2Config, Mode
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recognition import (
    TEXT,
    VISION,
    Kind,
    OfficialFile,
    infer_config,
    recognise,
)
from facewitness.errors import CheckpointError, ConfigError, WeightsError
from facewitness.networks.state import (
    COUNTER,
    fit_state,
    inert,
    read_header,
    read_index,
    read_tensors,
    some,
    unreadable,
)
from facewitness.whole_files import replacing

NAME: Final = "m2f2_det"
VISION_FILE: Final = "vision_tower.pth"
_INDEX: Final = "model.safetensors.index.json"
_CONFIG_KEY: Final = "m2f2_det_config"
_WANTED: Final = ("deepfake_encoder.", "model.vision_tower.", "vision_tower.", "vision_model.", "text_model.")

_STAND_INS: Final = inert(
    "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "torch.optim.adam.Adam",
    "torch.optim.adamw.AdamW",
    "torch.optim.sgd.SGD",
    "builtins.dict",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "numpy.dtypes.Float64DType",
    "_codecs.encode",
) + inert("collections.defaultdict", are_tables=True)
"""What lies beside the weights in stage 1's files; none of it is built, and anything else is refused."""

_T, _V = re.escape(TEXT), re.escape(VISION)
_SHARED: Final = (
    (r"^clip_vision_alpha$", "clip_gate"),
    (r"^clip_text_alpha$", "text_gate"),
    (_V + r"embeddings\.", "clip.embeddings."),
    (_V + r"pre_layrnorm\.", "clip.input_norm."),
    (_V + r"encoder\.layers\.", "clip.blocks."),
    (r"^deepfake_encoder\.", "cnn."),
    (r"^deepfake_proj\.", "cnn_projection."),
    (r"^vision_proj\.", "clip_projection."),
    (r"^output\.", "head."),
)
_PROMPTS: Final = (
    (r"^clip_text_encoder\.prompt_tokens$", "prompts.prompt"),
    (_T + r"embeddings\.position_embedding\.", "prompts.positions."),
    (_T + r"encoder\.layers\.", "prompts.blocks."),
    (_T + r"final_layer_norm\.", "prompts.output_norm."),
    (r"^text_proj\.", "text_projection."),
)
_CONSTANT_BRIDGE: Final = (
    (r"^bridge_adapter_proj\.bridge_adapter_proj\.2\.bias$", "bridge.token_value"),
    (r"^bridge_adapter_proj\.bridge_adapter_reduction\.", "bridge.reduce."),
)
_DEAD: Final = (
    (r"^(linear_[123]|clip_reduction)\.", "before the bridge's constant"),
    (r"^bridge_adapter_proj\.bridge_adapter_proj\.(1\.|2\.weight)", "before the bridge's constant"),
    (r"^(clip_text_encoder|text_proj)\.", "text branch, whose result this variant drops"),
)
"""Of the official bridge: entries without influence on any output."""
_NEVER: Final = (
    (_T + r"embeddings\.token_embedding\.", "table of words, none is embedded"),
    (r"embeddings\.position_ids$", "counted, not stored"),
    (_V + r"post_layernorm\.", "behind the last state that is taken"),
)


_REFITTED: Final = ((r"^(linear_[123]|clip_reduction|bridge_adapter_proj|output)\.", "trained for a constant bridge"),)
"""Of an official bridge that becomes a corrected one."""


@dataclass(frozen=True)
class KeyReport:
    """What was done to a checkpoint.

    Attributes:
        kind: Which file it is.
        renamed: Official key (without outer prefixes, CLIP as named today) to ours.
        unused: Official key to why it is left out.
        cast: Official keys that were not float32 and were cast.
        others: Keys of other parts of a whole model: language model, projectors.
        had_module_prefix: Whether ``module.`` was removed.
        epoch: Epoch that the wrapper names; None without a wrapper.
    """

    kind: Kind
    renamed: dict[str, str]
    unused: dict[str, str]
    cast: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    had_module_prefix: bool = False
    epoch: int | None = None

    def __str__(self) -> str:
        """One line for a log."""
        parts = [f"{self.kind}: {len(self.renamed)} tensors renamed", f"{len(self.cast)} cast to float32"]
        parts += [
            f"{list(self.unused.values()).count(why)} left out ({why})" for why in dict.fromkeys(self.unused.values())
        ]
        if self.others:
            parts.append(f"{len(self.others)} of other parts")
        if self.had_module_prefix:
            parts.append("module. prefix removed")
        return ", ".join(parts) + (f", epoch {self.epoch}" if self.epoch is not None else "")


def from_official(
    state: Mapping[str, Any], config: M2F2Config | None = None, *, mode: Mode = "official"
) -> tuple[dict[str, Tensor], KeyReport]:
    """Translate one of the authors' checkpoints into our parameter names.

    Args:
        state: What the file holds, with or without wrapper and prefixes.
        config: The network it is for; None infers it with `infer_config`. Give it where CLIP's heads are not 64 wide.
        mode: Of an inferred network.

    Returns:
        Our state dictionary (float32, counters int64) and what was done. From a vision tower or from OpenAI's CLIP it
        holds those towers only; for a corrected bridge it lacks what the authors' files do not have.

    Raises:
        CheckpointError: If a key has no place in such a network or is not a tensor.
    """
    return translate(recognise(state), config, mode=mode)


def translate(
    file: OfficialFile, config: M2F2Config | None = None, *, mode: Mode = "official"
) -> tuple[dict[str, Tensor], KeyReport]:
    """As `from_official`, for a file that has been recognised."""
    is_whole = file.kind in ("bridge", "cosine", "llava")
    config = config or (infer_config(file, mode) if is_whole else None)
    depth = config.run_depth if config else None
    unused_rules, rules = _rules(file.kind, config)
    renamed: dict[str, str] = {}
    unused: dict[str, str] = {}
    cast: list[str] = []
    ours: dict[str, Tensor] = {}
    for key, value in file.state.items():
        if not isinstance(value, Tensor):
            msg = f"checkpoint entry {key!r} must be a tensor, got {type(value).__name__}"
            raise CheckpointError(msg)
        why = next((reason for pattern, reason in unused_rules if re.search(pattern, key)), "")
        name = "" if why else _renamed(key, rules)
        if name.startswith("clip.blocks.") and depth is not None and int(name.split(".")[2]) >= depth:
            why = "last block, whose result nobody takes"
        if why:
            unused[key] = why
            continue
        renamed[key] = name
        ours[name] = value if key.endswith(COUNTER) else value.to(torch.float32)
        if ours[name].dtype != value.dtype:
            cast.append(key)
    report = KeyReport(file.kind, renamed, unused, tuple(cast), file.others, file.had_module_prefix, file.epoch)
    return ours, report


def _rules(kind: Kind, config: M2F2Config | None) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Patterns of what is left out with the reason, and patterns of what is renamed."""
    if kind != "bridge":
        return _NEVER, (*_SHARED, *_PROMPTS)
    if config is not None and config.has_working_bridge:
        return (*_NEVER, *_REFITTED), (*_SHARED, *_PROMPTS)
    return (*_NEVER, *_DEAD), (*_SHARED, *_CONSTANT_BRIDGE)


def _renamed(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name, count = re.subn(pattern, replacement, key)
        if count:
            return name
    msg = f"checkpoint key {key!r} is of no such M2F2-Det; check that variant and config fit the file"
    raise CheckpointError(msg)


def load_state(model: M2F2Det, state: Mapping[str, Tensor]) -> M2F2Det:
    """Load our state dictionary into ``model``, all or nothing.

    Raises:
        CheckpointError: Naming missing keys, left-over keys and wrong shapes.
    """
    config = model.config
    fit_state(model, state, f"the {config.variant} variant of M2F2-Det ({config.mode}, {config.backbone})")
    return model


def load_official(
    path: Path, config: M2F2Config | None = None, *, vision: Path | None = None
) -> tuple[M2F2Det, KeyReport]:
    """Build the network of one of the authors' files, in official mode.

    Args:
        path: A ``.pth`` of stage 1 or of the detector, a ``.safetensors`` of either, or the folder of a LLaVA model.
        config: The network it is for; None infers it.
        vision: ``vision_tower.pth`` for a detector without a tower; None looks beside ``path``. With neither, the
            network has no tower and must be handed features.

    Returns:
        The network in evaluation mode, and the key report.

    Raises:
        WeightsError: If a file is missing, cannot be read safely, or holds no detector.
        CheckpointError: If it does not fit.
    """
    file = recognise(read_official(path))
    if file.kind in ("vision_tower", "clip"):
        msg = f"{path.name} holds {file.kind.replace('_', ' ')} weights only, no detector; give the detector's file"
        raise WeightsError(msg)
    if not any(key.startswith(VISION) for key in file.state):
        beside = (path if path.is_dir() else path.parent) / VISION_FILE
        tower = vision or (beside if beside.is_file() else None)
        if tower is not None:
            given = recognise(read_official(tower)).state
            file = replace(file, state={**file.state, **{k: v for k, v in given.items() if k.startswith(VISION)}})
    config = config or infer_config(file)
    ours, report = translate(file, config)
    return load_state(M2F2Det(config), ours).eval(), report


def read_official(path: Path) -> Mapping[str, Any]:
    """What a file, or the detector's part of a LLaVA folder, holds; no code in it runs.

    Raises:
        WeightsError: If it is missing or cannot be read safely.
        CheckpointError: If it holds something else.
    """
    if path.is_dir():
        return _read_folder(path)
    return read_tensors(path, source=OFFICIAL_SOURCE, stand_ins=_STAND_INS)


def _read_folder(folder: Path) -> dict[str, Tensor]:
    """The entries of detector and towers in the safetensors of a folder; the language model stays on the disk."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if (folder / _INDEX).is_file():
        files = sorted({file for key, file in read_index(folder / _INDEX).items() if key.startswith(_WANTED)})
    if not files:
        msg = f"{folder} holds no safetensors of a LLaVA or CLIP model; {OFFICIAL_SOURCE}"
        raise WeightsError(msg)
    found: dict[str, Tensor] = {}
    for path in files:
        try:
            with safe_open(str(path), framework="pt") as stream:
                found |= {key: stream.get_tensor(key) for key in stream.keys() if key.startswith(_WANTED)}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            raise WeightsError(unreadable(path, error)) from error
    return found


def load_into(model: M2F2Det, path: Path) -> tuple[str, ...]:
    """Take what a file has for a network that will be trained; the rest keeps its new weights.

    Args:
        model: Of any variant and mode.
        path: Any of the authors' files, OpenAI's CLIP as transformers stores it (file or folder), or our own file.

    Returns:
        Our names that were taken.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If nothing fits, or an entry has another shape.
    """
    if _CONFIG_KEY in read_header(path):
        state: dict[str, Tensor] = dict(read_tensors(path, source=OFFICIAL_SOURCE))
    else:
        state = from_official(read_official(path), model.config)[0]
    own = model.state_dict()
    taken = {name: value for name, value in state.items() if name in own}
    wrong = [name for name, value in taken.items() if value.shape != own[name].shape]
    if not taken or wrong:
        msg = f"{path.name} does not fit this network: {len(taken)} entries of it, wrong shapes {some(wrong)}"
        raise CheckpointError(msg)
    fit_state(model, {**own, **taken}, "this network")
    return tuple(taken)


def save_model(model: M2F2Det, path: Path) -> None:
    """Write weights and config as one safetensors file, atomically."""
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    with replacing(path) as part:
        save_file(state, str(part), metadata={_CONFIG_KEY: json.dumps(asdict(model.config))})


def load_model(path: Path) -> M2F2Det:
    """Read any checkpoint: ours (`save_model`) or the authors'.

    Returns:
        The network in evaluation mode.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it does not fit.
    """
    header = read_header(path)
    if _CONFIG_KEY not in header:
        return load_official(path)[0]
    try:
        config = from_mapping(M2F2Config, json.loads(header[_CONFIG_KEY]), where="checkpoint config")
    except (ValueError, ConfigError) as error:
        msg = f"{path.name}: its config cannot be read: {error}"
        raise CheckpointError(msg) from error
    return load_state(M2F2Det(config), read_tensors(path, source=OFFICIAL_SOURCE)).eval()
