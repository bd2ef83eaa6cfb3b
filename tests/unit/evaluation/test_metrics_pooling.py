"""Pooling of frames, videos without a face, and the flip test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import flip_average, pool_frames, video_scores, video_scores_with_missing

NAN = float("nan")
RULES = ["mean", "max", "median", "trimmed", "topk", "confident"]


def dfdc_winner(scores):
    """The confident strategy, written down from its description."""
    high = [s for s in scores if s > 0.8]
    low = [s for s in scores if s < 0.2]
    if len(high) > 11 and len(high) > (len(scores) * 2) // 5:
        return sum(high) / len(high)
    if len(low) > 0.9 * len(scores):
        return sum(low) / len(low)
    return sum(scores) / len(scores)


ORACLES = {
    "mean": np.mean,
    "max": np.max,
    "median": np.median,
    "trimmed": lambda v: stats.trim_mean(v, 0.1),
    "topk": lambda v: np.mean(sorted(v)[-5:]),
    "confident": dfdc_winner,
}


@pytest.mark.parametrize("rule", RULES)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_pooling(rule, frames, random):
    value = pool_frames(frames, rule)
    assert value == pytest.approx(ORACLES[rule](frames), abs=1e-12)
    shuffled = list(frames)
    random.shuffle(shuffled)
    assert pool_frames(shuffled, rule) == pytest.approx(value, abs=1e-12)
    assert min(frames) - 1e-12 <= value <= max(frames) + 1e-12


def test_confident_rule_at_its_edges():
    assert pool_frames([0.9] * 12 + [0.5] * 17, "confident") == pytest.approx(0.9)  # 12 of 29: floor(29 / 2.5) = 11
    assert pool_frames([0.9] * 12 + [0.5] * 18, "confident") == pytest.approx(0.66)  # 12 of 30 is not more than 12
    assert pool_frames([0.9] * 11, "confident") == pytest.approx(0.9)
    assert pool_frames([0.9] * 11 + [0.1] * 1, "confident") == pytest.approx(10.0 / 12)
    assert pool_frames([0.1] * 19 + [0.9], "confident") == pytest.approx(0.1)
    assert pool_frames([0.1] * 9 + [0.9], "confident") == pytest.approx(0.18)


@pytest.mark.parametrize(
    ("frames", "rule", "extra"),
    [
        ([], "mean", {}),
        ([NAN], "mean", {}),
        ([[0.5]], "mean", {}),
        ([0.5], "mode", {}),
        ([2.0], "confident", {}),
        ([0.5], "trimmed", {"trim": 0.5}),
        ([0.5], "topk", {"top": 0}),
    ],
)
def test_bad_pooling_is_refused(frames, rule, extra):
    with pytest.raises(ConfigError):
        pool_frames(frames, rule, **extra)


@pytest.mark.parametrize("rule", RULES)
def test_videos_are_pooled_by_the_same_rule(rule):
    rng = np.random.default_rng(0)
    ids, scores = rng.integers(0, 4, 60), rng.random(60)
    pooled = video_scores(scores, (ids > 1).astype(int), ids, pooling=rule)
    for name, value, frames in zip(pooled.video_ids, pooled.scores, pooled.frames, strict=True):
        assert value == pytest.approx(pool_frames(scores[ids == name], rule))
        assert frames == (ids == name).sum()


SCORES, LABELS, IDS = [0.2, NAN, NAN, 0.8, 0.6, NAN], [0, 0, 1, 1, 1, 0], ["a", "a", "b", "c", "c", "d"]


def test_missing_faces_by_rule():
    drop = video_scores_with_missing(SCORES, LABELS, IDS, missing_face="drop")
    assert (drop.video_ids, drop.dropped, drop.not_scored, drop.filled) == (("a", "c"), ("b", "d"), (), ())
    assert drop.scores.tolist() == pytest.approx([0.2, 0.7])
    abstain = video_scores_with_missing(SCORES, LABELS, IDS, missing_face="abstain")
    assert (abstain.video_ids, abstain.dropped, abstain.not_scored) == (("a", "c"), (), ("b", "d"))
    half = video_scores_with_missing(SCORES, LABELS, IDS, missing_face="0.5")
    assert (half.video_ids, half.filled) == (("a", "c", "b", "d"), ("b", "d"))
    assert half.scores.tolist() == pytest.approx([0.2, 0.7, 0.5, 0.5])
    assert half.labels.tolist() == [0, 1, 1, 0]
    assert half.frames.tolist() == [1, 2, 0, 0]


def test_missing_faces_refusals():
    with pytest.raises(ConfigError, match="missing_face"):
        video_scores_with_missing(SCORES, LABELS, IDS, missing_face="zero")
    with pytest.raises(ConfigError, match="at least one frame"):
        video_scores_with_missing([NAN], [0], ["a"], missing_face="drop")
    with pytest.raises(ConfigError, match="both labels"):
        video_scores_with_missing([0.1, NAN], [0, 1], ["a", "a"], missing_face="drop")
    with pytest.raises(ConfigError, match="finite"):
        video_scores_with_missing([0.1, np.inf], [0, 1], ["a", "b"], missing_face="drop")


def test_flip_average():
    assert flip_average([0.2, NAN], [0.4, NAN]).tolist() == pytest.approx([0.3, NAN], nan_ok=True)
    with pytest.raises(ConfigError, match="1 of 2"):
        flip_average([0.2, 0.3], [0.4, NAN])
    with pytest.raises(ConfigError, match="length"):
        flip_average([0.2], [0.4, 0.1])
