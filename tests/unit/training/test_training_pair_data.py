"""Batches of pairs: what they hold, what they depend on, who is in them."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facewitness.errors import ConfigError, FaceError
from facewitness.faces.topology import LANDMARKS_81
from facewitness.pseudofakes.degradations import Degradation, DegradationConfig
from facewitness.pseudofakes.forgeries import Forgery
from facewitness.pseudofakes.swaps import landmark_distance
from facewitness.training import pair_data
from facewitness.training.pair_data import (
    FaceStore,
    PairBatches,
    View,
    draw_view,
    sharp_losses,
    square_inside,
)
from unit.training.training_data import HELD_OUT, MADE, SHARP, SOFT, TINY

REAL = ("real_soft", "real_sharp")


@pytest.fixture(scope="module")
def folder(caches):
    return caches / "faces"


def tensors(batch):
    image, targets = batch
    return [image, *dataclasses.astuple(targets)]


def changed(**fields):
    return dataclasses.replace(TINY, **fields)


def with_data(**fields):
    return changed(data=dataclasses.replace(TINY.data, **fields))


def test_layout_of_a_batch(folder):
    image, targets = PairBatches([folder], TINY).batch(0)
    assert image.shape == (5, 3, 64, 64)
    assert image.dtype == torch.float32
    assert -1 <= float(image.min()) < -0.3 < 0.3 < float(image.max()) <= 1
    assert targets.scores.tolist() == [[0, 0], [1, 0], [0, 0], [1, 0], [0, 1]]
    assert targets.map_weights.tolist() == [1, 1, 1, 1, 0]
    assert targets.score_weights[:, 0].tolist() == [1, 1, 1, 1, 0]
    assert targets.boundary.shape == targets.mask.shape == (5, 1, 8, 8)
    for maps in (targets.boundary, targets.mask):
        assert 0 <= float(maps.min()) <= float(maps.max()) <= 1 + 1e-6
        for i in (0, 2, 4):
            assert not maps[i].any()
        for i in (1, 3):
            assert maps[i].any()


@pytest.mark.parametrize(("soft", "expected"), [((), [1.0, 0.3]), (REAL, [0.1, 0.1])])
def test_soft_reals_hardly_teach_the_synthetic_expert(folder, soft, expected):
    weights = PairBatches([folder], with_data(soft=soft)).batch(0)[1].score_weights[:, 1]
    np.testing.assert_allclose(weights.numpy(), [*expected, *expected, 1])


def test_batch_depends_on_seed_and_step_only(folder):
    one, two = PairBatches([folder], TINY), PairBatches([folder], TINY, first_step=3)
    for step in (4, 3):  # in another order
        one.batch(step)
    for a, b in zip(tensors(one.batch(3)), tensors(two.batch(3)), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.batch(3)[0], one.batch(4)[0])
    assert not torch.equal(one.batch(3)[0], PairBatches([folder], changed(seed=1)).batch(3)[0])


def test_size_is_drawn_for_the_whole_batch(folder):
    batches = PairBatches([folder], changed(sizes=(48, 64), pairs=1, synthetic=1))
    sizes = {tuple(batches.batch(step)[0].shape) for step in range(8)}
    assert sizes == {(3, 3, 48, 48), (3, 3, 64, 64)}


def test_workers_share_the_steps(folder, monkeypatch):
    """Two processes, taken in turn as a loader takes them, give what one gives."""
    monkeypatch.setattr(PairBatches, "batch", lambda _self, step: step)
    recipe = changed(steps=9)
    alone = list(PairBatches([folder], recipe, first_step=2))
    assert alone == list(range(2, 9))
    shares = []
    for worker in range(2):
        info = type("Info", (), {"id": worker, "num_workers": 2})
        monkeypatch.setattr(pair_data, "get_worker_info", lambda info=info: info)
        shares.append(list(PairBatches([folder], recipe, first_step=2)))
    assert shares == [alone[0::2], alone[1::2]]


def test_both_members_of_a_pair_go_through_the_same(folder, monkeypatch):
    """Were the forgery the face itself, the network's inputs would be equal, whatever losses are drawn."""

    def unchanged(store, ref, *_arguments, **_named):
        image, zero = store.image(ref), np.zeros((304, 304), np.float32)
        return Forgery(image, image, zero, zero, "swap")

    monkeypatch.setattr(pair_data, "forge", unchanged)
    batches = PairBatches([folder], TINY)
    seen = []
    for step in range(6):
        image, _ = batches.batch(step)
        assert torch.equal(image[0], image[1])
        assert torch.equal(image[2], image[3])
        seen += [image[0], image[2]]
    assert not any(torch.equal(a, b) for i, a in enumerate(seen) for b in seen[:i])


def test_a_pair_differs_where_its_mask_says(folder):
    """With next to no losses, pixels of the pair differ under the mask and nearly nowhere else."""
    none = DegradationConfig(scale_p=0, h264_p=0, jpeg_p=0, blur_p=0, noise_p=0, colour_p=0, grey_p=0)
    mix = dataclasses.replace(TINY.mix, self_blend=0.0, decoded=0.0)
    recipe = changed(degradation=none, mix=mix, synthetic=0, pairs=4, sizes=(128,), data=with_data(soft=REAL).data)
    image, targets = PairBatches([folder], recipe).batch(1)
    difference = (image[1::2] - image[0::2]).abs().amax(1, keepdim=True)
    cells = torch.nn.functional.max_pool2d(difference, 8)
    mask = torch.nn.functional.max_pool2d(targets.mask[1::2], 3, 1, 1)
    assert float(cells[mask == 0].max()) < 0.02
    assert float(cells[targets.mask[1::2] > 0.9].mean()) > 0.05


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("grid_shift", [(0, 0), (11, 5)])
def test_maps_lie_on_the_picture(flip, grid_shift):
    values = np.zeros((304, 304), np.float32)
    values[90:140, 70:150] = 1
    image = np.repeat((values * 255).astype(np.uint8)[..., None], 3, 2)
    view = View(40, 60, 190, flip, grid_shift, Degradation(scale=0.7))
    picture = view.picture(image, 128)[..., 0].astype(np.float32) / 255
    heat = view.heat(values, 16)
    np.testing.assert_allclose(picture.reshape(16, 8, 16, 8).mean(axis=(1, 3)), heat, atol=0.12)
    x = np.average(np.arange(16), weights=heat.sum(axis=0))
    assert (x > 8) == flip
    assert image.max() == 255


def test_view_cuts_nothing_of_the_original(store):
    ref = store.refs("real_soft", validation=False)[0]
    view = draw_view(np.random.default_rng(0), store.valid(ref), TINY, TINY.degradation)
    image = store.image(ref)
    before = image.copy()
    view.picture(image, 64)
    np.testing.assert_array_equal(image, before)
    assert view == draw_view(np.random.default_rng(0), store.valid(ref), TINY, TINY.degradation)


def test_squares_stay_inside_and_are_as_large_as_they_can():
    rng = np.random.default_rng(0)
    for _ in range(300):
        x0, y0 = rng.integers(0, 120, 2)
        x1, y1 = rng.integers(170, 304, 2)
        margin = float(rng.uniform(0.9, 1.7))
        left, top, side = square_inside(np.array([x0, y0, x1, y1], np.float32), margin, tuple(rng.normal(0, 0.1, 2)))
        assert x0 <= left
        assert left + side <= x1 + 1
        assert y0 <= top
        assert top + side <= y1 + 1
        assert side == min(round(margin * 304 / 1.75), x1 - x0 + 1, y1 - y0 + 1)


def test_square_is_centred_where_there_is_room():
    left, top, side = square_inside(np.array([0, 0, 303, 303], np.float32), 1.0)
    assert left == top == round((304 - side) / 2)


def test_training_sees_nobody_held_out(store):
    named = {"real_soft": SOFT, "real_sharp": SHARP, "fake_made": MADE}
    for group, people in named.items():
        sides = [{store.identity(ref) for ref in store.refs(group, validation=v)} for v in (False, True)]
        assert sides == [set(people) - HELD_OUT, set(people) & HELD_OUT]


def test_donors_are_other_people_of_the_same_side(store):
    rng = np.random.default_rng(0)
    for validation in (False, True):
        for ref in store.refs("real_soft", validation=validation):
            names = {store.identity(store.donor(ref, REAL, rng, validation=validation)) for _ in range(5)}
            assert store.identity(ref) not in names
            assert {n in HELD_OUT for n in names} == {validation}
    ref = store.refs("real_soft", validation=False)[0]
    assert store.identity(store.donor(ref, ("real_sharp",), rng)) in SHARP


def test_donor_is_the_likest(store):
    ref = store.refs("real_soft", validation=False)[0]
    others = [r for g in REAL for r in store.refs(g, validation=False) if r != ref]
    shapes = np.stack([store.caches[0].meshes[r.row][LANDMARKS_81][:68] for r in others])
    nearest = others[int(landmark_distance(store.landmarks(ref)[:68], shapes).argmin())]
    assert store.donor(ref, REAL, np.random.default_rng(0)) == nearest  # of 8 people, 400 draws miss none


def test_one_person_has_no_donor(folder):
    store = FaceStore([folder], with_data(validation_share=0.149))
    (ref,) = store.refs("real_sharp", validation=True)[:1]
    for groups in (("real_sharp",), ("fake_made",)):
        lonely = [r for r in store.refs("real_sharp", validation=True) if store.identity(r) == store.identity(ref)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "refs", lambda g, validation, lonely=lonely: lonely if g == "real_sharp" else [])
            with pytest.raises(ConfigError, match="no other identity"):
                store.donor(ref, groups, np.random.default_rng(0), validation=True)


def test_groups_that_are_not_there(folder):
    recipe = with_data(real=("real_soft", "gone"), real_shares=(0.1, 0.9), fake=("gone too",))
    image, targets = PairBatches([folder], recipe).batch(0)
    assert len(image) == 4
    assert targets.scores[:, 1].tolist() == [0] * 4
    with pytest.raises(ConfigError, match="no face to train on"):
        PairBatches([folder], with_data(real=("gone",), real_shares=(1.0,))).batch(0)


def test_faces_that_cannot_be_forged_are_passed_over(folder, monkeypatch):
    real, calls = pair_data.forge, []

    def at_times(*arguments, **named):
        calls.append(1)
        if len(calls) % 3:
            raise FaceError
        return real(*arguments, **named)

    monkeypatch.setattr(pair_data, "forge", at_times)
    assert len(PairBatches([folder], TINY).batch(0)[0]) == 5
    assert len(calls) == 6

    def never(*_arguments, **_named):
        raise FaceError

    monkeypatch.setattr(pair_data, "forge", never)
    with pytest.raises(FaceError, match=r"real_\w+ in a row"):
        PairBatches([folder], TINY).batch(0)


def test_sharp_pictures_are_scaled_down():
    rng = np.random.default_rng(0)
    config = sharp_losses(TINY.degradation)
    assert dataclasses.replace(config, scale_p=0.6, scale_range=(0.4, 1.0)) == TINY.degradation
    scales = [pair_data.draw_degradation(rng, 250, config).scale for _ in range(300)]
    assert np.mean([s < 1 for s in scales]) == pytest.approx(0.92, abs=0.05)


def test_several_caches_are_one(folder, store):
    both = FaceStore([folder, folder], TINY)
    refs = both.refs("real_soft", validation=False)
    assert [r.cache for r in refs] == [0] * 4 + [1] * 4
    np.testing.assert_array_equal(both.image(refs[4]), store.image(refs[0]))
    assert cv2.mean(both.image(refs[1])) != cv2.mean(both.image(refs[0]))
