"""Self-blended training items: milliseconds of one core for the blend, the whole item, and the batch.

Run: python benchmarks/sbi.py [--items N]

The face is the sample portrait's, cropped as for training. Beside each figure stands that of the authors' code as
measured for the issue, on its machine. The authors make the targets in their collate, this package makes them in the
item, so only the sum of both rows compares like with like. Times are processor time of one thread; least and median
of all repetitions are given: work that runs beside them only ever adds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np

from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.pseudofakes.items import ItemConfig, collate, training_item
from facewitness.pseudofakes.masks import Mode
from facewitness.pseudofakes.self_blended import SelfBlendConfig, self_blend
from facewitness.pseudofakes.targets import TargetConfig
from measure import example_portrait, machine

_OFFICIAL_BLEND_MS = {256: 30.0, 317: 41.0, 384: 69.0}
_OFFICIAL_ITEM_MS = 72.0
_OFFICIAL_COLLATE_MS = 120.0
"""Per item."""
_AIM = 6
_BATCH = 8
_CROP_PX = 317
_MODES: tuple[Mode, ...] = ("corrected", "official")

Crop = tuple[np.ndarray, np.ndarray]


def crops() -> dict[int, Crop]:
    """Face crops of each size with 81 landmarks."""
    pixels = read_image(example_portrait()).pixels
    face = FaceFinder(threads=1).find(pixels)[0]
    made = {}
    for side in _OFFICIAL_BLEND_MS:
        crop = crop_face(pixels, face.box, CropSpec(1.5, side))
        made[side] = crop.image, apply_affine(crop.frame_to_crop, face.landmarks81)
    return made


def milliseconds(action: Callable[[], object], times: int) -> list[float]:
    """Processor time of this process for each call, after two that do not count."""
    spent = []
    for number in range(times + 2):
        start = time.process_time()
        action()
        if number >= 2:
            spent.append((time.process_time() - start) * 1e3)
    return spent


def row(what: str, spent: list[float], official: float, *, ratio: bool = True, note: str = "") -> None:
    """One line of the table."""
    middle = statistics.median(spent)
    times = f"{official / middle:.1f}{note}" if ratio else "see the sum"
    print(f"| {what} | {min(spent):.2f} | {middle:.2f} | {official:.0f} | {times} |")


def blends(faces: dict[int, Crop], items: int) -> None:
    """The self-blend alone."""
    for mode in _MODES:
        for side, (image, landmarks) in faces.items():
            rng, config = np.random.default_rng(0), SelfBlendConfig(mode=mode)
            spent = milliseconds(lambda i=image, p=landmarks, r=rng, c=config: self_blend(i, p, r, c), items)
            row(f"self-blend, {side} px, {mode}", spent, _OFFICIAL_BLEND_MS[side])


def whole_items(crop: Crop, items: int) -> None:
    """Items of 384 px with targets at 96, and their batches."""
    for mode in _MODES:
        rng = np.random.default_rng(0)
        config = ItemConfig(blend=SelfBlendConfig(mode=mode), target=TargetConfig(mode))
        made = [training_item(*crop, rng, config) for _ in range(_BATCH)]
        item = milliseconds(lambda r=rng, c=config: training_item(*crop, r, c), items)
        row(f"item with its targets, {_CROP_PX} to {config.size} px, {mode}", item, _OFFICIAL_ITEM_MS, ratio=False)
        gathered = [t / _BATCH for t in milliseconds(lambda m=made, r=rng: collate(m, r), max(10, items // 4))]
        row(f"collate of {_BATCH} items, per item, {mode}", gathered, _OFFICIAL_COLLATE_MS, ratio=False)
        rest = statistics.median(gathered)
        both = _OFFICIAL_ITEM_MS + _OFFICIAL_COLLATE_MS
        row(f"**item and collate, {mode}**", [t + rest for t in item], both, note=f" (aim {_AIM})")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=200)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    faces = crops()
    print(f"\n{machine()}\n")
    print("| step | least, ms | median, ms | authors' code, ms | times faster (median) |\n|---|---|---|---|---|")
    blends(faces, arguments.items)
    whole_items(faces[_CROP_PX], arguments.items)


if __name__ == "__main__":
    main()
