"""Video and sound containers, opened so that they can reach nothing but their own bytes.

FFmpeg is handed our reader instead of a path: it knows no file name to resolve others against, no protocol is
allowed, and only container formats that carry their own data are admitted (no playlists, no concat scripts).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from facewitness.errors import MediaError
from facewitness.media.files import open_regular
from facewitness.media.limits import Limits, WallClock
from facewitness.media.signatures import HEAD_BYTES, PICTURES, advice_for, name_of_head

DECODER_ERRORS = (
    av.error.FFmpegError,
    OSError,
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    LookupError,
    MemoryError,
)
"""What PyAV raises on damaged files: its own tree, and Python errors from impossible header values."""

_FORMATS = (
    *("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "flv", "asf", "ogg", "mpegts", "mpeg", "mpegvideo", "m4v"),
    *("h264", "hevc", "vvc", "obu", "ivf", "mxf", "gxf", "dv", "rm", "nut", "nsv", "wtv", "yuv4mpegpipe"),
    *("gif", "apng", "wav", "w64", "mp3", "aac", "ac3", "eac3", "dts", "flac", "aiff", "caf", "au", "amr", "wv", "tta"),
)
"""Containers admitted, by the names of their demuxers; every one is self-contained."""

_OPTIONS = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none"}
_BUFFER_BYTES = 1 << 17
_MAX_THREADS = 4
_NOT_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails


class _GuardedReader(io.RawIOBase):
    """A file for FFmpeg that ends when the clock has run out.

    It answers "end of file" or -1 instead of raising: an exception inside FFmpeg's callback cannot reach the caller.
    """

    def __init__(self, stream: BinaryIO, clock: WallClock) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return b"" if self._clock.expired else self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1  # a damaged header points before the start

    def tell(self) -> int:
        return self._stream.tell()


@contextlib.contextmanager
def open_container(path: Path | str, *, limits: Limits, clock: WallClock | None = None) -> Iterator[InputContainer]:
    """Open a video or sound file, by content, shut off from other files and from the network.

    Args:
        path: The file.
        limits: Bounds on bytes, frame size and wall time.
        clock: Clock of the whole job, when this is one step of it.

    Yields:
        The container; closed afterwards.

    Raises:
        MediaError: If the file is missing, empty, a picture or playlist, or not media at all.
        LimitExceededError: If it is beyond the limits.
    """
    clock = clock or WallClock(path, limits)
    with open_regular(path, max_bytes=limits.max_bytes) as stream:
        head = name_of_head(stream.read(HEAD_BYTES))
        stream.seek(0)
        _require_container(path, head)
        reader = _GuardedReader(stream, clock)
        try:
            container = av.open(
                reader,
                mode="r",
                # Not ``options``: PyAV up to 17 writes past its own array with them when streams turn up late.
                container_options=_OPTIONS,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
            )
        except DECODER_ERRORS as error:
            clock.check()
            raise MediaError(_unreadable(path, head, error)) from error
        with container:
            yield container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The moving picture: the first decodable video stream that is not cover art."""
    for stream in container.streams.video:
        if not stream.disposition & _NOT_PICTURES and stream.codec_context is not None:
            return stream
    return None


def prepare_decoder(stream: VideoStream, *, limits: Limits, threads: int = 0) -> None:
    """Set the decoder's threads (0: one per core, four at most) and the frame size that it may not exceed."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads or min(_MAX_THREADS, os.cpu_count() or 1)
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(limits.max_frame_pixels)}


def sound_stream(container: InputContainer) -> AudioStream | None:
    """The sound: the first decodable audio stream."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _require_container(path: Path | str, head: str) -> None:
    if head in PICTURES - {"GIF", "PNG"}:
        msg = f"{path}: expected a video or sound file, got a {head} picture; read it as a picture"
        raise MediaError(msg)
    if head.startswith(("a ", "an ")) or head == "text":
        msg = f"{path}: this is {advice_for(head)}"
        raise MediaError(msg)


def _unreadable(path: Path | str, head: str, error: BaseException) -> str:
    if head in PICTURES:
        return f"{path}: expected a video or sound file, got a still {head} picture; read it as a picture"
    if getattr(error, "errno", None) == errno.EINVAL:  # what a format outside the list gives
        return f"{path}: not a container that is admitted; convert it to MP4, or give another copy"
    if head and not head.startswith(("a ", "an ")):
        return f"{path}: begins like {head} but cannot be opened ({_reason(error)}): truncated or damaged; get it again"
    return f"{path}: this is {advice_for(head)}"


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error).strip() or type(error).__name__
