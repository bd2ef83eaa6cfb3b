"""Which frames to take: pure functions of the frames' times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError


def check_request(n: int | None, fps: float | None) -> None:
    """Refuse a request for frames that means nothing.

    Args:
        n: Frames wanted over the whole length, 1 or more; None for all or for a rate.
        fps: Frames wanted per second, above 0; takes the place of ``n``.

    Raises:
        ConfigError: If a value is out of range.
    """
    if n is not None and (isinstance(n, bool) or n < 1):
        msg = f"n must be 1 or more frames, got {n!r}"
        raise ConfigError(msg)
    if fps is not None and not 0 < fps < float("inf"):
        msg = f"fps must be a rate above 0, got {fps!r}"
        raise ConfigError(msg)


def choose_frames(
    times_s: NDArray[np.float64], end_s: float, *, n: int | None = None, fps: float | None = None
) -> NDArray[np.intp]:
    """Choose frames uniformly over time.

    With ``n``, the length is cut into n equal slices and the frame on screen at the middle of each is taken; with
    ``fps``, slices of 1 / fps seconds. A frame on screen in several slices is taken once, so fewer can come back
    when the frame rate varies or the video is short.

    Args:
        times_s: ``(m,)`` seconds, ascending: when each frame appears.
        end_s: When the last frame disappears.
        n: Number of slices.
        fps: Slices per second; takes precedence over ``n``. Neither: all frames.

    Returns:
        ``(k,)`` ascending, unique positions in ``times_s``.

    Example:
        >>> choose_frames(np.arange(10) / 10, 1.0, n=5).tolist()
        [1, 3, 5, 7, 9]
    """
    count = len(times_s)
    if count == 0 or (n is None and fps is None) or (fps is None and n is not None and n >= count):
        return np.arange(count)
    start = float(times_s[0])
    length = max(end_s - start, 0.0)
    slices = max(round(length * fps), 1) if fps is not None else n or count
    if slices >= 4 * count:  # a rate far above the video's own: every frame is on screen in some slice
        return np.arange(count)
    width = 1.0 / fps if fps is not None else length / slices
    middles = start + (np.arange(slices) + 0.5) * width
    # A nanosecond keeps middles that fall exactly on a frame's time from going either way.
    return np.unique(np.searchsorted(times_s, middles + 1e-9, side="right") - 1)


def thin_out(chosen: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Keep ``count`` of the chosen frames, evenly.

    Example:
        >>> thin_out(np.arange(10), 3).tolist()
        [1, 5, 8]
    """
    if count >= len(chosen):
        return chosen
    return chosen[((np.arange(count) + 0.5) * len(chosen) / count).astype(np.intp)]
