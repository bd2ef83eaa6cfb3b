"""``facewitness merge``: a fine-tuning into its language model, proved to be in."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class MergePrecision(Enum):
    """Arithmetic and files of the merged model."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"


def merge(
    adapter: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Fine-tuning: RUN/adapter, or the authors' folder.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write; it must be new or empty.")],
    base: Annotated[str, typer.Option(metavar="MODEL", help="Folder or hub id, instead of the recorded one.")] = "",
    detector_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The cosine detector, instead of the recorded one.")
    ] = None,
    precision: Annotated[MergePrecision, typer.Option(help="Of the merged weights.")] = MergePrecision.AUTO,
    shard: Annotated[str, typer.Option(metavar="SIZE", help="Largest file.")] = "5GB",
) -> None:
    """Merge a fine-tuning into its model and write a folder that answers.

    LoRA layers are added to the weights, projectors are taken over, and the
    merged model is compared with the unmerged one on random words: a
    fine-tuning that changes nothing, or that rounding would lose, is an
    error. Without a fine-tuning the model is written anew in our layout.

    Example: facewitness merge runs/m2f2_det-stage3/adapter --out m2f2-merged

    Example: facewitness merge --base official-7b --out m2f2-7b --precision bf16
    """
    from facewitness.errors import MissingExtraError

    try:
        from facewitness.cli.merge_run import MergeRequest, run_merge
    except ImportError as error:
        msg = f"merging needs the torch extra ({error.name} is missing): pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    run_merge(MergeRequest(adapter, out, base, detector_weights, precision.value, shard))
