"""Which of the 468 mesh points make up the landmark subsets and the named regions.

Mesh numbering: the canonical face mesh of MediaPipe. "Right" and "left" are the person's own, so
the right side is on the left of an upright, unmirrored picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MESH_POINTS = 468

_JAW = (127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356)
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NOSE = (168, 197, 5, 4, 98, 97, 2, 326, 327)
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_OUTER_LIPS = (61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91)
_INNER_LIPS = (78, 81, 13, 311, 308, 402, 14, 178)

LANDMARKS_68: NDArray[np.intp] = np.array(_JAW + _BROWS + _NOSE + _EYES + _OUTER_LIPS + _INNER_LIPS)
"""Mesh index of each iBUG-68 landmark."""

FOREHEAD_ACROSS = (162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389)
"""Hairline from the person's right temple to the left one (left to right in an upright picture)."""

_RAW_81_OF_ACROSS = (77, 75, 76, 68, 69, 70, 71, 80, 72, 73, 79, 74, 78)


def _forehead_raw() -> tuple[int, ...]:
    """The 13 forehead points in the order in which the 81-point model gives them."""
    raw = [0] * len(FOREHEAD_ACROSS)
    for mesh_index, position in zip(FOREHEAD_ACROSS, _RAW_81_OF_ACROSS, strict=True):
        raw[position - 68] = mesh_index
    return tuple(raw)


LANDMARKS_81: NDArray[np.intp] = np.concatenate([LANDMARKS_68, np.array(_forehead_raw())])
"""Mesh index of each landmark of the 81-point model: the 68, then the forehead in its raw order."""

RIGHT_EYE = (33, 160, 158, 133, 153, 144)
LEFT_EYE = (362, 385, 387, 263, 373, 380)
NOSE_TIP = 4
MOUTH_CORNERS = (61, 291)
EYE_OUTER_CORNERS = (33, 263)
"""Right eye, left eye: the line that sets the face's rotation."""
