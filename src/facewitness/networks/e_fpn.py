"""Decoders that bring backbone features to one map of stride 4: E-FPN and what it is compared with.

`gate` is the enhanced step of the paper: a shallow feature passes where the deep one is silent.

Reference: Nguyen et al., LAA-Net, CVPR 2024, section 3.3 and figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.networks.convolutions import ChannelGate, InceptionBlock, conv_bn, up_bn, upsampling_conv

Fusion = Literal["e_fpn", "tfpn"]


def gate(deep: Tensor, shallow: Tensor) -> Tensor:
    """Concatenate ``deep`` and ``(1 - sigmoid(deep)) * shallow``.

    Args:
        deep: ``(B, C, H, W)``.
        shallow: ``(B, C, H, W)``.

    Returns:
        ``(B, 2C, H, W)``.

    Reference: LAA-Net, equation 6.
    """
    return torch.cat([deep, (1 - torch.sigmoid(deep)) * shallow], 1)


def fuse(deep: Tensor, shallow: Tensor, fusion: Fusion) -> Tensor:
    """`gate` for E-FPN, a plain concatenation for a traditional FPN."""
    return gate(deep, shallow) if fusion == "e_fpn" else torch.cat([deep, shallow], 1)


class EFpn(nn.Module):
    """E-FPN over an EfficientNet.

    Args:
        channels: Channels of C2, C3, C4, C5.1 and C5.
        fusion: ``e_fpn`` gates each lateral connection, ``tfpn`` concatenates.
        use_c2: Whether C2 enters (it gets its own 3x3 block).
        use_c3: Whether C3 enters.
        use_c4: Whether C4 enters.
        with_channel_gates: Whether a squeeze-and-excitation gate follows each fusion.

    Attributes:
        out_channels: Channels of the output map.
        fused_channels: Number of each fusion (1 is the deepest) to the channels that it gives.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        fusion: Fusion = "e_fpn",
        use_c2: bool = False,
        use_c3: bool = True,
        use_c4: bool = True,
        with_channel_gates: bool = False,
    ) -> None:
        super().__init__()
        c2, c3, c4, c51, c5 = channels
        self.fusion: Fusion = fusion
        self.uses = (True, use_c4, use_c3, use_c2)
        wide = 2 * c3
        into_2 = 2 * c51
        into_3 = c4 * (1 + use_c4)
        into_4 = c3 * (1 + use_c3)
        self.deconv_1 = nn.Sequential(conv_bn(c5, c51))
        self.deconv_2 = nn.Sequential(conv_bn(into_2, c4), upsampling_conv(c4, c4), nn.BatchNorm2d(c4))
        self.deconv_3 = nn.Sequential(conv_bn(into_3, c3), upsampling_conv(c3, c3), nn.BatchNorm2d(c3))
        self.deconv_4 = nn.Sequential(InceptionBlock(into_4), upsampling_conv(into_4, wide), nn.BatchNorm2d(wide))
        self.out_channels = wide
        if use_c2:
            self.conv_c2 = conv_bn(c2, wide)
            self.out_channels = 2 * wide
        widths = (into_2, into_3, into_4, self.out_channels)
        self.fused_channels = {str(i + 1): n for i, n in enumerate(widths) if self.uses[i]}
        gated = self.fused_channels if with_channel_gates else {}
        self.channel_gates = nn.ModuleDict({step: ChannelGate(n) for step, n in gated.items()})

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode.

        Args:
            features: C2, C3, C4, C5.1 and C5.

        Returns:
            ``(B, out_channels, H / 4, W / 4)``.
        """
        c2, c3, c4, c51, c5 = features
        x = self._step(1, self.deconv_1(c5), c51)
        x = self._step(2, self.deconv_2(x), c4)
        x = self._step(3, self.deconv_3(x), c3)
        x = self.deconv_4(x)
        return self._step(4, x, self.conv_c2(c2) if self.uses[3] else c2)

    def _step(self, number: int, deep: Tensor, shallow: Tensor) -> Tensor:
        if not self.uses[number - 1]:
            return functional.relu(deep)
        fused = fuse(deep, shallow, self.fusion)
        name = str(number)
        return self.channel_gates[name](fused) if name in self.channel_gates else fused


class PlainDecoder(nn.Module):
    """Three transposed convolutions with batch norm and ReLU; no lateral connections.

    Args:
        in_channels: Channels of the deepest feature.
        widths: Output channels of the three steps.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        given = (in_channels, *widths[:-1])
        self.deconv_layers = nn.Sequential(*(up_bn(a, b, relu=True) for a, b in zip(given, widths, strict=True)))
        self.out_channels = widths[-1]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode the last of ``features`` to eight times its side."""
        y: Tensor = self.deconv_layers(features[-1])
        return y


class ResNetEFpn(nn.Module):
    """E-FPN over a ResNet.

    Args:
        channels: Channels of the four stages.
        use_c2: Whether the output of the first stage enters.

    Attributes:
        out_channels: Channels of the output map.
    """

    def __init__(self, channels: Sequence[int], *, use_c2: bool = True) -> None:
        super().__init__()
        layer1, layer2, layer3, layer4 = channels
        self.pw_block_1 = conv_bn(layer4, layer4 // 2, 1)
        self.deconv_layer_0 = nn.Sequential(up_bn(layer4 // 2, 256, relu=False))
        self.pw_block_c3 = conv_bn(layer3, 256, 1)
        self.pw_block_2 = conv_bn(512, 512, 1)
        self.deconv_layer_1 = nn.Sequential(up_bn(512, 128, relu=False))
        self.pw_block_c2 = conv_bn(layer2, 128, 1)
        self.inception_block = InceptionBlock(256)
        self.deconv_layer_2 = nn.Sequential(up_bn(256, layer1 if use_c2 else 256, relu=False))
        self.use_c2 = use_c2
        if use_c2:
            self.pw_block_3 = conv_bn(2 * layer1, 256, 1)
        self.out_channels = 256

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode the outputs of the four stages to ``(B, 256, H / 4, W / 4)``."""
        layer1, layer2, layer3, layer4 = features
        x = self.deconv_layer_0(self.pw_block_1(layer4))
        x = self.pw_block_2(gate(x, self.pw_block_c3(layer3)))
        x = gate(self.deconv_layer_1(x), self.pw_block_c2(layer2))
        x = self.deconv_layer_2(self.inception_block(x))
        y: Tensor = self.pw_block_3(gate(x, layer1)) if self.use_c2 else functional.relu(x)
        return y


class XceptionDecoder(nn.Module):
    """Three times a 3x3 block and a transposed convolution, each with batch norm and ReLU.

    Args:
        in_channels: Channels of the backbone's output.

    Attributes:
        out_channels: Channels of the output map.
    """

    out_channels = 64

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv_block_1 = conv_bn(in_channels, 256)
        self.deconv_1 = up_bn(256, 256, relu=True)
        self.conv_block_2 = conv_bn(256, 256)
        self.deconv_2 = up_bn(256, 128, relu=True)
        self.conv_block_3 = conv_bn(128, 128)
        self.deconv_3 = up_bn(128, 64, relu=True)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Decode the last of ``features`` to ``(B, 64, 8h, 8w)``."""
        x = self.deconv_1(self.conv_block_1(features[-1]))
        x = self.deconv_2(self.conv_block_2(x))
        y: Tensor = self.deconv_3(self.conv_block_3(x))
        return y
