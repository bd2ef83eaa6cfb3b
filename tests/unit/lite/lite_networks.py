"""Small networks whose batch norms have seen something, and pictures for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facewitness.detectors.laa_net.lite.config import LiteConfig

if TYPE_CHECKING:
    from facewitness.detectors.laa_net.lite.model import LaaNetLite

SMALL = LiteConfig(width=16, image_size=64)


def made(config: LiteConfig = SMALL, seed: int = 0) -> LaaNetLite:
    """Random weights, with which scores and maps differ from picture to picture."""
    import torch

    from facewitness.detectors.laa_net.lite.model import LaaNetLite

    torch.manual_seed(seed)
    model = LaaNetLite(config).train()
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(8, 3, 64, 64))
        model.maps.weight.normal_(0, 1.0)
        model.maps.bias.zero_()
        model.scores.weight.normal_(0, 0.3)
    for norm in norms:
        norm.momentum = 0.01
    return model.eval()


def crops(count: int, side: int = 64, seed: int = 3) -> list[np.ndarray]:
    """``(side, side, 3)`` uint8 RGB each: coarse patches, so that a change of size changes little."""
    rng = np.random.default_rng(seed)
    return [
        np.kron(rng.integers(0, 256, (side // 4, side // 4, 3)), np.ones((4, 4, 1), int)).astype(np.uint8)
        for _ in range(count)
    ]
