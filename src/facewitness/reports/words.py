"""Names and numbers of a report in plain words, and text from files made safe to show."""

from __future__ import annotations

from math import isfinite

from facewitness.records import MediaInfo, OperatingPoint
from facewitness.wording import capitalised, line_words, rate_words

_EXPERTS = {"blended": "Blended face", "synthetic": "Wholly synthetic face"}
_CHECKS = {
    "jpeg_q75": "Saved again as JPEG, quality 75",
    "scale_0.5": "Shrunk to half and enlarged again",
    "blur_0.8": "Slightly blurred",
    "noise_2": "With a little noise",
    "contrast_0.85": "With slightly less contrast",
}
_KINDS = {"image": "Picture", "video": "Video", "unknown": "File"}
_HIDDEN = "\N{REPLACEMENT CHARACTER}"


def shown_text(text: str) -> str:
    r"""One line that a page only shows: controls, marks that turn text round, and lone bytes become a sign.

    Example:
        >>> shown_text("gpj.\u202eabc\x00\n d") == "gpj.\ufffdabc\ufffd d"
        True
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _HIDDEN for letter in " ".join(text.split()))


def file_name(path: str) -> str:
    r"""The last part of a path, of either kind of slash; the whole when there is none.

    Example:
        >>> file_name("a/b.jpg"), file_name(r"C:\\pictures\\c.png"), file_name("/")
        ('b.jpg', 'c.png', '/')
    """
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def kind_words(media: MediaInfo) -> str:
    """Picture, video, or file when it could not be opened."""
    return _KINDS[media.kind]


def size_words(size_bytes: int) -> str:
    """A file size in decimal units.

    Example:
        >>> size_words(0), size_words(48_211), size_words(7_340_032)
        ('0 bytes', '48 kB', '7.3 MB')
    """
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    for unit, factor in (("kB", 1e3), ("MB", 1e6)):
        if size_bytes < 1000 * factor:
            value = size_bytes / factor
            return f"{value:.0f} {unit}" if unit == "kB" else f"{value:.1f} {unit}"
    return f"{size_bytes / 1e9:.1f} GB"


def time_words(seconds: float) -> str:
    """A length of time, or a place in a video.

    Example:
        >>> time_words(0.0001), time_words(0.68), time_words(5.0), time_words(75.4), time_words(3725)
        ('under 0.01 s', '0.68 s', '5.0 s', '1:15 min', '1:02:05 h')
    """
    if seconds < 60:
        if 0 < seconds < 0.005:
            return "under 0.01 s"
        return f"{seconds:.1f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.2f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def percent(value: float) -> float:
    """A share as per cent, one decimal; what is no number or outside goes to the nearest end.

    Example:
        >>> percent(0.931), percent(1.2), percent(float("nan"))
        (93.1, 100.0, 0.0)
    """
    return round(100.0 * min(1.0, max(0.0, value)), 1) if isfinite(value) else 0.0


def point_words(point: OperatingPoint | None) -> str:
    """What the line for FAKE rests on, in one or two sentences.

    Example:
        >>> point_words(OperatingPoint(0.62, 0.05, "validation faces", 0.3))
        'About 5 in 100 genuine faces of the comparison set (validation faces) reach the FAKE line at 0.62.'
    """
    if point is None:
        return "These weights carry no measured operating point, so there is no line that a verdict could rest on."
    line = line_words(point.threshold)
    if not isfinite(point.false_positive_rate):
        return (
            f"The line at {line} was chosen by whoever ran this analysis. "
            "How many genuine faces reach it has not been measured."
        )
    share = capitalised(rate_words(point.false_positive_rate))
    said = f"{share} genuine faces of the comparison set ({point.chosen_on}) reach the FAKE line at {line}."
    if point.target_error is None:
        return said
    return (
        f"{said} Between {line_words(point.lower_threshold)} and {line} no answer is given, so that of genuine and of "
        f"forged faces like those of the set, each, at most {rate_words(point.target_error)} get the wrong one."
    )


def expert_words(name: str) -> str:
    """The kind of forgery that an expert looks for.

    Example:
        >>> expert_words("blended"), expert_words("lip_sync")
        ('Blended face', 'Lip sync')
    """
    return _EXPERTS.get(name, _plain(name))


def check_words(name: str) -> str:
    """What a stability check did to the picture.

    Example:
        >>> check_words("jpeg_q75"), check_words("blur_2")
        ('Saved again as JPEG, quality 75', 'Blur 2')
    """
    return _CHECKS.get(name, _plain(name))


def region_words(name: str) -> str:
    """A face region; left and right are the person's own.

    Example:
        >>> region_words("left_eye")
        'Left eye'
    """
    return _plain(name)


def _plain(name: str) -> str:
    return capitalised(name.replace("_", " ").strip())
