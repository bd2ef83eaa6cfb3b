"""Corrected targets against their definition, pixel by pixel; the official ones are held by the parity set."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.pseudofakes.targets import (
    TargetConfig,
    boundary_targets,
    centroid,
    consistency_map,
    gaussian_heatmap,
    gaussian_radius,
    run_lengths,
    vulnerable_points,
)


@pytest.fixture
def ring():
    """A soft ring that leaves the map at the top."""
    y, x = np.mgrid[:48, :40]
    r = np.hypot((y - 18) / 20, (x - 21) / 13)
    mask = 1 / (1 + np.exp((r - 1) * 7))
    return (255 * 4 * mask * (1 - mask)).astype(np.uint8)


def test_points_are_all_maxima_of_each_quarter(ring):
    points = vulnerable_points(ring)
    found = {tuple(p) for p in points.tolist()}
    for y in (0, 24):
        for x in (0, 20):
            part = ring[y : y + 24, x : x + 20]
            expected = {
                (y + i, x + j) for i in range(24) for j in range(20) if part[i, j] == part.max() and part.max() > 0
            }
            assert expected <= found
            found -= expected
    assert not found
    assert vulnerable_points(np.zeros((9, 9), np.uint8)).shape == (0, 2)


def steps(line, at, way):
    count = 0
    while 0 <= at < len(line) and line[at] > 128:
        count, at = count + 1, at + way
    return count


def test_runs_are_counted_once_and_end_at_the_border(ring):
    points = np.argwhere(ring >= 0)
    expected = [
        [
            max(steps(ring[:, x], y, 1) + steps(ring[:, x], y, -1) - 1, 0),
            max(steps(ring[y], x, 1) + steps(ring[y], x, -1) - 1, 0),
        ]
        for y, x in points.tolist()
    ]
    np.testing.assert_array_equal(run_lengths(ring, points), expected)


def test_official_runs_wrap_at_the_top():
    picture = np.zeros((10, 10), np.uint8)
    picture[[0, 1, 8, 9], 4] = 255
    assert run_lengths(picture, np.array([[1, 4]]))[0, 0] == 2
    assert run_lengths(picture, np.array([[1, 4]]), mode="official")[0, 0] == 4 + 1


def test_full_lines_end():
    full = np.full((6, 7), 255, np.uint8)
    assert run_lengths(full, np.array([[3, 3]])).tolist() == [[6, 7]]
    assert run_lengths(full, np.array([[3, 3]]), mode="official")[0, 0] >= 6


def test_heatmap_is_the_largest_gaussian_around_each_point():
    points, sigmas = np.array([[5, 7], [20, 30], [6, 9]]), np.array([1.5, 2.2, 0.8])
    found = gaussian_heatmap((32, 33), points, sigmas)
    expected = np.zeros((32, 33))
    for (py, px), s in zip(points.tolist(), sigmas.tolist(), strict=True):
        for y in range(32):
            for x in range(33):
                if abs(y - py) <= 3 * s and abs(x - px) <= 3 * s:
                    value = np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * s * s))
                    expected[y, x] = max(expected[y, x], value)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[points[:, 0], points[:, 1]].tolist() == [1, 1, 1]


def test_official_peak_is_up_and_left():
    point, sigma = np.array([[10, 12]]), np.array([2.4])  # 3 sigma = 7.2, fraction below one half
    official = gaussian_heatmap((32, 32), point, sigma, mode="official")
    assert np.unravel_index(official.argmax(), official.shape) == (9, 11)
    corrected = gaussian_heatmap((32, 32), point, sigma)
    assert np.unravel_index(corrected.argmax(), corrected.shape) == (10, 12)


def test_many_points_give_the_same_as_few():
    rng = np.random.default_rng(0)
    points, sigmas = rng.integers(0, 40, (200, 2)), rng.uniform(0.5, 3, 200)
    parts = [gaussian_heatmap((40, 40), points[i : i + 7], sigmas[i : i + 7]) for i in range(0, 200, 7)]
    np.testing.assert_array_equal(gaussian_heatmap((40, 40), points, sigmas), np.max(parts, axis=0))


@pytest.mark.parametrize("mode", ["corrected", "official"])
def test_real_picture(mode):
    made = boundary_targets(np.zeros((24, 24), np.uint8), TargetConfig(mode))
    assert not made.heatmap.any()
    assert (made.consistency == (255 if mode == "corrected" else 0)).all()


def test_fake_picture(ring):
    made = boundary_targets(ring)
    assert made.heatmap.shape == made.consistency.shape == ring.shape
    assert (made.heatmap[tuple(made.points.T)] == 1).all()
    assert (made.heatmap == 1).sum() == len(made.points)
    np.testing.assert_array_equal(made.consistency, 255 - (int(ring.max()) - ring.astype(int)))


def test_centroid(ring):
    (point,) = centroid(ring)
    inside = np.argwhere(ring > 128)
    assert point.tolist() == [int(inside[:, 0].mean()), int(inside[:, 1].mean())]
    made = boundary_targets(ring, TargetConfig(points="centroid", adaptive_sigma=False))
    reference = int(ring[tuple(point)])
    np.testing.assert_array_equal(made.consistency, 255 - np.abs(reference - ring.astype(int)))
    assert np.unravel_index(made.heatmap.argmax(), ring.shape) == tuple(point)
    assert centroid(ring // 2).shape == (0, 2)


def test_official_consistency_wraps_below_its_reference(ring):
    config = TargetConfig("official", points="centroid")
    point = centroid(ring)
    found = consistency_map(ring, point, config)
    reference = int(ring[tuple(point[0])])
    np.testing.assert_array_equal(found, (255 - ((reference - ring.astype(int)) % 256)) % 256)


def test_radius_shrinks_with_the_overlap_wanted():
    side = np.array([4.0, 10.0, 30.0])
    assert (gaussian_radius(side, side, overlap=0.9) < gaussian_radius(side, side, overlap=0.5)).all()
    assert gaussian_radius(np.zeros(1), np.zeros(1)).tolist() == [0]


def test_wrong_input_and_settings():
    with pytest.raises(ValueError, match="uint8"):
        boundary_targets(np.zeros((9, 9), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="mode"):
        TargetConfig("new")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="sigma"):
        TargetConfig(sigma=0)
