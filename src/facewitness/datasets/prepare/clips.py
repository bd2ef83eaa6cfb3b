"""Face clips: every frame of a video, cut with a box that moves smoothly, at the video's own pace."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.faces.crops import warp_square
from facewitness.media.video import Frame
from facewitness.whole_files import replacing

_TICKS: Final = 90_000


def steady_squares(
    times_s: NDArray[np.float64], boxes: NDArray[np.float64], margin_ratio: float, smoothing_s: float
) -> NDArray[np.float64]:
    """Squares around a face that move smoothly; frames without a face get what lies between their neighbours.

    Args:
        times_s: ``(n,)`` seconds, ascending.
        boxes: ``(n, 4)`` xyxy; NaN where there is no face, but not everywhere.
        margin_ratio: Side of the square in units of the box's longer side.
        smoothing_s: Standard deviation of the Gaussian that centres and sides are averaged with; 0 leaves them.

    Returns:
        ``(n, 3)`` centre x, centre y, side, frame pixels.

    Example:
        >>> boxes = np.array([[0, 0, 10, 20], [np.nan] * 4, [20, 0, 30, 20]], float)
        >>> steady_squares(np.arange(3.0), boxes, 1.0, 0.0).tolist()
        [[5.0, 10.0, 20.0], [15.0, 10.0, 20.0], [25.0, 10.0, 20.0]]
    """
    sides = margin_ratio * np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    raw = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2, sides])
    known = np.isfinite(raw).all(axis=1)
    whole = np.column_stack([np.interp(times_s, times_s[known], raw[known, column]) for column in range(3)])
    if smoothing_s <= 0:
        return whole
    smooth = np.empty_like(whole)
    for place, time_s in enumerate(times_s):
        near = slice(*np.searchsorted(times_s, (time_s - 4 * smoothing_s, time_s + 4 * smoothing_s)))
        # A window cut off at an end of the clip is made symmetric, or a moving face would lag there.
        reach = min(time_s - times_s[near][0], times_s[near][-1] - time_s)
        weights = np.exp(-0.5 * ((times_s[near] - time_s) / smoothing_s) ** 2)
        weights[np.abs(times_s[near] - time_s) > reach + 1e-9] = 0
        smooth[place] = weights @ whole[near] / weights.sum()
    return smooth


def write_clip(
    path: Path,
    frames: Iterable[Frame],
    squares: NDArray[np.float64],
    settings: PrepareSettings,
    *,
    fps: float,
) -> int:
    """Encode a face clip as H.264 in MP4, each frame at its own time.

    Args:
        path: Where it goes; its folder is made.
        frames: The frames.
        squares: ``(n, 3)`` of `steady_squares`, one per frame.
        settings: Side and quality of the clip.
        fps: Frames per second, said in the header.

    Returns:
        Bytes written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    side = settings.clip_side
    options = {"crf": str(settings.clip_crf), "preset": "veryfast"}
    with replacing(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.thread_count = 1  # the result of several threads may differ from run to run
        last = -1
        for frame, square in zip(frames, squares, strict=False):
            picture = av.VideoFrame.from_ndarray(_cut(frame.pixels, square, side), format="rgb24")
            last = max(round(frame.time_s * _TICKS), last + 1)
            picture.pts, picture.time_base = last, Fraction(1, _TICKS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path.stat().st_size


def _cut(image: NDArray[np.uint8], square: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """The square at a fraction of a pixel, so that it does not jitter; the frame's edge is repeated outside."""
    x, y, length = (float(v) for v in square)
    scale = side / max(length, 1.0)
    half = side / 2 - 0.5
    matrix = np.array([[scale, 0, half - scale * x], [0, scale, half - scale * y]], dtype=np.float64)
    if scale > 1:
        flags = cv2.INTER_CUBIC
        warped = cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, dtype=np.uint8)
    return warp_square(image, matrix, side)
