"""Other projects' aggregation, checked against plain versions of what they do; and two detectors compared."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from facewitness.errors import ConfigError, UnknownNameError
from facewitness.evaluation.comparison import compare
from facewitness.evaluation.compat import COMPAT, compat_report
from facewitness.evaluation.protocols import EvaluationProtocol, evaluate_scores
from facewitness.evaluation.score_table import ScoreTable
from unit.evaluation.score_tables import forensics, small

FAST = EvaluationProtocol(resamples=20)


def test_deepfakebench_merges_the_four_fakes_of_a_pair():
    """The case of the specification: true AUC 0.88 over 700 videos, reported as about 1."""
    table = forensics(videos=140, shift=1.6, spread=0.3, unseen=("NeuralTextures",))
    report = compat_report(table, "deepfakebench", FAST)
    assert report.ours["video_auc"] == pytest.approx(0.88, abs=0.01)
    assert report.theirs["video_auc"] == pytest.approx(1.0, abs=0.001)
    assert (report.ours["videos"], report.theirs["videos"]) == (700.0, 280.0)
    assert report.defects == ("560 videos share 140 folder names and are averaged into 140, such as '000_001'",)


def test_deepfakebench_against_a_plain_version():
    table = forensics(videos=20)
    folders = {}
    for row in table.rows():
        folders.setdefault(row["path"].split("/")[-2], []).append((row["score"], row["label"]))
    scores = [np.mean([s for s, _ in rows]) for rows in folders.values()]
    labels = [int(sum(y for _, y in rows) / len(rows)) for rows in folders.values()]
    theirs = compat_report(table, "deepfakebench", FAST).theirs
    fpr, tpr, _ = oracle.roc_curve(labels, scores)
    assert theirs["video_auc"] == pytest.approx(oracle.auc(fpr, tpr))
    assert theirs["video_eer"] == pytest.approx(fpr[np.nanargmin(np.absolute((1 - tpr) - fpr))])
    assert theirs["auc"] == pytest.approx(oracle.roc_auc_score(table.label, table.score))
    assert theirs["ap"] == pytest.approx(oracle.average_precision_score(table.label, table.score))
    assert theirs["acc"] == pytest.approx(oracle.accuracy_score(table.label, table.score > 0.5))


def test_single_methods_are_not_merged():
    table = forensics(videos=20)
    report = compat_report(table.select((table.manipulation == "FaceSwap") | (table.label == 0)), "deepfakebench", FAST)
    assert report.theirs["video_auc"] == pytest.approx(report.ours["video_auc"])
    assert report.defects == ()


def test_folders_with_both_labels_become_real():
    rows = [("r", 0, 0.1), ("r", 0, 0.2), ("f", 1, 0.9), ("g", 1, 0.8)]
    table = ScoreTable.from_rows(
        row | {"path": p}
        for row, p in zip(small(rows).rows(), ("x/7/0.png", "x/7/1.png", "y/7/2.png", "y/8/3.png"), strict=True)
    )
    report = compat_report(table, "deepfakebench", FAST)
    assert report.theirs["videos"] == 2.0
    assert any("hold reals and fakes" in defect for defect in report.defects)


def long_table(videos=6, frames=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = [0, 1, 1, 0, 1, 0][:videos]
    return small(
        [
            (f"v{v}", labels[v], float(np.clip(rng.normal(0.3 + 0.3 * labels[v], 0.2), 0, 1)))
            for v in range(videos)
            for _ in range(frames)
        ]
    )


def test_m2f2_det_loses_the_last_video_and_shifts_labels():
    table = long_table()
    report = compat_report(table, "m2f2_det", FAST)
    assert (report.theirs["videos"], report.ours["videos"]) == (5.0, 6.0)
    assert "5 of 6" in report.defects[0]
    assert "4 videos get the label of the video after them" in report.defects
    labels = [1, 1, 0, 1, 0]  # of videos 1 to 5, given to videos 0 to 4
    scores = [np.mean(sorted(table.score[table.video_id == f"v{v}"])[10:-10]) for v in range(5)]
    assert report.theirs["auc"] == pytest.approx(oracle.roc_auc_score(labels, scores))
    best = max(
        np.mean([(s >= t) == bool(y) for s, y in zip(scores, labels, strict=True)]) for t in np.arange(0, 1.1, 1e-3)
    )
    assert report.theirs["acc"] == pytest.approx(best)


def test_m2f2_det_stops_at_short_videos():
    report = compat_report(long_table(frames=20), "m2f2_det", FAST)
    assert np.isnan(report.theirs["auc"])
    assert any("5 videos of at most 20 frames" in defect for defect in report.defects)
    assert not np.isnan(report.ours["auc"])
    assert np.isnan(compat_report(small([("a", 0, 0.1), ("b", 1, 0.9)]), "m2f2_det", FAST).theirs["auc"])


def test_laa_net_means_logits_by_folder():
    table = forensics(videos=20)
    folders = {}
    for row in table.rows():
        folders.setdefault(row["path"].split("/")[-2], []).append((row["logit"], row["label"]))
    logits = np.array([np.mean([s for s, _ in rows]) for rows in folders.values()])
    labels = np.array([rows[0][1] for rows in folders.values()])
    called = 1 / (1 + np.exp(-logits)) >= 0.5
    report = compat_report(table, "laa_net", FAST)
    theirs = report.theirs
    ar = oracle.recall_score(labels, called, average="macro")
    ap = oracle.average_precision_score(labels, logits)
    assert theirs["auc"] == pytest.approx(oracle.roc_auc_score(labels, logits))
    assert (theirs["ap"], theirs["ar"]) == pytest.approx((ap, ar))
    assert theirs["mf1"] == pytest.approx(2 * ap * ar / (ap + ar))
    assert theirs["acc"] == pytest.approx(oracle.accuracy_score(labels, called))
    assert report.theirs["auc"] > report.ours["auc"]
    assert "80 videos share 20 folder names" in report.defects[0]


def test_sbi_scores_missing_videos_half():
    rows = [("a", 0, 0.1), ("b", 0, None), ("c", 1, 0.4), ("d", 1, 0.9)]
    report = compat_report(small(rows), "sbi", FAST)
    assert report.theirs == {"auc": oracle.roc_auc_score([0, 0, 1, 1], [0.1, 0.5, 0.4, 0.9]), "videos": 4.0}
    assert report.ours == {"auc": 1.0, "videos": 3.0}
    assert "1 videos" in report.defects[0]
    many = small([("a", 0, 0.9 if i % 10 else 0.1) for i in range(640)] + [("b", 1, 0.5)])
    assert compat_report(many, "sbi", FAST).theirs["auc"] == 0.0
    assert len(np.unique(np.linspace(0, 639, 32).astype(int))) == 32


def test_ffaa_swaps_its_names():
    rows = [("a", 0, 0.1), ("b", 0, 0.2), ("c", 0, 0.7), ("d", 1, 0.4), ("e", 1, 0.9)]
    report = compat_report(small(rows), "ffaa", FAST)
    assert (report.theirs["tpr"], report.theirs["tnr"]) == pytest.approx((2 / 3, 1 / 2))
    assert (report.ours["tpr"], report.ours["tnr"]) == pytest.approx((1 / 2, 2 / 3))
    assert report.theirs["sacc"] == 0.0
    two = ScoreTable.concat([small(rows, dataset="x"), small(rows[1:], dataset="y")])
    assert compat_report(two, "ffaa", FAST).theirs["sacc"] == pytest.approx(np.std([3 / 5, 2 / 4]))


@pytest.mark.parametrize("name", COMPAT)
def test_reports_are_plain_json_with_shared_names(name):
    report = compat_report(long_table(), name, FAST)
    assert set(report.theirs) == set(report.ours)
    json.dumps(report.to_dict(), allow_nan=False)


def test_compat_refuses():
    with pytest.raises(UnknownNameError, match="deepfakebench"):
        compat_report(long_table(), "gend")
    with pytest.raises(ConfigError, match="P\\(fake\\)"):
        compat_report(small([("a", 0, -3.0), ("b", 1, 2.0)]), "sbi")


def pair(seed=0):
    one = forensics(videos=30, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.4, len(one))
    two = ScoreTable.from_rows(
        row | {"score": float(np.clip(row["score"] + e, 0, 1)), "logit": None}
        for row, e in zip(one.rows(), noise, strict=True)
    )
    return one, two


def test_comparison_is_paired_and_matches_both_alone():
    one, two = pair()
    order = np.random.default_rng(1).permutation(len(two))
    found = compare(one, two.select(order), FAST)
    alone_a, alone_b = evaluate_scores(one, FAST).video, evaluate_scores(two, FAST).video
    assert (found.n_real, found.n_fake) == (30, 120)
    assert (found.delong.auc_a, found.delong.auc_b) == pytest.approx((alone_a.auc.value, alone_b.auc.value))
    assert found.auc.difference.value == pytest.approx(found.delong.difference)
    table = found.disagreement
    assert table.both_right + table.only_a == round(alone_a.decisions.acc * 150)
    assert table.both_right + table.only_b == round(alone_b.decisions.acc * 150)
    assert table.p_value == pytest.approx(stats.binomtest(table.only_a, table.only_a + table.only_b).pvalue)
    for name in ("both_right", "only_a", "only_b", "both_wrong"):
        assert getattr(found.on_real, name) + getattr(found.on_fake, name) == getattr(table, name)
    back = compare(two, one, FAST)
    assert back.delong.difference == pytest.approx(-found.delong.difference)
    assert (back.disagreement.only_a, back.disagreement.only_b) == (table.only_b, table.only_a)
    json.dumps(found.to_dict(), allow_nan=False)


def test_comparison_counts_what_is_not_shared():
    rows = [("a", 0, 0.1), ("b", 0, 0.2), ("c", 1, 0.8), ("d", 1, 0.9)]
    one = small([*rows, ("e", 1, 0.7), ("f", 1, None), ("g", 0, None), ("h", 0, 0.3)])
    two = small([*rows, ("e", 1, None), ("f", 1, 0.6), ("g", 0, None), ("i", 0, 0.3), ("j", 0, None)])
    found = compare(one, two, FAST)
    assert (found.n_real, found.n_fake) == (2, 2)
    assert (found.only_in_a, found.only_in_b) == (1, 2)
    assert (found.scored_by_a, found.scored_by_b, found.scored_by_none) == (1, 1, 1)
    assert found.delong.p_value == 1.0


def test_each_detector_has_its_threshold():
    one = small([("a", 0, 0.1), ("b", 0, 0.2), ("c", 1, 0.8), ("d", 1, 0.9)])
    two = small([("a", 0, 10.0), ("b", 0, 20.0), ("c", 1, 80.0), ("d", 1, 90.0)])
    found = compare(one, two, FAST, EvaluationProtocol(resamples=20, threshold=50.0))
    assert found.disagreement.both_right == 4
    assert compare(one, two, FAST).on_real.only_a == 2
    with pytest.raises(ConfigError, match="one protocol"):
        compare(one, two, FAST, EvaluationProtocol(resamples=20, pooling="max"))


def test_comparison_refuses():
    one = small([("a", 0, 0.1), ("b", 0, 0.2), ("c", 1, 0.8), ("d", 1, 0.9)])
    with pytest.raises(ConfigError, match="at least two reals"):
        compare(one, small([("x", 0, 0.1), ("y", 1, 0.2)]), FAST)
    other = ScoreTable.from_rows(row | {"label": 1 - row["label"]} for row in one.rows())
    with pytest.raises(ConfigError, match="label 4 shared videos differently"):
        compare(one, other, FAST)
