"""From text with placeholders to what a language model takes: token ids, learnt labels, features in their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from facewitness.errors import ConfigError
from facewitness.language.conversations import IGNORE, PLACEHOLDERS, Piece, split_placeholders

PaddingSide = Literal["left", "right"]


@dataclass(frozen=True)
class Tokens:
    """A text as token ids; placeholders are negative ids.

    Attributes:
        ids: Token ids.
        labels: The same ids where they are learnt, `IGNORE` elsewhere.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Spliced:
    """A batch with features in the place of placeholders.

    Attributes:
        embeddings: ``(n, length, width)``, zero where padded.
        mask: ``(n, length)`` int64, 1 where there is something.
        labels: ``(n, length)`` int64; `IGNORE` on features and padding.
        positions: ``(n, length)`` int64, counted from the first token that is no padding.
            Behind the text they go on.
    """

    embeddings: Tensor
    mask: Tensor
    labels: Tensor
    positions: Tensor


def tokenise(pieces: Sequence[Piece], tokenizer: Any) -> Tokens:
    """Tokenise a conversation; placeholders become negative ids.

    The text between two placeholders is tokenised in one go, so tokens may reach over the border of two pieces; a
    token is learnt when its last letter is in a learnt piece. One start token stands in front if the tokenizer
    sets one.

    Args:
        pieces: The conversation.
        tokenizer: A fast tokenizer of transformers.
    """
    start = _start_token(tokenizer)
    ids, labels = [start] if start is not None else [], [IGNORE] if start is not None else []
    for part in _stretches(pieces):
        if isinstance(part, int):
            ids.append(part)
            labels.append(IGNORE)
            continue
        text, learnt = part
        coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        for token, (_, stop) in zip(coded["input_ids"], coded["offset_mapping"], strict=True):
            ids.append(token)
            labels.append(token if stop and learnt[stop - 1] else IGNORE)
    return Tokens(tuple(ids), tuple(labels))


def splice(
    tokens: Sequence[Tokens],
    embed: torch.nn.Module,
    features: Mapping[int, Sequence[Sequence[Tensor]]],
    *,
    side: PaddingSide = "right",
    max_length: int | None = None,
) -> Spliced:
    """Put features in the place of placeholders and pad to the longest.

    Args:
        tokens: One per sample.
        embed: The embedding of the language model.
        features: Placeholder id to, per sample, one ``(k, width)`` tensor per placeholder in the text.
        side: Where to pad: right for training, left for generation.
        max_length: Longer sequences are cut at their end.

    Raises:
        ConfigError: If a text has more or fewer placeholders than there are features.
    """
    rows = [
        _row(sample, embed, {key: values[index] for key, values in features.items()}, max_length)
        for index, sample in enumerate(tokens)
    ]
    longest = max(len(labels) for _, labels in rows)
    width, like = rows[0][0].shape[1], rows[0][0]
    embeddings = like.new_zeros((len(rows), longest, width))
    mask = torch.zeros((len(rows), longest), dtype=torch.long, device=like.device)
    labels = torch.full_like(mask, IGNORE)
    positions = torch.zeros_like(mask)
    for index, (row, learnt) in enumerate(rows):
        length = len(learnt)
        place = slice(longest - length, longest) if side == "left" else slice(0, length)
        embeddings[index, place] = row
        mask[index, place] = 1
        labels[index, place] = torch.tensor(learnt, device=like.device)
        positions[index] = torch.arange(longest, device=like.device) - (place.start if side == "left" else 0)
    return Spliced(embeddings, mask, labels, positions.clamp(min=0))


def _row(
    sample: Tokens, embed: torch.nn.Module, features: Mapping[int, Sequence[Tensor]], max_length: int | None
) -> tuple[Tensor, list[int]]:
    """Embeddings and labels of one sample."""
    names = {code: word for word, code in PLACEHOLDERS.items()}
    for code, word in names.items():
        there, given = sample.ids.count(code), len(features.get(code, ()))
        if there != given:
            msg = f"the text has {there} times {word}, but features for {given}; give one per placeholder"
            raise ConfigError(msg)
    device = next(embed.parameters()).device
    parts: list[Tensor] = []
    labels: list[int] = []
    queues = {code: iter(values) for code, values in features.items()}
    begin = 0
    for index in [*(i for i, code in enumerate(sample.ids) if code in names), len(sample.ids)]:
        words = sample.ids[begin:index]
        parts.append(embed(torch.tensor(words, dtype=torch.long, device=device)))
        labels += sample.labels[begin:index]
        if index < len(sample.ids):
            inserted = next(queues[sample.ids[index]])
            parts.append(inserted.to(parts[0]))
            labels += [IGNORE] * len(inserted)
        begin = index + 1
    whole = torch.cat(parts)
    return whole[:max_length], labels[:max_length]


def _stretches(pieces: Sequence[Piece]) -> list[int | tuple[str, list[bool]]]:
    """Placeholder ids, and the texts between them with one flag per letter: learnt or not."""
    found: list[int | tuple[str, list[bool]]] = []
    for piece in pieces:
        for part in split_placeholders(piece.text):
            if part in PLACEHOLDERS:
                found.append(PLACEHOLDERS[part])
                continue
            flags = [piece.learnt] * len(part)
            if found and not isinstance(found[-1], int):
                text, earlier = found[-1]
                found[-1] = (text + part, earlier + flags)
            else:
                found.append((part, flags))
    return found


def _start_token(tokenizer: Any) -> int | None:
    """The token that the tokenizer sets in front of every text, if any."""
    ids = tokenizer("")["input_ids"]
    return int(ids[0]) if ids and ids[0] == tokenizer.bos_token_id else None
