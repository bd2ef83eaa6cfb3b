"""``facewitness evaluate``: how well a detector does on data with labels, beside what needs no forensics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facewitness.cli.options import (
    DataOption,
    DetectorOption,
    DeviceOption,
    FakeOption,
    JsonOption,
    LimitOption,
    PointOption,
    PrecisionOption,
    RealOption,
    ResamplesOption,
    ThreadsOption,
    WeightsOption,
)

_More = Annotated[list[str] | None, typer.Argument(metavar="SPEC", help="More data, as --data.")]
_Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder for scores, results.json and report.html; goes on in it.")
]
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
_Threshold = Annotated[float | None, typer.Option(min=0, max=1, help="Short for --operating-point threshold=SCORE.")]
_Seed = Annotated[int, typer.Option(min=0, help="Of the bootstrap and the controls' folds.")]


def evaluate(
    more: _More = None,
    *,
    data: DataOption = None,
    real: RealOption = None,
    fake: FakeOption = None,
    out: _Out = None,
    as_json: JsonOption = False,
    detector: DetectorOption = "laa_net_lite",
    weights: WeightsOption = None,
    frames: _Frames = 32,
    level: _Level = "video",
    pooling: _Pooling = "mean",
    pooled: _Pooled = "probabilities",
    faces: _Faces = "max",
    missing_face: _Missing = "abstain",
    flip: _Flip = False,
    min_face_px: _MinFace = 32.0,
    compat: _Compat = None,
    operating_point: PointOption = "fpr=0.05",
    threshold: _Threshold = None,
    limit: LimitOption = None,
    resamples: ResamplesOption = 1000,
    seed: _Seed = 0,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
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
