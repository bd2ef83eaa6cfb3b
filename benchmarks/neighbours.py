"""Neighbour search: how its time grows with the number of frames, for all candidates and for the authors' 10,000.

Run: python benchmarks/neighbours.py [--faces DIR] [--frames N ...] [--workers N]

Every frame is a query. FF++ has 720 training videos of 128 frames, 92,160 in all. The landmarks are made: one face per
video, then small movements from frame to frame. With ``--faces`` the faces are those found in the pictures of a folder
(and its subfolders), moved in the same way; else they are random deformations of the sample portrait's. Beside them
stands a plain loop over the candidates in the manner of the authors' code, measured on a few queries in this process
and multiplied. Some results are compared with that loop's.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import MediaError
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.pseudofakes.neighbours import OFFICIAL_CANDIDATES, nearest_faces
from facewitness.runtime import default_threads
from measure import example_portrait, machine

_FRAMES = 128
_SIZES = (2_500, 5_000, 10_000, 20_000, 46_080, 92_160)
_SIDE = 317
_CHECKS = 3

Points = NDArray[np.float64]


def shapes(pictures: Sequence[Path], most: int) -> Points:
    """The 68 landmarks of the largest face of each picture, in pixels of its crop, ``(n, 68, 2)``."""
    finder, found = FaceFinder(), []
    for path in pictures:
        try:
            pixels = read_image(path).pixels
        except MediaError:
            continue
        for face in finder.find(pixels)[:1]:
            crop = crop_face(pixels, face.box, CropSpec(1.5, _SIDE))
            found.append(apply_affine(crop.frame_to_crop, face.landmarks81)[:68])
        if len(found) == most:
            break
    return np.asarray(found, dtype=np.float64)


def deformed(shape: Points, count: int, rng: np.random.Generator) -> Points:
    """Random faces from one: quadratic deformations of the plane, so that neighbouring points move together."""
    x, y = ((shape - shape.mean(axis=0)) / shape.std()).T
    powers = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y])
    return shape + np.einsum("vci,ik->vkc", rng.normal(0, 3, (count, 2, 6)), powers)


def moving(faces: Points, videos: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Frames of each video: drifting place and size, other faces' features mixed in and out, half a pixel of noise."""
    frames = []
    for video in range(videos):
        face = faces[video % len(faces)]
        middle = face.mean(axis=0)
        drift = np.cumsum(rng.normal(0, 0.15, (_FRAMES, 1, 2)), axis=0) + rng.normal(0, 3, 2)
        size = 1 + np.cumsum(rng.normal(0, 0.001, (_FRAMES, 1, 1)), axis=0)
        others = faces[rng.integers(0, len(faces), 3)] - faces.mean(axis=0)
        mixed = np.einsum("fk,kpc->fpc", np.cumsum(rng.normal(0, 0.01, (_FRAMES, 3)), axis=0), others)
        frames.append((face - middle) * size + middle + drift + mixed + rng.normal(0, 0.5, (_FRAMES, 68, 2)))
    return np.concatenate(frames).astype(np.float32)


def plain_search(faces: NDArray[np.float32], videos: NDArray[np.intp], query: int, rows: Sequence[int]) -> list[int]:
    """One query as one writes it first: a loop over the candidates, then a sort."""
    apart = {}
    for row in rows:
        if videos[row] != videos[query]:
            apart[row] = float(np.sum(np.linalg.norm(faces[row].astype(np.float64) - faces[query], axis=1)))
    return sorted(apart, key=lambda row: (apart[row], row))[:30]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--workers", type=int, default=default_threads())
    arguments = parser.parse_args()
    rng, largest = np.random.default_rng(0), max(arguments.frames)
    count = -(-largest // _FRAMES)
    if arguments.faces is None:
        people, kind = deformed(shapes([example_portrait()], 1)[0], count, rng), "made from the sample portrait's face"
    else:
        pictures = sorted(p for p in arguments.faces.rglob("*") if p.suffix.lower() in {".jpg", ".png"})
        random.Random(0).shuffle(pictures)
        people = shapes(pictures, count)
        kind = f"made by moving {len(people)} real faces"
    faces, videos = moving(people, count, rng), np.repeat(np.arange(count), _FRAMES)
    print(f"\n{machine()}\n\nLandmarks {kind}; {arguments.workers} threads; processor time in brackets.\n")
    print("| frames | all candidates, s | 10,000 random candidates, s | plain loop, 10,000 candidates, s |")
    print("|---|---|---|---|")
    for frames in arguments.frames:
        line(faces[:frames], videos[:frames], arguments.workers)


def line(faces: NDArray[np.float32], videos: NDArray[np.intp], workers: int) -> None:
    """One line of the table."""
    frames, cells = len(faces), []
    for candidates in (None, OFFICIAL_CANDIDATES):
        start = time.perf_counter(), time.process_time()
        index, _ = nearest_faces(faces, videos, np.arange(frames), candidates=candidates, workers=workers, pad=True)
        wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
        cells.append(f"{wall:.1f} ({processor:.1f})")
        if candidates is None:
            everyone = index
    rng, spent = np.random.default_rng(1), []
    for query in rng.integers(0, frames, _CHECKS).tolist():
        if plain_search(faces, videos, query, range(frames)) != everyone[query].tolist():
            msg = f"query {query} of {frames} frames differs from the plain loop's"
            raise RuntimeError(msg)
        drawn = rng.permutation(frames)[:OFFICIAL_CANDIDATES].tolist()
        began = time.process_time()
        plain_search(faces, videos, query, drawn)
        spent.append(time.process_time() - began)
    print(f"| {frames:,} | {cells[0]} | {cells[1]} | {min(spent) * frames:,.0f} (from {_CHECKS} queries) |", flush=True)


if __name__ == "__main__":
    main()
