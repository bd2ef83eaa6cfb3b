"""DFD (DeepFakeDetection): 363 videos of 28 paid actors and 3,068 face swaps between them, part of FF++'s download.

Citation: Dufour and Gully, "Contributing Data to Deepfake Detection Research", Google AI Blog, 2019.
Licence: FaceForensics terms of use, non-commercial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.ffpp import COMPRESSIONS, folder_of, masks_of
from facewitness.datasets.ffpp_lists import APPLY_AT, LICENCE
from facewitness.datasets.listing import Listing, Place, chosen, index_of, place_of, sort_out, wanted
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DFD",
    paper="Dufour and Gully, Contributing Data to Deepfake Detection Research, Google AI Blog, 2019",
    licence=LICENCE,
    apply_at=APPLY_AT,
    tree=(
        "original_sequences/actors/{raw,c23,c40}/videos/01__exit_phone_room.mp4\n"
        "manipulated_sequences/DeepFakeDetection/{raw,c23,c40}/videos/01_02__exit_phone_room__YVGY8LOK.mp4\n"
        "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__exit_phone_room__YVGY8LOK.mp4\n"
        "or DFD_original_sequences/*.mp4 and DFD_manipulated_sequences/*.mp4 (c23)"
    ),
    splits=("test",),
    notes=(
        "No official split: everything is test, as in published cross-dataset tables. Some scenes show two people and "
        "one of them is genuine: choose faces by the mask. The name gives whose video it is, whose face, the scene."
    ),
)

_REALS: Final = "original_sequences/actors"
_FAKES: Final = "manipulated_sequences/DeepFakeDetection"
_MIRRORS: Final = (("DFD_original_sequences", "DFD_original sequences"), ("DFD_manipulated_sequences",))
_REAL_NAME: Final = re.compile(r"(\d+)__(.+)")
_FAKE_NAME: Final = re.compile(r"(\d+)_(\d+)__(.+)__(\w+)")


def listing(root: Path, split: str | None = None, *, compression: str = "c23", media: str = "") -> Listing:
    """List every video; there is no list that could name a missing one.

    Args:
        root: Folder with ``original_sequences/actors`` and ``manipulated_sequences/DeepFakeDetection``.
        split: ``test`` or None, which is the same.
        compression: ``raw`` (also ``c0``), ``c23``, ``c40``, or several parted by commas.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If there are no real or no forged videos, or a name has another form.
    """
    wanted(split, INFO.splits, INFO.title)
    records: list[Record] = []
    for rate in chosen(compression.replace("c0", "raw"), COMPRESSIONS, "compression"):
        reals = _mirror(root, 0, rate) or folder_of(root, _REALS, rate, media)
        fakes = _mirror(root, 1, rate) or folder_of(root, _FAKES, rate, media)
        for place, read in ((reals, _reals), (fakes, _fakes)):
            found = list(read(root, place, rate))
            if not found:
                msg = f"expected videos of DFD such as {INFO.tree.splitlines()[0]} in {root / place.folder}, found none"
                raise ConfigError(msg)
            records += found
    return sort_out(root, records, INFO.title)


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether the actors' videos are there."""
    return (root / _REALS).is_dir() or any((root / name).is_dir() for name in _MIRRORS[0])


def _mirror(root: Path, which: int, rate: str) -> Place | None:
    """The folder of a copy that was passed on without FF++'s folders, which has c23 only."""
    names = [name for name in _MIRRORS[which] if rate == "c23" and (root / name).is_dir()]
    return place_of(root, names[0], flat=True) if names else None


def _parts(pattern: re.Pattern[str], root: Path, place: Place, stem: str) -> tuple[str, ...]:
    match = pattern.fullmatch(stem)
    if match is None:
        form = "01__exit_phone_room" if pattern is _REAL_NAME else "01_02__exit_phone_room__YVGY8LOK"
        msg = f"expected a name such as {form}, got {root / place.path(stem)}"
        raise ConfigError(msg)
    return match.groups()


def _reals(root: Path, place: Place, rate: str) -> Iterator[Record]:
    for stem in place.stems(root):
        actor, scene = _parts(_REAL_NAME, root, place, stem)
        yield Record(
            path=place.path(stem),
            video_id=f"original/{rate}/{stem}",
            label=Label.REAL,
            dataset=INFO.title,
            kind=place.kind,
            split="test",
            identities=(actor,),
            sources=(stem,),
            compression=rate,
            metadata={"scene": scene},
        )


def _fakes(root: Path, place: Place, rate: str) -> Iterator[Record]:
    masks = masks_of(root, _FAKES, place)
    for stem in place.stems(root):
        target, donor, scene, _ = _parts(_FAKE_NAME, root, place, stem)
        yield Record(
            path=place.path(stem),
            video_id=f"DeepFakeDetection/{rate}/{stem}",
            label=Label.FAKE,
            dataset=INFO.title,
            kind=place.kind,
            split="test",
            identities=(target, donor),
            sources=(f"{target}__{scene}",),
            manipulation="DeepFakeDetection",
            compression=rate,
            mask_path=masks.path(stem),
            metadata={"scene": scene},
        )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: three actors in one scene, three swaps."""
    scene = "exit_phone_room"
    for target, donor, code in (("01", "02", "YVGY8LOK"), ("02", "03", "CFIY1YEQ"), ("03", "01", "JOG5PB18")):
        maker.video(root / _REALS / "c23" / "videos" / f"{target}__{scene}.mp4", f"actor {target}")
        name = f"{target}_{donor}__{scene}__{code}.mp4"
        person, other = f"actor {target}", f"actor {donor}"
        maker.video(root / _FAKES / "c23" / "videos" / name, person, fake="swap", donor=other)
        maker.mask_video(root / _FAKES / "masks" / "videos" / name, person, fake="swap", donor=other)
