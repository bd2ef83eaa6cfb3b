"""Video frames with index and time, taken uniformly over time in one decode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from facewitness.errors import MediaError
from facewitness.media.containers import open_container, picture_stream, prepare_decoder, sound_stream
from facewitness.media.frame_stream import Frame, FrameStream, VideoInfo
from facewitness.media.frames import rotation_of, upright_size
from facewitness.media.limits import DEFAULT_LIMITS, Limits, WallClock
from facewitness.media.sampling import check_request, choose_frames, thin_out
from facewitness.media.timeline import Timeline, read_timeline

__all__ = ["Frame", "FrameStream", "SampledVideo", "VideoInfo", "iter_frames", "probe_video", "sample_frames"]

_ENOUGH = 0.75  # share of the wanted frames below which the file is read a second time
_HDR_CURVES = frozenset({16, 18})  # PQ and HLG


@dataclass(frozen=True)
class SampledVideo:
    """Frames of a video, ascending in time, and what is to be said about them."""

    info: VideoInfo
    frames: tuple[Frame, ...]
    warnings: tuple[str, ...] = ()


def probe_video(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> VideoInfo:
    """Find out what a video holds by reading all its packets and decoding one frame.

    Raises:
        MediaError: If the file is missing, empty, damaged, or has no moving picture.
        LimitExceededError: If it is beyond the limits.
    """
    return _probe(path, limits)[1]


def iter_frames(
    path: Path | str,
    *,
    n: int | None = None,
    fps: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 0,
) -> FrameStream:
    """Choose frames of a video and hand them out one after the other, with bounded memory.

    Args:
        path: Any video that FFmpeg reads from one file; animated GIF and PNG count as videos.
        n: Frames, uniform over time; see `sampling.choose_frames`.
        fps: Frames per second instead; neither gives every frame.
        limits: Bounds.
        threads: Decoder threads; 0 takes as many as there are cores, four at most.

    Raises:
        ConfigError: If ``n`` or ``fps`` is out of range.
        MediaError: If the file is missing, empty, damaged, or has no moving picture.
        LimitExceededError: If it is beyond the limits.
    """
    check_request(n, fps)
    timeline, info = _probe(path, limits)
    chosen = choose_frames(timeline.times_s, timeline.end_s, n=n, fps=fps)
    return FrameStream(path, timeline, info, timeline.times_s[chosen], limits=limits, threads=threads)


def sample_frames(
    path: Path | str,
    *,
    n: int | None = 32,
    fps: float | None = None,
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 0,
) -> SampledVideo:
    """Take frames of a video uniformly over time, in one linear decode.

    The choice rests on the packets' time stamps, so a header with a wrong or missing count does no harm. Where
    packets turn out to be undecodable and too few frames come of it, the file is read once more and the choice
    made among the frames that can be decoded. Frames beyond ``limits.max_decoded_bytes`` are left out evenly, with
    a warning.

    Args:
        path: See `iter_frames`.
        n: Frames wanted; all of a shorter video are returned.
        fps: Frames per second instead of ``n``.
        limits: Bounds.
        threads: Decoder threads; 0 takes as many as there are cores, four at most.

    Raises:
        ConfigError: If ``n`` or ``fps`` is out of range.
        MediaError: If the file is missing, empty, damaged, or has no moving picture.
        LimitExceededError: If it is beyond the limits.

    Example:
        >>> from pathlib import Path
        >>> clip = Path("examples/clip_real.mp4")
        >>> video = sample_frames(clip, n=4) if clip.exists() else None
        >>> video is None or len(video.frames) == 4
        True
    """
    stream = iter_frames(path, n=n, fps=fps, limits=limits, threads=threads)
    notes = _fit_memory(path, stream, limits)
    frames = tuple(stream)
    if len(frames) < _ENOUGH * len(stream) and len(stream.tally.intact_times_s) > len(frames):
        notes = [*stream.warnings, *notes]
        wanted = len(stream)
        times = np.array(stream.tally.intact_times_s)
        stream.times_s = times[choose_frames(times, float(times[-1]) + 1.0 / stream.info.fps, n=wanted)]
        frames = tuple(stream)
        notes.append(f"sampled among the {len(times)} frames that can be decoded")
    return SampledVideo(stream.info, frames, tuple(dict.fromkeys((*stream.warnings, *notes))))


def _fit_memory(path: Path | str, stream: FrameStream, limits: Limits) -> list[str]:
    """Choose fewer frames when those chosen would not fit in the memory allowed."""
    frame_bytes = stream.info.width * stream.info.height * 3
    fitting = limits.max_decoded_bytes // frame_bytes
    if fitting < 1:
        limits.check_decoded(path, frame_bytes)
    if fitting >= len(stream):
        return []
    wanted = len(stream)
    stream.times_s = stream.times_s[thin_out(np.arange(wanted), fitting)]
    return [f"{fitting} instead of {wanted} frames sampled: more would exceed max_decoded_bytes"]


def _probe(path: Path | str, limits: Limits) -> tuple[Timeline, VideoInfo]:
    clock = WallClock(path, limits)
    with open_container(path, limits=limits, clock=clock) as container:
        stream = picture_stream(container)
        if stream is None:
            raise MediaError(_no_picture(path, container))
        limits.check_size(path, stream.codec_context.width, stream.codec_context.height, is_video=True)
        prepare_decoder(stream, limits=limits, threads=1)
        timeline = read_timeline(path, container, stream, limits=limits, clock=clock)
        if not len(timeline.times_s):
            msg = f"{path}: has a video stream without a single frame; the file is cut off or was never finished"
            raise MediaError(msg)
        first = timeline.first_frame
        if first is None:
            msg = (
                f"{path}: none of its {len(timeline.times_s)} frames can be decoded; damaged or encrypted, get it again"
            )
            raise MediaError(msg)
        return timeline, _info(container, stream, timeline, first)


def _info(container: InputContainer, stream: VideoStream, timeline: Timeline, first: VideoFrame) -> VideoInfo:
    width, height = upright_size(first)
    return VideoInfo(
        format=container.format.name,
        codec=stream.codec_context.name,
        width=width,
        height=height,
        rotation_deg=rotation_of(first),
        fps=timeline.rate,
        frames=len(timeline.times_s),
        duration_s=timeline.end_s,
        start_s=(timeline.first_pts or 0) * timeline.tick_s,
        has_audio=sound_stream(container) is not None,
        warnings=(*timeline.warnings, *_oddities(container, stream, timeline, first)),
    )


def _oddities(container: InputContainer, stream: VideoStream, timeline: Timeline, first: VideoFrame) -> Iterator[str]:
    declared = _declared_s(container, stream)
    if declared > timeline.end_s + max(0.5, 0.02 * declared):
        yield f"the file ends early or its header is wrong: {timeline.end_s:.1f} of {declared:.1f} s can be read"
    aspect = stream.sample_aspect_ratio
    if aspect and aspect != 1:
        yield f"pixels are not square ({aspect.numerator}:{aspect.denominator}); frames are analysed as stored"
    if first.interlaced_frame:
        yield "the video is interlaced; frames hold two moments woven together"
    if stream.codec_context.color_trc in _HDR_CURVES:
        yield "the video has high dynamic range; its tones are not mapped and look flat"


def _declared_s(container: InputContainer, stream: VideoStream) -> float:
    """Length that the header gives for the picture; 0 when it gives none."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    clock = stream.metadata.get("DURATION", "").split(":")
    try:
        if len(clock) == 3:
            return float(clock[0]) * 3600 + float(clock[1]) * 60 + float(clock[2])
    except ValueError:
        return 0.0
    return container.duration / 1e6 if container.duration and sound_stream(container) is None else 0.0


def _no_picture(path: Path | str, container: InputContainer) -> str:
    if not len(container.streams):
        return f"{path}: its index is missing or cut off, so that no stream is found; download or copy it again"
    cover = " (its cover art does not count)" if len(container.streams.video) else ""
    if sound_stream(container) is not None:
        return f"{path}: has sound but no moving picture{cover}; give a video, or read its sound with read_audio"
    return f"{path}: has no moving picture that can be decoded{cover}; give a video, or get it again if it is one"
