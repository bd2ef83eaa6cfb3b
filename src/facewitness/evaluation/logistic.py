"""Logistic regression by Newton's method, for calibration and for controls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facewitness.score_maps import logistic

Floats = NDArray[np.float64]

_NEWTON_STEPS = 100
_GRADIENT_END = 1e-9
_RIDGE = 1e-12
_HALVINGS = 30


def logistic_regression(
    x: Floats, targets: Floats, shares: Floats, start: Floats, *, penalty: Floats | None = None
) -> Floats:
    """The weights of least cross-entropy plus ``penalty / 2`` times their squares.

    Args:
        x: ``(n, d)`` inputs, with a column of ones where there is a bias; of about unit size.
        targets: ``(n,)`` in [0, 1].
        shares: ``(n,)`` weight of each row, above 0.
        start: ``(d,)`` weights to begin with.
        penalty: ``(d,)``; None is none, and the data must then not be separable.

    Returns:
        ``(d,)`` weights.
    """
    ridge = np.zeros(x.shape[1]) if penalty is None else penalty
    weights = start
    for _ in range(_NEWTON_STEPS):
        chances = logistic(x @ weights)
        gradient = x.T @ (shares * (chances - targets)) + ridge * weights
        if np.abs(gradient).max() < _GRADIENT_END * shares.sum():
            break
        curvature = (x.T * (shares * chances * (1 - chances))) @ x + np.diag(ridge + _RIDGE)
        step = np.asarray(np.linalg.solve(curvature, gradient), dtype=np.float64)
        weights = _line_search(x, targets, shares, weights, step=step, ridge=ridge)
    return weights


def _line_search(x: Floats, targets: Floats, shares: Floats, weights: Floats, *, step: Floats, ridge: Floats) -> Floats:
    """The Newton step, halved until it does not make the loss larger."""

    def loss(candidate: Floats) -> float:
        logits = x @ candidate
        cross_entropy = np.sum(shares * (np.logaddexp(0.0, logits) - targets * logits))
        return float(cross_entropy + 0.5 * np.sum(ridge * candidate**2))

    before = loss(weights)
    for _ in range(_HALVINGS):
        candidate = weights - step
        if loss(candidate) <= before:
            return candidate
        step = step / 2
    return weights
