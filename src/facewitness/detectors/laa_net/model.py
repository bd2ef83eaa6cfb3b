"""LAA-Net: a backbone, a decoder to a stride-4 map, and heads for artifact heatmap, score and self-consistency.

Reference: Nguyen et al., LAA-Net: Localized Artifact Attention Network for Quality-Agnostic and Generalizable
Deepfake Detection, CVPR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from facewitness.detectors.laa_net.config import LaaNetConfig
from facewitness.networks.e_fpn import EFpn, PlainDecoder, ResNetEFpn, XceptionDecoder
from facewitness.networks.efficientnet import EfficientNet
from facewitness.networks.heads import (
    PRIOR_LOGIT,
    heatmap_score_head,
    map_head,
    pooled_map_score_head,
    score_head,
)
from facewitness.networks.hrnet import HRNet, HRNetStage
from facewitness.networks.resnet import ResNet
from facewitness.networks.xception import Xception

_CORRECTED_STD = 0.01


@dataclass(frozen=True)
class LaaNetOutput:
    """What the network says; logits, never probabilities.

    Attributes:
        heatmap_logit: ``(B, 1, H / 4, W / 4)``; sigmoid is the chance of a vulnerable point.
        logit: ``(B, 1)``; sigmoid is P(fake). None without that head.
        consistency: ``(B, D, H / 4, W / 4)`` embedding per cell, or None.
        offset: ``(B, n, H / 4, W / 4)``, or None.
    """

    heatmap_logit: Tensor
    logit: Tensor | None = None
    consistency: Tensor | None = None
    offset: Tensor | None = None


class LaaNet(nn.Module):
    """The network of one `LaaNetConfig`.

    Args:
        config: Which backbone, decoder and heads; the default is the authors' main network.
    """

    def __init__(self, config: LaaNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or LaaNetConfig()
        self.backbone, self.decoder, out_channels = _build(self.config)
        dropout = nn.Dropout2d if self.config.backbone == "xception" else nn.Dropout
        self.dropout = dropout(self.config.dropout)
        self.heads = nn.ModuleDict(_build_heads(self.config, out_channels))

    def forward(self, image: Tensor) -> LaaNetOutput:
        """Run the network.

        Args:
            image: ``(B, 3, H, W)`` float, normalised as the processor does.

        Returns:
            Logits of every head.
        """
        if self.config.backbone == "hrnet":
            x = self.backbone(image)
        else:
            features = self.backbone(image)
            features = (features,) if isinstance(features, Tensor) else features
            x = self.decoder(self._drop(features))
        heatmap_logit = self.heads["heatmap"](x)
        heads = self.heads
        score_input = heatmap_logit if self.config.backbone == "hrnet" else x
        return LaaNetOutput(
            heatmap_logit=heatmap_logit,
            logit=heads["score"](score_input) if "score" in heads else None,
            consistency=heads["consistency"](x) if "consistency" in heads else None,
            offset=heads["offset"](x) if "offset" in heads else None,
        )

    def _drop(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Dropout on every feature that the decoder reads."""
        if not self.training:
            return tuple(features)
        skips_first = self.config.backbone == "efficientnet" and not self.config.use_c2
        return tuple(f if i == 0 and skips_first else self.dropout(f) for i, f in enumerate(features))


def _build(config: LaaNetConfig) -> tuple[nn.Module, nn.Module, int]:
    """Backbone, decoder and the decoder's channels."""
    if config.backbone == "efficientnet":
        return _build_efficientnet(config)
    if config.backbone == "resnet":
        resnet = ResNet(config.resnet_layers, config.resnet_block)
        if config.decoder == "plain":
            plain = PlainDecoder(resnet.channels[-1], (256, 256, 256))
            return resnet, plain, plain.out_channels
        pyramid = ResNetEFpn(resnet.channels, use_c2=config.use_c2)
        return resnet, pyramid, pyramid.out_channels
    if config.backbone == "hrnet":
        stages = [HRNetStage(s.modules, s.blocks, s.channels, s.block) for s in config.hrnet_stages]
        hrnet = HRNet(stages)
        return hrnet, nn.Identity(), hrnet.channels
    xception = Xception()
    decoder = XceptionDecoder(xception.channels)
    return xception, decoder, decoder.out_channels


def _build_efficientnet(config: LaaNetConfig) -> tuple[nn.Module, nn.Module, int]:
    backbone = EfficientNet(
        config.width, config.depth, drop_connect=config.drop_connect, nominal_size=config.nominal_size
    )
    if config.decoder == "plain":
        _, c3, c4, c51, c5 = backbone.channels
        plain = PlainDecoder(c5, (c51, c4, c3))
        return backbone, plain, plain.out_channels
    decoder = EFpn(
        backbone.channels,
        fusion=config.decoder,
        use_c2=config.use_c2,
        use_c3=config.use_c3,
        use_c4=config.use_c4,
        with_channel_gates=config.with_channel_gates,
    )
    return backbone, decoder, decoder.out_channels


def _build_heads(config: LaaNetConfig, channels: int) -> dict[str, nn.Module]:
    """The heads by our names."""
    width, std = config.head_width, None if config.mode == "official" else _CORRECTED_STD
    if config.backbone == "hrnet":
        heatmap: nn.Module = map_head(channels, config.heatmap_channels, width=0, last_bias=0.0, last_std=0.001)
        heads = {"heatmap": heatmap}
        if config.with_score:
            heads["score"] = heatmap_score_head(config.heatmap_pool)
        return heads
    xception = config.backbone == "xception"
    heads = {
        "heatmap": map_head(
            channels,
            config.heatmap_channels,
            width=width,
            last_bias=PRIOR_LOGIT,
            last_std=std,
            first_bias=not xception,
        )
    }
    if config.with_score:
        if xception or config.score_from_pooled_map:
            heads["score"] = pooled_map_score_head(channels, width=width, with_max=config.score_from_pooled_map)
        else:
            heads["score"] = score_head(channels, width=width)
    for name, count in (("consistency", config.consistency_channels), ("offset", config.offset_channels)):
        if count:
            heads[name] = map_head(channels, count, width=width, last_std=std, first_bias=not xception)
    return heads
