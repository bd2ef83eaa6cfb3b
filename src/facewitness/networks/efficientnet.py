"""EfficientNet as a pyramid of features, B0 to B7 by coefficients.

Reference: Tan and Le, EfficientNet, ICML 2019, table 1 and section 3.3. The padding is TensorFlow's "same",
optionally computed once for a nominal image size as widely used PyTorch ports do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.networks.convolutions import SameConv2d

_BN_EPS, _BN_MOMENTUM = 1e-3, 0.01
_SQUEEZE_RATIO = 0.25


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expand: int
    width: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_WIDTH, _HEAD_WIDTH = 32, 1280
_PYRAMID_STAGES = (1, 2, 4, 6)
"""Stages whose outputs are C2, C3, C4 and C5.1."""


def round_width(width: int, coefficient: float) -> int:
    """Channels after scaling: the nearest multiple of 8, never more than 10 % below.

    >>> round_width(320, 1.4)
    448
    """
    scaled = width * coefficient
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


@dataclass(frozen=True)
class BlockSpec:
    """One inverted-residual block."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    expand: int
    nominal_size: int | None
    drop_rate: float


class MBConv(nn.Module):
    """Inverted residual with squeeze-and-excitation and stochastic depth."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        wide = spec.in_channels * spec.expand
        squeezed = max(1, int(spec.in_channels * _SQUEEZE_RATIO))
        self.has_expansion = spec.expand != 1
        self.has_skip = spec.stride == 1 and spec.in_channels == spec.out_channels
        self.drop_rate = spec.drop_rate
        if self.has_expansion:
            self.expand_conv = nn.Conv2d(spec.in_channels, wide, 1, bias=False)
            self.expand_bn = nn.BatchNorm2d(wide, _BN_EPS, _BN_MOMENTUM)
        self.depthwise_conv = SameConv2d(
            wide, wide, spec.kernel, stride=spec.stride, groups=wide, nominal_size=spec.nominal_size
        )
        self.depthwise_bn = nn.BatchNorm2d(wide, _BN_EPS, _BN_MOMENTUM)
        self.se_reduce = nn.Conv2d(wide, squeezed, 1)
        self.se_expand = nn.Conv2d(squeezed, wide, 1)
        self.project_conv = nn.Conv2d(wide, spec.out_channels, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(spec.out_channels, _BN_EPS, _BN_MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        y: Tensor = functional.silu(self.expand_bn(self.expand_conv(x))) if self.has_expansion else x
        y = functional.silu(self.depthwise_bn(self.depthwise_conv(y)))
        squeezed = functional.silu(self.se_reduce(functional.adaptive_avg_pool2d(y, 1)))
        y = y * torch.sigmoid(self.se_expand(squeezed))
        y = self.project_bn(self.project_conv(y))
        if not self.has_skip:
            return y
        if self.training and self.drop_rate > 0:
            keep = 1 - self.drop_rate
            kept = (torch.rand(len(y), 1, 1, 1, dtype=y.dtype, device=y.device) < keep).to(y.dtype)
            y = y * kept / keep
        return x + y


def block_specs(
    width: float, depth: float, *, drop_connect: float = 0.2, nominal_size: int | None = None
) -> list[list[BlockSpec]]:
    """The blocks of every stage.

    Args:
        width: Width coefficient (B0 1.0, B4 1.4).
        depth: Depth coefficient (B0 1.0, B4 1.8).
        drop_connect: Stochastic depth rate of the last block; grows linearly from 0.
        nominal_size: Image side that all paddings are computed for; None pads by the real size.

    Returns:
        One list per stage.
    """
    repeats = [ceil(depth * stage.repeats) for stage in _STAGES]
    size = None if nominal_size is None else ceil(nominal_size / 2)
    in_channels, index, stages = round_width(_STEM_WIDTH, width), 0, []
    for stage, count in zip(_STAGES, repeats, strict=True):
        out_channels = round_width(stage.width, width)
        blocks = []
        for i in range(count):
            stride = stage.stride if i == 0 else 1
            drop = drop_connect * index / sum(repeats)
            blocks.append(BlockSpec(in_channels, out_channels, stage.kernel, stride, stage.expand, size, drop))
            size = None if size is None else ceil(size / stride)
            in_channels, index = out_channels, index + 1
        stages.append(blocks)
    return stages


class EfficientNet(nn.Module):
    """EfficientNet without its classifier.

    Args:
        width: Width coefficient.
        depth: Depth coefficient.
        drop_connect: Stochastic depth rate of the last block.
        nominal_size: Image side that all paddings are computed for; None pads by the real size.

    Attributes:
        channels: Channels of C2, C3, C4, C5.1 and C5 (strides 4, 8, 16, 32, 32).
    """

    def __init__(
        self, width: float, depth: float, *, drop_connect: float = 0.2, nominal_size: int | None = None
    ) -> None:
        super().__init__()
        stages = block_specs(width, depth, drop_connect=drop_connect, nominal_size=nominal_size)
        stem, head = round_width(_STEM_WIDTH, width), round_width(_HEAD_WIDTH, width)
        self.stem_conv = SameConv2d(3, stem, 3, stride=2, nominal_size=nominal_size)
        self.stem_bn = nn.BatchNorm2d(stem, _BN_EPS, _BN_MOMENTUM)
        self.blocks = nn.ModuleList(MBConv(spec) for stage in stages for spec in stage)
        ends = [sum(len(s) for s in stages[: i + 1]) - 1 for i in _PYRAMID_STAGES]
        self._ends = tuple(ends)
        self.head_conv = nn.Conv2d(stages[-1][-1].out_channels, head, 1, bias=False)
        self.head_bn = nn.BatchNorm2d(head, _BN_EPS, _BN_MOMENTUM)
        self.channels = self.pyramid_channels(width, depth)

    @staticmethod
    def pyramid_channels(width: float, depth: float) -> tuple[int, ...]:
        """Channels of C2, C3, C4, C5.1 and C5 without building the network."""
        stages = block_specs(width, depth)
        return (*(stages[i][-1].out_channels for i in _PYRAMID_STAGES), round_width(_HEAD_WIDTH, width))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Features at five depths.

        Args:
            image: ``(B, 3, H, W)``, normalised.

        Returns:
            C2, C3, C4, C5.1 and C5, with strides 4, 8, 16, 32 and 32.
        """
        x = functional.silu(self.stem_bn(self.stem_conv(image)))
        pyramid: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._ends:
                pyramid.append(x)
        # The last stage may be followed by no stride: its end is the last block, C5.1.
        return (*pyramid, functional.silu(self.head_bn(self.head_conv(x))))
