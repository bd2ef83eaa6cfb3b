"""ResNet stages with the parameter names that torchvision uses.

Reference: He et al., Deep Residual Learning, CVPR 2016, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, width, H / stride, W / stride)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        skip = x if self.downsample is None else self.downsample(x)
        return functional.relu(y + skip)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 convolutions and a skip."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = _shortcut(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, 4 * width, H / stride, W / stride)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        skip = x if self.downsample is None else self.downsample(x)
        return functional.relu(y + skip)


Block = type[BasicBlock] | type[Bottleneck]
BLOCKS: dict[str, Block] = {"BasicBlock": BasicBlock, "Bottleneck": Bottleneck}


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


def stage(block: Block, in_channels: int, width: int, count: int, *, stride: int = 1) -> nn.Sequential:
    """``count`` blocks, the first with the stride."""
    blocks = [block(in_channels, width, stride=stride)]
    blocks += [block(width * block.expansion, width) for _ in range(count - 1)]
    return nn.Sequential(*blocks)


class ResNet(nn.Module):
    """ResNet without its classifier.

    Args:
        layers: Blocks of the four stages, ``(3, 4, 6, 3)`` for ResNet-50.
        block: ``BasicBlock`` or ``Bottleneck``.

    Attributes:
        channels: Channels of the four stages (strides 4, 8, 16, 32).
    """

    def __init__(self, layers: Sequence[int] = (3, 4, 6, 3), block: str = "Bottleneck") -> None:
        super().__init__()
        kind = BLOCKS[block]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        widths = (64, 128, 256, 512)
        in_channels = 64
        for i, (width, count) in enumerate(zip(widths, layers, strict=True)):
            setattr(self, f"layer{i + 1}", stage(kind, in_channels, width, count, stride=1 if i == 0 else 2))
            in_channels = width * kind.expansion
        self.channels = tuple(width * kind.expansion for width in widths)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the four stages of ``(B, 3, H, W)``, strides 4, 8, 16 and 32."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = functional.max_pool2d(x, 3, 2, 1)
        features = []
        for i in range(4):
            x = getattr(self, f"layer{i + 1}")(x)
            features.append(x)
        return tuple(features)
