"""Any Pillow mode to 8-bit RGB: depth, palette, transparency, CMYK and colour profiles."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

BACKGROUND = 255
"""Grey level shown through transparent parts: white, as a page would."""

_PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_MAX_PROFILE_BYTES = 8 << 20
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def to_rgb(picture: Image.Image, warnings: list[str]) -> NDArray[np.uint8]:
    """Convert a loaded picture to sRGB.

    Args:
        picture: A loaded Pillow picture of any mode.
        warnings: Remarks for the reader are appended.

    Returns:
        A new ``(H, W, 3)`` uint8 array, RGB. 16-bit and float greys are scaled to 0..255, transparent parts
        shown on white, colour profiles converted (relative colorimetric) when they are readable.
    """
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I") or picture.mode == "F":
        return np.repeat(_deep_grey(picture, warnings)[..., None], 3, axis=2)
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        picture = _on_background(picture, warnings)
    if picture.mode == "LAB":
        picture, profile = _lab_to_srgb(picture), None
    elif picture.mode not in _PROFILE_SPACES:  # 1, P, YCbCr, HSV, RGBX
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    if isinstance(profile, bytes) and profile:
        picture = _to_srgb(picture, profile, warnings)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def _deep_grey(picture: Image.Image, warnings: list[str]) -> NDArray[np.uint8]:
    """Scale 16-bit, 32-bit and float greys to 0..255; the range is taken from the depth, not from the content."""
    values = np.asarray(picture)
    if values.dtype == np.uint16:
        return np.asarray((values.astype(np.uint32) + 128) // 257, dtype=np.uint8)
    grey = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(grey.max(initial=0.0))
    scale = next(
        (full for full in (1.0, 255.0, 65535.0) if top <= full and not (full == 1.0 and picture.mode == "I")), top
    )
    warnings.append(f"unusual pixel depth (Pillow mode {picture.mode}): taken as grey levels from 0 to {scale:g}")
    return np.asarray(np.rint(np.clip(grey / scale, 0.0, 1.0) * 255.0), dtype=np.uint8)


def _on_background(picture: Image.Image, warnings: list[str]) -> Image.Image:
    """Lay a picture with transparency on the background."""
    rgba = picture.convert("RGBA")
    lowest, _ = rgba.getchannel("A").getextrema()
    if lowest == 255:
        return rgba.convert("RGB")
    warnings.append("transparent parts are shown on white")
    page = Image.new("RGBA", rgba.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
    return Image.alpha_composite(page, rgba).convert("RGB")


def _lab_to_srgb(picture: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    return picture if converted is None else converted


def _to_srgb(picture: Image.Image, profile: bytes, warnings: list[str]) -> Image.Image:
    """Apply an embedded colour profile; one that does not fit is left out with a warning."""
    if len(profile) > _MAX_PROFILE_BYTES:
        warnings.append("colour profile too large; left out")
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = str(source.profile.xcolor_space).strip()
        if space != _PROFILE_SPACES[picture.mode]:
            warnings.append(f"colour profile is for {space}, the picture is {picture.mode}; left out")
            return picture
        if "srgb" in str(source.profile.profile_description).lower():
            return picture
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(picture, source, target, renderingIntent=intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        warnings.append(f"colour profile unreadable ({error}); left out")
        return picture
    return picture if converted is None else converted
