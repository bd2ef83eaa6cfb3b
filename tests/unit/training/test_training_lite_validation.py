"""Held-out faces, forged and coded, and the numbers by which weights are chosen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
metrics = pytest.importorskip("sklearn.metrics")

from facewitness.errors import ConfigError
from facewitness.training.lite_validation import (
    REAL_OF,
    STRENGTHS,
    ValidationRow,
    ValidationSet,
    build_validation,
    validation_metrics,
)
from facewitness.training.pair_data import FaceStore
from unit.training.training_data import HELD_OUT, SHARP, TINY


@pytest.fixture(scope="module")
def made(store):
    return build_validation(store, size=64, margin_ratio=1.25)


def drawn(counts, seed=0):
    """A set without pictures: rows of each kind, half of them soft unless synthetic."""
    rows = [
        ValidationRow(kind, strength, "group", f"{kind}{i}", kind == "synthetic" or i % 2 == 0)
        for kind, count in counts.items()
        for i in range(count)
        for strength in STRENGTHS
    ]
    scores = np.random.default_rng(seed).standard_normal((len(rows), 2)).astype(np.float32)
    return ValidationSet(tuple(rows), np.zeros((len(rows), 1, 1, 3), np.uint8)), scores


def test_only_held_out_people_at_every_strength(made):
    assert {row.identity for row in made.rows} == HELD_OUT
    assert made.images.shape == (len(made.rows), 64, 64, 3)
    counts = {kind: len(made.pick(kind)) for kind in ("real", "swap", "own", "own_real", "synthetic")}
    assert counts["real"] == 4 * 3
    assert counts["synthetic"] == 2 * 3
    assert 3 <= counts["swap"] <= 12
    assert 3 <= counts["own"] == counts["own_real"] <= 12
    for kind, count in counts.items():
        each = [len(made.pick(kind, strength)) for strength in STRENGTHS]
        assert each == [count // 3] * 3
    sharp = {made.rows[i].identity for i in made.pick("real", sharp_only=True)}
    assert sharp == set(SHARP) & HELD_OUT


def test_codings_of_a_face_follow_each_other_and_grow_worse(made):
    """Three rows in the order of the strengths: the operating points rely on it."""
    for start in range(0, len(made.rows), 3):
        rows = made.rows[start : start + 3]
        assert [row.strength for row in rows] == list(STRENGTHS)
        assert len({(row.kind, row.identity) for row in rows}) == 1
    real = made.images[made.pick("real")].astype(np.float32)
    detail = np.abs(np.diff(real, axis=2)).mean(axis=(1, 2, 3)).reshape(-1, 3).mean(axis=0)
    assert detail[0] > detail[1] > detail[2]


def test_forgeries_differ_from_their_faces(made):
    reals = {made.rows[i].identity: made.images[i] for i in made.pick("real", "q90")}
    for kind in ("swap", "own"):
        for i in made.pick(kind, "q90"):
            difference = np.abs(made.images[i].astype(int) - reals[made.rows[i].identity])
            assert difference.max() > 15
            if kind == "swap":  # a self-blend may recolour the whole picture
                assert np.median(difference[:4]) < 6


def test_same_faces_again_and_at_another_size(store, made):
    again = build_validation(store, size=64, margin_ratio=1.25)
    assert again.rows == made.rows
    np.testing.assert_array_equal(again.images, made.images)
    larger = build_validation(store, size=96, margin_ratio=1.1)
    assert larger.rows == made.rows
    assert larger.images.shape[1:3] == (96, 96)
    other = build_validation(store, size=64, margin_ratio=1.25, seed=7)
    assert len(other.rows) != len(made.rows) or (other.images != made.images).any()


def test_fewer_faces_are_half_soft_half_sharp(store):
    few = build_validation(store, size=64, margin_ratio=1.25, most_faces=2)
    reals = [few.rows[i] for i in few.pick("real", "q90")]
    assert sorted(row.sharp for row in reals) == [False, True]


def test_nobody_held_out(caches):
    data = dataclasses.replace(TINY.data, validation_share=0.001)
    with pytest.raises(ConfigError, match="validation_share"):
        build_validation(
            FaceStore([caches / "faces"], dataclasses.replace(TINY, data=data)), size=64, margin_ratio=1.25
        )


def test_metrics_are_the_areas_under_the_right_curves():
    data, scores = drawn({"real": 30, "own": 20, "own_real": 20, "synthetic": 15, "swap": 10})
    found = validation_metrics(data, scores)
    rows = data.rows
    for kind, expert in (("own", 0), ("swap", 0), ("synthetic", 1)):
        for strength in STRENGTHS:
            chosen = [
                i
                for i, row in enumerate(rows)
                if row.strength == strength
                and (row.kind == kind or (row.kind == REAL_OF[kind] and (row.sharp or kind != "synthetic")))
            ]
            expected = metrics.roc_auc_score([rows[i].kind == kind for i in chosen], scores[chosen, expert])
            assert found[f"auc_{kind}_{strength}"] == pytest.approx(expected, abs=1e-6)
    own, synthetic = (np.mean([found[f"auc_{kind}_{s}"] for s in STRENGTHS]) for kind in ("own", "synthetic"))
    assert found["score"] == pytest.approx(0.6 * own + 0.4 * synthetic)
    assert len(found) == 10


def test_swaps_do_not_choose():
    data, scores = drawn({"real": 10, "own": 10, "own_real": 10, "synthetic": 10, "swap": 10})
    before = validation_metrics(data, scores)
    scores[data.pick("swap")] += 100
    after = validation_metrics(data, scores)
    assert after["auc_swap_q90"] == 1 != before["auc_swap_q90"]
    assert after["score"] == before["score"]


def test_kinds_that_are_missing_are_left_out():
    data, scores = drawn({"real": 10, "own": 10, "own_real": 10})
    found = validation_metrics(data, scores)
    assert not any("synthetic" in name for name in found)
    assert found["score"] == pytest.approx(0.6 * np.mean([found[f"auc_own_{s}"] for s in STRENGTHS]))
