"""Geometry of small curves over levels: points, gaps and bands in the units of an SVG's view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

WIDTH, HEIGHT = 320, 150
"""View box of one panel; values of 0 lie at the bottom, of 1 at the top."""

_SIDE = 12.0


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Attributes:
        runs: ``x,y`` pairs of each unbroken run, as SVG writes them.
        dots: Each point that has a value.
    """

    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


def across(count: int) -> tuple[float, ...]:
    """Evenly spaced places along x.

    Example:
        >>> across(3)
        (12.0, 160.0, 308.0)
    """
    step = (WIDTH - 2 * _SIDE) / max(1, count - 1)
    return tuple(round(_SIDE + step * i, 1) for i in range(count))


def up(value: float) -> float:
    """Height of a value in [0, 1]; what is outside lies at the nearest end.

    Example:
        >>> up(0.0), up(0.5), up(1.0)
        (150.0, 75.0, 0.0)
    """
    return round(HEIGHT * (1 - min(1.0, max(0.0, value))), 1)


def curve(values: Sequence[float | None]) -> Curve:
    """A line through values in [0, 1], broken where one is missing.

    Example:
        >>> curve([1.0, 0.5, None]).runs
        ('12.0,0.0 160.0,75.0',)
    """
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(across(len(values)), values, strict=True):
        if value is None or not isfinite(value):
            runs.append([])
        else:
            runs[-1].append((x, up(value)))
    drawn = tuple(" ".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1)
    return Curve(drawn, tuple(dot for run in runs for dot in run))


def band(low: Sequence[float | None], high: Sequence[float | None]) -> str:
    """The outline of an interval, as SVG writes it; empty where fewer than two places have both ends.

    Example:
        >>> band([0.0, 0.5], [1.0, 1.0])
        '12.0,0.0 308.0,0.0 308.0,75.0 12.0,150.0'
    """
    ends = [
        (x, up(a), up(b))
        for x, a, b in zip(across(len(low)), low, high, strict=True)
        if a is not None and b is not None and isfinite(a) and isfinite(b)
    ]
    if len(ends) < 2:
        return ""
    there, back = [f"{x},{b}" for x, _, b in ends], [f"{x},{a}" for x, a, _ in reversed(ends)]
    return " ".join([*there, *back])
