"""The authors' YAML files as recipes; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.config import from_official_model_block
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import ConfigError, MissingExtraError

_TYPES: Final = {"SBIFaceForensic": "sbi", "HeatmapFaceForensic": "bi"}
_OPTIMIZERS: Final = {"SAM": ("sam", 1e-4), "Adam": ("adam", 2e-5)}
"""Name to ours, and the weight decay that their code fixes for it."""
_SGD: Final = ("sgd", 1e-5)
_LOSSES: Final = {
    "hm_lmda": "heatmap_weight",
    "cstency_lmda": "consistency_weight",
    "cls_lmda": "score_weight",
    "offset_lmda": "offset_weight",
    "dst_hm_cls_lmda": "agreement_weight",
}
_TRAIN: Final = {"lr": "learning_rate", "epochs": "epochs", "warm_up": "frozen_epochs", "batch_size": "batch_items"}


def read_official_yaml(path: Path) -> tuple[TrainingRecipe, tuple[str, ...]]:
    """Read one of the authors' configuration files.

    Args:
        path: Such as ``efn4_fpn_sbi_adv.yaml``.

    Returns:
        As `recipe_from_official`.

    Raises:
        ConfigError: If the file cannot be read, or names what this package does not have.
        MissingExtraError: If PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        msg = "reading YAML needs the torch extra: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"cannot read {path} as YAML: {error}"
        raise ConfigError(msg) from error
    if not isinstance(values, Mapping):
        msg = f"{path} must hold a mapping with MODEL, TRAIN and DATASET, got {type(values).__name__}"
        raise ConfigError(msg)
    return recipe_from_official(values)


def recipe_from_official(values: Mapping[str, Any]) -> tuple[TrainingRecipe, tuple[str, ...]]:
    """Translate the blocks MODEL, TRAIN and DATASET.

    Args:
        values: The file as a mapping.

    Returns:
        The recipe in official mode, and remarks: what of the file has no counterpart here or was changed. Paths,
        devices and logging are the command line's business and are not mentioned.

    Raises:
        ConfigError: If a block is missing, or names what this package does not have.
    """
    absent = [name for name in ("MODEL", "TRAIN", "DATASET") if not isinstance(values.get(name), Mapping)]
    if absent:
        msg = f"not one of the authors' training files: it has no block {', '.join(absent)}"
        raise ConfigError(msg)
    model, train, data = values["MODEL"], values["TRAIN"], values["DATASET"]
    remarks: list[str] = []
    fields: dict[str, Any] = {"pseudo_fakes": _kind(data)}
    fields |= {ours: train[theirs] for theirs, ours in _TRAIN.items() if theirs in train}
    fields["optimizer"], fields["weight_decay"] = _OPTIMIZERS.get(str(train.get("optimizer", "SAM")), _SGD)
    loss = train.get("loss", {})
    fields["losses"] = {ours: float(loss[theirs]) for theirs, ours in _LOSSES.items() if theirs in loss}
    fields["target"] = _target(data)
    fields |= _samples(data) | _normalisation(data, remarks)
    if "SEED" in values:
        fields["seed"] = int(values["SEED"])
    if values.get("DATA_RELOAD") is False:
        remarks.append("DATA_RELOAD false: frames are drawn anew in every epoch all the same")
    if train.get("freeze_backbone"):
        fields["frozen_epochs"] = fields.get("epochs", TrainingRecipe.epochs)
    if train.get("resume") or train.get("begin_epoch"):
        remarks.append("resume and begin_epoch are left out: a run goes on from what its own folder holds")
    recipe = from_mapping(TrainingRecipe, fields, where="TRAIN and DATASET")
    network = replace(from_official_model_block(model), image_size=_side(data, from_official_model_block(model)))
    return replace(recipe, network=network), tuple(remarks)


def _kind(data: Mapping[str, Any]) -> str:
    kind = data.get("type")
    if kind not in _TYPES or data.get("SPLIT_IMAGE"):
        msg = f"DATASET.type must be one of {', '.join(_TYPES)}, without SPLIT_IMAGE, got {kind!r}"
        raise ConfigError(msg)
    return _TYPES[kind]


def _target(data: Mapping[str, Any]) -> dict[str, Any]:
    if data.get("HEATMAP_TYPE", "gaussian") != "gaussian":
        msg = f"DATASET.HEATMAP_TYPE must be gaussian, got {data['HEATMAP_TYPE']!r}"
        raise ConfigError(msg)
    found: dict[str, Any] = {"adaptive_sigma": bool(data.get("ADAPTIVE_SIGMA", True))}
    if float(data.get("SIGMA", 0)) > 0:
        found["sigma"] = float(data["SIGMA"])
    return found


def _samples(data: Mapping[str, Any]) -> dict[str, Any]:
    samples = data.get("DATA", {}).get("SAMPLES_PER_VIDEO", {})
    names = {"TRAIN": "frames_per_video", "VAL": "validation_frames"}
    return {ours: int(samples[theirs]) for theirs, ours in names.items() if theirs in samples}


def _normalisation(data: Mapping[str, Any], remarks: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in data.get("TRANSFORM", {}).get("normalize", {}).items():
        if name not in ("mean", "std"):
            continue
        values = [float(v) for v in value] if isinstance(value, list | tuple) else [float(value)]
        found[name] = sum(values) / len(values)
        if max(values) > min(values):
            remarks.append(f"TRANSFORM.normalize.{name}: {values} became its mean {found[name]:.4g} for all channels")
    return found


def _side(data: Mapping[str, Any], network: Any) -> int:
    """Side of the input; the maps must have a quarter of it."""
    sides = data.get("IMAGE_SIZE", (network.image_size, network.image_size))
    cells = data.get("HEATMAP_SIZE", [int(side) // 4 for side in sides])
    if len({int(s) for s in sides}) != 1 or [int(c) * 4 for c in cells] != [int(s) for s in sides]:
        msg = f"DATASET.IMAGE_SIZE must be square and four times HEATMAP_SIZE, got {sides} and {cells}"
        raise ConfigError(msg)
    return int(sides[0])
