"""Every metric against scikit-learn, with ties, and its own laws."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import (
    accuracy,
    average_precision,
    equal_error_rate,
    macro_recall,
    mean_f1,
    rates,
    roc_auc,
    roc_curve,
    summarise,
    threshold_at_fpr,
    tpr_at_fpr,
)


def data(seed, n=200, levels=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.normal(labels * 0.8, 1.0)
    return (scores if levels is None else np.round(scores * levels) / levels), labels


CASES = [data(seed, n, levels) for seed in range(5) for n in (2, 7, 300) for levels in (None, 1, 4)]


@pytest.mark.parametrize(("scores", "labels"), CASES)
def test_against_scikit_learn(scores, labels):
    assert roc_auc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(oracle.average_precision_score(labels, scores), abs=1e-12)
    called = (scores >= 0.2).astype(int)
    assert accuracy(scores, labels, threshold=0.2) == pytest.approx(oracle.accuracy_score(labels, called))
    assert macro_recall(scores, labels, threshold=0.2) == pytest.approx(
        oracle.recall_score(labels, called, average="macro", zero_division=0)
    )
    fpr, tpr, thresholds = oracle.roc_curve(labels, scores, drop_intermediate=False)
    curve = roc_curve(scores, labels)
    np.testing.assert_allclose(curve.false_positive_rate, fpr)
    np.testing.assert_allclose(curve.true_positive_rate, tpr)
    np.testing.assert_allclose(curve.thresholds[1:], thresholds[1:])


@pytest.mark.parametrize(("scores", "labels"), CASES)
def test_equal_error_rate_is_where_the_rates_meet(scores, labels):
    fpr, tpr, _ = oracle.roc_curve(labels, scores, drop_intermediate=False)
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        along = np.interp(middle, np.linspace(0, 1, fpr.size), fpr) - (
            1 - np.interp(middle, np.linspace(0, 1, tpr.size), tpr)
        )
        low, high = (middle, high) if along < 0 else (low, middle)
    expected = np.interp(low, np.linspace(0, 1, fpr.size), fpr)
    assert equal_error_rate(scores, labels) == pytest.approx(expected, abs=1e-9)


def test_order_and_units_do_not_matter():
    scores, labels = data(1, 100, 3)
    order = np.random.default_rng(0).permutation(100)
    for metric in (roc_auc, average_precision, equal_error_rate):
        value = metric(scores, labels)
        assert metric(scores[order], labels[order]) == pytest.approx(value, abs=1e-12)
        assert metric(np.exp(scores / 2), labels) == pytest.approx(value, abs=1e-12)
    assert roc_auc(-scores, labels) == pytest.approx(1 - roc_auc(scores, labels))


def test_perfect_reversed_and_constant():
    labels = np.array([0, 0, 1, 1])
    assert (roc_auc(labels, labels), equal_error_rate(labels, labels)) == (1.0, 0.0)
    assert (roc_auc(-labels, labels), equal_error_rate(-labels, labels)) == (0.0, 1.0)
    assert (roc_auc(np.zeros(4), labels), equal_error_rate(np.zeros(4), labels)) == (0.5, 0.5)


def test_threshold_at_a_bound_keeps_the_bound():
    scores, labels = data(2, 500, 5)
    for bound in (0.0, 0.01, 0.05, 0.3, 1.0):
        threshold, found = threshold_at_fpr(scores, labels, bound)
        measured = rates(scores, labels, threshold=threshold)
        assert measured.false_positive_rate <= bound
        assert measured.true_positive_rate == pytest.approx(found)
        assert tpr_at_fpr(scores, labels, bound) == found
        lower = scores[scores < threshold]
        if lower.size:
            assert rates(scores, labels, threshold=lower.max()).false_positive_rate > bound
    with pytest.raises(ConfigError, match="false_positive_rate"):
        threshold_at_fpr(scores, labels, 1.5)


def test_rates_of_one_class():
    measured = rates([0.1, 0.9, 0.8, 0.2], [0, 0, 0, 0], threshold=0.5)
    assert measured.false_positive_rate == 0.5
    assert np.isnan(measured.true_positive_rate)


def test_summary_holds_all():
    scores, labels = data(3)
    row = summarise(scores, labels, threshold=0.0)
    assert row.auc == roc_auc(scores, labels)
    assert row.mf1 == mean_f1(scores, labels, threshold=0.0) == pytest.approx(2 * row.ap * row.ar / (row.ap + row.ar))
    assert (row.count, row.fakes) == (200, int(labels.sum()))


@pytest.mark.parametrize("metric", [roc_auc, average_precision, equal_error_rate, roc_curve, summarise])
@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([], []),
        ([0.1], [0, 1]),
        ([0.1, float("nan")], [0, 1]),
        ([0.1, float("inf")], [0, 1]),
        ([0.1, 0.2], [0, 2]),
        ([0.1, 0.2], [1, 1]),
        ([0.1, 0.2], [0, 0]),
        ([[0.1], [0.2]], [[0], [1]]),
    ],
    ids=["empty", "lengths", "nan", "inf", "labels", "all-fake", "all-real", "two-d"],
)
def test_bad_input_is_refused(metric, scores, labels):
    with pytest.raises(ConfigError):
        metric(scores, labels)
