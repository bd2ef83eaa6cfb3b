"""Hull masks against half-plane geometry, the softening against its stated properties."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facewitness.errors import FaceError
from facewitness.pseudofakes.masks import (
    HULL_KINDS,
    MaskSoftening,
    draw_softening,
    hull_mask,
    reorder_landmarks,
    soften_mask,
)

SOFT = MaskSoftening(height=110, width=90, first_kernel=9, second_kernel=11, second_sigma=8)


def distances_to_hull(points, shape):
    """Signed distance of every pixel centre to the convex hull of points, positive inside, by half-planes."""
    hull = cv2.convexHull(np.rint(points).astype(np.int32)).reshape(-1, 2).astype(float)
    edges = np.roll(hull, -1, axis=0) - hull
    normals = np.c_[-edges[:, 1], edges[:, 0]] / np.linalg.norm(edges, axis=1, keepdims=True)
    normals *= np.sign(((hull.mean(axis=0) - hull) * normals).sum(axis=1, keepdims=True))
    y, x = np.mgrid[: shape[0], : shape[1]]
    pixels = np.stack([x, y], axis=-1).astype(float)
    return np.min([(pixels - corner) @ normal for normal, corner in zip(normals, hull, strict=True)], axis=0)


@pytest.mark.parametrize("count", [68, 81])
def test_face_hull_is_the_convex_hull(face, count):
    points = face.landmarks[:count]
    mask = hull_mask(points, "facehull", face.image.shape)
    inside = distances_to_hull(points, mask.shape)
    assert mask.dtype == np.float32
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert mask[inside > 1].all()
    assert not mask[inside < -1].any()


def test_full_hull_is_the_union_of_its_groups(face):
    points, shape = face.landmarks, face.image.shape
    groups = [[*range(17), *range(48, 68)], [*range(27, 31), 33], [*range(17, 27), 0, 27, 16, 33]]
    inside = np.max([distances_to_hull(points[g], shape) for g in groups], axis=0)
    mask = hull_mask(points, "dfl_full", shape)
    assert mask[inside > 1].all()
    assert not mask[inside < -1].any()


def test_hulls_differ_as_they_should(face):
    area = {kind: float(hull_mask(face.landmarks, kind, face.image.shape).sum()) for kind in HULL_KINDS}
    only68 = {kind: float(hull_mask(face.landmarks[:68], kind, face.image.shape).sum()) for kind in HULL_KINDS}
    assert area["extended"] > area["components"]
    assert area["facehull"] > only68["facehull"]  # the forehead
    assert all(area[kind] == only68[kind] for kind in HULL_KINDS if kind != "facehull")
    # Where every hull agrees there is the middle of the face: the tip of the nose.
    x, y = np.rint(face.landmarks[30]).astype(int)
    assert all(hull_mask(face.landmarks, kind, face.image.shape)[y, x] for kind in HULL_KINDS)


def test_face_outside_the_picture_leaves_an_empty_mask(face):
    assert not hull_mask(face.landmarks + 5000, "facehull", face.image.shape).any()


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.zeros((5, 2)), "find the face"),
        (np.full((68, 2), np.nan), "finite"),
        (np.full((68, 2), 1e7), "pixels of the image"),
        (np.zeros((68, 3)), "shape"),
    ],
)
def test_bad_landmarks_are_refused(points, words):
    with pytest.raises(FaceError, match=words):
        hull_mask(points, "facehull", (50, 50))


def test_unknown_kind_is_refused(face):
    with pytest.raises(ValueError, match="dfl_full"):
        hull_mask(face.landmarks, "oval", (50, 50))  # type: ignore[arg-type]


def test_forehead_goes_from_left_to_right():
    points = np.zeros((81, 2))
    points[[77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78], 0] = np.arange(13)
    assert reorder_landmarks(points)[68:, 0].tolist() == list(range(13))
    with pytest.raises(FaceError, match="81"):
        reorder_landmarks(points[:68])


@pytest.mark.parametrize("mode", ["corrected", "official"])
def test_soft_mask_is_smaller_and_smooth(mode):
    hard = np.zeros((100, 100), np.float32)
    hard[20:80, 25:75] = 1
    soft = soften_mask(hard, SOFT, mode=mode)
    assert soft.dtype == np.float32
    assert soft.shape == hard.shape
    assert soft.min() == 0
    assert 0.99 < soft.max() <= 1
    assert soft[50, 50] == pytest.approx(1, abs=1e-6)
    # Shrunk by the first kernel (4 px at this scale), spread again by the second (5 px): half is inside the edge.
    assert soft[50, 25] < 0.5
    assert soft[50, 30] > 0.5
    assert np.abs(np.diff(soft, axis=1)).max() < 0.2
    assert not soft[:, :15].any()


def test_modes_agree_on_a_plain_mask():
    hard = np.zeros((100, 100), np.float32)
    cv2.circle(hard, (50, 48), 33, 1, -1)
    gap = np.abs(soften_mask(hard, SOFT, mode="corrected") - soften_mask(hard, SOFT, mode="official"))
    assert gap.mean() < 0.02


def test_mask_that_the_erosion_would_eat_is_kept():
    dot = np.zeros((100, 100), np.float32)
    dot[50:53, 50:53] = 1
    soft = soften_mask(dot, SOFT)
    assert np.isfinite(soft).all()
    assert soft.max() > 0.5


@pytest.mark.parametrize("mode", ["corrected", "official"])
def test_empty_mask_is_an_error_and_not_nan(mode):
    with pytest.raises(FaceError, match="empty"):
        soften_mask(np.zeros((60, 60), np.float32), SOFT, mode=mode)


def test_softening_draws_cover_their_ranges():
    rng = np.random.default_rng(0)
    draws = [draw_softening(rng, (200, 100)) for _ in range(2000)]
    for name, low, high in (
        ("height", 160, 249),
        ("width", 80, 124),
        ("first_kernel", 5, 25),
        ("second_kernel", 5, 25),
        ("second_sigma", 5, 45),
    ):
        values = [getattr(d, name) for d in draws]
        assert (min(values), max(values)) == (low, high), name
    assert all(d.first_kernel % 2 == d.second_kernel % 2 == 1 for d in draws)
