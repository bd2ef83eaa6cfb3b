"""Data of the user's own in any folders, described by a table: CSV, JSON or JSON lines.

Citation and licence: those of the user's own data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facewitness.datasets.folder import split_of
from facewitness.datasets.listing import PICTURES, Listing, index_of, read_csv, read_json, read_text, sort_out, wanted
from facewitness.datasets.records import SPLITS, DatasetInfo, MediaKind, Record
from facewitness.errors import ConfigError
from facewitness.records import Label

if TYPE_CHECKING:
    from facewitness.datasets.demo_media import Fake, Maker

INFO = DatasetInfo(
    title="manifest",
    paper="none: the user's own data",
    licence="the user's own",
    apply_at="nowhere; write a table of the files",
    tree="manifest.csv|json|jsonl\n<whatever the column file names>",
    notes=(
        "Columns: file and label (0, 1, real or fake); where known video_id, identity, source, split, manipulation (or "
        "method, or kind), compression, video_label, audio_label, mask, media_kind. Several people or sources are "
        "parted by ';'. Every other column is kept as metadata. JSON is a list of such objects, or {file: label} or "
        "{file: {...}}. Option file names another table."
    ),
)

TABLES: Final = ("manifest.csv", "manifest.json", "manifest.jsonl")
_AUDIO: Final = frozenset({".wav", ".mp3", ".flac", ".m4a", ".ogg", ".aac"})
_LABELS: Final = {"0": Label.REAL, "real": Label.REAL, "1": Label.FAKE, "fake": Label.FAKE}
_ALIASES: Final = {
    "file": ("file", "path", "filename"),
    "label": ("label",),
    "video_id": ("video_id",),
    "split": ("split",),
    "identity": ("identities", "identity"),
    "source": ("sources", "source"),
    "manipulation": ("manipulation", "method", "kind"),
    "compression": ("compression",),
    "video_label": ("video_label",),
    "audio_label": ("audio_label",),
    "mask": ("mask", "mask_path"),
    "media_kind": ("media_kind",),
}
"""Field to the columns that may hold it, the first that has a value counts."""


def listing(root: Path, split: str | None = None, *, file: str = "") -> Listing:
    """List what a table in ``root`` names.

    Args:
        root: Folder that the table's paths start from.
        split: One split; None takes everything.
        file: The table, below ``root``; empty takes ``manifest.csv``, ``.json`` or ``.jsonl``.

    Raises:
        ConfigError: If there is no table, a column or value is wrong, or none of the files is there.
    """
    table = _table(root, file)
    rows = read_rows(table)
    records = [_record(row, f"{table}, row {number}") for number, row in enumerate(rows, start=1)]
    wanted(split, tuple(s for s in SPLITS if any(r.split == s for r in records)), f"{table.name}")
    records = [r for r in records if split in (None, r.split)]
    return sort_out(root, records, f"files that {table.name} names")


index = index_of(listing)


def looks_like(root: Path) -> bool:
    """Whether a table of the usual name is there."""
    return any((root / name).is_file() for name in TABLES)


def read_rows(table: Path) -> list[dict[str, str]]:
    """Rows of a table as text, whatever its format; lists in JSON are joined by ``;``.

    Args:
        table: ``.csv``, ``.json`` or ``.jsonl``.

    Raises:
        ConfigError: If it cannot be read or is no table.
    """
    if table.suffix.lower() == ".csv":
        return read_csv(table, "a table of files")[1]
    if table.suffix.lower() == ".jsonl":
        text = read_text(table, "a table of files")
        try:
            values: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError) as error:
            msg = f"{table} has a line that is no JSON: {error}"
            raise ConfigError(msg) from error
    else:
        values = read_json(table, "a table of files")
    if isinstance(values, Mapping):
        values = [{"file": k, **(v if isinstance(v, Mapping) else {"label": v})} for k, v in values.items()]
    if not isinstance(values, Sequence) or not all(isinstance(v, Mapping) for v in values):
        msg = f"expected a list of objects or {{file: label}} in {table}"
        raise ConfigError(msg)
    return [{str(k): _cell(v) for k, v in row.items()} for row in values]


def _cell(value: object) -> str:
    """A JSON value as it would stand in a CSV cell."""
    if isinstance(value, list):
        return ";".join(str(v) for v in value)
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _table(root: Path, file: str) -> Path:
    if root.is_file():
        msg = f"give the folder that the paths start from: manifest:{root.parent}?file={root.name}"
        raise ConfigError(msg)
    names = (file,) if file else TABLES
    found = next((root / name for name in names if (root / name).is_file()), None)
    if found is None:
        msg = f"expected {' or '.join(names)} in {root}, found none"
        raise ConfigError(msg)
    return found


def _record(row: Mapping[str, str], where: str) -> Record:
    values = {field: _first(row, columns) for field, columns in _ALIASES.items()}
    path, label = values["file"].replace("\\", "/"), _label(values["label"], "label", where)
    if not path or label is None:
        msg = f"{where}: expected the columns file and label with values, got {dict(row)}"
        raise ConfigError(msg)
    part = split_of(values["split"]) if values["split"] else ""
    if part is None:
        msg = f"{where}: split must be one of {SPLITS} or a usual name of them, got {values['split']!r}"
        raise ConfigError(msg)
    kind = values["media_kind"] or _kind(path)
    taken = {column for columns in _ALIASES.values() for column in columns} - {"kind", "method"}
    try:
        return Record(
            path=path,
            video_id=values["video_id"] or path,
            label=label,
            dataset=row.get("dataset", "") or INFO.title,
            kind=kind,  # type: ignore[arg-type]
            split=part,
            identities=_several(values["identity"]),
            sources=_several(values["source"]),
            manipulation=values["manipulation"] if label else "",
            compression=values["compression"],
            video_label=_label(values["video_label"], "video_label", where),
            audio_label=_label(values["audio_label"], "audio_label", where),
            mask_path=values["mask"],
            metadata={k: v for k, v in row.items() if k not in taken and k != "dataset" and v},
        )
    except ConfigError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def _first(row: Mapping[str, str], columns: Sequence[str]) -> str:
    return next((row[c].strip() for c in columns if row.get(c, "").strip()), "")


def _several(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(";") if part.strip()))


def _label(text: str, column: str, where: str) -> Label | None:
    if not text:
        return None
    if text.lower() not in _LABELS:
        msg = f"{where}: {column} must be 0, 1, real or fake, got {text!r}"
        raise ConfigError(msg)
    return _LABELS[text.lower()]


def _kind(path: str) -> MediaKind:
    """What a path's ending says; a name without one is a folder of frames."""
    ending = Path(path).suffix.lower()
    if ending in PICTURES:
        return "image"
    if ending in _AUDIO:
        return "audio"
    if ".h5#" in path or ".hdf5#" in path:
        return "hdf5"
    return "video" if ending else "frames"


def make_demo(root: Path, maker: Maker) -> None:
    """Write a tiny synthetic copy: pictures and videos of twelve people with a table."""
    from facewitness.datasets.demo_media import FAKES

    lines = ["file,label,video_id,identity,source,split,manipulation,audio_label,video_label,mask"]
    for i in range(12):
        split = ("train", "train", "train", "train", "validation", "test")[i % 6]
        person, fake = f"p{i:02d}", FAKES[i % len(FAKES)]
        lines.append(f"real/{person}.jpg,0,,{person},{person},{split},,,,")
        maker.picture(root / "real" / f"{person}.jpg", person)
        made: Fake = fake
        maker.picture(root / "fake" / f"{person}.jpg", person, fake=made)
        maker.mask_picture(root / "masks" / f"{person}.png", person, fake=made)
        lines.append(f"fake/{person}.jpg,1,,{person},{person},{split},{made},,,masks/{person}.png")
        if i % 3 == 0:
            maker.video(root / "clips" / f"{person}.mp4", person, fake="local", sound="speech")
            lines.append(f"clips/{person}.mp4,1,,{person},{person},{split},local,0,1,")
    maker.text(root / "manifest.csv", "\n".join(lines) + "\n")
