"""``facewitness export``: a checkpoint to an ONNX file that runs without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

_LITE_LICENCE = "research use: trained on pictures with terms of their own, see the record's trained_on"

_Protocol = Annotated[
    str | None, typer.Option(help="laa_net: preprocessing, sbi or bi; that of the checkpoint's record by default.")
]
_Evaluation = Annotated[
    Path | None, typer.Option(metavar="FILE", help="laa_net_lite: JSON of tools/measure_card.py, for the record.")
]


def export(
    detector: Annotated[str, typer.Argument(help="laa_net, laa_net_lite or m2f2_det.")],
    checkpoint: Annotated[Path, typer.Argument(help="The authors' .pth, or a .safetensors of this package.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write; its record goes beside it.")],
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; the network's own by default.")] = None,
    protocol: _Protocol = None,
    *,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="laa_net_lite: face caches of the run, to calibrate on.")
    ] = None,
    margin: Annotated[float, typer.Option(help="laa_net_lite: crop, in units of the face box.")] = 1.25,
    views: Annotated[str, typer.Option(help="laa_net_lite: parts of the crop to look at, such as 1.0,0.85.")] = "1.0",
    mirror: Annotated[bool, typer.Option(help="laa_net_lite: look at each view mirrored, too.")] = False,
    average_with: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="laa_net_lite: checkpoint to average with; repeatable.")
    ] = None,
    licence: Annotated[str, typer.Option(help="laa_net_lite: terms of the weights, in words.")] = _LITE_LICENCE,
    commit: Annotated[str, typer.Option(help="laa_net_lite: commit that trained them.")] = "",
    evaluation: _Evaluation = None,
) -> None:
    """Export a checkpoint to ONNX, checked against the network.

    laa_net_lite is also calibrated on the held-out faces of its run, and
    gets its operating points.

    Example: facewitness export laa_net PoseEfficientNet_model_best.pth -o laa_net.onnx

    Example: facewitness export laa_net_lite runs/lite/best.safetensors --average-with runs/lite/last.safetensors
    --mirror -o lite.onnx
    """
    from facewitness.errors import ConfigError, MissingExtraError

    if detector not in ("laa_net", "laa_net_lite", "m2f2_det"):
        msg = f"detector must be laa_net, laa_net_lite or m2f2_det, got {detector!r}"
        raise ConfigError(msg)
    if output.suffix != ".onnx":
        msg = f"--output must end in .onnx, got {output.name}"
        raise ConfigError(msg)
    try:
        if detector == "laa_net":
            line = _export_laa_net(checkpoint, output, size, protocol)
        elif detector == "m2f2_det":
            line = _export_m2f2(checkpoint, output)
        else:
            settings = {"margin_ratio": margin, "views": _numbers(views), "mirror": mirror}
            if size is not None:
                settings["image_size"] = size
            line = _export_lite(
                [checkpoint, *(average_with or ())],
                output,
                settings,
                cache=cache,
                licence=licence,
                commit=commit,
                evaluation=evaluation,
            )
    except ImportError as error:
        msg = f"export needs the torch extra ({error.name} is missing): pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    typer.echo(line)


def _numbers(text: str) -> tuple[float, ...]:
    from facewitness.errors import ConfigError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"--views must be numbers with commas between, such as 1.0,0.85; got {text!r}"
        raise ConfigError(msg) from error


def _export_laa_net(checkpoint: Path, output: Path, size: int | None, protocol: str | None) -> str:
    from facewitness.errors import ConfigError

    if protocol not in (None, "sbi", "bi"):
        msg = f"--protocol must be sbi or bi, got {protocol!r}"
        raise ConfigError(msg)
    from facewitness.detectors.laa_net.packing import export_checkpoint

    wanted: dict[str | None, Literal["sbi", "bi"]] = {"sbi": "sbi", "bi": "bi"}
    record = export_checkpoint(checkpoint, output, size=size, protocol=wanted.get(protocol))
    deviation = max(record.metrics["export_deviation"].values())
    return f"{output}  sha256 {record.sha256[:16]}  differs from the checkpoint by {deviation:.1e} at most"


def _export_m2f2(checkpoint: Path, output: Path) -> str:
    from facewitness.detectors.m2f2_det.export import export_checkpoint

    record = export_checkpoint(checkpoint, output)
    deviation = record.metrics["export_deviation"]
    return f"{output}  sha256 {record.sha256[:16]}  logits differ from the checkpoint by {deviation:.1e} at most"


def _export_lite(
    checkpoints: Sequence[Path],
    output: Path,
    settings: dict[str, object],
    *,
    cache: Path | None,
    licence: str,
    commit: str,
    evaluation: Path | None,
) -> str:
    import json

    from facewitness.detectors.laa_net.lite.config import LiteRecipe
    from facewitness.detectors.laa_net.lite.processor import LiteProcessor
    from facewitness.errors import ConfigError

    weights = checkpoints[0]
    recipe_file = weights.parent / "recipe.json"
    if not recipe_file.is_file():
        msg = f"expected {recipe_file}, which facewitness train writes beside its weights; export from the run's folder"
        raise ConfigError(msg)
    from facewitness.config import from_mapping
    from facewitness.training.lite_release import release_lite
    from facewitness.training.pair_data import FaceStore

    recipe = from_mapping(LiteRecipe, json.loads(recipe_file.read_text(encoding="utf-8")), where="recipe.json")
    processor = LiteProcessor.from_record({"image_size": recipe.network.image_size, **settings})
    folder = cache or weights.parent / "cache"
    folders = [folder / name for name in recipe.data.folders if (folder / name).is_dir()]
    if not folders:
        msg = f"{folder} holds none of the caches {list(recipe.data.folders)}; give the run's --cache"
        raise ConfigError(msg)
    figures = None if evaluation is None else json.loads(evaluation.read_text(encoding="utf-8"))
    record = release_lite(
        weights,
        FaceStore(folders, recipe),
        output,
        processor=processor,
        licence=licence,
        average_with=checkpoints[1:],
        commit=commit,
        evaluation=figures,
    )
    lines = ", ".join(f"{name} at {point['threshold']:.3f}" for name, point in record.operating_points.items())
    return f"{output}  sha256 {record.sha256[:16]}  operating points: {lines}"
