"""A tiny data root: people made out of the sample portrait, and faces that stand in for a generator's."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from facewitness.detectors.laa_net.lite.config import LiteConfig, LiteData, LiteRecipe
from facewitness.pseudofakes.forgeries import ForgeryMix
from unit.house.house_paths import ROOT

SOFT = {"ada": 0, "ben": 1, "cleo": 2, "dan": 3, "hal": 4, "kim": 5}
SHARP = {"eve": 6, "fay": 7, "gus": 8, "ida": 9, "quin": 10, "sue": 11}
MADE = {"made0": 12, "made1": 13, "made2": 14, "made3": 15, "made10": 16, "made17": 17}
"""Identity to the number that it is drawn from, by group."""

HELD_OUT = {"hal", "kim", "quin", "sue", "made10", "made17"}

TINY = LiteRecipe(
    network=LiteConfig(width=8, image_size=64),
    data=LiteData(
        folders=("faces",),
        real=("real_soft", "real_sharp"),
        real_shares=(0.5, 0.5),
        fake=("fake_made",),
        soft=("real_soft",),
        validation_share=0.3,
    ),
    mix=ForgeryMix(self_blend=0.4, local=0.2, swap=0.4, decoded=0.3),
    sizes=(64,),
    pairs=2,
    synthetic=1,
    steps=5,
    warmup_steps=2,
    average=0.5,
    validate_every=2,
)


def person(number: int) -> np.ndarray:
    """``(240, 240, 3)`` uint8 RGB: the portrait's face, stretched, mirrored and recoloured into somebody else's."""
    bgr = cv2.imread(str(ROOT / "examples" / "astronaut.jpg"))
    rng = np.random.default_rng(number)
    stretch = rng.uniform(0.85, 1.15, 2)
    size = (round(512 * stretch[0]), round(512 * stretch[1]))
    centre = np.array([223, 115]) * np.array(size) / 512
    left, top = (max(0, round(float(c) - 110)) for c in centre)
    face = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)[top : top + 220, left : left + 220, ::-1]
    face = cv2.resize(face, (240, 240), interpolation=cv2.INTER_CUBIC)
    tint = np.clip(face * rng.uniform(0.75, 1.2, 3), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(tint[:, ::-1] if number % 2 else tint)


def made_face(number: int) -> np.ndarray:
    """No generator made it: flat tones and a fine grid stand in for what one leaves behind."""
    flat = cv2.bilateralFilter(person(number), 9, 60, 9).astype(np.float32)
    flat[::2, ::2] += 14
    return np.clip(flat, 0, 255).astype(np.uint8)


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])


def write_manifest(folder: Path, rows: list[tuple[str, int, str, str]]) -> None:
    """Rows of file, label, identity, split."""
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("file", "label", "identity", "split"))
        writer.writerows(rows)


def make_root(root: Path) -> Path:
    """Write ``root/faces`` with three groups of six faces and one test face that training must not see."""
    folder = root / "faces"
    rows: list[tuple[str, int, str, str]] = []
    for group, people, draw in (
        ("real_soft", SOFT, person),
        ("real_sharp", SHARP, person),
        ("fake_made", MADE, made_face),
    ):
        for name, number in people.items():
            write_png(folder / group / f"{name}.png", draw(number))
            rows.append((f"{group}/{name}.png", int(group == "fake_made"), name, "train"))
    write_png(folder / "real_soft" / "tested.png", person(99))
    rows.append(("real_soft/tested.png", 0, "tested", "test"))
    write_manifest(folder, rows)
    return root
