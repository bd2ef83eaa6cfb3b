"""What the first bytes of a file say it is, whatever its name says."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 4096
"""How many bytes `name_of_head` wants to see."""

PICTURES = frozenset({"JPEG", "PNG", "GIF", "WebP", "BMP", "TIFF", "AVIF", "HEIC"})
"""Picture formats by the names that `name_of_head` gives."""

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (b"FLV\x01", "Flash video"),
    (b"OggS", "Ogg"),
    (b"\x00\x00\x01\xba", "MPEG program stream"),
    (b"\x00\x00\x01\xb3", "MPEG video"),
    (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
    (b"ID3", "MP3"),
    (b"fLaC", "FLAC"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_RIFF = {b"WEBP": "WebP", b"AVI ": "AVI", b"WAVE": "WAV"}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"v=0\r\n", b"v=0\n", b"<MPD", b"<asx")
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")

_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "GIF": {".gif"},
    "WebP": {".webp"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff", ".dng"},
    "AVIF": {".avif", ".avifs"},
    "HEIC": {".heic", ".heif", ".hif", ".heics"},
}


def name_of_head(head: bytes) -> str:
    """Name the format that the first bytes belong to.

    Args:
        head: The first `HEAD_BYTES` bytes, or all there are.

    Returns:
        ``JPEG``, ``AVI``, ``a ZIP archive``, ``a playlist``, ``text``, ...; empty when nothing is recognised.

    Example:
        >>> name_of_head(b"GIF89a...")
        'GIF'
    """
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _name_of_iso_media(head)
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "BMP"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    return _name_of_text(head)


def _name_of_iso_media(head: bytes) -> str:
    """Tell AVIF and HEIC pictures from MP4 and QuickTime by their brands."""
    end = min(int.from_bytes(head[:4], "big"), len(head), 256)
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))}
    if head[8:12] in _AVIF_BRANDS or (head[8:12] in {b"mif1", b"miaf"} and brands & _AVIF_BRANDS):
        return "AVIF"
    return "HEIC" if head[8:12] in _HEIC_BRANDS else "MP4 or QuickTime"


def _name_of_text(head: bytes) -> str:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if any(mark in start[:512] for mark in _PLAYLISTS):
        return "a playlist"
    lowered = start[:512].lower()
    if any(lowered.startswith(mark) for mark in _MARKUP):
        return "an HTML page"
    if b"<svg" in lowered:
        return "an SVG drawing"
    return "text" if head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head[:512]) else ""


def name_warning(path: Path | str, found: str) -> str | None:
    """A warning when a picture's name ends in another format's suffix.

    Args:
        path: The file.
        found: Format as `name_of_head` gives it.

    Example:
        >>> name_warning("face.png", "JPEG")
        'the name ends in .png but the file holds JPEG; decoded by content'
    """
    suffix = Path(path).suffix.lower()
    if found not in PICTURES or not suffix or suffix in _SUFFIXES[found]:
        return None
    return f"the name ends in {suffix} but the file holds {found}; decoded by content"


def advice_for(found: str) -> str:
    """What to tell the owner of a file that is not readable media."""
    if found == "a playlist":
        return "a playlist, which only points at other files; give the video or sound file itself"
    if found == "an HTML page":
        return "an HTML page, probably saved instead of the media on it; download the file itself"
    if found == "an SVG drawing":
        return "an SVG drawing, which is not supported; give a photo or video"
    if found.endswith(" picture"):
        return f"{found}, which is not supported; save it as JPEG or PNG"
    if found:
        return f"{found}; give a photo, video or sound file"
    return "of no known format; give a photo, video or sound file"
