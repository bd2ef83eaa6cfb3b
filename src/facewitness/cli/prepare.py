"""``facewitness prepare``: a data set in, crops, landmarks, sound and clips out, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Data = Annotated[str, typer.Argument(metavar="DATASET", help="A name of 'facewitness data list', or NAME:ROOT:SPLIT.")]
_Root = Annotated[Path | None, typer.Argument(help="Folder of the data set; never written to.")]
_Out = Annotated[Path, typer.Option(metavar="DIR", help="Prepared folder; begun there, it goes on.")]
_Steps = Annotated[
    str | None,
    typer.Option(help="frames, crops, masks, landmarks, align, audio, clips, hdf5, neighbours; with commas."),
]
_Preset = Annotated[str, typer.Option(help="default, laa_net, m2f2_det, td3mf: settings and steps to start from.")]
_Frames = Annotated[int | None, typer.Option(min=0, help="Frames per video, spread over it; 0 takes all.")]
_Margin = Annotated[float | None, typer.Option(help="Side of the crop in units of the face's.")]
_Size = Annotated[int | None, typer.Option(min=16, help="Side of the crop, pixels.")]
_Landmarks = Annotated[int | None, typer.Option(help="81 or 68.")]
_Picture = Annotated[str | None, typer.Option(help="png or jpeg.")]
_Face = Annotated[str | None, typer.Option(help="person (one, through the video), largest, official.")]
_Settings = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML with any of the settings.")]
_Split = Annotated[str | None, typer.Option(help="train, val, test; all by default.")]
_Options = Annotated[
    list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Option of the data set; may be repeated.")
]
_Workers = Annotated[int, typer.Option(min=0, help="Processes; 0 takes every processor.")]
_LaaJson = Annotated[bool, typer.Option("--laa-json", help="Write LAA-Net's processed JSON too, under both names.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def prepare(
    data: _Data,
    root: _Root = None,
    *,
    out: _Out,
    steps: _Steps = None,
    preset: _Preset = "default",
    frames: _Frames = None,
    margin: _Margin = None,
    size: _Size = None,
    landmarks: _Landmarks = None,
    picture: _Picture = None,
    face: _Face = None,
    settings: _Settings = None,
    split: _Split = None,
    option: _Options = None,
    workers: _Workers = 0,
    laa_json: _LaaJson = False,
    json: _Json = False,
) -> None:
    """Cut faces out of a data set, once, for training and evaluation.

    Runs on all cores. The same command goes on after an interruption, and
    again after files were added. A broken file is listed and does not stop
    the others; without_faces.csv names the videos without a face. The source
    is only read. Other settings need another --out.

    Example: facewitness prepare ffpp data/FF++ --out prepared/ffpp --option compression=c23 --split train --frames 128

    Example: facewitness prepare ffpp:data/FF++:test?compression=c23 --out prepared/test --preset laa_net --laa-json

    Example: facewitness prepare folder photos --out prepared/photos --steps crops,landmarks,audio --json
    """
    from facewitness.cli.prepare_run import PrepareRequest, run

    changes = {
        "frames": frames,
        "margin_ratio": margin,
        "size": size,
        "landmarks": landmarks,
        "picture": picture,
        "face": face,
    }
    request = PrepareRequest(
        data=data,
        root=root,
        out=out,
        steps=None if steps is None else tuple(step.strip() for step in steps.split(",") if step.strip()),
        preset=preset,
        changes={name: value for name, value in changes.items() if value is not None},
        settings_file=settings,
        split=split,
        options=tuple(option or ()),
        workers=workers,
        with_laa_json=laa_json,
        as_json=json,
    )
    run(request)
