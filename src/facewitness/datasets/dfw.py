"""WildDeepfake (DFW, WDF): 7,314 face sequences cut out of 707 videos from the internet, as pictures.

Citation: Zi et al., "WildDeepfake: A Challenging Real-World Dataset for Deepfake Detection", ACM MM 2020.
Licence: on request, non-commercial research.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import PICTURES, Listing, files_in, index_of, names_in, sort_out, wanted
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DFW",
    paper="Zi et al., WildDeepfake: A Challenging Real-World Dataset for Deepfake Detection, ACM Multimedia 2020",
    licence="on request, non-commercial research",
    apply_at="https://github.com/OpenTAI/wild-deepfake (form)",
    tree=(
        "real_train/<video>/real/<sequence>/*.png\n"
        "fake_train/<video>/fake/<sequence>/*.png\n"
        "real_test/<video>/real/<sequence>/*.png\n"
        "fake_test/<video>/fake/<sequence>/*.png\n"
        "(also below deepfake_in_the_wild/ or extracted/; unpack the tar files first)"
    ),
    splits=("train", "test"),
    notes=(
        "Faces are cut out already, so a detector's own face finding may see none: evaluate the crops as they are. A "
        "sequence is a record; the sequences of one video have one source. Nobody knows whom they show."
    ),
)

_BASES: Final = ("", "deepfake_in_the_wild", "extracted", "WildDeepfake")
_DEPTH: Final = 4


def listing(root: Path, split: str | None = None) -> Listing:
    """List every folder of pictures; there is no list that could name a missing one.

    Args:
        root: Folder with ``real_train``, ``fake_train``, ``real_test``, ``fake_test``.
        split: ``train``, ``test``; None takes both.

    Raises:
        ConfigError: If one of the folders asked for holds no sequence.
    """
    base = next((name for name in _BASES if looks_like(root / name)), "")
    records: list[Record] = []
    for name in wanted(split, INFO.splits, INFO.title):
        for label in Label:
            folder = f"{base}/{label.name.lower()}_{name}".lstrip("/")
            found = list(_sequences(root, folder, label, name))
            if not found:
                packed = [f for f in names_in(root / folder) if ".tar" in f]
                why = f"found {packed[0]}; unpack it" if packed else "found none"
                msg = f"expected folders of pictures in {root / folder}, such as 0/{label.name.lower()}/0; {why}"
                raise ConfigError(msg)
            records += found
    return sort_out(root, records, INFO.title)


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether folders of real and forged test sequences are there."""
    return (root / "real_test").is_dir() and (root / "fake_test").is_dir()


def _sequences(root: Path, top: str, label: Label, split: str) -> Iterator[Record]:
    for folder in _picture_folders(root, top, _DEPTH):
        parts = folder.removeprefix(f"{top}/").split("/")
        inner = [part for part in parts if part not in ("real", "fake")]
        yield Record(
            path=folder,
            video_id="/".join((top.rpartition("/")[2], *inner)),
            label=label,
            dataset=INFO.title,
            kind="frames",
            split=split,
            sources=("/".join((top.rpartition("/")[2], inner[0])),) if inner else (folder,),
            manipulation=INFO.title if label is Label.FAKE else "",
        )


def _picture_folders(root: Path, folder: str, depth: int) -> Iterator[str]:
    """Lowest folders that hold pictures, in the order of their names."""
    if files_in(root / folder, PICTURES):
        yield folder
        return
    for name in names_in(root / folder) if depth else ():
        yield from _picture_folders(root, f"{folder}/{name}", depth - 1)


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: two videos of each class and split, the first with two sequences."""
    for split in INFO.splits:
        for label in ("real", "fake"):
            for video, sequence in ((0, 1), (0, 2), (1, 1)):
                folder = root / f"{label}_{split}" / str(video) / label / str(sequence)
                person = f"{split} {label} {video}"
                names = [f"{i}.png" for i in range(0, 60, 10)]
                take = str(sequence)
                maker.frames(folder, person, names=names, fake="swap" if label == "fake" else "", take=take)
