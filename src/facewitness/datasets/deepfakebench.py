"""Lists of DeepfakeBench (and of what builds on it, such as DF40): JSON files that name the frames of every video.

Citation: Yan et al., "DeepfakeBench: A Comprehensive Benchmark of Deepfake Detection", NeurIPS 2023.
Licence: the frames are those of the listed sets, under their terms; the lists are CC BY-NC 4.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import Listing, chosen, index_of, read_json, sort_out, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DeepfakeBench",
    paper="Yan et al., DeepfakeBench: A Comprehensive Benchmark of Deepfake Detection, NeurIPS 2023",
    licence="frames: that of each listed set; lists: CC BY-NC 4.0",
    apply_at="https://github.com/SCLBD/DeepfakeBench",
    tree=(
        "*.json, dataset_json/*.json or preprocessing/dataset_json/*.json\n"
        "<what the lists name>, such as FaceForensics++/original_sequences/youtube/c23/frames/000/*.png\n"
        "in a list: {set: {label name: {split: {video: {label, frames: [...]}}}}}, for FF++ and DFD with the "
        "compression between split and video"
    ),
    notes=(
        "DeepfakeBench pools frames by the name of their folder, so that 000_003 of four methods becomes one video; "
        "ids here have label, compression and split in them. Its lists put some videos into several splits (DFD into "
        "all, Celeb-DF's test videos into train as well): data check reports that as leaks. What several FF++ lists "
        "share is listed once. Options: json=FILE or names parted by commas, frames_root=PREFIX that the lists' paths "
        "begin with, label_dict=FILE or NAME:0,NAME:1."
    ),
)

_PLACES: Final = ("", "dataset_json", "preprocessing/dataset_json")
_RATES: Final = ("raw", "c0", "c23", "c40")
_PAIR: Final = re.compile(r"(\d{3})_(\d{3})")
_SWAP: Final = re.compile(r"(id\d+)_(id\d+)_(\d+)")


@dataclass(frozen=True)
class _Video:
    """One video of a list, before its place on this machine is known.

    Attributes:
        dataset: Set.
        label_name: Class, as the list spells it.
        split: Split.
        compression: Compression or nothing.
        name: Name of the video.
        entry: ``label`` and ``frames``, sometimes ``masks``.
    """

    dataset: str
    label_name: str
    split: str
    compression: str
    name: str
    entry: Mapping[str, Any]


def listing(
    root: Path,
    split: str | None = None,
    *,
    json: str = "",
    compression: str = "c23",
    frames_root: str = "",
    label_dict: str = "",
) -> Listing:
    """List the videos that the JSON files name.

    Args:
        root: Folder that the frames lie below, with the lists in it or in ``dataset_json``.
        split: ``train``, ``val``, ``test``; None takes all three.
        json: Lists to read, parted by commas: files, or names such as ``FF-DF``; empty takes all that are there.
        compression: Of the sets that have several; ``all`` takes each.
        frames_root: What the lists' paths begin with and this machine's do not; empty finds out by looking.
        label_dict: JSON file or ``NAME:0,NAME:1``; empty goes by the words real and fake and by the sets' names.

    Raises:
        ConfigError: If a list is missing or damaged, a label is unknown, or nothing of what is named is there.
    """
    splits = wanted(split, SPLITS, INFO.title)
    rates = () if compression == "all" else chosen(compression, _RATES, "compression")
    labels = _labels(root, label_dict)
    records: dict[str, Record] = {}
    places = _Places(root, frames_root)
    for path in _lists(root, json):
        for video in _videos(path):
            if video.split in splits and (not rates or not video.compression or video.compression in rates):
                record = _record(video, labels, places, path)
                twin = records.setdefault(record.video_id, record)
                if twin.path != record.path:  # another set with the same label names
                    longer = f"{video.dataset}/{record.video_id}"
                    records[longer] = replace(record, video_id=longer)
    return sort_out(root, records.values(), "the frames that DeepfakeBench's lists name")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether a folder of lists is there."""
    return any(next((root / place).glob("*.json"), None) is not None for place in _PLACES[1:])


def _lists(root: Path, names: str) -> list[Path]:
    found = []
    for name in filter(None, names.split(",")):
        paths = [root / place / f"{name.removesuffix('.json')}.json" for place in _PLACES]
        path = next((p for p in (*paths, Path(name)) if p.is_file()), None)
        if path is None:
            msg = f"expected DeepfakeBench's list {name!r} at {paths[1]}, found none"
            raise ConfigError(msg)
        found.append(path)
    if not names:
        found = next((files for place in _PLACES if (files := sorted((root / place).glob("*.json")))), [])
    if not found:
        msg = f"expected DeepfakeBench's lists at {root / _PLACES[1]}/*.json, found none"
        raise ConfigError(msg)
    return found


def _videos(path: Path) -> Iterator[_Video]:
    """Every video of a list; ``(compression ->)`` is told from a video by its missing frames."""
    data = read_json(path, "DeepfakeBench's list")
    try:
        for dataset, classes in data.items():
            for label_name, parts in classes.items():
                for split, inner in parts.items():
                    for name, entry in inner.items():
                        if "frames" in entry:
                            yield _Video(dataset, label_name, split, "", name, entry)
                        else:
                            for video, held in entry.items():
                                yield _Video(
                                    dataset, label_name, split, name, video, {"frames": held["frames"], **held}
                                )
    except (AttributeError, KeyError, TypeError) as error:
        form = "{set: {label name: {split: {video: {label, frames}}}}}"
        msg = f"{path}: expected a list of DeepfakeBench, {form}; it differs: {error!r}"
        raise ConfigError(msg) from error


def _labels(root: Path, text: str) -> dict[str, Label]:
    """Label names that the user explains."""
    if not text:
        return {}
    path = root / text if (root / text).is_file() else Path(text)
    pairs: Any = (
        dict(part.rpartition(":")[::2] for part in text.split(",")) if ":" in text and not path.is_file() else None
    )
    pairs = read_json(path, "a table of label names") if pairs is None else pairs
    try:
        return {name: Label(int(value)) for name, value in pairs.items()}
    except (AttributeError, TypeError, ValueError) as error:
        msg = f"label_dict must be a JSON file {{name: 0 or 1}} or NAME:0,NAME:1, got {text!r}: {error}"
        raise ConfigError(msg) from error


def _label(name: str, labels: Mapping[str, Label], path: Path) -> Label:
    low = name.lower()
    if name in labels:
        return labels[name]
    if "real" in low:
        return Label.REAL
    if "fake" in low or low.startswith("ff-"):
        return Label.FAKE
    msg = f"{path}: whether {name!r} is real or fake is not known; say it with label_dict={name}:0 or {name}:1"
    raise ConfigError(msg)


class _Places:
    """Where the lists' paths lead on this machine: they were written on another."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._root = root
        self._prefix = _tidy(prefix)
        self._known: dict[str, str] = {}

    def folder(self, frame: str) -> str:
        """Folder of a frame, below the root."""
        folder = _tidy(frame).rpartition("/")[0]
        if self._prefix:
            return folder.removeprefix(self._prefix).strip("/")
        parts = folder.split("/")
        known = self._known.get(parts[0])
        if known is None or not folder.startswith(known):
            known = self._foreign(parts)
            if known is None:
                return folder
            self._known[parts[0]] = known
        return folder.removeprefix(known)

    def _foreign(self, parts: list[str]) -> str | None:
        """The part at the front that this machine does not have; None where the path fits nowhere."""
        for cut in range(len(parts)):
            # the video itself may be missing, so the folder of its class decides
            if len(parts) - cut > 1 and self._root.joinpath(*parts[cut:-1]).is_dir():
                return "".join(f"{part}/" for part in parts[:cut])
        return None


def _tidy(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./").lstrip("/")


def _record(video: _Video, labels: Mapping[str, Label], places: _Places, path: Path) -> Record:
    label = _label(str(video.entry.get("label", video.label_name)), labels, path)
    frames, masks = video.entry["frames"], video.entry.get("masks") or ()
    if not frames or not isinstance(frames[0], str):
        msg = f"{path}: {video.label_name}/{video.split}/{video.name} names no frames; make the list again"
        raise ConfigError(msg)
    identities, sources = _origin(video.name)
    rate = video.compression
    return Record(
        path=places.folder(frames[0]),
        video_id="/".join(part for part in (video.label_name, rate, video.split, video.name) if part),
        label=label,
        dataset="FF++" if video.label_name.startswith("FF-") else video.dataset,
        kind="frames",
        split=video.split,
        identities=identities,
        sources=sources,
        manipulation=video.label_name if label is Label.FAKE else "",
        compression="raw" if rate == "c0" else rate,
        mask_path=places.folder(masks[0]) if masks else "",
    )


def _origin(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """People and source videos that a video's name tells of, for the sets whose names do."""
    pair, swap = _PAIR.fullmatch(name), _SWAP.fullmatch(name)
    if pair is not None:
        return pair.groups(), pair.groups()
    if swap is not None:
        target, donor, clip = swap.groups()
        return (target, donor), (f"{target}_{clip}",)
    return (), (name,)


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: FF++'s reals and two methods in lists with another machine's paths."""
    names = [f"{i:03d}.png" for i in range(0, 60, 10)]
    theirs = PurePosixPath("/data/DeepfakeBench/datasets/rgb")
    base = PurePosixPath("FaceForensics++")
    splits = {"train": (("071", "054"), ("087", "081")), "val": (("720", "672"),), "test": (("953", "974"),)}
    folders = {"FF-real": "original_sequences/youtube", "FF-DF": "manipulated_sequences/Deepfakes"}
    folders["FF-FS"] = "manipulated_sequences/FaceSwap"
    classes: dict[str, dict[str, Any]] = {label: {} for label in folders}
    for label, folder in folders.items():
        for split, pairs in splits.items():
            videos: dict[str, Any] = {}
            for target, donor in (two for pair in pairs for two in (pair, pair[::-1])):
                name = target if label == "FF-real" else f"{target}_{donor}"
                inner = base / folder / "c23" / "frames" / name
                other = donor if label == "FF-DF" else f"{donor}, twin"
                fake = {} if label == "FF-real" else {"fake": "swap", "donor": other}
                maker.frames(root / inner, target, names=names, **fake)  # type: ignore[arg-type]
                videos[name] = {"label": label, "frames": [str(theirs / inner / frame) for frame in names]}
            classes[label][split] = {"c23": videos}
    for label in ("FF-DF", "FF-FS"):
        content = {label: {"FF-real": classes["FF-real"], label: classes[label]}}
        maker.json(root / "dataset_json" / f"{label}.json", content)
