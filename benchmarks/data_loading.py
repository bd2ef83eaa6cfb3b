"""Does data loading starve training? Items per second of the loader beside images per second of the network.

Run: python benchmarks/data_loading.py [--videos N] [--seconds S] [--threads N]

A prepared folder is made from the sample portrait (crops of 317 px as PNG, 81 landmarks). Items are those of training,
read from files; a step is both passes of SAM with the optimiser. Loading keeps up when its images per second are above
the network's; the last column says how many times above.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch

from facewitness.datasets.prepared import (
    Points,
    PreparedFrame,
    PreparedSet,
    PreparedVideo,
    fingerprint_of,
    open_prepared,
    save_prepared,
)
from facewitness.datasets.records import Record
from facewitness.detectors.laa_net.recipe import TrainingRecipe, load_recipe
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.records import Label
from facewitness.training.laa_data import LaaBatch, LaaData
from facewitness.training.laa_faces import split_videos
from facewitness.training.laa_init import start_network
from facewitness.training.laa_plan import measure_steps
from facewitness.training.machine import TrainingMachine, keep_memory
from measure import example_portrait, machine

_CROP_PX = 317
_FRAMES = 8
_WORKERS = (0, 1, 2)
_RECIPES = ("sbi", "bi", "tiny_sbi")
_MEASURED_IMAGES = 4


def prepare(folder: Path, videos: int) -> None:
    """Write real videos whose frames are the portrait's face, each with noise of its own so that none is cached."""
    pixels = read_image(example_portrait()).pixels
    face = FaceFinder(threads=1).find(pixels)[0]
    crop = crop_face(pixels, face.box, CropSpec(1.5, _CROP_PX))
    points = apply_affine(crop.frame_to_crop, face.landmarks81)
    rng, made = np.random.default_rng(0), []
    for video in range(videos):
        frames = []
        for index in range(_FRAMES):
            path = f"crops/{video}/{index}.png"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            noisy = np.clip(crop.image + rng.normal(0, 3, crop.image.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / path), noisy[..., ::-1])
            moved = Points(points + rng.normal(0, 1, points.shape))
            box = (0, 0, _CROP_PX, _CROP_PX)
            frames.append(PreparedFrame(index, 0.0, box, box, crop=path, landmarks=moved))
        split = "val" if video % 4 == 0 else "train"
        record = Record(f"{video}.mp4", str(video), Label.REAL, "portrait", split=split)
        made.append(PreparedVideo(record, tuple(frames)))
    settings = {"steps": ["crops", "landmarks"], "size": _CROP_PX}
    save_prepared(PreparedSet(folder, "portrait", settings, fingerprint_of(settings), tuple(made)))


def loading_rate(folder: Path, recipe: TrainingRecipe, workers: int, seconds: float) -> tuple[float, LaaBatch]:
    """Images per second of the training loader, after its first batches, and the last batch."""
    prepared = open_prepared(folder)
    data = LaaData(split_videos(prepared, recipe), recipe, TrainingMachine("cpu", workers=workers), prepared=prepared)
    batches = iter(data.train_dataloader())
    for _ in range(1 + 4 * workers):  # what was prefetched while the workers started
        batch = next(batches)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        batch = next(batches)
        images += len(batch.labels)
    return images / (time.perf_counter() - start), batch


def network_rate(recipe: TrainingRecipe, batch: LaaBatch) -> float:
    """Images per second of whole steps on this processor."""
    few = batch._replace(
        **{n: getattr(batch, n)[:_MEASURED_IMAGES] for n in ("images", "heatmaps", "consistencies", "labels")}
    )
    return measure_steps(start_network(recipe, None)[0], recipe, few).images_per_s


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--videos", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the network")
    arguments = parser.parse_args()
    keep_memory()
    cv2.setNumThreads(1)
    torch.set_num_threads(arguments.threads)
    print(f"\n### LAA-Net: loading and network\n\n{machine()}, {arguments.threads} threads for the network\n")
    columns = " | ".join(f"{workers} workers, images/s" for workers in _WORKERS)
    print(f"| recipe | {columns} | network with SAM, images/s | loading with 1 worker is faster by |")
    print("|---|" + "---|" * (len(_WORKERS) + 2))
    starved = []
    with TemporaryDirectory() as name:
        prepare(Path(name), arguments.videos)
        for recipe_name in _RECIPES:
            recipe = load_recipe(recipe_name, ["frozen_epochs=0"])
            found = [loading_rate(Path(name), recipe, workers, arguments.seconds) for workers in _WORKERS]
            rates, learnt = [rate for rate, _ in found], network_rate(recipe, found[0][1])
            shown = " | ".join(f"{rate:.0f}" for rate in rates)
            side = recipe.network.image_size
            print(f"| {recipe_name}, {side} px | {shown} | {learnt:.2f} | {rates[1] / learnt:.0f} times |")
            starved += [recipe_name] if rates[1] < learnt else []
    print(f"\nLoading with one worker starves training: {', '.join(starved) or 'no recipe'}.")


if __name__ == "__main__":
    main()
