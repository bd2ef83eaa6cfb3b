"""``facewitness evaluate``: how well a detector does on data with labels, beside what needs no forensics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_More = Annotated[list[str] | None, typer.Argument(metavar="SPEC", help="More data, as --data.")]
_Data = Annotated[
    list[str] | None,
    typer.Option(metavar="SPEC", help="NAME:ROOT[:SPLIT][?option=value] or prepared:DIR[:SPLIT]; may be repeated."),
]
_Real = Annotated[list[str] | None, typer.Option(metavar="DIR", help="Folder of real pictures and videos.")]
_Fake = Annotated[list[str] | None, typer.Option(metavar="DIR", help="Folder of forged pictures and videos.")]
_Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for scores, results.json and report.html; goes on in it.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")]
_Detector = Annotated[str, typer.Option(metavar="NAME", help="See: facewitness list.")]
_Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights instead of the packaged ones.")]
_Frames = Annotated[int, typer.Option(min=1, help="Frames of a video, uniform over its length.")]
_Level = Annotated[str, typer.Option(help="Level that leads: video or frame; both are in the results.")]
_Pooling = Annotated[str, typer.Option(help="Frames to video: mean, max, median, trimmed, topk or confident.")]
_Pooled = Annotated[str, typer.Option(help="What is pooled: probabilities or logits.")]
_Faces = Annotated[str, typer.Option(help="Faces to frame: max, the most suspicious one, or mean.")]
_Missing = Annotated[str, typer.Option(help="Videos without a face: abstain (listed), drop, or 0.5.")]
_Flip = Annotated[bool, typer.Option("--flip", help="Mean with the mirrored face.")]
_MinFace = Annotated[float, typer.Option(min=1, help="Smaller faces are not scored, pixels.")]
_Compat = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What laa_net, m2f2_det, ffaa, sbi or deepfakebench would report; repeatable."),
]
_Point = Annotated[
    str, typer.Option(metavar="POINT", help="fpr=RATE or error=RATE of the weights, or threshold=SCORE.")
]
_Threshold = Annotated[float | None, typer.Option(min=0, max=1, help="Short for --operating-point threshold=SCORE.")]
_Limit = Annotated[int | None, typer.Option(min=1, help="At most so many records of each label and data.")]
_Resamples = Annotated[int, typer.Option(min=1, help="Bootstrap resamples.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of the bootstrap and the controls' folds.")]
_Device = Annotated[str, typer.Option(help="auto, CPU, GPU.")]
_Precision = Annotated[str, typer.Option(help="auto, f32 or bf16.")]
_Threads = Annotated[int, typer.Option(min=0, help="Inference threads; 0 leaves it to the runtime.")]


def evaluate(
    more: _More = None,
    *,
    data: _Data = None,
    real: _Real = None,
    fake: _Fake = None,
    out: _Out = None,
    as_json: _Json = False,
    detector: _Detector = "laa_net_lite",
    weights: _Weights = None,
    frames: _Frames = 32,
    level: _Level = "video",
    pooling: _Pooling = "mean",
    pooled: _Pooled = "probabilities",
    faces: _Faces = "max",
    missing_face: _Missing = "abstain",
    flip: _Flip = False,
    min_face_px: _MinFace = 32.0,
    compat: _Compat = None,
    operating_point: _Point = "fpr=0.05",
    threshold: _Threshold = None,
    limit: _Limit = None,
    resamples: _Resamples = 1000,
    seed: _Seed = 0,
    device: _Device = "auto",
    precision: _Precision = "auto",
    threads: _Threads = 0,
) -> None:
    """Measure a detector on data with labels: AUC with interval, false alarms, and controls beside it.

    The controls say how far the labels can be told without any forensics:
    from sharpness, from how files were saved, from an 8 x 8 thumbnail.
    With --out a killed run goes on where it stopped. Files that cannot be
    read and videos without a face are counted and never get a number.

    Example: facewitness evaluate --real photos --fake forgeries --json

    Example: facewitness evaluate --data ffpp:FF++:test --data celeb_df_v2:CDF:test --out results
    """
    from facewitness.cli.evaluation_run import EvaluationRequest, run

    joined = {"level": level, "pooling": pooling, "pooled": pooled, "faces": faces, "missing_face": missing_face}
    run(
        EvaluationRequest(
            *((*(data or ()), *(more or ())), tuple(real or ()), tuple(fake or ()), out, as_json),
            detector=detector,
            weights=weights,
            frames=frames,
            min_face_px=min_face_px,
            rules={**joined, "flip": flip, "resamples": resamples, "seed": seed},
            compat=tuple(compat or ()),
            operating_point=operating_point if threshold is None else f"threshold={threshold}",
            limit=limit,
            device=device,
            precision=precision,
            threads=threads,
        )
    )
