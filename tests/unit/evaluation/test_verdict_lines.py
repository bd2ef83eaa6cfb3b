"""The lines of a verdict against their own rules: operating points, and conformal abstention with its guarantee."""

from __future__ import annotations

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.evaluation.verdict_lines import fit_conformal, operating_points
from facewitness.records import VerdictLabel
from facewitness.reports.words import point_words
from facewitness.verdicts import choose_operating_point, judge
from facewitness.weights import WeightsRecord


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


def drawn(rng, count, gap=1.5):
    """Scores in [0, 1] of as many reals and fakes, overlapping less the wider the gap."""
    labels = np.repeat([0, 1], count)
    return 1 / (1 + np.exp(-rng.normal(gap * (2 * labels - 1), 1.0))), labels


@pytest.mark.parametrize(("gap", "error"), [(0.7, 0.1), (1.5, 0.05), (4.0, 0.1)])
def test_conformal_keeps_its_error_for_either_class(gap, error):
    """Over 300 calibration sets of 60 + 60 the mean error of fresh scores is at most the target, and not idle."""
    rng = np.random.default_rng(1)
    wrong, answered, lined = [], [], []
    for _ in range(300):
        rule = fit_conformal(*drawn(rng, 60, gap), error)
        fresh, labels = drawn(rng, 300, gap)
        said = np.array([label.value for label in rule.decide(fresh)])
        wrong.append([(said[labels == 0] == "FAKE").mean(), (said[labels == 1] == "REAL").mean()])
        answered.append((said != "UNCERTAIN").mean())
        point = rule.point("drawn")
        judged = np.array([judge(score, point).label.value for score in fresh])
        lined.append((judged == said).mean())
    exact = np.floor(error * 61) / 61
    spread = 3 * np.std(wrong, axis=0) / np.sqrt(300)
    assert (np.mean(wrong, axis=0) <= exact + spread).all()
    if gap < 4:  # the classes overlap, so the bound is reached
        assert (np.mean(wrong, axis=0) >= exact - spread - 0.005).all()
    assert np.mean(answered) > 0.3
    assert np.mean(lined) > 0.999  # the two lines of the operating point say the same


def test_conformal_abstains_where_both_or_neither_fit():
    overlapping = fit_conformal(np.r_[np.linspace(0, 0.7, 19), np.linspace(0.3, 1, 19)], np.repeat([0, 1], 19), 0.1)
    assert (overlapping.fake_from, overlapping.real_up_to) == pytest.approx((0.3 + 0.7 / 18, 0.7 - 0.7 / 18))
    assert [v.value for v in overlapping.decide([0.2, 0.5, 0.9])] == ["REAL", "UNCERTAIN", "FAKE"]
    apart = fit_conformal(np.r_[np.linspace(0, 0.2, 19), np.linspace(0.8, 1, 19)], np.repeat([0, 1], 19), 0.1)
    assert [v.value for v in apart.decide([0.1, 0.5, 0.9])] == ["REAL", "UNCERTAIN", "FAKE"]
    assert judge(0.5, apart.point("x")).label is VerdictLabel.UNCERTAIN  # unlike anything seen


def test_conformal_lines_go_through_a_record_into_words(tmp_path):
    rule = fit_conformal(*drawn(np.random.default_rng(2), 99), 0.05)
    point = rule.point("99 + 99 videos of a made-up set")
    assert (point.target_error, point.false_positive_rate) == (0.05, 0.05)
    fields = {"error=0.05": point.__dict__}
    WeightsRecord("a.onnx", "0" * 64, "laa_net", "mine", operating_points=fields).write(tmp_path / "a.json")
    points = WeightsRecord.read(tmp_path / "a.json").points()
    assert choose_operating_point("error=0.05", points) == point
    with pytest.raises(ConfigError, match=r"they have error=0\.05"):
        choose_operating_point("fpr=0.05", points)
    words = point_words(point)
    assert "About 5 in 100 genuine faces of the comparison set (99 + 99 videos of a made-up set)" in words
    assert "no answer is given, so that of genuine and of forged faces" in words


def test_conformal_that_cannot_be_had():
    with pytest.raises(ConfigError, match="at least 19 fakes, got 2"):
        fit_conformal([0.1] * 30 + [0.9] * 2, [0] * 30 + [1] * 2, 0.05)
    with pytest.raises(ConfigError, match=r"in \(0, 1\)"):
        fit_conformal([0.1, 0.9], [0, 1], 0.0)
    with pytest.raises(ConfigError, match="sigmoid"):
        fit_conformal([0.1, 3.0], [0, 1], 0.5)
    with pytest.raises(ConfigError, match="calibrate the scores"):
        fit_conformal([1.0, 1.0, 0.0], [0, 0, 1], 0.5).point("x")
