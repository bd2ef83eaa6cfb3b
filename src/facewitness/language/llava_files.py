"""Files of models: a folder here or on the hub, its tensors and tokenizer, and how its weights are held."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from facewitness.errors import ConfigError, FacewitnessError, MissingExtraError, WeightsError
from facewitness.networks.state import first_sentence, read_index, read_tensors

LlavaPrecision = Literal["auto", "f32", "bf16", "f16"]
Quantisation = Literal["none", "8bit", "4bit"]

SCORE_FILE: Final = "score_projector.safetensors"
DETECTOR_FILE: Final = "detector.safetensors"
LITE_TOWER: Final = "facewitness_lite0"
"""``model_type`` of the vision tower in `facewitness.language.lite_tower`."""
_DTYPES: Final = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
_NOT_FETCHED: Final = ["*.py", "*.onnx", "*.h5", "*.msgpack", "*.pth", "*.pt", "*.ckpt", "*.pkl"]
_PICKLED_SHARDS: Final = "*.bin"
_LARGE: Final = 1_500_000_000
"""Parameters beyond which ``auto`` halves the precision on a CPU as well."""


def find_folder(place: str | Path) -> Path:
    """The folder of a model; a hub id is downloaded (no code, no pickles where there are safetensors).

    Raises:
        WeightsError: If it is neither.
    """
    folder = Path(place)
    if folder.is_dir():
        return folder
    if folder.exists() or str(place).count("/") != 1 or str(place).startswith((".", "/", "~")):
        msg = f"{place} is neither a folder of a model nor a hub id (owner/name)"
        raise WeightsError(msg)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(str(place), ignore_patterns=[*_NOT_FETCHED, _PICKLED_SHARDS]))
        if any(found.glob("*.safetensors")):
            return found
        return Path(snapshot_download(str(place), ignore_patterns=_NOT_FETCHED))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        msg = f"{place} is no folder here and cannot be had from the hub: {error}; check the name and the network"
        raise WeightsError(msg) from error


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a folder, from safetensors or from ``pytorch_model*.bin`` (read without running pickles).

    Raises:
        WeightsError: If there is none, or a file is broken.
    """
    known = (SCORE_FILE, DETECTOR_FILE)
    files = sorted(path for path in folder.glob("*.safetensors") if path.name not in known)
    files = files or sorted(folder.glob("pytorch_model*.bin"))
    if not files:
        msg = f"{folder} holds no *.safetensors and no pytorch_model*.bin; give the folder of a merged model"
        raise WeightsError(msg)
    state: dict[str, Tensor] = {}
    for path in files:
        state.update(read_tensors(path, source="get the whole folder again"))
    return state


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What other libraries raise over a folder of a model, as one named error; shards outside it are refused first.

    Raises:
        WeightsError: Instead of theirs.
    """
    for index in sorted(folder.glob("*.index.json")):
        read_index(index)
    try:
        yield
    except (FacewitnessError, ImportError, MemoryError):
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {first_sentence(error)}"
        msg = f"{folder} cannot be opened as a model ({why}); get the whole folder again"
        raise WeightsError(msg) from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder; None if it has none.

    Raises:
        MissingExtraError: If its kind needs a package that is not installed.
        WeightsError: If it is damaged.
    """
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")):
        return None
    from transformers import AutoTokenizer

    try:
        with readable(folder):
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except ImportError as error:
        msg = f"the tokenizer of {folder} needs a package: {error}; try: pip install sentencepiece"
        raise MissingExtraError(msg) from error


def quantisation_config(quantisation: Quantisation, precision: LlavaPrecision = "auto") -> Any:
    """The settings of transformers for fewer bits; None for ``none``.

    Raises:
        MissingExtraError: If bitsandbytes is not installed.
    """
    if quantisation == "none":
        return None
    if find_spec("bitsandbytes") is None:
        msg = f"{quantisation} weights need bitsandbytes: pip install bitsandbytes"
        raise MissingExtraError(msg)
    import transformers

    config: Any = transformers.BitsAndBytesConfig  # its constructor has no types

    kept = ["lm_head", "vision_tower", "multi_modal_projector"]
    if quantisation == "8bit":
        return config(load_in_8bit=True, llm_int8_skip_modules=kept)
    return config(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=_DTYPES.get(precision, torch.bfloat16),
        llm_int8_skip_modules=kept,
    )


def know_tower(config: Mapping[str, Any]) -> None:
    """Make our own vision tower known to transformers if a model's ``config.json`` names it."""
    if (config.get("vision_config") or {}).get("model_type") == LITE_TOWER:
        from facewitness.language.lite_tower import register

        register()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        WeightsError: If the file is missing or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read: {error}; give the folder of a model"
        raise WeightsError(msg) from error
    if not isinstance(values, dict):
        msg = f"{path} must hold a JSON object"
        raise WeightsError(msg)
    return values


def pick_device(device: str) -> torch.device:
    """The device of a name.

    Raises:
        ConfigError: If there is no device of the name.
    """
    if device in ("auto", "spread"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device("cuda" if device == "gpu" else device)
    except RuntimeError as error:
        msg = f"device must be auto, cpu, gpu, cuda:N, mps or spread, got {device!r}"
        raise ConfigError(msg) from error


def pick_dtype(precision: LlavaPrecision, device: torch.device, size: int) -> torch.dtype:
    """The precision of weights: ``auto`` is bf16 on accelerators and, beyond 1.5 billion parameters, on a CPU."""
    if precision != "auto":
        return _DTYPES[precision]
    return torch.bfloat16 if device.type != "cpu" or size > _LARGE else torch.float32


def size_of(network: nn.Module) -> int:
    """How many parameters a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
