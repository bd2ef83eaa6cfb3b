"""The codings that test pictures go through, reals and fakes alike, before they are scored.

A picture's own format tells its source, and in most sets the sources of reals and fakes differ. After the same resizing
and the same coding at a strength that dominates the old one, less of that is left; `controls` measures how much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import UnknownNameError
from facewitness.h264 import h264_compress
from facewitness.jpeg import jpeg_again

Coding = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

CODINGS: Mapping[str, Coding] = {
    **{f"jpeg-q{quality}": partial(jpeg_again, quality=quality) for quality in (90, 60, 30)},
    **{f"h264-crf{crf}": partial(h264_compress, crf=crf, inter=False) for crf in (23, 32, 40)},
}
"""By name: JPEG 4:2:0 of libjpeg quality q, and one intra-coded x264 frame of constant rate factor crf."""


def codings(names: Sequence[str]) -> dict[str, Coding]:
    """The codings of these names; all of them for no names.

    Raises:
        UnknownNameError: On a name that is not in `CODINGS`.

    Example:
        >>> list(codings(["jpeg-q60"]))
        ['jpeg-q60']
    """
    unknown = [name for name in names if name not in CODINGS]
    if unknown:
        msg = f"no coding is called {unknown[0]!r}. Known: {', '.join(CODINGS)}"
        raise UnknownNameError(msg)
    return {name: CODINGS[name] for name in names or CODINGS}
