"""Calibration against scikit-learn and scipy; weights by video; the record that stores it."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from facewitness.errors import ConfigError, WeightsError
from facewitness.evaluation.calibration import (
    fit_calibration,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    grouped_weights,
)
from facewitness.evaluation.metrics import expected_calibration_error
from facewitness.score_maps import Calibration, log_odds
from facewitness.weights import WeightsRecord


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


def test_logit_is_that_of_scipy():
    values = np.r_[1e-12, np.linspace(0.01, 0.99, 50)]
    np.testing.assert_allclose(log_odds(values), logit(values), rtol=1e-12)
    np.testing.assert_array_equal(log_odds([0.0, 1.0]), [-40.0, 40.0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_temperature_is_the_minimum_that_scipy_finds(seed):
    rng = np.random.default_rng(seed)
    logits, labels = drawn(seed)
    logits = 3.0 * (logits + 3.5)  # three times too sure
    weights = rng.uniform(0.2, 2.0, labels.size)
    fakes, reals = weights[labels == 1].sum(), weights[labels == 0].sum()
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))

    def loss(temperature):
        scaled = logits / temperature
        return np.sum(weights * (np.logaddexp(0, scaled) - targets * scaled))

    oracle = minimize_scalar(loss, bounds=(0.05, 50), method="bounded", options={"xatol": 1e-9})
    scale, bias = fit_temperature(logits, labels, weights=weights)
    assert 1 / scale == pytest.approx(oracle.x, rel=1e-5)
    assert bias == 0
    assert oracle.x > 1.5


def test_temperature_needs_logits_that_point_the_right_way():
    logits, labels = np.r_[-np.ones(50), np.ones(50)] * 40.0, np.repeat([0, 1], 50)
    np.testing.assert_allclose(fit_temperature(logits, labels).apply([40.0]), [51 / 52], atol=1e-6)
    with pytest.raises(ConfigError, match="check the labels"):
        fit_temperature(-logits, labels)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_a_weight_of_two_is_a_row_twice(method):
    logits, labels = drawn(6)
    scores = expit(logits)
    twice = np.arange(labels.size) % 3 == 0
    weighted = fit_calibration(method, scores, labels, fitted_on="x", weights=1.0 + twice)
    doubled = fit_calibration(method, np.r_[scores, scores[twice]], np.r_[labels, labels[twice]], fitted_on="x")
    grid = np.linspace(0, 1, 101)
    np.testing.assert_allclose(weighted.apply(grid), doubled.apply(grid), atol=1e-8)
    plain = fit_calibration(method, scores, labels, fitted_on="x")
    assert np.abs(plain.apply(grid) - doubled.apply(grid)).max() > 1e-3


def test_a_video_counts_once_whatever_its_length():
    """A long odd video must not drag the fit: by video the answer stays where the other videos put it."""
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1], 40)
    scores = expit(rng.normal(4.0 * labels - 2.0, 1.0))
    frames, frame_labels = np.r_[scores, np.full(2000, 0.5)], np.r_[labels, np.zeros(2000, int)]
    videos = np.r_[np.arange(80), np.full(2000, 99)]
    weights = grouped_weights(videos, frame_labels)
    assert weights.sum() == pytest.approx(81)
    assert weights[80:].sum() == pytest.approx(1.0)
    alone, grouped, plain = (
        fit_calibration("platt", s, y, fitted_on="x", weights=w).apply(0.5)
        for s, y, w in ((scores, labels, None), (frames, frame_labels, weights), (frames, frame_labels, None))
    )
    assert abs(grouped - alone) < 0.15
    assert plain < 0.2 < grouped


def test_weights_by_kind_and_share():
    videos, labels = ["a", "a", "b", "c", "d", "e"], [0, 0, 1, 1, 1, 1]
    kinds = ["", "", "swap", "swap", "swap", "gan"]
    weights = grouped_weights(videos, labels, kinds=kinds)
    np.testing.assert_allclose(weights, [0.5, 0.5, 2 / 3, 2 / 3, 2 / 3, 2.0])
    even = grouped_weights(videos, labels, fake_share=0.5)
    np.testing.assert_allclose([even[:2].sum(), even[2:].sum()], 2.5)
    with pytest.raises(ConfigError, match="share of fakes"):
        grouped_weights(videos, labels, fake_share=1.0)
    with pytest.raises(ConfigError, match="must be"):
        grouped_weights(videos, labels[:3])
    with pytest.raises(ConfigError, match="above 0"):
        fit_platt([0.0, 1.0], [0, 1], weights=[1.0, 0.0])


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_calibration_mends_and_is_stored(tmp_path, method):
    rng = np.random.default_rng(8)
    chances = rng.random(4000)
    labels = (rng.random(4000) < chances).astype(int)
    sure = expit(2.5 * logit(chances))  # the right order, far too sure
    made = fit_calibration(method, sure[::2], labels[::2], fitted_on="2000 made-up faces")
    after = expected_calibration_error(made.apply(sure[1::2]), labels[1::2])
    assert after < 0.05
    assert expected_calibration_error(sure[1::2], labels[1::2]) > 0.1
    if method == "temperature":
        assert 1 / made.scale == pytest.approx(2.5, rel=0.1)
    record = WeightsRecord("a.onnx", "0" * 64, "laa_net", "mine", calibration={"score": made.to_dict()})
    record.write(tmp_path / "a.json")
    again = WeightsRecord.read(tmp_path / "a.json").score_calibration()
    assert again == made
    np.testing.assert_array_equal(again.apply(sure), made.apply(sure))
    assert WeightsRecord("a", "0", "x", "mine").score_calibration() is None


@pytest.mark.parametrize(
    "values",
    [
        {"method": "tea", "fitted_on": "x"},
        {"method": "platt", "fitted_on": "x", "scale": -1.0},
        {"method": "isotonic", "fitted_on": "x"},
        {"method": "isotonic", "fitted_on": "x", "scores": [0.2, 0.1], "probabilities": [0.0, 1.0]},
        {"method": "isotonic", "fitted_on": "x", "scores": [0.1, 0.2], "probabilities": [1.0, 0.0]},
        {"method": "temperature", "fitted_on": "x", "temperature": 2.0},
    ],
)
def test_a_calibration_that_is_none_is_refused(values):
    with pytest.raises(ConfigError):
        Calibration.from_dict(values)
    with pytest.raises(WeightsError, match=r"record of a\.onnx"):
        WeightsRecord("a.onnx", "0", "x", "mine", calibration={"score": values}).score_calibration()


@pytest.mark.parametrize("scores", [[0.5] * 20, [0.9 - 0.8 * (i % 2) for i in range(20)]])
def test_scores_that_do_not_rank_are_said(scores):
    with pytest.raises(ConfigError, match="do not rank fakes above reals"):
        fit_calibration("platt", scores, [i % 2 for i in range(20)], fitted_on="ties")
