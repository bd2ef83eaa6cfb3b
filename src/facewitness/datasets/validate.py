"""Checks of data sets before anything is trained or measured on them.

Named are files that lists name and the disk lacks, files that are equal byte by byte, contradicting labels, files whose
header cannot be read, and people or source videos that two splits share.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, get_args

from facewitness.datasets import DATASETS
from facewitness.datasets.listing import frame_files
from facewitness.datasets.records import SPLITS, Record
from facewitness.datasets.spec import DataSpec
from facewitness.errors import ConfigError, MediaError
from facewitness.media.kind import identify
from facewitness.records import Label

FaultKind = Literal["missing", "duplicate", "mislabelled", "unreadable", "shared_identity", "shared_source"]
"""``shared_*``: people or source videos that lie in two splits."""

FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)

_WORDS: Final = {"real": Label.REAL, "original": Label.REAL, "fake": Label.FAKE, "manipulated": Label.FAKE}
"""What the name of a folder says of the files in it."""

_GENERAL: Final = ("manifest", "folder")
"""Sets that fit many trees: they are taken when no other fits."""

_HDF5_HEAD: Final = b"\x89HDF\r\n\x1a\n"
_BLOCK: Final = 1 << 20
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Fault:
    """Something that is wrong.

    Attributes:
        kind: What.
        paths: Files or folders concerned, each with the root it was found below; at most a few.
        detail: In words.
    """

    kind: FaultKind
    paths: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Item:
    """A record and where it lies.

    Attributes:
        root: Root of its set.
        record: The record.
    """

    root: Path
    record: Record

    @property
    def place(self) -> Path:
        """The file or folder; of HDF5 the file."""
        return self.root / self.record.path.partition("#")[0] if self.record.kind == "hdf5" else self.root / self.path

    @property
    def path(self) -> str:
        """The record's path."""
        return self.record.path


def recognise(root: Path) -> list[str]:
    """Names of the registered sets whose layout a folder has; sets that fit anything only where no other does.

    Args:
        root: Folder.

    Returns:
        Names, sorted; empty if none fits.
    """
    found = []
    for name, entry in DATASETS:
        looks_like = getattr(import_module(entry.target.partition(":")[0]), "looks_like", None)
        if looks_like is not None and looks_like(root):
            found.append(name)
    special = [name for name in found if name not in _GENERAL]
    general = [str(name) for name in _GENERAL if name in found]
    return special or general[:1]


def spec_of(text: str) -> DataSpec:
    """A spec from ``NAME:ROOT...``, or from a plain root whose layout is that of one set.

    Raises:
        ConfigError: If it is neither, or several sets fit.
        UnknownNameError: If the name before the colon is no data set and the text is no folder.
    """
    root = Path(text)
    if (":" in text and text.partition(":")[0] in DATASETS.names()) or not root.exists():
        return DataSpec.parse(text)
    names = recognise(root)
    if len(names) > 1:
        names = _most_complete(root, names)
    if len(names) == 1:
        return DataSpec(names[0], root)
    fitting = f"several sets fit: {', '.join(names)}" if names else "no registered set has such a layout"
    msg = f"{root}: {fitting}; say which, as NAME:{root} (facewitness data list)"
    raise ConfigError(msg)


def _most_complete(root: Path, names: Sequence[str]) -> list[str]:
    """Of several sets that fit, those of whose lists the smallest share is missing."""
    shares: dict[str, float] = {}
    for name in names:
        with suppress(ConfigError):
            listing = DataSpec(name, root).listing()
            shares[name] = len(listing.missing) / (len(listing.missing) + len(listing.records))
    least = min(shares.values(), default=0.0)
    return [name for name, share in shares.items() if share <= least] or list(names)


def check(items: Sequence[Item], on_item: Callable[[Path], None] | None = None) -> list[Fault]:
    """Check records against each other and against the disk.

    Args:
        items: Records of one or more sets.
        on_item: Told of each file before its header is read.

    Returns:
        What is wrong, by kind in the order of `FAULT_KINDS`; files that only lists name are not in ``items`` and
        so not in here (`missing_of`).
    """
    faults = [*_ids(items), *_labels(items)]
    broken: set[str] = set()
    for item in items:
        if on_item is not None:
            on_item(item.place)
        problem = _header_problem(item)
        if problem:
            broken.add(str(item.place))
            faults.append(Fault("unreadable", (str(item.place),), problem))
    faults += _same_bytes([item for item in items if str(item.place) not in broken])
    faults += _shared(items, "shared_identity", "person", lambda r: r.identities)
    faults += _shared(items, "shared_source", "source video", lambda r: r.sources)
    return sorted(faults, key=lambda fault: FAULT_KINDS.index(fault.kind))


def missing_of(root: Path, paths: Iterable[str]) -> list[Fault]:
    """Faults for files that a list names and the disk lacks."""
    return [Fault("missing", (str(root / path),), "the set's list names it, the folder lacks it") for path in paths]


def _ids(items: Sequence[Item]) -> Iterator[Fault]:
    """Video ids that occur twice: with one label a duplicate, with two a contradiction."""
    by_id: dict[tuple[Path, str], list[Item]] = defaultdict(list)
    for item in {(i.root, i.path, i.record.video_id, i.record.label): i for i in items}.values():
        by_id[item.root, item.record.video_id].append(item)
    for (_, video), same in by_id.items():
        if len({item.record.label for item in same}) > 1:
            yield Fault("mislabelled", _examples(same), f"video {video!r} is listed as real and as fake")
        elif len(same) > 1:
            yield Fault("duplicate", _examples(same), f"{len(same)} records share the video id {video!r}")


def _labels(items: Sequence[Item]) -> Iterator[Fault]:
    """Labels that contradict the folder's name or the label of the picture track."""
    for item in items:
        record = item.record
        said = _said(record.path)
        if record.video_label not in (None, record.label) and record.kind != "audio":
            detail = f"label says {record.label.name.lower()}, video_label says the opposite"
            yield Fault("mislabelled", (str(item.place),), detail)
        elif said is not None and said != record.label:
            detail = f"lies in a folder of {said.name.lower()} files, its label says {record.label.name.lower()}"
            yield Fault("mislabelled", (str(item.place),), detail)


def _said(path: str) -> Label | None:
    """What the folders of a path say; None if nothing or both."""
    words = {word for part in path.lower().split("/")[:-1] for word in re.split(r"[^a-z]+", part)}
    labels = {_WORDS[word] for word in words & _WORDS.keys()}
    return labels.pop() if len(labels) == 1 else None


def _header_problem(item: Item) -> str:
    """Why a record's file cannot be read, as far as its header tells; empty if it can."""
    place, kind = item.place, item.record.kind
    try:
        if kind == "hdf5":
            with place.open("rb") as stream:
                return "" if stream.read(len(_HDF5_HEAD)) == _HDF5_HEAD else "is no HDF5 file"
        if kind == "frames":
            frames = frame_files(place)
            if not frames:
                return "is no folder with frames in it"
            found, wanted = identify(frames[0]), "image"
        else:
            found, wanted = identify(place), kind
    except (MediaError, OSError) as error:
        return str(error).removeprefix(f"{place}: ")
    return "" if found == wanted else f"is listed as {kind} and holds {found}"


def _same_bytes(items: Sequence[Item]) -> Iterator[Fault]:
    """Files or folders of frames that are equal byte by byte; only those of equal size are read."""
    places = {str(item.place): item for item in items if item.record.kind != "hdf5"}
    by_size: dict[tuple[int, ...], list[Item]] = defaultdict(list)
    for item in places.values():
        files = frame_files(item.place) if item.record.kind == "frames" else [item.place]
        by_size[tuple(file.stat().st_size for file in files)].append(item)
    for rivals in by_size.values():
        by_hash: dict[str, list[Item]] = defaultdict(list)
        for item in rivals if len(rivals) > 1 else ():
            by_hash[_hash(item)].append(item)
        for same in by_hash.values():
            if len(same) > 1:
                yield _twins(same)


def _twins(same: Sequence[Item]) -> Fault:
    """The fault of items with the same bytes."""
    splits = sorted({item.record.split for item in same} - {""})
    across = f", in {' and '.join(splits)}" if len(splits) > 1 else ""
    if len({item.record.label for item in same}) > 1:
        return Fault("mislabelled", _examples(same), f"the same bytes are labelled real and fake{across}")
    return Fault("duplicate", _examples(same), f"{len(same)} times the same bytes{across}")


def _hash(item: Item) -> str:
    digest = hashlib.sha256()
    for file in frame_files(item.place) if item.record.kind == "frames" else [item.place]:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _shared(
    items: Sequence[Item], kind: FaultKind, what: str, ids_of: Callable[[Record], tuple[str, ...]]
) -> Iterator[Fault]:
    """People or source videos that occur in more than one split of a set."""
    where: dict[tuple[str, str], dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in items:
        for name in ids_of(item.record) if item.record.split else ():
            where[item.record.dataset, name][item.record.split].append(item)
    for (_, name), by_split in where.items():
        if len(by_split) > 1:
            yield Fault(
                kind, _examples([by_split[s][0] for s in SPLITS if s in by_split]), _spread(what, name, by_split)
            )


def _spread(what: str, name: str, by_split: Mapping[str, Sequence[Item]]) -> str:
    counts = " and ".join(f"{split} ({len(by_split[split])})" for split in SPLITS if split in by_split)
    return f"{what} {name} is in {counts}"


def _examples(items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item.place) for item in items))[:_EXAMPLES]
