"""Deterministic weights, inputs, landmarks and masks that the LAA-Net parity sets were made with (our own code)."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

_FOREHEAD_RAW_ORDER = (77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78)
"""Where each forehead point, left to right, sits in the raw 81-point model."""


def fill_value(key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Values of one floating-point entry of a state dictionary, drawn from a generator seeded by its name."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif key.endswith("running_mean"):
        values = 0.1 * rng.standard_normal(shape)
    elif len(shape) >= 2:
        values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    elif len(shape) == 1 and key.endswith("weight"):
        values = 1 + 0.1 * rng.standard_normal(shape)
    else:
        values = 0.02 * rng.standard_normal(shape)
    return np.ascontiguousarray(values, dtype=np.float32)


def canonical(key: str, keys: Collection[str]) -> str:
    """The name that an entry takes its values from: the inception block is registered under two names."""
    if key.startswith("inception_block."):
        other = "deconv_4.0." + key.removeprefix("inception_block.")
        if other in keys:
            return other
    return key


def fill_state(
    shapes: Mapping[str, tuple[tuple[int, ...], bool]], *, gain: float = 1.0
) -> dict[str, NDArray[np.float32]]:
    """Fill a state dictionary.

    Args:
        shapes: Official key to shape and whether it is floating point; integer entries are left out.
        gain: Factor on every array of two or more dimensions.

    Returns:
        Official key to values.
    """
    filled = {}
    for key, (shape, is_float) in shapes.items():
        if is_float:
            values = fill_value(canonical(key, shapes), tuple(int(s) for s in shape))
            filled[key] = values * np.float32(gain) if values.ndim >= 2 and gain != 1.0 else values
    return filled


def normal_input(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def uint8_image(seed: int, h: int, w: int) -> NDArray[np.uint8]:
    """A smooth random ``(h, w, 3)`` picture: an 8 x 8 grid of colours, interpolated, plus noise of +-8."""
    rng = np.random.default_rng(seed)
    grid = rng.uniform(30, 225, (9, 9, 3))
    ys, xs = np.linspace(0, 7.999, h), np.linspace(0, 7.999, w)
    y0, x0 = ys.astype(int), xs.astype(int)
    fy, fx = (ys - y0)[:, None, None], (xs - x0)[None, :, None]
    picture = grid[y0][:, x0] * (1 - fy) * (1 - fx) + grid[y0 + 1][:, x0] * fy * (1 - fx)
    picture = picture + grid[y0][:, x0 + 1] * (1 - fy) * fx + grid[y0 + 1][:, x0 + 1] * fy * fx
    picture = picture + rng.integers(-8, 9, (h, w, 1))
    return np.asarray(np.clip(np.rint(picture), 0, 255), dtype=np.uint8)


def _mean_face() -> NDArray[np.float64]:
    """``(81, 2)`` points of a frontal face in parts of the image side."""
    p = np.zeros((81, 2))
    t = np.linspace(0, np.pi, 17)
    p[:17] = np.c_[0.5 - 0.30 * np.cos(t), 0.45 + 0.38 * np.sin(t)]
    brow = 0.36 - 0.03 * np.sin(np.linspace(0.3, np.pi - 0.3, 5))
    p[17:22] = np.c_[np.linspace(0.25, 0.43, 5), brow]
    p[22:27] = np.c_[np.linspace(0.57, 0.75, 5), brow]
    p[27:31] = np.c_[np.full(4, 0.5), np.linspace(0.42, 0.56, 4)]
    p[31:36] = np.c_[np.linspace(0.45, 0.55, 5), [0.60, 0.61, 0.62, 0.61, 0.60]]
    eye_x, eye_y = np.array([-1, -0.4, 0.4, 1, 0.4, -0.4]), np.array([0, -1, -1, 0, 1, 1])
    for start, centre_x in ((36, 0.36), (42, 0.64)):
        p[start : start + 6] = np.c_[centre_x + 0.045 * eye_x, 0.43 + 0.018 * eye_y]
    for start, stop, count, width, height in ((48, 55, 7, 0.09, 0.03), (60, 65, 5, 0.07, 0.012)):
        a = np.linspace(np.pi, 0, count)
        p[start:stop] = np.c_[0.5 + width * np.cos(a), 0.70 - height * np.sin(a)]
    for start, stop, count, width, height in ((55, 60, 7, 0.09, 0.04), (65, 68, 5, 0.07, 0.015)):
        a = np.linspace(0, np.pi, count)[1:-1]
        p[start:stop] = np.c_[0.5 + width * np.cos(a), 0.70 + height * np.sin(a)]
    arc = np.linspace(np.pi, 0, 13)
    p[list(_FOREHEAD_RAW_ORDER)] = np.c_[0.5 + 0.29 * np.cos(arc), 0.38 - 0.27 * np.sin(arc)]
    return p


def landmarks(seed: int, n: int = 81, size: int = 317, jitter: float = 1.5) -> NDArray[np.int64]:
    """``(n, 2)`` landmarks of a frontal face: 68 in iBUG order, then the forehead in raw 81-point order."""
    p = _mean_face()
    rng = np.random.default_rng(seed)
    p = p * size + rng.normal(0, jitter, p.shape) + rng.uniform(-6, 6, 2)
    return np.clip(np.rint(p[:n]), 1, size - 2).astype(np.int64)


def soft_ellipse_mask(seed: int, size: int = 96) -> NDArray[np.float64]:
    """A blending mask in [0, 1]: a soft ellipse of random place, axes and softness."""
    rng = np.random.default_rng(seed)
    cy, cx = rng.uniform(0.35, 0.65, 2) * size
    ay, ax = rng.uniform(0.18, 0.34, 2) * size
    soft = rng.uniform(1.0, 6.0)
    yy, xx = np.mgrid[:size, :size]
    r = np.sqrt(((yy - cy) / ay) ** 2 + ((xx - cx) / ax) ** 2)
    return np.asarray(1 / (1 + np.exp((r - 1) * min(ay, ax) / soft)), dtype=np.float64)


def boundary_uint8(mask: NDArray[np.float64]) -> NDArray[np.uint8]:
    """``(h, w, 3)`` uint8 boundary ``255 * 4 m (1 - m)``, truncated."""
    return np.repeat((4 * mask * (1 - mask) * 255).astype(np.uint8)[..., None], 3, 2)
