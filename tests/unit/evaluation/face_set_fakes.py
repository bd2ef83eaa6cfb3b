"""Tiny test sets: synthetic squares for logic, the astronaut's portrait in several looks for real swaps."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facewitness.evaluation.face_sets import FACE_SETS
from unit.pipeline.pipeline_fakes import FAKE_GREY, REAL_GREY, save_picture

SQUARES = "ffhq256_vs_stylegan256"


def write_manifest(root: Path, rows: list[tuple[str, int, str]]) -> None:
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "identity"])
        writer.writerows(rows)


def squares_root(root: Path, each: int = 8) -> Path:
    """Dark squares as reals, bright ones as fakes, of several sizes; one picture without a square, one damaged."""
    spec = FACE_SETS[SQUARES]
    rows = []
    for label, group, grey in ((0, spec.real_group, REAL_GREY), (1, spec.fake_group, FAKE_GREY)):
        (root / group).mkdir(parents=True)
        for i in range(each):
            side = 70 + 6 * i + 20 * label
            name = f"{group}/{i}.png"
            save_picture(root / name, (60 + i, 20 + i, side, grey - i))
            rows.append((name, label, f"{group} {i}"))
    save_picture(root / spec.real_group / "nobody.png")
    save_picture(root / spec.fake_group / "close.png", (50, 10, 220, FAKE_GREY))
    (root / spec.fake_group / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n cut off")
    rows.append((f"{spec.real_group}/nobody.png", 0, "nobody"))
    rows.append((f"{spec.fake_group}/close.png", 1, "close"))
    rows.append((f"{spec.fake_group}/damaged.png", 1, "damaged"))
    rows.append(("test_of_another_set/none.png", 1, "x"))
    write_manifest(root, rows)
    return root


def portraits_root(root: Path, portrait: np.ndarray) -> Path:
    """Four "people" made from one portrait: as it is, wider, taller, and in other colours."""
    group = FACE_SETS["lfw_swaps"].real_group
    (root / group).mkdir(parents=True)
    height, width = portrait.shape[:2]
    looks = {
        "plain": portrait,
        "wide": cv2.resize(portrait, (round(width * 1.08), height), interpolation=cv2.INTER_AREA),
        "tall": cv2.resize(portrait, (width, round(height * 1.06)), interpolation=cv2.INTER_AREA),
        "warm": np.clip(portrait * np.array([0.9, 0.75, 0.6]), 0, 255).astype(np.uint8),
    }
    rows = []
    for name, picture in looks.items():
        Image.fromarray(picture).save(root / group / f"{name}.png")
        rows.append((f"{group}/{name}.png", 0, name))
    write_manifest(root, rows)
    return root
