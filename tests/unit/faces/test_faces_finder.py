"""Real faces found where they are, at many sizes, angles and places; and none where there is none."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.errors import ConfigError, FaceError
from facewitness.faces.detection import whole
from facewitness.faces.finder import Face, FaceFinder
from facewitness.media.images import read_image
from unit.faces.faces_pictures import (
    EYES_AND_MOUTH,
    NEAR_PX,
    ROOT,
    blotches,
    finder,
    mesh_error,
    portrait,
    portrait_face,
    resized,
    turned,
)


def test_portrait():
    face = portrait_face()
    assert 100 < face.size_px < 120
    assert face.presence > 0.99
    assert face.detection_score > 0.8
    assert (face.mesh.dtype, face.mesh.shape, face.box.dtype) == (np.float32, (468, 2), np.float32)
    np.testing.assert_allclose(face.box, [*face.mesh.min(axis=0), *face.mesh.max(axis=0)])


def test_five_points_lie_on_eyes_nose_and_mouth():
    away = np.linalg.norm(portrait_face().landmarks5 - EYES_AND_MOUTH, axis=1)
    assert away.max() < NEAR_PX, away


@pytest.mark.parametrize("degrees", [-90, -45, -20, 20, 45, 90, 180])
def test_turned_portrait(degrees):
    picture, matrix = turned(portrait(), degrees)
    (face,) = finder().find(picture)
    assert mesh_error(face, portrait_face().mesh @ matrix[:, :2].T + matrix[:, 2]) < 0.02


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.8, 2.0, 4.0])
def test_scaled_portrait(scale):
    (face,) = finder().find(resized(portrait(), scale))
    assert mesh_error(face, (portrait_face().mesh + 0.5) * scale - 0.5) < 0.02


def test_mirrored_portrait_has_the_other_eye_right():
    (face,) = finder().find(np.ascontiguousarray(portrait()[:, ::-1]))
    mirrored = [[511 - x, y] for x, y in portrait_face().landmarks5[[1, 0, 2, 4, 3]].tolist()]
    assert np.abs(face.landmarks5 - mirrored).max() < 0.04 * face.size_px


@pytest.mark.parametrize(("face_px", "width", "height"), [(60, 1920, 1080), (40, 1280, 720), (60, 3840, 2160)])
@pytest.mark.parametrize("place", [(0.02, 0.03), (0.7, 0.6)])
def test_small_face_in_a_large_frame(face_px, width, height, place):
    frame = blotches(width, height)
    scale = face_px / portrait_face().size_px
    small = resized(portrait(), scale)
    left, top = int(place[0] * width), int(place[1] * height)
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    (face,) = finder().find(frame)
    expected = (portrait_face().mesh + 0.5) * (small.shape[0] / 512) - 0.5 + [left, top]
    assert mesh_error(face, expected) < 0.06


@pytest.mark.parametrize("margin", [-8, 0, 5, 15])
@pytest.mark.parametrize("scale", [1, 4])
def test_face_that_fills_the_picture(margin, scale):
    x0, y0, x1, y1 = portrait_face().box.round().astype(int)
    cut = portrait()[y0 - margin : y1 + margin, x0 - margin : x1 + margin]
    found = finder().find(resized(cut, scale))
    expected = (portrait_face().mesh - [x0 - margin, y0 - margin] + 0.5) * scale - 0.5
    assert len(found) == 1
    assert mesh_error(found[0], expected) < 0.03


def test_several_faces_each_once_and_the_largest_first():
    half, third = resized(portrait(), 0.5), resized(portrait(), 0.35)
    frame = blotches(1200, 600)
    corners = [(half, 20, 30), (half[:, ::-1], 400, 300), (third, 900, 40), (third, 930, 380)]
    for picture, left, top in corners:
        frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    faces = finder().find(frame)
    assert len(faces) == 4
    assert [face.size_px for face in faces] == sorted((face.size_px for face in faces), reverse=True)
    for picture, left, top in corners:
        inside = [f for f in faces if left < f.mesh[4, 0] < left + picture.shape[1] and top < f.mesh[4, 1] < top + 256]
        assert len(inside) == 1


def test_a_dozen_faces_and_the_limit():
    wall = np.tile(resized(portrait(), 0.5), (3, 4, 1))
    faces = finder().find(wall)
    cells = {(int(f.mesh[4, 0] // 256), int(f.mesh[4, 1] // 256)) for f in faces}
    assert len(faces) == len(cells) == 12
    assert len(FaceFinder(threads=1, max_faces=5).find(wall)) == 5


def test_a_face_found_twice_is_fitted_once(monkeypatch):
    """Neighbouring tiles see the same face; a better box than that of a known face is worth a fit."""
    finder_, fitted = FaceFinder(threads=1), []
    (best, *_) = finder_._detector.look(portrait(), whole(portrait()), 0.4)
    again = dataclasses.replace(best, box=best.box + np.float32(4), score=best.score - 0.2)
    fit = finder_._fit
    monkeypatch.setattr(finder_, "_fit", lambda image, roi, score: fitted.append(score) or fit(image, roi, score))
    (face,) = finder_._fit_all(portrait(), [again, best])
    assert fitted == [best.score]
    assert finder_._fit_all(portrait(), [again], known=[face]) == []
    poor = dataclasses.replace(face, detection_score=0.45)
    assert len(finder_._fit_all(portrait(), [again], known=[poor])) == 1
    assert fitted == [best.score, again.score]


def test_faces_below_the_smallest_size_are_left_out():
    assert FaceFinder(threads=1, min_face_px=150).find(portrait()) == []


def test_finding_twice_gives_the_same_and_leaves_the_picture_alone():
    picture = portrait().copy()
    first, second = finder().find(picture), finder().find(picture)
    np.testing.assert_array_equal(first[0].mesh, second[0].mesh)
    np.testing.assert_array_equal(picture, portrait())


@pytest.mark.parametrize("seed", range(6))
def test_no_face_in_noise_and_blotches(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(100, 800, 2)
    assert finder().find(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) == []
    assert finder().find(blotches(width, height, seed)) == []


@pytest.mark.parametrize("grey", [0, 127, 255])
@pytest.mark.parametrize("size", [(300, 300), (720, 1280)])
def test_no_face_in_flat_pictures(grey, size):
    assert finder().find(np.full((*size, 3), grey, np.uint8)) == []


def test_no_face_in_the_portrait_without_its_face():
    picture = portrait().copy()
    x0, y0, x1, y1 = portrait_face().box.astype(int)
    picture[y0 - 25 : y1 + 10, x0 - 20 : x1 + 20] = 128
    assert finder().find(picture) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.booleans(), st.integers(0, 99))
def test_never_fails_on_odd_sizes(width, height, long, seed):
    left = seed % 200
    cut = portrait()[100 : 100 + height, left : left + width]
    picture = np.repeat(cut, 40, axis=seed % 2) if long else cut
    for face in finder().find(picture):
        assert isinstance(face, Face)
        assert np.isfinite(face.mesh).all()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((40, 40, 3), np.float32),
        np.zeros((0, 40, 3), np.uint8),
        [[1, 2, 3]],
    ],
)
def test_refuses_what_is_no_picture(picture):
    with pytest.raises(FaceError, match="image"):
        finder().find(picture)


@pytest.mark.parametrize(
    "setting", [{"max_faces": 0}, {"min_face_px": 0.5}, {"min_detection": 0.0}, {"min_presence": 1.0}]
)
def test_refuses_settings_out_of_range(setting):
    with pytest.raises(ConfigError, match="expected max_faces"):
        FaceFinder(**setting)


def test_real_faces_of_the_wild_are_found():
    """Only where the test pictures lie beside the repository; they may not be shipped."""
    folder = ROOT.parent / "shared" / "data" / "faces"
    pictures = sorted(folder.glob("test_real_*/*.jpg"))
    if not pictures:
        pytest.skip("no test_real_* pictures in ../shared/data/faces")
    sample = [pictures[i] for i in np.random.default_rng(0).permutation(len(pictures))[:40]]
    missed = [path.name for path in sample if not finder().find(read_image(path).pixels)]
    assert len(missed) <= 2, missed
