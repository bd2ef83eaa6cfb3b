"""DFDCP, the preview of the DeepFake Detection Challenge: 5,214 videos of 66 actors, two methods, dataset.json.

Citation: Dolhansky et al., "The Deepfake Detection Challenge (DFDC) Preview Dataset", arXiv 1910.08854, 2019.
Licence: DFDC terms of use. LAA-Net's tables call this set DFDC.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from facewitness.datasets.demo_media import Maker
from facewitness.datasets.listing import Listing, index_of, read_json, sort_out, wanted
from facewitness.datasets.records import DatasetInfo, MediaKind, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

INFO = DatasetInfo(
    title="DFDCP",
    paper="Dolhansky et al., The Deepfake Detection Challenge (DFDC) Preview Dataset, arXiv 1910.08854, 2019",
    licence="DFDC terms of use: research on deepfake detection, no redistribution, no identification of people",
    apply_at="https://ai.meta.com/datasets/dfdc/",
    tree=(
        "dataset.json\n"
        "original_videos/643049/643049_A_001.mp4\n"
        "method_A/643049/643049_A/<actor>_643049_A_001.mp4\n"
        "method_B/1260311/1260311_C/1255229_1260311_C_001.mp4\n"
        "or <any of them>/videos/..., <any of them>/frames/<video>/*.png"
    ),
    splits=("train", "test"),
    notes=(
        "What LAA-Net's paper and tables call DFDC is this set (its authors, issue 3 of their repository), so numbers "
        "under that name compare with this one, not with dfdc. dataset.json is the only list."
    ),
)

LIST: Final = "dataset.json"
_LABELS: Final = {"real": Label.REAL, "fake": Label.FAKE}


def listing(root: Path, split: str | None = None, *, media: str = "") -> Listing:
    """List what ``dataset.json`` names.

    Args:
        root: Folder with ``dataset.json``.
        split: ``train``, ``test``; None takes both.
        media: ``videos``, ``frames`` or ``images``; empty takes the first that is there.

    Raises:
        ConfigError: If the list is missing or damaged, or nothing of what it names is there.
    """
    splits = wanted(split, INFO.splits, INFO.title)
    path = root / LIST
    entries = read_json(path, "DFDCP's list of videos")
    if not isinstance(entries, dict) or not all(_is_entry(entry) for entry in entries.values()):
        msg = (
            f'{path}: expected {{"<path>": {{"label": "real" or "fake", "set": "train" or "test"}}}}; take the original'
        )
        raise ConfigError(msg)
    forms = {name: _form(root, name, media) for name in {key.partition("/")[0] for key in entries}}
    named = [_record(key, entry, forms) for key, entry in entries.items() if entry["set"] in splits]
    return sort_out(root, named, "DFDCP's videos")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether the list and the folder of real videos are there."""
    return (root / LIST).is_file() and (root / "original_videos").is_dir()


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("label") in _LABELS and entry.get("set") in INFO.splits


def _form(root: Path, folder: str, media: str) -> str:
    forms = ("videos", "frames", "images")
    if media not in ("", *forms):
        msg = f"media must be one of {', '.join(forms)}, got {media!r}"
        raise ConfigError(msg)
    here = next((form for form in forms if (root / folder / form).is_dir()), "")
    return here if media in ("", "videos") and here in ("", "videos") else media or here


def _record(key: str, entry: Mapping[str, object], forms: Mapping[str, str]) -> Record:
    name = PurePosixPath(key)
    method, _, rest = key.partition("/")
    form, label = forms[method], _LABELS[str(entry["label"])]
    kind: MediaKind = "frames" if form in ("frames", "images") else "video"
    inner = name.stem if kind == "frames" else rest
    people = (entry.get("target_id"), entry.get("swapped_id") if label is Label.FAKE else None)
    return Record(
        path="/".join(part for part in (method, form, inner) if part),
        video_id=key.removesuffix(name.suffix),
        label=label,
        dataset=INFO.title,
        kind=kind,
        split=str(entry["set"]),
        identities=tuple(dict.fromkeys(str(person) for person in people if person)),
        sources=(_source(name, entry, label),),
        manipulation=method if label is Label.FAKE else "",
    )


def _source(name: PurePosixPath, entry: Mapping[str, object], label: Label) -> str:
    """The take, such as ``643049_A``: clips of one take count as one source."""
    if entry.get("source_video"):
        return PurePosixPath(str(entry["source_video"])).stem
    return name.parent.name if label is Label.FAKE else name.stem.rpartition("_")[0] or name.stem


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: two actors to train, two to test, swapped in both directions by both methods."""
    entries: dict[str, dict[str, object]] = {}

    def enter(key: str, label: str, split: str, target: str, donor: str | None) -> None:
        entries[key] = {"label": label, "set": split, "augmentations": [], "target_id": target, "swapped_id": donor}

    for split, pair in (("train", ("643049", "1224068")), ("test", ("1260311", "1255229"))):
        for target, donor in (pair, pair[::-1]):
            key = f"original_videos/{target}/{target}_A_001.mp4"
            maker.video(root / key, target, sound="speech")
            enter(key, "real", split, target, None)
            for method in ("method_A", "method_B"):
                key = f"{method}/{target}/{target}_A/{donor}_{target}_A_001.mp4"
                other = donor if method == "method_A" else f"{donor}, twin"
                maker.video(root / key, target, fake="swap", donor=other, sound="speech")
                enter(key, "fake", split, target, donor)
    maker.json(root / LIST, entries)
