"""Which frames are taken: uniform over time, whatever the frame rate does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewitness.errors import ConfigError
from facewitness.media.sampling import check_request, choose_frames, thin_out


def regular(count, fps=25.0):
    return np.arange(count) / fps, count / fps


@given(st.integers(1, 500), st.integers(1, 64))
def test_constant_rate_is_spread_evenly(count, n):
    times, end = regular(count)
    chosen = choose_frames(times, end, n=n)
    assert len(chosen) == min(n, count)
    assert (np.diff(chosen) > 0).all()
    edges = np.arange(len(chosen) + 1) * count / len(chosen)
    assert (chosen >= np.floor(edges[:-1])).all()
    assert (chosen < np.ceil(edges[1:])).all()


@given(st.lists(st.floats(1e-3, 3.0), min_size=2, max_size=80), st.integers(1, 40))
def test_variable_rate_takes_the_frame_on_screen(gaps, n):
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    times, end = times[:-1], times[-1]
    chosen = choose_frames(times, end, n=n)
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= max(n, 1)
    if n < len(times):
        appears, gone = times, np.append(times[1:], end)
        for middle in (np.arange(n) + 0.5) * end / n:
            assert any(appears[i] - 1e-6 <= middle <= gone[i] + 1e-6 for i in chosen)


def test_rate():
    times, end = regular(250)
    wanted = [6, 18, 31, 43, 56, 68, 81, 93, 106, 118, 131, 143, 156, 168, 181, 193, 206, 218, 231, 243]
    assert choose_frames(times, end, fps=2).tolist() == wanted
    assert len(choose_frames(times, end, fps=25)) == 250
    assert len(choose_frames(times, end, fps=1e12)) == 250
    assert len(choose_frames(times, end, fps=0.001)) == 1
    assert len(choose_frames(times, end, n=5, fps=1)) == 10


def test_all_none_and_still():
    times, end = regular(7)
    assert choose_frames(times, end).tolist() == list(range(7))
    assert choose_frames(np.zeros(0), 0.0, n=3).tolist() == []
    assert choose_frames(np.zeros(1), 0.0, n=3).tolist() == [0]


def test_long_held_frame_is_taken_once():
    times = np.array([0.0, 0.1, 0.2, 8.0])
    assert choose_frames(times, 10.0, n=3).tolist() == [2, 3]


@given(st.integers(1, 200), st.integers(1, 200))
def test_thin_out_keeps_order_and_count(have, want):
    kept = thin_out(np.arange(have), want)
    assert len(kept) == min(have, want)
    assert (np.diff(kept) > 0).all()


@pytest.mark.parametrize(
    ("n", "fps"), [(0, None), (-3, None), (True, None), (None, 0), (None, -1), (None, float("inf"))]
)
def test_senseless_requests(n, fps):
    with pytest.raises(ConfigError, match=r"(n|fps) must be"):
        check_request(n, fps)
