"""Sound: one file in, one mono float array at the wanted rate out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from facewitness.errors import ConfigError, MediaError
from facewitness.media.containers import DECODER_ERRORS, open_container, sound_stream
from facewitness.media.limits import DEFAULT_LIMITS, Limits, WallClock

_SILENCE = 1e-4  # of full scale, about -80 dB
_BYTES_PER_SAMPLE = 4


@dataclass(frozen=True)
class DecodedAudio:
    """Sound of one file.

    Attributes:
        samples: ``(n,)`` float32 mono, the mean of the channels, nominally in [-1, 1].
        sample_rate_hz: Rate of ``samples``.
        source_rate_hz: Rate stored in the file.
        channels: Channels stored in the file.
        duration_s: Length of ``samples`` in seconds.
        start_s: Time stamp of the first sample on the container's clock, as `VideoInfo.start_s`.
        codec: Codec of the sound (``aac``).
        warnings: What the reader should know.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    source_rate_hz: int
    channels: int
    duration_s: float
    start_s: float
    codec: str
    warnings: tuple[str, ...] = ()


def read_audio(path: Path | str, *, sample_rate_hz: int = 16000, limits: Limits = DEFAULT_LIMITS) -> DecodedAudio:
    """Decode the sound of a video or sound file to mono at a given rate.

    Args:
        path: WAV, MP3, M4A, FLAC, Ogg, MP4, MOV, MKV, WebM, ...
        sample_rate_hz: Rate wanted, 1000 to 384000.
        limits: Bounds on bytes, duration, memory and wall time.

    Raises:
        ConfigError: If the rate is out of range.
        MediaError: If the file is missing, empty, damaged or has no sound.
        LimitExceededError: If it is beyond the limits.
    """
    if isinstance(sample_rate_hz, bool) or not 1000 <= sample_rate_hz <= 384_000:
        msg = f"sample_rate_hz must be from 1000 to 384000, got {sample_rate_hz!r}"
        raise ConfigError(msg)
    clock = WallClock(path, limits)
    with open_container(path, limits=limits, clock=clock) as container:
        stream = sound_stream(container)
        if stream is None:
            msg = f"{path}: has no sound that can be decoded; give a file with a sound stream"
            raise MediaError(msg)
        if stream.duration and stream.time_base:
            limits.check_duration(path, float(stream.duration * stream.time_base))
        return _Reader(path, container, stream, sample_rate_hz, limits=limits, clock=clock).read()


class _Reader:
    """One pass over a sound stream; damaged parts are counted and left out."""

    def __init__(
        self,
        path: Path | str,
        container: InputContainer,
        stream: AudioStream,
        rate_hz: int,
        *,
        limits: Limits,
        clock: WallClock,
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._rate_hz = rate_hz
        self._limits = limits
        self._clock = clock
        self._resampler = AudioResampler(format="fltp", rate=rate_hz)
        self._first: AudioFrame | None = None
        self._damaged = 0

    def read(self) -> DecodedAudio:
        chunks: list[NDArray[np.float32]] = []
        length = 0
        for chunk in self._chunks():
            chunks.append(chunk)
            length += len(chunk)
            self._limits.check_duration(self._path, length / self._rate_hz)
            self._limits.check_decoded(self._path, 2 * length * _BYTES_PER_SAMPLE)
        if self._first is None or not length:
            msg = f"{self._path}: none of its sound can be decoded; the file is damaged or cut off, get it again"
            raise MediaError(msg)
        samples = np.concatenate(chunks)
        return DecodedAudio(
            samples=samples,
            sample_rate_hz=self._rate_hz,
            source_rate_hz=self._first.sample_rate,
            channels=self._first.layout.nb_channels,
            duration_s=length / self._rate_hz,
            start_s=self._first.time or 0.0,
            codec=self._stream.codec_context.name,
            warnings=tuple(self._remarks(samples)),
        )

    def _remarks(self, samples: NDArray[np.float32]) -> Iterator[str]:
        if self._damaged:
            yield f"{self._damaged} damaged packets of sound left out"
        if float(np.abs(samples).max()) < _SILENCE:
            yield "the sound is silent"

    def _chunks(self) -> Iterator[NDArray[np.float32]]:
        """Pieces at the wanted rate, channels averaged."""
        for frame in self._frames():
            if self._first is None:
                self._first = frame
            yield from self._resample(frame)
        if self._first is not None:
            yield from self._resample(None)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            self._clock.check()
            try:
                packet = next(packets, None)
            except DECODER_ERRORS:
                self._damaged += 1
                return
            if packet is None:
                self._clock.check()
                return
            try:
                frames = packet.decode()
            except DECODER_ERRORS:
                self._damaged += 1
                continue
            yield from frames

    def _resample(self, frame: AudioFrame | None) -> list[NDArray[np.float32]]:
        try:
            parts = self._resampler.resample(frame)
        except DECODER_ERRORS:  # a frame whose layout changes half way
            self._damaged += 1
            return []
        means = [part.to_ndarray().mean(axis=0, dtype=np.float32) for part in parts]
        return [np.nan_to_num(mean, nan=0.0, posinf=0.0, neginf=0.0) for mean in means]
