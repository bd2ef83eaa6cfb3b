"""Localisation in pictures and in time."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn import metrics as oracle

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics import (
    best_pixel_f1,
    false_activation_area,
    localise,
    peak_distance,
    pixel_average_precision,
    pixel_f1,
    pixel_iou,
    pixel_roc_auc,
    pointing_game,
    resize_heatmap,
    summarise_localisation,
    temporal_average_precision,
    temporal_average_recall,
    temporal_scores,
)

NAN = float("nan")
GOLDEN = Path(__file__).parents[2] / "golden" / "avdeepfake1m_segments.json"


def picture(seed, size=24):
    rng = np.random.default_rng(seed)
    mask = np.zeros((size, size), bool)
    mask[5:14, 8:17] = True
    return np.round(np.clip(rng.normal(0.35 + 0.3 * mask, 0.2), 0, 1), 2), mask


@pytest.mark.parametrize("seed", range(4))
def test_pixels_against_scikit_learn(seed):
    heatmap, mask = picture(seed)
    flat, truth = heatmap.ravel(), mask.ravel()
    assert pixel_roc_auc(heatmap, mask) == pytest.approx(oracle.roc_auc_score(truth, flat))
    assert pixel_average_precision(heatmap, mask) == pytest.approx(oracle.average_precision_score(truth, flat))
    assert pixel_f1(heatmap, mask) == pytest.approx(oracle.f1_score(truth, flat >= 0.5))
    assert pixel_iou(heatmap, mask) == pytest.approx(oracle.jaccard_score(truth, flat >= 0.5))
    best, threshold = best_pixel_f1(heatmap, mask)
    assert best == pytest.approx(max(oracle.f1_score(truth, flat >= t) for t in np.unique(flat)))
    assert pixel_f1(heatmap, mask, threshold=threshold) == pytest.approx(best)


@pytest.mark.parametrize("shape", [(24, 24), (48, 31), (7, 50), (5, 3), (1, 1)])
def test_resizing_is_opencvs(shape):
    heatmap = np.random.default_rng(0).random((24, 18))
    expected = cv2.resize(heatmap, shape[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resize_heatmap(heatmap, shape), expected, atol=1e-6)


def test_small_heatmap_against_large_mask():
    mask = np.zeros((100, 100), int)
    mask[:50] = 255
    small = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert pixel_iou(small, mask) == 1.0
    assert pixel_roc_auc(small, mask) == 1.0


def test_pointing_and_its_tolerance():
    mask = np.zeros((50, 50))
    mask[20:30, 20:30] = 1
    heatmap = np.zeros((50, 50))
    heatmap[20, 35] = 1.0  # six pixels right of the mask's last column
    assert pointing_game(heatmap, mask, tolerance_px=6) == 1.0
    assert pointing_game(heatmap, mask, tolerance_px=5.9) == 0.0
    heatmap[25, 25] = 1.0
    assert pointing_game(heatmap, mask, tolerance_px=0) == 0.5
    assert pointing_game(np.full((50, 50), 0.3), mask, tolerance_px=0) == pytest.approx(100 / 2500)
    with pytest.raises(ConfigError, match="tolerance"):
        pointing_game(heatmap, mask, tolerance_px=-1)


def test_peak_distance_to_the_boundary():
    boundary = np.zeros((40, 40))
    boundary[10, 5:15] = 1.0
    boundary[11, 5:15] = 0.5
    heatmap = np.zeros((40, 40))
    heatmap[13, 18] = 2.0
    assert peak_distance(heatmap, boundary) == pytest.approx(5.0)  # to (10, 14): 3 down, 4 right
    heatmap[10, 9] = 2.0
    assert peak_distance(heatmap, boundary) == pytest.approx(2.5)
    with pytest.raises(ConfigError, match="flat"):
        peak_distance(heatmap, np.ones((40, 40)))


def test_many_peaks_and_goals_are_measured_in_parts(monkeypatch):
    from facewitness.evaluation.metrics import localisation

    heatmap, mask = np.zeros((20, 20)), picture(0, 20)[1]
    whole = pointing_game(heatmap, mask, tolerance_px=3)
    monkeypatch.setattr(localisation, "_CHUNK", 200)
    assert pointing_game(heatmap, mask, tolerance_px=3) == whole


def test_reals_and_summary():
    heatmap, mask = picture(1)
    assert false_activation_area([[0.5, 0.4], [0.7, 0.1]], threshold=0.5) == 0.5
    fake = localise(heatmap, mask, mask.astype(float))
    real = localise([[0.6, 0.1]], None)
    other = localise([[0.1, 0.1]], np.zeros((4, 4)))
    everywhere = localise(heatmap, np.ones((24, 24)))
    assert (fake.fakes, fake.reals, real.reals, other.reals) == (1, 0, 1, 1)
    assert np.isnan(everywhere.auc)
    mean = summarise_localisation([fake, real, other])
    assert (mean.fakes, mean.reals) == (1, 2)
    assert mean.f1 == fake.f1 == pixel_f1(heatmap, mask)
    assert mean.false_activation == pytest.approx(0.25)
    assert np.isnan(summarise_localisation([real]).iou)
    with pytest.raises(ConfigError, match="no picture"):
        summarise_localisation([])


@pytest.mark.parametrize("metric", [pixel_roc_auc, pixel_average_precision, pixel_f1, pixel_iou, pointing_game])
@pytest.mark.parametrize(
    ("heatmap", "mask"),
    [
        ([0.1, 0.2], [[0, 1]]),
        ([[NAN, 0.2]], [[0, 1]]),
        ([[0.1, 0.2]], [[0, 0]]),
        ([[0.1, 0.2]], [0, 1]),
        (np.zeros((0, 2)), [[0, 1]]),
    ],
    ids=["flat", "nan", "real", "mask", "empty"],
)
def test_bad_maps_are_refused(metric, heatmap, mask):
    with pytest.raises(ConfigError):
        metric(heatmap, mask)


def test_temporal_numbers_are_the_packages():
    cases = json.loads(GOLDEN.read_text())["cases"]
    assert len(cases) == 4
    for case in cases:
        found = temporal_scores(
            case["detections"], case["truth"], ar_counts=[int(n) for n in case["ar"]], as_published=True
        )
        assert list(found.ap.values()) == pytest.approx(list(case["ap"].values()), abs=1e-6)
        assert list(found.ar.values()) == pytest.approx(list(case["ar"].values()), abs=1e-6)


def overlap(one, two):
    inner = min(one[1], two[1]) - max(one[0], two[0])
    return max(inner, 0) / (one[1] - one[0] + two[1] - two[0] - max(inner, 0))


def simple_average_precision(detections, truth, iou):
    """Precision envelope over recall steps, with plain loops."""
    marks, total = [], 0
    for video, segments in truth.items():
        rows = sorted(detections.get(video, []), key=lambda row: -row[0])
        total += len(segments)
        taken = set()
        for segment in segments:
            free = [i for i, r in enumerate(rows) if i not in taken and overlap(r[1:], segment) > iou]
            taken.update(free[:1])
        marks += [(row[0], i in taken) for i, row in enumerate(rows)]
    marks.sort(key=lambda mark: -mark[0])
    curve, hits = [], 0
    for place, (_, hit) in enumerate(marks, 1):
        hits += hit
        curve.append((hits / total, hits / place))
    area, before = 0.0, 0.0
    for i, (recall, _) in enumerate(curve):
        area += (recall - before) * max(precision for _, precision in curve[i:])
        before = recall
    return area


def simple_average_recall(detections, truth, count, ious):
    shares = []
    for iou in ious:
        hit = total = 0
        for video, segments in truth.items():
            rows = sorted(detections.get(video, []), key=lambda row: -row[0])[:count]
            total += len(segments)
            hit += sum(any(overlap(r[1:], segment) > iou for r in rows) for segment in segments)
        shares.append(hit / total)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("seed", range(12))
def test_temporal_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    truth, detections = {}, {}
    for v in range(6):
        starts = rng.uniform(0, 8, rng.integers(0, 4) if v else 2)
        truth[f"v{v}"] = [[s, s + rng.uniform(0.3, 2)] for s in starts]
        near = [[rng.random(), a + rng.normal(0, 0.05), b + rng.normal(0, 0.05)] for a, b in truth[f"v{v}"] * 2]
        far = [[rng.random(), s, s + 0.5] for s in rng.uniform(0, 8, 3)]
        if v != 3:
            detections[f"v{v}"] = near + far
    for iou in (0.0, 0.5, 0.75, 0.95):
        expected = simple_average_precision(detections, truth, iou)
        assert temporal_average_precision(detections, truth, iou) == pytest.approx(expected)
    for count in (1, 3, 50):
        expected = simple_average_recall(detections, truth, count, (0.5, 0.7, 0.9))
        assert temporal_average_recall(detections, truth, count, (0.5, 0.7, 0.9)) == pytest.approx(expected)


def test_temporal_perfect_and_the_published_slip():
    truth = {"a": [[0, 1], [2, 3]], "b": [[0, 1]], "real": []}
    detections = {"a": [[0.9, 0, 1], [0.8, 2, 3]], "b": [[0.7, 0, 1]]}
    assert temporal_average_precision(detections, truth, 0.95) == 1.0
    assert temporal_average_precision(detections, truth, 0.95, as_published=True) == pytest.approx(2 / 3)
    assert temporal_average_recall(detections, truth, 1) == pytest.approx(2 / 3)
    assert temporal_average_precision({}, truth, 0.5) == 0.0
    assert temporal_average_recall({}, truth, 5) == 0.0
    found = temporal_scores(detections, truth)
    assert (found.videos, found.segments, found.detections) == (3, 3, 3)
    doubled = {video: rows + rows for video, rows in detections.items()}
    assert temporal_average_precision(doubled, truth, 0.5) < 1.0


@pytest.mark.parametrize(
    ("detections", "truth"),
    [
        ({"x": [[0.9, 0, 1]]}, {"a": [[0, 1]]}),
        ({"a": [[0.9, 0]]}, {"a": [[0, 1]]}),
        ({"a": [[NAN, 0, 1]]}, {"a": [[0, 1]]}),
        ({"a": [[0.9, 1, 1]]}, {"a": [[0, 1]]}),
        ({}, {"a": []}),
    ],
    ids=["unknown", "width", "nan", "empty-segment", "no-truth"],
)
def test_bad_segments_are_refused(detections, truth):
    with pytest.raises(ConfigError):
        temporal_scores(detections, truth)


def test_bad_temporal_settings_are_refused():
    truth = {"a": [[0, 1]]}
    for call in (
        lambda: temporal_average_precision({}, truth, 1.0),
        lambda: temporal_average_recall({}, truth, 0),
        lambda: temporal_average_recall({}, truth, 5, ()),
        lambda: temporal_average_recall({}, truth, 5, (1.5,)),
    ):
        with pytest.raises(ConfigError):
            call()
