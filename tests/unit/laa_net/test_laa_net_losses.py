"""Losses: by hand, in both modes, and what they refuse."""

import math

import pytest

torch = pytest.importorskip("torch")

from facewitness.detectors.laa_net.config import CORRECTED_LOSSES, LossConfig
from facewitness.detectors.laa_net.losses import (
    LossTargets,
    consistency_loss,
    heatmap_agreement_loss,
    heatmap_loss,
    laa_net_loss,
    self_consistency,
)
from facewitness.detectors.laa_net.model import LaaNetOutput
from facewitness.errors import ConfigError


def test_heatmap_loss_by_hand():
    logit = torch.tensor([[[[0.0, 2.0]]]])
    target = torch.tensor([[[[1.0, 0.5]]]])
    s = 1 / (1 + math.exp(-2))
    expected = -((0.65 + 0.35 * 0.2) * 0.25 * math.log(0.5) + 0.5**4 * s**2 * math.log(1 - s))
    assert heatmap_loss(logit, target).item() == pytest.approx(expected, rel=1e-6)


def test_points_are_counted_over_the_batch():
    logit, target = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    target[0, 0, 0, 0] = target[1, 0, 0, :3] = 1.0
    one = heatmap_loss(logit, target)
    undivided = heatmap_loss(logit, torch.where(target == 1, target, torch.zeros(()))) * 4
    assert one.item() == pytest.approx(undivided.item() / 4)


def test_without_points_official_is_a_sum_and_corrected_is_divided():
    logit, target = torch.full((4, 1, 8, 8), 2.0), torch.zeros(4, 1, 8, 8)
    official = heatmap_loss(logit, target)
    corrected = heatmap_loss(logit, target, CORRECTED_LOSSES)
    assert official.item() == pytest.approx(4 * corrected.item())
    s = 1 / (1 + math.exp(-2))
    assert official.item() == pytest.approx(-4 * 64 * s**2 * math.log(1 - s), rel=1e-5)


def test_modes_agree_where_there_are_points():
    torch.manual_seed(0)
    logit, target = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    target[:, :, 0, :2] = 1.0
    assert torch.equal(heatmap_loss(logit, target), heatmap_loss(logit, target, CORRECTED_LOSSES))


def test_self_consistency_anchors_at_the_first_maximum():
    embedding = torch.zeros(1, 4, 2, 2)
    embedding[0, :, 0, 1] = 1.0
    embedding[0, :, 1, 1] = 3.0
    target = torch.tensor([[[[0.1, 0.9], [0.2, 0.9]]]])
    expected = torch.sigmoid(torch.tensor([[0.0, 4.0], [0.0, 12.0]]) / 2)
    torch.testing.assert_close(self_consistency(embedding, target)[0, 0], expected)


def test_what_is_asked_of_real_faces():
    torch.manual_seed(1)
    embedding = torch.nn.functional.normalize(torch.ones(2, 4, 4, 4), dim=1) * 6
    target = torch.zeros(2, 1, 4, 4)
    target[0, 0, 1:3, 1:3] = 0.8
    label = torch.tensor([[1.0], [0.0]])
    official = consistency_loss(embedding, target, label)
    ones = consistency_loss(embedding, target, label, LossConfig(consistency_of_reals="ones"))
    skipped = consistency_loss(embedding, target, label, LossConfig(consistency_of_reals="skip"))
    alone = consistency_loss(embedding[:1], target[:1], label[:1])
    assert ones < official
    assert skipped.item() == pytest.approx(alone.item(), rel=1e-6)
    only_real = consistency_loss(embedding[1:], target[1:], label[1:], LossConfig(consistency_of_reals="skip"))
    assert only_real.item() == 0.0


def test_agreement_pulls_classes_apart():
    heat = torch.full((4, 1, 4, 4), -6.0)
    heat[:2, :, :2] = 6.0
    heat[2:, :, 2:] = 6.0
    apart = heatmap_agreement_loss(heat, torch.tensor([[1.0], [1.0], [0.0], [0.0]]))
    mixed = heatmap_agreement_loss(heat, torch.tensor([[1.0], [0.0], [1.0], [0.0]]))
    assert apart < 0.05 < mixed
    assert heatmap_agreement_loss(heat[:1], torch.ones(1, 1)).item() == 0.0


def test_total_is_the_sum_of_weighted_parts():
    torch.manual_seed(2)
    output = LaaNetOutput(torch.randn(2, 1, 4, 4), torch.randn(2, 1), torch.randn(2, 8, 4, 4), torch.randn(2, 2, 4, 4))
    heatmap = torch.zeros(2, 1, 4, 4)
    heatmap[0, 0, 0, 0] = 1.0
    targets = LossTargets(heatmap, torch.tensor([[1.0], [0.0]]), heatmap, torch.zeros(2, 2, 4, 4))
    config = LossConfig(offset_weight=2.0, agreement_weight=3.0)
    parts = laa_net_loss(output, targets, config)
    total = parts.heatmap + parts.score + parts.consistency + parts.other
    assert parts.total.item() == pytest.approx(total.item())
    doubled = laa_net_loss(output, targets, LossConfig(heatmap_weight=200.0))
    assert doubled.heatmap.item() == pytest.approx(2 * parts.heatmap.item())
    twice = laa_net_loss(output, targets, with_double_sigmoid=True)
    assert twice.score.item() == pytest.approx(
        torch.nn.functional.binary_cross_entropy_with_logits(torch.sigmoid(output.logit), targets.label).item()
    )
    repaired = laa_net_loss(output, targets, CORRECTED_LOSSES, with_double_sigmoid=True)
    assert repaired.score.item() == pytest.approx(parts.score.item())


def test_head_without_a_target_is_named():
    output = LaaNetOutput(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1), torch.zeros(1, 8, 4, 4))
    targets = LossTargets(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1))
    with pytest.raises(ConfigError, match="consistency"):
        laa_net_loss(output, targets)
    assert laa_net_loss(output, targets, LossConfig(consistency_weight=0)).consistency.item() == 0.0
