"""Frames of a record, whatever it is: a video, a picture, a folder of pictures, an array in HDF5."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.listing import PICTURES, frame_files
from facewitness.datasets.records import Record
from facewitness.errors import MediaError, MissingExtraError
from facewitness.media.images import read_image
from facewitness.media.sampling import choose_frames
from facewitness.media.video import Frame, iter_frames

CLOSE_S: Final = 0.1
"""Frames no further apart than this follow each other closely: a face hardly moves between them."""

_HELD_BYTES: Final = 400_000_000


class FrameSource:
    """Chosen frames of one record, to be looped over several times.

    Frames stay in memory where all of them fit into `_HELD_BYTES`; else each loop reads the file anew.

    Attributes:
        times_s: ``(k,)`` seconds of the frames to come; a second apart where nothing is known of their times.
        fps: Frames per second of the source; 0 where it has none.
        is_timed: Whether the times are known.
        names: Stems of the files that the frames come from, by frame index; empty for a video.
    """

    def __init__(
        self,
        frames: Callable[[], Iterator[Frame]],
        times_s: NDArray[np.float64],
        *,
        fps: float = 0.0,
        names: Sequence[str] = (),
        notes: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._frames = frames
        self._held: list[Frame] = []
        self._is_held = False
        self._notes = notes
        self.times_s = times_s
        self.fps = fps
        self.is_timed = fps > 0
        self.names = names

    def __iter__(self) -> Iterator[Frame]:
        """The frames, ascending.

        Raises:
            MediaError: If nothing can be decoded.
        """
        if self._is_held:
            yield from self._held
            return
        room, held = _HELD_BYTES, []
        for frame in self._frames():
            room -= frame.pixels.nbytes
            if room >= 0:
                held.append(frame)
            else:
                held.clear()
            yield frame
        self._is_held = room >= 0
        self._held = held

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the source; complete after a loop."""
        return self._notes()


def sampled_positions(count: int, frames: int) -> NDArray[np.intp]:
    """Where LAA-Net's script takes frames: spread over all of them with both ends, cut to whole numbers.

    Args:
        count: Frames of the video.
        frames: Frames wanted; 0 takes all.

    Returns:
        ``(k,)`` ascending, unique.

    Example:
        >>> sampled_positions(10, 4).tolist()
        [0, 3, 6, 9]
    """
    if not frames or frames >= count:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, frames).astype(np.intp))


def open_source(record: Record, root: Path, *, frames: int, official: bool = False) -> FrameSource:
    """Choose frames of a record.

    Args:
        record: What to read; not ``audio``.
        root: The set's root.
        frames: Frames wanted, spread over the length; 0 takes all.
        official: Choose by `sampled_positions`.

    Raises:
        MediaError: If the file is missing, empty or cannot be decoded.
        MissingExtraError: If it is HDF5 and h5py is not installed.
    """
    if record.kind == "video":
        return _video(root / record.path, frames, official=official)
    if record.kind == "image":
        return FrameSource(lambda: iter([Frame(0, 0.0, read_image(root / record.path).pixels)]), np.zeros(1))
    if record.kind == "frames":
        return _folder(root / record.path, frames, official=official)
    if record.kind == "hdf5":
        return _hdf5(root, record.path, frames, official=official)
    msg = f"{record.path}: a record of kind {record.kind!r} has no frames"
    raise MediaError(msg)


def _video(path: Path, frames: int, *, official: bool) -> FrameSource:
    stream = iter_frames(path, n=None if official or not frames else frames, threads=1)
    if official:
        stream.times_s = stream.times_s[sampled_positions(len(stream), frames)]
    return FrameSource(lambda: iter(stream), stream.times_s, fps=stream.info.fps, notes=lambda: stream.warnings)


def _positions(count: int, frames: int, *, official: bool) -> NDArray[np.intp]:
    if official:
        return sampled_positions(count, frames)
    return choose_frames(np.arange(count, dtype=np.float64), float(count), n=frames or None)


def picture_files(folder: Path) -> list[Path]:
    """`frame_files` of a folder that must hold some.

    Raises:
        MediaError: If there is none.
    """
    found = frame_files(folder)
    if not found:
        msg = f"{folder}: expected a folder of pictures, found none in it"
        raise MediaError(msg)
    return found


def _folder(folder: Path, frames: int, *, official: bool) -> FrameSource:
    files = picture_files(folder)
    chosen = _positions(len(files), frames, official=official)

    def read() -> Iterator[Frame]:
        for position in chosen.tolist():
            yield Frame(position, 0.0, read_image(files[position]).pixels)

    return FrameSource(read, chosen.astype(np.float64), names=[path.stem for path in files])


def _hdf5(root: Path, place: str, frames: int, *, official: bool) -> FrameSource:
    file, _, group = place.partition("#")
    with _open_array(root / file, group) as array:
        chosen = _positions(len(array), frames, official=official)

    def read() -> Iterator[Frame]:
        with _open_array(root / file, group) as found:
            for position in chosen.tolist():
                yield Frame(position, 0.0, np.asarray(found[position]))

    return FrameSource(read, chosen.astype(np.float64))


def require_h5py() -> Any:
    """The package h5py.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        msg = "HDF5 needs h5py: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    return h5py


@contextmanager
def _open_array(path: Path, group: str) -> Iterator[Any]:
    """The array of one video in an HDF5 file."""
    try:
        file = require_h5py().File(path, "r")
    except OSError as error:
        msg = f"{path}: cannot be read as HDF5 ({error}); copy it again"
        raise MediaError(msg) from error
    with file:
        array = file.get(group)
        shape: tuple[int, ...] = getattr(array, "shape", ())
        if len(shape) != 4 or shape[-1] != 3 or not shape[0] or array.dtype != np.uint8:
            msg = f"{path}#{group}: expected (frames, H, W, 3) uint8, got {shape or 'no array of that name'}"
            raise MediaError(msg)
        yield array


class MaskSource:
    """Masks of a record, asked for by ascending frame index.

    Args:
        record: Its ``mask_path`` is a picture for all frames, a video with the same frames, or a folder with
            a picture per frame, of the same name or else at the same place.
        root: The set's root.
        names: Stems of the frames' files (`FrameSource.names`).

    Raises:
        MediaError: If the masks cannot be read.
    """

    def __init__(self, record: Record, root: Path, names: Sequence[str] = ()) -> None:
        path = root / record.mask_path
        self._single: NDArray[np.uint8] | None = None
        self._files: dict[str, Path] = {}
        self._stream: Iterator[Frame] = iter(())
        self._last: Frame | None = None
        self._names = names
        if path.is_dir():
            self._files = {file.stem: file for file in picture_files(path)}
        elif path.suffix.lower() in PICTURES:
            self._single = _grey(read_image(path).pixels)
        else:
            self._stream = iter(iter_frames(path, threads=1))

    def at(self, index: int) -> NDArray[np.uint8] | None:
        """``(H, W)`` uint8 mask of a frame; None where there is none."""
        if self._single is not None:
            return self._single
        if self._files:
            file = self._file_of(index)
            return None if file is None else _grey(read_image(file).pixels)
        while self._last is None or self._last.index < index:
            self._last = next(self._stream, None)
            if self._last is None:
                return None
        return _grey(self._last.pixels) if self._last.index == index else None

    def _file_of(self, index: int) -> Path | None:
        name = self._names[index] if index < len(self._names) else ""
        if name in self._files:
            return self._files[name]
        by_place = not self._names or len(self._names) == len(self._files)
        return list(self._files.values())[index] if by_place and index < len(self._files) else None


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The brightest channel: masks are white, or coloured on black."""
    return np.ascontiguousarray(pixels.max(axis=2))
