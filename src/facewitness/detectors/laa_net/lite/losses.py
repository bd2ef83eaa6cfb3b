"""Loss of LAA-Net-Lite on a batch of real faces, their forgeries, and wholly synthetic faces."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from facewitness.detectors.laa_net.lite.config import LiteLosses
from facewitness.detectors.laa_net.lite.model import LiteOutput


@dataclass
class LiteTargets:
    """What is asked of a batch; a weight of 0 asks nothing. Not frozen: Lightning moves its tensors to a device.

    Attributes:
        scores: ``(B, 2)`` in [0, 1]: blended, synthetic.
        score_weights: ``(B, 2)``.
        boundary: ``(B, 1, h, w)`` in [0, 1].
        mask: ``(B, 1, h, w)`` in [0, 1].
        map_weights: ``(B,)``.
    """

    scores: Tensor
    score_weights: Tensor
    boundary: Tensor
    mask: Tensor
    map_weights: Tensor


def lite_loss(output: LiteOutput, targets: LiteTargets, config: LiteLosses) -> dict[str, Tensor]:
    """Loss parts and their weighted ``total``, scalars.

    The heatmap's cross entropy counts cells by ``1 + 4 * target``, so that the few cells of a boundary are heard.

    Reference: LAA-Net, equation 6, without the consistency term.
    """
    smooth = targets.scores * (1 - 2 * config.smoothing) + config.smoothing
    score = functional.binary_cross_entropy_with_logits(output.scores.float(), smooth, reduction="none")
    weights = targets.score_weights
    per_expert = (score * weights).sum(0) / weights.sum(0).clamp(min=1)
    boundary = _map_loss(output.boundary, targets.boundary, targets.map_weights)
    mask = _map_loss(output.mask, targets.mask, targets.map_weights)
    total = (
        config.blended * per_expert[0]
        + config.synthetic * per_expert[1]
        + config.boundary * boundary
        + config.mask * mask
    )
    return {
        "total": total,
        "blended": per_expert[0],
        "synthetic": per_expert[1],
        "boundary": boundary,
        "mask": mask,
    }


def _map_loss(logit: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    cells = functional.binary_cross_entropy_with_logits(logit.float(), target, reduction="none") * (1 + 4 * target)
    per_image = cells.mean((1, 2, 3))
    return torch.sum(per_image * weights) / weights.sum().clamp(min=1)
