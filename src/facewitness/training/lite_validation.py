"""What LAA-Net-Lite is judged by while it trains: held-out identities, forged by two processes, coded three ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, FaceError
from facewitness.evaluation.metrics import roc_auc
from facewitness.pseudofakes.degradations import Degradation
from facewitness.pseudofakes.triangulated import triangulated_swap
from facewitness.training.pair_data import FaceRef, FaceStore, Image, View, forge, square_inside

Kind = Literal["real", "swap", "own", "own_real", "synthetic"]

STRENGTHS: Mapping[str, Degradation] = {
    "q90": Degradation(scale=0.8, jpeg_quality=90),
    "c23": Degradation(scale=0.7, h264_crf=23, h264_inter=True),
    "c40": Degradation(scale=0.6, h264_crf=38, h264_inter=True),
}
"""Losses on the way; the same for every kind."""

_WEIGHTS: Mapping[Kind, float] = {"own": 0.6, "synthetic": 0.4}
"""The swaps are watched only: their process is that of the test set, so no choice may rest on them."""

_WATCHED: tuple[Kind, ...] = ("own", "synthetic", "swap")

REAL_OF: Mapping[Kind, Kind] = {"own": "own_real", "synthetic": "real", "swap": "real"}
"""What each kind of fake is told from. A forgery of the recipe may be recoloured as a whole; so is its partner."""


@dataclass(frozen=True)
class ValidationRow:
    """One picture.

    Attributes:
        kind: ``real``; ``swap`` (triangulated, a process that training never sees); ``own`` (the recipe's own
            forgeries); ``own_real`` (the genuine partners of those, recoloured alike); ``synthetic``.
        strength: Key of `STRENGTHS`.
        group: Group of the face.
        identity: Whom it shows (the target of a forgery).
        sharp: Whether its group is a sharp one; only those are compared with synthetic faces.
    """

    kind: Kind
    strength: str
    group: str
    identity: str
    sharp: bool


@dataclass(frozen=True)
class ValidationSet:
    """Pictures as the network sees them, before normalisation.

    Attributes:
        rows: What each is.
        images: ``(n, S, S, 3)`` uint8 RGB.
    """

    rows: tuple[ValidationRow, ...]
    images: NDArray[np.uint8]

    def pick(self, kind: Kind, strength: str | None = None, *, sharp_only: bool = False) -> NDArray[np.intp]:
        """Indices of a kind, of one strength or of all."""
        return np.array(
            [
                i
                for i, row in enumerate(self.rows)
                if row.kind == kind and strength in (None, row.strength) and (row.sharp or not sharp_only)
            ],
            dtype=np.intp,
        )


def build_validation(
    store: FaceStore, *, size: int, margin_ratio: float, most_faces: int = 360, seed: int = 1
) -> ValidationSet:
    """Forge held-out faces and code everything; the same seed gives the same faces at every size and margin.

    Args:
        store: The faces.
        size: Side of the pictures.
        margin_ratio: Side of the crop in units of the face box.
        most_faces: Real faces at most; soft and sharp groups get half each.
        seed: Seed of faces, donors and forgeries.

    Raises:
        ConfigError: If no face is held out.
    """
    recipe = store.recipe
    rng = np.random.default_rng([seed, 0])
    images: list[Image] = []
    rows: list[ValidationRow] = []

    def add(image: Image, ref: FaceRef, group: str, kind: Kind) -> None:
        left, top, side = square_inside(store.valid(ref), margin_ratio)
        for name, losses in STRENGTHS.items():
            images.append(View(left, top, side, flip=False, grid_shift=(3, 5), degradation=losses).picture(image, size))
            rows.append(ValidationRow(kind, name, group, store.identity(ref), group not in recipe.data.soft))

    for ref, group in _chosen_reals(store, most_faces, rng):
        own_rng = np.random.default_rng([seed, 1 + ref.cache, ref.row])
        add(store.image(ref), ref, group, "real")
        donors = tuple(g for g in recipe.data.real if (g in recipe.data.soft) == (group in recipe.data.soft))
        donors = tuple(g for g in donors if store.refs(g, validation=True)) or (group,)
        swapped = _swap(store, ref, donors, own_rng)
        if swapped is not None:
            add(swapped, ref, group, "swap")
        try:
            pair = forge(store, ref, donors, own_rng, recipe, validation=True)
        except FaceError:
            continue
        add(pair.fake, ref, group, "own")
        add(pair.real, ref, group, "own_real")
    for group in recipe.data.fake:
        for ref in store.refs(group, validation=True):
            add(store.image(ref), ref, group, "synthetic")
    if not images:
        msg = f"no identity is held out at validation_share {recipe.data.validation_share}; add people, or raise it"
        raise ConfigError(msg)
    return ValidationSet(tuple(rows), np.stack(images))


def _chosen_reals(store: FaceStore, most: int, rng: np.random.Generator) -> list[tuple[FaceRef, str]]:
    soft = store.recipe.data.soft
    chosen: list[tuple[FaceRef, str]] = []
    for is_soft in (True, False):
        pool = [
            (r, g) for g in store.recipe.data.real if (g in soft) == is_soft for r in store.refs(g, validation=True)
        ]
        order = rng.permutation(len(pool))[: most // 2]
        chosen += [pool[int(i)] for i in order]
    return chosen


def _swap(store: FaceStore, ref: FaceRef, donors: Sequence[str], rng: np.random.Generator) -> Image | None:
    """A triangulated swap with the best of three donors; None when none fits."""
    for _ in range(3):
        other = store.donor(ref, donors, rng, validation=True)
        try:
            return triangulated_swap(
                store.image(ref), store.landmarks(ref), store.image(other), store.landmarks(other), rng
            ).fake
        except FaceError:
            continue
    return None


def validation_metrics(data: ValidationSet, scores: NDArray[np.float32]) -> dict[str, float]:
    """AUC of each kind of fake at each strength, and ``score``, the mean by which checkpoints are chosen.

    Args:
        data: The set.
        scores: ``(n, 2)`` logits: blended, synthetic. Blends are ranked by the first, synthetic faces by the second.
    """
    found: dict[str, float] = {}
    total = 0.0
    for kind in _WATCHED:
        expert = 1 if kind == "synthetic" else 0
        values = []
        for strength in STRENGTHS:
            real = data.pick(REAL_OF[kind], strength, sharp_only=kind == "synthetic")
            fake = data.pick(kind, strength)
            if not len(real) or not len(fake):
                continue
            chosen = np.concatenate([real, fake])
            labels = np.r_[np.zeros(len(real)), np.ones(len(fake))]
            values.append(roc_auc(scores[chosen, expert], labels))
            found[f"auc_{kind}_{strength}"] = values[-1]
        total += _WEIGHTS.get(kind, 0.0) * float(np.mean(values)) if values else 0.0
    found["score"] = total
    return found
