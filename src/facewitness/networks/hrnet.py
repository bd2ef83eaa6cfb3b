"""HRNet for dense prediction: parallel branches that keep the highest resolution.

Parameter names are those of the common pose-estimation release.

Reference: Sun et al., Deep High-Resolution Representation Learning, CVPR 2019, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from facewitness.networks.convolutions import conv_bn
from facewitness.networks.resnet import BLOCKS, Block, Bottleneck, stage


@dataclass(frozen=True)
class HRNetStage:
    """One stage.

    Attributes:
        modules: Exchange units in a row.
        blocks: Residual blocks per branch.
        channels: Width per branch, highest resolution first.
        block: ``BasicBlock`` or ``Bottleneck``.
    """

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    block: str = "BasicBlock"

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels that the branches give."""
        return tuple(c * BLOCKS[self.block].expansion for c in self.channels)


class ExchangeUnit(nn.Module):
    """Branches of residual blocks followed by a sum over all resolutions."""

    def __init__(self, in_channels: Sequence[int], spec: HRNetStage, *, outputs: int) -> None:
        super().__init__()
        kind: Block = BLOCKS[spec.block]
        self.branches = nn.ModuleList(
            stage(kind, given, width, count)
            for given, width, count in zip(in_channels, spec.channels, spec.blocks, strict=True)
        )
        widths = spec.out_channels
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(widths, source, target) for source in range(len(widths))) for target in range(outputs)
        )

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """Map one tensor per branch to one per output resolution."""
        branched = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        fused = []
        for paths in self.fuse_layers:
            parts = [path(x) for path, x in zip(paths.children(), branched, strict=True)]
            total: Tensor = sum(parts[1:], start=parts[0])
            fused.append(functional.relu(total))
        return fused


def _path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one resolution to another: 1x1 and nearest upsampling, or strided 3x3 convolutions."""
    if source == target:
        return nn.Identity()
    if source > target:
        convolution = conv_bn(widths[source], widths[target], 1, relu=False)
        return nn.Sequential(*convolution, nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"))
    steps = target - source
    return nn.Sequential(
        *(
            conv_bn(widths[source], widths[target if last else source], 3, stride=2, relu=not last)
            for last in (i == steps - 1 for i in range(steps))
        )
    )


def _transition(given: Sequence[int], wanted: Sequence[int]) -> nn.ModuleList:
    """Adapters between stages: a 3x3 where a width changes, strided 3x3 for each new resolution."""
    layers: list[nn.Module] = []
    for i, width in enumerate(wanted):
        if i < len(given):
            layers.append(nn.Identity() if given[i] == width else conv_bn(given[i], width))
            continue
        steps = i - len(given) + 1
        chain = [conv_bn(given[-1], width if k == steps - 1 else given[-1], stride=2) for k in range(steps)]
        layers.append(nn.Sequential(*chain))
    return nn.ModuleList(layers)


class HRNet(nn.Module):
    """HRNet up to the highest-resolution feature map.

    Args:
        stages: Stages 2, 3 and 4.

    Attributes:
        channels: Channels of the output (stride 4).
    """

    def __init__(self, stages: Sequence[HRNetStage]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = stage(Bottleneck, 64, 64, 4)
        given: Sequence[int] = (256,)
        for index, spec in enumerate(stages):
            wanted = spec.out_channels
            setattr(self, f"transition{index + 1}", _transition(given, wanted))
            last = index == len(stages) - 1
            units = []
            for unit in range(spec.modules):
                outputs = 1 if last and unit == spec.modules - 1 else len(wanted)
                units.append(ExchangeUnit(wanted, spec, outputs=outputs))
            setattr(self, f"stage{index + 2}", nn.ModuleList(units))
            given = wanted
        self._count = len(stages)
        self.channels = given[0]

    def forward(self, image: Tensor) -> Tensor:
        """Map ``(B, 3, H, W)`` to ``(B, channels, H / 4, W / 4)``."""
        x = functional.relu(self.bn1(self.conv1(image)))
        x = functional.relu(self.bn2(self.conv2(x)))
        features: list[Tensor] = [self.layer1(x)]
        for index in range(self._count):
            adapters = getattr(self, f"transition{index + 1}")
            # A new branch starts from the lowest resolution that exists.
            features = [adapt(features[min(i, len(features) - 1)]) for i, adapt in enumerate(adapters)]
            for unit in getattr(self, f"stage{index + 2}"):
                features = unit(features)
        return features[0]
