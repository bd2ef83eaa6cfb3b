"""FF++ faces in M2F2-Det's HDF5 files: one file per class, one array of frames per video.

Citation: Guo et al., "Rethinking Vision-Language Model in Face Forensics: Multi-Modal Interpretable Forged Face
Detector", CVPR 2025, for the layout; the videos are FF++ (see `ffpp` for citation and licence).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.demo_media import Fake, Maker
from facewitness.datasets.ffpp_lists import DEMO_PAIRS, TITLE, fake_ids, info_of, read_pairs, real_ids
from facewitness.datasets.listing import Listing, chosen, index_of, wanted
from facewitness.datasets.prepare.sources import require_h5py
from facewitness.datasets.records import SPLITS, Record
from facewitness.errors import ConfigError, MediaError
from facewitness.media.images import read_image
from facewitness.records import Label

INFO = info_of(
    tree=(
        "FF++_{original,Deepfakes,FaceSwap,NeuralTextures,Face2Face}_{c23,c40,raw}.h5\n"
        "FF++_{original,...}_{c23,c40,raw}_test_only.h5 (test; else the first)\n"
        "in each file: <video> (071 or 071_054): (frames, H, W, 3) uint8 RGB, faces cut out"
    ),
    notes=(
        "M2F2-Det was trained on c40 only. A record's path is the file, # and the video. facewitness prepare --steps "
        "hdf5 writes these files. Needs h5py (extra torch)."
    ),
)

CLASSES: Final = ("original", "Deepfakes", "FaceSwap", "NeuralTextures", "Face2Face")
"""In the order of M2F2-Det's class indices."""

_RATES: Final = ("c40", "c23", "raw")


def listing(root: Path, split: str | None = None, *, manipulations: str = "", compression: str = "c40") -> Listing:
    """List the videos that the split lists name and the files hold.

    Args:
        root: Folder with the files.
        split: ``train``, ``val``, ``test``; None takes all three.
        manipulations: Methods parted by commas; empty takes those whose files are there, ``none`` real videos only.
        compression: ``c40``, ``c23`` or ``raw``.

    Raises:
        ConfigError: If the file of a class is missing or none of the videos is in the files.
        MissingExtraError: If h5py is not installed.
    """
    if compression not in _RATES:
        msg = f"compression must be one of {', '.join(_RATES)}, got {compression!r}"
        raise ConfigError(msg)
    methods = () if manipulations == "none" else chosen(manipulations, CLASSES[1:], "manipulations")
    held: dict[str, frozenset[str]] = {}
    records: list[Record] = []
    missing: list[str] = []
    for name in wanted(split, SPLITS, TITLE):
        pairs = read_pairs(root, name)
        for method in ("original", *methods):
            file = _file_of(root, method, compression, name)
            if file not in held:
                if not (root / file).is_file() and method != "original" and not manipulations:
                    continue
                held[file] = _keys(root / file)
            ids: list[tuple[str, ...]] = [(i,) for i in real_ids(pairs)] if method == "original" else [*fake_ids(pairs)]
            for video in ids:
                record = _record(file, method, video, name, compression)
                if "_".join(video) in held[file]:
                    records.append(record)
                else:
                    missing.append(record.path)
    if not records:
        msg = f"none of FF++'s {len(missing)} videos, such as {missing[0]}, is in the files of {root}"
        raise ConfigError(msg)
    return Listing(tuple(records), tuple(missing))


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether a file of real videos is there."""
    return any((root / _file_of(root, "original", rate, "test")).is_file() for rate in _RATES)


def _file_of(root: Path, method: str, rate: str, split: str) -> str:
    whole, test = f"FF++_{method}_{rate}.h5", f"FF++_{method}_{rate}_test_only.h5"
    return test if split == "test" and (root / test).is_file() else whole


def _keys(path: Path) -> frozenset[str]:
    """Names of the videos in a file."""
    try:
        with require_h5py().File(path, "r") as file:
            return frozenset(file)
    except OSError as error:
        msg = f"expected M2F2-Det's HDF5 file at {path}: {error}"
        raise ConfigError(msg) from error


def _record(file: str, method: str, video: tuple[str, ...], split: str, rate: str) -> Record:
    name = "_".join(video)
    return Record(
        path=f"{file}#{name}",
        video_id=f"{method}/{rate}/{name}",
        label=Label.REAL if method == "original" else Label.FAKE,
        dataset=TITLE,
        kind="hdf5",
        split=split,
        identities=video,
        sources=video,
        manipulation="" if method == "original" else method,
        compression=rate,
    )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: real videos and two methods, eight frames each, c40, a file of its own for test."""
    h5py = require_h5py()
    root.mkdir(parents=True, exist_ok=True)
    for split, pairs in DEMO_PAIRS.items():
        maker.json(root / f"{split}.json", [list(pair) for pair in pairs])
        for method in ("original", "Deepfakes", "Face2Face"):
            ending = "_test_only" if split == "test" else ""
            ids = [(i, "") for i in real_ids(list(pairs))] if method == "original" else [*fake_ids(list(pairs))]
            with h5py.File(root / f"FF++_{method}_c40{ending}.h5", "a") as file:
                for target, donor in ids:
                    name = "_".join(part for part in (target, donor) if part)
                    file.create_dataset(name, data=_demo_frames(maker, method, target, donor), compression="gzip")


def _demo_frames(maker: Maker, method: str, target: str, donor: str) -> NDArray[np.uint8]:
    """``(8, H, W, 3)`` uint8 RGB, cut to the head; black where the maker draws nothing."""
    names = [f"{i}.png" for i in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        if method == "original":
            maker.frames(Path(folder), target, names=names)
        else:
            fake: Fake = "swap" if method == "Deepfakes" else "local"
            maker.frames(Path(folder), target, names=names, fake=fake, donor=donor)
        try:
            pixels = np.stack([read_image(Path(folder) / name).pixels for name in names])
            edge = pixels.shape[1] // 8
            return pixels[:, edge // 2 : -edge - edge // 2, edge:-edge]
        except MediaError:
            return np.zeros((len(names), 16, 16, 3), np.uint8)
