"""JPEG quality from the tables: Pillow's own setting is the oracle; damaged files give none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from facewitness.errors import MediaError
from facewitness.media.jpeg_tables import jpeg_quality, nearest_quality


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 51, 75, 90, 95, 100])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "exif": b"Exif\0\0" + bytes(50)}])
def test_quality_is_the_one_it_was_saved_with(tmp_path, picture, quality, options):
    picture.save(tmp_path / "a.jpg", quality=quality, **options)
    assert jpeg_quality(tmp_path / "a.jpg") == quality


def test_tables_of_other_programs_give_the_nearest():
    flat = [nearest_quality(np.full(64, step)) for step in (1, 4, 12, 40, 255)]
    assert flat == sorted(flat, reverse=True)
    assert flat[0] == 100.0
    assert 1.0 <= flat[-1] < 20.0


def test_what_is_no_jpeg_has_no_quality(tmp_path, picture):
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.jpg")
    whole = (tmp_path / "b.jpg").read_bytes()
    assert jpeg_quality(tmp_path / "a.png") is None
    for length in (1, 2, 3, 5, 21, 23, 60, 80):
        (tmp_path / "cut.jpg").write_bytes(whole[:length])
        assert jpeg_quality(tmp_path / "cut.jpg") is None
    with pytest.raises(MediaError, match="no such file"):
        jpeg_quality(tmp_path / "none.jpg")
