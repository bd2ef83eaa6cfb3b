"""People made of a real mesh, moved about: who is joined with whom through time."""

import time
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.faces.finder import Face
from facewitness.faces.tracking import assign, link_tracks
from unit.faces.faces_pictures import portrait_face


def face(x, y=200.0, size=100.0, *, turn=0.0, jitter=0.0, seed=0, look=None):
    """The portrait's mesh at a place (middle of the box), of a size, turned sideways by squeezing it.

    ``look`` is the number of a person: another number has another look.
    """
    mesh = portrait_face().mesh.astype(np.float64)
    mesh = (mesh - (mesh.min(axis=0) + mesh.max(axis=0)) / 2) / portrait_face().size_px * size
    mesh = mesh * [np.cos(turn), 1.0] + [x, y]
    mesh = (mesh + jitter * size * np.random.default_rng(seed).normal(size=2)).astype(np.float32)
    box = np.concatenate([mesh.min(axis=0), mesh.max(axis=0)])
    if look is None:
        return Face(box, mesh, 1.0, 0.9)
    pixels = np.random.default_rng(look).uniform(0, 255, (8, 8, 3))
    pixels += np.random.default_rng([seed, look]).normal(0, 8, (8, 8, 3))
    return Face(box, mesh, 1.0, 0.9, pixels.astype(np.float32))


def linked(scenes, interval_s):
    """Per track the names of its faces; a scene maps names to faces in the order in which they were found."""
    names = {id(f): name for scene in scenes for name, f in scene.items()}
    tracks = link_tracks([(3 * i, i * interval_s, list(scene.values())) for i, scene in enumerate(scenes)])
    for track in tracks:
        indices = [index for index, _, _ in track.items]
        assert indices == sorted(set(indices))
        assert [time_s for _, time_s, _ in track.items] == [index / 3 * interval_s for index in indices]
    seen = [id(f) for track in tracks for _, _, f in track.items]
    assert sorted(seen) == sorted(names)  # every face in exactly one track
    return ["".join(names[id(f)] for _, _, f in track.items) for track in tracks]


@pytest.mark.parametrize("interval_s", [1 / 50, 1 / 25, 0.3, 2.0, 19.0])
def test_one_person_who_stays(interval_s):
    scenes = [{"a": face(300, jitter=0.02, turn=0.3 * np.sin(i), seed=i)} for i in range(12)]
    assert linked(scenes, interval_s) == ["a" * 12]


@pytest.mark.parametrize(("interval_s", "missed"), [(1 / 25, 40), (0.3, 5), (2.0, 1), (19.0, 1)])
def test_short_misses_are_survived(interval_s, missed):
    scenes = [{"a": face(300)}, {"a": face(300)}, *[{}] * missed, {"a": face(306)}]
    assert linked(scenes, interval_s) == ["aaa"]


@pytest.mark.parametrize(("interval_s", "missed"), [(1 / 25, 60), (0.3, 8), (2.0, 3), (19.0, 3)])
def test_after_a_long_absence_a_new_track_begins(interval_s, missed):
    scenes = [{"a": face(300)}, {"a": face(300)}, *[{}] * missed, {"b": face(300)}]
    assert linked(scenes, interval_s) == ["aa", "b"]


@pytest.mark.parametrize("interval_s", [1 / 25, 0.3, 19.0])
def test_two_people_side_by_side_whatever_their_order(interval_s):
    scenes = []
    for i in range(10):
        both = {"a": face(300, jitter=0.02, seed=i), "b": face(410, jitter=0.02, seed=99 - i)}
        scenes.append(both if i % 2 else dict(reversed(both.items())))
    assert sorted(linked(scenes, interval_s)) == ["a" * 10, "b" * 10]


@pytest.mark.parametrize("interval_s", [1 / 25, 0.2])
@pytest.mark.parametrize("gap", [0, 30])
def test_two_people_who_cross(interval_s, gap):
    steps = 24
    at = np.linspace(200, 500, steps)
    scenes = [{"a": face(at[i], 200), "b": face(at[-1 - i], 200 + gap)} for i in range(steps)]
    assert sorted(linked(scenes, interval_s)) == ["a" * steps, "b" * steps]


@pytest.mark.parametrize("interval_s", [1 / 25, 0.2])
def test_two_people_who_cross_while_one_hides_the_other(interval_s):
    at = np.linspace(200, 500, 30)
    scenes = [{"a": face(at[i]), **({} if 13 <= i <= 16 else {"b": face(at[-1 - i], 205)})} for i in range(30)]
    assert sorted(linked(scenes, interval_s)) == ["a" * 30, "b" * 26]


def test_two_people_who_meet_and_part_again():
    at = [*np.linspace(200, 290, 10), *np.linspace(290, 200, 10)]
    scenes = [{"a": face(x), "b": face(680 - x)} for x in at]
    assert sorted(linked(scenes, 0.2)) == ["a" * 20, "b" * 20]


@pytest.mark.parametrize("after", [face(520), face(300, 420), face(300, size=190), face(330, 240, size=48)])
@pytest.mark.parametrize("interval_s", [1 / 25, 0.3, 1.0, 19.0])
def test_a_cut_to_another_place_or_size_begins_a_new_track(after, interval_s):
    scenes = [*[{"a": face(300)}] * 1, *[{"b": after}] * 1]
    assert linked(scenes, interval_s) == ["a", "b"]


def test_between_neighbouring_frames_nobody_jumps():
    assert linked([{"a": face(300)}, {"b": face(345)}], 1 / 25) == ["a", "b"]
    assert linked([{"a": face(300)}, {"a": face(345)}], 0.3) == ["aa"]


def test_a_shot_and_its_return():
    scenes = [{"a": face(300)} if who == "a" else {"b": face(520, 180, 130)} for who in "aabbaa"]
    assert linked(scenes, 0.3) == ["aaaa", "bb"]


def test_a_walker_is_followed_and_a_zoom_too():
    scenes = [{"a": face(100 + 25 * i, size=60 * 1.06**i)} for i in range(20)]
    assert linked(scenes, 0.1) == ["a" * 20]


def test_tracks_come_in_the_order_in_which_they_begin():
    a, b, c = face(700, size=120), face(100), face(400)
    scenes = [{"a": a, "b": b}, {"b": face(100), "a": face(700, size=120)}, {"c": c, "b": face(100)}, {"c": face(400)}]
    assert linked(scenes, 0.2) == ["aa", "bbb", "cc"]


def test_frames_without_times_or_faces():
    assert link_tracks([]) == []
    assert link_tracks([(0, 0.0, []), (1, 0.5, [])]) == []
    still = [(i, 0.0, [face(300)]) for i in range(5)]
    assert [len(track.items) for track in link_tracks(still)] == [5]


def test_faces_of_no_extent_do_no_harm():
    point = Face(np.zeros(4, np.float32), np.zeros((468, 2), np.float32), 1.0, 0.5)
    assert sum(len(t.items) for t in link_tracks([(0, 0.0, [point]), (1, 0.1, [point, face(300)])])) == 3


def cheapest(costs, skip):
    """Least total cost by trying everything."""
    rows, columns = costs.shape
    places = list(range(columns)) + [-1] * rows
    return min(
        sum(skip if c < 0 or not costs[r, c] <= skip else costs[r, c] for r, c in enumerate(chosen))
        for chosen in set(permutations(places, rows))
    )


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_assignment_is_the_cheapest(rows, columns, seed, coarse):
    rng = np.random.default_rng(seed)
    costs = rng.uniform(0, 2, (rows, columns))
    if coarse:
        costs = costs.round(1)  # ties
    costs[rng.random(costs.shape) < 0.3] = rng.choice([np.inf, np.nan])
    left, right = assign(costs, 1.2)
    assert left == sorted(set(left))
    assert len(set(right)) == len(right) == len(left)
    assert (costs[left, right] <= 1.2).all()
    total = costs[left, right].sum() + 1.2 * (rows - len(left))
    assert total == pytest.approx(cheapest(costs, 1.2))


def test_assignment_of_nothing():
    assert assign(np.zeros((0, 3)), 1.0) == ([], [])
    assert assign(np.zeros((3, 0)), 1.0) == ([], [])


def test_many_people_stay_apart():
    rng = np.random.default_rng(4)
    places = [(150 * column, 150 * row) for column in range(5) for row in range(4)]
    scenes = []
    for i in range(15):
        order = rng.permutation(20)
        scenes.append({chr(97 + k): face(*places[k], jitter=0.03, seed=20 * i + k) for k in order})
    found = linked(scenes, 0.3)
    assert sorted(found) == [chr(97 + k) * 15 for k in range(20)]


def test_a_stranger_in_the_same_place_has_another_look():
    scenes = [*[{"a": face(300, look=1, seed=i)} for i in range(3)], *[{"b": face(302, look=2)} for _ in range(3)]]
    assert linked(scenes, 0.3) == ["aaa", "bbb"]


def test_cutting_back_and_forth_joins_equal_looks_wherever_and_whenever():
    scenes = []
    for i in range(12):
        shown = "aabbb"[i % 5]
        scenes.append({shown: face(200 + 90 * i % 400, size=70 + 12 * (i % 7), look=ord(shown), seed=i)})
    assert linked(scenes, 20.0) == ["aaaaaa", "bbbbbb"]


def test_looks_tell_two_people_apart_who_change_places_between_frames():
    scenes = [
        {
            "a": face(300 if i % 2 else 390, look=1, seed=i),
            "b": face(390 if i % 2 else 300, look=2, seed=i),
        }
        for i in range(8)
    ]
    assert sorted(linked(scenes, 2.0)) == ["a" * 8, "b" * 8]


def test_equal_looks_side_by_side_stay_in_their_places():
    scenes = [{"a": face(300, look=1, seed=i), "b": face(420, look=1, seed=-i % 99)} for i in range(8)]
    assert sorted(linked(scenes, 0.3)) == ["a" * 8, "b" * 8]


def test_a_face_too_flat_for_a_look_is_joined_by_place():
    dark = face(300)
    dark = Face(dark.box, dark.mesh, 1.0, 0.9, np.full((8, 8, 3), 3.0, np.float32))
    assert linked([{"a": face(300, look=1)}, {"a": dark}, {"b": face(700, look=2)}], 0.3) == ["aa", "b"]


def test_many_short_tracks_do_not_slow_it_down():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 4000, (300, 2))
    frames = [(i, i / 25, [face(x, y, look=i)]) for i, (x, y) in enumerate(places)]
    start = time.process_time()
    assert len(link_tracks(frames)) > 250
    assert time.process_time() - start < 5.0
