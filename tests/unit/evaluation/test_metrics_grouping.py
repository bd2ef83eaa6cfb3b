"""Video level and bootstrap."""

import numpy as np
import pytest

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import accuracy, bootstrap_interval, roc_auc, video_scores


def test_videos_are_pooled_in_order_of_appearance():
    pooled = video_scores([1.0, 3.0, -2.0, 5.0], [1, 1, 0, 1], ["b", "b", "a", "c"])
    assert pooled.video_ids == ("b", "a", "c")
    np.testing.assert_array_equal(pooled.scores, [2.0, -2.0, 5.0])
    np.testing.assert_array_equal(pooled.labels, [1, 0, 1])
    np.testing.assert_array_equal(pooled.frames, [2, 1, 1])


def test_highest_frame():
    pooled = video_scores([1.0, 3.0, -2.0], [1, 1, 0], np.array([7, 7, 4]), pooling="max")
    np.testing.assert_array_equal(pooled.scores, [3.0, -2.0])
    assert pooled.video_ids == (7, 4)


def test_same_name_under_two_methods_is_refused():
    with pytest.raises(ConfigError, match="000_003"):
        video_scores([0.1, 0.2], [0, 1], ["000_003", "000_003"])


def test_missing_ids_are_refused():
    with pytest.raises(ConfigError, match="one id per score"):
        video_scores([0.1, 0.2], [0, 1], ["a"])
    with pytest.raises(ConfigError, match="one id per score"):
        bootstrap_interval(roc_auc, [0.1, 0.2], [0, 1], ids=["a"], rng=np.random.default_rng(0))


def test_interval_holds_the_value_and_is_reproducible():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    scores = rng.normal(labels, 1.0)
    first = bootstrap_interval(roc_auc, scores, labels, rng=np.random.default_rng(1), resamples=200)
    second = bootstrap_interval(roc_auc, scores, labels, rng=np.random.default_rng(1), resamples=200)
    assert first == second
    assert first.low < first.value < first.high
    assert first.value == roc_auc(scores, labels)
    wide = bootstrap_interval(roc_auc, scores, labels, rng=np.random.default_rng(1), resamples=200, level=0.99)
    assert wide.high - wide.low > first.high - first.low


def test_frames_of_one_person_do_not_count_as_many():
    """Copies of the same frames narrow a naive interval and leave the one over identities as it was."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 60)
    scores = rng.normal(labels, 1.0)
    copies, names = 8, np.repeat(np.arange(60), 8)
    many_scores, many_labels = np.repeat(scores, copies), np.repeat(labels, copies)

    def width(**kwargs):
        interval = bootstrap_interval(
            roc_auc, many_scores, many_labels, rng=np.random.default_rng(3), resamples=200, **kwargs
        )
        return interval.high - interval.low

    assert width(ids=names) > 2 * width()


def test_binomial_interval_is_near_the_normal_one():
    labels = np.zeros(400, int)
    scores = np.r_[np.ones(100), np.zeros(300)]
    interval = bootstrap_interval(
        lambda s, y: accuracy(s, y, threshold=0.5), scores, labels, rng=np.random.default_rng(0), resamples=500
    )
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.15)


def test_too_few_identities_are_said():
    with pytest.raises(ConfigError, match="too few ids"):
        bootstrap_interval(roc_auc, [0.1, 0.2], [1, 1], ids=["a", "a"], rng=np.random.default_rng(0), resamples=3)


@pytest.mark.parametrize("values", [{"level": 1.0}, {"resamples": 0}])
def test_settings_are_checked(values):
    with pytest.raises(ConfigError):
        bootstrap_interval(roc_auc, [0.1, 0.2], [0, 1], rng=np.random.default_rng(0), **values)
