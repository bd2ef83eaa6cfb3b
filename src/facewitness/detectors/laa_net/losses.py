"""LAA-Net's losses: heatmap (focal), score (cross entropy), self-consistency.

Reference: Nguyen et al., LAA-Net, CVPR 2024, section 3.2, equations 2 to 5; the constants are those of the authors'
code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from facewitness.detectors.laa_net.config import LossConfig
from facewitness.detectors.laa_net.model import LaaNetOutput
from facewitness.errors import ConfigError

_CLAMP = 1e-4


@dataclass(frozen=True)
class LossTargets:
    """What the network should say.

    Attributes:
        heatmap: ``(B, 1, h, w)`` in [0, 1]; 1 at vulnerable points, a Gaussian around them.
        label: ``(B, 1)``, 0 real, 1 fake.
        consistency: ``(B, 1, h, w)`` in [0, 1], or None.
        offset: ``(B, n, h, w)``, or None.
    """

    heatmap: Tensor
    label: Tensor
    consistency: Tensor | None = None
    offset: Tensor | None = None


@dataclass(frozen=True)
class StepCounts:
    """What a step's sums are divided by.

    Losses are means over images, vulnerable points and fakes of a whole step. Where a step is made of several batches
    (accumulation, processes), each batch divides by these counts of the step, and its losses add up to those of one
    large batch.

    Attributes:
        images: Images.
        points: Cells whose heatmap target is 1.
        fakes: Images with label 1.
    """

    images: Tensor
    points: Tensor
    fakes: Tensor

    @classmethod
    def of(cls, targets: LossTargets) -> StepCounts:
        """The counts of one batch; scalars."""
        label = targets.label
        images = label.new_tensor(float(len(label)))
        return cls(images, targets.heatmap.eq(1).sum().to(label.dtype), label.sum())

    def __add__(self, other: StepCounts) -> StepCounts:
        """The counts of both."""
        return StepCounts(self.images + other.images, self.points + other.points, self.fakes + other.fakes)


@dataclass(frozen=True)
class LossParts:
    """Weighted losses; scalars.

    Attributes:
        total: Their sum.
        heatmap: Focal loss.
        score: Cross entropy.
        consistency: Self-consistency.
        other: Offset and agreement, 0 unless they have a weight.
    """

    total: Tensor
    heatmap: Tensor
    score: Tensor
    consistency: Tensor
    other: Tensor


def heatmap_loss(
    logit: Tensor, target: Tensor, config: LossConfig | None = None, counts: StepCounts | None = None
) -> Tensor:
    """Focal loss of the heatmap, unweighted.

    With ``s = sigmoid(logit)``, P the cells where the target is 1 and N the rest:
    ``-1/|P| * [sum_P ((1 - e) + e d) (1 - s)^2 log s + sum_N (1 - H)^4 s^2 log(1 - s)]``.

    Args:
        logit: ``(B, 1, h, w)``.
        target: ``(B, 1, h, w)`` in [0, 1].
        config: Constants and mode.
        counts: Of the step that the batch is a part of; None when it is the whole step.

    Returns:
        A scalar; |P| counts the whole step.

    Reference: LAA-Net, equation 3, with the smoothing of the authors' code.
    """
    config = config or LossConfig()
    s = torch.sigmoid(logit).clamp(_CLAMP, 1 - _CLAMP)
    at_point = target.eq(1).to(logit.dtype)
    factor = (1 - config.smoothing) + config.smoothing * config.point_factor
    points = factor * torch.log(s) * (1 - s) ** 2 * at_point
    rest = torch.log1p(-s) * s**2 * (1 - target) ** 4 * (1 - at_point)
    count = at_point.sum() if counts is None else counts.points.to(logit)
    images = len(logit) if counts is None else float(counts.images)
    # Without points the official loss is a raw sum, which is what dividing by one gives for a single image only.
    divisor = count.clamp(min=1) if config.mode == "official" else count.clamp(min=images)
    return -(points.sum() + rest.sum()) / divisor


def self_consistency(embedding: Tensor, target: Tensor) -> Tensor:
    """Agreement of every cell with the anchor cell.

    Args:
        embedding: ``(B, D, h, w)``.
        target: ``(B, 1, h, w)``; the anchor is the first cell with its highest value.

    Returns:
        ``(B, 1, h, w)`` in (0, 1): ``sigmoid(<F_anchor, F_cell> / sqrt(D))``.

    Reference: LAA-Net, equation 4.
    """
    return torch.sigmoid(_consistency_logit(embedding, target.flatten(1).argmax(1)))


def _consistency_logit(embedding: Tensor, anchor: Tensor) -> Tensor:
    batch, dim, height, width = embedding.shape
    cells = embedding.flatten(2)
    picked = cells.gather(2, anchor[:, None, None].expand(-1, dim, 1))
    product: Tensor = (picked * cells).sum(1) / dim**0.5
    return product.view(batch, 1, height, width)


def consistency_loss(
    embedding: Tensor,
    target: Tensor,
    label: Tensor,
    config: LossConfig | None = None,
    counts: StepCounts | None = None,
) -> Tensor:
    """Cross entropy between `self_consistency` and its target, mean over cells, unweighted.

    Args:
        embedding: ``(B, D, h, w)``.
        target: ``(B, 1, h, w)`` in [0, 1].
        label: ``(B, 1)``; used unless ``consistency_of_reals`` is ``zeros``.
        config: What is asked of real faces.
        counts: As `heatmap_loss`.

    Returns:
        A scalar; 0 when reals are skipped and there are only reals.
    """
    config = config or LossConfig()
    real = label.view(-1, 1, 1, 1).eq(0)
    anchor = target.flatten(1).argmax(1)
    if config.consistency_of_reals == "ones":
        # A flat target has no anchor of its own; the middle of the face is a better one than the first corner.
        middle = target.shape[-2] // 2 * target.shape[-1] + target.shape[-1] // 2
        anchor = torch.where(real.flatten(), torch.full_like(anchor, middle), anchor)
        target = torch.where(real, torch.ones_like(target), target)
    logit = _consistency_logit(embedding, anchor)
    per_cell = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    if config.consistency_of_reals != "skip":
        return per_cell.mean() if counts is None else per_cell.sum() / (counts.images * per_cell[0].numel())
    kept = (~real).to(per_cell).expand_as(per_cell)
    count = kept.sum() if counts is None else counts.fakes * per_cell[0].numel()
    return (per_cell * kept).sum() / count.clamp(min=1)


def heatmap_agreement_loss(logit: Tensor, label: Tensor) -> Tensor:
    """Pull heatmaps of one class together and those of the two classes apart.

    Args:
        logit: ``(B, 1, h, w)``.
        label: ``(B, 1)``.

    Returns:
        Mean over pairs of ``1 - cos`` (same class) or ``max(cos, 0)`` (different classes); 0 for one image.
    """
    if len(logit) < 2:
        return logit.new_zeros(())
    maps = functional.normalize(torch.sigmoid(logit).flatten(1), dim=1)
    cosine = maps @ maps.T
    same = label.view(-1, 1).eq(label.view(1, -1))
    pair = torch.where(same, 1 - cosine, cosine.clamp(min=0))
    upper = torch.triu(torch.ones_like(pair, dtype=torch.bool), diagonal=1)
    return pair[upper].mean()


def laa_net_loss(
    output: LaaNetOutput,
    targets: LossTargets,
    config: LossConfig | None = None,
    *,
    with_double_sigmoid: bool = False,
    counts: StepCounts | None = None,
) -> LossParts:
    """All losses, weighted, and their sum.

    Args:
        output: Of the network.
        targets: What it should have been.
        config: Weights, constants and mode.
        with_double_sigmoid: Apply a sigmoid to the probability again, as the authors train HRNet and Xception
            (`LaaNetConfig.scores_twice_through_sigmoid`); official mode only.
        counts: As `heatmap_loss`: the parts are then this batch's share of the step's losses. The agreement loss
            compares the images of one batch only.

    Returns:
        The parts.

    Raises:
        ConfigError: If a head with a weight has no target, or a target no head.
    """
    config = config or LossConfig()
    zero = output.heatmap_logit.new_zeros(())
    share = 1.0 if counts is None else len(targets.label) / counts.images
    heatmap = config.heatmap_weight * heatmap_loss(output.heatmap_logit, targets.heatmap, config, counts)
    score = consistency = other = zero
    if output.logit is not None:
        logit = torch.sigmoid(output.logit) if with_double_sigmoid and config.mode == "official" else output.logit
        entropy = functional.binary_cross_entropy_with_logits(logit, targets.label.to(logit))
        score = config.score_weight * share * entropy
    if output.consistency is not None and config.consistency_weight > 0:
        wanted = _given(targets.consistency, "consistency")
        asked = consistency_loss(output.consistency, wanted, targets.label, config, counts)
        consistency = config.consistency_weight * asked
    if output.offset is not None and config.offset_weight > 0:
        wanted = _given(targets.offset, "offset")
        other = other + config.offset_weight * share * functional.l1_loss(output.offset, wanted)
    if config.agreement_weight > 0:
        other = other + config.agreement_weight * share * heatmap_agreement_loss(output.heatmap_logit, targets.label)
    return LossParts(heatmap + score + consistency + other, heatmap, score, consistency, other)


def _given(target: Tensor | None, name: str) -> Tensor:
    if target is None:
        msg = f"the {name} head has a weight, but the targets hold no {name}; give it or set its weight to 0"
        raise ConfigError(msg)
    return target
