"""Neighbour search against measuring every pair in float64; ties, draws, rounding, threads."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.errors import ConfigError, FaceError
from facewitness.pseudofakes import neighbours
from facewitness.pseudofakes.neighbours import nearest_faces


def made_faces(videos, frames, seed, points=68, noise_px=4.0):
    """Faces that move little within a video, of differing places, sizes and shapes."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, points)
    shape = 80 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    people = shape * rng.normal(1, 0.06, (videos, 1, 2)) + 155 + rng.normal(0, noise_px, (videos, points, 2))
    moved = rng.normal(0, 5, (videos, frames, 1, 2)) + rng.normal(0, 0.7, (videos, frames, points, 2))
    faces = (people[:, None] + moved).reshape(-1, points, 2)
    order = rng.permutation(videos * frames)  # videos need not lie together
    return faces[order], np.repeat(np.arange(videos) * 7, frames)[order]


def by_hand(faces, videos, query, count, among=None):
    rows = np.flatnonzero(videos != videos[query]) if among is None else np.asarray(among)
    apart = np.linalg.norm(faces[rows].astype(np.float64) - faces[query], axis=2).sum(axis=1)
    best = np.lexsort([rows, apart])[:count]
    return rows[best], apart[best]


def assert_as_by_hand(faces, videos, queries, count):
    index, distance = nearest_faces(faces, videos, queries, count=count)
    for row, query in enumerate(queries):
        rows, apart = by_hand(faces, videos, query, count)
        np.testing.assert_array_equal(index[row], rows)
        np.testing.assert_array_equal(distance[row], apart)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("count", [1, 30])
def test_result_is_that_of_measuring_everything(dtype, count):
    faces, videos = made_faces(90, 30, 0)
    faces = faces.astype(dtype)
    assert_as_by_hand(faces, videos, np.arange(0, len(faces), 41), count)


def test_few_faces_and_other_numbers_of_points():
    for points, videos in ((5, 80), (81, 80), (68, 8)):
        assert_as_by_hand(*made_faces(videos, 20, points, points), np.array([0, 17, 17, 100]), 10)


def test_bounds_really_rule_faces_out(monkeypatch):
    faces, videos = made_faces(90, 30, 0, noise_px=0.5)  # neighbouring points move together, as in real faces
    measured = []
    exact = neighbours._Search.exact
    monkeypatch.setattr(neighbours._Search, "exact", lambda s, rows, q: measured.append(len(rows)) or exact(s, rows, q))
    nearest_faces(faces, videos, np.arange(50), workers=1)
    assert sum(measured) / 50 < 0.2 * len(faces)


def test_ties_come_in_their_order():
    faces, videos = made_faces(60, 30, 1)
    faces = np.rint(faces)
    twins = np.arange(0, 1200, 3)
    faces[twins] = faces[0]  # many at distance 0, more than are asked for
    assert_as_by_hand(faces, videos, np.array([0, 3, 1]), 30)


def test_rounding_of_the_bounds_loses_nobody():
    """Differences of a thousandth of a pixel far from the origin: float32 alone could not tell these apart."""
    rng = np.random.default_rng(0)
    faces = 1e4 + rng.uniform(0, 300, (1, 68, 2)) + 1e-3 * rng.standard_normal((2500, 68, 2))
    assert_as_by_hand(faces, np.arange(2500), np.arange(0, 2500, 250), 30)


def test_same_video_is_left_out():
    faces, videos = made_faces(60, 30, 2)
    queries = np.arange(0, len(faces), 100)
    for candidates in (None, 1300):
        index, _ = nearest_faces(faces, videos, queries, candidates=candidates)
        assert (videos[index] != videos[queries][:, None]).all()


def test_candidates_are_drawn_anew_for_each_query_from_all_frames():
    faces, videos = made_faces(60, 30, 3)
    queries = np.arange(300)
    everyone, apart = nearest_faces(faces, videos, queries, count=1500, candidates=1500, pad=True)
    found = everyone >= 0
    assert (np.isinf(apart) == ~found).all()
    # Of 1500 drawn without replacement out of 1800, 30 of them of the same video, 1475 are left on average.
    assert found.sum(axis=1).mean() == pytest.approx(1475, abs=1)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in everyone)
    assert (everyone[0] != everyone[1]).any()
    drawn = np.bincount(everyone[found], minlength=1800) / 300
    assert drawn.mean() == pytest.approx(1475 / 1800, abs=0.001)
    assert drawn.std() < 0.035  # binomial: 0.022 to 0.024, and a little for queries of one's own video
    # The 30 nearest of those are what is found when 30 are asked for.
    index, _ = nearest_faces(faces, videos, queries, candidates=1500)
    for row in (0, 77, 299):
        rows, _ = by_hand(faces, videos, row, 30, everyone[row][found[row]])
        np.testing.assert_array_equal(index[row], rows)


def test_fewer_frames_than_candidates_are_all_searched():
    faces, videos = made_faces(20, 10, 4)
    queries = np.arange(200)
    for all_of_them, some in zip(
        nearest_faces(faces, videos, queries),
        nearest_faces(faces, videos, queries, candidates=neighbours.OFFICIAL_CANDIDATES, seed=3),
        strict=True,
    ):
        np.testing.assert_array_equal(all_of_them, some)


def test_seed_alone_settles_the_result():
    faces, videos = made_faces(60, 30, 5)
    queries = np.random.default_rng(0).permutation(1800)[:400]
    one, apart = nearest_faces(faces, videos, queries, candidates=1100, seed=1, workers=1)
    many, apart_many = nearest_faces(faces, videos, queries, candidates=1100, seed=1, workers=5)
    np.testing.assert_array_equal(one, many)
    np.testing.assert_array_equal(apart, apart_many)
    turned, _ = nearest_faces(faces, videos, queries[::-1][:30], candidates=1100, seed=1)
    np.testing.assert_array_equal(turned, one[::-1][:30])
    other, _ = nearest_faces(faces, videos, queries, candidates=1100, seed=2)
    assert (other != one).any()


def test_faces_without_landmarks_are_nobody():
    faces, videos = made_faces(60, 30, 6)
    blank = np.arange(5, 1800, 9)
    faces[blank, 12] = np.nan
    queries = np.array([0, 5, 6])
    for candidates in (None, 1500):
        index, distance = nearest_faces(faces, videos, queries, candidates=candidates, pad=True)
        assert not np.isin(index, blank).any()
        assert (index[1] == -1).all()
        assert np.isinf(distance[1]).all()
    rows, _ = by_hand(faces, videos, 0, 30, np.setdiff1d(np.flatnonzero(videos != videos[0]), blank))
    np.testing.assert_array_equal(nearest_faces(faces, videos, queries, pad=True)[0][0], rows)
    with pytest.raises(FaceError, match="face 5 has 0 faces"):
        nearest_faces(faces, videos, queries)
    none, _ = nearest_faces(np.full((4, 68, 2), np.nan), np.arange(4), np.arange(4), pad=True)
    assert (none == -1).all()


def test_progress_rises_to_all():
    faces, videos = made_faces(20, 10, 7)
    told = []
    nearest_faces(faces, videos, np.zeros(300, int), progress=told.append)
    assert told == [128, 256, 300]


def test_what_cannot_be_searched_is_refused():
    faces = np.zeros((10, 68, 2), np.float32)
    with pytest.raises(FaceError, match="0 faces of other videos"):
        nearest_faces(faces, np.zeros(10, int), np.array([0]), count=3)
    with pytest.raises(FaceError, match="expected"):
        nearest_faces(faces[:, :, 0], np.zeros(10, int), np.array([0]))
    for wrong in ({"count": 0}, {"candidates": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            nearest_faces(faces, np.arange(10), np.array([0]), **wrong)
    with pytest.raises(ValueError, match="greater than 0"):
        nearest_faces(faces, np.arange(10), np.array([0]), count=3, workers=0)
