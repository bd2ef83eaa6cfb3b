"""From frames to rows of a score table: every frame decoded once, every face cut as its detector wants it.

What cannot be scored gets a row with the reason instead of a number.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.records import Record
from facewitness.detectors import CropDetector, CropScore
from facewitness.errors import ConfigError, FaceError, FacewitnessError
from facewitness.evaluation.localising import judge_heatmap, mask_crop
from facewitness.evaluation.metrics import Localisation
from facewitness.evaluation.record_frames import NO_FACE, TOO_SMALL, UNREADABLE, ReadFrame
from facewitness.faces.crops import crop_face
from facewitness.faces.finder import Face
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.records import Label
from facewitness.score_maps import log_odds

Image = NDArray[np.uint8]
Row = dict[str, Any]

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())

_BATCH: Final = 32


class Finder(Protocol):
    """What finds faces; `FaceFinder` is one."""

    def find(self, image: Image) -> Sequence[Face]:
        """Faces of an ``(H, W, 3)`` uint8 RGB frame, largest first."""
        ...


@dataclass(frozen=True)
class ScoringRule:
    """How records are scored; part of every protocol.

    Attributes:
        frames: Most frames of a video, uniform over its length.
        min_face_px: Faces whose longer side is below it, in pixels of the source, are not scored.
        max_faces: Faces scored per frame, the largest.
        flip: Whether each crop is scored mirrored as well.
        limits: Bounds of one file.

    Raises:
        ConfigError: If a number is below 1.
    """

    frames: int = 32
    min_face_px: float = 32.0
    max_faces: int = 20
    flip: bool = False
    limits: Limits = field(default=DEFAULT_LIMITS)

    def __post_init__(self) -> None:
        """Check the values."""
        if min(self.frames, self.min_face_px, self.max_faces) < 1:
            msg = "frames, min_face_px and max_faces must be at least 1, got "
            raise ConfigError(msg + f"{self.frames}, {self.min_face_px}, {self.max_faces}")


@dataclass(frozen=True)
class Evidence:
    """What is kept of the first scored face of a record, for controls.

    Attributes:
        crop: ``(s, s, 3)`` uint8 RGB, as the detector got it.
        frame: The frame that it was cut from, and where that came from.
    """

    crop: Image
    frame: ReadFrame


@dataclass
class RecordScores:
    """One record, scored.

    Attributes:
        record: The record.
        rows: Rows of a score table: one per face, or one per frame without a scored face.
        evidence: First scored face; None when there is none or it was not asked for.
        localisations: One per face whose heatmap could be judged, where that was asked for.
    """

    record: Record
    rows: list[Row]
    evidence: Evidence | None = None
    localisations: list[Localisation] = field(default_factory=list)

    @property
    def scored(self) -> int:
        """How many faces have a score."""
        return sum(not row["not_scored"] for row in self.rows)


@dataclass(frozen=True)
class _Waiting:
    """A face on its way to the detector, and where its results go."""

    row: Row
    crop: Image
    mask: Image | None
    found: RecordScores


def identity_of(record: Record) -> str:
    """Who a record belongs to when intervals resample and folds are dealt; empty where nothing is known.

    The person whose video it is; where the set names none, the first source video.
    """
    return next(iter((*record.identities, *record.sources)), "")


def record_columns(record: Record) -> Row:
    """The columns of a score table that are the same for all rows of a record."""
    return {
        "video_id": record.video_id,
        "dataset": record.dataset,
        "split": record.split,
        "label": int(record.label),
        "manipulation": record.manipulation,
        "compression": record.compression,
        "identity": identity_of(record),
        "path": record.path,
    }


def guarded(record: Record, frames: Iterable[ReadFrame]) -> Iterator[ReadFrame]:
    """The frames; where a library fails on an odd file in a way nobody foresaw, a frame that says so, and the end.

    Raises:
        FacewitnessError: What this package raises on purpose is passed on.
    """
    seen = 0
    try:
        for frame in frames:
            yield frame
            seen = frame.index + 1
    except FacewitnessError:
        raise
    except Exception as error:  # noqa: BLE001 - logged, and said in the row
        # One odd file must not cost the other thousand.
        _LOG.exception("unexpected failure on %s", record.path)
        yield ReadFrame(seen, 0.0, None, f"{UNREADABLE}: {type(error).__name__}: {error}")


class FaceScorer:
    """Finds, cuts and scores the faces of records, batched over frames and records.

    Args:
        detector: Scores the crops.
        finder: Finds faces where the frames bring none.
        rule: Sizes, faces and mirroring.
        keep_evidence: Whether `RecordScores.evidence` is wanted.
        localise: Whether heatmaps are judged: those of fakes against the frames' masks, those of reals by their heat.
    """

    def __init__(
        self,
        detector: CropDetector,
        finder: Finder,
        rule: ScoringRule | None = None,
        *,
        keep_evidence: bool = False,
        localise: bool = False,
    ) -> None:
        self.detector = detector
        self.finder = finder
        self.rule = rule or ScoringRule()
        self.keep_evidence = keep_evidence
        self.localise = localise
        self._waiting: list[_Waiting] = []

    def score_record(self, record: Record, frames: Iterable[ReadFrame]) -> RecordScores:
        """Score one record.

        Args:
            record: What the frames belong to.
            frames: Its sampled frames, as `record_frames.read_frames` hands them out, perturbed or not.

        Raises:
            FacewitnessError: If the detector fails; files that cannot be read give rows with a reason.
        """
        return next(self.score_records([(record, frames)]))

    def score_records(self, items: Iterable[tuple[Record, Iterable[ReadFrame]]]) -> Iterator[RecordScores]:
        """Score many records; each comes when its batch is full, in the order of ``items``.

        Raises:
            FacewitnessError: As `score_record`.
        """
        done: list[RecordScores] = []
        for record, frames in items:
            done.append(self._look(record, frames))
            if len(self._waiting) >= _BATCH or len(done) >= _BATCH:
                self._flush()
                yield from done
                done = []
        self._flush()
        yield from done

    def _look(self, record: Record, frames: Iterable[ReadFrame]) -> RecordScores:
        """Rows of a record whose scores come with the next flush."""
        found = RecordScores(record, [])
        shared = record_columns(record)
        for frame in guarded(record, frames):
            self._look_at(frame, shared, found)
        if not found.rows:
            found.rows.append(_row(shared, ReadFrame(0, 0.0, None), 0, f"{UNREADABLE}: it holds no frames"))
        return found

    def _look_at(self, frame: ReadFrame, shared: Mapping[str, Any], found: RecordScores) -> None:
        """Add the rows of one frame; crops wait for the next batch."""
        if frame.pixels is None:
            found.rows.append(_row(shared, frame, 0, frame.problem))
            return
        boxes, problem = self._boxes(frame)
        if not boxes:
            found.rows.append(_row(shared, frame, 0, problem))
        for i, box in enumerate(boxes):
            try:
                crop = crop_face(frame.pixels, box, self.detector.crop).image
            except FaceError as error:
                found.rows.append(_row(shared, frame, i, f"{NO_FACE}: {error}"))
                continue
            row = _row(shared, frame, i, "")
            found.rows.append(row)
            mask = mask_crop(frame, box, self.detector.crop) if self.localise else None
            self._waiting.append(_Waiting(row, crop, mask, found))
            if self.keep_evidence and found.evidence is None:
                found.evidence = Evidence(crop, frame)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _boxes(self, frame: ReadFrame) -> tuple[list[NDArray[np.float32]], str]:
        """Boxes of the faces that are scored, largest first, and why there are none."""
        boxes = list(frame.boxes or ())
        if frame.boxes is None and frame.pixels is not None:
            try:
                boxes = [face.box for face in self.finder.find(frame.pixels)]
            except Exception as error:  # noqa: BLE001 - as in `guarded`
                _LOG.exception("looking for faces failed on %s", frame.path)
                return [], f"{NO_FACE}: the search failed, {type(error).__name__}: {error}"
        if not boxes:
            return [], NO_FACE
        sizes = [float(max(box[2] - box[0], box[3] - box[1])) / frame.scale for box in boxes]
        large = [box for box, size in zip(boxes, sizes, strict=True) if size >= self.rule.min_face_px]
        problem = f"{TOO_SMALL}: {max(sizes):.0f} px, at least {self.rule.min_face_px:g} px are needed"
        return large[: self.rule.max_faces], problem

    def _flush(self) -> None:
        """Score what waits."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _BATCH):
            part = waiting[start : start + _BATCH]
            crops = [one.crop for one in part]
            plain = self._scores(crops)
            mirrored = self._scores([np.ascontiguousarray(c[:, ::-1]) for c in crops]) if self.rule.flip else None
            for i, one in enumerate(part):
                one.row["score"] = float(plain[i].score)
                one.row["logit"] = float(log_odds(one.row["score"]))
                if mirrored is not None:
                    one.row["score_flipped"] = float(mirrored[i].score)
                if self.localise:
                    is_fake = one.found.record.label == Label.FAKE
                    judged = judge_heatmap(plain[i].heatmap, one.mask, is_fake=is_fake)
                    one.found.localisations += [judged] if judged is not None else []

    def _scores(self, crops: Sequence[Image]) -> list[CropScore]:
        scores = self.detector.score(crops)
        if len(scores) != len(crops) or not all(math.isfinite(s.score) for s in scores):
            msg = f"detector {self.detector.name!r} gave {len(scores)} scores for {len(crops)} crops, or not numbers"
            raise FacewitnessError(msg)
        return scores


def _row(shared: Mapping[str, Any], frame: ReadFrame, face: int, problem: str) -> Row:
    """A row whose score is still to come, or never does."""
    nan = float("nan")
    return {
        **shared,
        "path": frame.path or shared["path"],
        "frame_index": frame.index,
        "time_s": frame.time_s,
        "face_index": face,
        "score": nan,
        "logit": nan,
        "score_flipped": nan,
        "not_scored": problem,
    }
