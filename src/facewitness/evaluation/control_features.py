"""What programs without any forensics see of a video, and how far that alone tells its label.

Three controls stand beside every AUC, each a logistic regression that is fitted inside the test set on folds which
share no identity (or video):

* ``spectrum``: the radial power spectrum of the detector's crop: sharpness, resampling, coding;
* ``file``: width, height, bytes per pixel, JPEG quality and format of the file: how it was saved;
* ``thumbnail``: the frame in 8 x 8 pixels: colours, background, framing.

Where a control ranks fakes nearly as well as the detector, the result may need no forensics at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, MediaError
from facewitness.evaluation.controls import FOLDS, L2, SPECTRUM_RULE, cross_validated_logits, radial_power_spectrum
from facewitness.evaluation.metrics import Interval, auc_interval
from facewitness.evaluation.record_frames import ReadFrame
from facewitness.evaluation.scoring import Evidence
from facewitness.media.jpeg_tables import jpeg_quality

CONTROLS: Final = ("spectrum", "file", "thumbnail")
"""Names of the controls, in the order of tables."""

_FITTED = f"logistic regression (L2 {L2:g}, standardised inputs), up to {FOLDS} folds that share no identity, on "

CONTROL_RULES: Final[dict[str, str]] = {
    "spectrum": SPECTRUM_RULE,
    "file": _FITTED + "log width, log height, log bytes per pixel and frame, JPEG quality and format of the file",
    "thumbnail": _FITTED + "the first scored frame in 8 x 8 RGB pixels",
}
"""How each control works, as results state it."""

_THUMBNAIL_PX: Final = 8
_LEAST_FOLDS: Final = 2


@dataclass(frozen=True)
class FileTraits:
    """How a file was saved.

    Attributes:
        format: Format of a picture or container of a video.
        width: Pixels.
        height: Pixels.
        bytes_per_pixel: Bytes of the file per pixel and frame.
        jpeg_quality: 1 to 100; None for other formats.
    """

    format: str
    width: int
    height: int
    bytes_per_pixel: float
    jpeg_quality: float | None


@dataclass(frozen=True)
class ControlFeatures:
    """What the controls know of one video.

    Attributes:
        spectrum: Log radial power spectrum of the first scored crop.
        thumbnail: ``8 * 8 * 3`` RGB values of its frame, 0 to 255.
        file: How the file was saved; None for groups of an archive and prepared data.
    """

    spectrum: tuple[float, ...]
    thumbnail: tuple[int, ...]
    file: FileTraits | None

    def to_dict(self) -> dict[str, Any]:
        """JSON types only."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ControlFeatures:
        """The features of `to_dict`."""
        file = None if values["file"] is None else FileTraits(**values["file"])
        return cls(tuple(values["spectrum"]), tuple(values["thumbnail"]), file)


def control_features(evidence: Evidence) -> ControlFeatures:
    """Compute what the controls see of a video's first scored face."""
    spectrum = tuple(round(float(v), 4) for v in radial_power_spectrum([evidence.crop])[0])
    pixels = evidence.frame.pixels
    if pixels is None:
        msg = "evidence needs the pixels of its frame, got a frame without any"
        raise ConfigError(msg)
    small = cv2.resize(pixels, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return ControlFeatures(spectrum, tuple(int(v) for v in small.ravel()), _file_traits(evidence.frame, pixels))


def _file_traits(frame: ReadFrame, pixels: NDArray[np.uint8]) -> FileTraits | None:
    if frame.file is None:
        return None
    height, width = pixels.shape[:2]
    try:
        size = frame.file.stat().st_size
        quality = jpeg_quality(frame.file) if frame.file_format == "JPEG" else None
    except (OSError, MediaError):
        return None
    per_pixel = size / (width * height * max(frame.file_frames, 1))
    return FileTraits(frame.file_format, width, height, round(per_pixel, 6), quality)


def control_matrix(name: str, features: Sequence[ControlFeatures]) -> NDArray[np.float64] | None:
    """The inputs of one control.

    Args:
        name: One of `CONTROLS`.
        features: One per video.

    Returns:
        ``(n, d)``; None when a video lacks what the control needs.
    """
    if name == "spectrum":
        return np.array([f.spectrum for f in features], dtype=np.float64)
    if name == "thumbnail":
        return np.array([f.thumbnail for f in features], dtype=np.float64)
    files = [f.file for f in features if f.file is not None]
    if len(files) != len(features):
        return None
    formats = sorted({file.format for file in files})
    rows = [
        [
            float(np.log(file.width)),
            float(np.log(file.height)),
            float(np.log(max(file.bytes_per_pixel, 1e-6))),
            file.jpeg_quality or 0.0,
            *(float(file.format == one) for one in formats),
        ]
        for file in files
    ]
    return np.array(rows, dtype=np.float64)


@dataclass(frozen=True)
class ControlResult:
    """What a control reaches, and what that means for the detector.

    Attributes:
        name: One of `CONTROLS`.
        auc: Its AUC over videos with a 95 % interval; None where it could not be fitted.
        share: ``(control AUC - 0.5) / (detector AUC - 0.5)`` within 0 to 1: the share of the result that needs no
            forensics; None where either is missing, or the detector is no better than chance.
        words: The share in words, or why there is none.
    """

    name: str
    auc: Interval | None
    share: float | None
    words: str


def measure_controls(
    features: Sequence[ControlFeatures | None],
    labels: NDArray[np.int64],
    ids: Sequence[str],
    *,
    detector_auc: float | None,
    rng: np.random.Generator,
    resamples: int = 1000,
) -> tuple[ControlResult, ...]:
    """Fit and judge every control on the videos that the detector scored.

    Args:
        features: One per scored video; videos without any are left out.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` who or what a video belongs to; never empty.
        detector_auc: AUC of the detector on the same videos.
        rng: Deals folds and resamples.
        resamples: Bootstrap resamples of the interval.

    Returns:
        One result per control, in the order of `CONTROLS`.
    """
    there = np.array([f is not None for f in features], dtype=bool)
    known = [f for f in features if f is not None]
    truth = np.asarray(labels)[there]
    names = [name for name, here in zip(ids, there.tolist(), strict=True) if here]
    results = []
    for name in CONTROLS:
        auc, reason = _one_control(name, known, truth, names, rng=rng, resamples=resamples)
        share = None if auc is None else share_without_forensics(auc.value, detector_auc)
        results.append(ControlResult(name, auc, share, reason or share_words(share, detector_auc)))
    return tuple(results)


def _one_control(
    name: str,
    features: Sequence[ControlFeatures],
    labels: NDArray[np.int64],
    ids: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int,
) -> tuple[Interval | None, str]:
    """AUC of one control, or why there is none."""
    matrix = control_matrix(name, features) if features else None
    if matrix is None:
        return None, "not measured: nothing was scored, or the data hold no files of their own"
    folds = _folds(labels, ids)
    if folds < _LEAST_FOLDS:
        return None, "not measured: too few identities or videos of one label for folds"
    try:
        logits = cross_validated_logits(matrix, labels, ids, rng=rng, folds=folds)
        return auc_interval(logits, labels, ids=ids, rng=rng, resamples=resamples), ""
    except ConfigError as error:
        return None, f"not measured: {error}"


def _folds(labels: NDArray[np.int64], ids: Sequence[str]) -> int:
    """As many folds as both kinds of ids allow, `FOLDS` at most."""
    with_fakes = {name for name, label in zip(ids, labels.tolist(), strict=True) if label == 1}
    others = set(ids) - with_fakes
    sizes = [len(part) for part in (with_fakes, others) if part]
    one_class = len(set(labels.tolist())) < 2
    return 0 if one_class else min(FOLDS, *sizes, FOLDS)


def share_without_forensics(control_auc: float, detector_auc: float | None) -> float | None:
    """How much of a detector's lead over chance a control reaches, within 0 to 1; None for a detector at chance.

    Example:
        >>> share_without_forensics(0.7, 0.9), share_without_forensics(0.45, 0.9)
        (0.5, 0.0)
    """
    if detector_auc is None or detector_auc <= 0.5:
        return None
    return round(min(1.0, max(0.0, (control_auc - 0.5) / (detector_auc - 0.5))), 6)


def share_words(share: float | None, detector_auc: float | None) -> str:
    """The share in plain words."""
    if detector_auc is None:
        return "the detector has no AUC here to compare with"
    if share is None:
        return "the detector is no better than chance here, so there is nothing to explain"
    percent = f"{share * 100:.0f} % of the detector's lead over chance is reached without any forensics"
    if share >= 0.9:
        return f"{percent}: this set does not show that the detector can do more"
    if share >= 0.5:
        return f"{percent}: much of the result may rest on it"
    if share >= 0.2:
        return f"{percent}: part of the result may rest on it"
    return f"{percent}: hardly any of the result can rest on it"
