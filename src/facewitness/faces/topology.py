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

_RIGHT_EYE_AREA = (226, 31, 228, 229, 230, 231, 232, 233, 244, 189, 221, 222, 223, 224, 225, 113)
_LEFT_EYE_AREA = (446, 261, 448, 449, 450, 451, 452, 453, 464, 413, 441, 442, 443, 444, 445, 342)
_RIGHT_BROW_AREA = (70, 63, 105, 66, 107, 55, 221, 222, 223, 224, 225, 46)
_LEFT_BROW_AREA = (300, 293, 334, 296, 336, 285, 441, 442, 443, 444, 445, 276)
_NOSE_AREA = (168, 193, 245, 188, 174, 217, 198, 49, 129, 98, 97, 2, 326, 327, 358, 279, 420, 437, 399, 412, 465, 417)
_MOUTH_AREA = (57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287, 273, 335, 406, 313, 18, 83, 182, 106, 43)
_JAW_AREA = (
    *(58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288),
    *(434, 432, 273, 335, 406, 313, 18, 83, 182, 106, 43, 212, 214),
)
_RIGHT_CHEEK_AREA = (127, 234, 93, 132, 58, 214, 212, 216, 206, 203, 129, 126, 128, 233, 232, 231, 230, 229, 228, 31)
_LEFT_CHEEK_AREA = (356, 454, 323, 361, 288, 434, 432, 436, 426, 423, 358, 355, 357, 453, 452, 451, 450, 449, 448, 261)
_FOREHEAD_AREA = (*FOREHEAD_ACROSS[1:-1], 300, 293, 334, 296, 336, 9, 107, 66, 105, 63, 70)

REGIONS: dict[str, tuple[int, ...]] = {
    "right_eye": _RIGHT_EYE_AREA,
    "left_eye": _LEFT_EYE_AREA,
    "right_brow": _RIGHT_BROW_AREA,
    "left_brow": _LEFT_BROW_AREA,
    "nose": _NOSE_AREA,
    "mouth": _MOUTH_AREA,
    "jaw": _JAW_AREA,
    "right_cheek": _RIGHT_CHEEK_AREA,
    "left_cheek": _LEFT_CHEEK_AREA,
    "forehead": _FOREHEAD_AREA,
}
"""Mesh indices of each named region's outline, in order around it."""
