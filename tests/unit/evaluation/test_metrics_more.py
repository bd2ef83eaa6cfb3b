"""Partial AUC, decisions, reliability, DeLong, paired bootstrap: oracles and laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import (
    auc_interval,
    average_precision,
    best_threshold,
    bootstrap_interval,
    brier_score,
    calibration_errors,
    decide,
    delong_interval,
    delong_test,
    equal_error_rate,
    macro_recall,
    mcnemar_exact,
    negative_log_likelihood,
    paired_bootstrap,
    partial_auc,
    reliability_table,
    roc_auc,
    tpr_at_fpr,
)

NAN = float("nan")


def data(seed, n=200, levels=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = 1 / (1 + np.exp(-rng.normal(labels * 1.2 - 0.6, 1.0)))
    return (scores if levels is None else np.round(scores * levels) / levels), labels


CASES = [data(seed, n, levels) for seed in range(4) for n in (2, 9, 300) for levels in (None, 1, 5)]


@pytest.mark.parametrize(("scores", "labels"), CASES)
@pytest.mark.parametrize("end", [0.05, 0.1, 0.5])
def test_partial_auc_is_scikit_learns(scores, labels, end):
    assert partial_auc(scores, labels, end) == pytest.approx(oracle.roc_auc_score(labels, scores, max_fpr=end))


def test_partial_auc_of_the_whole_curve_and_bare():
    scores, labels = CASES[6]
    assert partial_auc(scores, labels, 1.0) == pytest.approx(roc_auc(scores, labels))
    assert partial_auc(labels, labels, 0.1, standardised=False) == pytest.approx(0.1)
    with pytest.raises(ConfigError, match="max_fpr"):
        partial_auc(scores, labels, 0.0)


@pytest.mark.parametrize(("scores", "labels"), CASES)
def test_nearest_error_rate_is_deepfakebenchs(scores, labels):
    fpr, tpr, _ = oracle.roc_curve(labels, scores)
    assert equal_error_rate(scores, labels, method="nearest") == pytest.approx(
        fpr[np.nanargmin(np.absolute((1 - tpr) - fpr))]
    )


def test_both_error_rates_differ_and_are_named():
    scores, labels = [0.1, 0.6, 0.5, 0.9, 0.8], [0, 0, 1, 1, 1]
    assert equal_error_rate(scores, labels, method="nearest") != equal_error_rate(scores, labels)
    with pytest.raises(ConfigError, match="method"):
        equal_error_rate(scores, labels, method="brentq")


@pytest.mark.parametrize(("scores", "labels"), CASES)
@pytest.mark.parametrize("threshold", [0.0, 0.4, 2.0])
def test_decisions_are_scikit_learns(scores, labels, threshold):
    called = (scores >= threshold).astype(int)
    found = decide(scores, labels, threshold=threshold)
    assert found.acc == pytest.approx(oracle.accuracy_score(labels, called))
    assert found.bacc == pytest.approx(oracle.balanced_accuracy_score(labels, called))
    assert found.bacc == pytest.approx(macro_recall(scores, labels, threshold=threshold))
    assert found.f1 == pytest.approx(oracle.f1_score(labels, called, zero_division=0))
    assert found.mcc == pytest.approx(oracle.matthews_corrcoef(labels, called))
    assert found.tnr == pytest.approx(oracle.recall_score(labels, called, pos_label=0)) == 1 - found.fpr_on_real
    table = [[found.true_negatives, found.false_positives], [found.false_negatives, found.true_positives]]
    assert table == oracle.confusion_matrix(labels, called).tolist()


def test_decisions_with_one_class_or_many():
    found = decide([0.9, 0.1], [0, 0], threshold=0.5)
    assert (found.fpr_on_real, found.f1, found.mcc) == (0.5, 0.0, 0.0)
    assert np.isnan(found.tpr)
    assert np.isnan(found.bacc)
    many = np.repeat([0, 1], 200_000)
    assert decide(many, many, threshold=0.5).mcc == 1.0  # the product of the counts is 1.6e21


@pytest.mark.parametrize(("scores", "labels"), CASES)
def test_best_thresholds_are_best(scores, labels):
    tries = np.r_[np.unique(scores), np.inf]
    rows = [(decide(scores, labels, threshold=t), t) for t in tries]
    for criterion, gain in (("youden", lambda d: d.tpr - d.fpr_on_real), ("accuracy", lambda d: d.acc)):
        chosen = best_threshold(scores, labels, criterion)
        best = max(round(gain(d), 9) for d, _ in rows)
        assert round(gain(decide(scores, labels, threshold=chosen)), 9) == best
        highest = max(t for d, t in rows if round(gain(d), 9) == best)
        assert chosen == highest or (highest == np.inf and chosen > scores.max())
    at_bound = decide(scores, labels, threshold=best_threshold(scores, labels, "fpr=0.2"))
    assert at_bound.fpr_on_real <= 0.2
    assert at_bound.tpr == tpr_at_fpr(scores, labels, 0.2)


@pytest.mark.parametrize("criterion", ["f2", "fpr=", "fpr=2"])
def test_unknown_criteria_are_refused(criterion):
    with pytest.raises(ConfigError):
        best_threshold([0.1, 0.9], [0, 1], criterion)


@pytest.mark.parametrize(("scores", "labels"), CASES)
def test_proper_scores_are_scikit_learns(scores, labels):
    assert brier_score(scores, labels) == pytest.approx(oracle.brier_score_loss(labels, scores))
    assert negative_log_likelihood(scores, labels) == pytest.approx(oracle.log_loss(labels, scores, labels=[0, 1]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "strategy"), [("width", "uniform"), ("mass", "quantile")])
def test_reliability_is_scikit_learns(seed, kind, strategy):
    scores, labels = data(seed, 500)
    table = reliability_table(scores, labels, bins=10, kind=kind)
    shares, means = calibration_curve(labels, scores, n_bins=10, strategy=strategy)
    filled = [row for row in table if row.count]
    np.testing.assert_allclose([row.fake_share for row in filled], shares)
    np.testing.assert_allclose([row.mean_probability for row in filled], means)
    assert len(table) == 10
    assert sum(row.count for row in table) == 500
    if kind == "mass":
        assert max(row.count for row in table) - min(row.count for row in table) <= 1
    errors = calibration_errors(table)
    gaps = np.abs(shares - means)
    assert errors.maximum == pytest.approx(gaps.max())
    assert errors.expected == pytest.approx(np.average(gaps, weights=[row.count for row in filled]))


def test_reliability_with_ties_and_refusals():
    table = reliability_table([0.5] * 4, [0, 1, 1, 1], bins=3, kind="mass")
    assert [row.count for row in table if row.count] == [4]
    assert calibration_errors(table).expected == pytest.approx(0.25)
    for wrong in ({"bins": 0}, {"kind": "area"}):
        with pytest.raises(ConfigError):
            reliability_table([0.5], [1], **wrong)
    with pytest.raises(ConfigError, match="no cal"):
        calibration_errors([])
    for metric in (brier_score, negative_log_likelihood, reliability_table):
        for scores, labels in (([1.5], [1]), ([NAN], [1]), ([0.5], [0, 1])):
            with pytest.raises(ConfigError):
                metric(scores, labels)


def brute_covariance(a, b, labels):
    """Covariance of two AUCs from the definition: every pair of a fake and a real, one by one."""
    kernel = {}
    for name, scores in (("a", a), ("b", b)):
        fake, real = scores[labels == 1], scores[labels == 0]
        kernel[name] = np.array([[1.0 if f > r else 0.5 if f == r else 0.0 for r in real] for f in fake])
    fakes, reals = kernel["a"].shape
    total = 0.0
    for axis, count in ((1, fakes), (0, reals)):
        one, two = kernel["a"].mean(axis=axis), kernel["b"].mean(axis=axis)
        total += sum((x - one.mean()) * (y - two.mean()) for x, y in zip(one, two, strict=True)) / (count - 1) / count
    return total


@pytest.mark.parametrize("seed", range(6))
def test_delong_is_the_u_statistic(seed):
    a, labels = data(seed, 60, None if seed % 2 else 6)
    labels[:4] = 0, 1, 0, 1
    b = np.round(a + np.random.default_rng(seed).normal(0, 0.3, 60), 1)
    found = delong_test(a, b, labels)
    assert found.auc_a == pytest.approx(oracle.roc_auc_score(labels, a))
    assert found.auc_b == pytest.approx(oracle.roc_auc_score(labels, b))
    assert found.variance_a == pytest.approx(brute_covariance(a, a, labels))
    assert found.variance_b == pytest.approx(brute_covariance(b, b, labels))
    assert found.covariance == pytest.approx(brute_covariance(a, b, labels))
    error = (found.variance_a + found.variance_b - 2 * found.covariance) ** 0.5
    assert found.z == pytest.approx(found.difference / error)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.z)))
    interval = delong_interval(a, labels)
    half = 1.959964 * found.variance_a**0.5
    assert (interval.low, interval.high) == pytest.approx(
        (max(0, found.auc_a - half), min(1, found.auc_a + half)), abs=1e-6
    )


def test_delong_without_variance_and_refusals():
    labels = np.array([0, 0, 1, 1])
    same = delong_test([1, 2, 3, 4], [1, 2, 3, 4], labels)
    assert (same.difference, same.z, same.p_value) == (0.0, 0.0, 1.0)
    apart = delong_test([1, 2, 3, 4], [4, 3, 2, 1], labels)
    assert (apart.difference, apart.z, apart.p_value) == (1.0, np.inf, 0.0)
    for a, b, y in (
        ([1, 2], [1, 2], [0, 1]),
        ([1, 2, NAN, 4], [1, 2, 3, 4], labels),
        ([1, 2, 3], [1, 2, 3, 4], labels),
    ):
        with pytest.raises(ConfigError):
            delong_test(a, b, y)
    with pytest.raises(ConfigError, match="level"):
        delong_interval([1, 2, 3, 4], labels, level=1.0)


def test_delong_keeps_its_level():
    """Two equally good detectors: p below 0.1 in about a tenth of the draws."""
    rng = np.random.default_rng(0)
    low = 0
    for _ in range(300):
        labels = np.repeat([0, 1], 40)
        shared = rng.normal(labels, 1.0)
        low += delong_test(shared + rng.normal(0, 1, 80), shared + rng.normal(0, 1, 80), labels).p_value < 0.1
    assert 15 <= low <= 48


def test_paired_bootstrap_sees_pairs():
    a, labels = data(1, 300)
    b = a - 0.15 * (labels - 0.5) + np.random.default_rng(0).normal(0, 0.02, 300)
    found = paired_bootstrap(roc_auc, a, b, labels, rng=np.random.default_rng(0), resamples=300)
    assert found.value_a == roc_auc(a, labels)
    assert found.difference.value == found.value_a - found.value_b
    assert 0 < found.difference.low < found.difference.value < found.difference.high
    assert found.p_value == pytest.approx(2 / 301)
    test = delong_test(a, b, labels)
    error = abs(test.difference / test.z)
    assert found.difference.high - found.difference.low == pytest.approx(2 * 1.96 * error, rel=0.25)
    none = paired_bootstrap(roc_auc, a, a, labels, rng=np.random.default_rng(0), resamples=20)
    assert (none.difference.low, none.difference.high, none.p_value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("levels", [None, 4])
def test_fast_interval_is_the_plain_one(levels):
    scores, labels = data(3, 120, levels)
    ids = np.random.default_rng(5).integers(0, 30, 120)
    settings_ = {"ids": ids, "resamples": 50, "level": 0.9}
    fast = auc_interval(scores, labels, rng=np.random.default_rng(2), **settings_)
    slow = bootstrap_interval(roc_auc, scores, labels, rng=np.random.default_rng(2), **settings_)
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-12)


def test_fast_interval_draws_again_when_a_class_is_missing():
    interval = auc_interval([0.1, 0.9], [0, 1], rng=np.random.default_rng(0), resamples=20)
    assert (interval.low, interval.high) == (1.0, 1.0)


@pytest.mark.parametrize(("one", "two"), list(itertools.product((0, 1, 4, 30), repeat=2)))
def test_mcnemar_is_the_binomial_test(one, two):
    expected = stats.binomtest(one, one + two).pvalue if one + two else 1.0
    assert mcnemar_exact(one, two) == pytest.approx(expected)


def test_mcnemar_of_many_and_refusal():
    assert mcnemar_exact(3000, 3000) == 1.0
    with pytest.raises(ConfigError):
        mcnemar_exact(-1, 2)


pairs = st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({fake for _, fake in rows}) == 2
)


@given(pairs, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_ranking_ignores_order_and_scale(rows, random):
    scores, labels = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], int)
    order = list(range(len(rows)))
    random.shuffle(order)
    for metric in (
        roc_auc,
        average_precision,
        equal_error_rate,
        partial_auc,
        lambda s, y: equal_error_rate(s, y, method="nearest"),
        lambda s, y: tpr_at_fpr(s, y, 0.05),
    ):
        value = metric(scores, labels)
        assert metric(scores[order], labels[order]) == pytest.approx(value)
        assert metric(np.exp(scores / 3), labels) == pytest.approx(value)
    assert roc_auc(-scores, labels) == pytest.approx(1 - roc_auc(scores, labels))
    cut = best_threshold(scores, labels, "youden")
    moved = best_threshold(np.exp(scores / 3), labels, "youden")
    assert (scores >= cut).tolist() == (np.exp(scores / 3) >= moved).tolist()


@given(pairs, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_delong_ignores_order_and_scale_and_turns_its_sign(rows, seed):
    scores = np.array([r[0] for r in rows] * 2, float)
    labels = np.array([r[1] for r in rows] * 2, int)
    rng = np.random.default_rng(seed)
    other, order = rng.integers(0, 5, scores.size).astype(float), rng.permutation(scores.size)
    found, back = delong_test(scores, other, labels), delong_test(other, scores, labels)
    moved = delong_test(np.exp(scores[order] / 3), other[order], labels[order])
    assert back.difference == pytest.approx(-found.difference)
    assert moved.variance_a == pytest.approx(found.variance_a, abs=1e-12)
    assert moved.covariance == pytest.approx(found.covariance, abs=1e-12)
