"""Gaussian smoothing and multi-scale Laplacian features, fixed kernels under learned mixing.

Reference: Guo et al., Rethinking Vision-Language Model in Face Forensics (M2F2-Det), CVPR 2025; the modules come with
its code, whose released detectors do not run them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.errors import ConfigError


def gaussian_kernel(side: int, sigma: float) -> Tensor:
    """``(side, side)`` float32 that sums to 1.

    Example:
        >>> round(float(gaussian_kernel(3, 2.0).sum()), 6)
        1.0
    """
    offsets = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    line = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = line[:, None] * line[None]
    return (kernel / kernel.sum()).float()


class GaussianSmoothing(nn.Module):
    """The same Gaussian over each channel, without padding.

    Args:
        channels: Of the input.
        side: Of the kernel in pixels.
        sigma: Of the Gaussian in pixels.

    Raises:
        ConfigError: If a value is not above 0.
    """

    weight: Tensor

    def __init__(self, channels: int, side: int, sigma: float) -> None:
        super().__init__()
        if min(channels, side, sigma) <= 0:
            msg = f"channels, side and sigma must be above 0, got {channels}, {side}, {sigma}"
            raise ConfigError(msg)
        self.channels = channels
        self.register_buffer("weight", gaussian_kernel(side, sigma).repeat(channels, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to ``(B, C, H - side + 1, W - side + 1)``."""
        return functional.conv2d(x, self.weight, groups=self.channels)


class LaplacianPyramid(nn.Module):
    """What smoothing and shrinking take away at several scales, mixed by a 1 x 1 convolution.

    Args:
        channels: Of input and output.
        side: Of the smoothing kernels in pixels.
        scales: Factors of shrinking; each is its Gaussian's sigma too.

    Raises:
        ConfigError: If there is no scale.
    """

    def __init__(self, channels: int, side: int = 3, scales: Sequence[int] = (2,)) -> None:
        super().__init__()
        if not scales:
            msg = "a Laplacian pyramid needs at least one scale"
            raise ConfigError(msg)
        self.scales = tuple(scales)
        self.smoothing = nn.ModuleList(GaussianSmoothing(channels, side, float(s)) for s in self.scales)
        self.mix = nn.Sequential(
            nn.Conv2d(channels * len(self.scales), channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape."""
        size = x.shape[-2:]
        details = []
        for scale, smooth in zip(self.scales, self.smoothing, strict=True):
            small = functional.interpolate(smooth(x), scale_factor=1 / scale, mode="bilinear")
            details.append(x - functional.interpolate(small, size=size, mode="bilinear"))
        out: Tensor = self.mix(torch.cat(details, dim=1))
        return out
