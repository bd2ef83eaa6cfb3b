"""``facewitness export``: a checkpoint to an ONNX file that runs without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_EXPORTABLE = ("laa_net",)


def export(
    detector: Annotated[str, typer.Argument(help="Detector that the checkpoint is for: laa_net.")],
    checkpoint: Annotated[Path, typer.Argument(help="The authors' .pth, or a .safetensors of this package.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="ONNX file to write; its record goes beside it.")],
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; the network's own by default.")] = None,
    protocol: Annotated[str, typer.Option(help="Preprocessing it was trained for: sbi or bi.")] = "sbi",
) -> None:
    """Export a checkpoint to ONNX, checked against the network.

    Example: facewitness export laa_net PoseEfficientNet_model_best.pth -o laa_net.onnx
    """
    from facewitness.errors import ConfigError, MissingExtraError

    if detector not in _EXPORTABLE:
        msg = f"detector must be one of {', '.join(_EXPORTABLE)}, got {detector!r}"
        raise ConfigError(msg)
    if output.suffix != ".onnx":
        msg = f"--output must end in .onnx, got {output.name}"
        raise ConfigError(msg)
    if protocol not in ("sbi", "bi"):
        msg = f"--protocol must be sbi or bi, got {protocol!r}"
        raise ConfigError(msg)
    try:
        from facewitness.detectors.laa_net.packing import export_checkpoint
    except ImportError as error:
        msg = "export needs torch: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    record = export_checkpoint(checkpoint, output, size=size, protocol="bi" if protocol == "bi" else "sbi")
    deviation = max(record.metrics["export_deviation"].values())
    typer.echo(f"{output}  sha256 {record.sha256[:16]}  differs from the checkpoint by {deviation:.1e} at most")
