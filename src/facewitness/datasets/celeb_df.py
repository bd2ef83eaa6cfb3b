"""What Celeb-DF v1 and v2 have in common: three folders, one test list with labels the other way round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import Listing, Place, place_of, read_text, sort_out, wanted
from facewitness.datasets.records import DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

SPLITS: Final = ("train", "test")
TEST_LIST: Final = "List_of_testing_videos.txt"
_TREE: Final = (
    "Celeb-real/id0_0000.mp4\n"
    "Celeb-synthesis/id0_id1_0000.mp4\n"
    "YouTube-real/00000.mp4\n"
    "<any of them>/videos/*.mp4, <any of them>/frames/<video>/*.png (as DeepfakeBench and SBI lay them out)\n"
    f"{TEST_LIST}"
)
_NOTES: Final = (
    f"{TEST_LIST} says 1 for REAL and 0 for fake, the other way round than here. There is no list for training: train "
    "is all the rest. The same celebrities, often the same source videos, are in both splits, so data check reports "
    "leaks. Whom YouTube-real shows is not said."
)
FOLDERS: Final = {"Celeb-real": Label.REAL, "YouTube-real": Label.REAL, "Celeb-synthesis": Label.FAKE}

_LINE: Final = re.compile(r"([01])\s+(\S+)/(\S+?)(?:\.\w+)?")
_CELEB: Final = re.compile(r"(id\d+)_(\d+)")
_SWAP: Final = re.compile(r"(id\d+)_(id\d+)_(\d+)")
_DEMO: Final = (
    ("train", (("id0", "id1"), ("id1", "id0"), ("id2", "id3")), ("00000", "00001")),
    ("test", (("id3", "id2"), ("id4", "id5")), ("00170", "00208")),
)


def info_of(version: str, counts: str) -> DatasetInfo:
    """What is to be known of a version."""
    return DatasetInfo(
        title=f"Celeb-DF-{version}",
        paper="Li et al., Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR 2020",
        licence="Celeb-DF terms of use: non-commercial research, no redistribution",
        apply_at="https://github.com/yuezunli/celeb-deepfakeforensics (form)",
        tree=_TREE,
        splits=SPLITS,
        notes=f"{counts}. {_NOTES}",
    )


class Lister(Protocol):
    """``listing`` of a version."""

    def __call__(self, root: Path, split: str | None = None, *, media: str = "") -> Listing:
        """List the videos of the test list as test, all others as train."""


def lister(title: str) -> Lister:
    """The ``listing`` of a version, see `list_celeb_df`."""

    def listing(root: Path, split: str | None = None, *, media: str = "") -> Listing:
        return list_celeb_df(root, split, media, title)

    return listing


def list_celeb_df(root: Path, split: str | None, media: str, title: str) -> Listing:
    """List the test list's videos as test and all others that are there as train.

    Args:
        root: Folder with the three folders and the test list.
        split: ``train``, ``test``; None takes both.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.
        title: Name of the version.

    Raises:
        ConfigError: If the list is missing or damaged, contradicts the folders, or nothing of it is there.
    """
    splits = wanted(split, SPLITS, title)
    test = read_test_list(root / TEST_LIST)
    places = {name: place_of(root, name, media, flat=True) for name in FOLDERS}
    named: list[Record] = []
    if "train" in splits:
        held = ((name, stem) for name, place in places.items() for stem in place.stems(root))
        named += [_record(places[name], name, stem, "train", title) for name, stem in held if (name, stem) not in test]
    if "test" in splits:
        named += [_record(places[name], name, stem, "test", title) for name, stem in test]
    return sort_out(root, named, title)


def read_test_list(path: Path) -> dict[tuple[str, str], None]:
    """Folder and name of every test video, in the order of the list.

    Raises:
        ConfigError: If it cannot be read, a line has another form, or its label contradicts its folder.
    """
    found: dict[tuple[str, str], None] = {}
    for number, line in enumerate(read_text(path, "Celeb-DF's list of test videos").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[2] not in FOLDERS:
            msg = f"{path}, line {number}: expected a line such as '1 YouTube-real/00170.mp4', got {line!r}"
            raise ConfigError(msg)
        if FOLDERS[match[2]] != 1 - int(match[1]):
            msg = (
                f"{path}, line {number}: 1 means real in this list, which {line!r} contradicts; take the official list"
            )
            raise ConfigError(msg)
        found[match[2], match[3]] = None
    if not found:
        msg = f"{path}: expected Celeb-DF's list of test videos, got an empty file"
        raise ConfigError(msg)
    return found


def _record(place: Place, folder: str, stem: str, split: str, title: str) -> Record:
    identities, sources = _origin(folder, stem)
    label = FOLDERS[folder]
    return Record(
        path=place.path(stem),
        video_id=f"{folder}/{stem}",
        label=label,
        dataset=title,
        kind=place.kind,
        split=split,
        identities=identities,
        sources=sources,
        manipulation=folder if label is Label.FAKE else "",
    )


def _origin(folder: str, stem: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """People and source videos that a name tells of."""
    swap, celeb = _SWAP.fullmatch(stem), _CELEB.fullmatch(stem)
    if folder == "Celeb-synthesis" and swap is not None:
        target, donor, clip = swap.groups()
        return (target, donor), (f"Celeb-real/{target}_{clip}",)
    return ((celeb[1],) if folder == "Celeb-real" and celeb else ()), (f"{folder}/{stem}",)


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: two to three videos per folder and split, and the test list."""
    lines: list[str] = []
    for split, swaps, others in _DEMO:
        written = list(_write_demo(root, maker, swaps, others))
        lines += written if split == "test" else []
    maker.text(root / TEST_LIST, "\n".join(lines) + "\n")


def _write_demo(root: Path, maker: Maker, swaps: tuple[tuple[str, str], ...], others: tuple[str, ...]) -> Iterator[str]:
    for name in others:
        maker.video(root / "YouTube-real" / f"{name}.mp4", f"youtube {name}")
        yield f"1 YouTube-real/{name}.mp4"
    for target, donor in swaps:
        maker.video(root / "Celeb-real" / f"{target}_0000.mp4", target)
        yield f"1 Celeb-real/{target}_0000.mp4"
        maker.video(root / "Celeb-synthesis" / f"{target}_{donor}_0000.mp4", target, fake="swap", donor=donor)
        yield f"0 Celeb-synthesis/{target}_{donor}_0000.mp4"


def looks_like(root: Path) -> bool:
    """Whether the test list and the folder of fakes are there."""
    return (root / TEST_LIST).is_file() and (root / "Celeb-synthesis").is_dir()
