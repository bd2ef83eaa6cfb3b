"""How data are prepared: everything that decides what comes out, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from facewitness.datasets.prepared import fingerprint_of
from facewitness.errors import ConfigError
from facewitness.faces.detection import ASSETS, DETECTOR_FILE
from facewitness.faces.landmarks import MESH_FILE

Sampling = Literal["uniform", "official"]
Shape = Literal["square", "official"]
FaceRule = Literal["person", "largest", "official"]
PictureFormat = Literal["png", "jpeg"]

STEPS: Final[dict[str, str]] = {
    "frames": "whole frames as pictures",
    "crops": "the face, cut out with a margin and resized",
    "masks": "the forged area, cut with the same box (data sets with masks)",
    "landmarks": "81 or 68 points in crop pixels",
    "align": "the crop turned so that the inner eye corners are level, with its landmarks (LAA-Net)",
    "audio": "the sound as mono wav",
    "clips": "a face video of every frame, with a steady box (2D3MF)",
    "hdf5": "the crops as one uint8 array per video (M2F2-Det)",
    "neighbours": "for each face those of other videos with the nearest landmarks (blended images)",
}
"""What can be made, in the order in which it is made."""

_NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "masks": ("crops",),
    "landmarks": ("crops",),
    "align": ("crops", "landmarks"),
    "hdf5": ("crops",),
    "neighbours": ("crops", "landmarks"),
}
_FORMAT: Final = 1
"""Rises when the same settings give other pictures than before."""

OFFICIAL_SIZE: Final = 256
"""What the authors' script writes; their training code expects 317 and their paper says 384."""


@dataclass(frozen=True)
class PrepareSettings:
    """What decides how prepared data come out.

    Attributes:
        frames: Frames per video; 0 takes all of them.
        sampling: ``uniform`` cuts the length into equal slices and takes the frame at the middle of each;
            ``official`` takes ``linspace(0, n - 1, frames)`` cut to whole numbers, as LAA-Net's script does.
        shape: ``square`` keeps the proportions: a square around the face, moved inside the frame where it leaves it.
            ``official`` stretches: RetinaFace's box, as estimated from ours, grown on each side, cut at the frame's
            edge, resized to a square.
        margin_ratio: Side of what is cut out in units of the face box's longer side (``square``) or of its own
            sides (``official``); 1.5 is the box grown by 25 % on each side.
        size: Side of the crop in pixels. 317 is what LAA-Net's training assumes.
        face: ``person`` follows one person through the video, the one who is largest for longest; ``largest`` takes
            the largest face of each frame; ``official`` takes a further face of a frame only when both its area
            and its score are above the best so far, in the detector's order.
        landmarks: 81 or 68.
        picture: ``png`` (nothing is lost) or ``jpeg``.
        jpeg_quality: 1 to 100.
        min_face_px: Faces whose longer side is shorter do not count.
        detect_every_s: With ``person``, seconds between two full searches where frames follow each other closely;
            the face is followed by its mesh in between. 0 searches every frame.
        audio_rate_hz: Rate of the wav.
        clip_side: Side of the face clip in pixels.
        clip_margin_ratio: As ``margin_ratio``, of the square clip.
        clip_crf: H.264 quality of the face clip; lower is better.
        clip_smoothing_s: How long movements of the clip's box are averaged over.
        neighbours: Neighbours of each face.

    Raises:
        ConfigError: If a value is out of range.
    """

    frames: int = 32
    sampling: Sampling = "uniform"
    shape: Shape = "square"
    margin_ratio: float = 1.5
    size: int = 317
    face: FaceRule = "person"
    landmarks: int = 81
    picture: PictureFormat = "png"
    jpeg_quality: int = 95
    min_face_px: float = 20.0
    detect_every_s: float = 0.4
    audio_rate_hz: int = 16000
    clip_side: int = 224
    clip_margin_ratio: float = 1.2
    clip_crf: int = 12
    clip_smoothing_s: float = 0.2
    neighbours: int = 30

    def __post_init__(self) -> None:
        """Check the values."""
        for name, kind in (("sampling", Sampling), ("shape", Shape), ("face", FaceRule), ("picture", PictureFormat)):
            if getattr(self, name) not in get_args(kind):
                msg = f"{name} must be one of {', '.join(get_args(kind))}, got {getattr(self, name)!r}"
                raise ConfigError(msg)
        if self.landmarks not in (68, 81):
            msg = f"landmarks must be 68 or 81, got {self.landmarks}"
            raise ConfigError(msg)
        for name, low, high in _RANGES:
            if not low <= getattr(self, name) <= high:
                msg = f"{name} must be {low:g} to {high:g}, got {getattr(self, name)}"
                raise ConfigError(msg)
        if self.clip_side % 2:
            msg = f"clip_side must be even, which H.264 asks for, got {self.clip_side}"
            raise ConfigError(msg)

    @property
    def suffix(self) -> str:
        """Ending of the pictures' names."""
        return ".png" if self.picture == "png" else ".jpg"

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the hashes of the face models and the number of this code's way of doing it."""
        return {**asdict(self), "code": _FORMAT, "face_models": dict(_model_hashes())}

    @property
    def fingerprint(self) -> str:
        """`fingerprint_of` these settings: no paths, no number of processes, no list of steps."""
        return fingerprint_of(self.to_dict())


_RANGES: Final = (
    ("frames", 0, 1_000_000),
    ("margin_ratio", 0.5, 10),
    ("size", 16, 4096),
    ("jpeg_quality", 1, 100),
    ("min_face_px", 1, 4096),
    ("detect_every_s", 0, 10),
    ("audio_rate_hz", 1000, 384_000),
    ("clip_side", 16, 4096),
    ("clip_margin_ratio", 0.5, 10),
    ("clip_crf", 0, 51),
    ("clip_smoothing_s", 0, 10),
    ("neighbours", 1, 10_000),
)


PRESETS: Final[Mapping[str, tuple[str, PrepareSettings, tuple[str, ...]]]] = {
    "default": ("square crops of one person, for training here", PrepareSettings(), ("crops", "landmarks")),
    "laa_net": (
        "as LAA-Net's scripts: stretched 256 px crops, linspace frames, levelled eyes",
        PrepareSettings(sampling="official", shape="official", size=OFFICIAL_SIZE, face="official"),
        ("crops", "masks", "landmarks", "align"),
    ),
    "m2f2_det": (
        "for M2F2-Det: 100 crops of 224 px per video in HDF5",
        PrepareSettings(frames=100, size=224),
        ("crops", "hdf5"),
    ),
    "td3mf": ("for 2D3MF: 224 px face clips and sound", PrepareSettings(), ("audio", "clips")),
}
"""Name to what it is for, its settings, and its steps."""


def chosen_settings(preset: str, **changes: Any) -> PrepareSettings:
    """A preset's settings with some changed; None leaves a value as it is.

    Raises:
        ConfigError: If there is no such preset, or a value is out of range.

    Example:
        >>> chosen_settings("m2f2_det", size=None, frames=10).size
        224
    """
    if preset not in PRESETS:
        msg = f"preset must be one of {', '.join(PRESETS)}, got {preset!r}"
        raise ConfigError(msg)
    return replace(PRESETS[preset][1], **{name: value for name, value in changes.items() if value is not None})


def complete_steps(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The steps with those they rest on, each once, in order.

    Raises:
        ConfigError: If there is none, or one is unknown.

    Example:
        >>> complete_steps(("align", "audio"))
        ('crops', 'landmarks', 'align', 'audio')
    """
    unknown = [step for step in wanted if step not in STEPS]
    if unknown or not wanted:
        msg = f"steps must be some of {', '.join(STEPS)}, got {', '.join(unknown) or 'none'}"
        raise ConfigError(msg)
    needed = {*wanted, *(need for step in wanted for need in _NEEDS.get(step, ()))}
    return tuple(step for step in STEPS if step in needed)


@lru_cache(maxsize=1)
def _model_hashes() -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, hashlib.sha256((ASSETS / name).read_bytes()).hexdigest()[:16]) for name in (DETECTOR_FILE, MESH_FILE)
    )
