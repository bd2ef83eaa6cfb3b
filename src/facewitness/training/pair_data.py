"""Batches for LAA-Net-Lite: real faces, a forgery of each, and wholly synthetic faces.

Whatever a picture goes through on its way to the network (crop, codec, scale) is drawn once for both members of a
pair, and from one distribution for real and synthetic faces, so that the label shows in the forgery alone. The batch
of a step depends on the seed and the step only: training resumes exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from facewitness.detectors.laa_net.lite.config import LiteRecipe
from facewitness.detectors.laa_net.lite.losses import LiteTargets
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import ConfigError, FaceError
from facewitness.faces.topology import LANDMARKS_81
from facewitness.pseudofakes.degradations import Degradation, DegradationConfig, draw_degradation
from facewitness.pseudofakes.forgeries import Forgery, Painter, draw_forgery
from facewitness.pseudofakes.swaps import landmark_distance
from facewitness.training.face_cache import CACHE_MARGIN_RATIO, CACHE_SIDE_PX, FaceCache, open_cache
from facewitness.training.resynthesis import open_decoded, put_decoded

Image = NDArray[np.uint8]
_Pixel = TypeVar("_Pixel", np.uint8, np.float32)

FACE_SIDE_PX = CACHE_SIDE_PX / CACHE_MARGIN_RATIO
_MAP_STRIDE = 8
_DONOR_CANDIDATES = 400
_ATTEMPTS = 8
_GRID_SHIFT_PX = 16
_FLIP_P = 0.5


@dataclass(frozen=True)
class FaceRef:
    """Where a face lies: cache and row."""

    cache: int
    row: int


class FaceStore:
    """Several caches as one, split by identity.

    Args:
        folders: Folders of finished caches; decoded faces are used where they are there.
        recipe: Groups, shares and the share held out.
    """

    def __init__(self, folders: Sequence[Path], recipe: LiteRecipe) -> None:
        self.caches: list[FaceCache] = [open_cache(folder) for folder in folders]
        self._decoded = [
            open_decoded(f, len(c)) if (f / "decoded.txt").is_file() else None
            for f, c in zip(folders, self.caches, strict=True)
        ]
        self.recipe = recipe
        self._shapes: dict[tuple[str, ...], tuple[list[FaceRef], NDArray[np.float32]]] = {}

    def refs(self, group: str, *, validation: bool) -> list[FaceRef]:
        """Faces of a group on one side of the split."""
        share = self.recipe.data.validation_share
        return [
            FaceRef(c, int(row))
            for c, cache in enumerate(self.caches)
            for row in cache.select(groups=(group,), validation_share=share, validation=validation)
        ]

    def image(self, ref: FaceRef) -> Image:
        """``(304, 304, 3)`` uint8 RGB."""
        return np.array(self.caches[ref.cache].faces[ref.row])

    def landmarks(self, ref: FaceRef) -> NDArray[np.float32]:
        """``(81, 2)`` float32 in pixels of the picture."""
        return np.asarray(self.caches[ref.cache].meshes[ref.row][LANDMARKS_81], dtype=np.float32)

    def identity(self, ref: FaceRef) -> str:
        """Whom it shows."""
        return self.caches[ref.cache].rows[ref.row].identity

    def valid(self, ref: FaceRef) -> NDArray[np.float32]:
        """``(4,)`` xyxy of the part that lay inside the original picture."""
        return np.asarray(self.caches[ref.cache].valid[ref.row], dtype=np.float32)

    def painter(self, ref: FaceRef, rng: np.random.Generator) -> Painter | None:
        """Gives the face as a decoder painted it; None where none did."""
        decoded = self._decoded[ref.cache]
        if decoded is None or decoded[1][ref.row] < 0:
            return None
        pictures, place = decoded

        def paint() -> Image:
            variant = int(rng.integers(pictures.shape[1]))
            return put_decoded(self.image(ref), np.asarray(pictures[place[ref.row], variant]))

        return paint

    def donor(
        self, ref: FaceRef, groups: Sequence[str], rng: np.random.Generator, *, validation: bool = False
    ) -> FaceRef:
        """Another person's face of similar shape: the nearest of some drawn at random.

        Raises:
            ConfigError: If the groups hold nobody else.
        """
        key = (*groups, str(validation))
        if key not in self._shapes:
            refs = [r for g in groups for r in self.refs(g, validation=validation)]
            shapes = np.array([self.landmarks(r)[:68] for r in refs], dtype=np.float32).reshape(-1, 68, 2)
            self._shapes[key] = refs, shapes
        refs, shapes = self._shapes[key]
        chosen = rng.integers(len(refs), size=_DONOR_CANDIDATES) if refs else np.zeros(0, np.intp)
        distance = landmark_distance(self.landmarks(ref)[:68], shapes[chosen])
        for i in np.argsort(distance):
            candidate = refs[int(chosen[i])]
            if self.identity(candidate) != self.identity(ref):
                return candidate
        msg = f"no other identity among the faces of {list(groups)}; add faces of more people"
        raise ConfigError(msg)


@dataclass(frozen=True)
class View:
    """A square of a cached face and what happens to it; the same for both members of a pair.

    Attributes:
        left: Left edge, cache pixels.
        top: Upper edge.
        side: Side.
        flip: Whether it is mirrored.
        grid_shift: Where the codecs' blocks begin, pixels ``(x, y)``.
        degradation: Losses on the way.
    """

    left: int
    top: int
    side: int
    flip: bool
    grid_shift: tuple[int, int]
    degradation: Degradation

    def picture(self, image: Image, size: int) -> Image:
        """``(size, size, 3)`` uint8 RGB as the network sees it."""
        dx, dy = self.grid_shift
        framed = cv2.copyMakeBorder(self._cut(image), dy, 0, dx, 0, cv2.BORDER_REFLECT_101)
        seen = self.degradation(np.asarray(framed, dtype=np.uint8))
        x, y = round(dx * seen.shape[1] / (self.side + dx)), round(dy * seen.shape[0] / (self.side + dy))
        seen = seen[y:, x:]
        how = cv2.INTER_AREA if seen.shape[0] > size else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(seen, (size, size), interpolation=how), dtype=np.uint8)

    def heat(self, values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """``(size, size)`` of a map over the cached face."""
        return np.asarray(cv2.resize(self._cut(values), (size, size), interpolation=cv2.INTER_AREA), dtype=np.float32)

    def _cut(self, image: NDArray[_Pixel]) -> NDArray[_Pixel]:
        part = image[self.top : self.top + self.side, self.left : self.left + self.side]
        return np.ascontiguousarray(part[:, ::-1]) if self.flip else part


def square_inside(
    valid: NDArray[np.float32], margin: float, offset: tuple[float, float] = (0.0, 0.0)
) -> tuple[int, int, int]:
    """Left, top and side of a crop, moved and shrunk into the valid part as serving does (border ``shift``).

    Args:
        valid: ``(4,)`` xyxy of the valid part, cache pixels.
        margin: Side in units of the face box.
        offset: Shift of the centre in units of the face box.
    """
    x0, y0, x1, y1 = (round(float(v)) for v in valid)
    side = max(16, min(round(margin * FACE_SIDE_PX), x1 - x0 + 1, y1 - y0 + 1))
    centre = CACHE_SIDE_PX / 2
    left = round(centre + offset[0] * FACE_SIDE_PX - side / 2)
    top = round(centre + offset[1] * FACE_SIDE_PX - side / 2)
    return min(max(left, x0), x1 + 1 - side), min(max(top, y0), y1 + 1 - side), side


def draw_view(
    rng: np.random.Generator, valid: NDArray[np.float32], recipe: LiteRecipe, degradation: DegradationConfig
) -> View:
    """Draw a crop and its losses."""
    margin = float(rng.uniform(*recipe.margin_range))
    offset = tuple(float(v) for v in rng.normal(0, 0.03, 2))
    left, top, side = square_inside(valid, margin, (offset[0], offset[1]))
    shift = (int(rng.integers(_GRID_SHIFT_PX)), int(rng.integers(_GRID_SHIFT_PX)))
    losses = draw_degradation(rng, side, degradation)
    return View(left, top, side, bool(rng.random() < _FLIP_P), shift, losses)


@dataclass
class _Rows:
    """A batch under construction; one entry per image."""

    images: list[Image]
    scores: list[tuple[float, float]]
    weights: list[tuple[float, float]]
    boundaries: list[NDArray[np.float32]]
    masks: list[NDArray[np.float32]]
    map_weights: list[float]

    def add(
        self,
        image: Image,
        *,
        scores: tuple[float, float],
        weights: tuple[float, float],
        maps: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
        map_size: int,
    ) -> None:
        """Append one image; ``maps`` None asks nothing of the maps."""
        zero = np.zeros((map_size, map_size), np.float32)
        self.images.append(image)
        self.scores.append(scores)
        self.weights.append(weights)
        self.boundaries.append(zero if maps is None else maps[0])
        self.masks.append(zero if maps is None else maps[1])
        self.map_weights.append(0.0 if maps is None else 1.0)

    def tensors(self, processor: LiteProcessor) -> tuple[Tensor, LiteTargets]:
        """Stack."""
        targets = LiteTargets(
            torch.tensor(self.scores),
            torch.tensor(self.weights),
            torch.from_numpy(np.stack(self.boundaries)[:, None]),
            torch.from_numpy(np.stack(self.masks)[:, None]),
            torch.tensor(self.map_weights),
        )
        return torch.from_numpy(processor(self.images)), targets


class PairBatches(IterableDataset[tuple[Tensor, LiteTargets]]):
    """Training batches, one per step.

    Args:
        folders: Folders of the face caches.
        recipe: What a batch holds.
        first_step: Step to begin at.
    """

    def __init__(self, folders: Sequence[Path], recipe: LiteRecipe, *, first_step: int = 0) -> None:
        self.folders = tuple(folders)
        self.recipe = recipe
        self.first_step = first_step
        self._store: FaceStore | None = None
        self._real: Mapping[str, list[FaceRef]] = {}
        self._fake: Mapping[str, list[FaceRef]] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, LiteTargets]]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        start, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in range(self.first_step + start, self.recipe.steps, stride):
            yield self.batch(step)

    def _open(self) -> FaceStore:
        """Open the caches, once in each process."""
        if self._store is None:
            store, data = FaceStore(self.folders, self.recipe), self.recipe.data
            self._real = {g: store.refs(g, validation=False) for g in data.real}
            self._fake = {g: store.refs(g, validation=False) for g in data.fake}
            if not any(self._real.values()):
                msg = f"no face to train on in the groups {list(data.real)}; look at skipped.txt in the caches"
                raise ConfigError(msg)
            self._store = store
        return self._store

    def batch(self, step: int) -> tuple[Tensor, LiteTargets]:
        """The batch of one step."""
        store, recipe = self._open(), self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        size = int(rng.choice(recipe.sizes))
        rows = _Rows([], [], [], [], [], [])
        shares = np.array(
            [s if self._real[g] else 0.0 for g, s in zip(recipe.data.real, recipe.data.real_shares, strict=True)]
        )
        for _ in range(recipe.pairs):
            group = recipe.data.real[int(rng.choice(len(shares), p=shares / shares.sum()))]
            self._add_pair(rows, store, group, size, rng)
        groups = [g for g in recipe.data.fake if self._fake[g]]
        for _ in range(recipe.synthetic if groups else 0):
            refs = self._fake[groups[int(rng.integers(len(groups)))]]
            ref = refs[int(rng.integers(len(refs)))]
            view = draw_view(rng, store.valid(ref), recipe, sharp_losses(recipe.degradation))
            image = view.picture(store.image(ref), size)
            rows.add(image, scores=(0, 1), weights=(0, 1), maps=None, map_size=size // _MAP_STRIDE)
        return rows.tensors(LiteProcessor(image_size=size))

    def _add_pair(self, rows: _Rows, store: FaceStore, group: str, size: int, rng: np.random.Generator) -> None:
        recipe = self.recipe
        soft = group in recipe.data.soft
        forgery, ref = self._forge(store, group, rng)
        losses = recipe.degradation if soft else sharp_losses(recipe.degradation)
        view = draw_view(rng, store.valid(ref), recipe, losses)
        cells = size // _MAP_STRIDE
        zero = np.zeros((cells, cells), np.float32)
        weights = (1.0, recipe.losses.soft_group_weight if soft else 1.0)
        rows.add(view.picture(forgery.real, size), scores=(0, 0), weights=weights, maps=(zero, zero), map_size=cells)
        maps = (view.heat(forgery.boundary, cells), view.heat(forgery.mask, cells))
        # A blend is no synthetic face; said softly, for decoded parts come close to one.
        weights = (1.0, 0.1 if soft else 0.3)
        rows.add(view.picture(forgery.fake, size), scores=(1, 0), weights=weights, maps=maps, map_size=cells)

    def _forge(self, store: FaceStore, group: str, rng: np.random.Generator) -> tuple[Forgery, FaceRef]:
        """A forgery of a face of the group; faces that leave no mask are passed over."""
        refs = self._real[group]
        for _ in range(_ATTEMPTS):
            ref = refs[int(rng.integers(len(refs)))]
            try:
                return forge(store, ref, self._donor_groups(group, rng), rng, self.recipe), ref
            except FaceError:
                continue
        msg = f"{_ATTEMPTS} faces of {group} in a row could not be forged; look at the pictures of this group"
        raise FaceError(msg)

    def _donor_groups(self, group: str, rng: np.random.Generator) -> tuple[str, ...]:
        """Donors of the same sharpness, or of any."""
        data = self.recipe.data
        if rng.random() < 0.7:
            return tuple(g for g in data.real if (g in data.soft) == (group in data.soft) and self._real[g])
        return tuple(g for g in data.real if self._real[g])


def forge(
    store: FaceStore,
    ref: FaceRef,
    donor_groups: Sequence[str],
    rng: np.random.Generator,
    recipe: LiteRecipe,
    *,
    validation: bool = False,
) -> Forgery:
    """One forgery of one face.

    Raises:
        FaceError: If its landmarks leave no mask.
    """

    def donor() -> tuple[Image, NDArray[np.float32]]:
        other = store.donor(ref, donor_groups, rng, validation=validation)
        return store.image(other), store.landmarks(other)

    return draw_forgery(store.image(ref), store.landmarks(ref), rng, recipe.mix, donor, painter=store.painter(ref, rng))


def sharp_losses(config: DegradationConfig) -> DegradationConfig:
    """Losses for sharp pictures: almost always scaled down, so that their sharpness says nothing of their group."""
    return replace(config, scale_p=0.92, scale_range=(0.36, 0.95))
