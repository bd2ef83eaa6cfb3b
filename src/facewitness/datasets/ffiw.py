"""FFIW10K: 10,000 real and 10,000 forged videos of several people, of whom some are forged, with masks.

Citation: Zhou et al., "Face Forensics in the Wild", CVPR 2021. Licence: terms of use, on request, non-commercial.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import Listing, index_of, place_of, sort_out, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="FFIW10K",
    paper="Zhou et al., Face Forensics in the Wild, CVPR 2021",
    licence="terms of use: non-commercial research, no redistribution",
    apply_at="https://github.com/tfzhou/FFIW (form)",
    tree=(
        "source/{train,val,test}/*.mp4 (real; also <split>/videos/*.mp4)\n"
        "target/{train,val,test}/*.mp4 (forged)\n"
        "target_mask/{train,val,test}/*.mp4\n"
        "(also below FFIW10K-v1-release/, and the test part in FFIW10K-v1-release-test/)"
    ),
    notes=(
        "source is real, target is forged, and forged videos show genuine people as well: label a video by its most "
        "suspect face, or use the mask. Published cross-dataset numbers are on val (250 + 250), as SBI's are; the test "
        "part came later. A source and a target of the same name are counted as one source video."
    ),
)

_BASES: Final = ("", "FFIW10K-v1-release", "FFIW10K-v1-release-test", "FFIW10K")
_CLASSES: Final = {"source": Label.REAL, "target": Label.FAKE}


def listing(root: Path, split: str | None = None, *, media: str = "") -> Listing:
    """List every video; there is no list that could name a missing one.

    Args:
        root: Folder with ``source`` and ``target``.
        split: ``train``, ``val``, ``test``; None takes those that are there.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If a split is there for one class only, or not at all.
    """
    records: list[Record] = []
    for name in wanted(split, SPLITS, INFO.title):
        base = next((b for b in _BASES if (root / b / "source" / name).is_dir()), None)
        if base is None and split is None:
            continue
        for folder, label in _CLASSES.items():
            top = "/".join(part for part in (base, folder, name) if part)
            found = _videos(root, top, label, name, media)
            if not found:
                msg = f"expected videos in {root / top}, found none"
                raise ConfigError(msg)
            records += found
    if not records:
        msg = f"expected FFIW10K's videos in {root}/source/train and {root}/target/train, found none"
        raise ConfigError(msg)
    return sort_out(root, records, INFO.title)


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether source and target are there."""
    return any((root / b / "source").is_dir() and (root / b / "target").is_dir() for b in _BASES)


def _videos(root: Path, top: str, label: Label, split: str, media: str) -> list[Record]:
    place = place_of(root, top, media, flat=True)
    masks = place_of(root, top.replace("target", "target_mask"), media, flat=True)
    name = top.split("/")[-2]
    return [
        Record(
            path=place.path(stem),
            video_id=f"{name}/{split}/{stem}",
            label=label,
            dataset=INFO.title,
            kind=place.kind,
            split=split,
            sources=(stem,),
            manipulation=INFO.title if label is Label.FAKE else "",
            mask_path=masks.path(stem) if label is Label.FAKE else "",
        )
        for stem in place.stems(root)
    ]


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: three pairs to train, two to validate, two to test, with masks."""
    for split, count in (("train", 3), ("val", 2), ("test", 2)):
        for i in range(count):
            name, person = f"{split}_{i:08d}.mp4", f"{split} {i}"
            maker.video(root / "source" / split / name, person)
            maker.video(root / "target" / split / name, person, fake="swap")
            maker.mask_video(root / "target_mask" / split / name, person, fake="swap")
