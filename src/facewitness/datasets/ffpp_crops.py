"""FF++ faces as LAA-Net's crop script leaves them, in both of its layouts.

Citation: Nguyen et al., "LAA-Net: Localized Artifact Attention Network for Quality-Agnostic and Generalizable Deepfake
Detection", CVPR 2024, for the layout; the videos are FF++ (see `ffpp` for citation and licence).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.ffpp_lists import DEMO_PAIRS, METHODS, TITLE, Pair, fake_ids, info_of, read_pairs, real_ids
from facewitness.datasets.listing import Listing, chosen, index_of, names_in, sort_out, wanted
from facewitness.datasets.records import SPLITS, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = info_of(
    tree=(
        "c0:  {train,val,test}/frames/{Original,<method>}/<video>/000.png\n"
        "     {train,val,test}/frames/aligned_<Original or method>_<landmarks>/<video>/000.png\n"
        "     {train,val,test}/masks/<method>/<video>/000.png\n"
        "c23: <method>/images/{train,val,test}/{real,fake}/<video>_frame<n>.jpg\n"
        "train.json, val.json, test.json (optional; the official lists ship with this package)"
    ),
    notes=(
        "LAA-Net takes the folder's name for the video, so that 000_003 of four methods becomes one video and is "
        "pooled as one; ids here have the method in them. Its c23 layout repeats the real videos under every method; "
        "they are listed once. Its loader calls every folder with 'aligned' in its path real; here the rest of the "
        "name counts."
    ),
)

_TYPES: Final = ("frames", "images")
_ALIGNED: Final = re.compile(r"aligned(?:_(?P<name>[A-Za-z0-9]+?))?(?:_(?P<points>\d+))?")
_RATES: Final = {"c0": "raw", "raw": "raw", "c23": "c23", "c40": "c40"}


@dataclass(frozen=True)
class _Folder:
    """Where the videos of one class and split lie.

    Attributes:
        path: Below the root.
        suffix: What follows a video's name: nothing for a folder each, ``_frame*`` for shared folders.
        masks: Folder of masks with the same names; empty where the layout has none.
    """

    path: str
    suffix: str = ""
    masks: str = ""


def listing(
    root: Path, split: str | None = None, *, manipulations: str = "", compression: str = "", aligned: str = "no"
) -> Listing:
    """List the crops of the videos that the split lists name.

    Args:
        root: LAA-Net's ``ROOT``: the folder ``c0`` or ``c23``.
        split: ``train``, ``val``, ``test``; None takes those that are there.
        manipulations: Methods parted by commas; empty takes those that are there, ``none`` real videos only.
        compression: How the videos were compressed, for the record; empty takes it from the folder's name.
        aligned: ``yes`` takes levelled crops where there are both.

    Raises:
        ConfigError: If an option is unknown, a list is damaged, or no crops are there.
    """
    if aligned not in ("yes", "no"):
        msg = f"aligned must be yes or no, got {aligned!r}"
        raise ConfigError(msg)
    rate = _RATES.get(compression or root.resolve().name, compression)
    methods = () if manipulations == "none" else chosen(manipulations, METHODS, "manipulations")
    named: list[Record] = []
    for name in wanted(split, SPLITS, TITLE):
        folders = _folders(root, name, aligned=aligned == "yes")
        pairs = read_pairs(root, name) if folders else []
        for method in ("original", *methods):
            if method in folders:
                named += _records(folders[method], method, pairs, name, rate)
            elif folders and (method == "original" or manipulations):
                named += _records(_Folder(f"{name}/frames/{method}"), method, pairs, name, rate)
    return sort_out(root, named, "LAA-Net's crops, such as test/frames/Original/000/000.png,")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether crops of one of the layouts are there."""
    return any(_folders(root, split, aligned=False) for split in SPLITS)


def _folders(root: Path, split: str, *, aligned: bool) -> dict[str, _Folder]:
    """Where each class lies: ``original`` and the methods."""
    return _folders_c0(root, split, aligned=aligned) or _folders_c23(root, split)


def _folders_c0(root: Path, split: str, *, aligned: bool) -> dict[str, _Folder]:
    known = {name.lower(): name for name in ("original", *METHODS)}
    plain: dict[str, _Folder] = {}
    levelled: dict[str, _Folder] = {}
    for kind in _TYPES:
        for name in names_in(root / split / kind):
            match = _ALIGNED.fullmatch(name)
            word = (match["name"] or "original") if match else name
            method = known.get(word.lower())
            if method is not None:
                # masks are cut with the crops and never levelled
                masks = "" if match else f"{split}/masks/{name}"
                (levelled if match else plain).setdefault(method, _Folder(f"{split}/{kind}/{name}", masks=masks))
    return plain | levelled if aligned else levelled | plain


def _folders_c23(root: Path, split: str) -> dict[str, _Folder]:
    found: dict[str, _Folder] = {}
    for method in METHODS:
        for kind in _TYPES:
            for name, where in (("real", "original"), ("fake", method)):
                path = f"{method}/{kind}/{split}/{name}"
                inside = names_in(root / path)
                if inside and where not in found:
                    found[where] = _Folder(path, "" if (root / path / inside[0]).is_dir() else "_frame*")
    return found


def _records(folder: _Folder, method: str, pairs: list[Pair], split: str, rate: str) -> Iterator[Record]:
    is_real = method == "original"
    videos: list[tuple[str, ...]] = [(name,) for name in real_ids(pairs)] if is_real else list(fake_ids(pairs))
    for ids in videos:
        name = "_".join(ids)
        yield Record(
            path=f"{folder.path}/{name}{folder.suffix}",
            video_id="/".join(part for part in (method, rate, name) if part),
            label=Label.REAL if is_real else Label.FAKE,
            dataset=TITLE,
            kind="frames",
            split=split,
            identities=ids,
            sources=ids,
            manipulation="" if is_real else method,
            compression=rate,
            mask_path=f"{folder.masks}/{name}" if folder.masks and not is_real else "",
        )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy of the c0 layout: two methods, six frames a video, masks."""
    names = [f"{i:03d}.png" for i in range(0, 12, 2)]
    for split, pairs in DEMO_PAIRS.items():
        maker.json(root / f"{split}.json", [list(pair) for pair in pairs])
        for name in real_ids(list(pairs)):
            maker.frames(root / split / "frames" / "Original" / name, name, names=names)
        for method in ("Deepfakes", "FaceSwap"):
            for target, donor in fake_ids(list(pairs)):
                inner, other = Path(method, f"{target}_{donor}"), donor + ("other" if method == "FaceSwap" else "")
                maker.frames(root / split / "frames" / inner, target, names=names, fake="swap", donor=other)
                maker.mask_frames(root / split / "masks" / inner, target, names=names, fake="swap", donor=other)
