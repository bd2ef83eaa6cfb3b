"""Picture, video or sound: found by content, never by name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from facewitness.errors import MediaError
from facewitness.media.containers import open_container, picture_stream, sound_stream
from facewitness.media.files import open_regular
from facewitness.media.images import read_header
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.media.signatures import HEAD_BYTES, PICTURES, advice_for, name_of_head

Kind = Literal["image", "video", "audio"]

_PLAYABLE = frozenset({"GIF", "PNG"})
"""Picture formats whose animated form is read as a video; other animations give their first picture."""


def identify(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> Kind:
    """Say what a file is, or why it is nothing that can be read.

    Only headers are read. A file with a moving picture is a video, with or without sound; animated GIF and PNG are
    videos; cover art does not make a song a video.

    Raises:
        MediaError: If the file is missing, empty, not a regular file, damaged at its start, or not media.
        LimitExceededError: If it is beyond the limits on bytes or pixels.
    """
    with open_regular(path, max_bytes=limits.max_bytes) as stream:
        head = name_of_head(stream.read(HEAD_BYTES))
    if head in PICTURES:
        header = read_header(path, limits=limits)
        return "video" if header.is_animated and head in _PLAYABLE else "image"
    with open_container(path, limits=limits) as container:
        if picture_stream(container) is not None:
            return "video"
        if sound_stream(container) is not None:
            return "audio"
    msg = f"{path}: holds neither picture nor sound that can be decoded; this is {advice_for(head)}"
    raise MediaError(msg)


def sniff(path: Path | str, *, limits: Limits = DEFAULT_LIMITS) -> Literal["image", "video", "audio", "unknown"]:
    """As `identify`, but say ``unknown`` instead of raising."""
    try:
        return identify(path, limits=limits)
    except MediaError:
        return "unknown"
