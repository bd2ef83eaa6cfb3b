"""The faces that LAA-Net trains and validates on: videos of prepared data, draws, partners; no torch here."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.prepared import NEIGHBOURS_FILE, Points, PreparedFrame, PreparedSet, PreparedVideo
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import ConfigError
from facewitness.pseudofakes.neighbours import nearest_faces
from facewitness.records import Label
from facewitness.whole_files import replacing

_LOG = logging.getLogger(__name__)

PARTNERS: Final = 30
"""Nearest faces that a blended image may take its other face from."""

_EPOCH_DRAWS: Final = 0
"""Stream of random numbers for the frames of an epoch; the items have others."""


@dataclass(frozen=True)
class LaaFace:
    """One frame.

    Attributes:
        path: Picture of the cut face.
        landmarks: ``(68 or 81, 2)`` float32, pixels of the picture.
        position: Of the frame in ``PreparedSet.frames()``.
    """

    path: Path
    landmarks: NDArray[np.float32]
    position: int


@dataclass(frozen=True)
class LaaVideo:
    """One video with the frames that can be used.

    Attributes:
        video_id: Unique in the prepared set.
        label: Of the picture.
        faces: By time, at least one.
    """

    video_id: str
    label: Label
    faces: tuple[LaaFace, ...]


@dataclass(frozen=True)
class LaaVideos:
    """What a run sees.

    Attributes:
        train: Real videos to train on.
        val_real: Real videos to validate on.
        val_fake: Fakes to validate on; may be empty.
        left_out: Videos of these splits without a usable frame.
        held_out: Whether the validation was cut off the training data, for want of a split.
    """

    train: tuple[LaaVideo, ...]
    val_real: tuple[LaaVideo, ...]
    val_fake: tuple[LaaVideo, ...]
    left_out: int
    held_out: bool


def split_videos(prepared: PreparedSet, recipe: TrainingRecipe) -> LaaVideos:
    """The videos of training and validation.

    Where the set names no validation videos, a share of the sources is held out: a fake is validated on when all its
    sources are held out, so nothing of the training is seen there.

    Args:
        prepared: With crops and landmarks.
        recipe: ``validation_share`` and ``seed`` decide what is held out.

    Raises:
        ConfigError: If there is no real video to train or to validate on, or two videos share an id.
    """
    (name, times), *_ = Counter(video.record.video_id for video in prepared.videos).most_common(1) or [("", 0)]
    if times > 1:
        msg = f"{prepared.folder}: {times} videos are called {name!r}; video ids must be unique"
        raise ConfigError(msg)
    videos = [v for v in prepared.videos if v.record.split != "test"]
    held_out = not any(v.record.split == "val" and v.record.label == Label.REAL for v in videos)
    if held_out:
        away = _held_out(videos, recipe)
        in_val = [bool(_sources(v)) and _sources(v) <= away for v in videos]
    else:
        in_val = [v.record.split == "val" for v in videos]
    found: dict[tuple[bool, Label], list[LaaVideo]] = {(s, label): [] for s in (False, True) for label in Label}
    sizes = np.cumsum([0, *(len(v.frames) for v in prepared.videos)]).tolist()
    first = {v.record.video_id: start for v, start in zip(prepared.videos, sizes, strict=False)}
    left_out = 0
    for video, is_val in zip(videos, in_val, strict=True):
        faces = _faces(prepared.folder, video, first[video.record.video_id])
        if faces:
            record = video.record
            found[is_val, Label(record.label)].append(LaaVideo(record.video_id, Label(record.label), faces))
        else:
            left_out += 1
    train, val_real = found[False, Label.REAL], found[True, Label.REAL]
    if not train or not val_real:
        msg = (
            f"{prepared.folder}: {len(train)} real videos to train on and {len(val_real)} to validate on have faces "
            f"with landmarks; prepare more real videos of the splits train and val (or without a split)"
        )
        raise ConfigError(msg)
    return LaaVideos(tuple(train), tuple(val_real), tuple(found[True, Label.FAKE]), left_out, held_out)


def _sources(video: PreparedVideo) -> set[str]:
    record = video.record
    return set(record.sources or record.identities or (record.video_id,))


def _held_out(videos: Sequence[PreparedVideo], recipe: TrainingRecipe) -> set[str]:
    """Sources of real videos that are kept from training."""
    reals = {source for v in videos if v.record.label == Label.REAL for source in _sources(v)}
    return held_out_sources(reals, recipe.validation_share, recipe.seed)


def held_out_sources(sources: Collection[str], share: float, seed: int) -> set[str]:
    """A share of the sources, at least one: those whose hashes come first.

    Example:
        >>> held_out_sources({"a", "b", "c"}, 0.3, 0) == held_out_sources(["c", "b", "a"], 0.3, 0)
        True
    """
    order = sorted(sources, key=lambda source: (zlib.crc32(f"{seed}:{source}".encode()), source))
    return set(order[: max(1, round(share * len(order)))])


def _faces(folder: Path, video: PreparedVideo, first: int) -> tuple[LaaFace, ...]:
    found = []
    for position, frame in enumerate(video.frames, start=first):
        path, points = _picture_of(frame)
        if path and len(points) >= 68:
            found.append(LaaFace(folder / path, np.array(points, dtype=np.float32), position))
    return tuple(found)


def _picture_of(frame: PreparedFrame) -> tuple[str, Points]:
    """The levelled face where there is one, else the crop."""
    if frame.aligned and frame.aligned_landmarks:
        return frame.aligned, frame.aligned_landmarks
    return frame.crop, frame.landmarks


class FrameDraws(Protocol):
    """What a recipe says of the frames of an epoch."""

    @property
    def seed(self) -> int:
        """Of all draws."""

    @property
    def frames_per_video(self) -> int:
        """Frames drawn per video and epoch."""

    @property
    def with_replacement(self) -> bool:
        """Whether one frame can be drawn twice."""

    @property
    def batch_items(self) -> int:
        """Items per device and batch."""

    @property
    def epochs(self) -> int:
        """Epochs in all."""


def draw_epoch(counts: Sequence[int], recipe: FrameDraws, epoch: int) -> NDArray[np.int64]:
    """Frames of one epoch, in the order in which they are seen.

    Args:
        counts: Frames of each video.
        recipe: How many per video, and whether one can come twice.
        epoch: 0-based; another epoch gives another draw.

    Returns:
        ``(n, 2)`` int64: video, frame.
    """
    rng = np.random.default_rng([recipe.seed, _EPOCH_DRAWS, epoch])
    wanted = recipe.frames_per_video
    rows = []
    for video, count in enumerate(counts):
        drawn = rng.integers(count, size=wanted) if recipe.with_replacement else rng.permutation(count)[:wanted]
        rows.append(np.stack([np.full(len(drawn), video), drawn], axis=1))
    return rng.permutation(np.concatenate(rows).astype(np.int64), axis=0)


def spread_frames(count: int, wanted: int) -> list[int]:
    """Indices of ``wanted`` frames over a video of ``count``, both ends included, none twice."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, wanted)).tolist()})


def partners_of(videos: Sequence[LaaVideo], prepared: PreparedSet | None = None) -> list[NDArray[np.intp]]:
    """For every frame the frames of other videos with the nearest landmarks.

    Args:
        videos: Real videos; their frames are numbered one video after the other.
        prepared: Where they come from: its own neighbours are taken where that step was run and they reach, else the
            answer is kept in its folder for the next run. None computes and keeps nothing.

    Returns:
        For each frame the numbers of its partners, nearest first: 30, or as many as there are.

    Raises:
        ConfigError: If there is one video only.
    """
    if prepared is not None and (prepared.folder / NEIGHBOURS_FILE).is_file():
        found = _named_partners(videos, prepared.neighbours())
        if all(len(row) for row in found):
            return found
        _LOG.warning("%s: neighbours lie outside the training videos for some faces; computed anew", prepared.folder)
    faces = np.stack([face.landmarks[:68] for video in videos for face in video.faces])
    owner = np.repeat(np.arange(len(videos)), [len(video.faces) for video in videos])
    count = min(PARTNERS, len(faces) - int(np.bincount(owner).max()))
    if count < 1:
        msg = "blended images need faces of at least two real videos; prepare more, or train with a recipe of kind sbi"
        raise ConfigError(msg)
    digest = hashlib.sha256(faces.tobytes() + owner.astype(np.int64).tobytes() + bytes([count])).hexdigest()[:16]
    path = None if prepared is None else prepared.folder / f"partners-{digest}.npy"
    if path is not None and path.is_file():
        return list(np.asarray(np.load(path, allow_pickle=False), dtype=np.intp))
    table, _ = nearest_faces(faces, owner, np.arange(len(faces)), count=count)
    if path is not None:
        _keep(path, table)
    return list(table)


def _named_partners(videos: Sequence[LaaVideo], table: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """The neighbours of the preparation that are among these videos."""
    positions = np.array([face.position for video in videos for face in video.faces], dtype=np.intp)
    number = np.full(len(table) + 1, -1, np.intp)  # the last entry serves -1, no neighbour
    number[positions] = np.arange(len(positions))
    return [row[row >= 0][:PARTNERS] for row in number[table[positions]]]


def _keep(path: Path, values: NDArray[np.intp]) -> None:
    try:
        with replacing(path, shared=True) as part, part.open("wb") as stream:
            np.save(stream, values)
    except OSError as error:
        _LOG.warning("partners are not kept for the next run: %s", error)
