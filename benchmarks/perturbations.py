"""Milliseconds per frame of each perturbation of `facewitness robustness`, at its mildest and its strongest level.

python benchmarks/perturbations.py [--frames N] [--width W] [--height H]
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from facewitness.media.images import read_image
from facewitness.media.perturbations import LEVELS, PERTURBATIONS
from measure import example_portrait, machine, repeat, spread


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=8, help="frames of the pretended video")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--times", type=int, default=5, help="repetitions")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    portrait = cv2.resize(read_image(example_portrait()).pixels, (asked.width, asked.height))
    frames = [np.roll(portrait, 2 * i, axis=1) for i in range(asked.frames)]
    print(f"### Perturbations, {asked.frames} frames of {asked.width} x {asked.height}, one thread\n\n{machine()}\n")
    print("| perturbation | level 1, per frame | level 5, per frame |\n|---|---|---|")
    for name, kind in PERTURBATIONS.items():
        if kind.change is None:
            continue
        cells = [
            spread(
                repeat(lambda at=level, k=kind: k.apply(frames, at, np.random.default_rng(0)), asked.times),
                1000 / asked.frames,
                "ms",
            )
            for level in (1, LEVELS)
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
