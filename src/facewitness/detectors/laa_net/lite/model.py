"""LAA-Net-Lite: EfficientNet-Lite0, an enhanced FPN, a boundary heatmap and two score logits.

Reference: LAA-Net, sections 3.1 (explicit attention by a heatmap) and 3.3 (E-FPN), made small: the decoder ends at
stride 8, and the self-consistency branch is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.detectors.laa_net.lite.config import EXPERTS, LiteConfig
from facewitness.networks.convolutions import conv_bn
from facewitness.networks.e_fpn import gate
from facewitness.networks.efficientnet_lite import HEAD_WIDTH, PYRAMID_WIDTHS, EfficientNetLite0
from facewitness.networks.heads import PRIOR_LOGIT


@dataclass(frozen=True)
class LiteOutput:
    """What the network says of a batch; logits throughout.

    Attributes:
        scores: ``(B, 2)``: blended, synthetic.
        boundary: ``(B, 1, H / 8, W / 8)`` boundary heatmap.
        mask: ``(B, 1, H / 8, W / 8)`` forged area.
    """

    scores: Tensor
    boundary: Tensor
    mask: Tensor


class LaaNetLite(nn.Module):
    """The network.

    Args:
        config: Its shape.
    """

    def __init__(self, config: LiteConfig | None = None) -> None:
        super().__init__()
        self.config = config or LiteConfig()
        width = self.config.width
        _, c3, c4 = PYRAMID_WIDTHS
        self.backbone = EfficientNetLite0()
        self.from_c5 = conv_bn(HEAD_WIDTH, width, 1)
        self.from_c4 = conv_bn(c4, width, 1)
        self.from_c3 = conv_bn(c3, width, 1)
        self.fuse_c4 = conv_bn(2 * width, width, 3)
        self.fuse_c3 = conv_bn(2 * width, width, 3)
        self.maps = nn.Conv2d(width, 2, 1)
        self.dropout = nn.Dropout(self.config.dropout)
        self.scores = nn.Linear(HEAD_WIDTH + 2 * width, len(EXPERTS))
        nn.init.normal_(self.maps.weight, std=0.01)
        nn.init.constant_(self.maps.get_parameter("bias"), PRIOR_LOGIT)

    def forward(self, image: Tensor) -> LiteOutput:
        """Run on ``(B, 3, S, S)`` float32, normalised as `LiteProcessor` does."""
        _, c3, c4, c5 = self.backbone(image)
        x = functional.interpolate(self.from_c5(c5), size=c4.shape[-2:], mode="nearest")
        x = self.fuse_c4(gate(x, self.from_c4(c4)))
        x = functional.interpolate(x, size=c3.shape[-2:], mode="nearest")
        x = self.fuse_c3(gate(x, self.from_c3(c3)))
        maps = self.maps(x)
        pooled = torch.cat([c5.mean((2, 3)), x.mean((2, 3)), x.amax((2, 3))], dim=1)
        return LiteOutput(self.scores(self.dropout(pooled)), maps[:, :1], maps[:, 1:])
