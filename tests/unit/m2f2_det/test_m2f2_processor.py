"""Preprocessing on tensors against Pillow."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.errors import ConfigError
from facewitness.networks.clip_sizes import CLIP_MEAN, CLIP_STD
from facewitness.networks.resampling import resize_and_cut, resize_bicubic


@pytest.mark.parametrize(
    ("height", "width", "tall", "wide"),
    [
        (31, 47, 60, 90),
        (90, 61, 33, 20),
        (40, 40, 40, 70),
        (17, 23, 17, 23),
        (200, 30, 36, 36),
        (99, 40, 80, 33),
        (1, 5, 4, 9),
    ],
)
def test_resize_is_pillows_bit_for_bit(rng, height, width, tall, wide):
    images = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    images[1] = np.where(images[1] > 127, 255, 0)  # overshoots
    wanted = [np.asarray(Image.fromarray(i).resize((wide, tall), Image.Resampling.BICUBIC)) for i in images]
    found = resize_bicubic(torch.from_numpy(images).permute(0, 3, 1, 2), tall, wide)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1).numpy(), np.stack(wanted))
    window = (tall // 4, wide // 3, tall // 4 + 2, wide // 3 + 4)
    cut = resize_and_cut(torch.from_numpy(images).permute(0, 3, 1, 2), tall, wide, window)
    np.testing.assert_array_equal(cut.numpy(), found[:, :, window[0] : window[2], window[1] : window[3]].numpy())


def by_pillow(image, side):
    """The authors' way: Pillow, the central square, float64 to float32."""
    height, width = image.shape[:2]
    short, long = sorted((height, width))
    tall, wide = (side, int(side * long / short)) if height <= width else (int(side * long / short), side)
    picture = np.asarray(Image.fromarray(image).resize((wide, tall), Image.Resampling.BICUBIC))
    top, left = (tall - side) // 2, (wide - side) // 2
    values = picture[top : top + side, left : left + side].astype(np.float32) / 255
    return ((values - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)).transpose(2, 0, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_pictures_of_several_sizes(rng):
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((50, 50), (70, 41), (33, 90))]
    found = M2F2Processor(42)(images)
    wanted = np.stack([by_pillow(image, 42) for image in images])
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_floats_are_cut_to_8_bits_as_the_authors_do(rng):
    floats = torch.from_numpy(rng.uniform(0, 1, (2, 3, 30, 30)).astype(np.float32))
    levels = (floats * 255).to(torch.uint8)
    processor = M2F2Processor(28)
    assert torch.equal(processor.of_tensors(floats), processor.of_tensors(levels))
    every = torch.arange(256, dtype=torch.uint8).float() / 255
    assert torch.equal((every * 255).to(torch.uint8), torch.arange(256, dtype=torch.uint8))


def test_map_over_a_wide_picture_is_zero_beside_the_square():
    processor = M2F2Processor(56)
    values = np.ones((4, 4), np.float32)
    assert processor.map_over_image(values, 80, 80) is values
    over = processor.map_over_image(values, 50, 100)
    assert over.shape == (4, 8)
    np.testing.assert_array_equal(over[0], [0, 0, 1, 1, 1, 1, 0, 0])


def test_records_and_refusals():
    processor = M2F2Processor(28)
    assert M2F2Processor.from_record({**processor.to_record(), "mode": "official"}) == processor
    assert M2F2Processor.from_record({}).image_size == 336
    with pytest.raises(ConfigError, match="at least 1 pixel"):
        M2F2Processor(0)
    with pytest.raises(ConfigError, match="uint8"):
        resize_bicubic(torch.zeros(1, 3, 4, 4), 2, 2)
    with pytest.raises(ConfigError, match="not inside"):
        resize_and_cut(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 2, 2, (0, 0, 3, 2))
