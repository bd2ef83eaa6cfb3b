"""The table of scores that every evaluation starts from: one row per face that was, or should have been, scored."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError, MissingExtraError
from facewitness.whole_files import replacing

Words = NDArray[np.str_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_DEFAULTS: Final[dict[str, object]] = {
    "dataset": "",
    "split": "",
    "manipulation": "",
    "compression": "",
    "identity": "",
    "path": "",
    "frame_index": 0,
    "time_s": 0.0,
    "face_index": 0,
    "logit": float("nan"),
    "score_flipped": float("nan"),
    "not_scored": "",
}
_FLOATS: Final = frozenset({"time_s", "score", "logit", "score_flipped"})
_INTEGERS: Final = frozenset({"label", "frame_index", "face_index"})
_PICTURES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of faces, column by column; all columns have one length.

    A frame without a usable face has a row as well, with ``score`` NaN and the reason in ``not_scored``; a video of
    which nothing was scored thus stays in the table and is counted.

    Attributes:
        video_id: ``(n,)`` str, unique within ``dataset`` (never a bare folder name that two methods share).
        dataset: ``(n,)`` str, the set as its authors spell it.
        split: ``(n,)`` str, such as ``test``.
        label: ``(n,)`` int64, 0 real, 1 fake.
        manipulation: ``(n,)`` str, method of the fake; empty for reals.
        compression: ``(n,)`` str, such as ``c23``.
        identity: ``(n,)`` str, whom the video shows: what intervals resample; empty where not known.
        path: ``(n,)`` str, file of the video or of the frame, with ``/``.
        frame_index: ``(n,)`` int64, index of the frame in its video.
        time_s: ``(n,)`` float64, time of the frame.
        face_index: ``(n,)`` int64, which face of the frame.
        score: ``(n,)`` float64, P(fake) or another score that is higher for fakes; NaN where not scored.
        logit: ``(n,)`` float64, logit of the score; NaN where there is none.
        score_flipped: ``(n,)`` float64, score of the mirrored face; NaN where there is none.
        not_scored: ``(n,)`` str, why there is no score; empty where there is one.

    Raises:
        ConfigError: On columns of different length or type, an infinite score, a label other than 0 and 1, an empty
            ``video_id``, a missing score without a reason, or a reason beside a score.
    """

    video_id: Words
    dataset: Words
    split: Words
    label: Integers
    manipulation: Words
    compression: Words
    identity: Words
    path: Words
    frame_index: Integers
    time_s: Floats
    face_index: Integers
    score: Floats
    logit: Floats
    score_flipped: Floats
    not_scored: Words

    def __post_init__(self) -> None:
        """Bring the columns to their types and check them."""
        for name in COLUMNS:
            column = _typed(name, getattr(self, name))
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        sizes = {name: getattr(self, name).shape for name in COLUMNS}
        if len(set(sizes.values())) != 1 or self.score.ndim != 1:
            msg = f"the columns of a score table must be (n,) of one length, got {sizes}"
            raise ConfigError(msg)
        self._check_values()

    def _check_values(self) -> None:
        if not np.isin(self.label, (0, 1)).all():
            msg = f"label must be 0 (real) or 1 (fake), got {np.unique(self.label)[:5].tolist()}"
            raise ConfigError(msg)
        if (self.video_id == "").any():
            msg = f"every row needs a video_id; row {int(np.flatnonzero(self.video_id == '')[0])} has none"
            raise ConfigError(msg)
        for name in ("score", "logit", "score_flipped"):
            if np.isinf(getattr(self, name)).any():
                msg = f"{name} must be finite, or NaN where there is none; got an infinite value"
                raise ConfigError(msg)
        odd = np.flatnonzero(np.isnan(self.score) != (self.not_scored != ""))
        if odd.size:
            msg = (
                f"a row has a score or a reason in not_scored, never both or neither; row {int(odd[0])} "
                f"({self.video_id[odd[0]]}) has score {self.score[odd[0]]} and reason {str(self.not_scored[odd[0]])!r}"
            )
            raise ConfigError(msg)

    def __len__(self) -> int:
        """Number of rows."""
        return int(self.score.size)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """``(n,)`` bool: which rows have a score."""
        return ~np.isnan(self.score)

    @property
    def folder(self) -> Words:
        """``(n,)`` str: the folder that a project which stores frames as pictures would file the row under.

        The parent of a picture; of a video file or a folder of frames its own name without suffix.
        """
        return np.array([_folder(path) for path in self.path.tolist()], dtype=np.str_)

    @classmethod
    def from_columns(cls, columns: Mapping[str, ArrayLike | Sequence[object]]) -> ScoreTable:
        """Make a table of named columns; all but ``video_id``, ``label`` and ``score`` may be left out.

        Args:
            columns: Name to ``(n,)`` values.

        Raises:
            ConfigError: On an unknown or missing column, or as the class says.

        Example:
            >>> table = ScoreTable.from_columns({"video_id": ["a", "b"], "label": [0, 1], "score": [0.1, 0.9]})
            >>> len(table), table.dataset.tolist()
            (2, ['', ''])
        """
        unknown = sorted(set(columns) - set(COLUMNS))
        missing = [name for name in COLUMNS if name not in columns and name not in _DEFAULTS]
        if unknown or missing:
            msg = f"a score table has the columns {', '.join(COLUMNS)}; unknown {unknown}, missing {missing}"
            raise ConfigError(msg)
        size = len(np.asarray(columns["score"]))
        return cls(**{name: columns.get(name, [_DEFAULTS.get(name)] * size) for name in COLUMNS})  # type: ignore[arg-type]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, object]]) -> ScoreTable:
        """Make a table of rows; what a row leaves out gets the default, None in a number's place is NaN.

        Raises:
            ConfigError: If a row has an unknown name or lacks ``video_id``, ``label`` or ``score``.
        """
        listed = list(rows)
        for i, row in enumerate(listed):
            unknown = sorted(map(str, set(row) - set(COLUMNS)))
            missing = [name for name in COLUMNS if name not in row and name not in _DEFAULTS]
            if unknown or missing:
                msg = f"row {i} of the score table: unknown {unknown}, missing {missing}; known: {', '.join(COLUMNS)}"
                raise ConfigError(msg)
        return cls(**{name: [row.get(name, _DEFAULTS.get(name)) for row in listed] for name in COLUMNS})  # type: ignore[arg-type]

    def rows(self) -> list[dict[str, Any]]:
        """The rows with plain Python values; `from_rows` turns them back."""
        columns = [getattr(self, name).tolist() for name in COLUMNS]
        return [dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True)]

    def select(self, which: NDArray[np.bool_] | NDArray[np.integer[Any]]) -> ScoreTable:
        """The rows where ``which`` is True, or those at its indices."""
        return ScoreTable(*(getattr(self, name)[which] for name in COLUMNS))

    @classmethod
    def concat(cls, tables: Sequence[ScoreTable]) -> ScoreTable:
        """All rows of several tables, in their order.

        Raises:
            ConfigError: If there is no table.
        """
        if not tables:
            msg = "there is no score table to put together"
            raise ConfigError(msg)
        return cls(*(np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS))

    def to_csv(self, path: Path) -> None:
        """Write as CSV, atomically; numbers keep all digits, NaN is an empty cell."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, shared=True) as part, part.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in self.rows():
                writer.writerow("" if value != value else value for value in row.values())  # noqa: PLR0124

    @classmethod
    def from_csv(cls, path: Path) -> ScoreTable:
        """Read what `to_csv` wrote, or any CSV with ``video_id``, ``label`` and ``score`` among its columns.

        Raises:
            ConfigError: If the file cannot be read or does not hold such a table.
        """
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                rows = list(csv.DictReader(stream, strict=True))
            return cls.from_rows(rows)
        except (OSError, UnicodeDecodeError, csv.Error, ConfigError) as error:
            msg = f"{path} is no score table: {error}"
            raise ConfigError(msg) from error

    def to_parquet(self, path: Path) -> None:
        """Write as Parquet, atomically.

        Raises:
            MissingExtraError: Without pyarrow.
        """
        arrow, parquet = _pyarrow()
        table = arrow.table({name: arrow.array(getattr(self, name).tolist(), _arrow_type(name)) for name in COLUMNS})
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, shared=True) as part:
            parquet.write_table(table, part, compression="zstd")

    @classmethod
    def from_parquet(cls, path: Path) -> ScoreTable:
        """Read what `to_parquet` wrote; columns that the table does not know are refused.

        Raises:
            MissingExtraError: Without pyarrow.
            ConfigError: If the file cannot be read or does not hold such a table.
        """
        arrow, parquet = _pyarrow()
        try:
            table = parquet.read_table(path)
            columns = {name: table.column(name).to_pylist() for name in table.column_names}
            return cls.from_columns(columns)
        except (OSError, arrow.ArrowException, ConfigError) as error:
            msg = f"{path} is no score table: {error}"
            raise ConfigError(msg) from error

    def write(self, path: Path) -> None:
        """Write as the suffix says, ``.csv`` or ``.parquet``.

        Raises:
            ConfigError: On another suffix.
            MissingExtraError: For Parquet without pyarrow.
        """
        (self.to_parquet if _is_parquet(path) else self.to_csv)(path)

    @classmethod
    def read(cls, path: Path) -> ScoreTable:
        """Read as the suffix says, ``.csv`` or ``.parquet``.

        Raises:
            ConfigError: On another suffix, or a file that holds no such table.
            MissingExtraError: For Parquet without pyarrow.
        """
        return (cls.from_parquet if _is_parquet(path) else cls.from_csv)(path)


COLUMNS: Final[tuple[str, ...]] = tuple(field.name for field in fields(ScoreTable))
"""Names of the columns, in the order of files."""


def _typed(name: str, values: Any) -> NDArray[Any]:
    kind = np.float64 if name in _FLOATS else np.int64 if name in _INTEGERS else np.str_
    try:
        if kind is np.str_:
            return np.array(
                ["" if value is None else str(value) for value in np.asarray(values, dtype=object)], np.str_
            )
        if kind is np.int64:
            return _whole(values)
        plain = [float("nan") if value is None or value == "" else value for value in np.asarray(values).tolist()]
        return np.array(plain, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        msg = f"column {name} of a score table must hold {kind.__name__}: {error}"
        raise ConfigError(msg) from error


def _whole(values: Any) -> Integers:
    numbers = np.array([float(value) for value in np.asarray(values).tolist()], dtype=np.float64)
    if not (np.isfinite(numbers) & (numbers == np.rint(numbers))).all():
        msg = f"whole numbers expected, got {numbers[numbers != np.rint(numbers)][:3].tolist()}"
        raise ValueError(msg)
    return numbers.astype(np.int64)


def _folder(path: str) -> str:
    place = PurePosixPath(path.rsplit("#", maxsplit=1)[-1])
    return place.parent.name if place.suffix.lower() in _PICTURES else place.stem


def _is_parquet(path: Path) -> bool:
    if path.suffix.lower() not in (".csv", ".parquet"):
        msg = f"a score table is a .csv or .parquet file, got {path.name!r}"
        raise ConfigError(msg)
    return path.suffix.lower() == ".parquet"


def _arrow_type(name: str) -> str:
    return "float64" if name in _FLOATS else "int64" if name in _INTEGERS else "string"


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        msg = "Parquet tables need pyarrow, not installed: pip install 'facewitness[eval]' (or use .csv)"
        raise MissingExtraError(msg) from error
    return arrow, parquet
