"""Test forgeries from a set of real faces: people of like pose swap faces in pairs.

Both of a pair get the other's face, and the four pictures carry one id. So pairs share nobody, and a resampling of ids
resamples people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.pseudofakes.swaps import landmark_distance

MAX_POSE_DISTANCE = 0.1
"""Landmark distance, in units of the face's root-mean-square radius, up to which two poses count as alike."""


def pair_by_pose(
    landmarks: NDArray[np.float32],
    identities: Sequence[str],
    *,
    rng: np.random.Generator,
    max_distance: float = MAX_POSE_DISTANCE,
) -> list[tuple[int, int]]:
    """Pair faces of different people so that each person is in one pair at most.

    In random order, each face takes the face with the most similar landmarks among the people still free.

    Args:
        landmarks: ``(n, k, 2)`` float32, k points per face in any picture's pixels.
        identities: ``(n,)`` who each face shows.
        rng: Draws the order.
        max_distance: Faces whose nearest free face is farther stay alone.

    Returns:
        Index pairs, in the order drawn.

    Raises:
        ConfigError: If landmarks and identities differ in number.
    """
    if len(landmarks) != len(identities):
        msg = f"expected one identity per face, got {len(identities)} for {len(landmarks)}"
        raise ConfigError(msg)
    people = np.array(identities)
    free = np.ones(len(people), dtype=bool)
    pairs: list[tuple[int, int]] = []
    for first in rng.permutation(len(people)).tolist():
        if not free[first]:
            continue
        free[people == people[first]] = False
        distance = np.where(free, landmark_distance(landmarks[first], landmarks), np.inf)
        second = int(distance.argmin())
        if distance[second] <= max_distance:
            free[people == people[second]] = False
            pairs.append((first, second))
    return pairs
