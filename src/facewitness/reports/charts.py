"""Geometry of square charts with both axes from 0 to 1: curves, dots, and two histograms back to back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SIDE = 240
"""Side of a chart's plotting area in units of its view box."""

_LEAST_DOT, _MOST_DOT = 2.5, 8.0


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in units of the view box."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Dot:
    """One dot, its size by how much it stands for."""

    x: float
    y: float
    radius: float
    words: str


@dataclass(frozen=True)
class Histogram:
    """Scores of reals upwards and of fakes downwards from the middle, each as shares of its own label.

    Attributes:
        real: Bars above the middle.
        fake: Bars below it.
        top: Share that the full half stands for.
        low: Score at the left end.
        high: Score at the right end.
    """

    real: tuple[Bar, ...]
    fake: tuple[Bar, ...]
    top: float
    low: float
    high: float


def place(x: float, y: float) -> tuple[float, float]:
    """A point in [0, 1] squared in units of the view box; y runs upwards.

    Example:
        >>> place(0.0, 0.0), place(1.0, 1.0)
        ((0.0, 240.0), (240.0, 0.0))
    """
    inside = (min(1.0, max(0.0, value)) for value in (x, 1 - y))
    across, down = (round(SIDE * value, 2) for value in inside)
    return across, down


def polyline(points: Sequence[Sequence[float]]) -> str:
    """A curve as SVG writes it.

    Example:
        >>> polyline([[0, 0], [0.5, 1]])
        '0.0,240.0 120.0,0.0'
    """
    return " ".join(f"{x},{y}" for x, y in (place(p[0], p[1]) for p in points))


def reliability_dots(rows: Sequence[Mapping[str, Any]]) -> tuple[Dot, ...]:
    """Mean score against share of fakes, the dot's area by the number of scores."""
    most = max((row["count"] for row in rows), default=1)
    dots = []
    for row in rows:
        x, y = place(row["mean_probability"], row["fake_share"])
        radius = _LEAST_DOT + (_MOST_DOT - _LEAST_DOT) * (row["count"] / most) ** 0.5
        words = f"{row['count']} scores of {row['mean_probability']:.2f} on average: {row['fake_share']:.0%} fake"
        dots.append(Dot(x, y, round(radius, 2), words))
    return tuple(dots)


def histogram(edges: Sequence[float], real: Sequence[int], fake: Sequence[int]) -> Histogram:
    """Lay out two histograms back to back.

    Args:
        edges: ``(k + 1,)`` rising.
        real: ``(k,)`` counts of reals.
        fake: ``(k,)`` counts of fakes.

    Example:
        >>> made = histogram([0.0, 0.5, 1.0], [3, 1], [0, 4])
        >>> made.top, [bar.height for bar in made.real], [bar.height for bar in made.fake]
        (1.0, [90.0, 30.0], [0.0, 120.0])
    """
    shares = [[count / max(sum(counts), 1) for count in counts] for counts in (real, fake)]
    top = max(max(half, default=0.0) for half in shares) or 1.0
    width = SIDE / max(len(real), 1)
    middle = SIDE / 2
    halves = []
    for upwards, half in zip((True, False), shares, strict=True):
        heights = [round(middle * share / top, 2) for share in half]
        halves.append(
            tuple(
                Bar(round(i * width, 2), round(middle - h, 2) if upwards else middle, round(width * 0.9, 2), h)
                for i, h in enumerate(heights)
            )
        )
    return Histogram(halves[0], halves[1], round(top, 4), edges[0], edges[-1])
