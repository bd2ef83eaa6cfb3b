"""Runs of LAA-Net on a prepared folder of a few faces: files, interruption, several processes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from lightning.pytorch import Trainer
from safetensors.torch import load_file

from facewitness.detectors.laa_net.weights import load_model
from facewitness.errors import ConfigError
from facewitness.training import laa_run
from facewitness.training.laa_keeper import BestRule
from facewitness.training.laa_module import LaaTraining, _auc
from facewitness.training.laa_run import LaaRun, strategy_name, train_laa
from facewitness.training.machine import TrainingMachine
from facewitness.weights import WeightsRecord
from unit.house.house_paths import ROOT
from unit.training.laa_prepared import make_prepared, mini

ALONE = TrainingMachine(device="cpu", precision="f32", threads=1, workers=0, progress=False)

CHILD = """
import dataclasses, os, signal, sys
from pathlib import Path
from facewitness.training.laa_module import LaaTraining
from facewitness.training.laa_run import LaaRun, train_laa
from unit.training.laa_prepared import mini
from facewitness.training.machine import TrainingMachine

data, run, kill_at, devices, workers = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
real = LaaTraining.training_step

def training_step(self, batch, index):
    if self.global_step == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, batch, index)

LaaTraining.training_step = training_step
if __name__ == "__main__":
    machine = TrainingMachine("cpu", "f32", 1, workers, False, devices, "auto" if devices == 1 else "ddp")
    train_laa(LaaRun(Path(data), Path(run), mini(*sys.argv[6:]), "mini", machine, save_every=3))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Read-only."""
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of three epochs of four steps, never interrupted. Read-only."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    train_laa(job(data, run))
    return run


def job(data, run, *overrides, **fields):
    return LaaRun(data, run, mini(*overrides), "mini", ALONE, save_every=3, **fields)


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def child(tmp_path, data, run, *, kill_at=-1, devices=1, workers=0, overrides=()):
    """A run in a process of its own."""
    script = tmp_path / "child.py"
    script.write_text(CHILD, encoding="utf-8")
    words = [str(data), str(run), str(kill_at), str(devices), str(workers), *overrides]
    places = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests"))), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, check=False, env={**os.environ, **places}
    )


def assert_same_weights(one, other):
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_run_writes_what_it_says(finished):
    weights = {"best.safetensors", "best.json", "last.safetensors", "last.json"}
    files = {"best.ckpt", "last.ckpt", "curve.jsonl", "validation.jsonl", "run.json", "curves"}
    assert {path.name for path in finished.iterdir()} == weights | files
    curve = rows(finished / "curve.jsonl")
    assert [(row["step"], row["epoch"]) for row in curve] == [(s + 1, s // 4) for s in range(12)]
    assert [row["rate"] for row in curve[::4]] == pytest.approx([0.002, 0.002 * 2 / 3, 0.002 / 3])
    for row in curve:
        assert row["loss"] == pytest.approx(row["heatmap"] + row["score"] + row["consistency"], rel=1e-5)
    validation = rows(finished / "validation.jsonl")
    assert [row["step"] for row in validation] == [4, 8, 12]
    assert all(0 <= row["auc"] <= 1 and 0 <= row["auc_fakes"] <= 1 for row in validation)


def test_weights_and_their_record(finished):
    model = load_model(finished / "best.safetensors")
    assert model.config == mini().network
    record = WeightsRecord.beside(finished / "best.safetensors", detector="laa_net")
    best = max(rows(finished / "validation.jsonl"), key=lambda row: row["auc"])
    assert record.metrics["validation"] == best
    assert record.processor == {**mini().processor().to_record(), "mode": "corrected"}
    assert record.processor["image_size"] == 64
    assert "4 real videos" in record.trained_on
    assert "random weights" in record.trained_on


def test_checkpoint_holds_moments_and_opens_without_code(finished):
    state = torch.load(finished / "last.ckpt", weights_only=True)
    moments = state["optimizer_states"][0]["inner"]["state"]
    assert len(moments) == len(list(load_model(finished / "last.safetensors").parameters()))
    assert all(entry["exp_avg_sq"].abs().sum() > 0 for entry in moments.values())
    assert state["laa_net_run"]["batches_done"] == 12


@pytest.mark.slow
def test_killed_and_resumed_is_bit_exact(finished, data, tmp_path):
    """A real kill -9 inside the second epoch, with a worker process; the rest of the run has none."""
    run = tmp_path / "run"
    assert child(tmp_path, data, run, kill_at=7, workers=1).returncode == -signal.SIGKILL
    assert [row["step"] for row in rows(run / "curve.jsonl")] == list(range(1, 8))
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == 6
    train_laa(job(data, run))
    assert (run / "curve.jsonl").read_text() == (finished / "curve.jsonl").read_text()
    assert (run / "validation.jsonl").read_text() == (finished / "validation.jsonl").read_text()
    for name in ("last.safetensors", "best.safetensors"):
        assert_same_weights(run / name, finished / name)


class PowerCutError(Exception):
    """What the tests interrupt with."""


@pytest.mark.parametrize("place", [("training_step", 4), ("training_step", 11), ("on_validation_epoch_end", 8)])
def test_interrupted_anywhere_is_bit_exact(finished, data, tmp_path, monkeypatch, place):
    """In the first step of an epoch, in the last of the run, and in a validation."""
    hook, at = place
    run, real = tmp_path / "run", getattr(LaaTraining, hook)

    def cut(self, *arguments):
        if self.global_step == at:
            raise PowerCutError
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LaaTraining, hook, cut)
        with pytest.raises(PowerCutError):
            train_laa(job(data, run))
    train_laa(job(data, run))
    assert (run / "curve.jsonl").read_text() == (finished / "curve.jsonl").read_text()
    assert (run / "validation.jsonl").read_text() == (finished / "validation.jsonl").read_text()
    assert_same_weights(run / "last.safetensors", finished / "last.safetensors")


def test_finished_run_is_left_alone(finished, data, monkeypatch):
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir() if path.suffix != ""}
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("trained again"))
    train_laa(job(data, finished))
    after = {path.name: path.stat().st_mtime_ns for path in finished.iterdir() if path.suffix != ""}
    assert {name for name in before if before[name] != after[name]} <= {"curve.jsonl", "validation.jsonl"}


def test_other_settings_in_the_same_run_are_refused(finished, data):
    with pytest.raises(ConfigError, match="begun with another recipe"):
        train_laa(job(data, finished, "learning_rate=0.1"))
    with pytest.raises(ConfigError, match="begun with another recipe"):
        train_laa(job(data, finished, accumulate=2))


EXACT = ("batch_norm=frozen", "network.dropout=0.0", "epochs=2", "frozen_epochs=1")
"""Statistics stay still and nothing is dropped, so that a split batch sees the network that a whole one sees."""


@pytest.fixture(scope="module")
def large_batch(data, tmp_path_factory):
    """The curve of one process with batches of four items, over two epochs, the first with a frozen backbone."""
    run = tmp_path_factory.mktemp("large") / "run"
    train_laa(job(data, run, *EXACT, "batch_items=4"))
    return run


def assert_same_curve(run, other):
    one, two = rows(run / "curve.jsonl"), rows(other / "curve.jsonl")
    assert [row["step"] for row in one] == [row["step"] for row in two] == [1, 2, 3, 4]
    for first, second in zip(one, two, strict=True):
        assert first == pytest.approx(second, rel=1e-4)
    first, second = load_file(run / "last.safetensors"), load_file(other / "last.safetensors")
    # Adam divides by the size of a gradient, so rounding in tiny ones shows in steps; these are of 2e-3 each.
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=2e-4), name


def test_accumulation_is_one_large_batch(large_batch, data, tmp_path):
    train_laa(job(data, tmp_path / "run", *EXACT, accumulate=2))
    assert_same_curve(tmp_path / "run", large_batch)


@pytest.mark.slow
def test_two_processes_are_one_with_the_same_global_batch(large_batch, data, tmp_path):
    """DDP over gloo; the backbone thaws in the second epoch, which plain DDP would not notice."""
    done = child(tmp_path, data, tmp_path / "run", devices=2, overrides=EXACT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_curve(tmp_path / "run", large_batch)
    one, two = rows(tmp_path / "run" / "validation.jsonl"), rows(large_batch / "validation.jsonl")
    for first, second in zip(one, two, strict=True):
        assert first == pytest.approx(second, rel=1e-3)


def test_frozen_backbone_moves_only_when_it_may(large_batch, data, tmp_path):
    train_laa(job(data, tmp_path / "run", *EXACT[:2], "epochs=1", "frozen_epochs=1"))
    start = laa_run.start_network(mini(), None)[0].state_dict()
    for run, moves in ((tmp_path / "run", False), (large_batch, True)):
        end = load_file(run / "last.safetensors")
        assert torch.equal(start["backbone.stem_conv.weight"], end["backbone.stem_conv.weight"]) is not moves
        assert not torch.equal(start["heads.heatmap.0.weight"], end["heads.heatmap.0.weight"])


def test_best_rules():
    figures = [{"accuracy": a, "loss": b, "auc": c} for a, b, c in ((0.6, 9, 0.9), (0.8, 10, 0.7), (0.7, 8, 0.95))]
    assert [BestRule("official").improves(f) for f in figures] == [True, True, True]  # each is the first of its rule
    official, auc = BestRule("official"), BestRule("auc")
    assert [official.improves(f) for f in figures] == [True, False, True]
    assert [auc.improves(f) for f in figures] == [True, False, True]
    assert BestRule("auc_fakes").improves({"accuracy": 0.5, "loss": 1, "auc": 0.5, "auc_fakes": 0.1})


def test_a_figure_that_is_missing_is_replaced_and_said(caplog):
    rule = BestRule("auc_fakes")
    figures = [{"loss": 9, "auc": 0.7}, {"loss": 1, "auc": 0.6}, {"loss": 9, "auc": 0.8}]
    assert [rule.improves(f) for f in figures] == [True, False, True]
    assert [r.message for r in caplog.records] == [
        "validation gives no auc_fakes, as it lacks reals or fakes: the best is kept by auc"
    ]
    alone = BestRule("auc")
    assert [alone.improves({"loss": loss}) for loss in (9, 10, 8)] == [True, False, True]
    assert "the best is kept by loss" in caplog.text


def test_one_label_alone_gives_no_auc():
    assert _auc("auc", np.array([0.1, 0.9]), np.zeros(2)) == {}
    assert _auc("auc", np.array([0.1, 0.9]), np.array([0.0, 1.0])) == {"auc": 1.0}


def test_strategies(data, tmp_path):
    def named(strategy, devices=2, *overrides):
        machine = dataclasses.replace(ALONE, devices=devices, strategy=strategy)
        return strategy_name(LaaRun(data, tmp_path, mini(*overrides), machine=machine))

    assert named("auto", 1) == "auto"
    assert named("auto") == named("ddp") == "ddp"
    assert named("ddp", 2, "frozen_epochs=1") == "ddp_find_unused_parameters_true"
    assert named("fsdp", 2, "frozen_epochs=1") == "fsdp"
    assert named("deepspeed_stage_2", 2, "optimizer=adam") == "deepspeed_stage_2"
    with pytest.raises(ConfigError, match="DeepSpeed owns"):
        named("deepspeed")


def test_callback_ends_the_run(data, tmp_path):
    seen = []

    def stop(epoch, figures):
        seen.append((epoch, figures["auc"]))
        raise PowerCutError

    with pytest.raises(PowerCutError):
        train_laa(job(data, tmp_path / "run"), on_validation=stop)
    assert len(seen) == 1
    assert (tmp_path / "run" / "last.ckpt").is_file()


def test_diverging_is_said_and_not_kept(data, tmp_path):
    with pytest.raises(ConfigError, match=r"no numbers any more at step \d+: training has diverged"):
        train_laa(job(data, tmp_path / "run", "learning_rate=1e30"))
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_blended_images_train_too(data, tmp_path):
    recipe = mini("epochs=1", "frozen_epochs=0", "batch_norm=first", name="bi")
    train_laa(LaaRun(data, tmp_path / "run", recipe, "bi", ALONE))
    (row,) = rows(tmp_path / "run" / "validation.jsonl")
    assert 0 <= row["auc"] <= 1
    record = WeightsRecord.beside(tmp_path / "run" / "best.safetensors", detector="laa_net")
    assert record.processor["protocol"] == "bi"
    assert "bi pseudo-fakes" in record.trained_on
