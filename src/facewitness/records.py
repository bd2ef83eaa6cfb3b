"""The result types, the same for library, command line, report and (later) API.

Everything here is frozen. Label 0 is real, 1 is fake; a score is P(fake) in [0, 1].
Boxes are ``xyxy`` in pixels of the decoded, upright frame; landmarks ``(n, 2)`` float32 ``(x, y)``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = "1.0"
"""Version of the JSON form of `Report`; a field's meaning never changes within a major version."""


class Label(IntEnum):
    """Ground truth."""

    REAL = 0
    FAKE = 1


class VerdictLabel(StrEnum):
    """What the toolkit says of a face or a file."""

    REAL = "REAL"
    FAKE = "FAKE"
    UNCERTAIN = "UNCERTAIN"
    NOT_SCORED = "NOT_SCORED"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it was chosen for.

    Attributes:
        threshold: A score at or above it is called FAKE.
        false_positive_rate: Share of real faces of the calibration set at or above it.
        chosen_on: The set that the rate was measured on.
        lower_threshold: A score below it is called REAL; between the two the verdict is UNCERTAIN.
        target_error: Where the lines were drawn for it: the largest chance of a wrong answer for either class.
    """

    threshold: float
    false_positive_rate: float
    chosen_on: str
    lower_threshold: float
    target_error: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer for one file or one face.

    Attributes:
        label: REAL, FAKE, UNCERTAIN or NOT_SCORED.
        score: Pooled P(fake) in [0, 1]; None when not scored.
        reason: Why, in plain words.
        operating_point: Threshold used; None when not scored.
    """

    label: VerdictLabel
    score: float | None
    reason: str
    operating_point: OperatingPoint | None = None


@dataclass(frozen=True)
class MediaInfo:
    """What was analysed.

    Attributes:
        path: Path as the caller gave it.
        kind: ``image``, ``video`` or ``unknown`` (could not be opened).
        sha256: Hash of the file's bytes; empty when it could not be read.
        size_bytes: Size of the file.
        width: Width of the upright picture, pixels.
        height: Height of the upright picture, pixels.
        format: Container or picture format as decoded, not as named (``JPEG``, ``mov,mp4``).
        fps: Average frame rate of a video.
        duration_s: Length of a video in seconds.
        has_audio: Whether there is a sound stream.
    """

    path: str
    kind: Literal["image", "video", "unknown"]
    sha256: str
    size_bytes: int
    width: int = 0
    height: int = 0
    format: str = ""
    fps: float | None = None
    duration_s: float | None = None
    has_audio: bool = False


@dataclass(frozen=True)
class Heatmap:
    """Where a detector saw forgery traces, in crop coordinates.

    Attributes:
        values: ``(h, w)`` float32 in [0, 1].
        crop_to_frame: ``(2, 3)`` float32; maps crop pixels (of ``crop_size``) to frame pixels.
        crop_size: Side of the square crop in pixels; ``values`` covers the whole crop.
        frame_index: Index of the frame that it belongs to.
    """

    values: NDArray[np.float32]
    crop_to_frame: NDArray[np.float32]
    crop_size: int
    frame_index: int = 0


@dataclass(frozen=True)
class RegionStrength:
    """How strongly a heatmap fires on one named face region.

    Attributes:
        name: ``left_eye``, ``mouth``, ... (left and right as the person's own).
        strength: Mean heat inside the region, [0, 1].
        share: Part of the whole heat on the face that lies in the region, [0, 1].
    """

    name: str
    strength: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """Words for a finding and where they come from.

    Attributes:
        text: A few sentences for a non-expert.
        source: ``template`` or the name of a language model.
        supports: Evidence for the verdict, one sentence each.
        against: Evidence against it or limits of it, one sentence each.
        question: What a language model was asked; empty for a template.
        prompt: Name of the prompt that the question was asked with; empty for a template.
    """

    text: str
    source: str
    supports: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    question: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Timeline:
    """Scores over time.

    Attributes:
        times_s: ``(n,)`` seconds from the start.
        scores: ``(n,)`` P(fake); NaN where nothing could be scored.
    """

    times_s: tuple[float, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Finding:
    """What one detector says of one face track (or of the sound).

    Attributes:
        detector: Registered name.
        score: Pooled P(fake) in [0, 1].
        calibrated: Whether the score went through the calibration that the weights carry.
        experts: Score of each expert, P(fake) (``{"blended": 0.9, "synthetic": 0.1}``).
        fired: The expert that decided the score (of a video: most of its frames); empty when there is one only or
            none fired.
        heatmap: Of the most telling frame.
        regions: Named regions, strongest first.
        explanation: Words for it, from a template that restates what was measured.
        timeline: Score per sampled frame of a video.
        stability: Scores after harmless changes, such as ``{"jpeg_q75": 0.83}``; empty when not checked.
        derived: What a language model made of the finding; it never decides anything. None when none was asked.
    """

    detector: str
    score: float
    calibrated: bool
    experts: dict[str, float] = field(default_factory=dict)
    fired: str = ""
    heatmap: Heatmap | None = None
    regions: tuple[RegionStrength, ...] = ()
    explanation: Explanation | None = None
    timeline: Timeline | None = None
    stability: dict[str, float] = field(default_factory=dict)
    derived: Explanation | None = None


@dataclass(frozen=True)
class FaceObservation:
    """One face in one frame.

    Attributes:
        frame_index: Index among the frames of the file.
        time_s: Time of the frame; 0 for pictures.
        box: ``(4,)`` float32 xyxy, pixels: the tight box of the landmark mesh.
        landmarks: ``(68, 2)`` float32, iBUG order.
        presence: Confidence of the landmark model that this is a face, [0, 1].
        score: P(fake) of this frame; None when it was left out.
    """

    frame_index: int
    time_s: float
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    presence: float
    score: float | None = None


@dataclass(frozen=True)
class FaceTrack:
    """One person through time (a picture gives tracks of one observation)."""

    track_id: int
    observations: tuple[FaceObservation, ...]
    findings: tuple[Finding, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Protocol:
    """How the numbers came about: enough to get them again.

    Attributes:
        detector: Registered name.
        mode: ``official``, ``corrected`` or ``lite``.
        weights: Name of the weights file.
        weights_sha256: Its hash.
        frames: Frames looked at.
        sampling: ``uniform n=32`` or ``fps=2``.
        crop: Margin, size, interpolation, border rule in words.
        pooling: How frame scores become a track score, and track scores the file's.
        missing_face_rule: What happens to frames without a face.
        versions: Versions of this package and of the libraries that change numbers.
        precision: ``f32`` or ``bf16``.
        device: ``CPU`` or an accelerator's name.
        stability: What the stability check did to verdicts, in words; empty in reports of before it did anything.
        calibration: How scores were calibrated, in words; empty when they were not.
    """

    detector: str
    mode: str
    weights: str
    weights_sha256: str
    frames: int
    sampling: str
    crop: str
    pooling: str
    missing_face_rule: str
    versions: dict[str, str]
    precision: str = "f32"
    device: str = "CPU"
    stability: str = ""
    calibration: str = ""


@dataclass(frozen=True)
class Report:
    """Everything said about one file.

    Attributes:
        media: The file.
        verdict: The answer for the file.
        faces: One entry per person.
        protocol: How it was measured; None when the file could not be opened.
        audio: Finding on the sound; None when no detector heard it.
        provenance: Signed provenance data when read.
        timings_s: Seconds per step.
        warnings: What the reader should know.
    """

    media: MediaInfo
    verdict: Verdict
    faces: tuple[FaceTrack, ...] = ()
    protocol: Protocol | None = None
    audio: Finding | None = None
    provenance: dict[str, str] | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    schema_version: str = SCHEMA_VERSION

    @property
    def deciding_face(self) -> FaceTrack | None:
        """The face whose verdict is the file's; None without faces."""
        return next((face for face in self.faces if face.verdict.score == self.verdict.score), None)

    def to_dict(self) -> dict[str, Any]:
        """A plain dictionary of JSON types; arrays become lists, NaN becomes null."""
        plain = _plain(self)
        assert isinstance(plain, dict)  # noqa: S101 - a dataclass always gives one
        return plain

    def to_json(self, *, indent: int | None = None) -> str:
        """The JSON text of `to_dict`."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> object:
    """JSON form of a record: dataclasses to dictionaries, arrays to rounded lists."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    return value
