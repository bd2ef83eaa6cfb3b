"""The data of an evaluation: data set specs, prepared folders, or two plain folders of reals and fakes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from facewitness.datasets.prepared import Missing, PreparedVideo, open_prepared
from facewitness.datasets.records import SPLITS, Record
from facewitness.datasets.spec import DataSpec
from facewitness.errors import ConfigError
from facewitness.evaluation.localising import with_masks
from facewitness.evaluation.record_frames import ReadFrame, prepared_frames, read_frames
from facewitness.evaluation.scoring import ScoringRule
from facewitness.records import Label

PREPARED: Final = "prepared:"
"""How the spec of a prepared folder begins: ``prepared:OUT[:SPLIT]``."""


@dataclass(frozen=True)
class DataSource:
    """Records, and where they come from.

    Attributes:
        spec: As it was given.
        root: Folder that the records' paths are below.
        records: In the order of the set.
        fingerprint: Of prepared data; empty for data as they are.
        prepared: Video id to what was prepared of it; None for data as they are.
        missing: What the set's list names and its folder lacks; of prepared data, lacked when they were prepared.
    """

    spec: str
    root: Path
    records: tuple[Record, ...]
    fingerprint: str = ""
    prepared: Mapping[str, PreparedVideo] | None = field(default=None, repr=False)
    missing: Missing = field(default_factory=Missing)

    @property
    def has_masks(self) -> bool:
        """Whether a record says where its forged area is."""
        return any(record.mask_path for record in self.records)

    def frames(self, record: Record, rule: ScoringRule, *, masks: bool = False) -> Iterator[ReadFrame]:
        """The sampled frames of one of its records, with their masks where those are wanted and there are some."""
        if self.prepared is not None:
            video = self.prepared[record.video_id]
            return prepared_frames(self.root, video, frames=rule.frames, limits=rule.limits)
        frames = read_frames(self.root, record, frames=rule.frames, limits=rule.limits)
        return with_masks(self.root, record, frames) if masks else frames

    def size_of(self, record: Record) -> int:
        """Bytes of the record's file; -1 for what is no file."""
        path = self.root / record.path
        try:
            return path.stat().st_size if path.is_file() else -1
        except OSError:
            return -1

    @property
    def list_sha256(self) -> str:
        """`list_hash` of the records."""
        return list_hash((r.video_id, int(r.label)) for r in self.records)


def list_hash(items: Iterable[tuple[str, int]]) -> str:
    """SHA-256 of which videos were evaluated: lines ``video_id<TAB>label``, sorted, each ended by a newline.

    Example:
        >>> list_hash([("b", 1), ("a", 0)]) == list_hash([("a", 0), ("b", 1)])
        True
        >>> list_hash([("a", 0)]) == list_hash([("a", 1)])
        False
    """
    lines = sorted(f"{video_id}\t{label}\n" for video_id, label in items)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def open_source(text: str, *, limit: int | None = None) -> DataSource:
    """Open what a data spec names.

    Args:
        text: ``NAME:ROOT[:SPLIT][?option=value]`` or ``prepared:OUT[:SPLIT]``.
        limit: Most records of each label, spread evenly over the list.

    Raises:
        ConfigError: If the text has another form, the folder lacks the set's layout, or nothing is listed.
        UnknownNameError: If no data set has that name.
    """
    source = _open_prepared(text) if text.startswith(PREPARED) else _open_spec(text)
    if not source.records:
        msg = f"{text} lists no records; check the folder and the split"
        raise ConfigError(msg)
    doubled = [name for name, count in Counter(r.video_id for r in source.records).items() if count > 1]
    if doubled:
        msg = f"{text} lists {len(doubled)} video ids more than once, {doubled[0]!r} first; ids must be unique"
        raise ConfigError(msg)
    return source if limit is None else replace(source, records=_spread(source.records, limit))


def _open_spec(text: str) -> DataSource:
    spec = DataSpec.parse(text)
    listing = spec.listing()
    return DataSource(str(spec), spec.root, listing.records, missing=Missing.of(listing.missing))


def _open_prepared(text: str) -> DataSource:
    rest = text.removeprefix(PREPARED)
    head, _, tail = rest.rpartition(":")
    place, split = (head, tail) if head and tail in (*SPLITS, "all") else (rest, "all")
    opened = open_prepared(Path(place))
    videos = {v.record.video_id: v for v in opened.videos if split in ("all", v.record.split)}
    records = tuple(v.record for v in opened.videos if split in ("all", v.record.split))
    lacking = opened.missing_of("" if split == "all" else split)
    return DataSource(text, Path(place), records, opened.fingerprint, videos, lacking)


def _spread(records: Sequence[Record], limit: int) -> tuple[Record, ...]:
    """At most ``limit`` records of each label, evenly from the list."""
    kept: set[int] = set()
    for label in Label:
        places = [i for i, r in enumerate(records) if r.label == label]
        count = min(limit, len(places))
        kept |= {places[(2 * k + 1) * len(places) // (2 * count)] for k in range(count)}
    return tuple(r for i, r in enumerate(records) if i in kept)


def plain_source(folder: Path, files: Sequence[Path], label: Label, *, limit: int | None = None) -> DataSource:
    """Files of one folder as records of one label; each picture or video counts as one video.

    Args:
        folder: What the paths are below; the files may lie deeper.
        files: Pictures and videos in it.
        label: Of all of them.
        limit: Most records.

    Raises:
        ConfigError: If there are no files.
    """
    name = label.name.lower()
    if not files:
        msg = f"--{name} {folder}: no pictures or videos in it; give a folder of {name} ones"
        raise ConfigError(msg)
    records = []
    for file in files:
        below = file.relative_to(folder).as_posix() if folder.is_dir() else file.name
        manipulation = below.split("/")[0] if label is Label.FAKE and "/" in below else ""
        records.append(Record(below, f"{name}/{below}", label, "folders", "image", manipulation=manipulation))
    root = folder if folder.is_dir() else folder.parent
    kept = tuple(records) if limit is None else _spread(records, limit)
    return DataSource(f"--{name} {folder}", root, kept)


def told_apart(sources: Sequence[DataSource]) -> tuple[DataSource, ...]:
    """Sources whose sets have one title each, so that no two videos share set and id.

    Where two sources hold the same set (two compressions, two splits, two plain folders) the spec is added to the
    title; the two halves of ``--real`` and ``--fake`` are one set and stay as they are.

    Raises:
        ConfigError: If a spec was given twice.
    """
    specs = [source.spec for source in sources]
    twice = [spec for spec, count in Counter(specs).items() if count > 1]
    if twice:
        msg = f"data {twice[0]} was given twice; each set counts once"
        raise ConfigError(msg)
    holders = Counter((r.dataset, r.video_id) for source in sources for r in source.records)
    clashing = {dataset for (dataset, _), count in holders.items() if count > 1}
    renamed = []
    for source in sources:
        records = tuple(
            replace(r, dataset=f"{r.dataset} ({source.spec})") if r.dataset in clashing else r for r in source.records
        )
        renamed.append(replace(source, records=records))
    return tuple(renamed)
