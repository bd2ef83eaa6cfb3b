"""Square face crops with the affine map back to the frame, and 5-point alignment.

Coordinates put pixel centres at whole numbers, as OpenCV does: the frame spans -0.5 to width - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, FaceError

Border = Literal["shift", "replicate", "constant"]

_MIN_CROP_PX = 2

ALIGNMENT_TEMPLATE = np.array([[0.34, 0.46], [0.66, 0.46], [0.50, 0.64], [0.37, 0.82], [0.63, 0.82]], dtype=np.float32)
"""``(5, 2)`` where eyes, nose tip and mouth corners go, in parts of the aligned picture's side.

Our own symmetric figures, rounded from the usual layout of 112 px face-recognition crops.
"""


@dataclass(frozen=True)
class CropSpec:
    """How a face is cut out.

    Attributes:
        margin_ratio: Side of the square in units of the longer side of the face box (tight mesh box).
        size: Side of the crop in pixels.
        border: What happens where the square leaves the frame. ``shift`` moves it inside, and shrinks it to
            the frame's shorter side when it is larger, so that no pixel is invented; ``replicate`` repeats the
            frame's edge; ``constant`` fills with black.
    """

    margin_ratio: float = 1.25
    size: int = 224
    border: Border = "shift"

    def __post_init__(self) -> None:
        if not 0.1 <= self.margin_ratio <= 10.0:
            msg = f"margin_ratio must be between 0.1 and 10, got {self.margin_ratio}"
            raise ConfigError(msg)
        if not 1 <= self.size <= 8192:
            msg = f"size must be 1 to 8192 pixels, got {self.size}"
            raise ConfigError(msg)
        if self.border not in ("shift", "replicate", "constant"):
            msg = f"border must be shift, replicate or constant, got {self.border!r}"
            raise ConfigError(msg)

    @property
    def words(self) -> str:
        """The crop as results state it.

        Example:
            >>> CropSpec().words
            'square, 1.25 times the face mesh, 224 px, shift at the border'
        """
        return f"square, {self.margin_ratio:g} times the face mesh, {self.size} px, {self.border} at the border"


@dataclass(frozen=True)
class FaceCrop:
    """A face cut out of a frame.

    Attributes:
        image: ``(size, size, 3)`` uint8 RGB.
        frame_to_crop: ``(2, 3)`` float32; frame pixels to crop pixels.
        crop_to_frame: ``(2, 3)`` float32; its inverse.
    """

    image: NDArray[np.uint8]
    frame_to_crop: NDArray[np.float32]
    crop_to_frame: NDArray[np.float32]

    @property
    def square(self) -> tuple[int, int, int, int]:
        """``xyxy`` in whole frame pixels: what `crop_face` cut out."""
        scale = float(self.frame_to_crop[0, 0])
        half = 0.5 * scale - 0.5
        x0, y0 = (round((half - float(v)) / scale) for v in self.frame_to_crop[:, 2])
        side = round(self.image.shape[0] / scale)
        return x0, y0, x0 + side, y0 + side


def check_image(image: NDArray[np.uint8]) -> None:
    """Refuse anything but a picture of the form that the whole package uses.

    Raises:
        FaceError: If ``image`` is not an ``(H, W, 3)`` uint8 array of at least one pixel.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        came = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        msg = f"image must be (H, W, 3) uint8 RGB, got {came}; read it with facewitness.media"
        raise FaceError(msg)
    if image.shape[0] == 0 or image.shape[1] == 0:
        msg = f"image has no pixels: shape {image.shape}"
        raise FaceError(msg)


def apply_affine(matrix: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map ``(n, 2)`` points through a ``(2, 3)`` affine matrix.

    Example:
        >>> move = np.array([[1, 0, 5], [0, 1, -2]], dtype=np.float32)
        >>> apply_affine(move, np.array([[1, 1]], dtype=np.float32)).tolist()
        [[6.0, -1.0]]
    """
    mapped = points.astype(np.float64) @ matrix[:, :2].astype(np.float64).T + matrix[:, 2]
    return mapped.astype(np.float32)


def invert_affine(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse of a ``(2, 3)`` affine matrix."""
    return np.asarray(cv2.invertAffineTransform(matrix.astype(np.float64)), dtype=np.float32)


def crop_face(image: NDArray[np.uint8], box: NDArray[np.float32], spec: CropSpec) -> FaceCrop:
    """Cut a square around a face box.

    The square's sides lie on whole pixels; area interpolation when shrinking, bicubic when enlarging.

    Args:
        image: ``(H, W, 3)`` uint8 RGB frame.
        box: ``(4,)`` xyxy in frame pixels; may leave the frame.
        spec: Margin, size and border rule.

    Returns:
        The crop and both affine maps.

    Raises:
        FaceError: If the image or the box is unusable (not finite, empty, or outside the frame altogether).
    """
    check_image(image)
    x0, y0, side = _square(box, spec.margin_ratio, image.shape[1], image.shape[0], spec.border)
    patch = _cut(image, x0, y0, side, spec.border)
    shrinking = side > spec.size
    scale = spec.size / side
    resized = patch
    if side != spec.size:
        interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
        resized = np.asarray(cv2.resize(patch, (spec.size, spec.size), interpolation=interpolation), dtype=np.uint8)
    half = 0.5 * scale - 0.5
    forward = np.array([[scale, 0, half - x0 * scale], [0, scale, half - y0 * scale]], dtype=np.float64)
    return FaceCrop(
        np.ascontiguousarray(resized),
        forward.astype(np.float32),
        np.asarray(cv2.invertAffineTransform(forward), dtype=np.float32),
    )


def _square(
    box: NDArray[np.float32], margin_ratio: float, width: int, height: int, border: Border
) -> tuple[int, int, int]:
    """Left, top and side of the square in whole pixels."""
    values = np.asarray(box, dtype=np.float64)
    if values.shape != (4,) or not np.isfinite(values).all():
        msg = f"box must be four finite numbers (x0, y0, x1, y1), got {np.asarray(box).tolist()}"
        raise FaceError(msg)
    left, top, right, bottom = values.tolist()
    if right <= left or bottom <= top or right < 0 or bottom < 0 or left > width or top > height:
        msg = f"box {values.round(1).tolist()} is empty or outside the {width} x {height} frame"
        raise FaceError(msg)
    side = max(_MIN_CROP_PX, round(margin_ratio * max(right - left, bottom - top)))
    if border == "shift":
        side = min(side, width, height)
    x0 = round((left + right) / 2 + 0.5 - side / 2)
    y0 = round((top + bottom) / 2 + 0.5 - side / 2)
    if border == "shift":
        x0, y0 = min(max(x0, 0), width - side), min(max(y0, 0), height - side)
    return x0, y0, side


def _cut(image: NDArray[np.uint8], x0: int, y0: int, side: int, border: Border) -> NDArray[np.uint8]:
    """The ``(side, side, 3)`` square at ``(x0, y0)``, its outside filled as ``border`` says."""
    height, width = image.shape[:2]
    inside = image[max(y0, 0) : max(min(y0 + side, height), 0), max(x0, 0) : max(min(x0 + side, width), 0)]
    if inside.shape[:2] == (side, side):
        return inside
    kind = cv2.BORDER_CONSTANT if border == "constant" else cv2.BORDER_REPLICATE
    top, left = max(-y0, 0), max(-x0, 0)
    padded = cv2.copyMakeBorder(
        inside, top, side - top - inside.shape[0], left, side - left - inside.shape[1], kind, value=(0, 0, 0)
    )
    return np.asarray(padded, dtype=np.uint8)


def align_face(image: NDArray[np.uint8], landmarks5: NDArray[np.float32], size: int = 112) -> FaceCrop:
    """Turn, scale and shift a face so that its five landmarks fall on `ALIGNMENT_TEMPLATE`.

    Args:
        image: ``(H, W, 3)`` uint8 RGB frame.
        landmarks5: ``(5, 2)`` eye centres, nose tip, mouth corners; the person's right side (left in an upright
            picture) first.
        size: Side of the aligned picture in pixels.

    Returns:
        The aligned face; the frame's edge is repeated where the square leaves it.

    Raises:
        FaceError: If the image or the landmarks are unusable.
    """
    check_image(image)
    points = np.asarray(landmarks5, dtype=np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all() or np.ptp(points, axis=0).max() < 1e-3:
        msg = f"landmarks5 must be (5, 2) finite, distinct points, got shape {points.shape}"
        raise FaceError(msg)
    forward = similarity_transform(points, ALIGNMENT_TEMPLATE.astype(np.float64) * size - 0.5)
    inverse = np.asarray(cv2.invertAffineTransform(forward))
    warped = warp_square(image, forward, size)
    return FaceCrop(warped, forward.astype(np.float32), inverse.astype(np.float32))


def similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares rotation, uniform scale and shift, never a mirror image.

    Args:
        source: ``(n, 2)`` points, not all the same.
        target: ``(n, 2)`` where they should go.

    Returns:
        ``(2, 3)`` float64 affine matrix.

    Reference: closed form in complex numbers; equals Umeyama (1991) in the plane without reflection.
    """
    a = (source - source.mean(axis=0)) @ np.array([1, 1j])
    b = (target - target.mean(axis=0)) @ np.array([1, 1j])
    factor = np.vdot(a, b) / np.vdot(a, a)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target.mean(axis=0) - turn @ source.mean(axis=0)])


def warp_square(image: NDArray[np.uint8], forward: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Warp through a similarity into a ``(size, size, 3)`` square, without aliasing when shrinking.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        forward: ``(2, 3)`` similarity from frame to square pixels.
        size: Side of the result in pixels.

    Returns:
        The warped picture; bilinear, edges repeated.
    """
    scale = float(np.hypot(forward[0, 0], forward[1, 0]))
    matrix = forward
    source = image
    if scale < 0.6:
        source, matrix = _shrink_first(image, forward, size, min(1.0, scale * 1.25))
    warped = cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def _shrink_first(
    image: NDArray[np.uint8], forward: NDArray[np.float64], size: int, factor: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut out what the square needs and shrink it by area averaging; also the matrix that then remains."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], dtype=np.float64)
    inverse = np.asarray(cv2.invertAffineTransform(forward))
    seen = corners @ inverse[:, :2].T + inverse[:, 2]
    x0, y0 = (int(v) for v in np.clip(np.floor(seen.min(axis=0)) - 2, 0, [width - 1, height - 1]))
    x1, y1 = (int(v) for v in np.clip(np.ceil(seen.max(axis=0)) + 3, [x0 + 1, y0 + 1], [width, height]))
    new_w, new_h = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
    small = cv2.resize(image[y0:y1, x0:x1], (new_w, new_h), interpolation=cv2.INTER_AREA)
    kx, ky = (x1 - x0) / new_w, (y1 - y0) / new_h
    back = np.array([[kx, 0, x0 + 0.5 * kx - 0.5], [0, ky, y0 + 0.5 * ky - 0.5], [0, 0, 1]])
    return np.asarray(small, dtype=np.uint8), forward @ back
