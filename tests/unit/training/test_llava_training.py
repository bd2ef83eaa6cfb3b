"""Stages 2 and 3 really train a tiny model: the loss falls, a killed run goes on exactly, the merged model has it."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file

from facewitness.cli.main import main
from facewitness.detectors.m2f2_det.explainer import load_explainer, load_pair
from facewitness.errors import ConfigError, MissingExtraError
from facewitness.language.llava_merge import probe
from facewitness.language.llava_recipe import load_llava_recipe
from facewitness.language.llava_weights import load_folder
from facewitness.language.lora import load_adapter, read_adapter
from facewitness.language.models import Sampling
from facewitness.training import llava_run
from facewitness.training.llava_data import ConversationSet, batch_order
from facewitness.training.llava_module import warmup_cosine
from facewitness.training.llava_plan import plan_llava
from facewitness.training.llava_run import LlavaRun, train_llava
from facewitness.training.machine import TrainingMachine
from unit.language import tiny_llava
from unit.training.llava_folder import PICTURES, RECIPE, make_conversations, make_model

MACHINE = TrainingMachine(device="cpu", precision="f32", threads=1, workers=0, progress=False)
STEPS = 10


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Model, detector and conversations."""
    folder = tmp_path_factory.mktemp("llava")
    make_model(folder / "model")
    make_model(folder / "bare", score=False)
    make_conversations(folder / "data")
    return folder


def job(place, run, **changed):
    values = {
        "data": place / "data" / "train.json",
        "run": run,
        "recipe": RECIPE,
        "model": str(place / "model"),
        "machine": MACHINE,
        "save_every": 3,
    }
    return LlavaRun(**(values | changed))


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """A run without interruption."""
    run = tmp_path_factory.mktemp("whole")
    train_llava(job(place, run))
    return run


def curve(run):
    return [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]


def test_the_loss_falls(whole):
    losses = [row["loss"] for row in curve(whole)]
    assert len(losses) == STEPS
    assert np.mean(losses[-2:]) < 0.7 * losses[0]


def test_the_rate_rises_and_falls_along_a_cosine(whole):
    rates = [row["rate"] for row in curve(whole)]
    wanted = [RECIPE.learning_rate * warmup_cosine(step, steps=STEPS, warmup=RECIPE.warmup) for step in range(STEPS)]
    assert rates == pytest.approx(wanted)


@pytest.mark.parametrize("at", [4, 7])
def test_a_killed_run_goes_on_with_the_same_numbers(place, whole, tmp_path, monkeypatch, at):
    class KilledError(Exception):
        pass

    write = llava_run.RowFile.add

    def add(self, row):
        write(self, row)
        if row["step"] == at:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(llava_run.RowFile, "add", add)
        with pytest.raises(KilledError):
            train_llava(job(place, tmp_path))
    assert not (tmp_path / "adapter").exists()
    train_llava(job(place, tmp_path))
    assert curve(tmp_path) == curve(whole)
    for name in ("adapter_model.safetensors", "projectors.safetensors"):
        first, second = (load_file(run / "adapter" / name) for run in (whole, tmp_path))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name


def test_a_finished_run_is_left_as_it_is(place, whole):
    before = curve(whole), load_file(whole / "adapter" / "adapter_model.safetensors")
    train_llava(job(place, whole))
    after = load_file(whole / "adapter" / "adapter_model.safetensors")
    assert curve(whole) == before[0]
    assert all(torch.equal(after[key], value) for key, value in before[1].items())


def test_a_checkpoint_holds_what_is_trained_and_nothing_else(whole):
    state = torch.load(whole / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    kinds = {"lora" if ".lora_" in key else key.rsplit(".", 2)[0] for key in state}
    assert kinds == {"lora", "network.score_projector", "network.core.model.multi_modal_projector"}


def test_another_recipe_does_not_go_on_in_the_folder(place, whole):
    with pytest.raises(ConfigError, match="begun with another recipe"):
        train_llava(job(place, whole, recipe=replace(RECIPE, seed=1)))


def test_merge_writes_a_model_equal_to_the_unmerged_one(place, whole, tmp_path, capsys):
    out = tmp_path / "merged"
    assert main(["merge", str(whole / "adapter"), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "14 LoRA layers merged" in said.err
    assert "with its detector" in said.out
    unmerged = load_folder(place / "model", device="cpu").network
    before = probe(unmerged)
    load_adapter(unmerged, read_adapter(whole / "adapter"))
    unmerged.eval()
    merged, detector = load_pair(out, device="cpu")
    torch.testing.assert_close(probe(merged.network), probe(unmerged), rtol=0, atol=5e-5)
    assert float((probe(merged.network) - before).abs().max()) > 1e-2
    assert not [key for key in merged.network.state_dict() if "lora" in key]
    assert detector.config.variant == "cosine"
    assert main(["merge", str(whole / "adapter"), "--out", str(out)]) == 1
    assert "new or an empty folder" in capsys.readouterr().err


def test_merge_refuses_a_size_that_is_none(tmp_path, capsys):
    assert main(["merge", "--base", "nowhere", "--out", str(tmp_path / "out"), "--shard", "five"]) == 1
    assert "500MB" in capsys.readouterr().err


def test_the_merged_model_has_learnt_and_answers(place, whole, tmp_path):
    out = tmp_path / "merged"
    assert main(["merge", str(whole / "adapter"), "--out", str(out)]) == 0
    explainer = load_explainer(out, device="cpu", sampling=Sampling(max_new_tokens=12))
    rows = ConversationSet.open(place / "data" / "train.json")
    picture = rows.item(0, RECIPE, tiny_llava.tokenizer(), deepfake=True).image
    made = explainer.answers(picture, ["Do the image looks real or fake?"] * 2)
    assert made[0].text == made[1].text
    assert 0 <= explainer.judge([picture]).evidence()[0].score <= 1
    before = load_explainer(place / "model", device="cpu")
    assert loss_on(explainer, rows) < 0.6 * loss_on(before, rows)


def loss_on(explainer, rows):
    """Mean loss of a model on the conversations that were trained."""
    items = [rows.item(i, RECIPE, tiny_llava.tokenizer(), deepfake=True) for i in range(4)]
    judged = explainer.judge([item.image for item in items])
    with torch.no_grad():
        return float(explainer.llava.network([item.tokens for item in items], judged.seen, judged.probabilities).loss)


def test_stage_two_trains_the_projector_of_the_score_alone(place, tmp_path):
    recipe = replace(RECIPE, train=("score_projector",), epochs=2, projector_rate=0.02)
    folder = train_llava(
        job(place, tmp_path, recipe=recipe, model=str(place / "bare"), detector=place / "detector.safetensors")
    )
    assert sorted(p.name for p in folder.iterdir()) == ["facewitness_adapter.json", "projectors.safetensors"]
    assert set(load_file(folder / "projectors.safetensors")) == {
        f"score_projector.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    }
    losses = [row["loss"] for row in curve(tmp_path)]
    assert losses[-1] < losses[0]
    out = tmp_path / "merged"
    assert main(["merge", str(folder), "--out", str(out)]) == 0
    loaded, _ = load_pair(out, device="cpu")
    bare = load_folder(place / "bare", device="cpu").network.core.state_dict()
    assert all(torch.equal(value, bare[key]) for key, value in loaded.network.core.state_dict().items())


def test_stage_two_without_a_detector_says_what_is_missing(place, tmp_path):
    from facewitness.errors import WeightsError

    with pytest.raises(WeightsError, match="holds no detector"):
        train_llava(job(place, tmp_path, model=str(place / "bare")))


def test_every_conversation_comes_once_an_epoch_in_another_order():
    order = batch_order(PICTURES, RECIPE)
    epochs = np.split(np.concatenate(order), RECIPE.epochs)
    assert all(sorted(epoch) == list(range(PICTURES)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    assert len(batch_order(PICTURES + 1, RECIPE)) % RECIPE.accumulate == 0
    two = batch_order(PICTURES, RECIPE, 2)
    assert {len(batch) for batch in two} == {2 * RECIPE.batch_items}


def test_gradient_checkpointing_changes_no_number(place, whole, tmp_path):
    train_llava(job(place, tmp_path, recipe=replace(RECIPE, gradient_checkpointing=False)))
    assert [r["loss"] for r in curve(tmp_path)] == pytest.approx([r["loss"] for r in curve(whole)], rel=1e-4)


def test_the_plan_counts_without_loading(place, tmp_path):
    shown = str(plan_llava(job(place, tmp_path / "run")))
    rank, width, mlp, kv = 8, 32, 48, 16
    per_layer = rank * (2 * (width + width) + 2 * (width + kv) + 3 * (width + mlp))
    projectors = (2 * width + width + width * width + width) + (width * width + width) * 2
    assert f"{(2 * per_layer + projectors) / 1e6:.3f} million" in shown
    assert f"{STEPS} in {RECIPE.epochs} epochs" in shown
    assert f"{PICTURES} conversations about {PICTURES} pictures" in shown
    assert not (tmp_path / "run").exists()


def test_the_verb_prints_the_plan_and_trains(place, tmp_path, capsys):
    arguments = ["train", "m2f2_det", "--recipe", "stage3", "--data", str(place / "data" / "train.json")]
    arguments += ["--init", str(place / "model"), "--run", str(tmp_path), "--device", "cpu", "--threads", "1"]
    arguments += ["--set", "lora.rank=2", "--set", "accumulate=1", "--batch", "6", "--no-progress", "--workers", "0"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "memory" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "facewitness merge" in capsys.readouterr().out
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    assert main(arguments[:6]) == 1
    assert "--init" in capsys.readouterr().err


def test_the_authors_recipes():
    two, three = (load_llava_recipe("m2f2_det", name) for name in ("stage2", "stage3"))
    assert (two.train, two.batch_items * two.accumulate, two.projector_rate) == (("score_projector",), 240, 2e-5)
    assert (three.lora.rank, three.lora.alpha, three.lora.dropout) == (128, 256, 0.05)
    assert three.batch_items * three.accumulate == 120


def test_a_step_larger_than_the_data_is_refused():
    with pytest.raises(ConfigError, match="a step takes 6 conversations"):
        batch_order(5, RECIPE)


def test_sharding_needs_its_package(place, tmp_path):
    pytest.importorskip("lightning")
    if find_spec("deepspeed") is not None:
        pytest.skip("DeepSpeed is installed")
    with pytest.raises(MissingExtraError, match="pip install deepspeed"):
        job(place, tmp_path, machine=replace(MACHINE, strategy="deepspeed_stage_3"))


def test_missing_pictures_are_counted(place, tmp_path):
    with pytest.raises(ConfigError, match=f"{PICTURES} of {PICTURES} pictures"):
        ConversationSet.open(place / "data" / "train.json", tmp_path)
