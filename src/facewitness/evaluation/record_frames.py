"""Frames of a data set's record, whatever it is: picture, video, folder of pictures, HDF5 group, prepared crops.

A frame that cannot be had is handed out with the reason in its place, so that it is counted and never made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.listing import frame_files
from facewitness.datasets.prepared import PreparedFrame, PreparedVideo
from facewitness.datasets.records import Record
from facewitness.errors import MediaError, MissingExtraError
from facewitness.media.images import read_image
from facewitness.media.kind import identify
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.media.sampling import choose_frames
from facewitness.media.video import iter_frames

Image = NDArray[np.uint8]

UNREADABLE: Final = "cannot be read"
NO_FACE: Final = "no face"
TOO_SMALL: Final = "face too small"
SOUND_ONLY: Final = "sound only"
"""What a reason for a missing score begins with; details follow after a colon."""


@dataclass(frozen=True)
class ReadFrame:
    """One sampled frame, or the reason why there is none.

    Attributes:
        index: Position among the frames of the source.
        time_s: Seconds from its start; 0 for pictures and where no frame rate is known.
        pixels: ``(H, W, 3)`` uint8 RGB; None when it cannot be had.
        problem: Why there are no pixels; empty where there are.
        path: File that the frame stems from, below the set's root.
        boxes: ``(4,)`` xyxy face boxes in its pixels that are known beforehand (tight mesh boxes); None: find them.
        scale: Its pixels per pixel of the source, where it was resized.
        file: The file on disk that it was decoded from; None for groups and prepared data.
        file_frames: How many frames that file holds.
        file_format: Its format or container, as decoded.
        mask: ``(H, W)`` uint8, forged where above 0; None where there is none or nobody asked.
    """

    index: int
    time_s: float
    pixels: Image | None
    problem: str = ""
    path: str = ""
    boxes: tuple[NDArray[np.float32], ...] | None = None
    scale: float = 1.0
    file: Path | None = None
    file_frames: int = 1
    file_format: str = ""
    mask: Image | None = None


def read_frames(root: Path, record: Record, *, frames: int, limits: Limits = DEFAULT_LIMITS) -> Iterator[ReadFrame]:
    """Frames of a record, uniform over its length, one after the other; never raises for what a file holds.

    Args:
        root: Folder of the data set.
        record: What to read; a single file counts as picture or video by its content.
        frames: Most frames of a video, a folder or a group.
        limits: Bounds of one file.

    Yields:
        Frames in the order of time; at damage one frame without pixels that says why, then whatever can still be read.

    Raises:
        MissingExtraError: For an HDF5 file without h5py.
    """
    readers = {"frames": _folder_frames, "hdf5": _group_frames, "audio": _sound}
    reader = readers.get(record.kind, _file_frames)
    return reader(root / record.path, record.path, frames, limits)


def _problem(index: int, error: MediaError | OSError, path: Path, name: str, time_s: float = 0.0) -> ReadFrame:
    reason = str(error).removeprefix(f"{path}: ")
    return ReadFrame(index, time_s, None, f"{UNREADABLE}: {reason}", name)


def _file_frames(path: Path, name: str, frames: int, limits: Limits) -> Iterator[ReadFrame]:
    last, time_s = -1, 0.0
    try:
        kind = identify(path, limits=limits)
        if kind == "audio":
            yield from _sound(path, name, frames, limits)
        elif kind == "image":
            image = read_image(path, limits=limits)
            yield ReadFrame(0, 0.0, image.pixels, path=name, file=path, file_format=image.format)
        else:
            video = iter_frames(path, n=frames, limits=limits)
            held, container = video.info.frames, video.info.format
            of = ReadFrame(0, 0.0, None, path=name, file=path, file_frames=held, file_format=container)
            for frame in video:
                last, time_s = frame.index, frame.time_s
                yield replace(of, index=last, time_s=time_s, pixels=frame.pixels)
    except (MediaError, OSError) as error:
        yield _problem(last + 1, error, path, name, time_s)


def _sound(path: Path, name: str, frames: int, limits: Limits) -> Iterator[ReadFrame]:
    del path, frames, limits
    yield ReadFrame(0, 0.0, None, f"{SOUND_ONLY}: a picture detector has nothing to look at", name)


def _folder_frames(path: Path, name: str, frames: int, limits: Limits) -> Iterator[ReadFrame]:
    try:
        files = frame_files(path)
    except OSError as error:
        yield _problem(0, error, path, name)
        return
    if not files:
        yield ReadFrame(0, 0.0, None, f"{UNREADABLE}: there is no such folder, or no pictures in it", name)
    for i in _uniform(len(files), frames):
        below = (PurePosixPath(name).parent if name.endswith("*") else PurePosixPath(name)) / files[i].name
        try:
            image = read_image(files[i], limits=limits)
            yield ReadFrame(i, 0.0, image.pixels, path=str(below), file=files[i], file_format=image.format)
        except MediaError as error:
            yield _problem(i, error, files[i], str(below))


def _group_frames(path: Path, name: str, frames: int, limits: Limits) -> Iterator[ReadFrame]:
    try:
        import h5py
    except ImportError as error:
        msg = "HDF5 data sets need h5py: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    file, _, group = str(path).rpartition("#")
    try:
        with h5py.File(file, "r") as store:
            stored: Any = store[group]
            for i in _uniform(_frames_in(stored, file, limits), frames):
                yield ReadFrame(i, 0.0, np.asarray(stored[i]), path=name)
    except (MediaError, OSError, KeyError) as error:
        yield _problem(0, error if isinstance(error, MediaError) else MediaError(str(error)), Path(file), name)


def _frames_in(stored: Any, file: str, limits: Limits) -> int:
    """Number of frames of an HDF5 dataset that holds a video."""
    shape = tuple(getattr(stored, "shape", ()))
    if len(shape) != 4 or shape[3] != 3 or stored.dtype != np.uint8:
        msg = f"expected (frames, H, W, 3) uint8 in {stored.name!r}, found {shape or 'a group'}"
        raise MediaError(msg)
    limits.check_size(file, shape[2], shape[1], is_video=True)
    return int(shape[0])


def _uniform(count: int, wanted: int) -> list[int]:
    return [int(i) for i in choose_frames(np.arange(count, dtype=np.float64), float(count), n=wanted)]


def prepared_frames(
    folder: Path, video: PreparedVideo, *, frames: int, limits: Limits = DEFAULT_LIMITS
) -> Iterator[ReadFrame]:
    """Frames of a prepared video with the face box that was found then, so that no face is looked for.

    Where the whole frame was kept, the detector's crop is cut from it; else from the prepared crop, whose margin
    must be at least the detector's, or its border rule is applied at the edge of the crop.

    Args:
        folder: Folder of the prepared data.
        video: One of its videos.
        frames: Most frames, uniform over those with and without a face.
        limits: Bounds of one file.

    Yields:
        As `read_frames`; sampled frames without a usable face come without pixels.
    """
    if video.problem:
        yield ReadFrame(0, 0.0, None, f"{UNREADABLE}: {video.problem}", video.record.path)
        return
    seen: list[tuple[int, PreparedFrame | None]] = [(frame.frame_index, frame) for frame in video.frames]
    seen += [(index, None) for index in video.without_face]
    seen.sort(key=lambda item: item[0])
    if not seen:
        yield ReadFrame(0, 0.0, None, f"{NO_FACE}: none in the prepared data", video.record.path)
    for i in _uniform(len(seen), frames):
        index, frame = seen[i]
        if frame is None:
            yield ReadFrame(index, 0.0, None, f"{NO_FACE}: none in the prepared data", video.record.path)
        else:
            yield _prepared_frame(folder, frame, video.record.path, limits)


def _prepared_frame(folder: Path, frame: PreparedFrame, name: str, limits: Limits) -> ReadFrame:
    below = frame.frame or frame.crop
    if not below:
        return ReadFrame(frame.frame_index, frame.time_s, None, f"{UNREADABLE}: neither frame nor crop was kept", name)
    try:
        pixels = read_image(folder / below, limits=limits).pixels
    except MediaError as error:
        return _problem(frame.frame_index, error, folder / below, name, frame.time_s)
    box, scale = np.array(frame.face_box, np.float32), 1.0
    mask = None
    if not frame.frame:
        mask = _prepared_mask(folder, frame, limits)
        box = box_in_crop(box, frame.crop_box, pixels.shape[:2])
        scale = pixels.shape[1] / (frame.crop_box[2] - frame.crop_box[0])
    return ReadFrame(frame.frame_index, frame.time_s, pixels, path=name, boxes=(box,), scale=scale, mask=mask)


def _prepared_mask(folder: Path, frame: PreparedFrame, limits: Limits) -> Image | None:
    """The mask that was cut like the crop; None where there is none or it cannot be read."""
    try:
        return read_image(folder / frame.mask, limits=limits).pixels.max(axis=2) if frame.mask else None
    except MediaError:
        return None


def box_in_crop(box: NDArray[np.float32], crop_box: Sequence[int], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A box in frame pixels as a box in a crop that was resized.

    Args:
        box: ``(4,)`` xyxy, frame pixels, pixel centres at whole numbers.
        crop_box: ``x0, y0, x1, y1`` that was cut out, frame pixels.
        shape: Height and width of the stored crop.

    Returns:
        ``(4,)`` float32 xyxy, pixels of the stored crop.

    Example:
        >>> box_in_crop(np.array([10, 10, 29, 29], np.float32), (0, 0, 40, 40), (80, 80)).tolist()
        [20.5, 20.5, 58.5, 58.5]
    """
    x0, y0, x1, y1 = crop_box
    scale = np.array([shape[1] / (x1 - x0), shape[0] / (y1 - y0)] * 2)
    return np.asarray((box - [x0, y0, x0, y0] + 0.5) * scale - 0.5, dtype=np.float32)
