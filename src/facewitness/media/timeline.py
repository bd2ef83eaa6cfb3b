"""When each frame of a video appears, read from its packets before anything is decoded."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facewitness.errors import LimitExceededError
from facewitness.media.containers import DECODER_ERRORS
from facewitness.media.limits import Limits, WallClock

_FALLBACK_RATE = 25.0
_LOWEST_RATE, _HIGHEST_RATE = 0.1, 1000.0
_LONGEST_GAP_S = 600.0
_NO_TIME = -(1 << 62)


@dataclass(frozen=True)
class Timeline:
    """The frames that the packets promise.

    Attributes:
        times_s: ``(m,)`` float64 seconds since the first frame, ascending: one entry per frame in display order.
        end_s: When the last frame disappears, seconds since the first frame.
        first_pts: Time stamp of the first frame, in ticks; None when the stamps are unusable.
        tick_s: Seconds per tick.
        first_frame: The first frame that could be decoded; None when none could.
        warnings: What is odd about the packets.
    """

    times_s: NDArray[np.float64]
    end_s: float
    first_pts: int | None
    tick_s: float
    first_frame: VideoFrame | None
    warnings: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Average frames per second."""
        return len(self.times_s) / self.end_s if self.end_s > 0 else _FALLBACK_RATE

    def time_of(self, pts: int | None, index: int, previous_s: float) -> float:
        """Seconds since the first frame of a decoded frame; by count where its stamp is missing or runs backwards."""
        if self.first_pts is None:
            return index / self.rate
        if pts is not None:
            time_s = (pts - self.first_pts) * self.tick_s
            if time_s > previous_s:
                return time_s
        return previous_s + 1.0 / self.rate


def read_timeline(
    path: Path | str, container: InputContainer, stream: VideoStream, *, limits: Limits, clock: WallClock
) -> Timeline:
    """Read every packet's time stamp; decode the first frame only.

    What the container's header says of frames and duration is not used: files lie, packets do not.

    Raises:
        LimitExceededError: If there are too many frames, they last too long, or reading them takes too long.
    """
    stamps = array("q")
    offsets: set[int] = set()
    first: VideoFrame | None = None
    last_duration = 0
    notes: list[str] = []
    try:
        for packet in container.demux(stream):
            clock.check()
            if first is None and packet.size:
                first = _try_decode(stream, packet)
            if packet.size == 0 or packet.is_discard:
                continue
            stamps.append(_NO_TIME if packet.pts is None else packet.pts)
            offsets.add(stamps[-1] - (packet.dts or 0))
            last_duration = packet.duration or last_duration
            limits.check_frames(path, len(stamps))
    except LimitExceededError:
        raise
    except DECODER_ERRORS:
        notes.append("the container is damaged part of the way through; what lies behind that is not read")
    clock.check()
    if stream.codec_context.has_b_frames and len(offsets) == 1:
        stamps = array("q", [_NO_TIME]) * len(stamps)  # display order differs, yet the stamps do not know: AVI
    first = first or _try_decode(stream, None)
    times, end, first_pts = _place(np.array(stamps, dtype=np.int64), last_duration, stream, notes)
    limits.check_duration(path, end)
    return Timeline(times, end, first_pts, float(stream.time_base or 1), first, tuple(notes))


def _try_decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> VideoFrame | None:
    try:
        return next(iter(stream.codec_context.decode(packet)), None)
    except DECODER_ERRORS:
        return None  # counted when the frames are read


def _place(
    stamps: NDArray[np.int64], last_duration: int, stream: VideoStream, notes: list[str]
) -> tuple[NDArray[np.float64], float, int | None]:
    """Times of the frames, end of the last, and stamp of the first; by count where the stamps are no use."""
    tick = float(stream.time_base or 1)
    ordered = np.sort(stamps)
    gaps = np.diff(ordered)
    if len(ordered) and ordered[0] != _NO_TIME and (gaps > 0).all():
        if gaps.max(initial=0) * tick <= _LONGEST_GAP_S:
            times = (ordered - ordered[0]) * tick
            last = last_duration or (int(np.median(gaps)) if len(gaps) else round(1 / _rate_of(stream) / tick))
            return times, float(times[-1] + last * tick), int(ordered[0])
        notes.append("the time stamps jump; times are counted from the frame rate")
    times = np.arange(len(ordered)) / _rate_of(stream)
    return times, len(ordered) / _rate_of(stream), None


def _rate_of(stream: VideoStream) -> float:
    """Frames per second as the header has it, where that is believable."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            return float(rate)
    return _FALLBACK_RATE
