"""Scoring whole data sets: frames are read ahead, finished records are kept at once, and a killed run goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from facewitness import __version__
from facewitness.datasets.records import Record
from facewitness.detectors import CropDetector, detector_facts
from facewitness.evaluation.control_features import ControlFeatures, control_features
from facewitness.evaluation.localising import mean_of
from facewitness.evaluation.record_frames import ReadFrame
from facewitness.evaluation.score_store import ScoreStore, StoredScores, record_key
from facewitness.evaluation.score_table import ScoreTable
from facewitness.evaluation.scoring import FaceScorer, RecordScores, Row, ScoringRule, guarded
from facewitness.evaluation.sources import DataSource

_AHEAD: Final = 6
"""Frames decoded ahead of the detector."""

VideoKey = tuple[str, str]
"""Data set and video id."""

_Job = tuple[DataSource, Record]
_Item = tuple[int, ReadFrame | None]


@dataclass(frozen=True)
class ScoredData:
    """Everything that the numbers are made of.

    Attributes:
        table: One row per face, or per frame without one.
        features: What the controls know of each video of which a face was scored.
        localisation: Per video how its heatmaps did, where that was asked for.
        sources: The data.
        taken_over: Records that an earlier run had scored.
    """

    table: ScoreTable
    features: dict[VideoKey, ControlFeatures]
    localisation: dict[VideoKey, Mapping[str, Any]] = field(default_factory=dict)
    sources: tuple[DataSource, ...] = ()
    taken_over: int = 0


def scoring_settings(detector: CropDetector, rule: ScoringRule, sources: Sequence[DataSource]) -> dict[str, Any]:
    """Everything that decides the scores, as kept beside them: a run with other settings must not go on with them."""
    crop = detector.crop
    return {
        "facewitness": __version__,
        **detector_facts(detector),
        "crop": f"{crop.margin_ratio:g} x, {crop.size} px, {crop.border}",
        "frames": rule.frames,
        "min_face_px": rule.min_face_px,
        "max_faces": rule.max_faces,
        "flip": rule.flip,
        "masks": any(source.has_masks for source in sources),
        "data": [source.spec for source in sources],
        "prepared": [source.fingerprint for source in sources],
    }


def score_sources(
    sources: Sequence[DataSource],
    scorer: FaceScorer,
    *,
    store: ScoreStore | None = None,
    on_record: Callable[[Record], None] = lambda _record: None,
) -> ScoredData:
    """Score every record of some data.

    Args:
        sources: The data, with titles that tell them apart.
        scorer: Detector, finder and rule; it must keep evidence for the controls.
        store: Where finished records are kept and found again; None keeps them in memory.
        on_record: Called once per record when it is done.

    Returns:
        The table, in the order of the sources' lists.

    Raises:
        FacewitnessError: If the detector fails or the store cannot be written.
    """
    jobs = [(source, record) for source in sources for record in source.records]
    keys = [record_key(record, source.size_of(record)) for source, record in jobs]
    done: dict[int, StoredScores] = {}
    for i, (_, record) in enumerate(jobs):
        if store is not None and (kept := store.get(keys[i], record)) is not None:
            done[i] = kept
            on_record(record)
    taken_over = len(done)
    waiting = [i for i in range(len(jobs)) if i not in done]
    order = iter(waiting)
    for scores in _scored([jobs[i] for i in waiting], scorer):
        i = next(order)
        done[i] = _kept(scores)
        if store is not None:
            store.add(keys[i], done[i])
        on_record(scores.record)
    rows: list[Row] = []
    features: dict[VideoKey, ControlFeatures] = {}
    localisation: dict[VideoKey, Mapping[str, Any]] = {}
    for i, (_, record) in enumerate(jobs):
        rows += done[i].rows
        if (found := done[i].features) is not None:
            features[record.dataset, record.video_id] = found
        if (heat := done[i].localisation) is not None:
            localisation[record.dataset, record.video_id] = heat
    return ScoredData(ScoreTable.from_rows(rows), features, localisation, tuple(sources), taken_over)


def _kept(scores: RecordScores) -> StoredScores:
    features = None if scores.evidence is None else control_features(scores.evidence)
    return StoredScores(scores.rows, features, mean_of(scores.localisations))


def _scored(jobs: Sequence[_Job], scorer: FaceScorer) -> Iterator[RecordScores]:
    """Score in the order of the jobs while a thread reads ahead."""
    ahead = ReadAhead(_frames_of(jobs, scorer.rule, masks=scorer.localise))
    try:
        grouped = groupby(ahead, key=lambda item: item[0])
        yield from scorer.score_records(
            (jobs[i][1], (frame for _, frame in items if frame is not None)) for i, items in grouped
        )
    finally:
        ahead.close()


def _frames_of(jobs: Sequence[_Job], rule: ScoringRule, *, masks: bool) -> Iterator[_Item]:
    """Every frame of every job with the job's number; each job also gives one item without a frame."""
    for i, (source, record) in enumerate(jobs):
        yield i, None
        yield from ((i, frame) for frame in guarded(record, source.frames(record, rule, masks=masks)))


class ReadAhead(Iterator[_Item]):
    """Hands out the items of an iterator that a thread runs a few items ahead.

    Args:
        items: Run in the thread; what it raises is raised here.
        depth: Items that may wait.
    """

    def __init__(self, items: Iterator[_Item], depth: int = _AHEAD) -> None:
        self._waiting: queue.Queue[_Item | BaseException | None] = queue.Queue(depth)
        self._stopped = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(items,), daemon=True)
        self._thread.start()

    def _run(self, items: Iterator[_Item]) -> None:
        try:
            for item in items:
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._put(error)

    def _put(self, item: _Item | BaseException | None) -> bool:
        """Whether somebody still takes items."""
        while not self._stopped.is_set():
            try:
                self._waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def __next__(self) -> _Item:
        """The next item.

        Raises:
            StopIteration: At the end.
        """
        if self._ended:
            raise StopIteration
        item = self._waiting.get()
        if item is None or isinstance(item, BaseException):
            self._ended = True  # callers may ask again, and nothing comes any more
        if item is None:
            raise StopIteration
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._thread.join()
