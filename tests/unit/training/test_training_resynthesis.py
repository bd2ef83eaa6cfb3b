"""Faces painted by a small decoder."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facewitness.errors import ConfigError
from facewitness.training import pair_data, resynthesis
from facewitness.training.face_cache import open_cache
from facewitness.training.resynthesis import (
    DECODED_SQUARE_PX,
    VARIANTS,
    Autoencoder,
    build_decoded,
    decoded_square,
    open_decoded,
    put_decoded,
)
from unit.training.training_data import TINY


@pytest.fixture(scope="module")
def painted(caches, tmp_path_factory):
    """A copy of the tiny cache with faces painted after a few steps."""
    folder = tmp_path_factory.mktemp("painted") / "faces"
    shutil.copytree(caches / "faces", folder)
    build_decoded(open_cache(folder), folder, steps=30, batch=3)
    return folder


def test_square_goes_back_where_it_came_from(caches):
    face = np.array(open_cache(caches / "faces").faces[0])
    back = put_decoded(face, decoded_square(face))
    start = (face.shape[0] - DECODED_SQUARE_PX) // 2
    inside = np.zeros(face.shape[:2], bool)
    inside[start : start + DECODED_SQUARE_PX, start : start + DECODED_SQUARE_PX] = True
    np.testing.assert_array_equal(back[~inside], face[~inside])
    assert np.abs(back[inside].astype(int) - face[inside]).mean() < 3
    shifted = put_decoded(face, np.roll(decoded_square(face), 4, axis=1))
    assert np.abs(shifted[inside].astype(int) - face[inside]).mean() > 6


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
def test_autoencoder_keeps_the_shape_and_learns_everywhere(upsampling):
    torch.manual_seed(0)
    model = Autoencoder(upsampling)
    output = model(torch.rand(2, 3, 128, 128))
    assert output.shape == (2, 3, 128, 128)
    assert 0 <= float(output.detach().min()) <= float(output.detach().max()) <= 1
    output.sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_every_real_face_is_painted_and_no_other(painted):
    cache = open_cache(painted)
    pictures, place = open_decoded(painted, len(cache))
    assert pictures.shape == (12, len(VARIANTS), 128, 128, 3)
    assert not pictures.flags.writeable
    assert [place[i] >= 0 for i in range(len(cache))] == [row.label == 0 for row in cache.rows]
    assert sorted(place[place >= 0]) == list(range(12))
    assert sorted(p.name for p in painted.iterdir() if "decoded" in p.name) == [
        "decoded.npy",
        "decoded.txt",
        "decoded_rows.npy",
    ]


def test_longer_training_paints_better(painted, tmp_path):
    """Against the faces themselves, after 30 steps and after 1."""
    cache = open_cache(painted)
    rows = [i for i, row in enumerate(cache.rows) if row.label == 0]
    squares = np.stack([decoded_square(cache.faces[i]) for i in rows]).astype(int)
    shutil.copy(painted / "fingerprint.txt", tmp_path)
    build_decoded(cache, tmp_path, steps=1, batch=1)
    upright = [k for k, variant in enumerate(VARIANTS) if not variant.moved and variant.after == 1]
    errors = [
        np.abs(open_decoded(folder, len(cache))[0][:, upright].astype(int) - squares[:, None]).mean()
        for folder in (painted, tmp_path)
    ]
    assert errors[0] < 0.8 * errors[1]


def test_same_seed_same_pictures_and_done_is_done(painted, tmp_path):
    cache = open_cache(painted)
    made = []
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        (tmp_path / name).mkdir()
        shutil.copy(painted / "fingerprint.txt", tmp_path / name)
        build_decoded(cache, tmp_path / name, steps=2, batch=2, seed=seed)
        made.append(np.array(open_decoded(tmp_path / name, len(cache))[0]))
    np.testing.assert_array_equal(made[0], made[1])
    assert (made[0] != made[2]).any()
    build_decoded(cache, tmp_path / "one", steps=2, batch=2, seed=1)
    np.testing.assert_array_equal(open_decoded(tmp_path / "one", len(cache))[0], made[0])


def test_pictures_of_an_older_cache_are_refused(painted, tmp_path):
    folder = tmp_path / "faces"
    shutil.copytree(painted, folder)
    (folder / "fingerprint.txt").write_text("another\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="present cache"):
        open_decoded(folder, 18)
    with pytest.raises(ConfigError, match="present cache"):
        pair_data.FaceStore([folder], TINY)
    (folder / "decoded.txt").unlink()
    with pytest.raises(ConfigError):
        open_decoded(folder, 18)


def test_painting_killed_half_way_leaves_nothing_that_counts(painted, tmp_path, monkeypatch):
    shutil.copy(painted / "fingerprint.txt", tmp_path)

    def dying(*_arguments, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(resynthesis, "_paint", dying)
    with pytest.raises(KeyboardInterrupt):
        build_decoded(open_cache(painted), tmp_path, steps=2, batch=1)
    with pytest.raises(ConfigError):
        open_decoded(tmp_path, 18)


def test_painter_paints_reals_only(painted, store):
    own = pair_data.FaceStore([painted], TINY)
    rng = np.random.default_rng(0)
    real, fake = own.refs("real_soft", validation=False)[0], own.refs("fake_made", validation=False)[0]
    assert own.painter(fake, rng) is None
    assert store.painter(real, rng) is None
    picture, face = own.painter(real, rng)(), own.image(real)
    differs = np.abs(picture.astype(int) - face).max(axis=2) > 0
    rows, columns = np.nonzero(differs)
    start = (face.shape[0] - DECODED_SQUARE_PX) // 2
    for where in (rows, columns):
        assert where.min() >= start
        assert where.max() < start + DECODED_SQUARE_PX
    assert differs.mean() > 0.2


def test_moved_inputs_move_about_the_mouth(caches):
    """Before a moved variant is painted, the mouth goes elsewhere; the brow hardly does."""
    cache = open_cache(caches / "faces")
    square = decoded_square(cache.faces[0]).astype(int)
    change = np.mean(
        [np.abs(resynthesis._moved(cache, 0, np.random.default_rng(seed)) - square) for seed in range(8)], axis=(0, 3)
    )
    assert change[70:120, 34:94].mean() > 2 * change[10:40, 34:94].mean() > 0
