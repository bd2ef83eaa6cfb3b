"""``facewitness blend``: blended forgeries of one face, with what a detector is to learn from them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ModeChoice(StrEnum):
    """Arithmetic of the blends and targets."""

    CORRECTED = "corrected"
    OFFICIAL = "official"


def blend(
    image: Annotated[Path, typer.Argument(help="Picture with a face; the largest one is taken.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the pictures.")],
    *,
    donor: Annotated[
        Path | None,
        typer.Option(help="Picture with another face to blend in (Face X-ray); else the face is blended with itself."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same pictures.")] = 0,
    mode: Annotated[
        ModeChoice, typer.Option(help="official repeats the arithmetic of the LAA-Net code, defects included.")
    ] = ModeChoice.CORRECTED,
    count: Annotated[int, typer.Option(min=1, max=20, help="How many blends.")] = 1,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Side of the face crop in pixels.")] = 317,
) -> None:
    """Blend a face with a changed copy of itself, or another's, as training does.

    Writes real.png, fake.png, mask.png (where the copy was put),
    boundary.png (where the two meet), heatmap.png (what the network is to
    answer), blend.json (everything that was drawn) and blend.jpg, one sheet
    with all of them. With --count, the pictures of each blend go to a
    folder of their own: 01, 02, ...

    Example: facewitness blend photo.jpg -o blended --seed 7 --count 4
    facewitness blend photo.jpg -o swapped --donor friend.jpg
    """
    from facewitness.cli.blend_pictures import make_blends, write_blends

    blends = make_blends(image, seed=seed, mode=mode.value, count=count, size=size, donor=donor)
    typer.echo(str(write_blends(blends, output)))
