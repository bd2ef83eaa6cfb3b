"""LAA-Net's targets, Face X-ray style blends and neighbour search against the stored arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewitness.pseudofakes.blended import blend_feathered, change_mask, feather_weights, match_mean_colour
from facewitness.pseudofakes.neighbours import nearest_faces
from facewitness.pseudofakes.targets import TargetConfig, boundary_targets, gaussian_radius, run_lengths
from parity_cases import recipes
from parity_cases.laa_net_masks import nearest

Arrays = dict[str, NDArray[Any]]
_BACKGROUND_SEED = 510
"""Seed of the background of the blends; the foreground has the next one."""


def targets(arrays: Arrays) -> Arrays:
    """Heatmaps and consistency maps of every boundary picture, radii and run lengths."""
    found: Arrays = {}
    pictures = {n.removesuffix("_mask_u8"): a for n, a in arrays.items() if re.fullmatch(r"gt\w+_mask_u8", n)}
    pictures["gtzero"] = np.zeros((96, 96), np.uint8)
    variants = {
        "v1_ad1": TargetConfig("official"),
        "v1": TargetConfig("official"),
        "v1_ad0": TargetConfig("official", adaptive_sigma=False),
        "v2": TargetConfig("official", points="centroid"),
    }
    for name, picture in pictures.items():
        for suffix, config in variants.items():
            if f"{name}_hm_{suffix}" in arrays:
                made = boundary_targets(picture, config)
                found[f"{name}_hm_{suffix}"] = made.heatmap[None]
                found[f"{name}_cst_{suffix}"] = made.consistency[None]
    sizes = arrays["radius_hw"]
    found["radius_out"] = gaussian_radius(sizes[:, 0], sizes[:, 1])
    found["maskwh_out"] = run_lengths(arrays["gt0_mask_u8"], arrays["maskwh_pts"], mode="official")
    return found


def blends(arrays: Arrays, offset: int) -> Arrays:
    """Colour matching, feathered blend, erosions and dilations of the stored mask."""
    mask = arrays["bi_mask"]

    def matched(seed: int) -> NDArray[Any]:
        background, foreground = (recipes.uint8_image(s, *mask.shape) for s in (seed, seed + 1))
        return match_mean_colour(foreground, background, mask, mode="official")

    def blended(seed: int) -> NDArray[Any]:
        return blend_feathered(matched(seed), recipes.uint8_image(seed, *mask.shape), mask, mode="official")[0]

    found: Arrays = {
        "bi_color": nearest(arrays["bi_color"], _BACKGROUND_SEED, offset, matched),
        "bi_blend": nearest(arrays["bi_blend"], _BACKGROUND_SEED, offset, blended),
        "bi_weight": feather_weights(mask),
    }
    for name in arrays:
        if way := re.fullmatch(r"bi_(erode|dilate)_(\d+)", name):
            found[name] = change_mask(mask * np.uint8(255), int(way[2]), grow=way[1] == "dilate")
    return found


def neighbours(arrays: Arrays, offset: int) -> Arrays:
    """The nearest faces of other videos; four consecutive faces make a video."""
    faces = np.stack([recipes.landmarks(offset + 10000 + i, 68, 256) for i in range(600)])
    queries = arrays["nn_queries"]
    index, distance = nearest_faces(faces, np.arange(600) // 4, queries, count=arrays["nn_idx"].shape[1])
    return {"nn_idx": index, "nn_dist": distance}


def pure_outputs(arrays: Arrays, offset: int) -> Arrays:
    """Every array of the pseudo-fakes and targets."""
    return targets(arrays) | blends(arrays, offset) | neighbours(arrays, offset)
