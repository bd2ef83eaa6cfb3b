"""From a file to a `Report`: media, then faces, then a detector, then verdicts in plain words.

Memory stays bounded: a frame is dropped once its faces are cut out, and of a long video only the
frames with the highest scores keep their crops (and pictures, where asked for).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.detectors import DEFAULT_DETECTOR, DETECTORS, CropDetector, calibration_words
from facewitness.errors import ConfigError, MediaError
from facewitness.faces.crops import crop_face
from facewitness.faces.finder import FaceFinder
from facewitness.faces.tracking import link_tracks
from facewitness.findings import (
    STABILITY_RULE,
    SeenFace,
    SeenFrame,
    Sighting,
    TrackJudge,
    bound_evidence,
    kept_pictures,
)
from facewitness.jpeg import encode_jpeg
from facewitness.media.images import DecodedImage, read_image
from facewitness.media.info import describe
from facewitness.media.kind import identify
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.media.video import Frame, FrameStream, iter_frames
from facewitness.records import FaceTrack, MediaInfo, Protocol, Report, Verdict, VerdictLabel
from facewitness.runtime import Device, Precision, deciding_versions
from facewitness.verdicts import MISSING_FACES, POOLING, cautions, choose_operating_point, judge_file

_LOG = logging.getLogger(__name__)
_LOG.addHandler(logging.NullHandler())

_BATCH = 16
_PICTURE_JPEG_QUALITY = 95


@dataclass(frozen=True)
class AnalyzeOptions:
    """How files are analysed.

    Attributes:
        frames: Frames sampled uniformly from a video.
        fps: Frames per second instead of a number; None keeps ``frames``.
        operating_point: ``fpr=0.05`` (one that the weights carry) or ``threshold=0.7``.
        limits: Bounds on a file's size, pixels, frames, length and time.
        explain: Whether to write explanations.
        keep_pictures: Whether `Analyzer.examine` hands out the frames with heatmaps.
        min_face_px: Faces whose longer side is below it are reported but not scored.
        max_faces: Faces scored per frame, the largest.
        stability: Whether a verdict that harmless changes flip becomes UNCERTAIN; None: where explanations are written.

    Raises:
        ConfigError: If a value is out of range.
    """

    frames: int = 32
    fps: float | None = None
    operating_point: str = "fpr=0.05"
    limits: Limits = DEFAULT_LIMITS
    explain: bool = True
    keep_pictures: bool = False
    min_face_px: float = 32.0
    max_faces: int = 20
    stability: bool | None = None

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_faces < 1 or self.min_face_px < 1:
            msg = (
                "frames, max_faces and min_face_px must be at least 1, got "
                f"{self.frames}, {self.max_faces}, {self.min_face_px}"
            )
            raise ConfigError(msg)
        if self.fps is not None and not 0 < self.fps <= 1000:
            msg = f"fps must be above 0 and at most 1000, got {self.fps}"
            raise ConfigError(msg)

    @property
    def sampling(self) -> str:
        """How frames are chosen, as reports state it."""
        return f"uniform n={self.frames}" if self.fps is None else f"fps={self.fps:g}"

    @property
    def checks_stability(self) -> bool:
        """Whether faces are scored again after harmless changes."""
        return self.explain if self.stability is None else self.stability

    @property
    def stability_rule(self) -> str:
        """What flipping does, as reports state it."""
        return STABILITY_RULE if self.checks_stability else "not checked"


@dataclass(frozen=True)
class AnalysisResult:
    """A report with the frames that its heatmaps belong to.

    Attributes:
        report: What is said of the file.
        pictures: Frame index to ``(H, W, 3)`` uint8 RGB; empty unless pictures were asked for.
    """

    report: Report
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)


class _Stopwatch:
    """Seconds per named step."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @property
    def total(self) -> float:
        return time.perf_counter() - self.started


@dataclass(frozen=True)
class _Source:
    """An opened file."""

    media: MediaInfo
    opened: DecodedImage | FrameStream

    @property
    def is_video(self) -> bool:
        return isinstance(self.opened, FrameStream)

    def frames(self) -> Iterator[Frame]:
        if isinstance(self.opened, FrameStream):
            return iter(self.opened)
        return iter((Frame(0, 0.0, self.opened.pixels),))


class Analyzer:
    """Loaded models, ready for many files.

    Args:
        detector: Registered name, or a detector already made.
        weights: Weights file for a detector given by name; None takes the packaged ones.
        device: ``auto`` or a device of the inference runtime.
        precision: ``auto`` is bf16 where the CPU has it, else f32.
        threads: Inference threads; 0 leaves it to the runtime.
        options: How files are analysed.

    Raises:
        UnknownNameError: If no detector has that name.
        MissingExtraError: If the detector's packages are not installed.
        WeightsError: If the weights are missing or are not the recorded ones.
        ConfigError: If a setting is out of range or the operating point is not among the weights' own.
    """

    def __init__(
        self,
        detector: str | CropDetector = DEFAULT_DETECTOR,
        *,
        weights: Path | str | None = None,
        device: Device = "auto",
        precision: Precision = "auto",
        threads: int = 0,
        options: AnalyzeOptions | None = None,
    ) -> None:
        self.options = options or AnalyzeOptions()
        if isinstance(detector, str):
            create = DETECTORS.load(detector)
            chosen = None if weights is None else Path(weights)
            self.detector: CropDetector = create(weights=chosen, device=device, precision=precision, threads=threads)
        else:
            self.detector = detector
        self.point = choose_operating_point(self.options.operating_point, self.detector.operating_points)
        self._finder = FaceFinder(device=device, threads=threads, max_faces=self.options.max_faces)

    def analyze(self, path: Path | str) -> Report:
        """Analyse one picture or video.

        A file that cannot be opened or holds no face gives a report with the verdict NOT_SCORED and a reason.
        """
        return self.examine(path).report

    def analyze_many(self, paths: Iterable[Path | str]) -> Iterator[Report]:
        """Analyse file after file; each report is yielded as soon as it is there.

        Whatever goes wrong with one file becomes its NOT_SCORED report, and the next file follows.
        """
        return (result.report for result in self.examine_many(paths))

    def examine_many(self, paths: Iterable[Path | str]) -> Iterator[AnalysisResult]:
        """As `analyze_many`, with the pictures."""
        for path in paths:
            try:
                yield self.examine(path)
            except Exception as error:  # noqa: BLE001 - logged, and said in the report
                # A library's failure on one odd file must not cost the other thousand; the log has the trace.
                _LOG.exception("unexpected failure on %s", path)
                reason = f"internal failure, please report it: {type(error).__name__}: {error}"
                yield AnalysisResult(_not_scored(MediaInfo(str(path), "unknown", "", 0), reason))

    def examine(self, path: Path | str) -> AnalysisResult:
        """As `analyze`, with the frames that heatmaps belong to where the options keep them."""
        watch = _Stopwatch()
        warnings: list[str] = []
        try:
            source = self._open(path, watch)
            frames = self._look(source, watch, warnings)
        except MediaError as error:
            reason = str(error).removeprefix(f"{path}: ")
            return AnalysisResult(_not_scored(describe(path, limits=self.options.limits), reason, watch))
        with watch.step("judge"):
            faces = self._tracks(frames, is_video=source.is_video)
        verdict = judge_file(faces, len(frames))
        most = self.options.max_faces
        if any(len(frame.faces) >= most for frame in frames):
            warnings.append(f"at most {most} faces of a frame are looked at, the largest; there may be more")
        warnings += [*source.opened.warnings, *cautions(faces, verdict)]
        watch.seconds["total"] = watch.total
        report = Report(
            source.media,
            verdict,
            faces,
            self._protocol(len(frames), is_video=source.is_video),
            timings_s=watch.seconds,
            warnings=tuple(dict.fromkeys(warnings)),
        )
        return AnalysisResult(report, kept_pictures(frames, faces))

    def _open(self, path: Path | str, watch: _Stopwatch) -> _Source:
        limits, fps = self.options.limits, self.options.fps
        opened: DecodedImage | FrameStream
        with watch.step("decode"):
            kind = identify(path, limits=limits)
            if kind == "audio":
                msg = f"{path}: the file holds sound only; this version looks at faces"
                raise MediaError(msg)
            if kind == "image":
                opened = read_image(path, limits=limits)
            else:
                opened = iter_frames(path, n=self.options.frames if fps is None else None, fps=fps, limits=limits)
        with watch.step("hash"):
            found = opened.info if isinstance(opened, FrameStream) else opened
            return _Source(describe(path, decoded=found, limits=limits), opened)

    def _look(self, source: _Source, watch: _Stopwatch, warnings: list[str]) -> list[SeenFrame]:
        """Find faces, cut them out and score them, a few frames at a time."""
        seen: list[SeenFrame] = []
        pending: list[SeenFace] = []
        frames = source.frames()
        while (frame := self._next(frames, watch, seen, warnings)) is not None:
            with watch.step("faces"):
                seen.append(self._seen(frame, is_video=source.is_video))
            pending += [face for face in seen[-1].faces if face.crop is not None]
            if len(pending) >= _BATCH:
                self._score(pending, watch)
                pending = []
                bound_evidence(seen)
        self._score(pending, watch)
        bound_evidence(seen)
        return seen

    def _next(
        self, frames: Iterator[Frame], watch: _Stopwatch, seen: list[SeenFrame], warnings: list[str]
    ) -> Frame | None:
        """The next frame; None at the end, when the time is up, or at damage after which there is nothing."""
        if seen and watch.total > self.options.limits.max_wall_time_s:
            warnings.append(f"stopped after {watch.total:.0f} s; what comes after {seen[-1].time_s:.1f} s was not seen")
            return None
        try:
            with watch.step("decode"):
                return next(frames, None)
        except MediaError as error:
            if not seen:
                raise
            warnings.append(f"not decoded to the end: {error}")
            return None

    def _seen(self, raw: Frame, *, is_video: bool) -> SeenFrame:
        frame = SeenFrame(raw.index, raw.time_s)
        for face in self._finder.find(raw.pixels):
            large = face.size_px >= self.options.min_face_px
            crop = crop_face(raw.pixels, face.box, self.detector.crop) if large else None
            frame.faces.append(SeenFace(face, crop))
        if self.options.keep_pictures and frame.faces:
            frame.picture = encode_jpeg(raw.pixels, _PICTURE_JPEG_QUALITY) if is_video else raw.pixels
        return frame

    def _score(self, pending: list[SeenFace], watch: _Stopwatch) -> None:
        crops = [face.crop.image for face in pending if face.crop is not None]
        if not crops:
            return
        with watch.step("score"):
            scores = self.detector.score(crops)
        for face, score in zip(pending, scores, strict=True):
            face.score = score

    def _tracks(self, frames: list[SeenFrame], *, is_video: bool) -> tuple[FaceTrack, ...]:
        asked = self.options
        judge = TrackJudge(
            self.detector, self.point, is_video, frames, asked.min_face_px, asked.explain, asked.checks_stability
        )
        people = _linked(frames) if is_video else [[(frame, seen)] for frame in frames for seen in frame.faces]
        return tuple(judge.track(number, sightings) for number, sightings in enumerate(people, start=1))

    def _protocol(self, frames: int, *, is_video: bool) -> Protocol:
        detector = self.detector
        return Protocol(
            detector=detector.name,
            mode=detector.mode,
            weights=detector.weights_name,
            weights_sha256=detector.weights_sha256,
            frames=frames,
            sampling=self.options.sampling if is_video else "single picture",
            crop=f"{detector.crop.words}, area interpolation when shrinking, cubic when enlarging",
            pooling=POOLING,
            missing_face_rule=f"{MISSING_FACES} ({self.options.min_face_px:g} px)",
            versions=dict(deciding_versions()),
            precision=detector.precision,
            device=detector.device,
            stability=self.options.stability_rule,
            calibration=calibration_words(detector),
        )


def analyze(
    path: Path | str,
    *,
    detector: str = DEFAULT_DETECTOR,
    weights: Path | str | None = None,
    frames: int = 32,
    fps: float | None = None,
    operating_point: str = "fpr=0.05",
    limits: Limits = DEFAULT_LIMITS,
    device: Device = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    explain: bool = True,
    stability: bool | None = None,
) -> Report:
    """Say whether the faces in a picture or video are genuine, where they look forged, and why.

    For many files make one `Analyzer`, so that models are loaded once.

    Args:
        path: Picture or video; its kind is found by content.
        detector: Registered name, see ``facewitness list``.
        weights: Weights file; None takes the packaged ones.
        frames: Frames sampled uniformly from a video.
        fps: Frames per second instead.
        operating_point: ``fpr=0.05`` or ``threshold=0.7``.
        limits: Bounds on the file.
        device: ``auto`` or a device of the inference runtime.
        precision: ``auto``, ``f32`` or ``bf16``.
        threads: Inference threads; 0 leaves it to the runtime.
        explain: Whether to write explanations.
        stability: Whether to score faces again after harmless changes; None does so where explanations are written.

    Returns:
        The report; a bad file gives the verdict NOT_SCORED with a reason, not an exception.

    Raises:
        FacewitnessError: If the detector, its weights or a setting is wrong.
    """
    options = AnalyzeOptions(frames, fps, operating_point, limits, explain, stability=stability)
    analyzer = Analyzer(detector, weights=weights, device=device, precision=precision, threads=threads, options=options)
    return analyzer.analyze(path)


def _linked(frames: list[SeenFrame]) -> list[list[Sighting]]:
    """Sightings of each person, in the order of tracks."""
    by_face = {id(seen.face): (frame, seen) for frame in frames for seen in frame.faces}
    tracks = link_tracks([(f.index, f.time_s, [seen.face for seen in f.faces]) for f in frames])
    return [[by_face[id(face)] for _, _, face in track.items] for track in tracks]


def _not_scored(media: MediaInfo, reason: str, watch: _Stopwatch | None = None) -> Report:
    timings = {} if watch is None else {**watch.seconds, "total": watch.total}
    return Report(media, Verdict(VerdictLabel.NOT_SCORED, None, reason), timings_s=timings)
