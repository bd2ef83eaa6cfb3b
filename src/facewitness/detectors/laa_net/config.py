"""Hyper-parameters of LAA-Net and of its relatives; no torch here.

The defaults are the authors' main configuration (EfficientNet-B4, E-FPN, 384 px). Deviations between their paper
and their code are noted at the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from facewitness.errors import ConfigError

Mode = Literal["official", "corrected"]

OFFICIAL_SOURCE = (
    "the authors publish their checkpoints through the Dropbox link in the README of the LAA-Net repository; "
    "download PoseEfficientNet_..._model_best.pth and give its path with --weights"
)

EFFICIENTNET_COEFFICIENTS: dict[str, tuple[float, float, int]] = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 260),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
"""Width, depth and nominal image side (EfficientNet paper, section 4)."""


@dataclass(frozen=True)
class HRNetStageConfig:
    """One stage of HRNet: exchange units, blocks per branch, width per branch, kind of block."""

    modules: int
    blocks: tuple[int, ...]
    channels: tuple[int, ...]
    block: str = "BasicBlock"


HRNET_W48 = (
    HRNetStageConfig(1, (4, 4), (48, 96)),
    HRNetStageConfig(4, (4, 4, 4), (48, 96, 192)),
    HRNetStageConfig(3, (4, 4, 4, 4), (48, 96, 192, 384)),
)


@dataclass(frozen=True)
class LaaNetConfig:
    """One network.

    Attributes:
        backbone: ``efficientnet``, ``resnet``, ``hrnet`` or ``xception``.
        width: Width coefficient of EfficientNet (B4: 1.4).
        depth: Depth coefficient of EfficientNet (B4: 1.8).
        nominal_size: Image side that EfficientNet's paddings are computed for. The authors' network is frozen at
            380 although it is fed 384 px, which changes one layer; released weights need that. None, in files 0,
            pads for the image that comes (corrected).
        drop_connect: Stochastic depth rate of EfficientNet's last block.
        dropout: Dropout on each feature before the decoder (EfficientNet 0.4, the others 0.5).
        decoder: ``e_fpn``, ``tfpn`` (plain concatenation) or ``plain`` (no lateral connections).
        use_c2: Whether the stride-4 feature enters the decoder.
        use_c3: Whether the stride-8 feature enters (EfficientNet only).
        use_c4: Whether the stride-16 feature enters (EfficientNet only).
        with_channel_gates: Whether a squeeze-and-excitation gate follows each fusion (EfficientNet only).
        head_width: Channels inside the heads; 0 makes them single layers.
        heatmap_channels: Maps of the heatmap head.
        consistency_channels: Length of the self-consistency embedding; 0 leaves that head out.
        offset_channels: Maps of the offset head; 0 leaves it out.
        with_score: Whether there is a classification head.
        score_from_pooled_map: The ResNet's classification head max-pools one map and uses two linear layers.
        resnet_layers: Blocks per ResNet stage.
        resnet_block: ``Bottleneck`` or ``BasicBlock``.
        hrnet_stages: Stages 2 to 4 of HRNet.
        heatmap_pool: Cells per side that HRNet's classification head sees.
        image_size: Side of the input, pixels (384; ResNet 256).
        mode: ``official`` reproduces the authors' code, ``corrected`` repairs the defects named in the model card.

    Raises:
        ConfigError: On a value out of range or a combination that no decoder has.
    """

    backbone: Literal["efficientnet", "resnet", "hrnet", "xception"] = "efficientnet"
    width: float = 1.4
    depth: float = 1.8
    nominal_size: int | None = 380
    drop_connect: float = 0.2
    dropout: float = 0.4
    decoder: Literal["e_fpn", "tfpn", "plain"] = "e_fpn"
    use_c2: bool = False
    use_c3: bool = True
    use_c4: bool = True
    with_channel_gates: bool = False
    head_width: int = 64
    heatmap_channels: int = 1
    consistency_channels: int = 256
    offset_channels: int = 0
    with_score: bool = True
    score_from_pooled_map: bool = False
    resnet_layers: tuple[int, ...] = (3, 4, 6, 3)
    resnet_block: Literal["Bottleneck", "BasicBlock"] = "Bottleneck"
    hrnet_stages: tuple[HRNetStageConfig, ...] = HRNET_W48
    heatmap_pool: int = 24
    image_size: int = 384
    mode: Mode = "official"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.nominal_size == 0:
            object.__setattr__(self, "nominal_size", None)  # TOML has no word for None
        _check_choice("backbone", self.backbone, ("efficientnet", "resnet", "hrnet", "xception"))
        _check_choice("decoder", self.decoder, ("e_fpn", "tfpn", "plain"))
        _check_choice("mode", self.mode, ("official", "corrected"))
        _check_choice("resnet_block", self.resnet_block, ("Bottleneck", "BasicBlock"))
        for name in ("dropout", "drop_connect"):
            if not 0 <= getattr(self, name) < 1:
                msg = f"{name} must be in [0, 1), got {getattr(self, name)}"
                raise ConfigError(msg)
        for name in ("width", "depth", "image_size", "heatmap_channels", "heatmap_pool"):
            if getattr(self, name) <= 0:
                msg = f"{name} must be above 0, got {getattr(self, name)}"
                raise ConfigError(msg)
        if self.backbone == "resnet" and self.decoder == "tfpn":
            msg = "decoder 'tfpn' exists for the efficientnet backbone only; take 'e_fpn' or 'plain' with a resnet"
            raise ConfigError(msg)
        if self.backbone == "resnet" and len(self.resnet_layers) != 4:
            msg = f"resnet_layers must hold 4 counts, got {self.resnet_layers}"
            raise ConfigError(msg)

    @property
    def scores_twice_through_sigmoid(self) -> bool:
        """Whether the authors' network ends in a sigmoid that their loss applies again."""
        return self.backbone in ("hrnet", "xception") or self.score_from_pooled_map

    def corrected(self) -> LaaNetConfig:
        """The same network with the repairs: paddings follow the image."""
        return replace(self, mode="corrected", nominal_size=None)


@dataclass(frozen=True)
class LossConfig:
    """Weights and constants.

    Attributes:
        heatmap_weight: Of the heatmap loss (SBI 100, BI 10).
        consistency_weight: Of the self-consistency loss.
        score_weight: Of the cross entropy.
        offset_weight: Of the L1 loss on the offset maps; 0 in every published configuration.
        agreement_weight: Of `heatmap_agreement_loss`; 0 in every published configuration.
        smoothing: Share of the heatmap loss at vulnerable points that ``point_factor`` scales.
        point_factor: That factor.
        mode: ``official`` leaves the heatmap loss undivided when a batch has no vulnerable point (it is then
            4 to 5 orders of magnitude larger); ``corrected`` divides by at least
            the number of images.
        consistency_of_reals: ``zeros`` takes the target as it comes (all zeros for a real face in the authors'
            code, so real embeddings are pushed apart); ``ones`` asks a real face to agree with itself
            everywhere; ``skip`` leaves reals out.

    Raises:
        ConfigError: On a negative weight or an unknown choice.
    """

    heatmap_weight: float = 100.0
    consistency_weight: float = 100.0
    score_weight: float = 1.0
    offset_weight: float = 0.0
    agreement_weight: float = 0.0
    smoothing: float = 0.35
    point_factor: float = 0.2
    mode: Mode = "official"
    consistency_of_reals: str = "zeros"

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("heatmap_weight", "consistency_weight", "score_weight", "offset_weight", "agreement_weight"):
            if getattr(self, name) < 0:
                msg = f"{name} must be at least 0, got {getattr(self, name)}"
                raise ConfigError(msg)
        if self.mode not in ("official", "corrected"):
            msg = f"mode must be official or corrected, got {self.mode!r}"
            raise ConfigError(msg)
        if self.consistency_of_reals not in ("zeros", "ones", "skip"):
            msg = f"consistency_of_reals must be zeros, ones or skip, got {self.consistency_of_reals!r}"
            raise ConfigError(msg)


CORRECTED_LOSSES = LossConfig(mode="corrected", consistency_of_reals="ones")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        msg = f"{name} must be one of {', '.join(choices)}, got {value!r}"
        raise ConfigError(msg)


def from_official_model_block(values: Mapping[str, Any]) -> LaaNetConfig:
    """Translate the MODEL block of the authors' YAML files.

    Args:
        values: The block as a mapping (``type``, ``model_name``, ``heads``, ``efpn``, ...).

    Returns:
        The network that their code builds from it, in official mode.

    Raises:
        ConfigError: If the block names a network or an option that this package does not have.
    """
    builders = {
        "PoseEfficientNet": _efficientnet,
        "PoseResNet": _resnet,
        "PoseHighResolutionNet": _hrnet,
        "Xception": _xception,
    }
    kind = values.get("type")
    if kind not in builders:
        msg = f"MODEL.type must be one of {', '.join(builders)}, got {kind!r}"
        raise ConfigError(msg)
    return builders[kind](values)


def _heads(values: Mapping[str, Any], default_score: bool = True) -> dict[str, Any]:
    heads = values.get("heads", {"hm": 1, "cls": 1})
    unknown = sorted(set(heads) - {"hm", "cls", "cstency", "offset"})
    if unknown:
        msg = f"MODEL.heads has unknown heads {unknown}; known are cls, cstency, hm, offset"
        raise ConfigError(msg)
    return {
        "heatmap_channels": int(heads.get("hm", 1)),
        "with_score": "cls" in heads if "heads" in values else default_score,
        "consistency_channels": int(heads.get("cstency", 0)),
        "offset_channels": int(heads.get("offset", 0)),
        "head_width": int(values.get("head_conv", 64)),
    }


def _efficientnet(values: Mapping[str, Any]) -> LaaNetConfig:
    name = str(values.get("model_name", "efficientnet-b4"))
    variant = name.rpartition("-")[2]
    if variant not in EFFICIENTNET_COEFFICIENTS:
        msg = f"MODEL.model_name must be efficientnet-b0 to efficientnet-b7, got {name!r}"
        raise ConfigError(msg)
    if not values.get("include_hm_decoder", True):
        msg = "MODEL.include_hm_decoder must be true: a network without the decoder has no heatmap"
        raise ConfigError(msg)
    with_e_fpn, with_tfpn = bool(values.get("efpn", False)), bool(values.get("tfpn", False))
    if with_e_fpn and with_tfpn:
        msg = "MODEL.efpn and MODEL.tfpn exclude each other"
        raise ConfigError(msg)
    with_pyramid = with_e_fpn or with_tfpn
    if with_pyramid and not values.get("use_c51", True):
        msg = "MODEL.use_c51 must be true with an FPN"
        raise ConfigError(msg)
    width, depth, nominal_size = EFFICIENTNET_COEFFICIENTS[variant]
    return LaaNetConfig(
        backbone="efficientnet",
        width=width,
        depth=depth,
        nominal_size=nominal_size,
        decoder="e_fpn" if with_e_fpn else "tfpn" if with_tfpn else "plain",
        use_c2=bool(values.get("use_c2", False)),
        use_c3=bool(values.get("use_c3", True)),
        use_c4=bool(values.get("use_c4", True)),
        with_channel_gates=bool(values.get("se_layer", False)),
        **_heads(values),
    )


def _resnet(values: Mapping[str, Any]) -> LaaNetConfig:
    return LaaNetConfig(
        backbone="resnet",
        dropout=float(values.get("dropout_prob", 0.5)),
        decoder="e_fpn" if values.get("fpn", False) else "plain",
        use_c2=bool(values.get("use_c2", False)),
        resnet_layers=tuple(values.get("layers", (3, 4, 6, 3))),
        resnet_block=values.get("block", "Bottleneck"),
        score_from_pooled_map=bool(values.get("cls_based_hm", False)),
        image_size=256,
        **_heads(values),
    )


def _hrnet(values: Mapping[str, Any]) -> LaaNetConfig:
    inner = values.get("MODEL", values)
    extra = inner["EXTRA"]
    kinds = {"BASIC": "BasicBlock", "BOTTLENECK": "Bottleneck"}
    stages = tuple(
        HRNetStageConfig(
            int(stage["NUM_MODULES"]),
            tuple(stage["NUM_BLOCKS"]),
            tuple(stage["NUM_CHANNELS"]),
            kinds[stage.get("BLOCK", "BASIC")],
        )
        for stage in (extra["STAGE2"], extra["STAGE3"], extra["STAGE4"])
    )
    side = int(inner.get("HEATMAP_SIZE", (96, 96))[0])
    return LaaNetConfig(
        backbone="hrnet",
        dropout=0.0,
        decoder="plain",
        consistency_channels=0,
        with_score=bool(inner.get("cls_based_hm", True)),
        heatmap_channels=int(inner.get("NUM_JOINTS", 1)),
        hrnet_stages=stages,
        heatmap_pool=side // 4,
        image_size=side * 4,
    )


def _xception(values: Mapping[str, Any]) -> LaaNetConfig:
    return LaaNetConfig(
        backbone="xception",
        dropout=float(values.get("dropout_prob", 0.5)),
        decoder="plain",
        image_size=384,
        **_heads(values),
    )
