"""Crop to network input and heatmap back to the crop."""

import numpy as np
import pytest

from facewitness.detectors.laa_net.processor import LaaNetProcessor, warp_whole_image
from facewitness.errors import ConfigError, FaceError
from facewitness.faces.levelling import align_eyes
from facewitness.pseudofakes.geometry import whole_image_map


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_affine_puts_corners_on_corners():
    matrix = whole_image_map(317, 317, 384)
    corners = matrix @ np.array([[0, 0, 1], [316, 316, 1]]).T
    np.testing.assert_allclose(corners, [[0, 383], [0, 383]])


def test_oblong_image_is_centred_in_black():
    image = np.full((50, 101, 3), 200, np.uint8)
    square = warp_whole_image(image, 101)
    assert square[50].min() >= 199
    assert square[:24].max() == 0


@pytest.mark.parametrize("protocol", ["sbi", "bi", "single_image"])
@pytest.mark.parametrize("side", [128, 317, 400])
def test_batch_has_one_size(protocol, side):
    batch = LaaNetProcessor(protocol)([noise(side, side), noise(256, 256)])
    assert batch.shape == (2, 3, 384, 384)
    assert batch.dtype == np.float32
    assert batch.min() >= -1.0 - 1e-6
    assert batch.max() <= 1.0 + 1e-6


def test_values_are_halved_about_the_middle():
    processor = LaaNetProcessor()
    image = np.array([[[0, 127, 255]]], np.uint8)
    np.testing.assert_allclose(processor.normalise(image)[:, 0, 0], [-1, 127 / 127.5 - 1, 1], atol=1e-6)
    other = LaaNetProcessor(mean=0.25, std=0.125)
    np.testing.assert_allclose(
        other.normalise(image)[:, 0, 0], (np.array([0, 127, 255]) / 255 - 0.25) / 0.125, atol=1e-5
    )


def test_input_is_not_changed():
    crop = noise(317, 317)
    before = crop.copy()
    LaaNetProcessor()([crop])
    np.testing.assert_array_equal(crop, before)


@pytest.mark.parametrize(
    "crop", [np.zeros((20, 20, 3), np.float32), np.zeros((20, 20), np.uint8), np.zeros((9, 9, 3), np.uint8)]
)
def test_bad_crops_are_refused(crop):
    with pytest.raises(ConfigError, match="crop"):
        LaaNetProcessor().to_square(crop)


@pytest.mark.parametrize("values", [{"protocol": "x"}, {"image_size": 8}, {"trim": -1}, {"std": 0}])
def test_bad_settings_are_refused(values):
    with pytest.raises(ConfigError):
        LaaNetProcessor(**values)


def test_record_round_trip():
    processor = LaaNetProcessor("bi", image_size=256, mean=0.4)
    assert LaaNetProcessor.from_record({**processor.to_record(), "mode": "official"}) == processor


@pytest.mark.parametrize("protocol", ["sbi", "bi", "single_image"])
def test_heat_comes_back_to_where_it_was(protocol):
    """A bright blob in the crop, seen by the network as a blob, lies over the same place of the crop again."""
    processor = LaaNetProcessor(protocol)
    crop = np.zeros((317, 317, 3), np.uint8)
    crop[180:200, 120:140] = 255
    seen = processor.to_square(crop)[..., 0].astype(np.float32) / 255
    heat = seen.reshape(96, 4, 96, 4).mean((1, 3))
    over = processor.heatmap_over_crop(heat, 317, 317)
    rows, columns = np.mgrid[:96, :96]
    centre = np.array([(rows * over).sum(), (columns * over).sum()]) / over.sum()
    np.testing.assert_allclose((centre + 0.5) * 317 / 96, [190, 130], atol=2.0)


def test_levelling_the_eyes():
    face = np.zeros((68, 2), np.int64)
    face[39], face[42] = (100, 120), (160, 150)
    image, landmarks = align_eyes(noise(256, 256), face)
    assert image.shape == (256, 256, 3)
    assert abs(int(landmarks[39, 1]) - int(landmarks[42, 1])) <= 1


def test_unusable_landmarks_are_refused():
    with pytest.raises(FaceError, match="68"):
        align_eyes(noise(8, 8), np.zeros((5, 2), np.int64))
    with pytest.raises(FaceError, match="above"):
        align_eyes(noise(8, 8), np.zeros((68, 2), np.int64))
