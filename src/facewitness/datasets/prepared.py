"""Prepared data: what ``facewitness prepare`` leaves behind, and the checks before it is used.

A folder with ``prepared.json`` (settings and their fingerprint), ``index.jsonl`` (one `PreparedVideo` per line) and the
pictures, sounds and clips that the index names. Training and evaluation read it through `open_prepared` alone.
``neighbours.npy``, where that step ran, holds for each frame the frames of other videos with the nearest landmarks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.whole_files import write_whole

SETTINGS_FILE: Final = "prepared.json"
INDEX_FILE: Final = "index.jsonl"
NEIGHBOURS_FILE: Final = "neighbours.npy"
FORMAT: Final = 1
"""Rises when older folders can no longer be read."""

_MOST_NAMED: Final = 10


class Points(Sequence[tuple[float, float]]):
    """Landmarks ``(x, y)``, packed: a set of a hundred thousand frames fits into memory.

    A sequence of pairs, equal to a tuple or list of the same pairs; ``np.asarray`` gives ``(n, 2)`` float32.

    Args:
        pairs: ``(n, 2)`` numbers.

    Example:
        >>> points = Points([(1, 2), (3.5, 4)])
        >>> len(points), points[1], points == ((1, 2), (3.5, 4)), np.asarray(points).shape
        (2, (3.5, 4.0), True, (2, 2))
    """

    __slots__ = ("_data",)

    def __init__(self, pairs: Sequence[Sequence[float]] | NDArray[Any] | Points = ()) -> None:
        self._data = np.asarray(pairs, dtype=np.float32).reshape(-1, 2).tobytes()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """``(n, 2)`` float32, read-only unless copied."""
        array = np.frombuffer(self._data, dtype=np.float32).reshape(-1, 2)
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __len__(self) -> int:
        return len(self._data) // 8

    @overload
    def __getitem__(self, place: int) -> tuple[float, float]: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[tuple[float, float], ...]: ...
    def __getitem__(self, place: int | slice) -> tuple[float, float] | tuple[tuple[float, float], ...]:
        pairs = tuple((x, y) for x, y in np.asarray(self).tolist())
        return pairs[place]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Points):
            return self._data == other._data
        return self == Points(other) if isinstance(other, tuple | list) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"Points(<{len(self)}>)"

    def to_list(self) -> list[list[float]]:
        """Pairs for JSON, to a thousandth of a pixel."""
        return [[round(x, 3), round(y, 3)] for x, y in np.asarray(self).tolist()]


@dataclass(frozen=True)
class PreparedFrame:
    """One frame of a video that shows the face.

    Paths are below the prepared folder, with ``/``; empty where the step was not asked for.

    Attributes:
        frame_index: Index among the frames of the source.
        time_s: Time of the frame; 0 for pictures.
        face_box: ``xyxy``, the face's tight mesh box in frame pixels; the whole frame where no face was looked for.
        crop_box: ``xyxy``, the part of the frame that was cut out, frame pixels; four zeros where that is not known.
        presence: Confidence that it is a face, [0, 1]; 0 where none was looked for.
        frame: The whole frame.
        crop: The cut face, resized.
        mask: The forged area, cut with the same box.
        landmarks: 81 (or 68) points ``(x, y)`` in pixels of the crop.
        aligned: The crop turned so that the eyes are level.
        aligned_landmarks: The points in the aligned crop.
    """

    frame_index: int
    time_s: float
    face_box: tuple[float, float, float, float]
    crop_box: tuple[int, int, int, int]
    presence: float = 1.0
    frame: str = ""
    crop: str = ""
    mask: str = ""
    landmarks: Points = field(default_factory=Points)
    aligned: str = ""
    aligned_landmarks: Points = field(default_factory=Points)


@dataclass(frozen=True)
class PreparedVideo:
    """One record and what was made of it.

    Attributes:
        record: The record.
        frames: Frames with a face, by time.
        without_face: Indices of sampled frames without a usable face.
        audio: Sound as wav.
        clip: Face clip.
        problem: Why nothing could be made of it; empty when all went well.
        notes: What is odd although something could be made of it: damaged frames, silence, a missing mask.
    """

    record: Record
    frames: tuple[PreparedFrame, ...] = ()
    without_face: tuple[int, ...] = ()
    audio: str = ""
    clip: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON types only; `from_dict` turns it back."""
        return {**vars(self), "record": self.record.to_dict(), "frames": [_plain(frame) for frame in self.frames]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PreparedVideo:
        """A video from `to_dict`; raises whatever comes of values that are none."""
        plain = {**values, "record": Record.from_dict(values["record"])}
        plain["frames"] = tuple(PreparedFrame(**_tuples(frame)) for frame in values["frames"])
        for name in ("without_face", "notes"):
            plain[name] = tuple(values.get(name, ()))
        return cls(**plain)

    def to_json(self) -> str:
        """One line of the index."""
        return json.dumps(self.to_dict(), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> PreparedVideo:
        """A video from `to_json`.

        Raises:
            ConfigError: If the line does not hold one.
        """
        try:
            return cls.from_dict(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"a line of {INDEX_FILE} is damaged: {error}; run the preparation again, it repairs what is missing"
            raise ConfigError(msg) from error


def _tuples(frame: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(frame)
    for name in ("face_box", "crop_box"):
        plain[name] = tuple(plain[name])
    for name in ("landmarks", "aligned_landmarks"):
        plain[name] = Points(plain[name])
    return plain


def _plain(frame: PreparedFrame) -> dict[str, Any]:
    points = {name: getattr(frame, name) for name in ("landmarks", "aligned_landmarks")}
    return {**vars(frame), **{name: Points(value).to_list() for name, value in points.items()}}


@dataclass(frozen=True)
class Missing:
    """What a set's list names and its folder lacks.

    Attributes:
        count: How many files or folders; a folder of which nothing is there counts as one.
        first: The first few of them, below the set's root.
    """

    count: int = 0
    first: tuple[str, ...] = ()

    @classmethod
    def of(cls, paths: Sequence[str]) -> Missing:
        """All of a list.

        Example:
            >>> Missing.of(["a.mp4", "b/"])
            Missing(count=2, first=('a.mp4', 'b/'))
        """
        return cls(len(paths), tuple(paths[:_MOST_NAMED]))

    def __add__(self, other: Missing) -> Missing:
        return Missing(self.count + other.count, (*self.first, *other.first)[:_MOST_NAMED])


@dataclass(frozen=True)
class PreparedSet:
    """An opened folder.

    Attributes:
        folder: Where it lies.
        dataset: The set's title.
        settings: How it was prepared: steps, frames, margin, size, detector, versions.
        fingerprint: `fingerprint_of` the settings.
        videos: In the order of the index.
        missing: What was not there to prepare, by the split that a run was asked for, empty for all; folders of
            older versions say nothing of it.
    """

    folder: Path
    dataset: str
    settings: Mapping[str, Any]
    fingerprint: str
    videos: tuple[PreparedVideo, ...] = field(default=())
    missing: Mapping[str, Missing] = field(default_factory=dict)

    def missing_of(self, split: str = "") -> Missing:
        """What was not there to prepare of a split, or of all; where only the whole set was counted, of all.

        Example:
            >>> made = PreparedSet(Path("p"), "FF++", {}, "", missing={"val": Missing(1, ("a",)), "test": Missing(2)})
            >>> made.missing_of("val").count, made.missing_of().count, made.missing_of("train").count
            (1, 3, 0)
        """
        whole = self.missing.get("", Missing())
        return self.missing.get(split, whole) if split or whole.count else sum(self.missing.values(), whole)

    def frames(self) -> list[tuple[PreparedVideo, PreparedFrame]]:
        """Every frame with its video, in the order of the index, which is also that of `neighbours`."""
        return [(video, frame) for video in self.videos for frame in video.frames]

    def neighbours(self) -> NDArray[np.int32]:
        """``(n, k)`` int32: for each of `frames` the positions of its neighbours, nearest first; -1 where none is.

        Raises:
            ConfigError: If the step was not run, or does not fit the index.
        """
        path = self.folder / NEIGHBOURS_FILE
        count = sum(len(video.frames) for video in self.videos)
        try:
            table = np.load(path)
        except (OSError, ValueError) as error:
            msg = f"{self.folder} holds no neighbours ({error}); prepare it with --steps landmarks,neighbours"
            raise ConfigError(msg) from error
        if table.dtype != np.int32 or table.ndim != 2 or len(table) != count:
            msg = f"{path}: expected ({count}, k) int32, got {table.shape} {table.dtype}; prepare the data again"
            raise ConfigError(msg)
        return np.asarray(table)


def fingerprint_of(settings: Mapping[str, Any]) -> str:
    """Hash of everything that decides how prepared data come out; 16 hex digits.

    ``steps`` does not count: it says what was made, not how, so that more can be made later.

    Example:
        >>> fingerprint_of({"frames": 32}) == fingerprint_of({"frames": 16})
        False
        >>> fingerprint_of({"frames": 32, "steps": ["crops"]}) == fingerprint_of({"frames": 32})
        True
    """
    counted = {name: value for name, value in settings.items() if name != "steps"}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def write_file(path: Path, data: bytes) -> int:
    """Write a file of prepared data whole; folders are made.

    Returns:
        How many bytes were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return len(data)


def write_head(
    folder: Path, dataset: str, settings: Mapping[str, Any], missing: Mapping[str, Missing] | None = None
) -> None:
    """Write ``prepared.json``; without an index the folder does not count as finished."""
    head = {"format": FORMAT, "dataset": dataset, "settings": dict(settings), "fingerprint": fingerprint_of(settings)}
    head["missing"] = {split: vars(lacking) for split, lacking in (missing or {}).items()}
    write_file(folder / SETTINGS_FILE, json.dumps(head, indent=1).encode())


def save_prepared(prepared: PreparedSet) -> None:
    """Write a set's settings and its index into its folder, the index last."""
    (prepared.folder / INDEX_FILE).unlink(missing_ok=True)
    write_head(prepared.folder, prepared.dataset, prepared.settings, prepared.missing)
    lines = "".join(video.to_json() + "\n" for video in prepared.videos)
    write_file(prepared.folder / INDEX_FILE, lines.encode())


def missing_in(head: Mapping[str, Any]) -> dict[str, Missing]:
    """What ``prepared.json`` says of files that were not there, by split; raises whatever comes of a damaged one."""
    return {
        str(split): Missing(int(lacking["count"]), tuple(map(str, lacking["first"])))
        for split, lacking in head.get("missing", {}).items()
    }


def open_prepared(folder: Path, *, needs: Sequence[str] = (), fingerprint: str | None = None) -> PreparedSet:
    """Open prepared data after checking that they are whole and what the caller needs.

    Args:
        folder: Where ``facewitness prepare`` wrote.
        needs: Steps that must have run (``crops``, ``landmarks``, ``align``, ``audio`` ...).
        fingerprint: The fingerprint that the caller was made for, such as that of a training run which goes on.

    Returns:
        The set.

    Raises:
        ConfigError: If the folder holds no prepared data, is damaged or unfinished, lacks a step, or has been
            prepared in another way than ``fingerprint`` says.
    """
    path = folder / SETTINGS_FILE
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        lines = (folder / INDEX_FILE).read_text(encoding="utf-8").splitlines()
        settings, stored, dataset = head["settings"], head["fingerprint"], head["dataset"]
        version, steps, lacking = head["format"], settings["steps"], missing_in(head)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{folder} holds no finished prepared data ({error}); run facewitness prepare first"
        raise ConfigError(msg) from error
    if version != FORMAT or stored != fingerprint_of(settings):
        msg = f"{path}: format {version} or fingerprint {stored} does not fit its settings; prepare the data again"
        raise ConfigError(msg)
    if fingerprint is not None and stored != fingerprint:
        msg = f"{folder} was prepared with other settings (fingerprint {stored}) than wanted here ({fingerprint})"
        raise ConfigError(msg)
    missing = [step for step in needs if step not in steps]
    if missing:
        msg = f"{folder} was prepared without {', '.join(missing)} (steps: {', '.join(steps)}); prepare it again"
        raise ConfigError(msg)
    videos = tuple(PreparedVideo.from_json(line) for line in lines)
    return PreparedSet(folder, dataset, settings, stored, videos, lacking)
