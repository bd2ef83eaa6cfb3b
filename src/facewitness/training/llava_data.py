"""Conversations about pictures as batches, in an order that a seed decides and that a run can enter anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from facewitness.errors import ConfigError
from facewitness.language.conversations import (
    DEEPFAKE,
    IGNORE,
    IMAGE,
    Conversation,
    Turn,
    read_conversations,
    template_named,
)
from facewitness.language.llava_recipe import LlavaRecipe
from facewitness.language.splicing import Tokens, tokenise
from facewitness.media.images import read_image


@dataclass(frozen=True)
class ConversationItem:
    """One sample.

    Attributes:
        tokens: Token ids and labels.
        image: ``(H, W, 3)`` uint8 RGB.
    """

    tokens: Tokens
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class ConversationSet:
    """Conversations and where their pictures are.

    Attributes:
        rows: The conversations.
        images: Folder of the pictures.
    """

    rows: tuple[Conversation, ...]
    images: Path

    @classmethod
    def open(cls, file: Path, images: Path | None = None) -> ConversationSet:
        """Read a file of conversations and look whether their pictures are there.

        Args:
            file: JSON, see `read_conversations`.
            images: Folder of the pictures; None is that of the file.

        Raises:
            ConfigError: If the file is none, a conversation has no picture, or pictures are missing.
        """
        folder = images or file.parent
        rows = tuple(read_conversations(file))
        bare = [row.name for row in rows if not row.image]
        if bare:
            msg = f"{file}: {len(bare)} conversations have no picture, the first is {bare[0]!r}; take them out"
            raise ConfigError(msg)
        missing = [row.image for row in rows if not (folder / row.image).is_file()]
        if missing:
            msg = (
                f"{len(missing)} of {len(rows)} pictures of {file} are not in {folder}, the first is {missing[0]}; "
                "give their folder as --images"
            )
            raise ConfigError(msg)
        return cls(rows, folder)

    def tokens(self, index: int, recipe: LlavaRecipe, tokenizer: Any, *, deepfake: bool) -> Tokens:
        """One conversation as token ids.

        Args:
            index: Which.
            recipe: Names the template.
            tokenizer: Of the model.
            deepfake: Whether the model takes a detector's token; where not, its placeholder is dropped.

        Raises:
            ConfigError: If nothing of it would be learnt, or the model takes a score and it has no place for it.
        """
        row = self.rows[index]
        turns = row.turns
        if not deepfake:
            turns = tuple(Turn(turn.role, turn.text.replace(f"{DEEPFAKE}\n", "")) for turn in turns)
        elif sum(turn.text.count(DEEPFAKE) for turn in turns) != 1:
            msg = f"conversation {row.name!r} needs {DEEPFAKE} once, for the detector's token, beside {IMAGE}"
            raise ConfigError(msg)
        tokens = tokenise(template_named(recipe.template).pieces(turns), tokenizer)
        if all(label == IGNORE for label in tokens.labels[1:]):
            msg = f"conversation {row.name!r} has no answer that could be learnt"
            raise ConfigError(msg)
        return tokens

    def item(self, index: int, recipe: LlavaRecipe, tokenizer: Any, *, deepfake: bool) -> ConversationItem:
        """One sample; see `tokens`.

        Raises:
            MediaError: If its picture cannot be read.
        """
        tokens = self.tokens(index, recipe, tokenizer, deepfake=deepfake)
        return ConversationItem(tokens, read_image(self.images / self.rows[index].image).pixels)


def batch_order(count: int, recipe: LlavaRecipe, processes: int = 1) -> list[NDArray[np.int64]]:
    """Indices of every batch of a run: each epoch in another order, the last batch of an epoch filled up.

    Args:
        count: Conversations.
        recipe: Batch, epochs, seed.
        processes: How many processes share a batch.

    Returns:
        Arrays of ``batch_items * processes`` indices; a multiple of ``accumulate`` per epoch.

    Raises:
        ConfigError: If there are fewer conversations than a step takes.
    """
    size = recipe.batch_items * processes
    step = size * recipe.accumulate
    if count < step:
        msg = (
            f"a step takes {step} conversations ({processes} x {recipe.batch_items} x {recipe.accumulate}), but there "
            f"are {count}; lower batch_items or accumulate"
        )
        raise ConfigError(msg)
    found: list[NDArray[np.int64]] = []
    for epoch in range(recipe.epochs):
        order = np.random.default_rng((recipe.seed, epoch)).permutation(count)
        filled = np.resize(order, -(-count // step) * step)
        found += list(filled.reshape(-1, size))
    return found


class ConversationBatches(IterableDataset[list[ConversationItem]]):
    """Batches from a given one on.

    Args:
        item: Makes the sample of an index.
        order: As `batch_order`.
        first: Batches that were done before.
        processes: How many processes train.
    """

    def __init__(
        self,
        item: Callable[[int], ConversationItem],
        order: Sequence[NDArray[np.int64]],
        *,
        first: int = 0,
        processes: int = 1,
    ) -> None:
        self.item, self.order, self.first, self.processes = item, order, first, processes

    def __iter__(self) -> Iterator[list[ConversationItem]]:
        worker = get_worker_info()
        worker_id, workers = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        ready = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if ready else 0
        for number in range(self.first + worker_id, len(self.order), workers):
            share = self.order[number].reshape(self.processes, -1)[rank]
            yield [self.item(int(index)) for index in share]
