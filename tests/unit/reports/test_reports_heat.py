"""Where heat lands: a spot of a crop's heatmap must lie on the frame's spot that the crop was cut from."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.faces.crops import CropSpec, crop_face
from facewitness.records import Heatmap
from facewitness.reports.heat import View, around_face, blend_heat, heat_colours, heat_in_view, heat_layer, whole_frame
from made_reports import made_heatmap


def centre_of(weight):
    """Centre of mass ``(x, y)``, pixel centres at whole numbers."""
    rows, columns = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def heat_on(heatmap, view):
    """The heat of the whole view, ``(height, width)``."""
    heat, left, top = heat_in_view(heatmap, view)
    whole = np.zeros((view.height, view.width), np.float32)
    whole[top : top + heat.shape[0], left : left + heat.shape[1]] = heat
    return whole


VIEWS = [
    View(0, 0, 400, 300),
    View(0, 0, 400, 300, 0.5),
    View(90, 60, 290, 260, 2.0),
    View(120, 80, 300, 250, 1.37),
]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("cell", [(3, 4), (10, 24), (20, 9), (22, 13)])
@pytest.mark.parametrize("turn", [0.0, 0.3])
def test_a_hot_cell_lands_on_its_frame_pixel(view, cell, turn):
    values = np.zeros((28, 28), np.float32)
    values[cell] = 1.0
    scale = 150 / 224
    turned = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([turned, [130.0, 95.0]]).astype(np.float32)
    # oracle: cells of 8 crop pixels, pixel centres at whole numbers
    in_crop = np.array([(cell[1] + 0.5) * 8 - 0.5, (cell[0] + 0.5) * 8 - 0.5])
    in_frame = turned @ in_crop + [130.0, 95.0]
    in_view = (in_frame + 0.5 - [view.left, view.top]) * view.scale - 0.5
    found = centre_of(heat_on(Heatmap(values, matrix, 224), view))
    np.testing.assert_allclose(found, in_view, atol=0.4)


@pytest.mark.parametrize("spot", [(140, 110), (201, 150), (170, 131)])
@pytest.mark.parametrize("size", [64, 224])
def test_heat_from_a_real_crop_returns_to_the_spot(spot, size):
    frame = np.zeros((300, 400, 3), np.uint8)
    frame[spot[1] - 2 : spot[1] + 3, spot[0] - 2 : spot[0] + 3] = 255
    crop = crop_face(frame, np.array([110, 80, 230, 200], np.float32), CropSpec(1.25, size))
    values = crop.image[..., 0].astype(np.float32) / 255
    layer = heat_layer(Heatmap(values, crop.crop_to_frame, size), whole_frame(frame.shape))
    assert layer.shape == (300, 400, 4)
    np.testing.assert_allclose(centre_of(layer[..., 3].astype(float)), spot, atol=0.25)


def test_heat_outside_the_view_is_nothing():
    heatmap = made_heatmap(np.array([10, 10, 60, 70], np.float32))
    view = View(200, 200, 300, 300)
    assert heat_in_view(heatmap, view)[0].size == 0
    assert not heat_layer(heatmap, view).any()
    picture = np.full((100, 100, 3), 7, np.uint8)
    blend_heat(picture, heatmap, view)
    assert (picture == 7).all()


def test_a_heatmap_of_ones_covers_its_square_exactly():
    matrix = np.array([[0.5, 0, 99.75], [0, 0.5, 49.75]], np.float32)  # 128 crop pixels on frame pixels 100 to 163
    heat = heat_on(Heatmap(np.ones((16, 16), np.float32), matrix, 128), View(0, 0, 300, 200))
    inside = np.zeros((200, 300), bool)
    inside[50:114, 100:164] = True
    assert heat[inside].min() > 0.99
    assert heat[~inside].max() <= 0.5
    assert (heat[:48] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unusable_numbers_draw_nothing(bad):
    matrix = np.array([[1, 0, bad], [0, 1, 0]], np.float32)
    assert heat_in_view(Heatmap(np.ones((4, 4), np.float32), matrix, 32), View(0, 0, 50, 50))[0].size == 0
    values = np.full((4, 4), np.nan, np.float32)
    heat = heat_on(Heatmap(values, np.eye(2, 3, dtype=np.float32), 32), View(0, 0, 50, 50))
    assert np.isfinite(heat).all()


def test_blend_follows_the_formula():
    values = np.full((8, 8), 0.6, np.float32)
    picture = np.full((64, 64, 3), 100, np.uint8)
    blend_heat(picture, Heatmap(values, np.eye(2, 3, dtype=np.float32), 64), View(0, 0, 64, 64), opacity=0.5)
    colour = heat_colours(np.full((1, 1), 0.6, np.float32))[0, 0].astype(float)
    np.testing.assert_allclose(picture[32, 32], 100 * 0.7 + colour * 0.3, atol=1.0)


def test_layer_over_picture_is_the_blend():
    heatmap = made_heatmap(np.array([100, 80, 200, 210], np.float32))
    view = View(0, 0, 320, 300)
    picture = np.random.default_rng(1).integers(0, 255, (300, 320, 3), np.uint8)
    layer = heat_layer(heatmap, view).astype(float)
    alpha = 0.8 * layer[..., 3:] / 255
    wanted = picture * (1 - alpha) + layer[..., :3] * alpha
    blend_heat(picture, heatmap, view, opacity=0.8)
    np.testing.assert_allclose(picture, wanted, atol=1.5)


def test_hotter_is_lighter():
    colours = heat_colours(np.linspace(0, 1, 50, dtype=np.float32)[None])[0].astype(float)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) >= 0).all()
    assert lightness[0] > 40


def test_views_around_faces_stay_inside_and_square():
    rng = np.random.default_rng(2)
    for _ in range(100):
        width, height = rng.integers(60, 900, 2)
        x, y = rng.uniform(-20, 0.8, 2) * [1, 1] + rng.uniform(0, 0.8, 2) * [width, height]
        box = np.array([x, y, x + rng.uniform(1, 300), y + rng.uniform(1, 300)], np.float32)
        view = around_face(box, (height, width, 3), margin=1.9, max_side=480)
        assert 0 <= view.left < view.right <= width
        assert 0 <= view.top < view.bottom <= height
        assert max(view.width, view.height) <= 480
        wide, high = view.right - view.left, view.bottom - view.top
        assert wide in (high, width) or high == height
        assert view.cut(np.zeros((height, width, 3), np.uint8)).shape == (view.height, view.width, 3)


def test_cut_shows_the_same_spot_as_points():
    frame = np.zeros((200, 200, 3), np.uint8)
    frame[100:104, 120:124] = 255
    view = View(80, 60, 180, 160, 2.0)
    found = centre_of(view.cut(frame)[..., 0].astype(float)) + 0.5
    wanted = view.points(np.array([[122.0, 102.0]], np.float32))[0]  # edges of pixels, not their centres
    np.testing.assert_allclose(found, wanted, atol=0.1)
