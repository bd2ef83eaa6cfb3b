"""Writing demonstration media: H.264 or MPEG-4 with or without a voice-like sound, the same bytes every time."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from facewitness.datasets.demo_people import rng_of

SAMPLE_RATE_HZ: Final = 16000
Sound = Literal["speech", "silent", "other"]
"""``other`` is somebody else's voice that does not follow the mouth."""

_FORMANTS_HZ: Final = ((620.0, 130.0, 1.0), (1250.0, 180.0, 0.55), (2600.0, 260.0, 0.25))


def voice(person: object, openness: NDArray[np.float32], duration_s: float) -> NDArray[np.float32]:
    """A hum with a person's pitch and formants, as loud as the mouth is open.

    Args:
        person: Whose voice; decides pitch and formants.
        openness: ``(n,)`` opening of the mouth in [0, 1], spread evenly over the duration.
        duration_s: Length in seconds.

    Returns:
        ``(samples,)`` float32 in [-1, 1] at 16 kHz.
    """
    rng = rng_of("voice", person)
    pitch, stretch = float(rng.uniform(95, 220)), float(rng.uniform(0.9, 1.15))
    time = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    wobble = 1 + 0.04 * np.sin(2 * np.pi * rng.uniform(0.6, 1.4) * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch * wobble) / SAMPLE_RATE_HZ
    tone = np.zeros_like(time)
    for k in range(1, 25):
        strength = sum(a * np.exp(-0.5 * ((k * pitch / stretch - f) / w) ** 2) for f, w, a in _FORMANTS_HZ)
        tone += (strength + 0.3 / k**2) * np.sin(k * phase)
    loud = np.interp(time, np.linspace(0, max(duration_s, 1e-3), len(openness)), openness)
    sound = tone / max(float(np.abs(tone).max()), 1e-6) * loud * 0.7 + rng.normal(0, 0.002, time.size)
    return np.asarray(np.clip(sound, -1, 1), dtype=np.float32)


def write_wav(path: Path, samples: NDArray[np.float32]) -> None:
    """Write ``(n,)`` float32 mono samples at 16 kHz as 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(SAMPLE_RATE_HZ)
        target.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def write_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    fps: float,
    crf: int,
    samples: NDArray[np.float32] | None = None,
) -> None:
    """Write frames and, if there is one, a sound.

    Args:
        path: File; ``.avi`` becomes MPEG-4 with PCM, everything else H.264 with AAC.
        frames: ``(H, W, 3)`` uint8 RGB each, even sides.
        fps: Frames per second.
        crf: Constant rate factor, 0 to 51; of MPEG-4 twice the quantiser.
        samples: ``(n,)`` float32 mono at 16 kHz.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    as_avi = path.suffix.lower() == ".avi"
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as output:
        quantiser = str(max(2, crf // 2))
        options = {"crf": str(crf), "preset": "veryfast"}
        if as_avi:
            options = {"qmin": quantiser, "qmax": quantiser}
        stream = output.add_stream("mpeg4" if as_avi else "libx264", rate=round(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        sound: AudioStream | None = None
        if samples is not None:
            codec = "pcm_s16le" if as_avi else "aac"
            sound = cast(AudioStream, output.add_stream(codec, rate=SAMPLE_RATE_HZ, layout="mono"))
        for pixels in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        output.mux(stream.encode(None))
        if sound is not None and samples is not None:
            data = np.rint(samples * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, 0
            output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
