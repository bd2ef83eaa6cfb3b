"""Named test sets of faces, cut to one face size for both labels.

A set's faces are found once, on the undamaged pictures. Each is cut with a square (a scene) that the pictures of both
labels can fill, and resized so that the face has one size. Codings are applied to scenes; the detector's own crop
is then cut out of the coded scene.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from facewitness.errors import ConfigError, FaceError, MediaError, UnknownNameError
from facewitness.evaluation import swap_pairs
from facewitness.faces import crops, detection, finder, landmarks
from facewitness.faces.crops import CropSpec, apply_affine, crop_face
from facewitness.faces.finder import Face, FaceFinder
from facewitness.media.images import read_image
from facewitness.pseudofakes import triangulated
from facewitness.weights import sha256_of
from facewitness.whole_files import replacing

Image = NDArray[np.uint8]

FACE_PX: Final = 128
_MAKERS: Final = (crops, detection, finder, landmarks, swap_pairs, triangulated)
"""Modules whose code decides how a set comes out; a change of theirs makes kept sets void."""

MISSING_FACE_RULE = (
    "the largest face of a picture counts; pictures that cannot be read, have no face, or cannot fill the set's square "
    "are left out and counted per label; faces are found before the coding"
)
"""What happens to pictures without a usable face, as results state it."""


class Picture(Protocol):
    """One row of a manifest (`facewitness.training.face_cache.FaceRow` is one)."""

    @property
    def file(self) -> str:
        """Path relative to the root."""

    @property
    def group(self) -> str:
        """First folder of ``file``."""

    @property
    def identity(self) -> str:
        """Who it shows."""


class Finder(Protocol):
    """What finds faces (`FaceFinder`)."""

    def find(self, image: Image) -> list[Face]:
        """Faces of an ``(H, W, 3)`` uint8 RGB picture, largest first."""


@dataclass(frozen=True)
class FaceSetSpec:
    """What a named set is made of.

    Attributes:
        real_group: Folder of the reals in the manifest.
        fake_group: Folder of the fakes; empty makes them from the reals by swapping faces in pairs.
        margin_ratio: Side of the scene in units of the longer side of the mesh box, as wide as both labels can fill.
        note: What to beware of.
    """

    real_group: str
    fake_group: str
    margin_ratio: float
    note: str


FACE_SETS: Final[Mapping[str, FaceSetSpec]] = {
    "ffhq256_vs_stylegan256": FaceSetSpec(
        "test_real_ffhq256", "test_fake_stylegan_256", 1.4, "alike in size and framing: the fairer synthetic pair"
    ),
    "unsplash300_vs_stylegan2_300": FaceSetSpec(
        "test_real_unsplash300",
        "test_fake_stylegan2_300",
        1.0,
        "the sources differ in sharpness and framing (hence the tight square): read it beside its controls only",
    ),
    "lfw_swaps": FaceSetSpec(
        "test_real_lfw",
        "",
        1.75,
        "face swaps by triangulation, Lab colour transfer and Poisson blending, a process that training never uses; "
        "every person is in one real and, with another's face, in one fake picture",
    ),
}
"""By name."""


@dataclass(frozen=True)
class FaceSet:
    """A set ready to be coded and scored.

    Attributes:
        name: One of `FACE_SETS`.
        scenes: ``(n, side, side, 3)`` uint8 RGB.
        boxes: ``(n, 4)`` float32 xyxy mesh boxes in scene pixels.
        labels: ``(n,)`` int64, 0 real and 1 fake.
        ids: ``(n,)`` whom an item belongs to, for resampling and folds.
        files: ``(n,)`` file in the manifest; for a swap that of the picture that got another face.
        left_out: Pictures left out, ``"real: no face"`` to their number.
    """

    name: str
    scenes: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    files: tuple[str, ...]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass
class _Collected:
    """Items of a set while it is made."""

    scenes: list[Image] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, what: str) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + 1


@dataclass(frozen=True)
class _Seen:
    """A picture with its largest face."""

    row: Picture
    pixels: Image
    face: Face


def face_set_spec(name: str) -> FaceSetSpec:
    """The recipe of a named set.

    Raises:
        UnknownNameError: If there is no such set.
    """
    if name not in FACE_SETS:
        msg = f"no test set is called {name!r}. Known: {', '.join(FACE_SETS)}"
        raise UnknownNameError(msg)
    return FACE_SETS[name]


def load_face_set(
    name: str,
    root: Path,
    rows: Sequence[Picture],
    *,
    work: Path,
    seed: int = 0,
    face_px: int = FACE_PX,
    face_finder: Finder | None = None,
) -> FaceSet:
    """Make a set, or take it from the work folder when nothing that it depends on has changed.

    Args:
        name: One of `FACE_SETS`.
        root: Folder of the manifest.
        rows: Rows of the manifest; those of other groups are ignored.
        work: Where finished sets are kept, one file each.
        seed: Of the pairs and of the swaps' random choices.
        face_px: Longer side of the mesh box in scenes, pixels.
        face_finder: Finds the faces; the packaged one by default.

    Returns:
        The set, with at least one item of both labels.

    Raises:
        UnknownNameError: If there is no such set.
        ConfigError: If a group is missing from the manifest, or a size is out of range.
        FaceError: If a label has no usable picture.
    """
    spec = face_set_spec(name)
    if not 16 <= face_px <= 1024:
        msg = f"face_px must be 16 to 1024, got {face_px}"
        raise ConfigError(msg)
    reals, fakes = _of_group(rows, spec.real_group), _of_group(rows, spec.fake_group)
    path = work / f"{name}-{_fingerprint(name, root, [*reals, *fakes], seed, face_px)[:16]}.npz"
    cached = _read(name, path)
    if cached is not None:
        return cached
    found = _Collected()
    look = face_finder or FaceFinder()
    crop = CropSpec(spec.margin_ratio, round(spec.margin_ratio * face_px), "shift")
    seen = _look(reals, root, look, found=found, name=name, label="real")
    if spec.fake_group:
        _add(found, seen, crop, 0)
        _add(found, _look(fakes, root, look, found=found, name=name, label="fake"), crop, 1)
    else:
        _add_swaps(found, seen, crop, seed)
    made = _finished(name, found)
    _write(made, path)
    return made


def _finished(name: str, found: _Collected) -> FaceSet:
    if set(found.labels) != {0, 1}:
        msg = f"{name}: expected usable pictures of both labels, got {found.labels.count(0)} real and "
        msg += f"{found.labels.count(1)} fake; left out: {found.left_out}"
        raise FaceError(msg)
    return FaceSet(
        name,
        np.stack(found.scenes),
        np.stack(found.boxes),
        np.array(found.labels, dtype=np.int64),
        tuple(found.ids),
        tuple(found.files),
        found.left_out,
    )


def _of_group(rows: Sequence[Picture], group: str) -> list[Picture]:
    chosen = [row for row in rows if row.group == group]
    if group and not chosen:
        msg = f"the manifest has no group {group!r}; it has {sorted({row.group for row in rows})}"
        raise ConfigError(msg)
    return chosen


def _fingerprint(name: str, root: Path, rows: Sequence[Picture], seed: int, face_px: int) -> str:
    """Hash of everything that a set's content depends on."""
    sizes = [(r.file, r.identity, (root / r.file).stat().st_size if (root / r.file).is_file() else -1) for r in rows]
    code = [sha256_of(Path(module.__file__ or "")) for module in _MAKERS]
    parts = [asdict(FACE_SETS[name]), str(root.resolve()), sizes, seed, face_px, code]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _look(
    rows: Sequence[Picture], root: Path, look: Finder, *, found: _Collected, name: str, label: str
) -> list[_Seen]:
    """Read pictures and find their largest faces."""
    seen: list[_Seen] = []
    console = Console(stderr=True)
    for row in track(rows, f"{name}: {label} faces", console=console, disable=not console.is_terminal):
        try:
            pixels = read_image(root / row.file).pixels
        except MediaError:
            found.leave_out(f"{label}: cannot be read")
            continue
        faces = look.find(pixels)
        if faces:
            seen.append(_Seen(row, pixels, faces[0]))
        else:
            found.leave_out(f"{label}: no face")
    return seen


def _fits(seen: _Seen, crop: CropSpec) -> bool:
    """Whether the square around the face is no larger than the picture (it may be moved inside)."""
    return bool(round(crop.margin_ratio * seen.face.size_px) <= min(seen.pixels.shape[:2]))


def _add(found: _Collected, seen: Sequence[_Seen], crop: CropSpec, label: int) -> None:
    word = ("real", "fake")[label]
    for one in seen:
        if _fits(one, crop):
            _add_one(found, one, crop, label, f"{word} {one.row.identity}")
        else:
            found.leave_out(f"{word}: cannot fill the square")


def _add_one(found: _Collected, seen: _Seen, crop: CropSpec, label: int, item_id: str) -> None:
    cut = crop_face(seen.pixels, seen.face.box, crop)
    found.scenes.append(cut.image)
    found.boxes.append(apply_affine(cut.frame_to_crop, seen.face.box.reshape(2, 2)).reshape(4))
    found.labels.append(label)
    found.ids.append(item_id)
    found.files.append(seen.row.file)


def _add_swaps(found: _Collected, seen: Sequence[_Seen], crop: CropSpec, seed: int) -> None:
    """Both pictures of each pair as they are, then each with the face of the other."""
    fitting = [one for one in seen if _fits(one, crop)]
    for _ in range(len(seen) - len(fitting)):
        found.leave_out("real: cannot fill the square")
    if not fitting:
        return
    shapes = np.stack([one.face.landmarks68 for one in fitting])
    pairs = swap_pairs.pair_by_pose(shapes, [one.row.identity for one in fitting], rng=np.random.default_rng(seed))
    for _ in range(len(fitting) - 2 * len(pairs)):
        found.leave_out("real: nobody of like pose to swap with")
    for number, (i, j) in enumerate(pairs):
        pair = (fitting[i], fitting[j])
        rng = np.random.default_rng([seed, number])
        try:
            swapped = [replace(a, pixels=_swap(a, b, rng)) for a, b in (pair, pair[::-1])]
        except FaceError:
            found.leave_out("pair: poses too different to swap")
            continue
        item_id = " + ".join(one.row.identity for one in pair)
        for label, items in ((0, pair), (1, swapped)):
            for one in items:
                _add_one(found, one, crop, label, item_id)


def _swap(target: _Seen, donor: _Seen, rng: np.random.Generator) -> Image:
    made = triangulated.triangulated_swap(target.pixels, target.face.mesh, donor.pixels, donor.face.mesh, rng)
    return made.fake


def _write(made: FaceSet, path: Path) -> None:
    """Write a set as one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as stream:
        np.savez(
            stream,
            scenes=made.scenes,
            boxes=made.boxes,
            labels=made.labels,
            ids=np.array(made.ids),
            files=np.array(made.files),
            left_out=np.array(json.dumps(made.left_out)),
        )


def _read(name: str, path: Path) -> FaceSet | None:
    """A finished set; None when there is none or the file is damaged."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            return FaceSet(
                name,
                kept["scenes"],
                kept["boxes"],
                kept["labels"],
                tuple(kept["ids"].tolist()),
                tuple(kept["files"].tolist()),
                json.loads(str(kept["left_out"])),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
