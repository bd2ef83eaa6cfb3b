"""Controls: what a program that knows nothing of faces reaches on the same pictures.

If the radial power spectrum alone tells the labels of a test set apart, the set differs in sharpness, resampling or
coding, and a high figure of a detector on it is no proof of skill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.logistic import logistic_regression
from facewitness.evaluation.metrics.checks import checked

Floats = NDArray[np.float64]

_FLOOR = 1e-3
_MIN_SIDE_PX = 8
FOLDS = 5
L2 = 1.0

SPECTRUM_RULE = (
    f"logistic regression (L2 {L2:g}, standardised inputs) on the log radial power spectrum of the grey crop, "
    f"fitted inside the test set itself on {FOLDS} folds that share no identity: what sharpness and coding give away"
)
"""How `spectrum_scores` works, as results state it."""


def radial_power_spectrum(crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Log power per spatial frequency, averaged over directions.

    Args:
        crops: ``(s, s, 3)`` uint8 RGB each, all of one size of at least 8 px.

    Returns:
        ``(n, s // 2)`` float32: natural log of the mean power at 1, 2, ... s // 2 cycles per crop, under a Hann
        window, mean removed; power in squared grey levels per pixel.

    Raises:
        ConfigError: If there are no crops, or they are not square and of one size.

    Reference: Durall, Keuper and Keuper (2020), "Watch your up-convolution", section 3.1 (azimuthal integration).
    """
    shapes = {crop.shape for crop in crops}
    side = next(iter(shapes))[0] if shapes else 0
    if shapes != {(side, side, 3)} or side < _MIN_SIDE_PX:
        msg = f"crops must be (s, s, 3) of one size s >= {_MIN_SIDE_PX}, at least one; got {sorted(shapes)[:3]}"
        raise ConfigError(msg)
    hann = np.hanning(side + 1)[:-1]
    window = np.outer(hann, hann) / ((hann**2).mean() * side)
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, : side // 2 + 1])).astype(np.int64)
    # a real picture's spectrum is symmetric: rfft2 keeps half, inner columns stand for two
    twice = np.where((np.arange(side // 2 + 1) % (side / 2)) == 0, 1.0, 2.0)[None, :].repeat(side, axis=0)
    weights = np.bincount(radius.ravel(), weights=twice.ravel())
    rows = []
    for crop in crops:
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float64)
        power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
        mean = np.bincount(radius.ravel(), weights=(power * twice).ravel()) / weights
        rows.append(np.log(mean[1 : side // 2 + 1] + _FLOOR))
    return np.asarray(rows, dtype=np.float32)


@dataclass(frozen=True)
class LogisticModel:
    """Logistic regression on standardised features.

    Attributes:
        weights: ``(d,)`` on standardised features.
        bias: Added to them.
        mean: ``(d,)`` of the training features.
        spread: ``(d,)`` their standard deviation, 1 where they do not vary.
    """

    weights: Floats
    bias: float
    mean: Floats
    spread: Floats

    def logits(self, features: ArrayLike) -> Floats:
        """``(n,)`` logits of ``(n, d)`` features."""
        return np.asarray((np.asarray(features, dtype=np.float64) - self.mean) / self.spread @ self.weights + self.bias)


def fit_logistic(features: ArrayLike, labels: ArrayLike, *, l2: float = L2) -> LogisticModel:
    """Minimise the sum of cross-entropies plus ``l2 / 2`` times the squared weights (bias apart), by Newton's method.

    Args:
        features: ``(n, d)`` finite.
        labels: ``(n,)`` of 0 and 1.
        l2: Weight of the penalty on standardised features, above 0.

    Returns:
        The model.

    Raises:
        ConfigError: On bad input, one class only, or a penalty that is not positive.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        msg = f"features must be (n, d) finite, got shape {x.shape}"
        raise ConfigError(msg)
    if not l2 > 0:
        msg = f"l2 must be above 0, got {l2}"
        raise ConfigError(msg)
    _, fake = checked(np.zeros(len(x)), labels)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-12] = 1.0
    design = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    penalty = np.r_[np.full(x.shape[1], l2), 0.0]
    count, width = design.shape
    weights = logistic_regression(design, fake.astype(np.float64), np.ones(count), np.zeros(width), penalty=penalty)
    return LogisticModel(weights[:-1], float(weights[-1]), mean, spread)


def folds_by_id(ids: Sequence[str], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal ids into folds, so that what belongs together stays together.

    Args:
        ids: ``(n,)`` who an item belongs to.
        folds: Number of folds.
        rng: Shuffles the ids.

    Returns:
        ``(n,)`` fold of each item; folds differ by one id at most.

    Raises:
        ConfigError: If there are fewer ids than folds, or fewer than two folds.
    """
    names = sorted(set(ids))
    if folds < 2 or len(names) < folds:
        msg = f"expected at least 2 folds and as many ids as folds, got {folds} folds and {len(names)} ids"
        raise ConfigError(msg)
    dealt = rng.permutation(len(names)) % folds
    fold_of = dict(zip(names, dealt.tolist(), strict=True))
    return np.array([fold_of[name] for name in ids], dtype=np.int64)


def cross_validated_logits(
    features: ArrayLike,
    labels: ArrayLike,
    ids: Sequence[str],
    *,
    rng: np.random.Generator,
    folds: int = FOLDS,
    l2: float = L2,
) -> Floats:
    """Logits of each item from a model that was fitted without its fold.

    Args:
        features: ``(n, d)``.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` who an item belongs to; an id is in one fold only. Reals and fakes with ids of their own are
            dealt apart, so that each fold has its share of both.
        rng: Deals the ids.
        folds: Number of folds.
        l2: As `fit_logistic`.

    Returns:
        ``(n,)`` logits, higher means fake.

    Raises:
        ConfigError: On bad input or too few ids.
    """
    x, truth = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if not len(x) == len(truth) == len(ids):
        msg = f"features, labels and ids must be of one length, got {len(x)}, {len(truth)} and {len(ids)}"
        raise ConfigError(msg)
    fold = np.empty(len(ids), dtype=np.int64)
    fake_ids = {name for name, label in zip(ids, truth.tolist(), strict=True) if label == 1}
    with_fakes = np.array([name in fake_ids for name in ids])
    for part in (with_fakes, ~with_fakes):
        if part.any():
            fold[part] = folds_by_id([name for name, here in zip(ids, part, strict=True) if here], folds, rng)
    logits = np.empty(len(ids))
    for held in range(folds):
        model = fit_logistic(x[fold != held], truth[fold != held], l2=l2)
        logits[fold == held] = model.logits(x[fold == held])
    return logits


def spectrum_scores(
    crops: Sequence[NDArray[np.uint8]], labels: ArrayLike, ids: Sequence[str], *, rng: np.random.Generator
) -> Floats:
    """Cross-validated logits of the spectrum control, as `SPECTRUM_RULE` states.

    Args:
        crops: ``(s, s, 3)`` uint8 RGB each, as the detector gets them.
        labels: ``(n,)`` of 0 and 1.
        ids: ``(n,)`` who an item belongs to.
        rng: Deals the ids.

    Raises:
        ConfigError: As `radial_power_spectrum` and `cross_validated_logits`.
    """
    return cross_validated_logits(radial_power_spectrum(crops), labels, ids, rng=rng)
