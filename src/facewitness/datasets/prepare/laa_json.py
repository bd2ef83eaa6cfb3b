"""LAA-Net's processed JSON: written from prepared data, read from anybody's.

``{"data": [{"id", "image_path", "file_name", "fake_type", "orig_lms", "aligned_lms", ...}, ...]}``. The authors' script
and their README name the file differently (`laa_json_name`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from facewitness.datasets.prepared import Points, PreparedFrame, PreparedSet, PreparedVideo, fingerprint_of, write_file
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.records import Label

Convention = Literal["script", "readme"]

CLUSTER_PREFIX: Final = "/data/deepfake_cluster/datasets_df/FaceForensics++/c0/"
"""What the authors' loader replaces by the root of the split; other paths are joined to it."""

_REAL_FOLDERS: Final = ("original", "aligned")


@dataclass(frozen=True)
class LaaItem:
    """One frame of a processed JSON.

    Attributes:
        id: Number of the item.
        image_path: Of the crop, of the levelled one where landmarks were aligned.
        file_name: Name of the picture.
        fake_type: Folder that the video lies in; ``original`` for reals.
        orig_lms: Landmarks in the crop, whole pixels; empty where there is no face.
        aligned_lms: Landmarks in the levelled crop.
        best_match: Paths of the frames of other videos with the nearest landmarks; None where not searched for.
        label: ``real`` or ``fake``; None in files that do not say.
        mask_path: Of the mask; None where there is none.
        others: Keys that are not LAA-Net's, kept as they are.
    """

    id: int
    image_path: str
    file_name: str
    fake_type: str
    orig_lms: Points = field(default_factory=Points)
    aligned_lms: Points = field(default_factory=Points)
    best_match: tuple[str, ...] | None = None
    label: str | None = None
    mask_path: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_fake(self) -> bool:
        """The label as the authors' loader finds it: the key, or else words in the path."""
        if self.label is not None:
            return self.label == "fake"
        return "fake" in self.image_path or not any(word in self.image_path for word in _REAL_FOLDERS)

    def to_dict(self) -> dict[str, Any]:
        """The item as it stands in the file; optional keys only where they have a value."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in ("id", "image_path", "file_name", "fake_type")}
        plain["orig_lms"], plain["aligned_lms"] = _whole(self.orig_lms), _whole(self.aligned_lms)
        if self.best_match is not None:
            plain["best_match"] = list(self.best_match)
        optional = {"label": self.label, "mask_path": self.mask_path}
        return {**plain, **{name: value for name, value in optional.items() if value is not None}, **self.others}


def _whole(points: Points) -> list[list[int]]:
    return [[round(x), round(y)] for x, y in points.to_list()]


def laa_json_name(
    split: str, *, dataset: str = "FF++", fake_type: str = "original", landmarks: int = 81, convention: Convention
) -> str:
    """Name of a processed JSON, to lie in ``processed_data/{compression}/``.

    Args:
        split: ``train``, ``val``, ``test``.
        dataset: As in the authors' configuration.
        fake_type: The first one of the configuration (``script``).
        landmarks: 81 or 68.
        convention: ``script`` is what the authors' program writes, ``readme`` what their README and configurations
            expect.

    Example:
        >>> laa_json_name("train", convention="script"), laa_json_name("train", convention="readme")
        ('train_FF++_original_81.json', 'train_81_FF++_processed.json')
    """
    if convention == "readme":
        return f"{split}_{landmarks}_{dataset}_processed.json"
    return f"{split}_{dataset}_{fake_type}_{landmarks}.json"


def read_laa_json(path: Path, *, rewrite: Mapping[str, str] | None = None) -> list[LaaItem]:
    """Read a processed JSON.

    Args:
        path: The file.
        rewrite: Beginnings of paths to what takes their place, such as ``{CLUSTER_PREFIX: ""}``; the first that fits
            counts.

    Raises:
        ConfigError: If the file is missing or no such JSON; the item at fault is named.
    """
    try:
        items = list(json.loads(path.read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f'{path}: expected {{"data": [...]}} as LAA-Net writes it ({error})'
        raise ConfigError(msg) from error
    return [_item(path, number, values, rewrite or {}) for number, values in enumerate(items)]


def _item(path: Path, number: int, values: Any, rewrite: Mapping[str, str]) -> LaaItem:
    try:
        plain = dict(values)
        matches = plain.pop("best_match", None)
        mask = plain.pop("mask_path", None)
        return LaaItem(
            id=int(plain.pop("id", number)),
            image_path=_rewritten(plain.pop("image_path"), rewrite),
            file_name=str(plain.pop("file_name", "")),
            fake_type=str(plain.pop("fake_type", "")),
            orig_lms=Points(plain.pop("orig_lms", ())),
            aligned_lms=Points(plain.pop("aligned_lms", ())),
            best_match=None if matches is None else tuple(_rewritten(match, rewrite) for match in matches),
            label=plain.pop("label", None),
            mask_path=None if mask is None else _rewritten(mask, rewrite),
            others=plain,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: item {number} is none of LAA-Net's ({type(error).__name__}: {error})"
        raise ConfigError(msg) from error


def _rewritten(path: str, rewrite: Mapping[str, str]) -> str:
    for old, new in rewrite.items():
        if path.startswith(old):
            return new + path.removeprefix(old)
    return path


def write_laa_json(path: Path, items: Sequence[LaaItem]) -> None:
    """Write a processed JSON; a reader sees the old file or the new one."""
    write_file(path, json.dumps({"data": [item.to_dict() for item in items]}, separators=(",", ":")).encode())


def laa_items(
    prepared: PreparedSet, *, split: str | None = None, compression: str | None = None, prefix: str | None = None
) -> list[LaaItem]:
    """Items for the authors' loader: of the levelled crops where they were made, else of the crops.

    Args:
        prepared: With crops and landmarks; with neighbours, ``best_match`` is filled in.
        split: Only videos of this split.
        compression: Only videos of this compression.
        prefix: Stands before each path; None is the prepared folder's own place.
    """
    before = f"{prepared.folder.resolve().as_posix()}/" if prefix is None else prefix
    frames = prepared.frames()
    table = prepared.neighbours() if "neighbours" in prepared.settings["steps"] else None
    items: list[LaaItem] = []
    for place, (video, frame) in enumerate(frames):
        if split not in (None, video.record.split) or compression not in (None, video.record.compression):
            continue
        matches: tuple[str, ...] | None = None
        if table is not None and table[place].max() >= 0:
            matches = tuple(before + _picture(frames[other][1]) for other in table[place].tolist() if other >= 0)
        is_fake = video.record.label == Label.FAKE
        items.append(
            LaaItem(
                id=len(items),
                image_path=before + _picture(frame),
                file_name=PurePosixPath(_picture(frame)).name,
                fake_type=video.record.manipulation or ("fake" if is_fake else "original"),
                orig_lms=frame.landmarks,
                aligned_lms=frame.aligned_landmarks,
                best_match=matches,
                label="fake" if is_fake else "real",
                mask_path=before + frame.mask if frame.mask else None,
            )
        )
    return items


def _picture(frame: PreparedFrame) -> str:
    return frame.aligned or frame.crop


def import_laa_json(
    path: Path, root: Path, *, dataset: str = "FF++", split: str = "", rewrite: Mapping[str, str] | None = None
) -> PreparedSet:
    """Prepared data from a processed JSON and the crops that belong to it.

    Frames of one folder are one video, of one label. `facewitness.datasets.prepared.save_prepared` makes the result a
    folder that `open_prepared` takes.

    Args:
        path: The JSON.
        root: Folder that the crops lie below.
        dataset: Title of the set.
        split: What the file is.
        rewrite: Beginnings of its paths to what takes their place; afterwards they must lie below ``root``, or be
            relative to it.

    Raises:
        ConfigError: If the file is no such JSON, a path leads elsewhere, or a picture is missing.
    """
    groups: dict[tuple[str, bool], list[LaaItem]] = {}
    for item in read_laa_json(path, rewrite=rewrite):
        place = _below(root, item.image_path, path)
        groups.setdefault((PurePosixPath(place).parent.as_posix(), item.is_fake), []).append(item)
    videos = []
    for (folder, is_fake), items in sorted(groups.items()):
        label = Label.FAKE if is_fake else Label.REAL
        kind = items[0].fake_type if is_fake else ""
        name = f"{label.name.lower()}/{folder}"
        record = Record(folder, name, label, dataset, "frames", split, manipulation=kind)
        frames = [_frame(root, path, place, item) for place, item in enumerate(items)]
        faceless = tuple(frame.frame_index for frame in frames if not frame.landmarks)
        videos.append(PreparedVideo(record, tuple(frame for frame in frames if frame.landmarks), faceless))
    has_aligned = any(frame.aligned for video in videos for frame in video.frames)
    counts = {len(frame.landmarks) for video in videos for frame in video.frames} - {0}
    settings = {
        "imported_from": "LAA-Net processed JSON",
        "landmarks": max(counts, default=0),
        "steps": ["crops", "landmarks", *(["align"] if has_aligned else [])],
    }
    return PreparedSet(root, dataset, settings, fingerprint_of(settings), tuple(videos))


def _below(root: Path, image_path: str, source: Path) -> str:
    """A path below the root, with ``/``."""
    path = Path(image_path)
    try:
        place = (path.relative_to(root) if path.is_absolute() else path).as_posix()
    except ValueError as error:
        msg = f"{source}: {image_path} does not lie below {root}; say in rewrite what its beginning stands for"
        raise ConfigError(msg) from error
    if not (root / place).is_file():
        msg = f"{source}: there is no picture {root / place}; check the root and rewrite"
        raise ConfigError(msg)
    return place


def _frame(root: Path, source: Path, place: int, item: LaaItem) -> PreparedFrame:
    path = _below(root, item.image_path, source)
    stem = PurePosixPath(path).stem
    points = item.orig_lms if len(item.orig_lms) else item.aligned_lms
    return PreparedFrame(
        frame_index=int(stem) if stem.isdecimal() else place,
        time_s=0.0,
        face_box=(0.0, 0.0, 0.0, 0.0),
        crop_box=(0, 0, 0, 0),
        crop=path,  # the levelled picture is a crop too; the one before levelling is not in the file
        mask=_below(root, item.mask_path, source) if item.mask_path else "",
        landmarks=item.aligned_lms if len(item.aligned_lms) else points,
        aligned=path if len(item.aligned_lms) else "",
        aligned_landmarks=item.aligned_lms,
    )
