"""What ``facewitness merge`` does once its options are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from facewitness.errors import ConfigError

if TYPE_CHECKING:
    from facewitness.language.llava_files import LlavaPrecision
    from facewitness.language.llava_weights import LoadedLlava
    from facewitness.language.lora import Adapter


@dataclass(frozen=True)
class MergeRequest:
    """The options of ``facewitness merge``."""

    adapter: Path | None
    out: Path
    base: str = ""
    detector: Path | None = None
    precision: LlavaPrecision = "auto"
    shard: str = "5GB"


def run_merge(request: MergeRequest) -> None:
    """Merge, check, write.

    Raises:
        ConfigError: If options do not go together.
        WeightsError: If a folder is none.
        CheckpointError: If the fine-tuning does not fit or would be lost.
    """
    from facewitness.language.llava_merge import merge
    from facewitness.language.llava_weights import load_folder, save_folder
    from facewitness.language.lora import read_adapter

    if request.out.exists() and (not request.out.is_dir() or any(request.out.iterdir())):
        msg = f"--out must be a new or an empty folder, got {request.out}"
        raise ConfigError(msg)
    if not re.fullmatch(r"[1-9]\d*[KMG]B", request.shard):
        msg = f"--shard must be a size such as 500MB or 5GB, got {request.shard!r}"
        raise ConfigError(msg)
    adapter = read_adapter(request.adapter) if request.adapter else None
    base = request.base or (adapter.note.base if adapter and adapter.note else "")
    if not base:
        msg = "the model that is merged into is not known; give its folder or hub id as --base"
        raise ConfigError(msg)
    loaded = load_folder(base, device="cpu", precision=request.precision)
    if loaded.report is not None:
        typer.echo(f"{base}: {loaded.report}", err=True)
    if adapter is not None:
        typer.echo(str(merge(loaded.network, adapter)), err=True)
    loaded = _told(loaded, adapter, base)
    save_folder(request.out, loaded.network, loaded.tokenizer, loaded.settings, shard_size=request.shard)
    has_detector = _save_detector(request, loaded, adapter, base)
    typer.echo(f"{request.out}{' with its detector' if has_detector else ''}")


def _told(loaded: LoadedLlava, adapter: Adapter | None, base: str) -> LoadedLlava:
    """Template and padding as in the fine-tuning."""
    note = adapter.note if adapter else None
    if note is None:
        made_by = f"written anew from {base}" if adapter is None else f"merged into {base}"
        return replace(loaded, settings=replace(loaded.settings, made_by=made_by))
    settings = replace(
        loaded.settings, template=note.template, aspect=note.aspect, made_by=f"{note.made_by}; merged into {base}"
    )
    return replace(loaded, settings=settings)


def _save_detector(request: MergeRequest, loaded: LoadedLlava, adapter: Adapter | None, base: str) -> bool:
    """The detector that goes with the model, if there is one."""
    from facewitness.detectors.m2f2_det.explainer import check_pair, detector_of
    from facewitness.detectors.m2f2_det.weights import save_model
    from facewitness.language.llava_files import DETECTOR_FILE, find_folder

    recorded = adapter.note.detector if adapter and adapter.note else ""
    file = request.detector or (Path(recorded) if recorded else None)
    if file is None and not loaded.detector and not (find_folder(base) / DETECTOR_FILE).is_file():
        return False
    detector = detector_of(loaded, base, file)
    check_pair(loaded.network, detector)
    save_model(detector, request.out / DETECTOR_FILE)
    return True
