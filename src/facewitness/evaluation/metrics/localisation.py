"""Does the heatmap point at what was forged? Heatmaps against masks, one picture at a time and over a set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.checks import checked
from facewitness.evaluation.metrics.decisions import decide
from facewitness.evaluation.metrics.ranking import average_precision, roc_auc, scores_and_counts

Floats = NDArray[np.float64]
_CHUNK = 1 << 22


def resize_heatmap(heatmap: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Bring a heatmap to the size of its mask: the rule of this module for other sizes. Masks are never resized.

    Bilinear between pixel centres, edges repeated, nothing averaged when shrinking (as OpenCV's ``INTER_LINEAR``).

    Args:
        heatmap: ``(h, w)`` finite.
        shape: Height and width wanted.

    Returns:
        ``shape`` float64.

    Raises:
        ConfigError: On another shape or values that are not finite.
    """
    image = _map(heatmap, "heatmap")
    if image.shape == tuple(shape):
        return image
    for axis, size in enumerate(shape):
        length = image.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.floor(at).astype(np.int64)
        share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        first, second = image.take(low, axis=axis), image.take(np.minimum(low + 1, length - 1), axis=axis)
        image = first + share * (second - first)
    return image


def pixel_roc_auc(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """AUC of forged against other pixels.

    Args:
        heatmap: ``(h, w)`` finite, higher means forged; resized to the mask.
        mask: ``(H, W)``, forged where greater than 0; some pixels forged, some not.

    Raises:
        ConfigError: On bad input, or a mask with one class.
    """
    return roc_auc(*_pixels(heatmap, mask))


def pixel_average_precision(heatmap: ArrayLike, mask: ArrayLike) -> float:
    """Average precision of forged pixels.

    Raises:
        ConfigError: As `pixel_roc_auc`.
    """
    return average_precision(*_pixels(heatmap, mask))


def pixel_f1(heatmap: ArrayLike, mask: ArrayLike, *, threshold: float = 0.5) -> float:
    """F1 of the pixels at or above a fixed threshold.

    Args:
        heatmap: ``(h, w)`` finite, higher means forged; resized to the mask.
        mask: ``(H, W)``, forged where greater than 0; some pixel must be.
        threshold: In the units of ``heatmap``.

    Raises:
        ConfigError: On bad input, or a mask without a forged pixel (`false_activation_area` is for reals).
    """
    return decide(*_pixels(heatmap, mask), threshold=threshold).f1


def best_pixel_f1(heatmap: ArrayLike, mask: ArrayLike) -> tuple[float, float]:
    """Largest F1 over all thresholds, chosen with the mask in hand: an upper bound, to be named as such.

    Returns:
        F1 and its threshold (the highest of equally good ones).

    Raises:
        ConfigError: As `pixel_f1`.
    """
    values, forged = _pixels(heatmap, mask)
    thresholds, hits, alarms = scores_and_counts(values, forged)
    f1 = 2 * hits / (hits + alarms + forged.sum())
    best = int(np.argmax(f1))
    return float(f1[best]), float(thresholds[best])


def pixel_iou(heatmap: ArrayLike, mask: ArrayLike, *, threshold: float = 0.5) -> float:
    """Overlap over union of the pixels at or above a threshold with the forged ones.

    Raises:
        ConfigError: As `pixel_f1`.
    """
    found = decide(*_pixels(heatmap, mask), threshold=threshold)
    return found.true_positives / (found.true_positives + found.false_positives + found.false_negatives)


def pointing_game(heatmap: ArrayLike, mask: ArrayLike, *, tolerance_px: float = 15.0) -> float:
    """Whether the peak lies in the forged area or at most ``tolerance_px`` from it.

    Args:
        heatmap: ``(h, w)`` finite; resized to the mask.
        mask: ``(H, W)``, forged where greater than 0; some pixel must be.
        tolerance_px: Pixels of the mask, between pixel centres.

    Returns:
        1 or 0; of several equal peaks the share that hits, so that a flat heatmap scores the area and no more.

    Raises:
        ConfigError: As `pixel_f1`, or on a negative tolerance.

    Reference: Zhang et al. (2016), "Top-down neural attention by excitation backprop", section 5.1.
    """
    if not tolerance_px >= 0:
        msg = f"tolerance_px must not be negative, got {tolerance_px}"
        raise ConfigError(msg)
    forged = _mask(mask)
    return float(np.mean(_peak_distances(heatmap, forged) <= tolerance_px))


def peak_distance(heatmap: ArrayLike, boundary: ArrayLike) -> float:
    """Distance from the heatmap's peak to the nearest maximum of a blend-boundary map.

    Args:
        heatmap: ``(h, w)`` finite; resized to the boundary map.
        boundary: ``(H, W)`` finite, not flat; highest where the blend is half and half.

    Returns:
        Pixels of the boundary map; of several equal peaks the mean.

    Raises:
        ConfigError: On bad input or a flat boundary map.
    """
    truth = _map(boundary, "boundary")
    if truth.max() == truth.min():
        msg = "the boundary map is flat (a real picture?), so it has no maximum to measure from"
        raise ConfigError(msg)
    return float(np.mean(_peak_distances(heatmap, truth == truth.max())))


def false_activation_area(heatmap: ArrayLike, *, threshold: float = 0.5) -> float:
    """Share of pixels of a real picture at or above a threshold; 0 is right.

    Raises:
        ConfigError: On bad input.

    >>> false_activation_area([[0.1, 0.6], [0.2, 0.5]])
    0.5
    """
    return float(np.mean(_map(heatmap, "heatmap") >= threshold))


@dataclass(frozen=True)
class Localisation:
    """One picture, or the mean over a set's pictures; NaN where a measure is not defined.

    Attributes:
        auc: Pixel AUC; NaN for a fake that is forged everywhere.
        ap: Pixel average precision.
        f1: Pixel F1 at the threshold.
        best_f1: Largest pixel F1 over all thresholds, chosen with the mask.
        iou: Overlap over union at the threshold.
        pointing: Share of peaks in the mask or near it.
        peak_distance_px: Peak to the maximum of the boundary map; NaN without one.
        false_activation: Share of a real's pixels at or above the threshold; NaN for fakes.
        fakes: Pictures with a forged pixel.
        reals: Pictures without.
    """

    auc: float
    ap: float
    f1: float
    best_f1: float
    iou: float
    pointing: float
    peak_distance_px: float
    false_activation: float
    fakes: int
    reals: int


def localise(
    heatmap: ArrayLike,
    mask: ArrayLike | None,
    boundary: ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    tolerance_px: float = 15.0,
) -> Localisation:
    """Every measure of one picture.

    Args:
        heatmap: ``(h, w)`` finite, higher means forged; resized to the mask.
        mask: ``(H, W)``, forged where greater than 0; None or empty for a real.
        boundary: ``(H, W)`` blend-boundary map, or None.
        threshold: In the units of ``heatmap``.
        tolerance_px: Of the pointing game, pixels of the mask.

    Raises:
        ConfigError: On bad input.
    """
    nan = float("nan")
    if mask is None or not _plain(mask).any():
        area = false_activation_area(heatmap, threshold=threshold)
        return Localisation(nan, nan, nan, nan, nan, nan, nan, area, fakes=0, reals=1)
    whole = bool(_plain(mask).all())
    return Localisation(
        auc=nan if whole else pixel_roc_auc(heatmap, mask),
        ap=nan if whole else pixel_average_precision(heatmap, mask),
        f1=pixel_f1(heatmap, mask, threshold=threshold),
        best_f1=best_pixel_f1(heatmap, mask)[0],
        iou=pixel_iou(heatmap, mask, threshold=threshold),
        pointing=pointing_game(heatmap, mask, tolerance_px=tolerance_px),
        peak_distance_px=nan if boundary is None else peak_distance(heatmap, boundary),
        false_activation=nan,
        fakes=1,
        reals=0,
    )


def summarise_localisation(pictures: Sequence[Localisation]) -> Localisation:
    """Mean over pictures, each counting once; a measure's mean is over the pictures that have it.

    Raises:
        ConfigError: If there is no picture.
    """
    if not pictures:
        msg = "there is no picture to take the mean of"
        raise ConfigError(msg)

    def mean(name: str) -> float:
        there = [value for p in pictures if not math.isnan(value := getattr(p, name))]
        return float(np.mean(there)) if there else float("nan")

    return Localisation(
        auc=mean("auc"),
        ap=mean("ap"),
        f1=mean("f1"),
        best_f1=mean("best_f1"),
        iou=mean("iou"),
        pointing=mean("pointing"),
        peak_distance_px=mean("peak_distance_px"),
        false_activation=mean("false_activation"),
        fakes=sum(p.fakes for p in pictures),
        reals=sum(p.reals for p in pictures),
    )


def _map(values: ArrayLike, name: str) -> Floats:
    image = np.asarray(values, dtype=np.float64)
    if image.ndim != 2 or image.size == 0 or not np.isfinite(image).all():
        msg = f"{name} must be (h, w), finite and not empty, got shape {image.shape}"
        raise ConfigError(msg)
    return image


def _plain(mask: ArrayLike) -> NDArray[np.bool_]:
    return _map(mask, "mask") > 0


def _mask(mask: ArrayLike) -> NDArray[np.bool_]:
    forged = _plain(mask)
    if not forged.any():
        msg = "the mask has no forged pixel; use false_activation_area for real pictures"
        raise ConfigError(msg)
    return forged


def _pixels(heatmap: ArrayLike, mask: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    forged = _mask(mask)
    resized = resize_heatmap(heatmap, (forged.shape[0], forged.shape[1]))
    return checked(resized.ravel(), forged.ravel(), both_classes=False)


def _peak_distances(heatmap: ArrayLike, target: NDArray[np.bool_]) -> Floats:
    """Distance of every highest pixel of the heatmap to the nearest one of ``target``."""
    resized = resize_heatmap(heatmap, (target.shape[0], target.shape[1]))
    peaks, goals = np.argwhere(resized == resized.max()), np.argwhere(target).astype(np.float64)
    rows = max(1, _CHUNK // len(goals))
    return np.concatenate(
        [
            np.sqrt(((part[:, None, :] - goals[None]) ** 2).sum(axis=2).min(axis=1))
            for part in np.split(peaks, range(rows, len(peaks), rows))
        ]
    )
