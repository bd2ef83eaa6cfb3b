"""Heads on a stride-4 feature map."""

from __future__ import annotations

from math import sqrt

from torch import nn

PRIOR_LOGIT = -2.19
"""Initial bias of a heatmap: sigmoid gives 0.1, as CornerNet starts it."""


def map_head(
    in_channels: int,
    out_channels: int,
    *,
    width: int = 64,
    last_bias: float = 0.0,
    last_std: float | None = None,
    first_bias: bool = True,
) -> nn.Module:
    """A head that keeps the map.

    Args:
        in_channels: Channels in.
        out_channels: Maps out.
        width: Channels between; 0 makes it a single 1x1 convolution.
        last_bias: Initial bias of the last convolution.
        last_std: Initial spread of its weights; None is the authors' ``sqrt(2 / out_channels)``, which makes
            the first logits very large.
        first_bias: Whether the 3x3 convolution has a bias.

    Returns:
        3x3 convolution, batch norm, ReLU, 1x1 convolution .
    """
    last = nn.Conv2d(width or in_channels, out_channels, 1)
    nn.init.normal_(last.weight, std=sqrt(2 / out_channels) if last_std is None else last_std)
    nn.init.constant_(last.get_parameter("bias"), last_bias)
    if not width:
        return last
    first = nn.Conv2d(in_channels, width, 3, 1, 1, bias=first_bias)
    return nn.Sequential(first, nn.BatchNorm2d(width), nn.ReLU(), last)


def score_head(in_channels: int, *, width: int = 64) -> nn.Sequential:
    """A head that gives one logit: 3x3 convolution, batch norm, ReLU, global mean, linear."""
    if not width:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, 1))
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, 1, 1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 1),
    )


def pooled_map_score_head(
    in_channels: int, *, width: int = 64, pooled: int = 16, with_max: bool = False
) -> nn.Sequential:
    """One logit from one map, pooled to ``pooled x pooled`` cells, through two linear layers.

    Args:
        in_channels: Channels in.
        width: Channels of the first convolution.
        pooled: Cells per side after pooling.
        with_max: Whether cells hold the maximum or the mean.

    Returns:
        The head; all layers but the last linear one are without bias.
    """
    width = width or in_channels
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 1, 1, bias=False),
        nn.BatchNorm2d(1),
        nn.AdaptiveMaxPool2d(pooled) if with_max else nn.AdaptiveAvgPool2d(pooled),
        nn.Flatten(),
        nn.Linear(pooled * pooled, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 1),
    )


def heatmap_score_head(pooled: int) -> nn.Sequential:
    """One logit from the heatmap itself: batch norm, max pooling to ``pooled x pooled`` cells, one linear layer."""
    return nn.Sequential(nn.BatchNorm2d(1), nn.AdaptiveMaxPool2d(pooled), nn.Flatten(), nn.Linear(pooled * pooled, 1))
