"""How a detector fares on changed frames: every record under every perturbation and level, resumable, faces found anew.

Changes are applied to whole frames before faces are looked for, also in prepared data, so a change can cost a face.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.records import Record
from facewitness.detectors import CropDetector, CropScore
from facewitness.errors import FaceError
from facewitness.evaluation.record_frames import UNREADABLE, ReadFrame
from facewitness.evaluation.score_store import ScoreStore, StoredScores, record_key
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import FaceScorer, Finder, Row, ScoringRule, guarded
from facewitness.evaluation.scoring_run import scoring_settings
from facewitness.evaluation.sources import DataSource
from facewitness.media.perturbations import LEVELS, Perturbation

Image = NDArray[np.uint8]

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Condition:
    """What frames went through.

    Attributes:
        name: Name of the perturbation; ``clean`` for none.
        level: 1 to 5; 0 for clean.
    """

    name: str = "clean"
    level: int = 0

    def __str__(self) -> str:
        return f"{self.name}-{self.level}" if self.level else self.name


CLEAN: Final = Condition()


def conditions(names: Iterable[str], levels: Sequence[int] = tuple(range(1, LEVELS + 1))) -> list[Condition]:
    """The clean frames, then every perturbation at every level."""
    return [CLEAN, *(Condition(name, level) for name in names for level in levels)]


class _Recropped:
    """A detector whose crops are cut with another margin."""

    def __init__(self, detector: CropDetector, margin_factor: float) -> None:
        self.name, self.mode = detector.name, detector.mode
        self.weights_name, self.weights_sha256 = detector.weights_name, detector.weights_sha256
        self.precision, self.device = detector.precision, detector.device
        self.operating_points = detector.operating_points
        self.crop = replace(detector.crop, margin_ratio=detector.crop.margin_ratio * margin_factor)
        self._detector = detector

    def score(self, crops: Sequence[Image]) -> list[CropScore]:
        """As the detector itself."""
        return self._detector.score(crops)


class RobustnessRun:
    """Scores records under conditions and keeps every result in a folder.

    Args:
        detector: Scores the crops.
        finder: Finds faces.
        perturbations: By name.
        sources: The data, with titles that tell them apart.
        rule: How records are scored.
        folder: Results go to one folder per condition below it, one line per record, as they come.
        levels: Levels of each perturbation, 1 to 5.
        seed: Of noise and places; the same for every level of one perturbation on one record.

    Raises:
        ConfigError: If the folder holds results of other settings.
    """

    def __init__(
        self,
        detector: CropDetector,
        finder: Finder,
        perturbations: Mapping[str, Perturbation],
        sources: Sequence[DataSource],
        *,
        rule: ScoringRule,
        folder: Path,
        levels: Sequence[int] = tuple(range(1, LEVELS + 1)),
        seed: int = 0,
    ) -> None:
        self.conditions = conditions(perturbations, levels)
        self.perturbations = dict(perturbations)
        self.sources = tuple(sources)
        self.rule = rule
        self.seed = seed
        self._finder = finder
        settings = scoring_settings(detector, rule, sources)
        self._stores: dict[Condition, ScoreStore] = {}
        self._scorers: dict[Condition, FaceScorer] = {}
        plain = FaceScorer(detector, finder, rule)
        for condition in self.conditions:
            change = self._change(condition)
            strength = None if change is None else change.strength(condition.level)
            made = {**settings, "condition": str(condition), "strength": strength, "seed": seed}
            self._stores[condition] = ScoreStore(folder / str(condition), made)
            factor = 1.0 if change is None else change.margin_factor(condition.level)
            self._scorers[condition] = (
                plain if factor == 1.0 else FaceScorer(_Recropped(detector, factor), finder, rule)
            )

    @property
    def steps(self) -> int:
        """Records times conditions."""
        return len(self.conditions) * sum(len(source.records) for source in self.sources)

    def run(self, on_step: Callable[[int], None] = lambda _done: None) -> dict[Condition, ScoreTable]:
        """Score what is not there yet, one record after another under all conditions; frames are decoded once.

        Args:
            on_step: Told how many records under one condition were done since the last call.

        Returns:
            A table per condition, rows in the order of the sources.

        Raises:
            FacewitnessError: If the detector fails or the folder cannot be written; files never stop it.
        """
        rows: dict[Condition, list[Row]] = {condition: [] for condition in self.conditions}
        for source in self.sources:
            for record in source.records:
                key = record_key(record, source.size_of(record))
                missing = [c for c in self.conditions if self._stores[c].get(key, record) is None]
                on_step(len(self.conditions) - len(missing))
                if missing:
                    self._score(source, record, key, missing, on_step)
                for condition in self.conditions:
                    kept = self._stores[condition].get(key, record)
                    rows[condition] += kept.rows if kept is not None else []
        return {condition: ScoreTable.from_rows(found) for condition, found in rows.items()}

    def _score(
        self,
        source: DataSource,
        record: Record,
        key: str,
        missing: Sequence[Condition],
        on_step: Callable[[int], None],
    ) -> None:
        frames = [replace(f, boxes=None) for f in guarded(record, source.frames(record, self.rule))]
        known: list[ReadFrame] | None = None
        on_frames = [c for c in missing if self._scorers[c] is self._scorers[CLEAN]]
        changed = ((record, self._changed(record, frames, condition)) for condition in on_frames)
        for condition, scores in zip(on_frames, self._scorers[CLEAN].score_records(changed), strict=True):
            self._stores[condition].add(key, StoredScores(scores.rows))
            on_step(1)
        for condition in missing:
            if condition in on_frames:
                continue
            known = [self._with_boxes(f) for f in frames] if known is None else known
            self._stores[condition].add(key, StoredScores(self._scorers[condition].score_record(record, known).rows))
            on_step(1)

    def _with_boxes(self, frame: ReadFrame) -> ReadFrame:
        """The frame with its faces, which changes of the crop need not look for again and again."""
        if frame.pixels is None:
            return frame
        try:
            return replace(frame, boxes=tuple(face.box for face in self._finder.find(frame.pixels)))
        except FaceError:
            return frame

    def _changed(self, record: Record, frames: Sequence[ReadFrame], condition: Condition) -> Iterator[ReadFrame]:
        """The frames after a change; a frame that cannot be changed says so."""
        change = self._change(condition)
        if change is None:
            yield from frames
            return
        rng = np.random.default_rng([self.seed, zlib.crc32(record.video_id.encode()), zlib.crc32(change.name.encode())])
        pixels = [f.pixels for f in frames if f.pixels is not None]
        try:
            after = iter(change.apply(pixels, condition.level, rng))
        except Exception as error:  # noqa: BLE001 - a codec that refuses one odd size must not stop the run
            _LOG.exception("%s cannot be put through %s", record.path, condition)
            problem = f"{UNREADABLE}: {condition} failed: {type(error).__name__}: {error}"
            yield from (f if f.pixels is None else replace(f, pixels=None, problem=problem) for f in frames)
            return
        for frame in frames:
            yield frame if frame.pixels is None else replace(frame, pixels=next(after))

    def _change(self, condition: Condition) -> Perturbation | None:
        return self.perturbations.get(condition.name) if condition.level else None
