"""From weights to the packaged file: calibration, operating points, record."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facewitness.detectors.laa_net.lite.config import EXPERTS
from facewitness.detectors.laa_net.lite.detector import create
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.detectors.laa_net.lite.weights import average_lite, save_lite
from facewitness.errors import CheckpointError, ConfigError
from facewitness.selftest import self_test_crop
from facewitness.training import lite_release
from facewitness.training.lite_release import calibrate, compare_inputs, release_lite
from facewitness.training.lite_validation import REAL_OF, STRENGTHS, ValidationRow, ValidationSet, build_validation
from facewitness.weights import WeightsRecord, sha256_of
from unit.lite.lite_networks import crops, made

PROCESSOR = LiteProcessor(image_size=64, mirror=True)


def rows_of(counts, soft_share=0.5):
    return tuple(
        ValidationRow(kind, strength, "group", f"{kind}{i}", kind == "synthetic" or i >= soft_share * count)
        for kind, count in counts.items()
        for i in range(count)
        for strength in STRENGTHS
    )


def drawn(counts, seed=0, **named):
    """Scores alone: fakes lie higher, each kind in its expert's column."""
    rows = rows_of(counts, **named)
    logits = np.random.default_rng(seed).standard_normal((len(rows), 2)).astype(np.float32)
    for i, row in enumerate(rows):
        logits[i, 0] += 2.0 * (row.kind == "own")
        logits[i, 1] += 3.0 * (row.kind == "synthetic")
    return ValidationSet(rows, np.zeros((len(rows), 1, 1, 3), np.uint8)), logits


class Uncalibrated:
    """What `_points` asks of a detector."""

    def expert_scores(self, _expert, logits):
        return 1 / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for seed, name in enumerate(("best", "last")):
        save_lite(made(seed=seed), folder / f"{name}.safetensors")
    return folder / "best.safetensors"


@pytest.fixture
def held_out(monkeypatch):
    """Stand-ins for just enough held-out faces, all sharp: patches, in which a grid makes a fake."""
    rows = rows_of({"real": 100, "own": 12, "own_real": 12, "synthetic": 12}, soft_share=0.0)
    pictures = np.stack(crops(len(rows)))
    pictures[[row.kind == "own" for row in rows], ::2] //= 2
    pictures[[row.kind == "synthetic" for row in rows], :, ::2] //= 2
    asked = []

    def build(store, *, size, margin_ratio, most_faces, seed):
        asked.append((size, margin_ratio, most_faces, seed))
        return ValidationSet(rows, pictures)

    monkeypatch.setattr(lite_release, "build_validation", build)
    return asked


def test_one_coding_each_gives_every_face_once_and_codings_alike():
    data, _ = drawn({"real": 31, "own": 10, "own_real": 10})
    for kind, count in (("real", 31), ("own", 10)):
        chosen = [data.rows[i] for i in lite_release._one_coding_each(data, kind)]
        assert [row.identity for row in chosen] == [f"{kind}{i}" for i in range(count)]
        assert {row.kind for row in chosen} == {kind}
        numbers = [sum(row.strength == s for row in chosen) for s in STRENGTHS]
        assert max(numbers) - min(numbers) <= 1
    assert len(lite_release._one_coding_each(data, "synthetic")) == 0


def test_one_coding_each_of_a_real_set(store):
    data = build_validation(store, size=64, margin_ratio=1.25)
    for kind in ("real", "own", "synthetic"):
        chosen = [data.rows[i].identity for i in lite_release._one_coding_each(data, kind)]
        assert len(chosen) == len(set(chosen)) == len(data.pick(kind)) // 3


def test_calibration_is_the_logistic_regression_of_each_expert():
    linear = pytest.importorskip("sklearn.linear_model")
    data, logits = drawn({"real": 300, "own": 200, "own_real": 200, "synthetic": 100, "swap": 50})
    lines = calibrate(data, logits)
    assert tuple(lines) == EXPERTS
    for i, kind in enumerate(("own", "synthetic")):  # Platt's rounded labels make a little difference
        chosen = [j for j, row in enumerate(data.rows) if row.kind in (REAL_OF[kind], kind)]
        fakes = [data.rows[j].kind == kind for j in chosen]
        fit = linear.LogisticRegression(C=np.inf).fit(logits[chosen, i : i + 1], fakes)
        line = lines[EXPERTS[i]]
        assert line.scale == pytest.approx(float(fit.coef_[0, 0]), rel=0.06)
        assert line.bias == pytest.approx(float(fit.intercept_[0]), rel=0.06)


def test_calibration_leaves_out_what_the_other_expert_is_for():
    data, logits = drawn({"real": 50, "own": 50, "own_real": 50, "synthetic": 50, "swap": 50})
    before = calibrate(data, logits)
    logits[data.pick("synthetic"), 0] = 99
    logits[data.pick("own"), 1] = 99
    logits[data.pick("swap")] = 99
    assert calibrate(data, logits) == before


def test_points_hold_for_soft_and_for_sharp_faces():
    """The kind whose reals score higher sets the threshold, however few they are."""
    data, logits = drawn({"real": 400, "own": 100, "own_real": 100, "synthetic": 100}, soft_share=0.7)
    sharp = np.array([row.kind == "real" and row.sharp for row in data.rows])
    logits[sharp] += 1.5
    points, error = lite_release._points(Uncalibrated(), data, logits)
    assert set(points) == {"fpr=0.01", "fpr=0.05"}
    scores = Uncalibrated().expert_scores("", logits).max(axis=1)
    once = lite_release._one_coding_each(data, "real")
    for name, point in points.items():
        rate = float(name.removeprefix("fpr="))
        assert point.chosen_on.startswith("120 sharp ones of 400")
        for kind in (once[sharp[once]], once[~sharp[once]]):
            assert np.mean(scores[kind] >= point.threshold) < rate
        assert 0 < point.false_positive_rate <= rate
    assert points["fpr=0.01"].threshold > points["fpr=0.05"].threshold
    assert 0 < error < 1


def test_points_need_enough_faces_of_each_kind_there_is():
    data, logits = drawn({"real": 150, "own": 50, "own_real": 50, "synthetic": 50})
    with pytest.raises(ConfigError, match="needs at least 99 reals, got 75"):
        lite_release._points(Uncalibrated(), data, logits)
    only, logits = drawn({"real": 150, "own": 50, "own_real": 50, "synthetic": 50}, soft_share=0.0)
    points, _ = lite_release._points(Uncalibrated(), only, logits)
    assert points["fpr=0.01"].chosen_on.startswith("150 sharp ones of 150")


def test_release_is_what_the_detector_serves(weights, store, held_out, tmp_path):
    target = tmp_path / "lite.onnx"
    record = release_lite(
        weights, store, target, processor=PROCESSOR, licence="research", commit="abc", evaluation={"auc": 0.5}
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lite.json", "lite.onnx"]
    assert WeightsRecord.read(tmp_path / "lite.json") == dataclasses.replace(
        record, processor=json.loads(json.dumps(record.processor))
    )
    assert held_out == [(64, PROCESSOR.margin_ratio, 10_000, 2)]
    assert record.sha256 == sha256_of(target)
    assert (record.detector, record.licence, record.commit) == ("laa_net_lite", "research", "abc")
    assert sha256_of(weights)[:16] in record.recipe
    assert "5 steps" in record.recipe
    assert "real_soft 4, real_sharp 4, fake_made 4" in record.trained_on
    assert record.metrics["evaluation"] == {"auc": 0.5}
    assert record.metrics["export_deviation"] < 1e-4
    assert 0 <= record.metrics["calibration_error"] <= 1
    assert "auc_own_c40" in record.metrics["held_out_faces"]
    detector = create(weights=target, device="CPU", precision="f32", threads=1)
    assert detector.processor == PROCESSOR
    assert set(detector.operating_points) == {"fpr=0.01", "fpr=0.05"}
    golden = record.metrics["self_test"]
    (score,) = detector.score([self_test_crop(golden["seed"], detector.crop.size)])
    assert score.calibrated
    assert score.score == pytest.approx(golden["expected"], abs=1e-4)


@pytest.mark.usefixtures("held_out")
def test_mean_of_checkpoints_is_released(weights, store, tmp_path):
    other = weights.with_name("last.safetensors")
    once = LiteProcessor(image_size=64)
    record = release_lite(weights, store, tmp_path / "mean.onnx", processor=once, licence="any", average_with=[other])
    assert "evaluation" not in record.metrics
    assert f"mean of best.safetensors {sha256_of(weights)[:16]} and last.safetensors" in record.recipe
    detector = create(weights=tmp_path / "mean.onnx", device="CPU", precision="f32", threads=1)
    (crop,) = crops(1)
    with torch.no_grad():
        expected = average_lite([weights, other])(torch.from_numpy(detector.processor([crop]))).scores
    np.testing.assert_allclose(detector.logits([crop])[0], expected, rtol=1e-3, atol=1e-3)


def test_mean_is_the_mean(weights, tmp_path):
    files = [weights, weights.with_name("last.safetensors")]
    mean = average_lite(files).state_dict()
    one, other = made(seed=0).state_dict(), made(seed=1).state_dict()
    for name, value in mean.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (one[name] + other[name]) / 2)
        else:
            assert torch.equal(value, one[name])
    assert not average_lite(files).training
    save_lite(made(dataclasses.replace(made().config, width=8)), tmp_path / "thin.safetensors")
    with pytest.raises(CheckpointError, match=r"thin\.safetensors"):
        average_lite([weights, tmp_path / "thin.safetensors"])
    with pytest.raises(CheckpointError, match="none"):
        average_lite([])


def test_too_few_faces_leave_nothing_behind(weights, store, tmp_path):
    """And the file that was there stays."""
    target = tmp_path / "lite.onnx"
    target.write_bytes(b"the last release")
    with pytest.raises(ConfigError, match="needs at least"):
        release_lite(weights, store, target, processor=PROCESSOR, licence="any")
    assert [path.name for path in tmp_path.iterdir()] == ["lite.onnx"]
    assert target.read_bytes() == b"the last release"


def test_inputs_are_compared_on_the_same_faces(weights, store, held_out, tmp_path):
    once = LiteProcessor(image_size=64)
    ways = [once, dataclasses.replace(once, views=(1.0, 0.9)), once]
    found = list(compare_inputs(weights, store, ways, tmp_path))
    assert [one.processor for one in found] == ways
    assert found[0].metrics == found[2].metrics != found[1].metrics
    assert [path.name for path in tmp_path.iterdir()] == ["lite_64.onnx"]
    assert [size for size, *_ in held_out] == [64, 72, 64]
    assert {seed for *_, seed in held_out} == {1}
