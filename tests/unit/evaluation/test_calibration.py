"""Calibration against scikit-learn, and the lines of a verdict against their own rule."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from facewitness.errors import ConfigError
from facewitness.evaluation.calibration import (
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    operating_points,
)
from facewitness.records import VerdictLabel
from facewitness.verdicts import judge


def drawn(seed, count=400, *, ties=False):
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.3).astype(int)
    logits = rng.normal(3.0 * labels - 5.0, 2.0)
    return (np.round(logits) if ties else logits), labels


def softened(labels):
    fakes, reals = labels.sum(), (1 - labels).sum()
    return np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_platt_equals_sklearn(seed):
    """Logistic regression where each logit is fake with its softened target's weight, and real with the rest."""
    logits, labels = drawn(seed)
    targets = softened(labels)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    oracle.fit(
        np.r_[logits, logits][:, None], np.repeat([1, 0], logits.size), sample_weight=np.r_[targets, 1 - targets]
    )
    scale, bias = fit_platt(logits, labels)
    assert scale == pytest.approx(oracle.coef_[0, 0], rel=1e-4)
    assert bias == pytest.approx(oracle.intercept_[0], rel=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_platt_is_the_optimum_of_platts_loss(seed):
    """Mean of P(fake) and its first moment equal those of the softened targets: the conditions of the optimum."""
    logits, labels = drawn(seed)
    chances = fit_platt(logits, labels).apply(logits)
    targets = softened(labels)
    assert chances.mean() == pytest.approx(targets.mean(), abs=1e-7)
    assert (chances * logits).mean() == pytest.approx((targets * logits).mean(), abs=1e-6)


def test_platt_on_separated_large_and_reversed_logits():
    logits, labels = np.r_[-np.ones(50), np.ones(50)] * 40.0, np.repeat([0, 1], 50)
    scaling = fit_platt(logits, labels)
    np.testing.assert_allclose(scaling.apply([-40.0, 40.0]), [1 / 52, 51 / 52], atol=1e-6)
    turned = fit_platt(-logits, labels)
    assert turned.scale == pytest.approx(-scaling.scale)
    far = fit_platt(logits + 1e4, labels)
    assert far.scale == pytest.approx(scaling.scale, rel=1e-6)
    with pytest.raises(ConfigError, match="both classes"):
        fit_platt([0.0, 1.0], [1, 1])


def test_platt_with_equal_logits_gives_the_share():
    scaling = fit_platt(np.zeros(30), np.r_[np.zeros(20), np.ones(10)])
    assert scaling.apply(0.0) == pytest.approx((20 / 22 + 10 * 11 / 12) / 30, abs=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_isotonic_equals_sklearn(ties):
    scores, labels = drawn(3, ties=ties)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    grid = np.r_[np.linspace(-20, 10, 301), scores]
    fitted = fit_isotonic(scores, labels)
    np.testing.assert_allclose(fitted.apply(grid), oracle.predict(grid), atol=1e-12)
    assert fitted.scores.size < np.unique(scores).size
    assert (np.diff(fitted.probabilities) >= 0).all()


def test_calibration_error_equals_the_bins_of_sklearn():
    rng = np.random.default_rng(4)
    chances = rng.random(1000)
    labels = (rng.random(1000) < chances**2).astype(int)
    share, mean = calibration_curve(labels, chances, n_bins=10, strategy="uniform")
    sizes = np.histogram(chances, bins=10, range=(0, 1))[0]
    expected = np.sum(np.abs(share - mean) * sizes) / 1000
    assert expected_calibration_error(chances, labels, bins=10) == pytest.approx(expected)
    assert expected_calibration_error(chances, labels) > 0.1
    mended = fit_isotonic(chances, labels).apply(chances)
    assert expected_calibration_error(mended, labels) < 0.03
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0
    with pytest.raises(ConfigError, match="sigmoid"):
        expected_calibration_error([2.0], [1])
    with pytest.raises(ConfigError, match="bins"):
        expected_calibration_error([0.2], [1], bins=0)


def test_lines_follow_the_rule():
    reals, fakes = np.arange(99) / 100, np.linspace(0.605, 0.995, 40)
    points = operating_points(reals, fakes, fprs=(0.01, 0.05), chosen_on="a ladder")
    one, five = points["fpr=0.01"], points["fpr=0.05"]
    assert one.threshold == 0.980001  # no real reaches it: (0 + 1) / 100 is just allowed
    assert one.false_positive_rate == 0.01
    assert five.threshold == 0.940001  # 0.95, 0.96, 0.97 and 0.98 reach it: (4 + 1) / 100
    assert five.false_positive_rate == 0.05
    assert five.lower_threshold == one.lower_threshold == pytest.approx(fakes[3], abs=1e-6)  # floor(0.1 * 41) = 4
    assert (fakes < five.lower_threshold).sum() == 3
    assert judge(0.96, five).label is VerdictLabel.FAKE
    assert judge(0.7, five).label is VerdictLabel.UNCERTAIN
    assert judge(0.6, five).label is VerdictLabel.REAL


def test_ties_never_raise_the_rate():
    reals = np.r_[np.zeros(80), np.full(20, 0.5)]
    point = operating_points(reals, np.full(20, 0.9), fprs=(0.1,), chosen_on="ties")["fpr=0.1"]
    assert point.threshold == 0.500001
    assert point.false_positive_rate == pytest.approx(1 / 101)
    assert point.lower_threshold == point.threshold  # the fakes score above it: nothing is uncertain


def test_new_reals_keep_the_rate_on_average():
    """With 60 reals the plain 95 % quantile lets too many through; the rule does not."""
    rng = np.random.default_rng(5)
    ours, plain = [], []
    for _ in range(800):
        reals, fresh = rng.random(60), rng.random(500)
        point = operating_points(reals, [0.9] * 10, fprs=(0.05,), chosen_on="uniform")["fpr=0.05"]
        ours.append((fresh >= point.threshold).mean())
        plain.append((fresh >= np.quantile(reals, 0.95)).mean())
    assert 0.045 < np.mean(ours) <= 0.0515
    assert np.mean(plain) > 0.06


@pytest.mark.parametrize(
    ("reals", "fakes", "settings", "message"),
    [
        (np.linspace(0, 1, 98), [0.5] * 9, {}, "at least 99 reals, got 98"),
        (np.zeros(99), [0.5] * 8, {}, "at least 9 fakes, got 8"),
        (np.ones(99), [0.5] * 9, {}, "score 1.0"),
        ([3.0] * 99, [0.5] * 9, {}, "sigmoid"),
        ([], [0.5] * 9, {}, "n >= 1"),
        (np.zeros(99), [0.5] * 9, {"fprs": (0.0,)}, "in \\(0, 1\\)"),
        (np.zeros(99), [0.5] * 9, {"missed_share": 1.0}, "missed_share"),
    ],
)
def test_lines_that_cannot_be_drawn(reals, fakes, settings, message):
    with pytest.raises(ConfigError, match=message):
        operating_points(reals, fakes, chosen_on="x", **settings)
