"""Test sets: one face size, nothing that tells labels apart but the faces, pairs that share nobody, a kept result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from facewitness.errors import ConfigError, FaceError, UnknownNameError
from facewitness.evaluation.face_sets import FACE_SETS, load_face_set
from facewitness.evaluation.reencoding import CODINGS, codings
from facewitness.evaluation.swap_pairs import pair_by_pose
from facewitness.training.face_cache import read_manifest
from unit.evaluation.face_set_fakes import SQUARES, portraits_root, squares_root
from unit.pipeline.pipeline_fakes import SquareFinder

SHARED_FACES = Path(__file__).resolve().parents[4] / "shared" / "data" / "faces"


class BlindFinder:
    def find(self, image):
        raise AssertionError


@pytest.fixture
def squares(tmp_path):
    return squares_root(tmp_path / "data")


def load(root, work, name=SQUARES, **settings):
    settings = {"face_finder": SquareFinder(), **settings}
    return load_face_set(name, root, read_manifest(root), work=work, **settings)


def test_both_labels_get_one_face_size(squares, tmp_path):
    made = load(squares, tmp_path / "work", face_px=60)
    assert made.labels.tolist() == [0] * 8 + [1] * 8
    assert made.scenes.shape == (16, 84, 84, 3)  # 1.4 times the face
    longer = (made.boxes[:, 2:] - made.boxes[:, :2]).max(axis=1)
    np.testing.assert_allclose(longer, 60, atol=0.6)
    assert made.left_out == {"real: no face": 1, "fake: cannot be read": 1, "fake: cannot fill the square": 1}
    assert len(set(made.ids)) == 16
    for scene, box, label in zip(made.scenes, made.boxes.round().astype(int), made.labels, strict=True):
        inside = scene[box[1] + 3 : box[3] - 3, box[0] + 3 : box[2] - 3]
        assert inside.mean() > 200 if label else inside.mean() < 50


def test_a_finished_set_is_kept_until_something_changes(squares, tmp_path):
    work = tmp_path / "work"
    first = load(squares, work)
    again = load(squares, work, face_finder=BlindFinder())
    assert [p.suffix for p in work.iterdir()] == [".npz"]
    for name in ("scenes", "boxes", "labels"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.ids, first.files, first.left_out) == (again.ids, again.files, again.left_out)
    for changed in ({"face_px": 64}, {"seed": 1}):
        with pytest.raises(AssertionError):
            load(squares, work, face_finder=BlindFinder(), **changed)
    (squares / first.files[0]).write_bytes(b"shorter")
    with pytest.raises(AssertionError):
        load(squares, work, face_finder=BlindFinder())


def test_a_damaged_set_is_made_again(squares, tmp_path):
    work = tmp_path / "work"
    load(squares, work)
    kept = next(work.iterdir())
    kept.write_bytes(kept.read_bytes()[:2000])
    assert len(load(squares, work)) == 16


def test_what_cannot_be_made_is_said(squares, tmp_path):
    with pytest.raises(UnknownNameError, match="lfw_swaps"):
        load(squares, tmp_path, name="lfw")
    with pytest.raises(ConfigError, match="no group 'test_real_lfw'"):
        load(squares, tmp_path, name="lfw_swaps")
    with pytest.raises(ConfigError, match="face_px"):
        load(squares, tmp_path, face_px=5)

    class Nobody:
        def find(self, image):
            return []

    with pytest.raises(FaceError, match="0 real and 0 fake"):
        load(squares, tmp_path, face_finder=Nobody())


@pytest.fixture(scope="module")
def swaps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portraits")
    root = portraits_root(folder / "data", data.astronaut()[:300, 80:380])
    rows = read_manifest(root)
    made = [load_face_set("lfw_swaps", root, rows, work=folder / str(i), seed=seed) for i, seed in enumerate((3, 3, 4))]
    return root, made


def test_swaps_change_the_face_and_nothing_else(swaps):
    _, (made, *_) = swaps
    assert sorted(made.labels.tolist()) == [0] * 4 + [1] * 4
    side = made.scenes.shape[1]
    for file in set(made.files):
        real, fake = (
            next(i for i in range(8) if made.files[i] == file and made.labels[i] == label) for label in (0, 1)
        )
        np.testing.assert_array_equal(made.boxes[real], made.boxes[fake])
        change = np.abs(made.scenes[real].astype(int) - made.scenes[fake]).max(axis=2)
        x0, y0, x1, y1 = made.boxes[real].round().astype(int)
        outside = np.ones((side, side), bool)
        outside[max(0, y0 - 3) : y1 + 4, max(0, x0 - 3) : x1 + 4] = False
        assert change[outside].max() == 0
        assert (change[y0:y1, x0:x1] > 2).mean() > 0.3


def test_the_four_pictures_of_a_pair_share_an_id(swaps):
    _, (made, *_) = swaps
    groups = {}
    for name, file, label in zip(made.ids, made.files, made.labels.tolist(), strict=True):
        groups.setdefault(name, []).append((Path(file).stem, label))
    assert len(groups) == 2
    for name, items in groups.items():
        people = sorted(name.split(" + "))
        assert sorted(items) == sorted((person, label) for person in people for label in (0, 1))


def test_swaps_depend_on_the_seed_alone(swaps):
    _, (one, same, other) = swaps
    np.testing.assert_array_equal(one.scenes, same.scenes)
    assert one.ids != other.ids or (one.scenes != other.scenes).any()


def test_pairs_are_of_different_people_of_like_pose():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(5, 20, 2)).astype(np.float32)  # five poses, eight faces each, sizes and places at random
    pose = np.arange(40) % 5
    shapes = base[pose] + 0.01 * rng.normal(size=(40, 20, 2)).astype(np.float32)
    shapes = (shapes * rng.uniform(10, 90, (40, 1, 1)) + rng.uniform(0, 300, (40, 1, 2))).astype(np.float32)
    people = [f"p{i // 2}" for i in range(40)]  # two faces each
    pairs = pair_by_pose(shapes, people, rng=np.random.default_rng(1))
    used = [people[i] for pair in pairs for i in pair]
    assert len(used) == len(set(used)) == 20
    assert sum(pose[i] == pose[j] for i, j in pairs) >= len(pairs) - 2
    assert all(pose[i] == pose[j] for i, j in pair_by_pose(shapes, people, rng=rng, max_distance=0.1))
    assert pairs == pair_by_pose(shapes, people, rng=np.random.default_rng(1))
    assert pair_by_pose(shapes[:2], people[:2], rng=rng) == []
    with pytest.raises(ConfigError, match="one identity"):
        pair_by_pose(shapes, people[:3], rng=rng)


def test_codings_grow_stronger_and_keep_the_size():
    picture = data.astronaut()[:179, 100:279]
    for family in ("jpeg", "h264"):
        errors = [
            np.square(coding(picture).astype(float) - picture).mean()
            for name, coding in CODINGS.items()
            if name.startswith(family)
        ]
        assert len(errors) == 3
        assert 0 < errors[0] < errors[1] < errors[2]
    assert all(coding(picture).shape == picture.shape for coding in CODINGS.values())
    assert list(codings([])) == list(CODINGS)
    with pytest.raises(UnknownNameError, match="jpeg-q90"):
        codings(["jpeg-q91"])


@pytest.mark.skipif(not SHARED_FACES.is_dir(), reason="the shared face pictures are not beside this clone")
def test_real_pictures(tmp_path):
    rows = read_manifest(SHARED_FACES)
    people = {row.identity.rsplit("_", 1)[0] for row in rows if row.group == "test_real_lfw"}
    assert not people & {row.identity.rsplit("_", 1)[0] for row in rows if row.group == "train_real_lfw"}
    for name, spec in FACE_SETS.items():
        few = [r for g in (spec.real_group, spec.fake_group) for r in [r for r in rows if r.group == g][:10]]
        made = load_face_set(name, SHARED_FACES, few, work=tmp_path)
        assert np.bincount(made.labels).min() >= 4
        longer = (made.boxes[:, 2:] - made.boxes[:, :2]).max(axis=1)
        np.testing.assert_allclose(longer, 128, atol=1)
