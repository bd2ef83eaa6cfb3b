"""The `MediaInfo` record of any path, readable or not."""

from __future__ import annotations

from pathlib import Path

from facewitness.errors import MediaError
from facewitness.media.containers import open_container
from facewitness.media.files import open_regular
from facewitness.media.images import DecodedImage, ImageHeader, read_header
from facewitness.media.kind import identify
from facewitness.media.limits import DEFAULT_LIMITS, Limits
from facewitness.media.video import VideoInfo, probe_video
from facewitness.records import MediaInfo
from facewitness.weights import sha256_of


def describe(
    path: Path | str, *, decoded: DecodedImage | VideoInfo | None = None, limits: Limits = DEFAULT_LIMITS
) -> MediaInfo:
    """Describe a file; never raises for one that cannot be read.

    Args:
        path: Any path.
        decoded: What the caller has already found out about the file, to save reading it again.
        limits: Bounds.

    Returns:
        A record of kind ``image`` or ``video``, else ``unknown``: for sound alone (with ``has_audio``) and for
        whatever cannot be opened (with an empty hash when not even its bytes can be read).
    """
    digest, size = _fingerprint(path, limits)
    if not digest:
        return MediaInfo(str(path), "unknown", "", size)
    try:
        found = decoded or _inspect(path, limits)
        if found is None:
            return _sound(path, digest, size, limits)
    except MediaError:
        return MediaInfo(str(path), "unknown", digest, size)
    if isinstance(found, VideoInfo):
        return MediaInfo(
            *(str(path), "video", digest, size, found.width, found.height, found.format),
            fps=found.fps,
            duration_s=found.duration_s,
            has_audio=found.has_audio,
        )
    return MediaInfo(str(path), "image", digest, size, found.width, found.height, found.format)


def _fingerprint(path: Path | str, limits: Limits) -> tuple[str, int]:
    """Hash and size; the hash is empty for what is not a readable file of admitted size."""
    try:
        open_regular(path, max_bytes=limits.max_bytes).close()
        return sha256_of(Path(path)), Path(path).stat().st_size
    except (MediaError, OSError):
        pass
    try:
        return "", Path(path).stat().st_size if Path(path).is_file() else 0
    except (OSError, ValueError):
        return "", 0


def _inspect(path: Path | str, limits: Limits) -> ImageHeader | VideoInfo | None:
    kind = identify(path, limits=limits)
    if kind == "image":
        return read_header(path, limits=limits)
    return probe_video(path, limits=limits) if kind == "video" else None


def _sound(path: Path | str, digest: str, size: int, limits: Limits) -> MediaInfo:
    with open_container(path, limits=limits) as container:
        length_s = container.duration / 1e6 if container.duration else None
        name = container.format.name
    return MediaInfo(str(path), "unknown", digest, size, format=name, duration_s=length_s, has_audio=True)
