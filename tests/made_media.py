"""Synthetic media for tests: clips whose frames carry their own number, and damaged files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 10
"""A frame's number is drawn as this many black or white columns, so it can be read back after any codec."""


def numbered_frame(number: int, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """A frame that shows its number: columns of black and white, least significant bit at the left."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    columns = np.repeat(np.array(bits, np.uint8) * 200 + 20, -(-width // BITS))[:width]
    return np.ascontiguousarray(np.broadcast_to(columns[None, :, None], (height, width, 3)))


def number_in(pixels: NDArray[np.uint8]) -> int:
    """Read the number back from the middle of each column."""
    height, width = pixels.shape[:2]
    step = -(-width // BITS)
    middles = [min(step * bit + step // 2, width - 1) for bit in range(BITS)]
    return sum(int(pixels[height // 2, x].mean() > 120) << bit for bit, x in enumerate(middles))


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0, level: float = 0.5) -> NDArray[np.float32]:
    """A sine wave, mono."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_clip(
    path: Path,
    *,
    codec: str = "libx264",
    frames: int = 50,
    fps: int = 25,
    size: tuple[int, int] = (160, 96),
    pixel_format: str = "yuv420p",
    times: list[int] | None = None,
    rotation: int | None = None,
    flip: bool = False,
    sound: NDArray[np.float32] | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
    sample_aspect: Fraction | None = None,
) -> Path:
    """Write a clip of numbered frames; ``times`` are their time stamps in 1 / fps (default: one after the other)."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = Fraction(1, fps)
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if rotation is not None or flip:
            stream.set_display_rotation(rotation or 0, hflip=flip)
        audio = output.add_stream("aac" if codec != "mpeg1video" else "mp2", rate=16000) if sound is not None else None
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(numbered_frame(number, *size), "rgb24")
            picture.pts = times[number] if times else number
            picture.time_base = Fraction(1, fps)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
        if audio is not None and sound is not None:
            write_samples(output, audio, sound)
    return path


def write_samples(output: av.container.OutputContainer, stream: av.AudioStream, sound: NDArray[np.float32]) -> None:
    """Encode ``(n,)`` mono or ``(n, 2)`` stereo samples at 16 kHz."""
    planes = sound[:, None] if sound.ndim == 1 else sound
    layout = "mono" if planes.shape[1] == 1 else "stereo"
    resampler = av.AudioResampler(
        stream.codec_context.format, layout, 16000, frame_size=stream.codec_context.frame_size
    )
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes.T), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = 16000, 0
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        output.mux(stream.encode(piece))
    output.mux(stream.encode(None))


def write_sound(path: Path, sound: NDArray[np.float32], *, codec: str, container: str | None = None) -> Path:
    """Write a sound file at 16 kHz."""
    with av.open(str(path), "w", format=container) as output:
        layout = "mono" if sound.ndim == 1 else "stereo"
        stream = output.add_stream(codec, rate=16000, layout=layout)
        write_samples(output, stream, sound)
    return path


def cut_file(path: Path, share: float, target: Path) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy: bytes changed, a piece cut out, doubled or zeroed, or the end missing."""
    raw = bytearray(data)
    way = int(rng.integers(0, 5))
    start, length = int(rng.integers(0, len(raw))), int(rng.integers(1, max(len(raw) // 8, 2)))
    if way == 0:
        for place in rng.integers(0, len(raw), int(rng.integers(1, 40))):
            raw[place] = int(rng.integers(0, 256))
    elif way == 1:
        del raw[start : start + length]
    elif way == 2:
        raw[start:start] = raw[start : start + length]
    elif way == 3:
        raw[start : start + length] = bytes(len(raw[start : start + length]))
    else:
        del raw[start:]
    return bytes(raw)
