"""Folders of LLaVA-type models: our own, those of transformers, and the authors' merged ones; local or on the hub.

Our folder is what transformers writes (``model_type`` llava, safetensors in shards, tokenizer), and beside it
``facewitness.json`` with template and padding, and ``score_projector.safetensors`` where the model takes a detector's
score. Nothing in a folder is run as code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from facewitness.config import from_mapping
from facewitness.errors import CheckpointError, ConfigError, WeightsError
from facewitness.language.llava import LlavaNetwork
from facewitness.language.llava_files import (
    SCORE_FILE,
    LlavaPrecision,
    Quantisation,
    find_folder,
    know_tower,
    load_tokenizer,
    pick_device,
    pick_dtype,
    quantisation_config,
    read_folder,
    read_json,
    readable,
    size_of,
)
from facewitness.language.llava_official import LlavaReport, core_config, split_official
from facewitness.language.models import Aspect
from facewitness.networks.state import fit_state, read_tensors

SETTINGS_FILE: Final = "facewitness.json"
_ADAPTER_CONFIG: Final = "adapter_config.json"
"""Makes transformers load another model than that of the folder."""


@dataclass(frozen=True)
class LlavaSettings:
    """What a folder says of a model beyond its weights.

    Attributes:
        template: Name of its conversation template.
        aspect: How pictures become square.
        half_pixels: Whether pixel values are rounded to float16, as the authors' programs do.
        max_length: Longest spliced sequence in training.
        made_by: How the weights came to be, in words.
    """

    template: str = "vicuna_v1"
    aspect: Aspect = "pad"
    half_pixels: bool = False
    max_length: int = 2048
    made_by: str = ""


@dataclass(frozen=True)
class LoadedLlava:
    """A model and what belongs to it.

    Attributes:
        network: The network, in evaluation mode.
        tokenizer: Its tokenizer, or None if the folder has none.
        settings: Template and the like.
        detector: Tensors of a detector inside an official checkpoint, without their prefix; empty elsewhere.
        report: What became of the tensors of an official checkpoint; None for other folders.
    """

    network: LlavaNetwork
    tokenizer: Any
    settings: LlavaSettings
    detector: dict[str, Tensor] = field(default_factory=dict)
    report: LlavaReport | None = None


def load_folder(
    place: str | Path,
    *,
    device: str = "auto",
    precision: LlavaPrecision = "auto",
    quantisation: Quantisation = "none",
) -> LoadedLlava:
    """Load a model.

    Args:
        place: A folder, or the id of a model on the hub.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``spread`` over all there is (accelerate).
        precision: Of the weights; ``auto`` is bf16 on accelerators and for models too large for f32 on a CPU.
        quantisation: 8 or 4 bits per weight of the language model; needs bitsandbytes and our own or transformers'
            layout.

    Raises:
        WeightsError: If the folder is no model.
        CheckpointError: If tensors do not fit, by name.
        MissingExtraError: If bitsandbytes is asked for and not installed.
        ConfigError: If options do not go together.
    """
    folder = find_folder(place)
    if (folder / _ADAPTER_CONFIG).is_file():
        msg = f"{folder} holds a fine-tuning, no model; make one of it first: facewitness merge {folder} --out DIR"
        raise WeightsError(msg)
    with readable(folder):
        return _load(folder, device, precision, quantisation)


def _load(folder: Path, device: str, precision: LlavaPrecision, quantisation: Quantisation) -> LoadedLlava:
    config = read_json(folder / "config.json")
    quantised = quantisation_config(quantisation, precision)
    know_tower(config)
    if config.get("model_type") == "llava":
        loaded = _load_ours(folder, config, device, precision, quantised)
    else:
        if quantised is not None:
            msg = f"{folder} has the authors' layout; write it anew first (facewitness merge), then quantise that"
            raise ConfigError(msg)
        loaded = load_official(folder, config)
        target = pick_device(device)
        if device == "spread":
            msg = f"{folder} has the authors' layout; write it anew first (facewitness merge), then spread that"
            raise ConfigError(msg)
        loaded.network.to(device=target, dtype=pick_dtype(precision, target, size_of(loaded.network)))
    loaded.network.eval()
    return loaded


def load_official(folder: Path, config: Mapping[str, Any] | None = None) -> LoadedLlava:
    """A merged checkpoint in LLaVA's own layout, on the CPU, in the precision of its files.

    Raises:
        WeightsError: If there are no weights.
        CheckpointError: If tensors are missing, left over, or of another shape.
    """
    values = dict(config if config is not None else read_json(folder / "config.json"))
    network, detector, report = from_official(read_folder(folder), values)
    settings = LlavaSettings(
        template=official_template(folder.name, values),
        aspect="pad" if values.get("image_aspect_ratio", "pad") == "pad" else "crop",
        half_pixels=True,
        max_length=int(values.get("tokenizer_model_max_length") or 2048),
        made_by=f"converted from {folder.name}",
    )
    network.max_length = settings.max_length
    return LoadedLlava(network, load_tokenizer(folder), settings, detector, report)


def official_template(name: str, config: Mapping[str, Any]) -> str:
    """The conversation template of an official checkpoint: FFAA has a system prompt of its own."""
    if "ffaa" in name.lower():
        return "ffaa"
    return "mistral_instruct" if config.get("model_type") == "llava_mistral" else "vicuna_v1"


def from_official(
    state: Mapping[str, Tensor], config: Mapping[str, Any]
) -> tuple[LlavaNetwork, dict[str, Tensor], LlavaReport]:
    """Build the network of a merged checkpoint around its tensors; nothing is copied.

    Args:
        state: Official name to tensor.
        config: Its ``config.json``.

    Returns:
        The network; the tensors of a detector inside, without their prefix; the report.

    Raises:
        CheckpointError: If tensors are missing, left over, or of another shape.
    """
    ours, detector, report = split_official(state)
    network = build_empty(ours, config)
    fit(network, ours)
    network.load_state_dict(ours, strict=True, assign=True)
    return network.eval(), detector, report


def build_empty(ours: Mapping[str, Any], config: Mapping[str, Any]) -> LlavaNetwork:
    """The network of a checkpoint with parameters that take no memory.

    Args:
        ours: Names of `LlavaNetwork` to tensors.
        config: The official ``config.json``.
    """
    from accelerate import init_empty_weights
    from transformers import LlavaForConditionalGeneration

    core = core_config(config, {key: tuple(value.shape) for key, value in ours.items()})
    with init_empty_weights(include_buffers=False):
        return LlavaNetwork(
            LlavaForConditionalGeneration(core),
            score_projector=any(key.startswith("score_projector.") for key in ours),
        )


def fit(network: nn.Module, state: Mapping[str, Any]) -> None:
    """Check that tensors fit a network, all of them.

    Raises:
        CheckpointError: Naming the first ones that are missing, left over, or of another shape.
    """
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    wrong = [f"{key} is missing" for key in wanted if key not in given]
    wrong += [f"{key} is not known" for key in given if key not in wanted]
    wrong += [
        f"{key} has shape {given[key]}, expected {shape}"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        msg = f"the checkpoint does not fit its config: {'; '.join(wrong[:5])}{more}; check config.json and all shards"
        raise CheckpointError(msg)


def save_folder(
    folder: Path,
    network: LlavaNetwork,
    tokenizer: Any,
    settings: LlavaSettings,
    *,
    shard_size: str = "5GB",
) -> Path:
    """Write our folder.

    Args:
        folder: Where; made if missing.
        network: The model, without LoRA layers.
        tokenizer: Its tokenizer.
        settings: Template and the like.
        shard_size: Largest file.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    network.core.save_pretrained(folder, max_shard_size=shard_size)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    if network.score_projector is not None:
        state = {key: value.detach().cpu().contiguous() for key, value in network.score_projector.state_dict().items()}
        save_file(state, folder / SCORE_FILE)
    settings = replace(settings, max_length=network.max_length)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
    return folder


def _load_ours(
    folder: Path, config: Mapping[str, Any], device: str, precision: LlavaPrecision, quantised: Any
) -> LoadedLlava:
    import transformers

    kind: Any = transformers.LlavaForConditionalGeneration
    target = pick_device(device)
    options: dict[str, Any] = {"trust_remote_code": False, "dtype": "auto", "local_files_only": True}
    if quantised is not None:
        options["quantization_config"] = quantised
    if quantised is not None or device == "spread":
        options["device_map"] = "auto" if device in ("auto", "spread") else {"": target}
    core, info = kind.from_pretrained(folder, output_loading_info=True, **options)
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if wrong:
        msg = f"{folder} does not fit its config.json: {', '.join(str(key) for key in sorted(wrong, key=str)[:5])}"
        raise CheckpointError(msg)
    network = LlavaNetwork(core, score_projector=(folder / SCORE_FILE).is_file())
    if network.score_projector is not None:
        state = read_tensors(folder / SCORE_FILE, source="get the whole folder again")
        fit_state(network.score_projector, state, "the projector of the detector's score")
    if "device_map" not in options:
        core.to(device=target, dtype=pick_dtype(precision, target, size_of(network)))
    if network.score_projector is not None:
        network.score_projector.to(network.device, next(core.model.multi_modal_projector.parameters()).dtype)
    settings = _settings(folder, config)
    network.max_length = settings.max_length
    return LoadedLlava(network, load_tokenizer(folder), settings)


def _settings(folder: Path, config: Mapping[str, Any]) -> LlavaSettings:
    """Our settings, or for a plain folder of transformers what its language model suggests."""
    if (folder / SETTINGS_FILE).is_file():
        return from_mapping(LlavaSettings, read_json(folder / SETTINGS_FILE), where=SETTINGS_FILE)
    kind = str((config.get("text_config") or {}).get("model_type", "llama"))
    template = {"mistral": "mistral_instruct", "qwen2": "chatml"}.get(kind, "vicuna_v1")
    return LlavaSettings(template=template, aspect="crop")
