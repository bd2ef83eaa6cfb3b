"""Runs of a few steps on a tiny data root: what they write, and that an interruption changes nothing."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors.torch import load_file

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.lite.config import LITE_RECIPES, LiteConfig, LiteRecipe
from facewitness.detectors.laa_net.lite.weights import load_lite
from facewitness.errors import ConfigError
from facewitness.training import lite_run
from facewitness.training.lite_module import LiteTraining
from facewitness.training.lite_run import prepare_faces, train_lite
from facewitness.training.lite_validation import build_validation
from facewitness.training.machine import TrainingMachine
from facewitness.training.run_folder import keep_settings
from unit.training.training_data import TINY, person, write_manifest, write_png

ALONE = TrainingMachine(device="cpu", precision="f32", threads=1, workers=0, progress=False)


class PowerCutError(Exception):
    """What the tests interrupt with."""


def train(root, run, caches, recipe=TINY, **fields):
    return train_lite(root, run, recipe, cache=caches, pretrained=False, machine=ALONE, **fields)


def interrupted(root, run, caches, steps):
    """Begin a run and let the power fail in the step after so many."""
    real = LiteTraining.training_step

    def training_step(self, batch, index):
        if self.global_step == steps:
            raise PowerCutError
        return real(self, batch, index)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiteTraining, "training_step", training_step)
        with pytest.raises(PowerCutError):
            train(root, run, caches)


def log_of(run):
    return [json.loads(line) for line in (run / "validation.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_same_weights(one, other):
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.fixture(scope="module")
def finished(root, caches, tmp_path_factory):
    """A run of five steps, never interrupted. Read-only."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert train(root, run, caches) == run / "best.safetensors"
    return run


def test_run_writes_what_it_says(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        *("best.safetensors", "last.safetensors", "last.ckpt", "recipe.json", "validation.jsonl", "curves")
    }
    assert any(path.name.startswith("events.out") for path in (finished / "curves").iterdir())
    rows = log_of(finished)
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert all(0 <= row["score"] <= 1 and "val/auc_swap_c40" in row for row in rows)
    assert "loss/boundary" in rows[0]
    recipe = from_mapping(LiteRecipe, json.loads((finished / "recipe.json").read_text(encoding="utf-8")))
    assert recipe == TINY


def test_weights_are_of_the_network_and_were_trained(finished):
    best, last = load_lite(finished / "best.safetensors"), load_lite(finished / "last.safetensors")
    assert best.config == last.config == TINY.network
    assert not torch.equal(best.scores.weight, last.scores.weight)
    checkpoint = torch.load(finished / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert checkpoint["recipe"]["steps"] == 5


def test_a_run_can_start_from_earlier_weights(finished, root, caches, tmp_path):
    still = dataclasses.replace(TINY, steps=1, learning_rate=1e-12, weight_decay=0.0)
    first, second = finished / "best.safetensors", finished / "last.safetensors"
    train(root, tmp_path / "one", caches, still, init=[first])
    train(root, tmp_path / "mean", caches, still, init=[first, second])
    begun = [load_lite(p).scores.weight for p in (first, second)]
    for name, expected in (("one", begun[0]), ("mean", (begun[0] + begun[1]) / 2)):
        torch.testing.assert_close(load_lite(tmp_path / name / "last.safetensors").scores.weight, expected)


def test_best_is_the_validated_step_of_the_highest_score(finished, root, caches, tmp_path, monkeypatch):
    scores = iter((0.5, 0.8, 0.6))
    monkeypatch.setattr("facewitness.training.lite_module.validation_metrics", lambda *_: {"score": next(scores)})
    kept = []
    real = lite_run.save_lite

    def saving(model, path):
        kept.append(path.name)
        real(model, path)

    monkeypatch.setattr(lite_run, "save_lite", saving)
    train(root, tmp_path / "run", caches)
    last, best = "last.safetensors", "best.safetensors"
    assert kept == [last, best, last, best, last]
    assert_same_weights(tmp_path / "run" / last, finished / last)


@pytest.mark.parametrize("steps", [3, 4])
def test_interrupted_and_resumed_is_bit_exact(finished, root, caches, tmp_path, steps):
    run = tmp_path / "run"
    interrupted(root, run, caches, steps)
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == steps // 2 * 2
    with pytest.raises(AssertionError):
        assert_same_weights(run / "last.safetensors", finished / "last.safetensors")
    train(root, run, caches)
    for name in ("last.safetensors", "best.safetensors"):
        assert_same_weights(run / name, finished / name)
    assert [row["step"] for row in log_of(run)] == [2, 4, 5]
    assert [row["score"] for row in log_of(run)] == [row["score"] for row in log_of(finished)]


def test_best_weights_survive_an_interruption(root, caches, tmp_path, monkeypatch):
    """The checkpoint of a step is older than its validation; what was best is not forgotten."""
    scores = iter((0.9, 0.3, 0.4))
    monkeypatch.setattr("facewitness.training.lite_module.validation_metrics", lambda *_: {"score": next(scores)})
    run = tmp_path / "run"
    interrupted(root, run, caches, 2)
    shutil.copy(run / "best.safetensors", tmp_path / "kept.safetensors")
    train(root, run, caches)
    assert_same_weights(run / "best.safetensors", tmp_path / "kept.safetensors")


def test_interrupted_in_the_last_validation(root, caches, tmp_path):
    """The last checkpoint is that of the last step: nothing is left to train, but the validation is made up for."""
    recipe = dataclasses.replace(TINY, steps=2)
    run = tmp_path / "run"

    def cut(_self):
        raise PowerCutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiteTraining, "on_validation_epoch_end", cut)
        with pytest.raises(PowerCutError):
            train(root, run, caches, recipe)
    assert not (run / "best.safetensors").exists()
    train(root, run, caches, recipe)
    assert [row["step"] for row in log_of(run)] == [2]
    train(root, tmp_path / "whole", caches, recipe)
    assert_same_weights(run / "best.safetensors", tmp_path / "whole" / "best.safetensors")


def test_finished_run_stays_as_it_is_and_may_be_moved(finished, root, caches, tmp_path):
    run = tmp_path / "moved"
    shutil.copytree(finished, run)
    train(root, run, caches)
    for name in ("last.safetensors", "best.safetensors"):
        assert_same_weights(run / name, finished / name)
    assert log_of(run) == log_of(finished)
    assert [path.name for path in run.glob("*.ckpt")] == ["last.ckpt"]


def test_another_recipe_is_refused(finished, root, caches, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(finished / "recipe.json", run)
    (run / "metrics.jsonl").touch()
    for other in (dataclasses.replace(TINY, seed=1), dataclasses.replace(TINY, network=LiteConfig(width=16))):
        with pytest.raises(ConfigError, match="begun with another recipe"):
            train(root, run, caches, other)
    assert {path.name for path in run.iterdir()} == {"metrics.jsonl", "recipe.json"}


@pytest.mark.parametrize("recipe", LITE_RECIPES.values(), ids=LITE_RECIPES)
def test_recipes_survive_their_file(recipe, tmp_path):
    for _ in range(2):  # written, then compared with
        keep_settings(tmp_path, "recipe.json", dataclasses.asdict(recipe))
    values = json.loads((tmp_path / "recipe.json").read_text(encoding="utf-8"))
    assert from_mapping(LiteRecipe, values) == recipe


def test_data_that_is_not_there(tmp_path, caplog):
    with pytest.raises(ConfigError, match="none of the folders"):
        train(tmp_path, tmp_path / "run", None)
    assert "is not there" in caplog.text


def test_faces_are_prepared_and_large_caches_painted(root, caches, tmp_path, monkeypatch, caplog):
    """Folders that are missing, or hold nothing for training, are passed over."""
    data = dataclasses.replace(TINY.data, folders=("faces", "gone", "tests"))
    shutil.copytree(root, tmp_path / "data")
    write_png(tmp_path / "data" / "tests" / "real_soft" / "x.png", person(3))
    write_manifest(tmp_path / "data" / "tests", [("real_soft/x.png", 0, "x", "test")])
    shutil.copytree(caches, tmp_path / "caches")
    asked = []
    monkeypatch.setattr(lite_run, "build_decoded", lambda cache, folder, seed: asked.append((len(cache), folder, seed)))
    recipe = dataclasses.replace(TINY, data=data, seed=5)
    arguments = (tmp_path / "data", tmp_path / "caches", recipe)
    with caplog.at_level(logging.WARNING):
        assert prepare_faces(*arguments) == [tmp_path / "caches" / "faces"]
    assert "gone is not there" in caplog.text
    assert asked == []
    monkeypatch.setattr(lite_run, "_DECODED_FROM_FACES", 12)
    prepare_faces(*arguments)
    assert asked == [(18, tmp_path / "caches" / "faces", 5)]


@pytest.fixture(scope="module")
def module(store):
    torch.manual_seed(0)
    return LiteTraining(TINY, build_validation(store, size=64, margin_ratio=1.25, most_faces=2), pretrained=False)


def test_every_parameter_is_optimised_once_at_its_rate(module):
    optimizer = module.configure_optimizers()["optimizer"]
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    named = dict(module.model.named_parameters())
    assert len(settings) == len(named) == sum(len(group["params"]) for group in optimizer.param_groups)
    for name, parameter in named.items():
        group = settings[id(parameter)]
        assert group["weight_decay"] == (TINY.weight_decay if parameter.ndim > 1 else 0)
        share = TINY.backbone_rate if name.startswith("backbone") else 1
        assert group["initial_lr"] == pytest.approx(TINY.learning_rate * share)


def test_rate_rises_then_falls_as_a_cosine(store):
    recipe = dataclasses.replace(TINY, steps=110, warmup_steps=10)
    validation = build_validation(store, size=64, margin_ratio=1.25, most_faces=2)
    rate = LiteTraining(recipe, validation, pretrained=False)._rate
    assert [rate(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert [rate(step) for step in (10, 60, 110, 200)] == pytest.approx([1.0, 0.51, 0.02, 0.02])


def test_pretrained_starts_from_imagenet(module, store):
    other = LiteTraining(TINY, module.validation)
    stem = other.model.backbone.stem[0].weight
    assert not torch.equal(stem, module.model.backbone.stem[0].weight)
    assert torch.equal(stem, other.averaged.backbone.stem[0].weight)
