"""Crops as HDF5, in the layout that M2F2-Det reads.

A file per kind of video, ``FF++_{type}_{compression}.h5`` (``..._test_only.h5`` for the test split), with one array per
video at the top level: its id is the key (``071``, ``071_054``), its value ``(frames, H, W, 3)`` uint8 RGB. M2F2-Det's
inference takes frames 0 to 99 of every video: prepare 100 frames or more.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facewitness.datasets.prepare.sources import require_h5py
from facewitness.datasets.prepared import PreparedVideo
from facewitness.datasets.records import Record
from facewitness.media.images import read_image
from facewitness.whole_files import replacing

_FOLDER = "hdf5"


def array_file_name(record: Record) -> str:
    """The file that a record's crops go into.

    Example:
        >>> from facewitness.records import Label
        >>> array_file_name(Record("a/000_003.mp4", "x", Label.FAKE, "FF++", manipulation="Deepfakes", split="test"))
        'FF++_Deepfakes_raw_test_only.h5'
    """
    kind = record.manipulation or ("original" if record.label == 0 else "fake")
    test = "_test_only" if record.split == "test" else ""
    return f"{record.dataset}_{kind}_{record.compression or 'raw'}{test}.h5".replace("/", "_")


def write_arrays(out: Path, videos: Sequence[PreparedVideo], fingerprint: str) -> list[Path]:
    """Write the crops of all videos; a file that is there already with the same crops stays.

    Args:
        out: Prepared folder; files go to ``hdf5`` in it.
        videos: Those without a crop are left out.
        fingerprint: Of the settings, stored in the file.

    Returns:
        The files.

    Raises:
        MissingExtraError: If h5py is not installed.
    """
    groups: dict[str, list[PreparedVideo]] = defaultdict(list)
    for video in videos:
        if video.frames:
            groups[array_file_name(video.record)].append(video)
    return [_write(out, out / _FOLDER / name, group, fingerprint) for name, group in sorted(groups.items())]


def _write(out: Path, path: Path, videos: Sequence[PreparedVideo], fingerprint: str) -> Path:
    h5py = require_h5py()
    content = [[v.record.video_id, [f.crop for f in v.frames]] for v in videos]
    digest = hashlib.sha256(json.dumps([fingerprint, content]).encode()).hexdigest()
    if path.exists():
        with h5py.File(path, "r") as file:
            if file.attrs.get("content") == digest:
                return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, h5py.File(part, "w") as file:
        file.attrs["content"], file.attrs["fingerprint"] = digest, fingerprint
        for key, video in zip(_keys(videos), videos, strict=True):
            _add(file, key, [out / frame.crop for frame in video.frames])
    return path


def _keys(videos: Sequence[PreparedVideo]) -> list[str]:
    """The videos' own names; with what tells them apart where two have the same."""
    names = [Path(video.record.path.rpartition("#")[2]).stem for video in videos]
    counts = Counter(names)
    ids = [video.record.video_id.replace("/", "_") for video in videos]
    return [name if counts[name] == 1 else full for name, full in zip(names, ids, strict=True)]


def _add(file: Any, key: str, crops: Sequence[Path]) -> None:
    first = read_image(crops[0]).pixels
    shape = (len(crops), *first.shape)
    # One frame per chunk: readers take single frames.
    array = file.create_dataset(key, shape, "uint8", chunks=(1, *first.shape), compression="gzip", compression_opts=1)
    for place, crop in enumerate(crops):
        array[place] = read_image(crop).pixels
