"""LoRA in the language model alone, adapters of ours and of the authors, and merging that proves itself."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file, save_file

from facewitness.errors import CheckpointError, ConfigError, WeightsError
from facewitness.language.conversations import IGNORE
from facewitness.language.llava_merge import merge, probe
from facewitness.language.llava_recipe import LlavaRecipe, LoraSettings
from facewitness.language.lora import (
    LORA_CONFIG,
    LORA_FILE,
    PROJECTORS_FILE,
    AdapterNote,
    load_adapter,
    lora_targets,
    prepare,
    read_adapter,
    save_adapter,
    trained_state,
)
from facewitness.language.splicing import Tokens
from unit.language import tiny_llava

RECIPE = LlavaRecipe(lora=LoraSettings(rank=4, alpha=8, dropout=0.0))
LEAVES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def trained(recipe=RECIPE, *, kind="llama", scale=0.1):
    """A network as it is after training: every trained tensor has moved."""
    network = tiny_llava.network(kind)
    tuner = prepare(network, recipe)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in trained_state(network).values():
            value.add_(scale * torch.randn(value.shape, generator=generator))
    return network, tuner


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_lora_hits_every_linear_layer_of_the_language_model_and_no_other(kind):
    network = tiny_llava.network(kind)
    pattern = re.compile(lora_targets(network.core))
    linear = {n for n, m in network.core.named_modules() if isinstance(m, torch.nn.Linear)}
    prepare(network, LlavaRecipe(train=("lora",)))
    hit = {name.partition(".lora_")[0] for name in trained_state(network)}
    hit = {name.removeprefix("core.") for name in hit}
    assert hit == {name for name in linear if name.startswith("model.language_model.")}
    assert {name.rpartition(".")[2] for name in hit} == LEAVES
    assert len(hit) == 14
    assert all(pattern.fullmatch(name) for name in hit)
    assert not any("vision" in name or "projector" in name or "lm_head" in name for name in hit)


@pytest.mark.parametrize(
    ("train", "wanted"),
    [
        (("score_projector",), {"score_projector"}),
        (("projector",), {"core.model.multi_modal_projector"}),
        (("score_projector", "projector", "lora"), {"score_projector", "core.model.multi_modal_projector", "lora"}),
    ],
)
def test_a_recipe_trains_what_it_names(train, wanted):
    network = tiny_llava.network()
    prepare(network, LlavaRecipe(train=train))
    found = {"lora" if ".lora_" in n else n.rsplit(".", 2)[0] for n in trained_state(network)}
    assert found == wanted


def test_what_is_trained_is_float32_in_a_bfloat16_model():
    network = tiny_llava.network().to(torch.bfloat16)
    prepare(network, RECIPE)
    assert {value.dtype for value in trained_state(network).values()} == {torch.float32}
    frozen = {v.dtype for n, v in network.named_parameters() if not v.requires_grad}
    assert frozen == {torch.bfloat16}
    words = Tokens((1, 5, 6, 7), (IGNORE, 5, 6, 7))
    network([words]).loss.backward()
    moved = [n for n, v in trained_state(network).items() if ".lora_B" in n and v.grad is not None and v.grad.any()]
    assert len(moved) == 14


def test_a_missing_score_projector_is_made():
    network = tiny_llava.network(score=False)
    prepare(network, LlavaRecipe(train=("score_projector",)))
    assert network.score_projector is not None
    assert set(trained_state(network)) == {f"score_projector.{n}" for n in ("0.weight", "0.bias", "2.weight", "2.bias")}
    assert 0.05 < float(network.score_projector[0].weight.detach().std()) < 0.2


def test_an_adapter_goes_out_and_in(tmp_path):
    network, _ = trained()
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base", template="ffaa"))
    adapter = read_adapter(tmp_path)
    assert adapter.note.template == "ffaa"
    assert adapter.settings == RECIPE.lora
    again = tiny_llava.network()
    load_adapter(again, adapter)
    torch.testing.assert_close(probe(again), probe(network), rtol=0, atol=0)
    assert torch.equal(again.score_projector[0].weight, network.score_projector[0].weight)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft asks for it
def test_peft_itself_opens_our_adapter(tmp_path):
    from peft import PeftModel

    network, _ = trained(LlavaRecipe(train=("lora",), lora=RECIPE.lora))
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    core = PeftModel.from_pretrained(tiny_llava.core(), tmp_path)
    words = torch.arange(3, 12)[None]
    with torch.no_grad():
        torch.testing.assert_close(core(input_ids=words).logits, network.core(input_ids=words).logits)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
def test_merged_equals_unmerged_and_differs_from_the_base(tmp_path, kind):
    network, _ = trained(kind=kind)
    unmerged = probe(network)
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    base = tiny_llava.network(kind)
    before = probe(base)
    report = merge(base, read_adapter(tmp_path))
    torch.testing.assert_close(probe(base), unmerged, rtol=0, atol=2e-5)
    assert report.effect == pytest.approx(float((unmerged - before).abs().max()), rel=1e-3)
    assert report.effect > 0.01
    assert report.error < 2e-5
    assert (report.layers, report.projectors) == (14, 8)
    assert not [name for name in base.state_dict() if "lora" in name]
    assert base.state_dict().keys() == tiny_llava.network(kind).state_dict().keys()


def test_the_merged_weight_is_w_plus_scaled_b_times_a(tmp_path):
    network, _ = trained()
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    adapter = read_adapter(tmp_path)
    base = tiny_llava.network()
    layer = "model.language_model.layers.1.self_attn.v_proj"
    old = base.core.get_submodule(layer).weight.clone()
    down, up = adapter.lora[layer]
    merge(base, adapter)
    torch.testing.assert_close(base.core.get_submodule(layer).weight, old + 8 / 4 * (up @ down), rtol=0, atol=1e-6)


def test_a_fine_tuning_that_changes_nothing_is_refused(tmp_path):
    network = tiny_llava.network()
    prepare(network, RECIPE)  # B is zero before training
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    with pytest.raises(CheckpointError, match="every LoRA layer of the fine-tuning is zero"):
        merge(tiny_llava.network(), read_adapter(tmp_path))


def test_a_fine_tuning_lost_in_rounding_is_refused(tmp_path):
    network, _ = trained(LlavaRecipe(train=("lora",), lora=RECIPE.lora), scale=0.002)
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    base = tiny_llava.network().to(torch.bfloat16)
    with pytest.raises(CheckpointError, match="--precision f32"):
        merge(base, read_adapter(tmp_path))


def test_stage_two_has_no_lora_to_merge(tmp_path):
    recipe = LlavaRecipe(train=("score_projector",))
    network, _ = trained(recipe)
    save_adapter(tmp_path, network, recipe, AdapterNote("base"))
    base = tiny_llava.network(score=False)
    report = merge(base, read_adapter(tmp_path))
    assert (report.layers, report.projectors) == (0, 4)
    assert torch.equal(base.score_projector[2].weight, network.score_projector[2].weight)


def official_adapter(folder, network, *, tower_b=0.0):
    """What the authors' stage 3 saves: LoRA pairs in tower and text encoder as well, projectors with long prefixes."""
    lora, projectors = {}, {}
    for name, value in trained_state(network).items():
        key = name.removeprefix("core.").replace(".default.", ".").replace("model.language_model.", "model.")
        if ".lora_" in name:
            lora[f"base_model.model.{key}"] = value.detach().clone()
        else:
            key = key.replace("model.multi_modal_projector.linear_1.", "model.mm_projector.0.")
            key = key.replace("model.multi_modal_projector.linear_2.", "model.mm_projector.2.")
            key = key.replace("score_projector.", "deepfake_projector.")
            projectors[f"base_model.model.{key}"] = value.detach().clone()
    tower = "base_model.model.model.vision_tower.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"
    text = "base_model.model.deepfake_encoder.clip_text_encoder.model.text_model.encoder.layers.0.self_attn.k_proj"
    for prefix in (tower, text):
        lora[f"{prefix}.lora_A.weight"] = torch.ones(4, 32)
        lora[f"{prefix}.lora_B.weight"] = torch.full((32, 4), tower_b)
    save_file(lora, folder / LORA_FILE)
    torch.save(projectors, folder / "non_lora_trainables.bin")
    config = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.05, "bias": "none", "target_modules": sorted(LEAVES)}
    (folder / LORA_CONFIG).write_text(json.dumps(config))


def test_the_authors_adapter_is_read_without_its_idle_pairs(tmp_path):
    network, _ = trained()
    official_adapter(tmp_path, network)
    adapter = read_adapter(tmp_path)
    assert len(adapter.left_out) == 4
    assert adapter.note is None
    base = tiny_llava.network()
    report = merge(base, adapter)
    assert (report.layers, report.projectors, report.left_out) == (14, 8, 4)
    torch.testing.assert_close(probe(base), probe(network), rtol=0, atol=2e-5)


def test_a_trained_pair_in_the_tower_would_be_lost_and_is_refused(tmp_path):
    network, _ = trained()
    official_adapter(tmp_path, network, tower_b=0.5)
    with pytest.raises(CheckpointError, match="would be lost"):
        read_adapter(tmp_path)


def test_the_authors_stage_two_file_is_read(tmp_path):
    state = {f"deepfake_projector.{n}": torch.ones(3) for n in ("0.weight", "2.bias")}
    torch.save(state, tmp_path / "mm_projector.bin")
    assert set(read_adapter(tmp_path).projectors) == {"score_projector.0.weight", "score_projector.2.bias"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.pop(next(k for k in s if "lora_B" in k)), "without their partner"),
        (lambda s: s.update({"base_model.model.x.lora_magnitude_vector": torch.ones(1)}), "no matrix of a plain LoRA"),
    ],
)
def test_a_damaged_adapter_is_named(tmp_path, damage, message):
    network, _ = trained()
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    state = load_file(tmp_path / LORA_FILE)
    damage(state)
    save_file(state, tmp_path / LORA_FILE)
    with pytest.raises(CheckpointError, match=message):
        read_adapter(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": 10**9}, "says rank 1000000000, 14 layers have another"),
        ({"r": "4"}, "must be whole numbers"),
        ({"lora_alpha": 8.5}, "must be whole numbers, got 4 and 8.5"),
        ({"use_dora": True}, "only plain LoRA"),
    ],
)
def test_settings_that_do_not_fit_the_matrices_are_refused(tmp_path, change, message):
    network, _ = trained()
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    path = tmp_path / LORA_CONFIG
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CheckpointError, match=message):
        read_adapter(tmp_path)


def test_an_adapter_of_another_model_is_refused(tmp_path):
    network, _ = trained()
    save_adapter(tmp_path, network, RECIPE, AdapterNote("base"))
    state = load_file(tmp_path / PROJECTORS_FILE)
    state["score_projector.0.weight"] = torch.zeros(7, 2)
    save_file(state, tmp_path / PROJECTORS_FILE)
    with pytest.raises(CheckpointError, match=r"another model: score_projector\.0\.weight"):
        merge(tiny_llava.network(), read_adapter(tmp_path))
    with pytest.raises(WeightsError, match="holds no fine-tuning"):
        read_adapter(tmp_path / "empty")


@pytest.mark.parametrize(
    "values", [{"train": ()}, {"train": ("tower",)}, {"epochs": 0}, {"warmup": 1.0}, {"learning_rate": -1.0}]
)
def test_recipes_out_of_range_are_refused(values):
    with pytest.raises(ConfigError):
        LlavaRecipe(**values)
