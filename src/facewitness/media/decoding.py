"""One linear decode of a video's frames, with their places in time; damage is counted, not raised."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facewitness.errors import MediaError
from facewitness.media.containers import DECODER_ERRORS, open_container, picture_stream, prepare_decoder
from facewitness.media.limits import Limits, WallClock
from facewitness.media.timeline import Timeline


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


def decode_linear(
    path: Path | str, timeline: Timeline, *, limits: Limits, clock: WallClock, tally: Tally, threads: int = 0
) -> Iterator[RawFrame]:
    """Decode a video from its start, frame by frame in display order.

    Args:
        path: The file.
        timeline: Its packets' times.
        limits: Bounds.
        clock: Checked at every packet.
        tally: Counts are added here.
        threads: Decoder threads; 0 takes as many as there are cores, four at most.

    Yields:
        Every frame, damaged ones included.

    Raises:
        MediaError: If the file has no decodable picture stream.
        LimitExceededError: If the time is used up.
    """
    with open_container(path, limits=limits, clock=clock) as container:
        stream = picture_stream(container)
        if stream is None:
            msg = f"{path}: has no moving picture; give a video"
            raise MediaError(msg)
        prepare_decoder(stream, limits=limits, threads=threads)
        time_s = -1.0 / timeline.rate
        for frame in _frames(container, stream, clock, tally):
            time_s = timeline.time_of(frame.pts, tally.decoded, time_s)
            raw = RawFrame(tally.decoded, time_s, frame)
            tally.decoded += 1
            if frame.is_corrupt:
                tally.damaged_frames += 1
            else:
                tally.intact_times_s.append(time_s)
            yield raw


def _frames(container: InputContainer, stream: VideoStream, clock: WallClock, tally: Tally) -> Iterator[VideoFrame]:
    for packet in _packets(container, stream):
        clock.check()
        try:
            frames = stream.codec_context.decode(packet)
        except DECODER_ERRORS:
            tally.damaged_packets += 1
            continue
        yield from frames
    clock.check()


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
