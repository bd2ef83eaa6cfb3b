"""DeeperForensics-1.0: 1,000 swaps of paid actors' faces into FF++'s videos, clean and perturbed in ten ways.

Citation: Jiang et al., "DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery Detection", CVPR 2020.
Licence: terms of use, on request, non-commercial research.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import VIDEOS, Listing, chosen, index_of, place_of, read_text, sort_out, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DeeperForensics-1.0",
    paper="Jiang et al., DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery Detection, CVPR 2020",
    licence="terms of use: non-commercial research, no redistribution",
    apply_at="https://github.com/EndlessSora/DeeperForensics-1.0/tree/master/dataset (form)",
    tree=(
        "lists/splits/{train,val,test}.txt\n"
        "manipulated_videos/<variant>/000_M101.mp4\n"
        "source_videos/M101/light_down/neutral/camera_front/M101_light_down_neutral_camera_front.mp4\n"
        "original_sequences/youtube/c23/videos/000.mp4 (from FF++: link or copy it here)"
    ),
    notes=(
        "The lists name fakes <target>_<actor>.mp4. The real class is FF++'s c23 videos with the same first three "
        "digits, which this set does not hold; the actors' source videos are no real class, its authors say, and are "
        "listed with reals=source only. The split is by actor. The official list ratio is 703 : 96 : 201."
    ),
)

VARIANTS: Final = (
    "end_to_end",
    "reenact_postprocess",
    *(f"end_to_end_level_{i}" for i in range(1, 6)),
    "end_to_end_random_level",
    *(f"end_to_end_mix_{i}_distortions" for i in range(2, 5)),
)
REALS: Final = ("targets", "source")
_TARGETS: Final = "original_sequences/youtube/c23"
_NAME: Final = re.compile(r"(\d{3})_([MW]\d{3})(?:\.mp4)?")
_DEMO: Final = {"train": ("000_M101", "001_W102"), "val": ("002_M103",), "test": ("003_W104", "004_M105")}


def listing(
    root: Path, split: str | None = None, *, variant: str = "end_to_end", reals: str = "targets", media: str = ""
) -> Listing:
    """List what the split lists name, in each variant asked for.

    Args:
        root: Folder with ``lists`` and ``manipulated_videos``.
        split: ``train``, ``val``, ``test``; None takes all three.
        variant: Folders of ``manipulated_videos``, parted by commas; ``all`` takes the eleven.
        reals: ``targets`` (FF++'s videos), ``source`` (the actors' recordings), both parted by a comma, or ``none``.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If a list is missing or damaged, or nothing of what it names is there.
    """
    variants = chosen(variant, VARIANTS, "variant")
    kinds = () if reals == "none" else chosen(reals, REALS, "reals")
    splits = wanted(split, SPLITS, INFO.title)
    names = {name: _read_list(root / "lists" / "splits" / f"{name}.txt") for name in splits}
    named: list[Record] = []
    for name, pairs in names.items():
        if "targets" in kinds:
            named += _targets(root, pairs, name, media)
        for folder in variants:
            named += _fakes(root, folder, pairs, name, media)
    if "source" in kinds:
        named += _sources(root, {actor: name for name, pairs in names.items() for _, actor in pairs})
    return sort_out(root, named, INFO.title)


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether the manipulated videos and the lists are there."""
    return (root / "manipulated_videos").is_dir() and (root / "lists" / "splits").is_dir()


def _read_list(path: Path) -> list[tuple[str, str]]:
    found = []
    for line in read_text(path, "DeeperForensics' list of a split").split():
        match = _NAME.fullmatch(line.rpartition("/")[2])
        if match is None:
            msg = f"{path}: expected names such as 000_M101.mp4, got {line!r}"
            raise ConfigError(msg)
        found.append((match[1], match[2]))
    return found


def _targets(root: Path, pairs: list[tuple[str, str]], split: str, media: str) -> Iterator[Record]:
    place = place_of(root, _TARGETS, media)
    for target in sorted({target for target, _ in pairs}):
        yield Record(
            path=place.path(target),
            video_id=f"targets/{target}",
            label=Label.REAL,
            dataset=INFO.title,
            kind=place.kind,
            split=split,
            identities=(target,),
            sources=(target,),
            compression="c23",
        )


def _fakes(root: Path, variant: str, pairs: list[tuple[str, str]], split: str, media: str) -> Iterator[Record]:
    place = place_of(root, f"manipulated_videos/{variant}", media, flat=True)
    for target, actor in pairs:
        yield Record(
            path=place.path(f"{target}_{actor}"),
            video_id=f"{variant}/{target}_{actor}",
            label=Label.FAKE,
            dataset=INFO.title,
            kind=place.kind,
            split=split,
            identities=(target, actor),
            sources=(target,),
            manipulation=variant,
        )


def _sources(root: Path, split_of: dict[str, str]) -> Iterator[Record]:
    base = "source_videos/videos" if (root / "source_videos" / "videos").is_dir() else "source_videos"
    for file in sorted((root / base).rglob("*")):
        actor = file.relative_to(root / base).parts[0]
        if file.suffix.lower() in VIDEOS and actor in split_of:
            yield Record(
                path=file.relative_to(root).as_posix(),
                video_id=f"source/{file.stem}",
                label=Label.REAL,
                dataset=INFO.title,
                split=split_of[actor],
                identities=(actor,),
                sources=(file.stem,),
            )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: five swaps, clean and at level 5, their targets, one recording of each actor."""
    for split, names in _DEMO.items():
        maker.text(root / "lists" / "splits" / f"{split}.txt", "".join(f"{name}.mp4\n" for name in names))
        for name in names:
            target, actor = name.split("_")
            maker.video(root / _TARGETS / "videos" / f"{target}.mp4", target)
            for variant, crf in (("end_to_end", 23), ("end_to_end_level_5", 40)):
                path = root / "manipulated_videos" / variant / f"{name}.mp4"
                maker.video(path, target, fake="swap", donor=actor, crf=crf)
            inner = Path(actor, "light_uniform", "neutral", "camera_front")
            maker.video(root / "source_videos" / inner / f"{'_'.join(inner.parts)}.mp4", actor)
