"""A plain folder: ``real/`` and ``fake/`` with pictures, videos, or one folder of frames per video.

Citation and licence: those of the user's own data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facewitness.datasets.listing import PICTURES, VIDEOS
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="folder",
    paper="none: the user's own data",
    licence="the user's own",
    apply_at="nowhere; put files in two folders",
    tree=(
        "real/**/*.jpg|mp4|...\n"
        "fake/**/*.jpg|mp4|...\n"
        "(or train/real, train/fake, val/real, ... with val, valid or validation)"
    ),
    notes=(
        "Each file counts as one video. With frames=folders, pictures in one folder below real/ or fake/ are the "
        "frames of one video; pictures that lie in real/ itself stay single. The first folder below fake/ is the "
        "manipulation where there is one. Nothing is known of people: use the manifest set for splits by identity."
    ),
)

_SPLIT_NAMES: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
_LABELS: Final = (("real", Label.REAL), ("fake", Label.FAKE))
_UNITS: Final = ("files", "folders")


def split_of(name: str) -> str | None:
    """The split that a folder or a cell names; None if it names none.

    Example:
        >>> split_of("Validation")
        'val'
    """
    return _SPLIT_NAMES.get(name.strip().lower())


def index(root: Path, split: str | None = None, *, frames: str = "files") -> list[Record]:
    """List every picture and video below ``real`` and ``fake``, or below those of each split's folder.

    Args:
        root: Folder with ``real`` and ``fake``, or with folders of splits that hold them.
        split: One split; None takes everything.
        frames: ``files`` counts each picture as a video, ``folders`` each folder of pictures.

    Raises:
        ConfigError: If a split is asked for that is not there, or one of the two folders is missing or empty.
    """
    if frames not in _UNITS:
        msg = f"frames must be one of {_UNITS}, got {frames!r}"
        raise ConfigError(msg)
    places = _places(root)
    if split is not None and split not in places.values():
        known = sorted({s for s in places.values() if s}) or "none"
        msg = f"{root} has the splits {known}, got {split!r}; make {split}/real and {split}/fake, or use a manifest"
        raise ConfigError(msg)
    return [
        record
        for place, part in places.items()
        if split in (None, part)
        for name, label in _LABELS
        for record in _below(root, f"{place}{name}", label, part, whole_folders=frames == "folders")
    ]


def looks_like(root: Path) -> bool:
    """Whether ``real`` and ``fake`` are there, plainly or in folders of splits."""
    return all((root / f"{place}{name}").is_dir() for place in _places(root) for name, _ in _LABELS)


def _places(root: Path) -> dict[str, str]:
    """Where ``real`` and ``fake`` lie, with a slash, and the split of each place."""
    if any((root / name).is_dir() for name, _ in _LABELS):
        return {"": ""}
    folders = sorted(f.name for f in root.iterdir() if f.is_dir()) if root.is_dir() else []
    found = {f"{name}/": part for name in folders if (part := split_of(name)) is not None}
    return dict(sorted(found.items(), key=lambda item: SPLITS.index(item[1]))) or {"": ""}


def _below(root: Path, name: str, label: Label, split: str, *, whole_folders: bool) -> Iterator[Record]:
    top = root / name
    files = sorted(f for f in top.rglob("*") if f.suffix.lower() in PICTURES | VIDEOS and f.is_file())
    if not files:
        msg = f"expected pictures or videos in {top}, found none"
        raise ConfigError(msg)
    seen: set[Path] = set()
    for file in files:
        is_picture = file.suffix.lower() in PICTURES
        as_frames = whole_folders and is_picture and file.parent != top
        unit = file.parent if as_frames else file
        if unit in seen:
            continue
        seen.add(unit)
        path = unit.relative_to(root).as_posix()
        inner = unit.relative_to(top).parts
        made = inner[0] if label and len(inner) > 1 else ""
        kind = "frames" if as_frames else "image" if is_picture else "video"
        yield Record(path, path, label, "folder", kind, split=split, manipulation=made)  # type: ignore[arg-type]


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: three splits with pictures and videos."""
    from facewitness.datasets.demo_media import FAKES

    for split, count in (("train", 6), ("val", 2), ("test", 4)):
        for i in range(count):
            person = f"{split}{i}"
            fake: Fake = FAKES[i % len(FAKES)]
            maker.picture(root / split / "real" / f"{person}.jpg", person)
            maker.picture(root / split / "fake" / fake / f"{person}_x.jpg", f"{person}x", fake=fake)
        maker.video(root / split / "real" / f"{split}_clip.mp4", f"{split}-clip", sound="speech")
        maker.video(
            root / split / "fake" / "local" / f"{split}_clip_x.mp4", f"{split}-clipx", fake="local", sound="other"
        )
