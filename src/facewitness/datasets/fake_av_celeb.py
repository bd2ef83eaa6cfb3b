"""FakeAVCeleb: VoxCeleb2 people with real and fake pictures and voices in all four combinations.

Citation: Khalid et al., "FakeAVCeleb: A Novel Audio-Video Multimodal Deepfake Dataset", NeurIPS Datasets 2021.
Licence: research only, given on request; the form is linked at https://github.com/DASH-Lab/FakeAVCeleb.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facewitness.datasets.listing import VIDEOS, Listing, chosen, index_of, read_csv, sort_out, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, Record
from facewitness.datasets.splits import seed_of, split_by_person
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_files import Sound
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="FakeAVCeleb",
    paper="Khalid et al., FakeAVCeleb: A Novel Audio-Video Multimodal Deepfake Dataset, NeurIPS 2021",
    licence="research only, after signing the request form",
    apply_at="https://github.com/DASH-Lab/FakeAVCeleb",
    tree=(
        "meta_data.csv\n"
        "RealVideo-RealAudio/<race>/<men|women>/<id>/<clip>.mp4\n"
        "RealVideo-FakeAudio/<race>/<men|women>/<id>/<clip>_fake.mp4\n"
        "FakeVideo-RealAudio/<race>/<men|women>/<id>/<clip>_<n>_<id>.mp4\n"
        "FakeVideo-FakeAudio/<race>/<men|women>/<id>/<clip>_<n>_<id>_wavtolip.mp4"
    ),
    splits=(),
    notes=(
        "No official split: a seeded one by person (option seed), in which a fake made from people of two splits has "
        "none. The label is that of the picture, so RealVideo-FakeAudio counts as real for a picture detector; "
        "audio_label says the other half. 500 real clips face 20,000 fake ones. Fakes often start with a short "
        "silence that reals lack: report scores with the silence trimmed as well. The last column of meta_data.csv "
        "has no name and starts with the folder name FakeAVCeleb/."
    ),
)

TYPES: Final = ("RealVideo-RealAudio", "RealVideo-FakeAudio", "FakeVideo-RealAudio", "FakeVideo-FakeAudio")
_PERSON: Final = re.compile(r"id\d+")


def listing(root: Path, split: str | None = None, *, types: str = "", seed: str = "0") -> Listing:
    """List the clips that ``meta_data.csv`` names, or all in the four folders where there is none.

    Args:
        root: Folder with the four folders.
        split: Part of the seeded split; None lists everything.
        types: Some of the four folders, parted by commas; empty takes all.
        seed: Of the split.

    Raises:
        ConfigError: If the table is damaged, or nothing is there.
    """
    kinds, splits = chosen(types, TYPES, "types"), wanted(split, SPLITS, INFO.title)
    table = root / "meta_data.csv"
    rows = _named(table) if table.is_file() else _walked(root)
    records = split_by_person([_record(folder, name, about) for folder, name, about in rows], seed=seed_of(seed))
    records = [r for r in records if r.path.split("/", 1)[0] in kinds and (split is None or r.split in splits)]
    return sort_out(root, records, "clips in " + ", ".join(kinds))


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether one of the four folders is there."""
    return any((root / name).is_dir() for name in TYPES)


def _named(table: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Folder, file name and further columns of each row."""
    columns, rows = read_csv(table, "FakeAVCeleb's table")
    if not {"type", "race", "gender", "path", "source"} <= set(columns):
        msg = f"{table} lacks one of the columns source, type, race, gender, path; got {columns}"
        raise ConfigError(msg)
    for number, row in enumerate(rows, start=2):
        values = {key or "folder": value for key, value in row.items()}
        if values["type"] not in TYPES or not values["path"]:
            msg = f"{table}, line {number}: type must be one of {TYPES} and path a file name, got {values['type']!r}"
            raise ConfigError(msg)
        folder = "/".join((values["type"], values["race"], values["gender"], values["source"]))
        said = values.get("folder", "").strip("/")
        if values["type"] in said:
            folder = said[said.index(values["type"]) :]
        yield folder, values["path"].rsplit("/", 1)[-1], values


def _walked(root: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    for kind in TYPES:
        for file in sorted(f for f in (root / kind).rglob("*") if f.suffix.lower() in VIDEOS):
            folder = file.parent.relative_to(root).as_posix()
            parts = dict(zip(("type", "race", "gender", "source"), folder.split("/"), strict=False))
            yield folder, file.name, parts


def _record(folder: str, name: str, about: dict[str, str]) -> Record:
    kind = folder.split("/", 1)[0]
    stem = name.rpartition(".")[0]
    person = about.get("source") or folder.rsplit("/", 1)[-1]
    others = [about.get("target1", ""), about.get("target2", ""), *_PERSON.findall(stem)]
    people = dict.fromkeys([person, *(p for p in others if _PERSON.fullmatch(p))])
    video, sound = (Label.FAKE if half.startswith("Fake") else Label.REAL for half in kind.split("-"))
    method = about.get("method", "")
    return Record(
        path=f"{folder}/{name}",
        video_id=f"{folder}/{stem}",
        label=video,
        dataset=INFO.title,
        identities=tuple(people),
        sources=(f"{person}/{stem.split('_')[0]}",),
        manipulation="" if kind == TYPES[0] else method or kind,
        video_label=video,
        audio_label=sound,
        metadata={key: about[key] for key in ("race", "gender", "category", "type") if about.get(key)},
    )


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: six people, one clip of each type per person."""
    people = [(f"id{n:05d}", race, sex) for n, race, sex in _CAST]
    lines = ["source,target1,target2,method,category,type,race,gender,path,"]
    for i, (person, race, sex) in enumerate(people):
        donor = people[i ^ 1][0]
        clip = f"{100 + i:05d}"
        made: tuple[tuple[str, str, str, Fake], ...] = (
            (f"{clip}.mp4", "real", "A", ""),
            (f"{clip}_fake.mp4", "rtvc", "B", ""),
            (f"{clip}_1_{donor}.mp4", "faceswap", "C", "swap"),
            (f"{clip}_2_{person}_wavtolip.mp4", "wav2lip", "D", "local"),
        )
        for kind, (name, method, category, fake) in zip(TYPES, made, strict=True):
            folder = f"{kind}/{race}/{sex}/{person}"
            sound: Sound = "other" if kind.endswith("FakeAudio") else "speech"
            maker.video(root / folder / name, person, fake=fake, donor=donor if fake == "swap" else "", sound=sound)
            target = donor if fake == "swap" else "-"
            lines.append(f"{person},{target},-,{method},{category},{kind},{race},{sex},{name},FakeAVCeleb/{folder}")
    maker.text(root / "meta_data.csv", "\n".join(lines) + "\n")


_CAST: Final = (
    (76, "African", "men"),
    (166, "African", "men"),
    (366, "Asian (East)", "women"),
    (391, "Asian (South)", "women"),
    (781, "Caucasian (American)", "men"),
    (944, "Caucasian (European)", "women"),
)
