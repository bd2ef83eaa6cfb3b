"""Seeded splits for sets that come without: no person is in two of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from facewitness.datasets.records import SPLITS, Record
from facewitness.errors import ConfigError

SHARES: Final = (0.7, 0.15, 0.15)
"""Shares of people in train, val and test."""


def seed_of(text: str) -> int:
    """A seed given as text.

    Raises:
        ConfigError: If it is no whole number.
    """
    try:
        return int(text)
    except ValueError:
        msg = f"seed must be a whole number, got {text!r}"
        raise ConfigError(msg) from None


def split_by_person(records: Sequence[Record], *, seed: int) -> list[Record]:
    """Give each record the split of its first person; one that shows people of two splits gets none.

    Right for sets whose swaps tie everybody to everybody, where `split_by_group` would put all into one split.

    Args:
        records: Records, in any order.
        seed: Other seeds give other splits.

    Returns:
        The records in the same order with ``split`` set.
    """
    where = _dealt(sorted({person for record in records for person in record.identities}), seed)
    found = []
    for record in records:
        splits = {where[person] for person in record.identities}
        found.append(replace(record, split=splits.pop() if len(splits) == 1 else ""))
    return found


def split_by_group(records: Sequence[Record], *, seed: int) -> list[Record]:
    """Deal out groups of people whom swaps tie together, so that every record gets a split.

    Args:
        records: Records, in any order; those without identities get no split.
        seed: Other seeds give other splits.

    Returns:
        The records in the same order with ``split`` set.

    Example:
        >>> from facewitness.records import Label
        >>> swap = Record("a.mp4", "a", Label.FAKE, "made", identities=("x", "y"))
        >>> real = Record("b.mp4", "b", Label.REAL, "made", identities=("y",))
        >>> first, second = split_by_group([swap, real], seed=0)
        >>> first.split == second.split != ""
        True
    """
    leader: dict[str, str] = {}

    def find(person: str) -> str:
        while leader.setdefault(person, person) != person:
            leader[person] = leader[leader[person]]
            person = leader[person]
        return person

    for record in records:
        for person in record.identities:
            leader[find(person)] = find(record.identities[0])
    where = _dealt(sorted({find(person) for person in list(leader)}), seed)
    return [replace(r, split=where[find(r.identities[0])] if r.identities else "") for r in records]


def _dealt(names: Sequence[str], seed: int) -> dict[str, str]:
    """Split of every name: in an order that the seed decides, the first 70 % train and so on."""
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    ends = [sum(SHARES[: i + 1]) for i in range(len(SHARES))]
    return {
        name: next((s for s, end in zip(SPLITS, ends, strict=True) if (i + 0.5) / len(order) < end), SPLITS[-1])
        for i, name in enumerate(order)
    }
