"""Independent test forgeries: a face swap by triangulation, colour transfer and Poisson blending.

Detectors are trained on the processes in `self_blended`, `warps` and `swaps`. This one shares neither their warp (one
affine map or smooth fields), nor their colour matching (in RGB), nor their blend (a soft alpha mask), so that scores on
it say how a detector does on forgeries of another make. It must never be used for training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import FaceError

Image = NDArray[np.uint8]
Points = NDArray[np.float32]

_MIN_FACE_PX: Final = 16
_EDGE_PX: Final = 2
"""Poisson blending needs a rim of target pixels around the mask."""
_SUBPIXEL_BITS: Final = 4
_MAX_TORN: Final = 0.1
"""Largest share of the face that may be torn: mirrored (the far side of a turned face) or stretched."""
_MAX_STRETCH: Final = 4.0
"""Change of a triangle's area, against that of the whole face, from which it counts as torn."""


@dataclass(frozen=True)
class TriangulatedSwap:
    """A swap.

    Attributes:
        fake: ``(H, W, 3)`` uint8 RGB; equals the target where the mask is 0.
        mask: ``(H, W)`` float32, 1 where the donor's face was put, else 0.
    """

    fake: Image
    mask: NDArray[np.float32]


def triangulated_swap(
    target: Image,
    target_landmarks: NDArray[np.generic],
    donor: Image,
    donor_landmarks: NDArray[np.generic],
    rng: np.random.Generator | None = None,
) -> TriangulatedSwap:
    """Put the donor's face on the target's, triangle by triangle.

    Args:
        target: ``(H, W, 3)`` uint8 RGB; not changed.
        target_landmarks: ``(n, 2)`` x, y in pixels of ``target``, such as 468 mesh points or 81 landmarks.
        donor: ``(h, w, 3)`` uint8 RGB of another person.
        donor_landmarks: ``(n, 2)`` in pixels of ``donor``, the same points in the same order.
        rng: Draws how far the hull is drawn in and how fully the colours are matched; None takes the whole hull and
            full matching.

    Returns:
        The fake and where it was changed.

    Raises:
        FaceError: If the landmarks do not correspond or are not finite, the face is smaller than 16 px or outside
            the picture, or the two poses are too different (triangles fold over or stretch).

    Reference: the classical landmark swap (Delaunay triangles, Reinhard et al. 2001 for colour, Perez et al. 2003 for
    the Poisson blend), as in FaceSwap of FaceForensics++ (section 3).
    """
    theirs, ours = _points(target, target_landmarks, "target"), _points(donor, donor_landmarks, "donor")
    if theirs.shape != ours.shape:
        msg = f"landmarks must be the same points of both faces, got {len(theirs)} of the target, {len(ours)} of donor"
        raise FaceError(msg)
    shrink = 1.0 if rng is None else float(rng.uniform(0.86, 1.0))
    strength = 1.0 if rng is None else float(rng.uniform(0.6, 1.0))
    inside = _hull(theirs, target.shape, shrink)
    donor, ours = _shrink_donor(donor, ours, theirs)
    field = _piecewise_affine(theirs, ours, inside)
    warped = cv2.remap(donor, field[..., 0], field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    source = transfer_colour(np.asarray(warped, dtype=np.uint8), target, inside, strength=strength)
    left, top, width, height = cv2.boundingRect(inside)
    cloned = cv2.seamlessClone(source, target, inside * 255, (left + width // 2, top + height // 2), cv2.NORMAL_CLONE)
    fake = np.where(inside[..., None] > 0, cloned, target).astype(np.uint8)
    return TriangulatedSwap(fake, inside.astype(np.float32))


def transfer_colour(source: Image, target: Image, inside: NDArray[np.uint8], *, strength: float = 1.0) -> Image:
    """Give ``source`` the mean and spread that ``target`` has inside a mask, in CIE Lab.

    Args:
        source: ``(H, W, 3)`` uint8 RGB.
        target: ``(H, W, 3)`` uint8 RGB.
        inside: ``(H, W)`` uint8, not all zero.
        strength: 0 keeps ``source``, 1 matches fully.

    Returns:
        A new ``(H, W, 3)`` uint8 RGB array.

    Reference: Reinhard et al., Color Transfer between Images (2001), in Lab instead of l-alpha-beta.
    """
    ours, theirs = _to_lab(source), _to_lab(target)
    (mean_s, std_s), (mean_t, std_t) = (
        [np.asarray(v, np.float32).ravel() for v in cv2.meanStdDev(lab, mask=inside)] for lab in (ours, theirs)
    )
    gain = 1 + strength * (np.clip(std_t / np.maximum(std_s, 1e-3), 0.4, 2.5) - 1)
    moved = (ours - mean_s) * gain + mean_s + strength * (mean_t - mean_s)
    rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(np.rint(np.clip(rgb, 0, 1) * 255), dtype=np.uint8)


def _to_lab(image: Image) -> NDArray[np.float32]:
    """``(H, W, 3)`` float32 Lab: L in 0..100."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), dtype=np.float32)


def _points(image: Image, landmarks: NDArray[np.generic], whose: str) -> Points:
    """Landmarks as float32 after the checks of picture and points."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        msg = f"{whose} must be (H, W, 3) uint8 RGB, got {image.dtype} {image.shape}"
        raise FaceError(msg)
    points = np.asarray(landmarks, dtype=np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 8 or not np.isfinite(points).all():
        msg = f"{whose} landmarks must be (n >= 8, 2) finite pixels, got shape {points.shape}; find the face first"
        raise FaceError(msg)
    if float(np.ptp(points, axis=0).min()) < _MIN_FACE_PX:
        msg = f"the {whose}'s face must be at least {_MIN_FACE_PX} px wide and high, got {np.ptp(points, axis=0)}"
        raise FaceError(msg)
    return points


def _hull(points: Points, shape: tuple[int, ...], shrink: float) -> NDArray[np.uint8]:
    """``(H, W)`` uint8 convex hull (0 or 1), drawn in about its middle, off the picture's border."""
    middle = points.mean(axis=0)
    corners = np.rint(cv2.convexHull((points - middle) * np.float32(shrink) + middle)).astype(np.int32)
    inside = np.zeros(shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, corners, 1)
    whole = max(1, abs(cv2.contourArea(corners)))
    inside[:_EDGE_PX], inside[-_EDGE_PX:], inside[:, :_EDGE_PX], inside[:, -_EDGE_PX:] = 0, 0, 0, 0
    if int(inside.sum()) < whole / 2:
        msg = "the target's face must lie in the picture for the larger part; choose another picture"
        raise FaceError(msg)
    return inside


def _shrink_donor(donor: Image, ours: Points, theirs: Points) -> tuple[Image, Points]:
    """Average a donor that is much larger than the target down, so that the warp does not alias."""
    ratio = float(np.sqrt(np.prod(np.ptp(theirs, axis=0)) / np.prod(np.ptp(ours, axis=0))))
    if ratio > 0.7:
        return donor, ours
    size = (max(2, round(donor.shape[1] * ratio)), max(2, round(donor.shape[0] * ratio)))
    scale = np.array(size, np.float32) / np.array(donor.shape[1::-1], np.float32)
    small = np.asarray(cv2.resize(donor, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return small, np.asarray((ours + 0.5) * scale - 0.5, dtype=np.float32)


def delaunay(points: Points) -> NDArray[np.intp]:
    """Delaunay triangles of points in the plane.

    Args:
        points: ``(n, 2)`` float32; of points at the same place one is used.

    Returns:
        ``(t, 3)`` indices into ``points``.
    """
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 2
    plane = cv2.Subdiv2D((int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])))
    plane.insert(points.tolist())
    index = {(x, y): i for i, (x, y) in enumerate(points.tolist())}
    corners = np.asarray(plane.getTriangleList(), np.float32).reshape(-1, 3, 2)
    found = [[index.get((x, y), -1) for x, y in triangle] for triangle in corners.tolist()]
    triangles = np.array(found, dtype=np.intp).reshape(-1, 3)
    return triangles[(triangles >= 0).all(axis=1)]


def _piecewise_affine(theirs: Points, ours: Points, inside: NDArray[np.uint8]) -> NDArray[np.float32]:
    """``(H, W, 2)`` float32: where in the donor each pixel of the target comes from."""
    triangles = delaunay(theirs)
    area = _areas(theirs[triangles])
    triangles, area = triangles[np.abs(area) > 1e-2], area[np.abs(area) > 1e-2]
    _refuse_torn(area, _areas(ours[triangles]))
    ones = np.ones((*triangles.shape, 1))
    maps = np.linalg.solve(np.concatenate([theirs[triangles], ones], axis=2), ours[triangles].astype(np.float64))
    # Slivers that no triangle covers follow the map of the whole face.
    overall, *_ = np.linalg.lstsq(np.c_[theirs, np.ones(len(theirs))], ours.astype(np.float64), rcond=None)
    table = np.concatenate([maps, overall[None]]).astype(np.float32)
    owner = np.full(inside.shape, len(triangles), np.int32)
    scaled = np.rint(theirs * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for number, triangle in enumerate(triangles):
        cv2.fillConvexPoly(owner, scaled[triangle], number, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
    x = np.arange(inside.shape[1], dtype=np.float32)[None, :, None]
    y = np.arange(inside.shape[0], dtype=np.float32)[:, None, None]
    own = table[owner]
    return np.asarray(x * own[..., 0, :] + y * own[..., 1, :] + own[..., 2, :], dtype=np.float32)


def _refuse_torn(area: NDArray[np.float32], donor_area: NDArray[np.float32]) -> None:
    """Refuse pairs of poses between which too much of the face is mirrored or stretched."""
    whole = float(np.abs(area).sum())
    stretch = donor_area / area * (whole / max(float(np.abs(donor_area).sum()), 1e-6))
    torn = float(np.abs(area[(stretch < 1 / _MAX_STRETCH) | (stretch > _MAX_STRETCH)]).sum()) / max(whole, 1e-6)
    if torn > _MAX_TORN:
        msg = f"the poses are too different: {torn:.0%} of the face would be torn; choose a donor of similar pose"
        raise FaceError(msg)


def _areas(triangles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Twice the signed area of ``(t, 3, 2)`` triangles."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], dtype=np.float32)
