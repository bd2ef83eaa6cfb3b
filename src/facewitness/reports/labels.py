"""Where the names of face regions stand beside a face, so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from facewitness.records import Finding, RegionStrength, VerdictLabel
from facewitness.wording import REGION_STRENGTH

HEADLINES = {
    VerdictLabel.FAKE: "Traces of forgery found",
    VerdictLabel.REAL: "No trace found",
    VerdictLabel.UNCERTAIN: "No clear answer",
    VerdictLabel.NOT_SCORED: "Not scored",
}
"""Verdicts in words: REAL never says more than that nothing was found."""

SYMBOLS = {
    VerdictLabel.FAKE: "▲",
    VerdictLabel.REAL: "○",
    VerdictLabel.UNCERTAIN: "?",
    VerdictLabel.NOT_SCORED: "\u2013",
}
"""A shape beside each verdict colour, for readers who do not tell the colours apart."""

Rectangle = tuple[float, float, float, float]
"""Left, upper, right and lower edge."""

_GAP = 1.3  # distance of stacked labels in heights of one
_NEAR = 2.0  # how far a label may move from the height of its spot before it goes to the other side, in heights

# iBUG 68 points (of the picture's left side first, which is the person's right) that a region's anchor is the mean of.
_ANCHORS: dict[str, tuple[int, ...]] = {
    "right_brow": tuple(range(17, 22)),
    "left_brow": tuple(range(22, 27)),
    "right_eye": tuple(range(36, 42)),
    "left_eye": tuple(range(42, 48)),
    "nose": (29, 30, 33),
    "mouth": tuple(range(48, 60)),
    "jaw": (7, 8, 9, 57),
    "right_cheek": (2, 3, 31, 41),
    "left_cheek": (14, 13, 35, 46),
}


@dataclass(frozen=True)
class Label:
    """A name, the spot that it names and where its text stands.

    Attributes:
        text: What to write.
        anchor: Spot on the face, ``(x, y)`` in pixels of the view.
        left: Left edge of the text box.
        top: Upper edge of the text box.
        width: Width of the text box.
        height: Height of the text box.
    """

    text: str
    anchor: tuple[float, float]
    left: float
    top: float
    width: float
    height: float

    @property
    def rectangle(self) -> Rectangle:
        """The text box as left, upper, right and lower edge."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @property
    def elbow(self) -> tuple[float, float]:
        """Where the leader line meets the text box."""
        x = self.left if self.anchor[0] < self.left else self.left + self.width
        if self.left <= self.anchor[0] <= self.left + self.width:
            x = self.anchor[0]
        return x, self.top + self.height / 2


def score_text(score: float | None) -> str:
    """A score in few characters that never rounds to certainty.

    Example:
        >>> score_text(0.931), score_text(0.9999), score_text(0.0), score_text(None)
        ('0.93', '>0.99', '<0.01', 'none')
    """
    if score is None or not np.isfinite(score):
        return "none"
    if score >= 0.995:
        return ">0.99"
    return "<0.01" if score < 0.005 else f"{score:.2f}"


def region_anchor(name: str, landmarks: NDArray[np.float32]) -> tuple[float, float] | None:
    """The spot of a named region on 68 iBUG landmarks; None for a name without one."""
    if len(landmarks) != 68 or not np.isfinite(landmarks).all():
        return None
    if name == "forehead":
        brows = landmarks[17:27].mean(axis=0)
        x, y = brows + 0.6 * (brows - landmarks[30])
    elif name in _ANCHORS:
        x, y = landmarks[list(_ANCHORS[name])].mean(axis=0)
    else:
        return None
    return float(x), float(y)


def named_regions(finding: Finding, most: int = 3) -> tuple[RegionStrength, ...]:
    """The regions strong enough to be named, strongest first."""
    ranked = sorted(finding.regions, key=lambda region: (-region.strength, region.name))
    return tuple(region for region in ranked if region.strength >= REGION_STRENGTH)[:most]


def place_labels(
    wanted: Sequence[tuple[str, tuple[float, float], float]],
    *,
    box: NDArray[np.float32],
    bounds: tuple[float, float],
    height: float,
    taken: Sequence[Rectangle] = (),
) -> tuple[Label, ...]:
    """Put each text left or right of the face, near the height of its spot, without overlap.

    Args:
        wanted: Text, anchor ``(x, y)`` and width of the text box for each label.
        box: ``(4,)`` xyxy of the face, pixels of the view.
        bounds: Width and height of the view.
        height: Height of a text box.
        taken: Rectangles ``(left, top, right, bottom)`` that must stay clear.

    Returns:
        Labels inside ``bounds``; one without a free place is left out.
    """
    centre = (float(box[0]) + float(box[2])) / 2
    used = list(taken)
    placed: list[Label] = []
    for is_left in (True, False):
        side = sorted((entry for entry in wanted if (entry[1][0] < centre) is is_left), key=lambda entry: entry[1][1])
        tops = spread([entry[1][1] - height / 2 for entry in side], _GAP * height, bounds[1] - height)
        for (text, anchor, width), top in zip(side, tops, strict=True):
            beside = (float(box[0]) - height - width, float(box[2]) + height)
            # the far side of the face only where the near one is taken
            for edge, nearness in ((beside[not is_left], _NEAR), (beside[is_left], _NEAR), (beside[not is_left], inf)):
                left = float(np.clip(edge, 2.0, max(2.0, bounds[0] - width - 2.0)))
                free = _free_top(left, top, (width, height), bounds, used)
                if free is not None and abs(free - top) <= nearness * height:
                    placed.append(Label(text, anchor, left, free, width, height))
                    used.append(placed[-1].rectangle)
                    break
    return tuple(placed)


def spread(tops: list[float], gap: float, lowest: float) -> list[float]:
    """Ascending positions pushed at least ``gap`` apart, within 0 and ``lowest`` as far as they fit."""
    result: list[float] = []
    for top in tops:
        result.append(max(top, 0.0, result[-1] + gap if result else 0.0))
    limit = lowest
    for i in reversed(range(len(result))):
        limit = result[i] = min(result[i], limit)
        limit -= gap
    return [max(0.0, top) for top in result]


def _free_top(
    left: float, wanted: float, size: tuple[float, float], bounds: tuple[float, float], used: Sequence[Rectangle]
) -> float | None:
    """The upper edge nearest to the wanted one at which a box meets none of the used ones; None when there is none."""
    width, height = size
    lowest = bounds[1] - height
    if lowest < 0 or left + width > bounds[0]:
        return None
    start = min(max(0.0, wanted), lowest)
    in_column = [r for r in used if r[0] < left + width and left < r[2]]
    air = (_GAP - 1) * height
    # a free place nearest to the wanted one either is that, or touches something
    edges = [start, *(r[1] - height - air for r in in_column), *(r[3] + air for r in in_column)]
    free = [
        top
        for top in edges
        if 0.0 <= top <= lowest and all(top + height <= r[1] + 1e-6 or r[3] <= top + 1e-6 for r in in_column)
    ]
    return min(free, key=lambda top: abs(top - start)) if free else None
