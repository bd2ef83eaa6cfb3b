"""From scores to P(fake); fit on data that trained nothing, with one weight per video."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facewitness.errors import ConfigError
from facewitness.evaluation.logistic import logistic_regression
from facewitness.evaluation.metrics.checks import checked, require_probabilities
from facewitness.score_maps import Calibration, IsotonicMap, Method, PlattScaling, log_odds

Floats = NDArray[np.float64]


def fit_platt(logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> PlattScaling:
    """Fit scale and bias by maximum likelihood against Platt's softened targets, with Newton's method.

    The targets are ``(n1 + 1) / (n1 + 2)`` for the n1 fakes and ``1 / (n0 + 2)`` for the n0 reals, so that
    perfectly separated data give finite values.

    Args:
        logits: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        weights: ``(n,)`` above 0, such as `grouped_weights`; n1 and n0 are then their sums.

    Returns:
        Scale and bias; a negative scale means that the logits point the wrong way.

    Raises:
        ConfigError: On bad input or one class only.

    Reference: Platt (1999), "Probabilistic outputs for support vector machines"; Lin, Lin and Weng (2007).
    """
    values, fake = checked(logits, labels)
    shares = _weights(weights, values.size)
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    x = np.column_stack([(values - centre) / spread, np.ones(values.size)])
    fakes, reals = float(shares[fake].sum()), float(shares[~fake].sum())
    start = np.array([0.0, math.log((fakes + 1) / (reals + 1))])
    line = logistic_regression(x, _softened(fake, shares), shares, start)
    scale = float(line[0] / spread)
    return PlattScaling(scale, float(line[1] - scale * centre))


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> PlattScaling:
    """Fit the temperature that the logits are divided by, against the softened targets of `fit_platt`.

    Args:
        logits: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        weights: As `fit_platt`.

    Returns:
        A scale of 1 / temperature, and no bias.

    Raises:
        ConfigError: On bad input or one class only, or if the logits point the wrong way, for no temperature is
            negative.

    Reference: Guo et al. (2017), "On calibration of modern neural networks", section 4.2.
    """
    values, fake = checked(logits, labels)
    shares = _weights(weights, values.size)
    size = float(np.abs(values).max()) or 1.0
    targets = _softened(fake, shares)
    line = logistic_regression((values / size)[:, None], targets, shares, np.zeros(1))
    scale = float(line[0] / size)
    if scale <= 0:
        msg = "these logits are lower for fakes than for reals, so no temperature mends them; check the labels"
        raise ConfigError(msg)
    return PlattScaling(scale, 0.0)


def grouped_weights(
    groups: ArrayLike,
    labels: ArrayLike,
    *,
    kinds: ArrayLike | None = None,
    fake_share: float | None = None,
) -> Floats:
    """Weights under which each video counts once, however many frames it has.

    Args:
        groups: ``(n,)`` id of each row's video.
        labels: ``(n,)`` of 0 and 1.
        kinds: ``(n,)`` generator or manipulation of each row; kinds of one label then count alike in total.
        fake_share: Weight of the fakes among all, in (0, 1): what share of fakes P(fake) is to be right for. None
            leaves it to the videos.

    Returns:
        ``(n,)`` that sum to the number of videos.

    Raises:
        ConfigError: On bad lengths or a share out of range.

    Example:
        >>> grouped_weights(["a", "a", "b"], [0, 0, 1]).tolist()
        [0.5, 0.5, 1.0]
    """
    names, fake = np.asarray(groups).astype(np.str_), np.asarray(labels).astype(bool)
    sorts = np.full(names.shape, "") if kinds is None else np.asarray(kinds).astype(np.str_)
    if not names.shape == fake.shape == sorts.shape or names.ndim != 1 or not names.size:
        msg = f"groups, labels and kinds must be (n,) with n >= 1, got {names.shape}, {fake.shape}, {sorts.shape}"
        raise ConfigError(msg)
    _, video, rows = np.unique(names, return_inverse=True, return_counts=True)
    weights = 1.0 / rows[video]
    if kinds is not None:
        for label in (False, True):
            of_label = fake == label
            found = np.unique(sorts[of_label])
            total = weights[of_label].sum()
            for kind in found:
                chosen = of_label & (sorts == kind)
                weights[chosen] *= total / found.size / weights[chosen].sum()
    if fake_share is not None:
        weights = _at_share(weights, fake, fake_share)
    return np.asarray(weights * rows.size / weights.sum(), dtype=np.float64)


def _at_share(weights: Floats, fake: NDArray[np.bool_], share: float) -> Floats:
    if not 0 < share < 1 or not fake.any() or fake.all():
        msg = f"a share of fakes must be in (0, 1) and both classes be there, got {share}"
        raise ConfigError(msg)
    sums = np.where(fake, weights[fake].sum(), weights[~fake].sum())
    return np.asarray(weights * np.where(fake, share, 1 - share) / sums)


def fit_calibration(
    method: Method, scores: ArrayLike, labels: ArrayLike, *, fitted_on: str, weights: ArrayLike | None = None
) -> Calibration:
    """Fit a map from P(fake) to calibrated P(fake).

    Args:
        method: ``temperature``, ``platt`` or ``isotonic``.
        scores: ``(n,)`` P(fake) in [0, 1].
        labels: ``(n,)`` of 0 and 1.
        fitted_on: The set, in words.
        weights: As `fit_platt`.

    Raises:
        ConfigError: On bad input, one class only, or scores that are not higher for fakes.
    """
    values, fake = checked(scores, labels)
    require_probabilities(values, "scores")
    if method == "isotonic":
        knots = fit_isotonic(values, fake, weights=weights)
        return Calibration(
            method, fitted_on, scores=tuple(knots.scores.tolist()), probabilities=tuple(knots.probabilities.tolist())
        )
    fit = fit_temperature if method == "temperature" else fit_platt
    line = fit(log_odds(values), fake, weights=weights)
    if not line.scale > 0:
        msg = "the scores do not rank fakes above reals in these data, so no rising map fits; check labels and detector"
        raise ConfigError(msg)
    return Calibration(method, fitted_on, scale=line.scale, bias=line.bias)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    if weights is None:
        return np.ones(count)
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all() or values.min() <= 0:
        msg = f"weights must be ({count},), finite and above 0, got shape {values.shape}"
        raise ConfigError(msg)
    return values


def _softened(fake: NDArray[np.bool_], shares: Floats) -> Floats:
    """Platt's targets."""
    fakes, reals = float(shares[fake].sum()), float(shares[~fake].sum())
    return np.where(fake, (fakes + 1) / (fakes + 2), 1 / (reals + 2))


def fit_isotonic(scores: ArrayLike, labels: ArrayLike, *, weights: ArrayLike | None = None) -> IsotonicMap:
    """Fit the rising map with the least squared error by pooling adjacent violators.

    Args:
        scores: ``(n,)``, higher means fake.
        labels: ``(n,)`` of 0 and 1.
        weights: ``(n,)`` above 0, such as `grouped_weights`.

    Returns:
        The map; its knots are the ends of the pooled blocks. It needs some hundreds of scores, and unlike
        Platt scaling it can make scores equal.

    Raises:
        ConfigError: On bad input or one class only.
    """
    values, fake = checked(scores, labels)
    knots, inverse = np.unique(values, return_inverse=True)
    shares = _weights(weights, values.size)
    counts = np.bincount(inverse, weights=shares)
    means = np.bincount(inverse, weights=fake * shares) / counts
    blocks: list[tuple[float, float, int]] = []  # mean, weight, distinct scores
    for mean, count in zip(means.tolist(), counts.tolist(), strict=True):
        value, weight, width = mean, count, 1
        while blocks and blocks[-1][0] >= value:
            other, other_weight, other_width = blocks.pop()
            value = (value * weight + other * other_weight) / (weight + other_weight)
            weight, width = weight + other_weight, width + other_width
        blocks.append((value, weight, width))
    widths = np.array([width for _, _, width in blocks])
    last = np.cumsum(widths) - 1
    ends = np.unique(np.concatenate([last - widths + 1, last]))
    fitted = np.repeat([value for value, _, _ in blocks], widths)
    return IsotonicMap(knots[ends], np.asarray(fitted[ends], dtype=np.float64))
