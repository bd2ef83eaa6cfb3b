"""Scores on disk while they are made: one line per record, so that a killed run goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.evaluation.control_features import ControlFeatures
from facewitness.evaluation.scoring import Row, record_columns
from facewitness.whole_files import write_whole

SETTINGS_FILE: Final = "settings.json"
RECORDS_FILE: Final = "records.jsonl"
_FACE_COLUMNS: Final = (
    *("path", "frame_index", "time_s", "face_index"),
    *("score", "logit", "score_flipped", "not_scored"),
)
_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class StoredScores:
    """One record as it is kept.

    Attributes:
        rows: Rows of a score table.
        features: What the controls need; None when nothing was scored.
        localisation: Figures of the heatmap against the record's mask; empty where there are none.
    """

    rows: list[Row]
    features: ControlFeatures | None = None
    localisation: Mapping[str, Any] | None = None


def record_key(record: Record, size: int) -> str:
    """What a stored line belongs to: everything that the set says of the record, and the size of its file."""
    text = json.dumps([record.to_dict(), size], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class ScoreStore:
    """The folder of a run's scores.

    Each finished record is one line, written and flushed at once; a line that a kill cut off is dropped when the
    folder is opened again.

    Args:
        folder: Where the lines go; made when it does not exist.
        settings: Everything that decides the scores, JSON types only.

    Raises:
        ConfigError: If the folder holds scores made with other settings, or cannot be written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._file = folder / RECORDS_FILE
        self._done: dict[str, dict[str, Any]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _same_settings(folder, settings)
            self._read()
        except OSError as error:
            msg = f"cannot keep scores in {folder}: {error.strerror or error}; give another --out"
            raise ConfigError(msg) from error

    def __len__(self) -> int:
        return len(self._done)

    def get(self, key: str, record: Record) -> StoredScores | None:
        """The scores of a record that an earlier run finished; None when there are none."""
        kept = self._done.get(key)
        if kept is None:
            return None
        shared = record_columns(record)
        rows = [{**shared, **dict(zip(_FACE_COLUMNS, values, strict=True))} for values in kept["rows"]]
        features = None if kept["features"] is None else ControlFeatures.from_dict(kept["features"])
        return StoredScores(rows, features, kept["localisation"])

    def add(self, key: str, scores: StoredScores) -> None:
        """Keep one finished record.

        Raises:
            ConfigError: If the line cannot be written.
        """
        rows = [[_plain(row[name]) for name in _FACE_COLUMNS] for row in scores.rows]
        kept = {
            "key": key,
            "rows": rows,
            "features": None if scores.features is None else scores.features.to_dict(),
            "localisation": None if scores.localisation is None else dict(scores.localisation),
        }
        try:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(kept, allow_nan=False, separators=(",", ":")) + "\n")
        except OSError as error:
            msg = f"cannot write {self._file}: {error.strerror or error}; the run goes on from here when started again"
            raise ConfigError(msg) from error
        self._done[key] = kept

    def _read(self) -> None:
        """Take over what is whole; what a kill cut off is removed from the file."""
        if not self._file.exists():
            return
        whole = list(_whole_lines(self._file))
        self._done = {line["key"]: line for line in whole}
        text = self._file.read_text(encoding="utf-8", errors="replace")
        if text.count("\n") != len(whole) or not text.endswith("\n"):
            _LOG.warning("%s: a line was cut off; its record is scored again", self._file)
            write_whole(self._file, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in whole))


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                values = json.loads(line)
                if all(len(row) == len(_FACE_COLUMNS) for row in values["rows"]) and {"key", "features"} <= set(values):
                    yield {"localisation": None, **values}
            except (ValueError, KeyError, TypeError):
                continue


def _plain(value: Any) -> Any:
    """NaN as null, so that the line is JSON."""
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124


def _same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings down, or refuse scores that were made in another way."""
    path = folder / SETTINGS_FILE
    wanted = json.loads(json.dumps(settings))
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{path} is damaged ({error}); give another --out or delete {folder}"
            raise ConfigError(msg) from error
        changed = sorted(name for name in {*kept, *wanted} if kept.get(name) != wanted.get(name))
        if changed:
            name = changed[0]
            msg = f"{folder} holds scores with {name} = {kept.get(name)!r}, now it is {wanted.get(name)!r}; "
            raise ConfigError(msg + "give another --out, or delete that folder to score anew")
        return
    write_whole(path, json.dumps(wanted, indent=1, sort_keys=True) + "\n")
