"""Xception up to its last feature map, with the parameter names of the common PyTorch port.

Reference: Chollet, Xception, CVPR 2017, figure 5.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class SeparableConv2d(nn.Module):
    """Depthwise 3x3, then pointwise 1x1; no bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, 1, 1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H, W)``."""
        y: Tensor = self.pointwise(self.conv1(x))
        return y


class XceptionBlock(nn.Module):
    """Separable convolutions around a skip.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        count: Separable convolutions.
        stride: Stride of the max pooling at the end and of the skip.
        with_first_relu: Whether an activation comes first.
        widen_first: Whether the first convolution changes the width, or the last.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        count: int,
        stride: int,
        with_first_relu: bool = True,
        widen_first: bool = True,
    ) -> None:
        super().__init__()
        self.has_projection = stride != 1 or in_channels != out_channels
        if self.has_projection:
            self.skip = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(out_channels)
        turn = 0 if widen_first else count - 1
        layers: list[nn.Module] = []
        for i in range(count):
            given = in_channels if i <= turn else out_channels
            wanted = in_channels if i < turn else out_channels
            layers += [nn.ReLU(), SeparableConv2d(given, wanted), nn.BatchNorm2d(wanted)]
        if stride != 1:
            layers.append(nn.MaxPool2d(3, stride, 1))
        self.rep = nn.Sequential(*(layers if with_first_relu else layers[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', ceil(H / stride), ceil(W / stride))``."""
        y: Tensor = self.rep(x)
        return y + (self.skipbn(self.skip(x)) if self.has_projection else x)


class Xception(nn.Module):
    """Xception without its classifier.

    Attributes:
        channels: Channels of the output (stride 32).
    """

    channels = 2048

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.block1 = XceptionBlock(64, 128, count=2, stride=2, with_first_relu=False)
        self.block2 = XceptionBlock(128, 256, count=2, stride=2)
        self.block3 = XceptionBlock(256, 728, count=2, stride=2)
        for i in range(4, 12):
            setattr(self, f"block{i}", XceptionBlock(728, 728, count=3, stride=1))
        self.block12 = XceptionBlock(728, 1024, count=2, stride=2, widen_first=False)
        self.conv3 = SeparableConv2d(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv2d(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, 2048, H / 32, W / 32)``."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = functional.relu(self.bn2(self.conv2(x)))
        for i in range(1, 13):
            x = getattr(self, f"block{i}")(x)
        x = functional.relu(self.bn3(self.conv3(x)))
        return functional.relu(self.bn4(self.conv4(x)))
