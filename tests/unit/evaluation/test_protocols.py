"""Protocols: what each rule does to a small table, and every number against the plain functions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facewitness.errors import ConfigError
from facewitness.evaluation import metrics
from facewitness.evaluation.protocols import (
    MACRO,
    EvaluationProtocol,
    choose_threshold,
    evaluate_scores,
    level_scores,
)
from facewitness.evaluation.score_table import ScoreTable
from unit.evaluation.score_tables import METHODS, forensics, small

FAST = EvaluationProtocol(resamples=40)
ROWS = [("a", 0, 0.1), ("a", 0, 0.3), ("b", 0, 0.6), ("c", 1, 0.9), ("c", 1, None), ("d", 1, 0.5), ("e", 1, None)]


def videos_of(table, **rules):
    videos = level_scores(table, replace(FAST, **rules))[1]
    return dict(zip([key[1] for key in videos.keys], videos.scores.tolist(), strict=True)), videos


def test_both_levels_count_what_is_missing():
    result = evaluate_scores(small(ROWS), FAST)
    assert (result.video.n_real, result.video.n_fake, result.video.not_scored) == (2, 2, 1)
    assert result.video.not_scored_ids == ("/e",)
    assert result.video.reasons == {"no face": 1}
    assert (result.frame.n_real, result.frame.n_fake, result.frame.not_scored) == (3, 2, 2)
    assert result.video.auc.value == metrics.roc_auc([0.2, 0.6, 0.9, 0.5], [0, 0, 1, 1])
    assert result.frame.auc.value == metrics.roc_auc([0.1, 0.3, 0.6, 0.9, 0.5], [0, 0, 0, 1, 1])
    assert result.headline is result.video
    assert evaluate_scores(small(ROWS), replace(FAST, level="frame")).headline.level == "frame"


def test_missing_face_rules():
    drop = evaluate_scores(small(ROWS), replace(FAST, missing_face="drop")).video
    assert (drop.not_scored, drop.dropped, drop.filled, drop.not_scored_ids) == (0, 1, 0, ())
    for pooled in ("probabilities", "logits"):
        scores, videos = videos_of(small(ROWS), missing_face="0.5", pooled=pooled)
        assert scores["e"] == 0.5
        assert videos.filled == {("", "e"): "no face"}
    half = evaluate_scores(small(ROWS), replace(FAST, missing_face="0.5")).video
    assert (half.n_fake, half.filled, half.not_scored) == (3, 1, 0)


def test_pooled_quantity_flip_faces_and_frames():
    table = small([("a", 0, 0.1), ("a", 0, 0.8), ("b", 1, 0.9)])
    assert videos_of(table)[0]["a"] == pytest.approx(0.45)
    logits = np.log([0.1 / 0.9, 0.8 / 0.2]).mean()
    assert videos_of(table, pooled="logits")[0]["a"] == pytest.approx(1 / (1 + np.exp(-logits)))
    assert videos_of(table, pooling="max")[0]["a"] == pytest.approx(0.8)
    with pytest.raises(ConfigError, match="mirrored"):
        videos_of(table, flip=True)
    flipped = ScoreTable.from_rows(row | {"score_flipped": 0.5} for row in table.rows())
    assert videos_of(flipped, flip=True)[0]["a"] == pytest.approx((0.3 + 0.65) / 2)
    assert videos_of(flipped, flip=True, pooled="logits")[0]["a"] == pytest.approx(1 / (1 + np.exp(-logits / 2)))
    faces = ScoreTable.from_rows(
        [
            *(row | {"frame_index": 7, "face_index": i} for i, row in enumerate(table.rows()[:2])),
            table.rows()[2],
        ]
    )
    assert videos_of(faces)[0]["a"] == pytest.approx(0.8)
    assert videos_of(faces, faces="mean")[0]["a"] == pytest.approx(0.45)
    assert evaluate_scores(faces, FAST).frame.n_real == 1
    assert evaluate_scores(table, FAST).frame.n_real == 2


def test_a_given_logit_beats_the_one_of_the_score():
    table = ScoreTable.from_columns(
        {"video_id": ["a", "b"], "label": [0, 1], "score": [0.3, 0.6], "logit": [-4.0, np.nan]}
    )
    scores = videos_of(table, pooled="logits")[0]
    assert scores == pytest.approx({"a": 1 / (1 + np.exp(4)), "b": 0.6})


def test_frames_are_spread_evenly():
    table = small([("a", 0, i / 100) for i in range(11)] + [("b", 1, 0.9)])
    frames, videos = level_scores(table, replace(FAST, frames_per_video=3))
    assert [key[2] for key in frames.keys if key[1] == "a"] == [0, 5, 10]
    assert videos.scores.tolist() == pytest.approx([0.05, 0.9])


def test_every_number_is_the_plain_functions():
    table = forensics(videos=25)
    protocol = replace(FAST, threshold=0.6)
    videos = level_scores(table, protocol)[1]
    found, s, y = evaluate_scores(table, protocol).video, videos.scores, videos.labels
    assert found.auc.value == metrics.roc_auc(s, y)
    assert (found.ap, found.eer) == (metrics.average_precision(s, y), metrics.equal_error_rate(s, y))
    assert found.pauc == metrics.partial_auc(s, y)
    assert (found.tpr_at_fpr_1, found.tpr_at_fpr_5) == (metrics.tpr_at_fpr(s, y, 0.01), metrics.tpr_at_fpr(s, y, 0.05))
    assert found.decisions == metrics.decide(s, y, threshold=0.6)
    assert (found.brier, found.nll) == (metrics.brier_score(s, y), metrics.negative_log_likelihood(s, y))
    wide = metrics.calibration_errors(metrics.reliability_table(s, y))
    assert (found.ece, found.mce) == (wide.expected, wide.maximum)
    assert found.ece_mass == metrics.calibration_errors(metrics.reliability_table(s, y, kind="mass")).expected
    assert found.n_groups == 25
    assert [key[1] for key in videos.keys] == list(dict.fromkeys(table.video_id.tolist()))


def test_the_interval_resamples_identities():
    table = forensics(videos=40)
    alone = ScoreTable.from_rows(row | {"identity": ""} for row in table.rows())
    together, apart = evaluate_scores(table, FAST).video, evaluate_scores(alone, FAST).video
    assert (together.n_groups, apart.n_groups) == (40, 200)
    assert together.auc.value == apart.auc.value
    assert (together.auc.low, together.auc.high) != (apart.auc.low, apart.auc.high)
    frames = evaluate_scores(alone, FAST).frame
    assert frames.n_groups == 200  # frames of a video are never drawn apart
    assert evaluate_scores(table, FAST).video.auc == together.auc


def test_groups_and_data_sets():
    one = forensics(videos=15)
    rows = [row | {"dataset": "CDF", "manipulation": "Deepfakes" if row["label"] else ""} for row in one.rows()]
    reals = [row | {"dataset": "reals only"} for row in one.rows() if not row["label"]]
    fakes = [row | {"dataset": "fakes only", "manipulation": "new"} for row in one.rows() if row["label"]]
    result = evaluate_scores(ScoreTable.from_rows([*one.rows(), *rows, *reals, *fakes]), FAST)
    assert [row.name for row in result.by_manipulation] == sorted(METHODS)
    found = {row.name: row for row in result.by_manipulation}
    assert (found["Deepfakes"].n_real, found["Deepfakes"].n_fake) == (30, 75)
    assert (found["FaceSwap"].n_real, found["FaceSwap"].n_fake) == (15, 15)
    generators = {row.name: row for row in result.by_generator}
    assert set(generators) == {f"FF++/{m}/c23" for m in METHODS} | {"CDF/Deepfakes/c23"}
    alone = one.select((one.manipulation == "FaceSwap") | (one.label == 0))
    assert generators["FF++/FaceSwap/c23"].auc.value == evaluate_scores(alone, FAST).video.auc.value
    assert set(result.datasets) == {"FF++", "CDF"}
    assert set(result.left_out) == {"data set reals only", "data set fakes only", "new", "fakes only/new/c23"}
    assert result.macro["auc"] == pytest.approx(np.mean([d.auc.value for d in result.datasets.values()]))
    assert set(result.macro) == set(MACRO)


def test_generators_meet_reals_of_their_compression():
    rows = [
        {
            "video_id": f"{c}/{y}/{i}",
            "label": y,
            "score": s,
            "compression": c,
            "dataset": "FF++",
            "manipulation": "m" * y,
        }
        for c, shift in (("c23", 0.0), ("c40", 0.3))
        for y in (0, 1)
        for i, s in enumerate((0.1 + shift + 0.2 * y, 0.2 + shift + 0.2 * y))
    ]
    result = evaluate_scores(ScoreTable.from_rows(rows), FAST)
    assert {row.name: row.auc.value for row in result.by_generator} == {"FF++/m/c23": 1.0, "FF++/m/c40": 1.0}
    assert result.by_manipulation[0].auc.value < 1.0


def test_scores_that_are_no_probabilities():
    table = small([("a", 0, -3.0), ("b", 1, 4.0), ("c", 1, -4.0)])
    found = evaluate_scores(table, replace(FAST, threshold=0.0)).video
    assert np.isnan([found.brier, found.nll, found.ece, found.ece_mass, found.mce]).all()
    assert found.auc.value == 0.5
    assert found.to_dict()["brier"] is None
    for rules in ({"pooled": "logits"}, {"missing_face": "0.5"}, {"pooling": "confident"}):
        with pytest.raises(ConfigError, match=r"\[0, 1\]"):
            evaluate_scores(table, replace(FAST, **rules))


def test_result_is_plain_json():
    text = json.dumps(evaluate_scores(forensics(videos=6), FAST).to_dict(), allow_nan=False)
    video = json.loads(text)["video"]
    wanted = {"auc", "auc_low", "auc_high", "ap", "eer", "fpr_on_real", "n_real", "n_fake", "not_scored", "mcc", "ece"}
    assert wanted <= set(video)


def test_a_threshold_comes_from_validation_data():
    validation, test = forensics(videos=30, seed=1), forensics(videos=30, seed=2)
    protocol = choose_threshold(validation, FAST, "fpr=0.1", chosen_on="FF++ val")
    assert protocol.threshold_rule == "fpr=0.1"
    assert protocol.threshold_from == "FF++ val (150 videos)"
    assert evaluate_scores(validation, protocol).video.decisions.fpr_on_real <= 0.1
    assert evaluate_scores(test, protocol).video.decisions.threshold == protocol.threshold
    frames = choose_threshold(validation, replace(FAST, level="frame"), "youden", chosen_on="FF++ val")
    assert frames.threshold_from == "FF++ val (900 frames)"


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([("a", 0, 0.1), ("b", 0, 0.2)], "both reals and fakes"),
        ([("a", 0, 0.1), ("b", 1, None)], "1 not scored"),
        ([("a", 0, 0.1), ("a", 1, 0.2)], "both labels"),
        ([("a", 0, None), ("b", 1, None)], "at least one frame"),
    ],
)
def test_bad_tables_are_named(rows, word):
    with pytest.raises(ConfigError, match=word):
        evaluate_scores(small(rows), FAST)


@pytest.mark.parametrize(
    "change",
    [
        {"level": "clip"},
        {"pooling": "mode"},
        {"pooled": "scores"},
        {"faces": "first"},
        {"missing_face": "0"},
        {"trim": 0.6},
        {"top": 0},
        {"frames_per_video": -1},
        {"threshold": float("nan")},
        {"resamples": 0},
        {"interval_level": 95},
        {"seed": -1},
    ],
)
def test_bad_protocols_are_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        EvaluationProtocol(**change)


@given(st.permutations(range(30)))
@settings(max_examples=15, deadline=None)
def test_order_of_rows_does_not_matter(order):
    table = forensics(videos=3, frames=2)
    for pooling in ("mean", "trimmed"):
        rules = EvaluationProtocol(resamples=1, pooling=pooling)
        one, two = evaluate_scores(table, rules).video, evaluate_scores(table.select(np.array(order)), rules).video
        assert two.auc.value == pytest.approx(one.auc.value)
        assert two.brier == pytest.approx(one.brier)
        assert (two.n_real, two.n_fake, two.n_groups) == (one.n_real, one.n_fake, one.n_groups)
