"""Everything that is made of one record; the file that says so comes last."""

from __future__ import annotations

import json
import struct
import wave
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.listing import frame_files
from facewitness.datasets.prepare.clips import steady_squares, write_clip
from facewitness.datasets.prepare.cutting import Cut, cut_face, cut_mask, encode
from facewitness.datasets.prepare.people import faces_of
from facewitness.datasets.prepare.places import safe_name, state_file
from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.prepare.sources import FrameSource, MaskSource, open_source
from facewitness.datasets.prepared import Points, PreparedFrame, PreparedVideo, write_file
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError, FaceError, FacewitnessError, MediaError, MissingExtraError
from facewitness.faces.finder import Face, FaceFinder
from facewitness.faces.levelling import align_eyes
from facewitness.media.audio import read_audio
from facewitness.media.video import Frame

PICTURE_STEPS: Final = frozenset({"frames", "crops", "masks", "landmarks", "align", "hdf5", "neighbours"})
_NOMINAL_FPS: Final = 25.0
"""Of folders and arrays of frames, whose rate is not known."""
_DISK_FULL: Final = (28, 122)  # ENOSPC, EDQUOT
_BROKEN: Final = (
    *(FacewitnessError, OSError, ValueError, ArithmeticError, LookupError, RuntimeError, TypeError, AttributeError),
    *(MemoryError, EOFError, struct.error, cv2.error),
)
"""What a damaged file is known to raise, in the decoders and behind them."""


@dataclass(frozen=True)
class Job:
    """What a process needs to prepare any record.

    Attributes:
        root: Folder that the records' paths lie below; only read.
        out: Prepared folder.
        settings: How.
        steps: What.
    """

    root: Path
    out: Path
    settings: PrepareSettings
    steps: tuple[str, ...]

    def finder(self) -> FaceFinder:
        """A face finder on one thread: there is a process per core."""
        return FaceFinder(device="CPU", threads=1, min_face_px=self.settings.min_face_px)


@dataclass
class _Work:
    """One record while it is worked on."""

    job: Job
    record: Record
    name: str
    written: int = 0
    frames: list[PreparedFrame] = field(default_factory=list)
    without_face: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, path: str, data: bytes) -> str:
        self.written += write_file(self.job.out / path, data)
        return path

    def words(self, error: BaseException) -> str:
        """What went wrong, without the machine's own paths."""
        text = str(error).replace(f"{self.job.root / self.record.path}: ", "").replace(f"{self.job.root}/", "")
        return " ".join(text.split()) or type(error).__name__

    def picture(self, kind: str, index: int, image: NDArray[np.uint8]) -> str:
        ending = ".png" if image.ndim == 2 else self.job.settings.suffix
        return self.write(f"{kind}/{self.name}/{index:06d}{ending}", encode(image, self.job.settings))


def prepare_video(record: Record, job: Job, finder: FaceFinder) -> tuple[PreparedVideo, int]:
    """Make everything of one record and note it as done; a file that cannot be read is noted as such.

    Args:
        record: What.
        job: How and where.
        finder: Finds faces.

    Returns:
        What was made, and the bytes written.

    Raises:
        OSError: If the disk is full.
        MissingExtraError: If a package is missing, which every record of the kind would suffer from.
    """
    work = _Work(job, record, safe_name(record.video_id))
    _sweep(work)
    audio = clip = problem = ""
    try:
        if record.kind != "audio" and PICTURE_STEPS & set(job.steps):
            _pictures(work, finder)
        if "audio" in job.steps and record.kind in ("video", "audio"):
            audio = _audio(work)
        if "clips" in job.steps and record.kind in ("video", "frames", "hdf5"):
            clip = _clip(work, finder)
    except MissingExtraError:
        raise
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        problem = work.words(error)
        work.frames.clear()
        work.without_face.clear()
        audio = clip = ""
        _sweep(work)
    video = PreparedVideo(
        record=record,
        frames=tuple(work.frames),
        without_face=tuple(work.without_face),
        audio=audio,
        clip=clip,
        problem=problem,
        notes=tuple(dict.fromkeys(work.notes)),
    )
    return video, work.written + _note_done(video, work)


def _note_done(video: PreparedVideo, work: _Work) -> int:
    state = {
        "steps": list(work.job.steps),
        "source_bytes": source_bytes(work.job.root, video.record),
        "video": video.to_dict(),
    }
    data = json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
    return write_file(state_file(work.job.out, video.record.video_id), data)


def note_problem(record: Record, job: Job, problem: str) -> int:
    """Note a record as done with a problem; returns the bytes written."""
    work = _Work(job, record, safe_name(record.video_id))
    _sweep(work)
    return _note_done(PreparedVideo(record, problem=problem), work)


def read_done(record: Record, job: Job) -> PreparedVideo | None:
    """What an earlier run made of a record; None where it has to be made, as after a problem."""
    try:
        state = read_state(state_file(job.out, record.video_id))
        same = state.source_bytes == source_bytes(job.root, record) and set(job.steps) <= set(state.steps)
    except (OSError, ConfigError):
        return None
    return state.video if same and state.video.record == record and not state.video.problem else None


@dataclass(frozen=True)
class State:
    """The file that says that a record is done: what was made, by which steps, from how many bytes."""

    video: PreparedVideo
    steps: tuple[str, ...]
    source_bytes: int


def read_state(path: Path) -> State:
    """Read a record's file.

    Raises:
        OSError: If it is missing.
        ConfigError: If it is damaged.
    """
    try:
        values = json.loads(path.read_bytes())
        return State(PreparedVideo.from_dict(values["video"]), tuple(values["steps"]), values["source_bytes"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is damaged ({error}); delete it and prepare again"
        raise ConfigError(msg) from error


def source_bytes(root: Path, record: Record) -> int:
    """Size of a record's file, for frames how many there are; -1 where there is none."""
    path = root / record.path.partition("#")[0]
    if path.name.endswith("*"):
        return len(frame_files(path)) or -1
    try:
        return len(list(path.iterdir())) if path.is_dir() else path.stat().st_size
    except OSError:
        return -1


def _sweep(work: _Work) -> None:
    """Take away what an earlier attempt left of this record, and nothing of others."""
    out = work.job.out
    state_file(out, work.record.video_id).unlink(missing_ok=True)
    for kind in ("frames", "crops", "masks", "aligned"):
        folder = out / kind / work.name
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.is_file():
                file.unlink()
        with suppress(OSError):  # missing, or with other records in it
            folder.rmdir()
    for file in (out / _audio_path(work.name), out / _clip_path(work.name)):
        file.unlink(missing_ok=True)
        file.with_name(f".{file.name}.part").unlink(missing_ok=True)


def _audio_path(name: str) -> str:
    return f"audio/{name}.wav"


def _clip_path(name: str) -> str:
    return f"clips/{name}.mp4"


def _pictures(work: _Work, finder: FaceFinder) -> None:
    settings, steps, record = work.job.settings, work.job.steps, work.record
    official = settings.sampling == "official"
    source = open_source(record, work.job.root, frames=settings.frames, official=official)
    if not set(steps) & (PICTURE_STEPS - {"frames"}):
        for frame in source:
            height, width = frame.pixels.shape[:2]
            path = work.picture("frames", frame.index, frame.pixels)
            box = (0, 0, width, height)
            work.frames.append(PreparedFrame(frame.index, round(frame.time_s, 6), box, box, 0.0, frame=path))
        work.notes += source.notes
        return
    masks = MaskSource(record, work.job.root, source.names) if "masks" in steps and record.mask_path else None
    for frame, face in faces_of(source, finder, settings):
        whole = work.picture("frames", frame.index, frame.pixels) if "frames" in steps else ""
        if face is None:
            work.without_face.append(frame.index)
        else:
            work.frames.append(_one_frame(work, frame, face, masks, whole))
    work.notes += source.notes


def _one_frame(work: _Work, frame: Frame, face: Face, masks: MaskSource | None, whole: str) -> PreparedFrame:
    steps, settings = work.job.steps, work.job.settings
    cut = cut_face(frame.pixels, face, settings)
    mask = ""
    if masks is not None:
        mask_pixels = masks.at(frame.index)
        if mask_pixels is None:
            work.notes.append("some frames have no mask")
        else:
            size = (frame.pixels.shape[0], frame.pixels.shape[1])
            mask = work.picture("masks", frame.index, cut_mask(mask_pixels, cut.box, settings.size, size))
    aligned, aligned_points = _align(work, frame.index, cut) if "align" in steps else ("", Points())
    x0, y0, x1, y1 = (round(float(v), 2) for v in face.box)
    return PreparedFrame(
        frame_index=frame.index,
        time_s=round(frame.time_s, 6),
        face_box=(x0, y0, x1, y1),
        crop_box=cut.box,
        presence=round(face.presence, 4),
        frame=whole,
        crop=work.picture("crops", frame.index, cut.image) if "crops" in steps else "",
        mask=mask,
        landmarks=_points(cut.landmarks) if "landmarks" in steps else Points(),
        aligned=aligned,
        aligned_landmarks=aligned_points,
    )


def _align(work: _Work, index: int, cut: Cut) -> tuple[str, Points]:
    try:
        turned, points = align_eyes(cut.image, np.rint(cut.landmarks).astype(np.int64))
    except FaceError as error:
        work.notes.append(f"frame {index}: {error}")
        return "", Points()
    return work.picture("aligned", index, turned), _points(points)


def _points(points: NDArray[Any]) -> Points:
    return Points(np.round(points, 2))


def _audio(work: _Work) -> str:
    try:
        sound = read_audio(work.job.root / work.record.path, sample_rate_hz=work.job.settings.audio_rate_hz)
    except MediaError as error:
        if work.record.kind == "audio":
            raise
        work.notes.append(f"no sound: {work.words(error)}")
        return ""
    work.notes += sound.warnings
    memory = BytesIO()
    with wave.open(memory, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.sample_rate_hz)
        file.writeframes(np.rint(np.clip(sound.samples, -1, 1) * 32767).astype("<i2").tobytes())
    return work.write(_audio_path(work.name), memory.getvalue())


def _clip(work: _Work, finder: FaceFinder) -> str:
    source = open_source(work.record, work.job.root, frames=0)
    times, boxes = _followed(source, finder, work.job.settings)
    if not np.isfinite(boxes).any():
        work.notes.append("no face clip: no frame shows a face")
        return ""
    settings = work.job.settings
    squares = steady_squares(times, boxes, settings.clip_margin_ratio, settings.clip_smoothing_s)
    missing = int((~np.isfinite(boxes).all(axis=1)).sum())
    if missing:
        work.notes.append(f"face clip: the box of {missing} of {len(boxes)} frames lies between those around them")
    frames = source if source.is_timed else (replace(frame, time_s=frame.index / _NOMINAL_FPS) for frame in source)
    path = _clip_path(work.name)
    work.written += write_clip(work.job.out / path, frames, squares, settings, fps=source.fps or _NOMINAL_FPS)
    return path


def _followed(
    source: FrameSource, finder: FaceFinder, settings: PrepareSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(n,)`` times and ``(n, 4)`` boxes of every frame; NaN where there is no face."""
    times: list[float] = []
    boxes: list[NDArray[np.float64]] = []
    for frame, face in faces_of(source, finder, settings):
        times.append(frame.time_s if source.is_timed else frame.index / _NOMINAL_FPS)
        boxes.append(np.full(4, np.nan) if face is None else face.box.astype(np.float64))
    return np.array(times), np.stack(boxes)
