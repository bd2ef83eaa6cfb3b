"""LAA-Net's hull masks, mask softening, blend, boundary and landmark order against the stored arrays.

Seeds follow the words beside each array; where a seed stands without the set's offset, both readings are tried and
the nearer result is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.pseudofakes.blending import alpha_blend, blending_boundary, boundary_to_uint8
from facewitness.pseudofakes.geometry import flip_landmarks
from facewitness.pseudofakes.masks import HULL_KINDS, MaskSoftening, hull_mask_uint8, reorder_landmarks, soften_mask
from parity_cases import recipes
from parity_cases.comparing import Case

Arrays = dict[str, NDArray[Any]]
_LOW_SEED = 20
"""Seed of the faint boundary picture, found by trial."""


def arguments(case: Case, name: str, function: str) -> list[tuple[int, ...]]:
    """Arguments of each ``function(...)`` in the note of an array; a sum such as ``0+200`` is added up."""
    note = str(case.meta["arrays"][name].get("note", ""))
    calls = re.findall(rf"{function}\(([\d+,\s]+)\)", note)
    return [tuple(sum(int(n) for n in part.split("+")) for part in call.split(",")) for call in calls]


def nearest(reference: NDArray[Any], seed: int, offset: int, make: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
    """What ``make`` gives for the seed as written or with the offset added, whichever is nearer to ``reference``."""
    made = [make(s) for s in dict.fromkeys((seed, seed + offset))]
    same = [m for m in made if m.shape == reference.shape]
    return min(same or made, key=lambda m: _distance(m, reference))


def _distance(found: NDArray[Any], reference: NDArray[Any]) -> float:
    if found.shape != reference.shape:
        return np.inf
    return float(np.abs(found.astype(np.float64) - reference.astype(np.float64)).mean())


def hulls(case: Case, offset: int) -> Arrays:
    """Landmarks by recipe and the four hull masks of each set."""
    found: Arrays = {}
    for name in (n for n in case.arrays if re.fullmatch(r"hull\d+_lm", n)):
        stored = case.arrays[name]
        seed, count, size = arguments(case, name, "landmarks")[0]
        found[name] = nearest(stored, seed, offset, lambda s, c=count, z=size: recipes.landmarks(s, c, z))  # type: ignore[misc]
        prefix = name.removesuffix("_lm")
        for kind in HULL_KINDS:
            key = f"{prefix}_{kind}"
            if key in case.arrays:
                found[key] = hull_mask_uint8(found[name], kind, case.arrays[key].shape)
    return found


def _softened(case: Case, number: int) -> NDArray[np.float32]:
    """The soft mask of a recorded draw, from the stored face hull."""
    height, width, first, second, sigma = (int(v) for v in case.arrays[f"bmask{number}_params"])
    note = str(case.meta["arrays"][f"bmask{number}_params"].get("note", ""))
    hull = re.search(r"hull\d+_\w+", note)
    mask = case.arrays[hull[0] if hull else "hull0_facehull"].astype(np.float32) / np.float32(255)
    return soften_mask(mask, MaskSoftening(height, width, first, second, sigma), mode="official")


def softening(case: Case, _offset: int) -> Arrays:
    """Soft masks of the recorded draws, in 16 bits."""
    numbers = [int(m[1]) for n in case.arrays if (m := re.fullmatch(r"bmask(\d+)_out", n))]
    return {f"bmask{n}_out": np.rint(_softened(case, n).astype(np.float64) * 65535).astype(np.uint16) for n in numbers}


def blends(case: Case, offset: int) -> Arrays:
    """The alpha blend and the boundary of the first soft mask."""
    mask = _softened(case, 0)
    name = next(n for n in case.arrays if n.startswith("sbi_blend"))
    ratio = re.search(r"ratio ([\d.]*\d)", str(case.meta["arrays"][name]["note"]))
    (source, *shape), (target, *_) = arguments(case, name, "uint8_image")[:2]

    def blend(seed: int) -> NDArray[Any]:
        one = recipes.uint8_image(seed, *shape)
        two = recipes.uint8_image(seed + target - source, *shape)
        return alpha_blend(one, two, mask, ratio=float(ratio[1]) if ratio else 0.75, mode="official")[::3, ::3]

    return {
        name: nearest(case.arrays[name], source, offset, blend),
        "sbi_boundary": boundary_to_uint8(blending_boundary(mask))[::2, ::2],
    }


def orders(case: Case, _offset: int) -> Arrays:
    """Forehead order and mirrored landmarks of the stored sets."""
    width = re.search(r"W=(\d+)", str(case.meta["arrays"]["hflip81"]["note"]))
    side = int(width[1]) if width else 317
    full = case.arrays["hull0_lm"]
    reordered = reorder_landmarks(full)
    others = [a for n, a in case.arrays.items() if re.fullmatch(r"hull\d+_lm", n) and len(a) == 68]
    # The note of hflip68 does not say which set it mirrors.
    mirrored = [flip_landmarks(points, side, mode="official") for points in (full[:68], *others)]
    return {
        "reorder81": reordered,
        "hflip81": flip_landmarks(reordered, side, mode="official", raw_order=False),
        "hflip68": min(mirrored, key=lambda m: _distance(m, case.arrays["hflip68"])),
    }


def boundaries(case: Case, offset: int) -> Arrays:
    """The uint8 boundary pictures that the targets are made from."""
    found: Arrays = {}
    for name in (n for n in case.arrays if re.fullmatch(r"gt\d+_mask_u8", n)):
        seed, size = arguments(case, name, "soft_ellipse_mask")[0]
        zeroed = re.search(r"columns \[(\d+),(\d+)\) zeroed", str(case.meta["arrays"][name]["note"]))

        def make(s: int, z: int = size, cut: re.Match[str] | None = zeroed) -> NDArray[Any]:
            picture = recipes.boundary_uint8(recipes.soft_ellipse_mask(s, z))[..., 0].copy()
            if cut:
                picture[:, int(cut[1]) : int(cut[2])] = 0
            return picture

        found[name] = nearest(case.arrays[name], seed, offset, make)
    if "gtlow_mask_u8" in case.arrays:
        low = case.arrays["gtlow_mask_u8"]
        made = nearest(
            low,
            _LOW_SEED,
            offset,
            lambda s: recipes.boundary_uint8(recipes.soft_ellipse_mask(s, len(low)))[..., 0] // 3,
        )
        # The note does not name the seed: where neither reading gives the picture, it is an input.
        if np.array_equal(made, low):
            found["gtlow_mask_u8"] = made
    return found


GROUPS: dict[str, Callable[[Case, int], Arrays]] = {
    "hulls": hulls,
    "softening": softening,
    "blends": blends,
    "orders": orders,
    "boundaries": boundaries,
}
