"""``facewitness evaluate``: how well a detector does on the test sets of a manifest, beside controls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Root = Annotated[Path, typer.Argument(help="Folder with manifest.csv (columns file, label, identity) and pictures.")]
_Detector = Annotated[str, typer.Option(metavar="NAME", help="See: facewitness list.")]
_Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights instead of the packaged ones.")]
_Sets = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Test set; may be repeated. All by default.")]
_Codings = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Coding, such as jpeg-q60; may be repeated. All by default.")
]
_Work = Annotated[Path, typer.Option(metavar="DIR", help="Where cut faces are kept for the next run.")]
_Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything, scores too, as JSON.")]
_Controls = Annotated[bool, typer.Option("--controls/--no-controls", help="Spectrum and untrained network.")]
_FacePx = Annotated[int, typer.Option(min=16, max=1024, help="Face size that all pictures are brought to, pixels.")]
_Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of swaps, folds, bootstrap and untrained network.")]
_Device = Annotated[str, typer.Option(help="auto, CPU, GPU.")]
_Precision = Annotated[str, typer.Option(help="auto, f32 or bf16.")]
_Threads = Annotated[int, typer.Option(min=0, help="Inference threads; 0 leaves it to the runtime.")]


def evaluate(
    root: _Root,
    *,
    detector: _Detector = "laa_net_lite",
    weights: _Weights = None,
    sets: _Sets = None,
    codings: _Codings = None,
    work: _Work = Path("runs/evaluation"),
    json_file: _Json = None,
    controls: _Controls = True,
    face_px: _FacePx = 128,
    resamples: _Resamples = 1000,
    seed: _Seed = 0,
    device: _Device = "auto",
    precision: _Precision = "auto",
    threads: _Threads = 0,
) -> None:
    """Measure a detector on test sets, false alarms first, beside controls.

    Reals and fakes are brought to one face size and go through the same
    JPEG or H.264 coding. Intervals resample identities. The controls say
    what a program that knows nothing of faces reaches on the same crops.

    Example: facewitness evaluate faces --json results.json

    Example: facewitness evaluate faces --sets lfw_swaps --codings h264-crf40 --no-controls
    """
    from facewitness.cli.evaluation_run import EvaluationRequest, run

    request = EvaluationRequest(
        root=root,
        detector=detector,
        weights=weights,
        sets=tuple(sets or ()),
        codings=tuple(codings or ()),
        work=work,
        json_file=json_file,
        controls=controls,
        face_px=face_px,
        resamples=resamples,
        seed=seed,
        device=device,
        precision=precision,
        threads=threads,
    )
    run(request)
