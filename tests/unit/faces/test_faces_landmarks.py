"""The mesh's subsets and the regions it is fitted in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facewitness.faces.detection import Detection
from facewitness.faces.landmarks import INPUT_SIZE, Roi, roi_of_detection, roi_of_mesh
from facewitness.faces.topology import FOREHEAD_ACROSS, LANDMARKS_68, LANDMARKS_81
from unit.faces.faces_pictures import EYES_AND_MOUTH, NEAR_PX, portrait_face

angles = st.floats(-3.1, 3.1)
sides = st.floats(20, 2000)
places = st.floats(-500, 4000)


@given(places, places, sides, angles)
def test_roi_matrix(x, y, side, angle):
    matrix = Roi(x, y, side, angle).matrix()
    middle = INPUT_SIZE / 2 - 0.5
    np.testing.assert_allclose(matrix @ [x, y, 1], [middle, middle], atol=1e-6)
    # a step along the line of the eyes goes to the right, by the same part of the square
    step = side / 4 * np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(matrix[:, :2] @ step, [INPUT_SIZE / 4, 0], atol=1e-6)


@given(places, places, st.floats(0.2, 8), angles)
def test_roi_of_mesh_moves_with_the_face(x, y, scale, angle):
    mesh = portrait_face().mesh.astype(np.float64)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before, after = roi_of_mesh(mesh), roi_of_mesh(mesh @ turn.T + [x, y])
    assert after.side == pytest.approx(scale * before.side, rel=1e-6)
    np.testing.assert_allclose([after.x, after.y], turn @ [before.x, before.y] + [x, y], rtol=1e-6, atol=1e-3)
    assert np.angle(np.exp(1j * (after.angle - before.angle - angle))) == pytest.approx(0, abs=1e-6)


def test_roi_of_detection():
    keypoints = np.array([[10, 20], [10, 40], [0, 0], [0, 0], [0, 0], [0, 0]], np.float32)  # head turned on its side
    roi = roi_of_detection(Detection(np.array([0, 10, 30, 50], np.float32), keypoints, 0.9), scale=2.0)
    assert (roi.x, roi.y, roi.side) == (15.0, 30.0, 80.0)
    assert roi.angle == pytest.approx(np.pi / 2)


def test_subsets_name_each_point_once():
    assert LANDMARKS_68.shape == (68,)
    assert len(set(LANDMARKS_68.tolist())) == 68
    assert LANDMARKS_81.shape == (81,)
    assert LANDMARKS_81[:68].tolist() == LANDMARKS_68.tolist()
    assert len(set(LANDMARKS_81.tolist())) == 81
    assert set(LANDMARKS_81[68:].tolist()) == set(FOREHEAD_ACROSS)


def test_68_points_of_the_portrait_lie_where_ibug_puts_them():
    points = portrait_face().landmarks68
    (right_eye, left_eye, nose, right_corner, left_corner) = EYES_AND_MOUTH
    assert np.linalg.norm(points[36:42].mean(axis=0) - right_eye) < NEAR_PX
    assert np.linalg.norm(points[42:48].mean(axis=0) - left_eye) < NEAR_PX
    assert np.linalg.norm(points[30] - nose) < NEAR_PX
    assert np.linalg.norm(points[48] - right_corner) < NEAR_PX
    assert np.linalg.norm(points[54] - left_corner) < NEAR_PX
    jaw, brows = points[:17], points[17:27]
    assert (np.diff(jaw[:, 0]) > 0).all()  # from the picture's left to its right
    assert jaw[:, 1].argmax() == 8
    assert (np.diff(brows[:, 0]) > 0).all()
    assert brows[:, 1].max() < points[36:48, 1].min()
    assert (np.diff(points[27:31, 1]) > 0).all()  # down the bridge of the nose
    assert (np.diff(points[31:36, 0]) > 0).all()  # from nostril to nostril
    assert points[30, 1] < points[33, 1] < points[51, 1] < points[62, 1] < points[66, 1] < points[57, 1] < points[8, 1]
    # an eye goes outer corner, two of the upper lid, inner corner, two of the lower lid
    for eye in (points[36:42], points[42:48]):
        assert eye[0, 0] < eye[1, 0] < eye[2, 0] < eye[3, 0]
        assert eye[[1, 2], 1].max() < eye[[4, 5], 1].min()
        assert eye[5, 0] < eye[4, 0]


def test_forehead_of_the_81_points():
    points = portrait_face().landmarks81
    across = points[[77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78]]  # as the 81-point model draws it
    assert (np.diff(across[:, 0]) > 0).all()
    assert across[2:-2, 1].max() < points[17:27, 1].min()
    assert across[:, 1].argmin() in (5, 6, 7)
