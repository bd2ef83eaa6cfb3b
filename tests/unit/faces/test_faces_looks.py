"""Looks stay the same through harmless changes and differ between people."""

import cv2
import numpy as np
import pytest
from skimage import data

from facewitness.faces.looks import ALIKE, face_look, look_differences
from facewitness.faces.tracking import link_tracks
from facewitness.jpeg import decode_jpeg, encode_jpeg
from facewitness.media.video import iter_frames
from unit.faces.faces_pictures import ROOT, finder, portrait, portrait_face, resized, turned


@pytest.fixture(scope="module")
def cameraman():
    """Another person: the photographer of a classic test picture, in grey."""
    return np.repeat(data.camera()[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def look_of():
    def look(picture):
        (face,) = finder().find(np.ascontiguousarray(picture))
        return face.look

    return look


@pytest.mark.parametrize(
    "change",
    [
        lambda p: resized(p, 0.4),
        lambda p: resized(p, 2.0),
        lambda p: turned(p, 30)[0],
        lambda p: decode_jpeg(encode_jpeg(p, 30)),
        lambda p: cv2.convertScaleAbs(p, alpha=0.9, beta=8),
    ],
    ids=["smaller", "larger", "turned", "jpeg", "light"],
)
def test_one_person_stays_alike(look_of, change):
    assert look_differences(portrait_face().look[None], look_of(change(portrait()))[None])[0, 0] < ALIKE


def test_two_people_are_not_alike(look_of, cameraman):
    grey = np.repeat(cv2.cvtColor(portrait(), cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    other = look_of(cameraman)[None]
    assert look_differences(portrait_face().look[None], other)[0, 0] > 1.5 * ALIKE
    assert look_differences(look_of(grey)[None], other)[0, 0] > 1.5 * ALIKE


def test_differences_against_plain_loops():
    rng = np.random.default_rng(2)
    looks, others = rng.uniform(0, 255, (3, 8, 8, 3)).astype("f4"), rng.uniform(0, 90, (2, 8, 8, 3)).astype("f4")
    expected = [[np.sqrt(((a - b) ** 2).mean()) / np.sqrt(a.std() * b.std()) for b in others] for a in looks]
    np.testing.assert_allclose(look_differences(looks, others), expected, rtol=1e-5)


def test_flat_looks_say_nothing():
    flat = np.full((1, 8, 8, 3), 90, np.float32)
    assert np.isinf(look_differences(flat, portrait_face().look[None])).all()
    assert np.isinf(look_differences(flat, flat)).all()


def test_a_look_is_a_small_picture_of_the_face():
    look = face_look(portrait(), portrait_face().landmarks5)
    assert (look.shape, look.dtype) == ((8, 8, 3), np.float32)
    assert 0 <= look.min() < look.max() <= 255
    red, green, blue = look[3:6, 2:6].mean(axis=(0, 1))  # skin
    assert red > green > blue


def test_a_cut_to_another_person_in_the_same_place(cameraman):
    """Both faces are put to the same place and size, so that geometry alone would join them."""
    (other,) = finder().find(cameraman)
    scale = portrait_face().size_px / other.size_px
    size = (512, 512)
    middle = portrait_face().mesh.mean(axis=0) - scale * other.mesh.mean(axis=0)
    moved = cv2.warpAffine(cameraman, np.array([[scale, 0, middle[0]], [0, scale, middle[1]]]), size)
    frames = [(i, 0.3 * i, finder().find(portrait() if i < 3 else moved)) for i in range(6)]
    assert [len(faces) for _, _, faces in frames] == [1] * 6
    assert [[i for i, _, _ in track.items] for track in link_tracks(frames)] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("name", ["clip_real.mp4", "clip_forged.mp4"])
def test_the_sample_clips_have_one_person(name):
    frames = [(f.index, f.time_s, finder().find(f.pixels)) for f in iter_frames(ROOT / "examples" / name, n=12)]
    assert [len(track.items) for track in link_tracks(frames)] == [12]
