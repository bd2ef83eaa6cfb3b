"""EfficientNet-Lite0 as the vision tower of a LLaVA-type model, for transformers' own Llava class.

One token per cell of 32 pixels: the features at strides 8, 16 and 32 that lie in it, each level normalised, and where
the cell lies. A folder with this tower opens with our loader, which makes its ``model_type`` known; no code of the
folder is run.

Reference: `facewitness.networks.efficientnet_lite`; Liu et al., LLaVA, NeurIPS 2023, for what becomes of the tokens.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from facewitness.errors import ConfigError
from facewitness.language.llava_files import LITE_TOWER
from facewitness.networks.clip_sizes import CLIP_MEAN, CLIP_STD
from facewitness.networks.efficientnet_lite import HEAD_WIDTH, PYRAMID_WIDTHS, EfficientNetLite0

CELL: Final = 32
"""Side of a cell, pixels."""

_MEAN, _STD = 0.498, 0.502  # what the network was trained with, all channels
_FOLDS: Final = (4, 2, 1)  # cells of strides 8, 16 and 32 along a side of one token
TOKEN_WIDTH: Final = sum(w * f * f for w, f in zip((*PYRAMID_WIDTHS[1:], HEAD_WIDTH), _FOLDS, strict=True)) + 2
"""Numbers per token: the features of all three levels, and the cell's place across and down."""


class LiteTowerConfig(PretrainedConfig):  # type: ignore[misc,no-untyped-call,unused-ignore]
    """Its sizes, as transformers keeps them.

    Args:
        image_size: Side of the pictures, pixels; a multiple of `CELL`.
        others: What every config has.

    Raises:
        ConfigError: If the side is no multiple of `CELL`.
    """

    model_type = LITE_TOWER

    def __init__(self, image_size: int = 192, **others: Any) -> None:
        if image_size < CELL or image_size % CELL:
            msg = f"image_size of the tower must be a multiple of {CELL}, got {image_size}"
            raise ConfigError(msg)
        self.image_size = image_size
        self.patch_size = CELL
        self.hidden_size = TOKEN_WIDTH
        others = {key: value for key, value in others.items() if key not in ("patch_size", "hidden_size")}
        super().__init__(**others)


class LiteTower(PreTrainedModel):  # type: ignore[misc,no-untyped-call,unused-ignore]
    """The tower.

    Args:
        config: Its sizes.
    """

    config_class = LiteTowerConfig
    base_model_prefix = "lite"
    main_input_name = "pixel_values"

    def __init__(self, config: LiteTowerConfig) -> None:
        super().__init__(config)
        self.backbone = EfficientNetLite0()
        self.post_init()  # type: ignore[no-untyped-call,unused-ignore]

    def _init_weights(self, module: nn.Module) -> None:
        """Layers start as torch makes them: the weights come from elsewhere."""

    def forward(self, pixel_values: Tensor, **_others: Any) -> BaseModelOutput:
        """Tokens of pictures, without a class token.

        Args:
            pixel_values: ``(n, 3, side, side)`` float, normalised with CLIP's mean and deviation as
                `facewitness.language.pictures` does for every tower.

        Returns:
            Last state and, as the only hidden state, the same: ``(n, (side / 32) ** 2, width)``, row by row.
        """
        mean = pixel_values.new_tensor(CLIP_MEAN)[:, None, None]
        std = pixel_values.new_tensor(CLIP_STD)[:, None, None]
        _, *levels = self.backbone((pixel_values * std + mean - _MEAN) / _STD)
        parts = [_folded(level, fold) for level, fold in zip(levels, _FOLDS, strict=True)]
        rows, columns = parts[-1].shape[1:3]
        down = torch.linspace(-1, 1, rows, device=pixel_values.device, dtype=pixel_values.dtype)
        across = torch.linspace(-1, 1, columns, device=pixel_values.device, dtype=pixel_values.dtype)
        place = torch.stack(torch.meshgrid(down, across, indexing="ij"), -1).flip(-1)
        parts.append(place.expand(len(pixel_values), -1, -1, -1))
        tokens = torch.cat(parts, -1).flatten(1, 2)
        return BaseModelOutput(last_hidden_state=tokens, hidden_states=(tokens,))


def register() -> None:
    """Make the tower known to transformers; may be called again."""
    AutoConfig.register(LITE_TOWER, LiteTowerConfig, exist_ok=True)
    AutoModel.register(LiteTowerConfig, LiteTower, exist_ok=True)


def _folded(level: Tensor, fold: int) -> Tensor:
    """``(n, C, h, w)`` normalised over channels, then ``fold`` x ``fold`` cells beside each other: channels last."""
    normal = functional.layer_norm(level.permute(0, 2, 3, 1), level.shape[1:2]).permute(0, 3, 1, 2)
    return functional.pixel_unshuffle(normal, fold).permute(0, 2, 3, 1)
