"""Small convolutional parts that several backbones and decoders share."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after one axis so that the output has ``ceil(size / stride)`` cells.

    Args:
        size: Length of the axis, cells.
        kernel: Kernel length.
        stride: Stride.

    Returns:
        Padding before and after; the odd cell goes after (TensorFlow's rule).

    >>> same_padding(96, 5, 2), same_padding(95, 5, 2)
    ((1, 2), (2, 2))
    """
    total = max((ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel: Side of the square kernel.
        stride: Stride of both axes.
        groups: Channel groups.
        nominal_size: Input side that the padding is computed for, once; None computes it from every input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        nominal_size: int | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self.nominal_size = nominal_size

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that nn.Conv2d gives it
        """Convolve ``(B, C, H, W)`` to ``(B, C', ceil(H / stride), ceil(W / stride))`` where the size is nominal."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (self.nominal_size,) * 2 if self.nominal_size else (int(input.shape[-2]), int(input.shape[-1]))
        top, bottom = same_padding(height, kernel, stride)
        left, right = same_padding(width, kernel, stride)
        if top == bottom and left == right:
            return functional.conv2d(input, self.weight, None, self.stride, (top, left), 1, self.groups)
        padded = functional.pad(input, (left, right, top, bottom))
        return functional.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)


def conv_bn(
    in_channels: int, out_channels: int, kernel: int = 3, *, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Bias-free convolution (padding ``kernel // 2``), batch norm and, if asked, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


def upsampling_conv(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """A bias-free transposed convolution that doubles both sides (4x4, stride 2, padding 1)."""
    layer = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=False)
    nn.init.normal_(layer.weight, std=sqrt(2 / (4 * 4 * out_channels)))
    return layer


def up_bn(in_channels: int, out_channels: int, *, relu: bool) -> nn.Sequential:
    """`upsampling_conv`, batch norm and, if asked, ReLU."""
    layers: list[nn.Module] = [upsampling_conv(in_channels, out_channels), nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


class ChannelGate(nn.Module):
    """Squeeze-and-excitation with bias-free linear layers.

    Args:
        channels: Channels of the input.
        reduction: Width of the bottleneck as a divisor of ``channels``.

    Reference: Hu et al., Squeeze-and-Excitation Networks, CVPR 2018, section 3.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of ``(B, C, H, W)`` by a factor in (0, 1)."""
        scale: Tensor = self.fc(x.mean((2, 3)))
        return x * scale[:, :, None, None]


class InceptionBlock(nn.Module):
    """Four parallel branches behind one shared 1x1 convolution; channels in equal channels out.

    The same 1x1 block serves all branches, as in the authors' code.

    Args:
        channels: Channels in and out; a multiple of 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.pw_block = conv_bn(channels, quarter, 1)
        self.conv3_block = conv_bn(quarter, quarter, 3)
        self.conv5_block = conv_bn(quarter, quarter, 5)
        self.pool = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        point = self.pw_block(x)
        branches = [point, self.conv3_block(point), self.conv5_block(point), self.pw_block(self.pool(x))]
        return torch.cat(branches, 1)


def freeze(parameters: Iterable[nn.Parameter], *, frozen: bool = True) -> None:
    """Stop (or resume) gradients of ``parameters``; running statistics of batch norms still move."""
    for parameter in parameters:
        parameter.requires_grad_(not frozen)
