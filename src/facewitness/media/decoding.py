"""Decoding a video's frames with their places in time: all of them, or the groups of packets that are needed."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from facewitness.errors import MediaError
from facewitness.media.containers import DECODER_ERRORS, open_container, picture_stream, prepare_decoder
from facewitness.media.limits import Limits, WallClock
from facewitness.media.timeline import KeyGroups, Timeline


@dataclass
class Tally:
    """What one decode went through.

    Attributes:
        decoded: Frames that came out of the decoder, damaged ones included.
        damaged_packets: Packets that the decoder refused.
        damaged_frames: Frames that the decoder marked as incomplete.
        intact_times_s: Seconds of the others.
    """

    decoded: int = 0
    damaged_packets: int = 0
    damaged_frames: int = 0
    intact_times_s: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True)
class RawFrame:
    """A decoded frame before conversion: index in display order, seconds since the first frame, and the frame."""

    index: int
    time_s: float
    frame: VideoFrame


class Decoder:
    """Frames of one video, linearly or by groups of packets; damage is counted in a tally, not raised."""

    def __init__(
        self,
        path: Path | str,
        timeline: Timeline,
        *,
        limits: Limits,
        clock: WallClock,
        tally: Tally,
        threads: int = 0,
    ) -> None:
        self._path = path
        self._timeline = timeline
        self._limits = limits
        self._clock = clock
        self._tally = tally
        self._threads = threads

    def linear(self) -> Iterator[RawFrame]:
        """Decode from the start, frame by frame in display order.

        Yields:
            Every frame, damaged ones included.

        Raises:
            MediaError: If the file has no decodable picture stream.
            LimitExceededError: If the time is used up.
        """
        with self._open() as (container, stream):
            time_s = -1.0 / self._timeline.rate
            for packet in self._packets(container, stream):
                for frame in self._decode(stream, packet):
                    time_s = self._timeline.time_of(frame.pts, self._tally.decoded, time_s)
                    yield self._count(RawFrame(self._tally.decoded, time_s, frame))
        self._clock.check()

    def by_groups(self, groups: KeyGroups, wanted: NDArray[np.int64]) -> Iterator[RawFrame]:
        """Decode what is needed to see the frames of these time stamps; the decoder starts anew after each gap.

        Args:
            groups: Packets of the file by key frames.
            wanted: ``(k,)`` time stamps in ticks, ascending.

        Yields:
            Decoded frames with their places in the whole video, wanted and not. Frames that stem from before a gap
            and could not be whole are left out.

        Raises:
            MediaError: If the file has no decodable picture stream.
            LimitExceededError: If the time is used up.
        """
        entries, _ = groups.entries_for(wanted)
        ordered = np.sort(groups.pts)
        seen, first_shown, is_feeding = 0, 0, False
        with self._open() as (container, stream):
            for place, packet in enumerate(self._packets(container, stream)):
                if not is_feeding:
                    if place < entries[seen] or packet is None:
                        self._clock.check()
                        continue
                    is_feeding, first_shown = True, int(groups.pts[place])
                for frame in self._decode(stream, packet):
                    if frame.pts is None or frame.pts < first_shown:
                        continue
                    index = int(np.searchsorted(ordered, frame.pts))
                    time_s = float((frame.pts - ordered[0]) * self._timeline.tick_s)
                    yield self._count(RawFrame(index, time_s, frame))
                    seen = max(seen, int(np.searchsorted(wanted, frame.pts, side="right")))
                if seen == len(wanted):
                    return
                if entries[seen] > place:
                    stream.codec_context.flush_buffers()
                    is_feeding = False

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        with open_container(self._path, limits=self._limits, clock=self._clock) as container:
            stream = picture_stream(container)
            if stream is None:
                msg = f"{self._path}: has no moving picture; give a video"
                raise MediaError(msg)
            prepare_decoder(stream, limits=self._limits, threads=self._threads)
            yield container, stream

    def _decode(self, stream: VideoStream, packet: Packet[VideoStream] | None) -> Sequence[VideoFrame]:
        self._clock.check()
        try:
            return stream.codec_context.decode(packet)
        except DECODER_ERRORS:
            self._tally.damaged_packets += 1
            return ()

    def _count(self, raw: RawFrame) -> RawFrame:
        self._tally.decoded += 1
        if raw.frame.is_corrupt:
            self._tally.damaged_frames += 1
        else:
            self._tally.intact_times_s.append(raw.time_s)
        return raw

    @staticmethod
    def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream] | None]:
        """The packets in file order, then None to drain the decoder, also when the container breaks off."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except DECODER_ERRORS:
                packet = None
            if packet is None:
                break
            if packet.size:  # an empty one would drain the decoder: a repeated frame in AVI, or the end
                yield packet
        yield None
