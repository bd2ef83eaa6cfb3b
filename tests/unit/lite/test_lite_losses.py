"""The loss, against numbers worked out with numpy."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from facewitness.detectors.laa_net.lite.config import LiteLosses
from facewitness.detectors.laa_net.lite.losses import LiteTargets, lite_loss
from facewitness.detectors.laa_net.lite.model import LiteOutput


def drawn(seed=0, batch=5, cells=4):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (batch, 2)), rng.normal(0, 2, (2, batch, 1, cells, cells))
    wanted = rng.integers(0, 2, (batch, 2)), rng.random((2, batch, 1, cells, cells))
    weights = rng.random((batch, 2)), rng.integers(0, 2, batch)
    return logits, wanted, weights


def as_output(logits):
    scores, maps = logits
    return LiteOutput(*(torch.tensor(x, dtype=torch.float32) for x in (scores, maps[0], maps[1])))


def as_targets(wanted, weights):
    values = (wanted[0], weights[0], wanted[1][0], wanted[1][1], weights[1])
    return LiteTargets(*(torch.tensor(x, dtype=torch.float32) for x in values))


def cross_entropy(logit, target):
    p = 1 / (1 + np.exp(-logit))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p))


def test_parts_and_total():
    logits, wanted, weights = drawn()
    config = LiteLosses(blended=0.7, synthetic=0.4, boundary=1.3, mask=0.2, smoothing=0.05)
    found = lite_loss(as_output(logits), as_targets(wanted, weights), config)
    smooth = np.where(wanted[0] == 1, 0.95, 0.05)
    per_image = cross_entropy(logits[0], smooth) * weights[0]
    expected = {}
    for i, name in enumerate(("blended", "synthetic")):
        expected[name] = per_image[:, i].sum() / max(1, weights[0][:, i].sum())
    for i, name in enumerate(("boundary", "mask")):
        cells = cross_entropy(logits[1][i], wanted[1][i]) * (1 + 4 * wanted[1][i])
        expected[name] = (cells.mean(axis=(1, 2, 3)) * weights[1]).sum() / max(1, weights[1].sum())
    expected["total"] = sum(getattr(config, name) * value for name, value in expected.items())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name


def test_what_has_no_weight_asks_nothing():
    logits, wanted, weights = drawn()
    weights[0][2] = 0
    weights[1][:] = (1, 1, 0, 1, 1)
    before = lite_loss(as_output(logits), as_targets(wanted, weights), LiteLosses())
    logits[0][2] += 5
    logits[1][:, 2] -= 5
    after = lite_loss(as_output(logits), as_targets(wanted, weights), LiteLosses())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_batch_without_weights_is_finite():
    logits, wanted, (scores, maps) = drawn()
    found = lite_loss(as_output(logits), as_targets(wanted, (scores * 0, maps * 0)), LiteLosses())
    assert {float(value) for value in found.values()} == {0.0}


def test_half_precision_logits_are_summed_in_full():
    logits, wanted, weights = drawn()
    output = as_output(logits)
    half = LiteOutput(output.scores.bfloat16(), output.boundary.bfloat16(), output.mask.bfloat16())
    found = lite_loss(half, as_targets(wanted, weights), LiteLosses())["total"]
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(
        float(lite_loss(output, as_targets(wanted, weights), LiteLosses())["total"]), rel=0.02
    )
