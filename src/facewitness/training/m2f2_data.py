"""Faces for stage 1 of M2F2-Det: prepared crops, or M2F2-Det's own HDF5 files.

What a batch holds depends on seed, epoch and place in the epoch only. One frame of a clip is read, not the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facewitness.datasets import ffpp_hdf5
from facewitness.datasets.prepare.sources import require_h5py
from facewitness.datasets.prepared import SETTINGS_FILE, fingerprint_of, open_prepared
from facewitness.datasets.records import Record
from facewitness.detectors.m2f2_det.recipe import Stage1Recipe
from facewitness.errors import ConfigError, FaceError, MediaError
from facewitness.media.images import read_image
from facewitness.records import Label
from facewitness.training.laa_data import ATTEMPTS, ItemRequest, RunBatches, one_thread
from facewitness.training.laa_faces import held_out_sources, spread_frames
from facewitness.training.m2f2_augment import post_process
from facewitness.training.machine import TrainingMachine

_ITEMS, _VALIDATION = 1, 3
"""Streams of random numbers."""


@dataclass(frozen=True)
class FaceClip:
    """The faces of one video.

    Attributes:
        record: The video.
        count: Faces.
        pictures: One file per face; empty where they lie in an array.
        array: HDF5 file that holds them under ``key``.
        key: Name in it.
    """

    record: Record
    count: int
    pictures: tuple[Path, ...] = ()
    array: Path | None = None
    key: str = ""

    def read(self, frame: int) -> NDArray[np.uint8]:
        """One face, ``(H, W, 3)`` uint8 RGB.

        Raises:
            MediaError: If it cannot be read.
        """
        if self.array is None:
            return read_image(self.pictures[frame]).pixels
        try:
            return np.asarray(_opened(self.array)[self.key][frame], dtype=np.uint8)
        except (OSError, KeyError, ValueError) as error:
            msg = f"{self.array}#{self.key}, frame {frame}: {error}"
            raise MediaError(msg) from error


@lru_cache(maxsize=64)
def _opened(path: Path) -> Any:
    """The file, opened in the process that reads it."""
    return require_h5py().File(path, "r")


@dataclass(frozen=True)
class FaceClips:
    """What a run sees.

    Attributes:
        title: Of the data set.
        fingerprint: Changes when the data do.
        train: Clips to train on.
        val: Clips to validate on.
        held_out: Whether the validation was cut off the training data, for want of a split.
    """

    title: str
    fingerprint: str
    train: tuple[FaceClip, ...]
    val: tuple[FaceClip, ...]
    held_out: bool


def open_clips(folder: Path, recipe: Stage1Recipe) -> FaceClips:
    """Open prepared data or a folder of M2F2-Det's HDF5 files, and split them.

    Args:
        folder: What ``facewitness prepare`` wrote, or the HDF5 files with the split lists.
        recipe: ``validation_share`` and ``seed`` decide what is held out where there is no split.

    Raises:
        ConfigError: If the folder is neither, or lacks real or fake videos for training or validation.
        MissingExtraError: If h5py is needed and not installed.
    """
    if (folder / SETTINGS_FILE).is_file():
        prepared = open_prepared(folder, needs=("crops",))
        title, fingerprint = prepared.dataset, prepared.fingerprint
        clips = [
            FaceClip(v.record, len(paths), paths)
            for v in prepared.videos
            if (paths := tuple(folder / frame.crop for frame in v.frames if frame.crop))
        ]
    elif ffpp_hdf5.looks_like(folder):
        records = [r for split in ("train", "val") for r in ffpp_hdf5.listing(folder, split).records]
        clips = [_array_clip(folder, record) for record in records]
        title, fingerprint = "FF++ (HDF5)", fingerprint_of({"clips": [[c.record.path, c.count] for c in clips]})
    else:
        msg = f"{folder} holds neither prepared data (facewitness prepare) nor FF++_original_c40.h5 and its like"
        raise ConfigError(msg)
    return _split(FaceClips(title, fingerprint, tuple(clips), (), held_out=False), recipe)


def _array_clip(folder: Path, record: Record) -> FaceClip:
    name, _, key = record.path.partition("#")
    return FaceClip(record, int(_opened(folder / name)[key].shape[0]), array=folder / name, key=key)


def _split(found: FaceClips, recipe: Stage1Recipe) -> FaceClips:
    clips = [clip for clip in found.train if clip.record.split != "test" and clip.count]
    held_out = not any(clip.record.split == "val" for clip in clips)
    away: set[str] = set()
    if held_out:
        reals = {s for clip in clips if clip.record.label == Label.REAL for s in _sources(clip.record)}
        away = held_out_sources(reals, recipe.validation_share, recipe.seed)
    train, val = [], []
    for clip in clips:
        sources = _sources(clip.record)
        if clip.record.split == "val" or (held_out and sources <= away):
            val.append(clip)
        elif not sources & away:  # a fake with one held-out source would show it to the training
            train.append(clip)
    for name, part in (("train on", train), ("validate on", val)):
        labels = {int(clip.record.label) for clip in part}
        if labels != {0, 1}:
            msg = f"to {name} there must be real and fake videos, got {len(part)} videos of the labels {sorted(labels)}"
            raise ConfigError(msg)
    return replace(found, train=tuple(train), val=tuple(val), held_out=held_out)


def _sources(record: Record) -> set[str]:
    return set(record.sources or record.identities or (record.video_id,))


class M2F2Batch(NamedTuple):
    """One batch.

    Attributes:
        images: ``(n, 3, side, side)`` uint8 RGB, cut to the network's square.
        labels: ``(n,)`` int64, 1 is fake.
        epoch: Of training batches.
        index: Place of its first item in the epoch; of validation batches the rows as ``(n,)`` tensor.
        problems: What was replaced, in words.
    """

    images: Tensor
    labels: Tensor
    epoch: int
    index: Any
    problems: tuple[str, ...]


_Item = tuple[Tensor, int, Any, tuple[str, ...]]


class TrainingFaces(Dataset[_Item]):
    """Changed faces by `ItemRequest`; one that cannot be read is replaced, a few times, and named.

    Args:
        clips: To train on.
        recipe: How.
    """

    def __init__(self, clips: Sequence[FaceClip], recipe: Stage1Recipe) -> None:
        self.clips, self.recipe, self.processor = clips, recipe, recipe.processor()

    def __getitem__(self, request: ItemRequest) -> _Item:
        """Face, label, request, and what had to be replaced.

        Raises:
            FaceError: If `ATTEMPTS` faces in a row cannot be read.
        """
        problems: list[str] = []
        video, frame = request.video, request.frame
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.recipe.seed, _ITEMS, request.epoch, request.place, attempt])
            if attempt:
                video = int(rng.integers(len(self.clips)))
                frame = int(rng.integers(self.clips[video].count))
            try:
                image = post_process(self.clips[video].read(frame), rng, self.recipe.post)
            except MediaError as error:
                problems.append(str(error))
                continue
            return _square(image, self.processor), int(self.clips[video].record.label), request, tuple(problems)
        msg = f"{ATTEMPTS} faces in a row cannot be read, so the data are at fault: {'; '.join(problems)}"
        raise FaceError(msg)


def _square(image: NDArray[np.uint8], processor: Any) -> Tensor:
    square: Tensor = processor.to_square(torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None])
    return square[0]


class ValidationFaces(Dataset[tuple[Tensor | str, int, int]]):
    """Faces of the validation, the same in every epoch; a text where one cannot be read.

    Args:
        clips: To validate on.
        recipe: How many per clip, and whether they are changed as in training.
    """

    def __init__(self, clips: Sequence[FaceClip], recipe: Stage1Recipe) -> None:
        self.clips, self.recipe, self.processor = clips, recipe, recipe.processor()
        self.rows = [
            (c, f) for c, clip in enumerate(clips) for f in spread_frames(clip.count, recipe.validation_frames)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> tuple[Tensor | str, int, int]:
        clip, frame = self.rows[row]
        try:
            image = self.clips[clip].read(frame)
        except MediaError as error:
            return str(error), 0, row
        if self.recipe.augmented_validation:
            rng = np.random.default_rng([self.recipe.seed, _VALIDATION, row])
            image = post_process(image, rng, self.recipe.post)
        return _square(image, self.processor), int(self.clips[clip].record.label), row


def _training_batch(items: list[_Item]) -> M2F2Batch:
    first: ItemRequest = items[0][2]
    problems = tuple(text for *_, texts in items for text in texts)
    labels = torch.tensor([label for _, label, _, _ in items])
    return M2F2Batch(torch.stack([image for image, *_ in items]), labels, first.epoch, first.place, problems)


def _validation_batch(items: list[tuple[Tensor | str, int, int]]) -> M2F2Batch:
    kept = [(image, label, row) for image, label, row in items if isinstance(image, Tensor)]
    problems = tuple(text for text, _, _ in items if isinstance(text, str))
    images = torch.stack([i for i, _, _ in kept]) if kept else torch.zeros(0, 3, 1, 1, dtype=torch.uint8)
    labels, rows = torch.tensor([n for _, n, _ in kept]), torch.tensor([r for _, _, r in kept])
    return M2F2Batch(images, labels.long(), 0, rows.long(), problems)


class M2F2Data(LightningDataModule):
    """Loaders of one run.

    Args:
        clips: `open_clips` of the data.
        recipe: How.
        machine: Workers and processes.
        accumulate: Batches per step.
        first_batch: Batches that are done already.
    """

    def __init__(
        self,
        clips: FaceClips,
        recipe: Stage1Recipe,
        machine: TrainingMachine,
        *,
        accumulate: int = 1,
        first_batch: int = 0,
    ) -> None:
        super().__init__()
        self.clips, self.recipe, self.machine = clips, recipe, machine
        self.accumulate, self.first_batch = accumulate, first_batch
        self.items = TrainingFaces(clips.train, recipe)
        self.validation = ValidationFaces(clips.val, recipe)

    def batches(self, processes: int = 1, rank: int = 0) -> RunBatches:
        """The batches of one process; in official sampling the last frame of a clip is never among the draws."""
        skipped = int(self.recipe.skip_last_frame)
        return RunBatches(
            [max(1, clip.count - skipped) for clip in self.clips.train],
            self.recipe,
            accumulate=self.accumulate,
            processes=processes,
            rank=rank,
            first=self.first_batch,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of all epochs that are left."""
        rank, processes = self._place()
        batches = self.batches(processes, rank)
        return DataLoader(self.items, batch_sampler=batches, collate_fn=_training_batch, **self._workers())

    def val_dataloader(self) -> DataLoader[Any]:
        """The rows of this process."""
        rank, processes = self._place()
        mine = list(range(rank, len(self.validation), processes)) or [0]
        size = self.recipe.batch_items
        sampler: Any = [mine[i : i + size] for i in range(0, len(mine), size)]
        return DataLoader(self.validation, batch_sampler=sampler, collate_fn=_validation_batch, **self._workers())

    def _place(self) -> tuple[int, int]:
        """Number of this process, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _workers(self) -> dict[str, Any]:
        count = self.machine.workers
        more = {"prefetch_factor": 4, "persistent_workers": True} if count else {}
        return {"num_workers": count, "worker_init_fn": one_thread, **more}
