"""Faces cut out once with wide margins, so that training reads memory-mapped arrays instead of files.

Of a video, frames spread over its length are taken.

A cache is a folder with ``faces.npy`` (``(n, side, side, 3)`` uint8 RGB), ``points.npy``
(``(n, 468, 2)`` float32 mesh in cache pixels), ``valid.npy`` (``(n, 4)`` part of the square that lies in
the picture) and ``index.csv``. It is written atomically and carries a fingerprint of what made it.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.listing import read_csv
from facewitness.errors import ConfigError, FaceError, MediaError
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import FaceFinder

CACHE_MARGIN_RATIO = 1.75
CACHE_SIDE_PX = 304
CACHE_VIDEO_FRAMES = 14
"""Frames taken of each video."""

_VIDEO_SUFFIXES = (".mp4", ".mpg", ".mkv", ".webm", ".avi", ".mov")
_MIN_FACE_PX = 56.0
"""Smaller faces are left out: enlarged to the cache's size they would only teach blur."""


@dataclass(frozen=True)
class FaceRow:
    """One picture of a manifest.

    Attributes:
        file: Path relative to the root.
        label: 0 real, 1 fake.
        group: First folder of ``file``; sampling weights and metrics go by it.
        identity: Who it shows; splits never share one.
    """

    file: str
    label: int
    group: str
    identity: str


def read_manifest(root: Path, groups: Sequence[str] = (), *, split: str | None = None) -> list[FaceRow]:
    """Rows of ``root/manifest.csv`` (columns ``file``, ``label``, ``identity``, and ``split`` where there is one).

    A row without an identity gets its file's name as one.

    Args:
        root: Folder with the manifest.
        groups: First folders to keep; empty keeps all.
        split: Only rows of this split (``train``, ``validation``, ``test``); None keeps all.

    Raises:
        ConfigError: If the manifest is missing or lacks a column, a label is neither 0 nor 1, or a group is not in it.
    """
    path = root / "manifest.csv"
    if not path.is_file():
        msg = f"expected {path} with columns file, label, identity; create it or give another --data"
        raise ConfigError(msg)
    columns, raw = read_csv(path, "a table of faces")
    missing = {"file", "label", "identity"} - set(columns)
    if missing:
        msg = f"{path} lacks the columns {sorted(missing)}"
        raise ConfigError(msg)
    raw = [r for r in raw if split in (None, r.get("split", split))]
    odd = next((r for r in raw if r["label"] not in ("0", "1")), None)
    if odd is not None:
        msg = f"{path}: label of {odd['file']} must be 0 (real) or 1 (fake), got {odd['label']!r}"
        raise ConfigError(msg)
    rows = [
        FaceRow(r["file"], int(r["label"]), r["file"].split("/")[0], r["identity"] or Path(r["file"]).stem) for r in raw
    ]
    unknown = sorted(set(groups) - {r.group for r in rows})
    if unknown:
        msg = f"{path} has no group {unknown}; it has {sorted({r.group for r in rows})}"
        raise ConfigError(msg)
    return [r for r in rows if not groups or r.group in groups]


@dataclass(frozen=True)
class FaceCache:
    """An opened cache; ``faces`` is a read-only memory map."""

    rows: tuple[FaceRow, ...]
    faces: NDArray[np.uint8]
    meshes: NDArray[np.float32]
    valid: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, *, groups: Sequence[str], validation_share: float, validation: bool) -> NDArray[np.intp]:
        """Indices of the faces of ``groups`` on one side of a split by identity.

        Args:
            groups: Groups to keep.
            validation_share: Share of identities held out, by a hash of the identity.
            validation: Which side to return.
        """
        return np.array(
            [
                i
                for i, row in enumerate(self.rows)
                if row.group in groups and (_unit_hash(row.identity) < validation_share) == validation
            ],
            dtype=np.intp,
        )


def _unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on ``text`` only."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def _fingerprint(root: Path, rows: Sequence[FaceRow]) -> str:
    """Hash of everything that the cache's content depends on."""
    sizes = [(row.file, (root / row.file).stat().st_size if (root / row.file).is_file() else -1) for row in rows]
    settings = [CACHE_MARGIN_RATIO, CACHE_SIDE_PX, CACHE_VIDEO_FRAMES, _MIN_FACE_PX]
    return hashlib.sha256(json.dumps([settings, sizes]).encode()).hexdigest()


def open_cache(folder: Path) -> FaceCache:
    """Open a finished cache.

    Raises:
        ConfigError: If the folder holds none.
    """
    if not (folder / "fingerprint.txt").is_file():
        msg = f"{folder} holds no face cache"
        raise ConfigError(msg)
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = tuple(FaceRow(r["file"], int(r["label"]), r["group"], r["identity"]) for r in csv.DictReader(stream))
    return FaceCache(
        rows,
        np.load(folder / "faces.npy", mmap_mode="r"),
        np.load(folder / "points.npy"),
        np.load(folder / "valid.npy"),
    )


def build_cache(root: Path, rows: Sequence[FaceRow], folder: Path) -> FaceCache:
    """Find the largest face of every picture and store it; a cache of the same fingerprint is reused.

    Pictures without a face, with a tiny one, or that cannot be read are left out and listed in ``skipped.txt``.

    Raises:
        FaceError: If no picture has a face.
    """
    from rich.console import Console
    from rich.progress import track

    fingerprint = _fingerprint(root, rows)
    done = folder / "fingerprint.txt"
    if done.is_file() and done.read_text(encoding="utf-8").strip() == fingerprint:
        cache = open_cache(folder)
        if set(cache.rows) <= set(rows):  # labels and identities are as the manifest says now
            return cache
    folder.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)
    (folder / "decoded.txt").unlink(missing_ok=True)  # what was painted from the old faces goes with them
    finder = FaceFinder(min_presence=0.3)
    side = CACHE_SIDE_PX
    room = sum(CACHE_VIDEO_FRAMES if _is_video(row) else 1 for row in rows)
    faces = np.lib.format.open_memmap(folder / "faces.npy", "w+", np.uint8, (room, side, side, 3))
    kept: list[FaceRow] = []
    meshes, valid, skipped = [], [], []
    spec = CropSpec(margin_ratio=CACHE_MARGIN_RATIO, size=side, border="replicate")
    console = Console(stderr=True)
    for row in track(rows, "caching faces", console=console, disable=not console.is_terminal):
        try:
            pictures = _pictures(root / row.file, video=_is_video(row))
        except MediaError as error:
            skipped.append(f"{row.file}: {error}")
            continue
        for image in pictures:
            found = finder.find(image)
            if not found or found[0].size_px < _MIN_FACE_PX:
                skipped.append(f"{row.file}: no face of at least {_MIN_FACE_PX:g} pixels found")
                continue
            crop = crop_face(image, found[0].box, spec)
            faces[len(kept)] = crop.image
            corners = np.array([[0, 0], [image.shape[1] - 1, image.shape[0] - 1]], dtype=np.float32)
            valid.append(np.clip(apply_affine(crop.frame_to_crop, corners), 0, side - 1).reshape(4))
            meshes.append(apply_affine(crop.frame_to_crop, found[0].mesh))
            kept.append(row)
    if not kept:
        msg = f"no face found in any of {len(rows)} files under {root}"
        raise FaceError(msg)
    _finish(folder, faces, kept, meshes=meshes, valid=valid, skipped=skipped)
    done.write_text(fingerprint + "\n", encoding="utf-8")
    return open_cache(folder)


def _is_video(row: FaceRow) -> bool:
    return row.file.lower().endswith(_VIDEO_SUFFIXES)


def _pictures(path: Path, *, video: bool) -> list[NDArray[np.uint8]]:
    """The picture, or frames spread over a video."""
    from facewitness.media.images import read_image
    from facewitness.media.video import sample_frames

    if not video:
        return [read_image(path).pixels]
    return [frame.pixels for frame in sample_frames(path, n=CACHE_VIDEO_FRAMES).frames]


def _finish(
    folder: Path,
    faces: NDArray[np.uint8],
    kept: Sequence[FaceRow],
    *,
    meshes: Sequence[NDArray[np.float32]],
    valid: Sequence[NDArray[np.float32]],
    skipped: Sequence[str],
) -> None:
    """Write everything but the fingerprint, which alone makes the cache valid."""
    faces.flush()  # type: ignore[attr-defined]
    np.save(folder / "points.npy", np.stack(meshes))
    np.save(folder / "valid.npy", np.stack(valid))
    (folder / "skipped.txt").write_text("\n".join(skipped), encoding="utf-8")
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(FaceRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in kept)
