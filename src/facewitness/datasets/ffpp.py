"""FF++ (FaceForensics++) as its download script lays it out: 1,000 YouTube videos and five ways to forge them.

Citation: Roessler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images", ICCV 2019; FaceShifter:
Li et al., CVPR 2020. Licence: FaceForensics terms of use, non-commercial. The DFD part of the same download is `dfd`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Fake, Maker
from facewitness.datasets.ffpp_lists import (
    METHODS,
    TITLE,
    USUAL,
    Pair,
    demo_pairs,
    fake_ids,
    info_of,
    read_pairs,
    real_ids,
)
from facewitness.datasets.listing import Listing, Place, chosen, index_of, place_of, sort_out, wanted
from facewitness.datasets.records import SPLITS, Record
from facewitness.records import Label

INFO = info_of(
    tree=(
        "original_sequences/youtube/{raw,c23,c40}/videos/000.mp4\n"
        "manipulated_sequences/<method>/{raw,c23,c40}/videos/000_003.mp4\n"
        "manipulated_sequences/<method>/masks/videos/000_003.mp4\n"
        "<either>/frames/000_003/*.png, <either>/images/000_003/*.png (extracted frames, instead of videos)\n"
        "train.json, val.json, test.json (or in splits/; the official lists ship with this package)"
    ),
    notes=(
        "Lists hold pairs of ids: real are both, fakes a_b and b_a, so 720/140/140 videos per method. A fake's first "
        "id is whose video it is, the second whose face. The same name exists under every method: ids here have the "
        "method and the compression in them. FaceShifter has no masks and is left out unless asked for."
    ),
)

COMPRESSIONS: Final = ("raw", "c23", "c40")
_FAKES: Final[dict[str, Fake]] = {"Face2Face": "local", "NeuralTextures": "local"}
_SECOND: Final = ("FaceSwap", "NeuralTextures")


def listing(
    root: Path, split: str | None = None, *, manipulations: str = USUAL, compression: str = "c23", media: str = ""
) -> Listing:
    """List what the split lists name.

    Args:
        root: Folder with ``original_sequences`` and ``manipulated_sequences``.
        split: ``train``, ``val``, ``test``; None takes all three.
        manipulations: Methods parted by commas; ``all`` adds FaceShifter, ``none`` leaves real videos only.
        compression: ``raw`` (also ``c0``), ``c23``, ``c40``, or several parted by commas.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If an option is unknown, a list is damaged, or nothing of what the lists name is there.
    """
    methods = () if manipulations == "none" else chosen(manipulations, METHODS, "manipulations")
    rates = chosen(compression.replace("c0", "raw"), COMPRESSIONS, "compression")
    pairs = {name: read_pairs(root, name) for name in wanted(split, SPLITS, TITLE)}
    named = (
        record
        for rate in rates
        for name, ids in pairs.items()
        for record in (
            *_reals(root, ids, name, rate=rate, media=media),
            *(fake for method in methods for fake in _fakes(root, method, ids, name, rate=rate, media=media)),
        )
    )
    return sort_out(root, named, f"FF++ ({compression})")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether a method's folder, or that of the YouTube videos, is there; the latter is also in `deeper_forensics`."""
    methods = any((root / "manipulated_sequences" / method).is_dir() for method in METHODS)
    reals_only = (root / "original_sequences" / "youtube").is_dir() and not (root / "manipulated_videos").is_dir()
    return methods or reals_only


def folder_of(root: Path, sequences: str, rate: str, media: str) -> Place:
    """Where the videos of one class and compression lie; older downloads call raw ``c0``."""
    name = "c0" if rate == "raw" and (root / sequences / "c0").is_dir() else rate
    return place_of(root, f"{sequences}/{name}", media)


def _reals(root: Path, pairs: list[Pair], split: str, *, rate: str, media: str) -> Iterator[Record]:
    place = folder_of(root, "original_sequences/youtube", rate, media)
    for name in real_ids(pairs):
        yield Record(
            path=place.path(name),
            video_id=f"original/{rate}/{name}",
            label=Label.REAL,
            dataset=TITLE,
            kind=place.kind,
            split=split,
            identities=(name,),
            sources=(name,),
            compression=rate,
        )


def _fakes(root: Path, method: str, pairs: list[Pair], split: str, *, rate: str, media: str) -> Iterator[Record]:
    sequences = f"manipulated_sequences/{method}"
    place = folder_of(root, sequences, rate, media)
    masks = masks_of(root, sequences, place)
    for target, donor in fake_ids(pairs):
        name = f"{target}_{donor}"
        yield Record(
            path=place.path(name),
            video_id=f"{method}/{rate}/{name}",
            label=Label.FAKE,
            dataset=TITLE,
            kind=place.kind,
            split=split,
            identities=(target, donor),
            sources=(target, donor),
            manipulation=method,
            compression=rate,
            mask_path="" if method == "FaceShifter" else masks.path(name),
        )


def masks_of(root: Path, sequences: str, place: Place) -> Place:
    """Where a method's masks lie: the same for every compression, or beside the frames as DeepfakeBench puts them."""
    beside = place.folder.rpartition("/")[0] + "/masks"
    if place.kind == "frames" and (root / beside).is_dir():
        return Place(beside, "frames", "")
    if place.kind == "frames":
        return place_of(root, f"{sequences}/masks", place.folder.rpartition("/")[2])
    return place_of(root, f"{sequences}/masks", "videos")


def make_demo(root: Path, maker: Maker, *, times: int = 1) -> None:
    """Write a synthetic copy: two pairs to train, one to validate and to test, c23, the four usual methods.

    Args:
        root: Folder to write.
        maker: Draws.
        times: As many times more pairs.

    Raises:
        ConfigError: If the official lists have fewer pairs than that.
    """
    for split in SPLITS:
        pairs = demo_pairs(split, times)
        maker.json(root / f"{split}.json", [list(pair) for pair in pairs])
        for name in real_ids(list(pairs)):
            maker.video(root / f"original_sequences/youtube/c23/videos/{name}.mp4", name)
        for method in USUAL.split(","):
            base, fake = root / "manipulated_sequences" / method, _FAKES.get(method, "swap")
            for target, donor in fake_ids(list(pairs)):
                # another donor than the first method of its kind: the two must not be the same file
                name, other = f"{target}_{donor}.mp4", donor + (method if method in _SECOND else "")
                maker.video(base / "c23" / "videos" / name, target, fake=fake, donor=other)
                maker.mask_video(base / "masks" / "videos" / name, target, fake=fake, donor=other)
