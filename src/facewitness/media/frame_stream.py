"""Chosen frames of one video, handed out one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import MediaError
from facewitness.media.decoding import Decoder, RawFrame, Tally
from facewitness.media.frames import frame_pixels
from facewitness.media.limits import DEFAULT_LIMITS, Limits, WallClock
from facewitness.media.timeline import Timeline

_WORTH_SKIPPING = 0.7  # share of the packets above which all of them are decoded
_FEW_FRAMES = 250


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds, found by reading its packets; the header's counts are not trusted.

    Attributes:
        format: Container (``mov,mp4,m4a,3gp,3g2,mj2``).
        codec: Codec of the picture (``h264``).
        width: Width of the upright frame, pixels.
        height: Height of the upright frame, pixels.
        rotation_deg: Clockwise turn that is applied to the frames: 0, 90, 180 or 270.
        fps: Average frames per second.
        frames: Frames that the file holds.
        duration_s: Seconds from the first frame's appearance to the last one's disappearance.
        start_s: Time stamp of the first frame on the container's clock, as `DecodedAudio.start_s`.
        has_audio: Whether there is a sound stream.
        warnings: What is odd about the file.
    """

    format: str
    codec: str
    width: int
    height: int
    rotation_deg: int
    fps: float
    frames: int
    duration_s: float
    start_s: float
    has_audio: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        index: Position among all frames of the file in display order, from 0.
        time_s: Seconds since the first frame.
        pixels: ``(H, W, 3)`` uint8 RGB, upright.
    """

    index: int
    time_s: float
    pixels: NDArray[np.uint8]


class FrameStream:
    """Chosen frames of a video one after the other, with memory for one; made by `iter_frames`.

    Every loop over it reads the file anew.

    Attributes:
        info: What the file holds.
        times_s: ``(k,)`` seconds of the frames to come.
        warnings: What is to be said about the frames; complete after a loop.
    """

    def __init__(
        self,
        path: Path | str,
        timeline: Timeline,
        info: VideoInfo,
        times_s: NDArray[np.float64],
        *,
        limits: Limits = DEFAULT_LIMITS,
        threads: int = 0,
    ) -> None:
        self.info = info
        self.times_s = times_s
        self.warnings = info.warnings
        self.tally = Tally()
        self._path = path
        self._timeline = timeline
        self._limits = limits
        self._threads = threads
        self._position = 0
        self._sizes: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        """How many frames are to come; fewer do come when parts of the file are damaged."""
        return len(self.times_s)

    def __iter__(self) -> Iterator[Frame]:
        """Decode up to the last chosen frame; only chosen frames are converted.

        Where the chosen frames lie far apart, groups of packets without any are passed over; if a frame is missed
        that way, the rest is decoded linearly from the start.

        Raises:
            MediaError: If nothing can be decoded.
            LimitExceededError: If a frame is too large or decoding takes too long (the caller's own time is not
                counted).
        """
        clock = WallClock(self._path, self._limits)
        kept = self._position = 0
        for choose in (self._from_groups, self._intact, self._any):
            self.tally = Tally()
            self._sizes.clear()
            for frame in choose(clock):
                clock.pause()
                yield frame
                clock.resume()
                kept += 1
            if self._position == len(self.times_s) or (kept and choose == self._intact):
                break
        self.warnings = (*self.info.warnings, *self._remarks())
        if not kept:
            msg = f"{self._path}: none of its frames can be decoded; the file is damaged or cut off, get it again"
            raise MediaError(msg)

    def _from_groups(self, clock: WallClock) -> Iterator[Frame]:
        """The chosen frames from the groups of packets that hold them; ends at the first that cannot be had whole."""
        groups, timeline = self._timeline.groups, self._timeline
        if groups is None or timeline.first_pts is None or len(timeline.times_s) < _FEW_FRAMES:
            return
        ticks = timeline.first_pts + np.rint(self.times_s / timeline.tick_s).astype(np.int64)
        if groups.share(ticks) > _WORTH_SKIPPING:
            return
        for raw in self._decoder(clock).by_groups(groups, ticks):
            late_s = raw.time_s - self.times_s[self._position]
            if late_s < -timeline.tick_s / 2:
                continue
            if late_s > timeline.tick_s / 2 or raw.frame.is_corrupt:
                return
            self._position += 1
            yield self._finish(raw)
            if self._position == len(self.times_s):
                return

    def _intact(self, clock: WallClock) -> Iterator[Frame]:
        return self._linear(clock, only_intact=True)

    def _any(self, clock: WallClock) -> Iterator[Frame]:
        return self._linear(clock, only_intact=False)

    def _linear(self, clock: WallClock, *, only_intact: bool) -> Iterator[Frame]:
        slack_s = self._timeline.tick_s / 2
        for raw in self._decoder(clock).linear():
            if raw.time_s < self.times_s[self._position] - slack_s or (only_intact and raw.frame.is_corrupt):
                continue
            # Lost frames merge with the next one that is whole.
            self._position = int(np.searchsorted(self.times_s, raw.time_s + slack_s, side="right"))
            yield self._finish(raw)
            if self._position == len(self.times_s):
                return

    def _decoder(self, clock: WallClock) -> Decoder:
        return Decoder(
            self._path, self._timeline, limits=self._limits, clock=clock, tally=self.tally, threads=self._threads
        )

    def _finish(self, raw: RawFrame) -> Frame:
        self._limits.check_size(self._path, raw.frame.width, raw.frame.height, is_video=True)
        self._sizes.add((raw.frame.width, raw.frame.height))
        return Frame(raw.index, raw.time_s, frame_pixels(raw.frame))

    def _remarks(self) -> Iterator[str]:
        tally = self.tally
        if len(self._sizes) > 1:
            yield f"the picture size changes: {', '.join(f'{width}x{height}' for width, height in sorted(self._sizes))}"
        if tally.damaged_packets:
            yield f"{tally.damaged_packets} damaged packets could not be decoded"
        if tally.damaged_frames == tally.decoded > 0:
            yield f"all frames are incomplete ({tally.damaged_frames}); they are used as they are"
        elif tally.damaged_frames:
            yield f"{tally.damaged_frames} incomplete frames left out"
