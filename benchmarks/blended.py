"""Face X-ray style blends: milliseconds of one core for the parts, the whole image and the training item.

Run: python benchmarks/blended.py [--items N]

Beside the blend stand the authors' code as measured for the issue (on its machine) and a plain version written here in
the same manner, one pixel and one channel at a time, and run in this process on the same pictures. The other face is
the mirrored portrait in other colours. Times are processor time of one thread; least and median of all repetitions.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.pseudofakes.background_colour import apply_background_colour, draw_background_colour
from facewitness.pseudofakes.blended import blend_feathered, change_mask, feather_weights, match_mean_colour
from facewitness.pseudofakes.blended_items import BlendConfig, bi_training_item, blended_image, resized
from facewitness.pseudofakes.items import ItemConfig, collate, training_item
from facewitness.pseudofakes.masks import hull_mask_uint8
from facewitness.pseudofakes.piecewise import deform, draw_deformation
from facewitness.pseudofakes.self_blended import SelfBlendConfig
from measure import machine
from sbi import crops, milliseconds

_OFFICIAL_MS = 212.0
_AIM = 10
_SIDE = 317
_BATCH = 16
_PLAIN_TIMES = 3

Picture = NDArray[np.uint8]


def plain_blend(foreground: Picture, background: Picture, mask: Picture) -> Picture:
    """The feathered blend as one writes it first: every pixel of the mask, then every channel."""
    rows, columns = np.nonzero(mask)
    hull = cv2.convexHull(np.stack([columns, rows], axis=1).astype(np.int32))
    width = 0.2 * max(np.ptp(rows), np.ptp(columns))
    out = background.copy()
    for channel in range(3):
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            weight = min(max(cv2.pointPolygonTest(hull, (x, y), True) / width, 0.0), 1.0)
            out[y, x, channel] = int(weight * foreground[y, x, channel] + (1 - weight) * background[y, x, channel])
    return out


def row(what: str, action: Callable[[], object], times: int) -> float:
    """Measure, print a line, and give the median in ms."""
    spent = milliseconds(action, times)
    print(f"| {what} | {min(spent):.2f} | {statistics.median(spent):.2f} |")
    return statistics.median(spent)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=200)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    times, rng = arguments.items, np.random.default_rng(0)
    background, landmarks = crops()[_SIDE]
    foreground = np.ascontiguousarray(background[:, ::-1, ::-1])
    mask = hull_mask_uint8(landmarks[:68], "extended", (_SIDE, _SIDE))
    print(f"\n{machine()}\n\n{_SIDE} px; the mask has {np.count_nonzero(mask)} pixels\n")
    print("| part | least, ms | median, ms |\n|---|---|---|")
    row("resize of one picture to 220 px", lambda: resized(background, 220, 220), times)
    row("hull mask", lambda: hull_mask_uint8(landmarks[:68], "extended", (_SIDE, _SIDE)), times)
    row("deformation of the mask", lambda: deform(mask, draw_deformation(rng)), times)
    row("erosion, 21 px", lambda: change_mask(mask, 21, grow=False), times)
    row("colours matched", lambda: match_mean_colour(foreground, background, mask), times)
    row("weights alone", lambda: feather_weights(mask), times)
    ours = row("blend with its weights, corrected", lambda: blend_feathered(foreground, background, mask), times)
    official = row("blend, official", lambda: blend_feathered(foreground, background, mask, mode="official"), times)
    plain = row("blend, plain version", lambda: plain_blend(foreground, background, mask), _PLAIN_TIMES)
    row("background colours", lambda: apply_background_colour(background, draw_background_colour(rng)), times)
    for mode in ("corrected", "official"):
        config = BlendConfig(mode=mode)
        row(
            f"**whole fake, {mode}**",
            lambda c=config: blended_image(background, landmarks, foreground, rng, c, fake=True),
            times,
        )
        made = ItemConfig(blend=SelfBlendConfig(mode=mode))
        row(
            f"**item, half of them fake, {mode}**",
            lambda c=made: bi_training_item(background, landmarks, foreground, rng, c),
            times,
        )
    row("for comparison: self-blended item of two pictures", lambda: training_item(background, landmarks, rng), times)
    items = [bi_training_item(background, landmarks, foreground, rng) for _ in range(_BATCH)]
    row(f"collate of {_BATCH} items", lambda: collate(items, rng), times)
    same = blend_feathered(foreground, background, mask, mode="official")[0] == plain_blend(
        foreground, background, mask
    )
    print(
        f"\nBlend, corrected and official: {plain / ours:.0f} and {plain / official:.0f} times faster than the plain "
        f"version here (equal to the official one in {same.mean():.2%} of the values), {_OFFICIAL_MS / ours:.0f} and "
        f"{_OFFICIAL_MS / official:.0f} times faster than the authors' {_OFFICIAL_MS:.0f} ms (aim {_AIM})."
    )


if __name__ == "__main__":
    main()
