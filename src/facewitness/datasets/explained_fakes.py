"""Faces with one known alteration, and questions about it with their true answers.

A whole face is altered in one region and in one way: its colour shifts, it is resampled, a seam follows its outline, or
one of a pair is moved so that the two sides differ; or nothing is done. Region, kind, strength and the weight of every
pixel are known exactly, which no data set of found fakes gives. Altered and unaltered faces pass through the same
losses afterwards. Nothing here reads files; randomness is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError
from facewitness.faces.regions import region_polygons
from facewitness.pseudofakes.blending import alpha_blend, blending_boundary, check_picture
from facewitness.pseudofakes.degradations import DegradationConfig, draw_degradation

Kind = Literal["none", "colour", "resampling", "boundary", "asymmetry"]
Form = Literal["open", "place", "kind", "part"]
"""``open``: whether, where and how; ``place``: where; ``kind``: how; ``part``: whether a named part is altered."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FORMS: Final[tuple[Form, ...]] = get_args(Form)

REGION_PARTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "eyes": ("right_eye", "left_eye"),
        "eyebrows": ("right_brow", "left_brow"),
        "nose": ("nose",),
        "mouth": ("mouth",),
        "cheeks": ("right_cheek", "left_cheek"),
        "jaw": ("jaw",),
        "forehead": ("forehead",),
    }
)
"""Regions that are altered, and the parts of `facewitness.faces.regions` that they are made of."""

PAIRED: Final = tuple(name for name, parts in REGION_PARTS.items() if len(parts) == 2)
"""Regions of which one side can be altered alone."""

_PLURAL: Final = ("eyes", "eyebrows", "cheeks")
_SOFT_SHARE: Final = 0.012
"""Spread of a mask's border, in sides of the picture."""
_GROW_SHARE: Final = 0.015
"""Growth of a region before it is softened, in sides of the picture: brows and eyes are narrow."""
_COLOUR: Final = (14.0, 50.0)  # grey levels, at strength 0 and 1
_FACTOR: Final = (2.5, 7.0)  # of the size that a region is brought down to and back
_SEAM: Final = (22.0, 70.0)  # grey levels at the middle of the seam
_MOVE: Final = (0.02, 0.05)  # sides of the picture
_TRAIN_LOSSES: Final = DegradationConfig(
    scale_p=0.0, h264_p=0.0, jpeg_p=0.7, jpeg_quality=(70, 98), blur_p=0.0, noise_p=0.3, noise_sigma=(1.0, 4.0)
)


@dataclass(frozen=True)
class Alteration:
    """What was done to a face.

    Attributes:
        kind: How it was altered; ``none`` for a face as it was.
        region: Name in `REGION_PARTS`; empty for ``none``.
        strength: From 0, slight, to 1, strong; 0 for ``none``.
        side: The person's own ``left`` or ``right`` where one of a pair was altered; else empty.
    """

    kind: Kind
    region: str = ""
    strength: float = 0.0
    side: Literal["", "left", "right"] = ""

    def __post_init__(self) -> None:
        """Refuse values that do not go together.

        Raises:
            ConfigError: Naming them.
        """
        altered = self.kind != "none"
        fits = self.kind in KINDS and (self.region in REGION_PARTS) == altered and 0 <= self.strength <= 1
        if not fits or (self.kind == "asymmetry") != bool(self.side) or (self.side and self.region not in PAIRED):
            msg = (
                f"expected one of {', '.join(KINDS)} with one of {', '.join(REGION_PARTS)}, a strength from 0 to 1 "
                f"and, for asymmetry alone, a side of {', '.join(PAIRED)}; got {self}"
            )
            raise ConfigError(msg)

    @property
    def parts(self) -> tuple[str, ...]:
        """The altered parts, names of `facewitness.faces.regions`.

        Example:
            >>> Alteration("asymmetry", "eyes", 0.5, "left").parts
            ('left_eye',)
        """
        if not self.region:
            return ()
        return tuple(part for part in REGION_PARTS[self.region] if part.startswith(self.side))


@dataclass(frozen=True)
class ExplainedFake:
    """A face and what was done to it.

    Attributes:
        image: ``(H, W, 3)`` uint8 RGB, as a model sees it.
        weight: ``(H, W)`` float32 in [0, 1]; how much each pixel was altered, before losses that the whole picture had.
        alteration: What was done.
    """

    image: NDArray[np.uint8]
    weight: NDArray[np.float32]
    alteration: Alteration


@dataclass(frozen=True)
class QuestionAnswer:
    """A question about a picture with its true answer."""

    form: Form
    question: str
    answer: str


def draw_alteration(rng: np.random.Generator) -> Alteration:
    """Draw what is to be done: every kind equally often, then a region that it can be done to, then a strength."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    if kind == "none":
        return Alteration("none")
    names = PAIRED if kind == "asymmetry" else tuple(REGION_PARTS)
    region = names[int(rng.integers(len(names)))]
    strength = float(rng.random())
    if kind != "asymmetry":
        return Alteration(kind, region, strength)
    return Alteration(kind, region, strength, "left" if rng.random() < 0.5 else "right")


def alter(
    image: NDArray[np.uint8],
    mesh: NDArray[np.float32],
    alteration: Alteration,
    rng: np.random.Generator,
    *,
    losses: DegradationConfig | None = _TRAIN_LOSSES,
) -> ExplainedFake:
    """Alter a face.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, at least 64 pixels a side, of a real face.
        mesh: ``(468, 2)`` points in its pixels.
        alteration: What to do.
        rng: Decides what is left open: the hue of a shift, its sign, and the losses.
        losses: Losses of the whole picture afterwards, for unaltered faces as well; None leaves them out.

    Raises:
        FaceError: If picture or mesh are none.
    """
    check_picture(image)
    weight = np.zeros(image.shape[:2], np.float32)
    made = image
    if alteration.kind != "none":
        weight = region_weight(mesh, alteration.parts, image.shape[:2])
        made = _ALTERED[alteration.kind](image, weight, alteration.strength, rng)
        weight = blending_boundary(weight) if alteration.kind == "boundary" else weight
    if losses is not None:
        made = draw_degradation(rng, image.shape[0], losses)(made)
    return ExplainedFake(made, weight, alteration)


def region_weight(mesh: NDArray[np.float32], parts: Sequence[str], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Parts of a face, a little grown, with soft borders.

    Args:
        mesh: ``(468, 2)`` points in pixels.
        parts: Names of `facewitness.faces.regions`.
        shape: ``(H, W)``.

    Returns:
        ``(H, W)`` float32 in [0, 1].
    """
    polygons = region_polygons(mesh)
    mask = np.zeros(shape, np.uint8)
    for part in parts:
        cv2.fillPoly(mask, [np.round(polygons[part]).astype(np.int32).reshape(-1, 1, 2)], 255)
    grow = 2 * max(1, round(_GROW_SHARE * shape[0])) + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow, grow)))
    soft = cv2.GaussianBlur(grown, (0, 0), max(0.8, _SOFT_SHARE * shape[0]))
    return np.asarray(soft, np.float32) / np.float32(255)


def ask_about(
    alteration: Alteration, form: Form, rng: np.random.Generator, *, more: Sequence[str] = ()
) -> QuestionAnswer:
    """A question about a picture and its true answer, each in one of several wordings.

    Args:
        alteration: What was done to it.
        form: What is asked.
        rng: Chooses the wording, and for ``part`` the part: the altered one half of the time.
        more: Further wordings of an open question.
    """
    if form == "part":
        return _about_part(alteration, rng)
    question = _pick((*QUESTIONS[form], *more) if form == "open" else QUESTIONS[form], rng)
    return QuestionAnswer(form, question, _pick(answers_of(alteration, form), rng))


def answers_of(alteration: Alteration, form: Form) -> tuple[str, ...]:
    """Every wording of the true answer to a question that names no part.

    Args:
        alteration: What was done.
        form: ``open``, ``place`` or ``kind``.

    Example:
        >>> answers_of(Alteration("colour", "nose", 0.9), "open")[0]
        'This face is fake: the colour of the nose does not fit the face. The trace is strong.'
        >>> answers_of(Alteration("none"), "place")[0]
        'Nowhere: the face is real.'
    """
    if alteration.kind == "none":
        return _NOTHING[form]
    fields = {
        "region": alteration.region,
        "is": "are" if alteration.region in _PLURAL else "is",
        "have": "have" if alteration.region in _PLURAL else "has",
        "strength": strength_word(alteration.strength),
    }
    if form == "place":
        return tuple(wording.format(**fields) for wording in _PLACES)
    traces = [wording.format(**fields) for wording in _TRACES[alteration.kind]]
    if form == "kind":
        return tuple(f"{trace[0].upper()}{trace[1:]}." for trace in traces)
    return tuple(wording.format(trace=trace, **fields) for trace in traces for wording in _WHOLE)


def strength_word(strength: float) -> str:
    """A strength from 0 to 1 in a word.

    Example:
        >>> [strength_word(value) for value in (0.1, 0.5, 1.0)]
        ['slight', 'clear', 'strong']
    """
    return ("slight", "clear", "strong")[min(2, int(3 * strength))]


QUESTIONS: Final[Mapping[Form, tuple[str, ...]]] = MappingProxyType(
    {
        "open": (
            "Has a part of this face been altered? Say which part, and how.",
            "Is this face real or fake? Name the part that shows it, and what is odd about it.",
            "What, if anything, is wrong with this face?",
        ),
        "place": (
            "Which part of this face has been altered, if any?",
            "Where in this face is something wrong, if anywhere?",
        ),
        "kind": ("How has this face been altered, if at all?", "What kind of trace does this face show, if any?"),
        "part": ("Has the {region} of this face been altered?", "Is anything wrong with the {region} in this picture?"),
    }
)
"""Wordings of the questions; the first of ``open`` is the one that a model is measured with."""

_NOTHING: Final[Mapping[Form, tuple[str, ...]]] = MappingProxyType(
    {
        "open": (
            "This face is real: no part of it stands out.",
            "The face is real. Every part of it fits the others.",
            "Nothing stands out; the face is real.",
        ),
        "place": ("Nowhere: the face is real.", "No part stands out; this face is real."),
        "kind": ("Not at all: the face is real.", "There is no trace; this face is real."),
    }
)
_WHOLE: Final = (
    "This face is fake: {trace}. The trace is {strength}.",
    "The face is fake. There is a {strength} trace: {trace}.",
)
_PLACES: Final = ("The {region} {have} been altered.", "In the {region}.", "It is the {region}.")
_TRACES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "colour": (
            "the colour of the {region} does not fit the face",
            "the {region} {have} another colour than the rest",
        ),
        "resampling": ("the {region} {is} blurred by resampling", "the {region} {have} lost detail by resampling"),
        "boundary": ("a boundary runs around the {region}", "the {region} {have} a visible boundary"),
        "asymmetry": (
            "the two {region} are asymmetric",
            "there is an asymmetry between the left and the right of the {region}",
        ),
    }
)


def _about_part(alteration: Alteration, rng: np.random.Generator) -> QuestionAnswer:
    others = [name for name in REGION_PARTS if name != alteration.region]
    is_it = bool(alteration.region) and rng.random() < 0.5
    region = alteration.region if is_it else _pick(others, rng)
    wording = _pick(QUESTIONS["part"], rng)
    question = wording.format(region=region)
    if region in _PLURAL:
        question = question.replace("Has the", "Have the")
    if is_it:
        answer = f"Yes: {_pick(answers_of(alteration, 'kind'), rng)}"
    else:
        answer = f"No, nothing stands out at the {region}."
    return QuestionAnswer("part", question, answer)


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _between(ends: tuple[float, float], strength: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * strength


def _shift_colour(
    image: NDArray[np.uint8], weight: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Move a region along a hue, its brightness kept."""
    hue = rng.standard_normal(3)
    hue -= hue.mean()  # along grey it would be light and shade, which faces have by themselves
    shift = hue / np.abs(hue).max() * _between(_COLOUR, strength)
    moved = np.clip(np.rint(image + shift.astype(np.float32)), 0, 255).astype(np.uint8)
    return alpha_blend(moved, image, weight)


def _resample(
    image: NDArray[np.uint8], weight: NDArray[np.float32], strength: float, _rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Bring a region down in size and back."""
    height, width = image.shape[:2]
    factor = _between(_FACTOR, strength)
    small = cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
    back = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    return alpha_blend(back, image, weight)


def _draw_seam(
    image: NDArray[np.uint8], weight: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Brighten or darken the outline of a region."""
    step = _between(_SEAM, strength) * (1 if rng.random() < 0.5 else -1)
    moved = np.clip(np.rint(image + np.float32(step)), 0, 255).astype(np.uint8)
    return alpha_blend(moved, image, blending_boundary(weight))


def _move(
    image: NDArray[np.uint8], weight: NDArray[np.float32], strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Move a region up or down."""
    step = _between(_MOVE, strength) * image.shape[0] * (1 if rng.random() < 0.5 else -1)
    matrix = np.array([[1, 0, 0], [0, 1, step]], np.float32)
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return alpha_blend(np.asarray(moved, dtype=np.uint8), image, weight)


_ALTERED: Final = {"colour": _shift_colour, "resampling": _resample, "boundary": _draw_seam, "asymmetry": _move}
