"""Local changes, simple swaps, decoded faces, and the draw among the processes."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from facewitness.errors import FaceError
from facewitness.pseudofakes.forgeries import ForgeryMix, draw_forgery
from facewitness.pseudofakes.geometry import flip_landmarks
from facewitness.pseudofakes.swaps import landmark_distance, lay_on, match_colour, normalised_shape
from facewitness.pseudofakes.warps import PARTS, colour_shift, jaw_field, part_mask, resynthesise, smooth_field, warp

ONLY = {
    "self_blend": ForgeryMix(1, 0, 0),
    "local": ForgeryMix(0, 1, 0),
    "swap": ForgeryMix(0, 0, 1),
    "box": ForgeryMix(0, 0, 0, box=1),
}
DECODED = ForgeryMix(0, 0, 0, decoded=1)


def painted(face):
    """The face as a poor decoder would give it: inverted, so that each of its pixels is told from the original."""
    return 255 - face.image


@pytest.mark.parametrize("kind", sorted(ONLY))
def test_fake_differs_inside_the_mask_alone(face, donor, kind):
    rng = np.random.default_rng(0)
    before = face.image.copy()
    for _ in range(10):
        made = draw_forgery(face.image, face.landmarks, rng, ONLY[kind], lambda: (donor.image, donor.landmarks))
        assert made.kind == kind
        assert made.fake.dtype == made.real.dtype == np.uint8
        assert made.fake.shape == made.real.shape == face.image.shape
        assert made.mask.dtype == made.boundary.dtype == np.float32
        assert np.isfinite(made.mask).all()
        assert 0.9 < made.mask.max() <= 1
        np.testing.assert_array_equal(made.fake[made.mask == 0], made.real[made.mask == 0])
        assert (made.fake != made.real).any()
        np.testing.assert_allclose(made.boundary, 4 * made.mask * (1 - made.mask), atol=1e-6)
        if kind != "self_blend":  # whose real may have had its colours changed
            np.testing.assert_array_equal(made.real, before)
    np.testing.assert_array_equal(face.image, before)


def test_a_box_is_an_upright_rectangle_that_lost_detail(face):
    rng = np.random.default_rng(4)
    for _ in range(10):
        made = draw_forgery(face.image, face.landmarks, rng, ONLY["box"])
        inside = made.mask > 0.5
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert inside[box].mean() > 0.95
        real, fake = (cv2.Laplacian(np.float32(p), cv2.CV_32F)[box].std() for p in (made.real, made.fake))
        assert fake < real


def test_shares_of_the_mix(face, donor):
    rng = np.random.default_rng(0)
    mix = ForgeryMix(0.5, 0.2, 0.3)
    small = face.image[::2, ::2].copy(), face.landmarks / 2
    kinds = Counter(draw_forgery(*small, rng, mix, lambda: (donor.image, donor.landmarks)).kind for _ in range(300))
    for kind, share in (("self_blend", 0.5), ("local", 0.2), ("swap", 0.3)):
        assert kinds[kind] / 300 == pytest.approx(share, abs=0.1)
    alone = Counter(draw_forgery(*small, rng, mix).kind for _ in range(100))
    assert alone["swap"] == 0
    assert alone["self_blend"] / 100 == pytest.approx(0.5 / 0.7, abs=0.16)


def test_decoded_parts_come_from_the_painter(face):
    """Inside a full mask stands what was painted, up to its colour; outside, the original."""
    rng = np.random.default_rng(0)
    before, areas, likeness = face.image.copy(), [], []
    for _ in range(30):
        made = draw_forgery(face.image, face.landmarks, rng, DECODED, painter=lambda: painted(face))
        assert made.kind == "decoded"
        assert made.fake.dtype == np.uint8
        np.testing.assert_array_equal(made.real, before)
        np.testing.assert_array_equal(made.fake[made.mask == 0], made.real[made.mask == 0])
        np.testing.assert_allclose(made.boundary, 4 * made.mask * (1 - made.mask), atol=1e-6)
        assert 0.9 < made.mask.max() <= 1
        full = made.mask > 0.97
        if full.sum() > 100:
            likeness.append(np.corrcoef(made.fake[full].mean(axis=1), before[full].mean(axis=1))[0, 1])
        areas.append(float(made.mask.mean()))
    np.testing.assert_array_equal(face.image, before)
    assert len(likeness) > 15
    assert max(likeness) < 0  # a copy of the original would have 1
    assert min(areas) < 0.06  # a part of the face, as in a reenactment
    assert max(areas) > 0.12  # the whole of it, as in a swap


def test_painter_that_paints_the_face_itself_changes_colours_at_most(face):
    rng = np.random.default_rng(1)
    for _ in range(10):
        made = draw_forgery(face.image, face.landmarks, rng, DECODED, painter=face.image.copy)
        assert np.abs(made.fake.astype(int) - made.real).max() <= 40


def test_without_a_painter_nothing_is_decoded(face):
    rng = np.random.default_rng(0)
    mix = ForgeryMix(0.5, 0.1, 0, decoded=0.4)
    small = face.image[::2, ::2].copy(), face.landmarks / 2
    kinds = Counter(draw_forgery(*small, rng, mix).kind for _ in range(40))
    assert kinds["decoded"] == 0
    kinds = Counter(draw_forgery(*small, rng, mix, painter=lambda: 255 - small[0]).kind for _ in range(120))
    assert kinds["decoded"] / 120 == pytest.approx(0.4, abs=0.13)
    with pytest.raises(FaceError):
        draw_forgery(face.image, face.landmarks + 2000, rng, DECODED, painter=lambda: painted(face))


def test_same_seed_same_forgery(face, donor):
    mix = ForgeryMix()
    for seed in range(6):
        one, two = (
            draw_forgery(
                face.image, face.landmarks, np.random.default_rng(seed), mix, lambda: (donor.image, donor.landmarks)
            )
            for _ in range(2)
        )
        np.testing.assert_array_equal(one.fake, two.fake)


@pytest.mark.parametrize("kind", sorted(ONLY))
def test_face_outside_the_picture(face, donor, kind):
    with pytest.raises(FaceError):
        draw_forgery(
            face.image,
            face.landmarks + 2000,
            np.random.default_rng(0),
            ONLY[kind],
            lambda: (donor.image, donor.landmarks),
        )


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_where_they_should_be(face, part):
    mask = part_mask(face.landmarks, part, (200, 200), 2)
    inside = {"mouth": 62, "lower_face": 57, "eyes": 37, "nose": 30, "inner_face": 30}[part]
    outside = {"mouth": 30, "lower_face": 37, "eyes": 57, "nose": 57, "inner_face": 8}[part]
    read = {i: mask[round(face.landmarks[i, 1]), round(face.landmarks[i, 0])] for i in (inside, outside)}
    assert read == {inside: 1, outside: 0}
    assert part_mask(face.landmarks, part, (200, 200), 6).sum() > mask.sum()


def test_field_of_nothing_changes_nothing(face):
    np.testing.assert_array_equal(warp(face.image, np.zeros((200, 200, 2), np.float32)), face.image)
    field = np.zeros((200, 200, 2), np.float32)
    field[..., 0] = 5
    np.testing.assert_array_equal(warp(face.image, field)[:, :-5], face.image[:, 5:])


def test_smooth_field_has_its_amplitude():
    rng = np.random.default_rng(0)
    fields = np.stack([smooth_field(rng, (64, 80), amplitude_px=3.0, cells=8) for _ in range(60)])
    assert fields.shape == (60, 64, 80, 2)
    centres = fields[:, 4::8, 5::10]  # next to the nodes
    assert centres.std() == pytest.approx(3, rel=0.12)
    assert np.abs(np.diff(fields, axis=2)).max() < 3


def test_jaw_moves_below_the_mouth_and_nowhere_else(face):
    field = jaw_field(np.random.default_rng(0), face.landmarks, (200, 200), amplitude_px=4.0)
    strength = np.linalg.norm(field, axis=2)
    y, x = np.unravel_index(strength.argmax(), strength.shape)
    mouth = face.landmarks[48:68]
    assert abs(x - mouth[:, 0].mean()) <= 1
    assert mouth[:, 1].mean() < y < mouth[:, 1].max() + np.ptp(mouth[:, 0])
    assert strength[: int(face.landmarks[19, 1])].max() < 0.1 * strength.max()


def test_resynthesis_loses_something_and_less_when_weaker(face):
    errors = {}
    for strength in (0.3, 1.0):
        rng = np.random.default_rng(0)
        outs = [resynthesise(rng, face.image, strength=strength) for _ in range(40)]
        assert all(o.shape == face.image.shape and o.dtype == np.uint8 for o in outs)
        errors[strength] = np.mean([np.abs(o.astype(int) - face.image).mean() for o in outs])
    assert 0.5 < errors[0.3] < errors[1.0] < 25
    resynthesise(np.random.default_rng(0), face.image, strength=0.0)


def test_colour_shift_is_unbiased(face):
    rng = np.random.default_rng(0)
    grey = np.full((8, 8, 3), 128, np.uint8)
    shifts = [colour_shift(rng, grey, limit=6).astype(float).mean() - 128 for _ in range(1500)]
    assert np.mean(shifts) == pytest.approx(0, abs=0.3)
    assert np.max(np.abs(shifts)) <= 12.5


def test_shapes_are_compared_without_place_and_size(face, donor):
    one = face.landmarks[:68].astype(np.float32)
    others = np.stack([one * 3 + 17, flip_landmarks(one, 200).astype(np.float32), one[::-1]])
    distances = landmark_distance(one, others)
    assert distances[0] == pytest.approx(0, abs=1e-5)
    assert 0 < distances[1] < distances[2]
    shape = normalised_shape(others)
    np.testing.assert_allclose(shape.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.square(shape).sum(axis=2).mean(axis=1), 1, rtol=1e-4)


def test_face_laid_on_lands_on_the_landmarks(face):
    """A donor that is the same face, turned and scaled: laid on, it is the face again."""
    matrix = cv2.getRotationMatrix2D((100, 100), 12, 1.2)
    matrix[:, 2] += (30, 25)
    turned = cv2.warpAffine(face.image, matrix, (260, 260), flags=cv2.INTER_CUBIC)
    points = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    out = lay_on(turned, points.astype(np.float32), face.landmarks, 200)
    inner = np.s_[60:150, 60:140]
    assert np.abs(out[inner].astype(int) - face.image[inner]).mean() < 3


def test_colours_match_inside_the_mask(face, donor):
    source = lay_on(donor.image, donor.landmarks, face.landmarks, 200)
    mask = np.zeros((200, 200), np.float32)
    mask[60:150, 60:140] = 1
    inside = mask > 0.5
    goal = face.image[inside].astype(float)
    for with_spread in (False, True):
        out = match_colour(source, face.image, mask, with_spread=with_spread)[inside].astype(float)
        np.testing.assert_allclose(out.mean(axis=0), goal.mean(axis=0), atol=4)
    np.testing.assert_allclose(out.std(axis=0), goal.std(axis=0), rtol=0.1)
    assert match_colour(source, face.image, mask * 0, with_spread=True) is source
