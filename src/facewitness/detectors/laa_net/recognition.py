"""Which network a checkpoint of the authors is of, by its keys and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facewitness.detectors.laa_net.config import EFFICIENTNET_COEFFICIENTS, HRNetStageConfig, LaaNetConfig
from facewitness.errors import CheckpointError
from facewitness.networks.efficientnet import block_specs
from facewitness.networks.state import some


def infer_config(state: Mapping[str, Any]) -> LaaNetConfig:
    """Guess the network from the keys and shapes of the authors' state dictionary.

    Raises:
        CheckpointError: If the keys are of none of the known networks.
    """
    keys = {k.removeprefix("module."): v for k, v in state.items()}
    heads: dict[str, Any] = {
        "heatmap_channels": _length(keys, "hm.3.bias", 1),
        "consistency_channels": _length(keys, "cstency.3.bias", 0),
        "offset_channels": _length(keys, "offset.3.bias", 0),
        "with_score": any(k.startswith("cls.") for k in keys),
        "head_width": _length(keys, "hm.1.weight", 0),
    }
    if "_conv_stem.weight" in keys:
        return _infer_efficientnet(keys, heads)
    if "conv3.pointwise.weight" in keys:
        return LaaNetConfig(backbone="xception", decoder="plain", dropout=0.5, **heads)
    if "final_layer.weight" in keys:
        return _infer_hrnet(keys)
    if "layer4.0.conv1.weight" in keys:
        layers = tuple(len({k.split(".")[1] for k in keys if k.startswith(f"layer{i}.")}) for i in range(1, 5))
        return LaaNetConfig(
            backbone="resnet",
            dropout=0.5,
            decoder="e_fpn" if "pw_block_1.0.weight" in keys else "plain",
            use_c2="pw_block_3.0.weight" in keys,
            score_from_pooled_map="cls.10.weight" in keys,
            resnet_layers=layers,
            resnet_block="Bottleneck" if "layer1.0.conv3.weight" in keys else "BasicBlock",
            image_size=256,
            **heads,
        )
    msg = f"checkpoint is of no known LAA-Net; its first keys are {some(list(keys))}"
    raise CheckpointError(msg)


def _infer_efficientnet(keys: Mapping[str, Any], heads: Mapping[str, Any]) -> LaaNetConfig:
    blocks = len({k.split(".")[1] for k in keys if k.startswith("_blocks.")})
    top = int(keys["_conv_head.weight"].shape[1])
    for found in EFFICIENTNET_COEFFICIENTS.values():
        width, depth, nominal_size = found
        stages = block_specs(width, depth)
        if sum(len(s) for s in stages) == blocks and stages[-1][-1].out_channels == top:
            break
    else:
        msg = f"checkpoint has an EfficientNet with {blocks} blocks ending in {top} channels; B0 to B7 are known"
        raise CheckpointError(msg)
    c3, c4 = (stages[i][-1].out_channels for i in (2, 4))
    with_pyramid = "deconv_1.0.0.weight" in keys
    return LaaNetConfig(
        width=width,
        depth=depth,
        nominal_size=nominal_size,
        decoder="e_fpn" if with_pyramid else "plain",
        use_c2="conv_c2.0.weight" in keys,
        use_c4=not with_pyramid or int(keys["deconv_3.0.0.weight"].shape[1]) == 2 * c4,
        use_c3=not with_pyramid or int(keys["deconv_4.1.weight"].shape[0]) == 2 * c3,
        with_channel_gates=any(k.startswith("se_layer") for k in keys),
        **heads,
    )


def _infer_hrnet(keys: Mapping[str, Any]) -> LaaNetConfig:
    stages = []
    for stage in (2, 3, 4):
        prefix = f"stage{stage}."
        own = [k.split(".") for k in keys if k.startswith(prefix) and ".branches." in k]
        modules = len({p[1] for p in own})
        branches = sorted({int(p[3]) for p in own})
        blocks = tuple(len({p[4] for p in own if int(p[3]) == b}) for b in branches)
        bottleneck = f"{prefix}0.branches.0.0.conv3.weight" in keys
        channels = tuple(int(keys[f"{prefix}0.branches.{b}.0.conv1.weight"].shape[0]) for b in branches)
        stages.append(HRNetStageConfig(modules, blocks, channels, "Bottleneck" if bottleneck else "BasicBlock"))
    cells = int(keys["final_layer_cls.3.weight"].shape[1]) if "final_layer_cls.3.weight" in keys else 576
    pool = round(cells**0.5)
    return LaaNetConfig(
        backbone="hrnet",
        dropout=0.0,
        decoder="plain",
        consistency_channels=0,
        with_score="final_layer_cls.3.weight" in keys,
        heatmap_channels=int(keys["final_layer.weight"].shape[0]),
        hrnet_stages=tuple(stages),
        heatmap_pool=pool,
        image_size=pool * 16,
    )


def _length(keys: Mapping[str, Any], name: str, default: int) -> int:
    return int(keys[name].shape[0]) if name in keys else default
