"""Batches for LAA-Net from prepared data.

What a batch holds depends on seed, epoch and place in the epoch only: neither on the number of workers, nor on which
process makes it, nor on interruptions. The loader runs through all epochs, so that workers never wait between them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from facewitness.datasets.prepared import PreparedSet
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import FaceError, MediaError
from facewitness.media.images import read_image
from facewitness.pseudofakes.blended_items import bi_training_item
from facewitness.pseudofakes.items import TrainingItem, collate, training_item
from facewitness.training.laa_faces import (
    FrameDraws,
    LaaFace,
    LaaVideo,
    LaaVideos,
    draw_epoch,
    partners_of,
    spread_frames,
)
from facewitness.training.machine import TrainingMachine

_LOG = logging.getLogger(__name__)

ATTEMPTS: Final = 4
"""Pictures tried for one item before training stops."""

_ITEMS, _ORDER, _VALIDATION = 1, 2, 3
"""Streams of random numbers."""


class ItemRequest(NamedTuple):
    """Which item: its epoch, its place in the epoch, and the frame that was drawn for it."""

    epoch: int
    place: int
    video: int
    frame: int


class LaaBatch(NamedTuple):
    """One batch.

    Attributes:
        images: ``(n, 3, size, size)`` float32.
        heatmaps: ``(n, 1, cells, cells)`` float32.
        consistencies: ``(n, 1, cells, cells)`` float32.
        labels: ``(n, 1)`` float32.
        epoch: Of training batches.
        index: Place of its first item in the epoch; of validation batches the rows as ``(n,)`` tensor.
        problems: What was replaced, in words.
    """

    images: Tensor
    heatmaps: Tensor
    consistencies: Tensor
    labels: Tensor
    epoch: int
    index: Any
    problems: tuple[str, ...]


class ItemMaker:
    """Makes one item from one frame.

    Args:
        videos: Real videos.
        recipe: How.
        augment: Whether geometry and colour change. Without, every item is a fake with its real face, so that a
            validation has as many of each.
        partners: For blended images, `partners_of` the videos.
    """

    def __init__(
        self,
        videos: Sequence[LaaVideo],
        recipe: TrainingRecipe,
        *,
        augment: bool,
        partners: Sequence[NDArray[np.intp]] | None = None,
    ) -> None:
        self.config = recipe.item_config(augment=augment)
        self.blend = replace(recipe.blended, mode=recipe.data_mode)
        self.partners = partners
        if not augment:
            self.config = replace(self.config, blend=replace(self.config.blend, flip_probability=0.0))
        self._flat = [face for video in videos for face in video.faces]
        sizes = [len(video.faces) for video in videos]
        self._first = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def __call__(self, video: int, frame: int, rng: np.random.Generator) -> TrainingItem:
        """The item.

        Raises:
            MediaError: If a picture cannot be read.
            FaceError: If its landmarks leave nothing to blend.
        """
        number = int(self._first[video]) + frame
        image, landmarks = _opened(self._flat[number])
        if self.partners is None:
            return training_item(image, landmarks, rng, self.config)
        row = self.partners[number]
        partner, _ = _opened(self._flat[int(row[int(rng.integers(len(row)))])])
        if self.config.augment:
            return bi_training_item(image, landmarks, partner, rng, self.config, blend=self.blend)
        both = [replace(self.blend, fake_probability=chance) for chance in (1.0, 0.0)]
        return collate([bi_training_item(image, landmarks, partner, rng, self.config, blend=b) for b in both])


def _opened(face: LaaFace) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return read_image(face.path).pixels, face.landmarks


class TrainingItems(Dataset[tuple[TrainingItem, ItemRequest, tuple[str, ...]]]):
    """Items by `ItemRequest`; a picture that cannot be used is replaced, a few times, and named.

    Args:
        videos: Real videos.
        recipe: How.
        partners: As `ItemMaker`.
    """

    def __init__(
        self, videos: Sequence[LaaVideo], recipe: TrainingRecipe, partners: Sequence[NDArray[np.intp]] | None = None
    ) -> None:
        self.make = ItemMaker(videos, recipe, augment=True, partners=partners)
        self.seed = recipe.seed
        self._videos = videos

    def __getitem__(self, request: ItemRequest) -> tuple[TrainingItem, ItemRequest, tuple[str, ...]]:
        """The item, which it is, and what had to be replaced.

        Raises:
            FaceError: If `ATTEMPTS` pictures in a row cannot be used.
        """
        problems: list[str] = []
        video, frame = request.video, request.frame
        for attempt in range(ATTEMPTS):
            rng = np.random.default_rng([self.seed, _ITEMS, request.epoch, request.place, attempt])
            if attempt:
                video = int(rng.integers(len(self._videos)))
                frame = int(rng.integers(len(self._videos[video].faces)))
            try:
                return self.make(video, frame, rng), request, tuple(problems)
            except (MediaError, FaceError) as error:
                problems.append(f"{self._videos[video].faces[frame].path}: {error}")
        msg = (
            f"{ATTEMPTS} pictures in a row cannot be used for training, so the data are at fault: {'; '.join(problems)}"
        )
        raise FaceError(msg)


class RunBatches(Sampler[list[ItemRequest]]):
    """The batches of all epochs for one process.

    An epoch has a multiple of ``accumulate`` batches; frames that do not fill a last one are left for another epoch.

    Args:
        counts: Frames of each video.
        recipe: Frames, batch, epochs, seed.
        accumulate: Batches per step.
        processes: Processes that train.
        rank: Number of this one.
        first: Batches that are done already.
    """

    def __init__(
        self,
        counts: Sequence[int],
        recipe: FrameDraws,
        *,
        accumulate: int = 1,
        processes: int = 1,
        rank: int = 0,
        first: int = 0,
    ) -> None:
        self.counts = list(counts)
        self.recipe = recipe
        self.processes, self.rank, self.first = processes, rank, first
        wanted = recipe.frames_per_video
        items = sum(wanted if recipe.with_replacement else min(wanted, count) for count in counts)
        self.items_per_epoch = items
        self.batches_per_epoch = max(1, items // (recipe.batch_items * processes * accumulate)) * accumulate

    def __len__(self) -> int:
        """Batches of the whole run, those that are done included."""
        return self.batches_per_epoch * self.recipe.epochs

    def __iter__(self) -> Iterator[list[ItemRequest]]:
        epoch, skip = divmod(self.first, self.batches_per_epoch)
        while epoch < self.recipe.epochs:
            yield from self.batches(epoch)[skip:]
            epoch, skip = epoch + 1, 0

    def batches(self, epoch: int) -> list[list[ItemRequest]]:
        """The batches of one epoch."""
        drawn = draw_epoch(self.counts, self.recipe, epoch)
        together = self.recipe.batch_items * self.processes
        found = []
        for start in range(0, self.batches_per_epoch * together, together):
            places = range(start + self.rank, start + together, self.processes)
            # Few frames and a large batch: a frame comes again, with a blend of its own.
            found.append([ItemRequest(epoch, p, *drawn[p % len(drawn)].tolist()) for p in places])
        return found


class _Collate:
    """Items of one batch, shuffled, as tensors."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, made: list[tuple[TrainingItem, ItemRequest, tuple[str, ...]]]) -> LaaBatch:
        first = made[0][1]
        rng = np.random.default_rng([self.seed, _ORDER, first.epoch, first.place])
        batch = collate([item for item, _, _ in made], rng)
        problems = tuple(text for _, _, texts in made for text in texts)
        return _tensors(batch, first.epoch, first.place, problems)


def _tensors(item: TrainingItem, epoch: int, index: Any, problems: tuple[str, ...] = ()) -> LaaBatch:
    images, heatmaps = torch.from_numpy(item.images), torch.from_numpy(item.heatmaps)
    consistencies, labels = torch.from_numpy(item.consistencies), torch.from_numpy(item.labels)
    return LaaBatch(images, heatmaps, consistencies, labels, epoch, index, problems)


class PseudoFakes(Dataset[TrainingItem | str]):
    """Validation items with their targets, the same in every epoch; a text where a picture cannot be used.

    Args:
        videos: Real videos.
        recipe: How.
        prepared: As `partners_of`.
    """

    def __init__(self, videos: Sequence[LaaVideo], recipe: TrainingRecipe, prepared: PreparedSet | None = None) -> None:
        partners = partners_of(videos, prepared) if recipe.pseudo_fakes == "bi" else None
        self.make = ItemMaker(videos, recipe, augment=False, partners=partners)
        self.recipe = recipe
        self.rows = [
            (v, f) for v, c in enumerate(videos) for f in spread_frames(len(c.faces), recipe.validation_frames)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> TrainingItem | str:
        rng = np.random.default_rng([self.recipe.seed, _VALIDATION, row])
        try:
            return self.make(*self.rows[row], rng)
        except (MediaError, FaceError) as error:
            return str(error)


class PlainFaces(Dataset[NDArray[np.float32] | str]):
    """Real and fake faces of the validation as serving sees them; a text where a picture cannot be read.

    Args:
        videos: Real and fake videos.
        recipe: Size and normalisation.
    """

    def __init__(self, videos: Sequence[LaaVideo], recipe: TrainingRecipe) -> None:
        self.processor = recipe.processor()
        self.rows = [(v, f) for v in videos for f in spread_frames(len(v.faces), recipe.validation_frames)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> NDArray[np.float32] | str:
        video, frame = self.rows[row]
        try:
            batch = self.processor([read_image(video.faces[frame].path).pixels])
        except (MediaError, FaceError) as error:
            return str(error)
        return np.asarray(batch[0])


class _Rows(Dataset[tuple[int, Any]]):
    """A data set whose items know their numbers."""

    def __init__(self, inner: PseudoFakes | PlainFaces) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, row: int) -> tuple[int, Any]:
        return row, self.inner[row]


def _validation_batch(made: list[tuple[int, Any]]) -> LaaBatch:
    problems = tuple(item for _, item in made if isinstance(item, str))
    kept = [(row, item) for row, item in made if not isinstance(item, str)]
    rows = torch.tensor([row for row, _ in kept], dtype=torch.long)
    if kept and isinstance(kept[0][1], TrainingItem):
        return _tensors(collate([item for _, item in kept]), 0, rows, problems)
    images = np.stack([item for _, item in kept]) if kept else np.zeros((0, 3, 1, 1), np.float32)
    empty = torch.zeros(len(kept), 1)
    return LaaBatch(torch.from_numpy(images), empty, empty, empty, 0, rows, problems)


def one_thread(_worker: int) -> None:
    """A worker that makes batches takes one processor only."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


class LaaData(LightningDataModule):
    """Loaders of one run.

    Args:
        videos: `split_videos` of the prepared set.
        recipe: How.
        machine: Workers and processes.
        accumulate: Batches per step.
        first_batch: Batches that are done already.
        prepared: Where the videos come from, for the partners of blended images.
    """

    def __init__(
        self,
        videos: LaaVideos,
        recipe: TrainingRecipe,
        machine: TrainingMachine,
        *,
        accumulate: int = 1,
        first_batch: int = 0,
        prepared: PreparedSet | None = None,
    ) -> None:
        super().__init__()
        self.videos, self.recipe, self.machine = videos, recipe, machine
        self.accumulate, self.first_batch = accumulate, first_batch
        partners = partners_of(videos.train, prepared) if recipe.pseudo_fakes == "bi" else None
        self.items = TrainingItems(videos.train, recipe, partners)
        self.collate = _Collate(recipe.seed)
        self.pseudo = PseudoFakes(videos.val_real, recipe, prepared)
        self.plain = PlainFaces((*videos.val_real, *videos.val_fake) if videos.val_fake else (), recipe)

    def batches(self, processes: int = 1, rank: int = 0) -> RunBatches:
        """The batches of one process."""
        return RunBatches(
            [len(video.faces) for video in self.videos.train],
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
        return DataLoader(self.items, batch_sampler=batches, collate_fn=self.collate, **self._workers())

    def val_dataloader(self) -> list[DataLoader[Any]]:
        """Pseudo-fakes with their real faces; then, where there are real fakes, all faces as serving sees them."""
        rank, processes = self._place()
        found = []
        for inner in (self.pseudo, self.plain):
            if len(inner):
                mine = list(range(rank, len(inner), processes)) or [0]
                size = self.recipe.batch_items
                batches = [mine[i : i + size] for i in range(0, len(mine), size)]
                # The loader takes any iterable of lists, which its type does not say.
                sampler: Any = batches
                loader: DataLoader[Any] = DataLoader(
                    _Rows(inner), batch_sampler=sampler, collate_fn=_validation_batch, **self._workers()
                )
                found.append(loader)
        return found

    def _place(self) -> tuple[int, int]:
        """Number of this process, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _workers(self) -> dict[str, Any]:
        count = self.machine.workers
        more = {"prefetch_factor": 4, "persistent_workers": True} if count else {}
        pinned = self.machine.device != "cpu" and torch.cuda.is_available()
        return {"num_workers": count, "worker_init_fn": one_thread, "pin_memory": pinned, **more}
