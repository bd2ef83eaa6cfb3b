"""What a file may cost before it is refused: one object for pictures, video and sound."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path

from facewitness.errors import ConfigError, LimitExceededError

_GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """Upper bounds for decoding; a file beyond one gives a `LimitExceededError`.

    Attributes:
        max_bytes: Size of a video or sound file on disk.
        max_image_bytes: Size of a picture file on disk (pictures are read whole).
        max_pixels: Width times height of a picture, from its header.
        max_frame_pixels: Width times height of a video frame; the default admits 8K.
        max_side: Longer side of a picture or frame in pixels.
        max_frames: Frames in a video, sampled or not.
        max_duration_s: Length of a video or sound in seconds.
        max_wall_time_s: Seconds spent inside the media room on one file.
        max_decoded_bytes: Decoded data held at once (picture, sampled frames or sound).

    Raises:
        ConfigError: If a bound is not positive.

    Example:
        >>> Limits(max_side=4096).max_side
        4096
    """

    max_bytes: int = 2 * _GIB
    max_image_bytes: int = _GIB // 4
    max_pixels: int = 100_000_000
    max_frame_pixels: int = 36_000_000
    max_side: int = 20_000
    max_frames: int = 1_000_000
    max_duration_s: float = 4 * 3600.0
    max_wall_time_s: float = 600.0
    max_decoded_bytes: int = _GIB

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                msg = f"limits: {item.name} must be a number above 0, got {value!r}"
                raise ConfigError(msg)

    def check_size(self, path: Path | str, width: int, height: int, *, is_video: bool = False) -> None:
        """Refuse a picture or frame size, before anything is decoded.

        Raises:
            LimitExceededError: If a side or the area is beyond the limits.
        """
        area, name = (self.max_frame_pixels, "max_frame_pixels") if is_video else (self.max_pixels, "max_pixels")
        if max(width, height) > self.max_side:
            msg = f"{path}: {width}x{height} pixels, a side may have {self.max_side}; scale it down or raise max_side"
            raise LimitExceededError(msg)
        if width * height > area:
            msg = f"{path}: {width}x{height} = {width * height} pixels, at most {area}; scale it down or raise {name}"
            raise LimitExceededError(msg)

    def check_duration(self, path: Path | str, duration_s: float) -> None:
        """Refuse a length in seconds.

        Raises:
            LimitExceededError: If it is beyond `max_duration_s`.
        """
        if duration_s > self.max_duration_s:
            msg = (
                f"{path}: {duration_s:.0f} s long, at most {self.max_duration_s:.0f} s; "
                "cut out the part in question or raise max_duration_s"
            )
            raise LimitExceededError(msg)

    def check_frames(self, path: Path | str, frames: int) -> None:
        """Refuse a number of frames.

        Raises:
            LimitExceededError: If it is beyond `max_frames`.
        """
        if frames > self.max_frames:
            msg = f"{path}: more than {self.max_frames} frames; cut out the part in question or raise max_frames"
            raise LimitExceededError(msg)

    def check_decoded(self, path: Path | str, size_bytes: int) -> None:
        """Refuse an amount of decoded data.

        Raises:
            LimitExceededError: If it is beyond `max_decoded_bytes`.
        """
        if size_bytes > self.max_decoded_bytes:
            msg = (
                f"{path}: would take {size_bytes >> 20} MiB decoded, at most {self.max_decoded_bytes >> 20} MiB; "
                "use a smaller file or raise max_decoded_bytes"
            )
            raise LimitExceededError(msg)


DEFAULT_LIMITS = Limits()
"""Safe for a laptop: 100-megapixel pictures, 8K and four-hour videos, 1 GiB of decoded data."""


class WallClock:
    """Seconds spent on one file; can be paused while the caller works on a frame."""

    def __init__(self, path: Path | str, limits: Limits) -> None:
        self._path = path
        self._allowed_s = limits.max_wall_time_s
        self._deadline = time.monotonic() + limits.max_wall_time_s
        self._paused_at: float | None = None

    @property
    def expired(self) -> bool:
        """Whether the allowed time is used up."""
        return time.monotonic() > self._deadline

    def pause(self) -> None:
        """Stop counting."""
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Count again."""
        if self._paused_at is not None:
            self._deadline += time.monotonic() - self._paused_at
            self._paused_at = None

    def check(self) -> None:
        """Refuse to go on.

        Raises:
            LimitExceededError: If the allowed time is used up.
        """
        if self.expired:
            msg = (
                f"{self._path}: decoding took longer than {self._allowed_s:g} s; "
                "cut out the part in question or raise max_wall_time_s"
            )
            raise LimitExceededError(msg)
