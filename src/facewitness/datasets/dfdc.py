"""DFDC, Facebook's DeepFake Detection Challenge: training parts with metadata.json, the rest with labels.csv.

Citation: Dolhansky et al., "The DeepFake Detection Challenge (DFDC) Dataset", arXiv 2006.07397, 2020.
Licence: DFDC terms of use. The smaller preview is `dfdcp`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import (
    Listing,
    Place,
    index_of,
    names_in,
    place_of,
    read_csv,
    read_json,
    read_text,
    sort_out,
    wanted,
)
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DFDC",
    paper="Dolhansky et al., The DeepFake Detection Challenge (DFDC) Dataset, arXiv 2006.07397, 2020",
    licence="DFDC terms of use: research on deepfake detection, no redistribution, no identification of people",
    apply_at="https://ai.meta.com/datasets/dfdc/",
    tree=(
        "train/dfdc_train_part_<n>/{metadata.json,*.mp4} (also without train/)\n"
        "validation/{labels.csv,*.mp4}\n"
        "test/{labels.csv,*.mp4} (or test/videos/*.mp4; or labels.csv and videos/*.mp4 at the top)\n"
        "<any of them>/frames/<video>/*.png"
    ),
    notes=(
        "Two test sets go by this name: all 5,000 videos of labels.csv, and 3,215 of them with a frontal face (option "
        "names=FILE, one name per line); their numbers do not compare. Tables of LAA-Net say DFDC for DFDCP, which is "
        "the set dfdcp. Whether picture, sound or both are forged is not said."
    ),
)

_TRAIN: Final = ("train", "", "train_videos")
_PARTS: Final = ("dfdc_train_part", "train_sample_videos")
_FOLDERS: Final = {"val": ("validation", "val", "valid"), "test": ("test", "", "test_videos")}
_LISTS: Final = ("labels.csv", "metadata.json")
_LABELS: Final = {"0": Label.REAL, "real": Label.REAL, "1": Label.FAKE, "fake": Label.FAKE}
_VIDEOS: Final = ("videos", "test_videos", "test")


def listing(root: Path, split: str | None = None, *, names: str = "", media: str = "") -> Listing:
    """List what the metadata and label files name.

    Args:
        root: Folder with the parts.
        split: ``train``, ``val``, ``test``; None takes those that are there.
        names: File, below the root or anywhere, with the test videos to keep, one name per line.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If a list is missing or damaged, or nothing of what it names is there.
    """
    named: list[Record] = []
    if "train" in wanted(split, SPLITS, INFO.title):
        named += _train(root, media)
        if split and not named:
            msg = f"expected metadata.json in {root}/train/dfdc_train_part_<n>, found none"
            raise ConfigError(msg)
    for name in ("val", "test"):
        found = _list_of(root, name) if split in (None, name) else None
        if found is not None:
            named += _labelled(root, found, name, names if name == "test" else "", media)
        elif split == name:
            msg = f"expected DFDC's labels at {root / _FOLDERS[name][0]}/labels.csv, found none"
            raise ConfigError(msg)
    return sort_out(root, named, "DFDC's metadata.json or labels.csv and the videos they name")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether a list of the test set or a training part is there."""
    return bool(_list_of(root, "test") or _parts(root))


def _parts(root: Path) -> list[str]:
    """Folders with a metadata.json, below the root; unzipped parts often lie one folder deeper than their name."""
    found = []
    for base in _TRAIN:
        for name in names_in(root / base):
            part = f"{base}/{name}".lstrip("/")
            if name.startswith(_PARTS):
                inner = (f"{part}/{child}" for child in names_in(root / part) if child.startswith(_PARTS))
                found += [folder for folder in (part, *inner) if (root / folder / "metadata.json").is_file()]
    return found


def _train(root: Path, media: str) -> Iterator[Record]:
    for part in _parts(root):
        path = root / part / "metadata.json"
        place = place_of(root, part, media, flat=True)
        for name, entry in _entries(path).items():
            stem = PurePosixPath(name).stem
            original = entry.get("original")
            source = PurePosixPath(original).stem if isinstance(original, str) else stem
            label = _label(entry.get("label"), path, name)
            video_id = f"{PurePosixPath(part).name}/{stem}"
            yield _record(place, stem, label, split="train", source=source, video_id=video_id)


def _entries(path: Path) -> dict[str, Mapping[str, object]]:
    entries = read_json(path, "DFDC's metadata")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        msg = f'{path}: expected {{"<video>.mp4": {{"label": "FAKE", "original": ...}}}}; take the file of the download'
        raise ConfigError(msg)
    return entries


def _list_of(root: Path, split: str) -> Path | None:
    paths = (root / folder / name for folder in _FOLDERS[split] for name in _LISTS)
    return next((path for path in paths if path.is_file()), None)


def _labelled(root: Path, path: Path, split: str, names: str, media: str) -> Iterator[Record]:
    labels = dict(_csv_labels(path) if path.suffix == ".csv" else _json_labels(path))
    folder = path.parent.relative_to(root).as_posix()
    if folder == ".":
        top = next((name for name in _VIDEOS if (root / name).is_dir()), _VIDEOS[0])
        place = Place(top, "video", ".mp4") if not media else place_of(root, top, media, flat=True)
    else:
        place = place_of(root, folder, media, flat=True)
    for stem in _kept(root, names, labels):
        yield _record(place, stem, labels[stem], split=split, source=stem, video_id=f"{split}/{stem}")


def _kept(root: Path, names: str, labels: Mapping[str, Label]) -> list[str]:
    if not names:
        return list(labels)
    path = root / names if (root / names).is_file() else Path(names)
    lines = read_text(path, "a list of DFDC's videos, one name per line").split()
    kept = [PurePosixPath(line).stem for line in lines]
    unknown = [name for name in kept if name not in labels]
    if unknown:
        msg = f"{path}: {len(unknown)} names, such as {unknown[0]!r}, are not in DFDC's labels; is it for another set?"
        raise ConfigError(msg)
    return list(dict.fromkeys(kept))


def _csv_labels(path: Path) -> Iterator[tuple[str, Label]]:
    columns, rows = read_csv(path, "DFDC's labels")
    if not {"filename", "label"} <= set(columns):
        msg = f"{path}: expected the columns filename and label, got {', '.join(columns) or 'none'}"
        raise ConfigError(msg)
    for row in rows:
        yield PurePosixPath(row["filename"]).stem, _label(row["label"], path, row["filename"])


def _json_labels(path: Path) -> Iterator[tuple[str, Label]]:
    for name, entry in _entries(path).items():
        yield PurePosixPath(name).stem, _label(entry.get("label", entry.get("is_fake")), path, name)


def _label(text: object, path: Path, name: str) -> Label:
    label = _LABELS.get(str(text).lower())
    if label is None:
        msg = f"{path}: expected FAKE, REAL, 0 or 1 as the label of {name}, got {text!r}"
        raise ConfigError(msg)
    return label


def _record(place: Place, stem: str, label: Label, *, split: str, source: str, video_id: str) -> Record:
    return Record(
        path=place.path(stem),
        video_id=video_id,
        label=label,
        dataset=INFO.title,
        kind=place.kind,
        split=split,
        sources=(source,),
        manipulation=INFO.title if label is Label.FAKE else "",
    )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: one training part of four videos, two videos to validate, four to test."""
    part = root / "train" / "dfdc_train_part_0"
    metadata: dict[str, dict[str, str | None]] = {}
    for real, fake in (("aagfhgtpmv", "aapnvogymq"), ("abarnvbtwb", "abofeumbvv")):
        maker.video(part / f"{real}.mp4", real, sound="speech")
        maker.video(part / f"{fake}.mp4", real, fake="swap", sound="speech")
        metadata[f"{real}.mp4"] = {"label": "REAL", "split": "train", "original": None}
        metadata[f"{fake}.mp4"] = {"label": "FAKE", "split": "train", "original": f"{real}.mp4"}
    maker.json(part / "metadata.json", metadata)
    held = {
        "validation": ("aassnaulhq", "aayfryxljh"),
        "test": ("acazlolrpz", "adohdulfwb", "ahjnxtiamx", "ajiyrjfyzp"),
    }
    for folder, names in held.items():
        rows = ["filename,label"]
        for i, name in enumerate(names):
            maker.video(root / folder / f"{name}.mp4", name, fake="swap" if i % 2 else "", sound="speech")
            rows.append(f"{name}.mp4,{i % 2}")
        maker.text(root / folder / "labels.csv", "\n".join(rows) + "\n")
