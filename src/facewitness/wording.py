"""Numbers, lists and names in plain words: rounding that never turns one side of a line into the other."""

from __future__ import annotations

import re
from collections.abc import Sequence

REGION_STRENGTH = 0.2
"""Mean heat from which a region is named, in texts and on pictures."""

SMALL_FACE_PX = 80
"""Longer side of a face, in pixels, below which readers are warned of low resolution."""

LOW_PRESENCE = 0.7
"""Confidence of the landmark model below which readers are told that the face was seen badly."""

FEW_VIDEOS = 10
"""Videos of a label below which readers are told that an interval means little."""

DERIVED = "Written by a language model; the verdict is the detector's alone."
"""What stands beside every text of a language model."""

_EXPERTS = {
    "blended": (
        "blended faces",
        "the seams and mismatches left when a face, or a part of one, is pasted into another picture",
    ),
    "synthetic": (
        "synthetic faces",
        "the texture of faces that a program generated as a whole, with no camera involved",
    ),
}

_CHANGES = (
    (re.compile(r"^jpeg_q(\d+)$"), "saved again as JPEG at quality {0}"),
    (re.compile(r"^webp_q(\d+)$"), "saved again as WebP at quality {0}"),
    (re.compile(r"^scale_0\.5$"), "shrunk to half and enlarged again"),
    (re.compile(r"^(?:scale|resize)_(0?\.\d+)$"), "shrunk to {0} of its size and enlarged again"),
    (re.compile(r"^(?:flip|mirror)(?:ped)?$"), "mirrored"),
    (re.compile(r"^blur(?:_.*)?$"), "slightly blurred"),
    (re.compile(r"^noise(?:_.*)?$"), "given a little noise"),
    (re.compile(r"^contrast(?:_.*)?$"), "at slightly lower contrast"),
)


def expert_words(name: str) -> tuple[str, str]:
    """What an expert is for, and what it looks for, as noun phrases; the second is empty for unknown experts.

    Example:
        >>> expert_words("blended")[0]
        'blended faces'
        >>> expert_words("lip_sync")
        ('lip sync', '')
    """
    return _EXPERTS.get(name, (name.replace("_", " "), ""))


def region_words(name: str) -> str:
    """A region's name with its article; left and right are the person's own.

    Example:
        >>> region_words("left_eye"), region_words("mouth")
        ("the person's left eye", 'the mouth')
    """
    plain = name.replace("_", " ")
    return f"the person's {plain}" if plain.startswith(("left ", "right ")) else f"the {plain}"


def change_words(name: str) -> str:
    """What was done to the picture in a stability check, as a participle.

    Example:
        >>> change_words("jpeg_q75")
        'saved again as JPEG at quality 75'
    """
    for pattern, words in _CHANGES:
        match = pattern.match(name)
        if match:
            return words.format(*match.groups())
    return f"changed by “{name.replace('_', ' ')}”"


def score_words(score: float) -> str:
    """A score in [0, 1] with two decimals that never rounds up to certainty.

    Example:
        >>> score_words(0.934), score_words(0.9999), score_words(0.0001)
        ('0.93', 'more than 0.99', 'less than 0.01')
    """
    if score >= 0.995:
        return "more than 0.99"
    return "less than 0.01" if score < 0.005 else f"{score:.2f}"


def pair_words(score: float, line: float) -> tuple[str, str]:
    """A score and the line it is compared with, with enough decimals to print differently.

    Example:
        >>> pair_words(0.93, 0.62), pair_words(0.6199, 0.6201)
        (('0.93', '0.62'), ('0.6199', '0.6201'))
        >>> pair_words(0.9991, 0.9971)
        ('0.999', '0.997')
    """
    if f"{score:.2f}" != f"{line:.2f}":
        return score_words(score), line_words(line)
    for digits in range(3, 7):
        pair = f"{score:.{digits}f}", f"{line:.{digits}f}"
        if pair[0] != pair[1]:
            return pair
    return f"{score:.2f}", line_words(line)


def line_words(line: float) -> str:
    """A threshold with the fewest decimals, at least two, at which it is neither 0 nor 1 in print.

    Example:
        >>> line_words(0.62), line_words(0.9971), line_words(0.002)
        ('0.62', '0.997', '0.002')
    """
    for digits in range(2, 7):
        text = f"{line:.{digits}f}"
        if 0.0 < float(text) < 1.0:
            return text
    return f"{line:.2f}"


def percent_words(fraction: float) -> str:
    """A share in per cent; only an exact 0 or 1 prints as 0 % or 100 %.

    Example:
        >>> percent_words(0.8125), percent_words(0.999), percent_words(0.001)
        ('81 %', 'more than 99 %', 'less than 1 %')
    """
    if 0.0 < fraction <= 0.005:
        return "less than 1 %"
    if 0.995 <= fraction < 1.0:
        return "more than 99 %"
    return f"{100.0 * fraction:.0f} %"


def rate_words(rate: float) -> str:
    """A false-positive rate as people out of a round number.

    Example:
        >>> rate_words(0.05), rate_words(0.01), rate_words(0.002), rate_words(0.0)
        ('about 5 in 100', 'about 1 in 100', 'about 2 in 1,000', 'fewer than 1 in 1,000')
    """
    if rate < 0.0005:
        return "fewer than 1 in 1,000"
    if rate < 0.0095:
        return f"about {round(rate * 1000)} in 1,000"
    return f"about {round(rate * 100)} in 100"


def count_words(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> count_words(1, "frame"), count_words(3, "frame")
        ('1 frame', '3 frames')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def time_words(seconds: float) -> str:
    """How long something will take, in minutes below one hour.

    Example:
        >>> time_words(20), time_words(600), time_words(5400)
        ('less than a minute', '10 minutes', '1.5 hours')
    """
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} hours"
    return "less than a minute" if seconds < 60 else count_words(round(seconds / 60), "minute")


def list_words(items: Sequence[str]) -> str:
    """An enumeration.

    Example:
        >>> list_words(["a"]), list_words(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def capitalised(text: str) -> str:
    """``text`` with its first letter large and the rest as it was.

    Example:
        >>> capitalised("mean of the FF++ set")
        'Mean of the FF++ set'
    """
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """``text`` with a capital letter first and one full stop last.

    Example:
        >>> sentence("no face was found"), sentence("Done."), sentence("")
        ('No face was found.', 'Done.', '')
    """
    text = capitalised(text.strip())
    return text if not text or text.endswith((".", "!", "?", "…")) else text + "."


def few_words(reals: int, fakes: int) -> str:
    """That an interval means little, where a label has fewer videos than `FEW_VIDEOS`; else nothing.

    Resampling a handful of videos that happen to be ranked rightly gives 1 to 1, however unsure the figure is.

    Example:
        >>> few_words(4, 4)
        'only 4 real and 4 fake videos: too few for an interval of the AUC to mean much'
        >>> few_words(10, 10)
        ''
    """
    if min(reals, fakes) >= FEW_VIDEOS:
        return ""
    return f"only {reals} real and {count_words(fakes, 'fake video')}: too few for an interval of the AUC to mean much"


def missing_words(data: object, names: Sequence[str], count: int) -> str:
    """What a set's list names and its folder lacks, in one sentence.

    Example:
        >>> missing_words("ffpp:FF++", ["a.mp4", "b/"], 2)
        'ffpp:FF++ is not whole: its list names 2 files or folders that are not there and do not count, first a.mp4'
    """
    what = (
        "1 file or folder that is not there and does not count:"
        if count == 1
        else (f"{count} files or folders that are not there and do not count, first")
    )
    return f"{data} is not whole: its list names {what} {names[0]}"
