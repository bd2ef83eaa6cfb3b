"""LoRA layers in the language model alone, and folders that hold what a fine-tuning changed.

A folder holds peft's own two files (``adapter_config.json``, ``adapter_model.safetensors``) where LoRA was trained,
``projectors.safetensors`` for projectors that were trained whole, and ``facewitness_adapter.json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from facewitness.config import from_mapping
from facewitness.errors import CheckpointError, WeightsError
from facewitness.language.llava import LlavaNetwork, ScoreProjector
from facewitness.language.llava_files import read_json
from facewitness.language.llava_official import current_key
from facewitness.language.llava_recipe import LlavaRecipe, LoraSettings
from facewitness.language.models import Aspect
from facewitness.networks.state import read_tensors

ADAPTER_FILE: Final = "facewitness_adapter.json"
PROJECTORS_FILE: Final = "projectors.safetensors"
LORA_FILE: Final = "adapter_model.safetensors"
LORA_CONFIG: Final = "adapter_config.json"
_OFFICIAL_LORA: Final = ("adapter_model.bin",)
_OFFICIAL_PROJECTORS: Final = ("non_lora_trainables.bin", "mm_projector.bin")
_ADAPTER: Final = "default"
_LANGUAGE: Final = "model.language_model."
_PROJECTOR: Final = "core.model.multi_modal_projector."
_SCORE: Final = "score_projector."
_SOURCE: Final = "give the folder of a fine-tuning"


@dataclass(frozen=True)
class AdapterNote:
    """What a fine-tuning says of itself.

    Attributes:
        base: Folder or hub id of the model that it changes.
        detector: File of the detector that it was trained with; empty for that of the base.
        template: Conversation template.
        aspect: How pictures became square.
        made_by: In words.
    """

    base: str
    detector: str = ""
    template: str = "vicuna_v1"
    aspect: Aspect = "crop"
    made_by: str = ""


@dataclass(frozen=True)
class Adapter:
    """What a fine-tuning changed.

    Attributes:
        note: What it says of itself; None for the authors' folders.
        lora: Name of a layer of the core (``model.language_model...q_proj``) to its two matrices, A and B.
        settings: Of the LoRA layers; None without.
        projectors: Names of `LlavaNetwork` to tensors.
        left_out: Names of LoRA matrices outside the language model, all without effect.
    """

    note: AdapterNote | None
    lora: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    settings: LoraSettings | None = None
    projectors: dict[str, Tensor] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def lora_targets(core: nn.Module) -> str:
    """A pattern of the linear layers of the language model, and of nothing else.

    The authors name the last part of each name only (``q_proj``), which the vision tower has as well.
    """
    leaves = sorted(
        {
            name.rpartition(".")[2]
            for name, module in core.named_modules()
            if name.startswith(_LANGUAGE) and isinstance(module, nn.Linear)
        }
    )
    return rf"{re.escape(_LANGUAGE)}.*\.(?:{'|'.join(leaves)})"


def add_lora(network: LlavaNetwork, settings: LoraSettings) -> Any:
    """Put LoRA layers into a network.

    Args:
        network: Changed in place; everything in its core but the new layers is frozen.
        settings: Of the layers.

    Returns:
        peft's ``LoraModel`` around the core, which can switch the layers off and merge them.
    """
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        bias="none",
        target_modules=lora_targets(network.core),
    )
    return LoraModel(network.core, config, _ADAPTER)


def prepare(network: LlavaNetwork, recipe: LlavaRecipe) -> Any:
    """Freeze a network but for what a recipe trains; what is missing is made.

    Returns:
        As `add_lora`; None without LoRA.
    """
    network.requires_grad_(requires_grad=False)
    network.max_length = recipe.max_length
    if "score_projector" in recipe.train and network.score_projector is None:
        made = ScoreProjector(network.core.config.text_config.hidden_size)
        network.score_projector = made.to(network.device)
        network.score_projector.requires_grad_(requires_grad=False)
    tuner = add_lora(network, recipe.lora) if recipe.has_lora else None
    for value in trained_state(network).values():
        value.data = value.data.float()  # small steps are lost in bfloat16, which the frozen weights may have
    if "score_projector" in recipe.train and network.score_projector is not None:
        network.score_projector.float().requires_grad_()
    if "projector" in recipe.train:
        network.core.model.multi_modal_projector.float().requires_grad_()
    return tuner


def trained_state(network: LlavaNetwork) -> dict[str, Tensor]:
    """Tensors that are trained, by name."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def save_adapter(folder: Path, network: LlavaNetwork, recipe: LlavaRecipe, note: AdapterNote) -> Path:
    """Write what a fine-tuning changed.

    Args:
        folder: Where; made if missing.
        network: As `prepare` left it.
        recipe: How it was trained.
        note: What to say of it.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    lora: dict[str, Tensor] = {}
    projectors: dict[str, Tensor] = {}
    for name, value in trained_state(network).items():
        kept = value.detach().cpu().contiguous()
        if ".lora_" in name:
            lora[f"base_model.model.{name.removeprefix('core.').replace(f'.{_ADAPTER}.', '.')}"] = kept
        else:
            projectors[name] = kept
    if lora:
        save_file(lora, folder / LORA_FILE)
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": note.base,
            "r": recipe.lora.rank,
            "lora_alpha": recipe.lora.alpha,
            "lora_dropout": recipe.lora.dropout,
            "bias": "none",
            "target_modules": lora_targets_of(lora),
        }
        _write_json(folder / LORA_CONFIG, config)
    if projectors:
        save_file(projectors, folder / PROJECTORS_FILE)
    _write_json(folder / ADAPTER_FILE, asdict(note))
    return folder


def lora_targets_of(names: Mapping[str, Any]) -> str:
    """The pattern of the layers that LoRA matrices belong to."""
    leaves = sorted({name.rpartition(".lora_")[0].rpartition(".")[2] for name in names})
    return rf"{re.escape(_LANGUAGE)}.*\.(?:{'|'.join(leaves)})"


def read_adapter(folder: Path) -> Adapter:
    """Read a fine-tuning, ours or the authors'.

    Raises:
        WeightsError: If there is none.
        CheckpointError: If matrices come without their partner, lie where they would be lost, or are of a kind of
            LoRA that is not a plain one.
    """
    note = None
    if (folder / ADAPTER_FILE).is_file():
        note = from_mapping(AdapterNote, read_json(folder / ADAPTER_FILE), where=ADAPTER_FILE)
    matrices: dict[str, Tensor] = {}
    projectors: dict[str, Tensor] = {}
    for name in (LORA_FILE, *_OFFICIAL_LORA):
        if (folder / name).is_file():
            matrices = dict(read_tensors(folder / name, source=_SOURCE))
            break
    for name in (PROJECTORS_FILE, *_OFFICIAL_PROJECTORS):
        if (folder / name).is_file():
            projectors = _projectors(read_tensors(folder / name, source=_SOURCE))
            break
    if not matrices and not projectors:
        known = ", ".join((LORA_FILE, *_OFFICIAL_LORA, PROJECTORS_FILE, *_OFFICIAL_PROJECTORS))
        msg = f"{folder} holds no fine-tuning (none of {known})"
        raise WeightsError(msg)
    settings = _lora_settings(folder) if matrices else None
    lora, left_out = _pairs(matrices)
    rank = settings.rank if settings else 0
    wrong = [layer for layer, (down, up) in lora.items() if not down.shape[0] == up.shape[1] == rank]
    if wrong:
        msg = f"{folder}: {LORA_CONFIG} says rank {rank}, {len(wrong)} layers have another, as {wrong[0]}"
        raise CheckpointError(msg)
    return Adapter(note, lora, settings, projectors, left_out)


def load_adapter(network: LlavaNetwork, adapter: Adapter) -> Any:
    """Put a fine-tuning into a network, unmerged.

    Args:
        network: The model that it changes; changed in place.
        adapter: The fine-tuning.

    Returns:
        As `add_lora`; None without LoRA.

    Raises:
        CheckpointError: If a tensor has no place or another shape.
    """
    if any(name.startswith(_SCORE) for name in adapter.projectors) and network.score_projector is None:
        made = ScoreProjector(network.core.config.text_config.hidden_size)
        network.score_projector = made.to(network.device, next(network.core.parameters()).dtype)
    tuner = add_lora(network, adapter.settings) if adapter.settings is not None else None
    own = dict(network.named_parameters())
    given = dict(adapter.projectors)
    for layer, (down, up) in adapter.lora.items():
        given[f"core.{layer}.lora_A.{_ADAPTER}.weight"] = down
        given[f"core.{layer}.lora_B.{_ADAPTER}.weight"] = up
    wrong = [name for name, value in given.items() if name not in own or own[name].shape != value.shape]
    wrong += [name for name in own if ".lora_" in name and name not in given]
    if wrong:
        msg = (
            f"the fine-tuning is of another model: {', '.join(wrong[:4])} and {max(0, len(wrong) - 4)} more do not fit"
        )
        raise CheckpointError(msg)
    with torch.no_grad():
        for name, value in given.items():
            own[name].copy_(value)
    return tuner


def _pairs(matrices: Mapping[str, Tensor]) -> tuple[dict[str, tuple[Tensor, Tensor]], tuple[str, ...]]:
    """LoRA matrices by layer; those outside the language model are left out when they do nothing."""
    found: dict[str, dict[str, Tensor]] = {}
    left_out: list[str] = []
    for name, value in matrices.items():
        match = re.fullmatch(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.\w+)?\.weight", name)
        if match is None:
            msg = f"{name} is no matrix of a plain LoRA layer; other kinds cannot be merged here"
            raise CheckpointError(msg)
        if not isinstance(value, Tensor) or value.ndim != 2:
            msg = f"{name} must be a matrix; the file is damaged, or of another kind of fine-tuning"
            raise CheckpointError(msg)
        layer = (current_key(f"{match[1]}.weight") or "").removeprefix("core.").removesuffix(".weight")
        if match[1].startswith(_LANGUAGE):
            layer = match[1]
        if layer.startswith(_LANGUAGE):
            found.setdefault(layer, {})[match[2]] = value
            continue
        left_out.append(name)
        if match[2] == "B" and bool(value.any()):
            msg = f"{name} changes a part outside the language model, which is frozen; it would be lost"
            raise CheckpointError(msg)
    alone = [layer for layer, pair in found.items() if len(pair) != 2]
    if alone:
        msg = f"LoRA matrices without their partner: {', '.join(alone[:4])}; the file is damaged"
        raise CheckpointError(msg)
    return {layer: (pair["A"], pair["B"]) for layer, pair in found.items()}, tuple(left_out)


def _projectors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Projectors under our names; the authors' files have up to three prefixes before theirs."""
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith((_PROJECTOR, _SCORE)):
            found[name] = value
            continue
        match = re.fullmatch(r"(?:base_model\.)?(?:model\.)*((?:mm|deepfake)_projector\..+)", name)
        if match is None:
            msg = f"{name} is no projector; only projectors and LoRA layers can be taken from a fine-tuning"
            raise CheckpointError(msg)
        key = match[1] if match[1].startswith("deepfake") else f"model.{match[1]}"
        found[str(current_key(key))] = value
    return found


def _lora_settings(folder: Path) -> LoraSettings:
    config = read_json(folder / LORA_CONFIG)
    odd = [key for key in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern") if config.get(key)]
    if odd or config.get("bias", "none") != "none":
        msg = f"{folder / LORA_CONFIG}: only plain LoRA without biases can be merged, got {', '.join(odd) or 'bias'}"
        raise CheckpointError(msg)
    rank, alpha, dropout = (config.get(key, usual) for key, usual in (("r", 0), ("lora_alpha", 0), ("lora_dropout", 0)))
    if not (isinstance(rank, int) and isinstance(alpha, int) and isinstance(dropout, int | float)):
        msg = f"{folder / LORA_CONFIG}: r and lora_alpha must be whole numbers, got {rank!r} and {alpha!r}"
        raise CheckpointError(msg)
    return LoraSettings(rank, alpha, float(dropout))


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
