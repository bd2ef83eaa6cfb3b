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
_STAMPLESS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo"})
"""Containers that store no time stamps; FFmpeg makes some up from the order of the packets."""
_ONE_TO_ONE = frozenset({"h264", "hevc", "libdav1d", "av1", "vp9", "libvpx-vp9"})
"""Decoders that give one frame for each packet of a progressive video, and can start at any key frame."""


@dataclass(frozen=True)
class KeyGroups:
    """The packets in file order, cut into groups that each begin with a key frame.

    Attributes:
        pts: ``(m,)`` time stamps in file order.
        starts: ``(g,)`` positions of the key frames in ``pts``; the first is 0.
    """

    pts: NDArray[np.int64]
    starts: NDArray[np.intp]

    def entries_for(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where to begin decoding in order to see the frames of these time stamps, and where each one's packet is.

        A frame that is shown before the key frame of its own group may build on the group before: it begins there.

        Args:
            wanted: ``(k,)`` time stamps, ascending.

        Returns:
            ``(k,)`` positions to begin at and ``(k,)`` positions of the packets.
        """
        order = np.argsort(self.pts)
        places = order[np.minimum(np.searchsorted(self.pts, wanted, sorter=order), len(order) - 1)]
        groups = np.searchsorted(self.starts, places, side="right") - 1
        groups -= wanted < self.pts[self.starts[groups]]
        return self.starts[np.maximum(groups, 0)], places

    def share(self, wanted: NDArray[np.int64]) -> float:
        """Part of all packets that must be decoded to see the frames of these time stamps."""
        entries, places = self.entries_for(wanted)
        before = np.maximum.accumulate(np.concatenate([[0], places[:-1] + 1]))
        return float(np.maximum(places + 1 - np.maximum(entries, before), 0).sum() / len(self.pts))


@dataclass(frozen=True)
class Timeline:
    """The frames that the packets promise.

    Attributes:
        times_s: ``(m,)`` float64 seconds since the first frame, ascending: one entry per frame in display order.
        end_s: When the last frame disappears, seconds since the first frame.
        first_pts: Time stamp of the first frame, in ticks; None when the stamps are unusable.
        tick_s: Seconds per tick.
        first_frame: The first frame that could be decoded; None when none could.
        groups: Groups of packets that can be decoded by themselves; None when that is not certain.
        warnings: What is odd about the packets.
    """

    times_s: NDArray[np.float64]
    end_s: float
    first_pts: int | None
    tick_s: float
    first_frame: VideoFrame | None
    groups: KeyGroups | None = None
    warnings: tuple[str, ...] = ()

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
    scan = _Scan(container, stream)
    notes: list[str] = []
    try:
        for packet in container.demux(stream):
            clock.check()
            if packet.size:
                scan.add(packet)
            limits.check_frames(path, len(scan.stamps))
    except LimitExceededError:
        raise
    except DECODER_ERRORS:
        notes.append("the container is damaged part of the way through; what lies behind that is not read")
    clock.check()
    scan.try_decode(None)
    stamps = scan.usable_stamps()
    times, end, first_pts = _place(stamps, scan.last_duration, stream, notes)
    limits.check_duration(path, end)
    groups = scan.groups(stamps) if first_pts is not None and not notes else None
    return Timeline(times, end, first_pts, float(stream.time_base or 1), scan.first, groups, tuple(notes))


class _Scan:
    """What one pass over the packets collects."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._is_stampless = container.format.name in _STAMPLESS
        self._stream = stream
        self._keys = array("q")
        self._offsets: set[int] = set()
        self._cut = False
        self.stamps = array("q")
        self.last_duration = 0
        self.first: VideoFrame | None = None

    def add(self, packet: Packet[VideoStream]) -> None:
        self.try_decode(packet)
        if packet.is_discard:  # cut away by an edit list
            self._cut = True
            return
        if packet.is_keyframe:
            self._keys.append(len(self.stamps))
        self.stamps.append(_NO_TIME if packet.pts is None else packet.pts)
        if len(self._offsets) < 2:
            self._offsets.add(self.stamps[-1] - (packet.dts or 0))
        self.last_duration = packet.duration or self.last_duration

    def try_decode(self, packet: Packet[VideoStream] | None) -> None:
        """Decode until the first frame comes out."""
        if self.first is None:
            try:
                self.first = next(iter(self._stream.codec_context.decode(packet)), None)
            except DECODER_ERRORS:
                self.first = None  # counted when the frames are read

    def usable_stamps(self) -> NDArray[np.int64]:
        """The time stamps in file order; none where they are made up and do not know that display order differs."""
        stamps = np.array(self.stamps, dtype=np.int64)
        if self._is_stampless and self._stream.codec_context.has_b_frames and len(self._offsets) == 1:
            stamps[:] = _NO_TIME
        return stamps

    def groups(self, stamps: NDArray[np.int64]) -> KeyGroups | None:
        """Groups by key frames, where packets and frames surely correspond."""
        certain = self._keys and self._keys[0] == 0 and not self._cut and self._stream.codec_context.name in _ONE_TO_ONE
        if not certain or self.first is None or self.first.interlaced_frame:
            return None
        return KeyGroups(stamps, np.array(self._keys, dtype=np.intp))


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
