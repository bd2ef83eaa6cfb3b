"""State dictionaries: read from files without running code in them, and fitted to a network all or nothing."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facewitness.errors import CheckpointError, WeightsError

COUNTER: Final = "num_batches_tracked"
"""Batch norm's count of batches, which older files lack."""

_SHOWN: Final = 8
_REFUSED: Final = re.compile(r"(?:Unsupported|Trying to load unsupported) .+?(?=\. |\.?$)", re.MULTILINE)


class _Inert:
    """Stands in for an object of a training state: it takes what the file says of it and does nothing."""

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...


class _InertTable:
    """Stands in for a kind of dictionary: a plain one comes out of it."""

    def __new__(cls, *_arguments: Any) -> Any:
        return {}


def inert(*names: str, are_tables: bool = False) -> tuple[type, ...]:
    """Stand-ins for classes or functions that a file may name, for `read_tensors`.

    Args:
        names: Dotted, as the file names them, such as ``torch.optim.adam.Adam``.
        are_tables: Whether they are kinds of dictionaries, which the file fills.

    Returns:
        Classes of these names that keep and do nothing; tables become plain dictionaries.
    """
    base = _InertTable if are_tables else _Inert
    parted = [name.rpartition(".") for name in names]
    return tuple(type(last, (base,), {"__module__": module}) for module, _, last in parted)


def some(names: Sequence[str], shown: int = _SHOWN) -> str:
    """The first few names, for a message.

    Example:
        >>> some(["a", "b", "c"], 2)
        '[a, b, ... 1 more]'
    """
    listed = ", ".join(names[:shown])
    return f"[{listed}]" if len(names) <= shown else f"[{listed}, ... {len(names) - shown} more]"


def read_tensors(path: Path, *, source: str, stand_ins: Sequence[type] = ()) -> Mapping[str, Any]:
    """The mapping that a ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file holds; no code in it runs.

    Args:
        path: The file.
        source: Where to get such a file, for the message.
        stand_ins: From `inert`, for objects beside the tensors; every other object is refused.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it holds something else.
    """
    if not path.is_file():
        msg = f"no checkpoint at {path}; {source}"
        raise WeightsError(msg)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(str(path)))
        allowed = torch.serialization.safe_globals(list(stand_ins)) if stand_ins else nullcontext()
        with allowed, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)  # the error that follows says it
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise WeightsError(unreadable(path, error)) from error
    if not isinstance(state, Mapping):
        msg = f"checkpoint {path.name} must hold a mapping of tensors, got {type(state).__name__}"
        raise CheckpointError(msg)
    return state


def unreadable(path: Path, error: Exception) -> str:
    """What to say of a file that could not be read."""
    if isinstance(error, KeyError):  # torch names what it stumbled over by a number alone
        error = ValueError("it is no file that PyTorch wrote, or a part of it is lost")
    return f"checkpoint {path.name} cannot be read as tensors only (damaged, or it holds code): {first_sentence(error)}"


def first_sentence(error: Exception) -> str:
    """The first sentence of another library's message, of torch's the one that says what it refused.

    The rest of those is advice to load files unsafely.
    """
    words = str(error).strip()
    refused = _REFUSED.search(words)
    if refused:
        return refused[0]
    return words.splitlines()[0].partition(". ")[0] if words else type(error).__name__


def read_header(path: Path) -> Mapping[str, str]:
    """What a ``.safetensors`` file says of itself; empty for every other file.

    Raises:
        WeightsError: If it is damaged.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(str(path), framework="pt") as stream:
            return dict(stream.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(unreadable(path, error)) from error


def read_index(path: Path) -> dict[str, Path]:
    """Which file of a folder holds which tensor, as an index of shards (``*.index.json``) says.

    Raises:
        WeightsError: If it is damaged, or names a file outside its folder.
    """
    try:
        listed = dict(json.loads(path.read_text(encoding="utf-8"))["weight_map"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        msg = f"{path} is no index of shards ({type(error).__name__}: {error}); get the whole folder again"
        raise WeightsError(msg) from error
    for name in listed.values():
        if not isinstance(name, str) or name != Path(name).name or "\\" in name:
            msg = f"{path} must name files of its own folder, got {name!r}; get the folder from its source"
            raise WeightsError(msg)
    return {key: path.parent / name for key, name in listed.items()}


def fit_state(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load a state dictionary, all or nothing.

    Batch-norm counters may be absent; everything else must be there with its shape.

    Args:
        model: What to load into.
        state: Name to tensor.
        what: The network in words, for the message.

    Raises:
        CheckpointError: Naming missing keys, left-over keys and wrong shapes.
    """
    own = model.state_dict()
    missing = [k for k in own if k not in state and not k.endswith(COUNTER)]
    extra = [k for k in state if k not in own]
    shapes = [
        f"{k}: {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if missing or extra or shapes:
        msg = (
            f"checkpoint does not fit {what}: "
            f"missing {some(missing)}, left over {some(extra)}, shapes {some(shapes)}; "
            "check that the config is the one it was trained with"
        )
        raise CheckpointError(msg)
    model.load_state_dict({k: state.get(k, own[k]) for k in own}, strict=True)
