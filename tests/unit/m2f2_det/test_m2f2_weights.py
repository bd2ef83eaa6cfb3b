"""The authors' files, by kind: every key is used or named, misfits are named, nothing in a file runs."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import save_file

from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recognition import infer_config, recognise
from facewitness.detectors.m2f2_det.weights import (
    from_official,
    load_into,
    load_model,
    load_official,
    load_state,
    save_model,
)
from facewitness.errors import CheckpointError, WeightsError
from unit.m2f2_det.m2f2_networks import tiny_config, to_official


@pytest.fixture(scope="module")
def bridge():
    torch.manual_seed(0)
    model = M2F2Det(tiny_config()).eval()
    return model, to_official(model.state_dict(), model.config)


@pytest.fixture(scope="module")
def cosine():
    torch.manual_seed(0)
    model = M2F2Det(tiny_config("cosine")).eval()
    return model, to_official(model.state_dict(), model.config)


def same(one, other):
    return set(one) == set(other) and all(torch.equal(one[k], other[k]) for k in one)


def stage1_file(path, state, with_object=None):
    """What the authors' saver writes: the module's prefix, the optimiser's state, a scheduler as an object."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.4)
    content = {
        "epoch": 180,
        "model_state_dict": {f"module.{k}": v for k, v in state.items()},
        "optimizer_state_dict": optimizer.state_dict(),
        "iter": 7,
        "scheduler": with_object or scheduler,
        "val_loss": 0.25,
    }
    torch.save(content, path)
    return path


def test_stage_1_file_is_read_without_its_objects(tmp_path, bridge):
    model, official = bridge
    path = stage1_file(tmp_path / "current_model_180.pth", official)
    found, report = load_official(path)
    assert found.config == model.config.__class__(
        **{**vars(model.config), "bridge_block_heads": 4, "bridge_block_mlp": 32}
    )
    assert same(found.state_dict(), model.state_dict())
    assert report.had_module_prefix
    assert report.epoch == 180
    assert {*report.renamed, *report.unused} == {
        k.replace(".text_model.", ".").replace(".vision_model.", ".") for k in official
    }
    for part in ("linear_1.weight", "clip_reduction.weight", "bridge_adapter_proj.bridge_adapter_proj.1.weight"):
        assert report.unused[part] == "before the bridge's constant"
    assert "bridge_adapter_proj.bridge_adapter_proj.2.bias" in report.renamed
    assert "epoch 180" in str(report)


class Evil:
    def __reduce__(self):
        return print, ("this must not run",)


def test_a_file_with_code_is_refused(tmp_path, bridge, capsys):
    path = stage1_file(tmp_path / "evil.pth", bridge[1], with_object=Evil())
    with pytest.raises(WeightsError, match="holds code"):
        load_official(path)
    assert capsys.readouterr().out == ""


def test_flat_detector_with_the_tower_beside_it(tmp_path, cosine):
    model, official = cosine
    tower = {k: v for k, v in official.items() if k.startswith("clip_vision_encoder.")}
    torch.save({k: v for k, v in official.items() if k not in tower}, tmp_path / "M2F2_Det_densenet121.pth")
    alone, _ = load_official(tmp_path / "M2F2_Det_densenet121.pth")
    assert not alone.config.with_vision
    renamed = {k.replace("clip_vision_encoder.model.", "vision_tower."): v for k, v in tower.items()}
    torch.save(renamed, tmp_path / "vision_tower.pth")
    found, report = load_official(tmp_path / "M2F2_Det_densenet121.pth")
    assert same(found.state_dict(), model.state_dict())
    assert report.kind == "cosine"
    with pytest.raises(WeightsError, match="vision tower weights only"):
        load_official(tmp_path / "vision_tower.pth")


@pytest.mark.parametrize("generation", [4, 5])
def test_llava_folder(tmp_path, cosine, generation):
    model, official = cosine
    state = {"lm_head.weight": torch.ones(2, 2), "deepfake_projector.0.weight": torch.ones(2, 2)}
    for key, value in official.items():
        if key.startswith("clip_vision_encoder.model."):
            state[key.replace("clip_vision_encoder.model.", "model.vision_tower.vision_tower.")] = value
        else:
            state[f"deepfake_encoder.{key}"] = value.bfloat16() if value.is_floating_point() else value
    if generation == 5:
        state = {k.replace(".vision_model.", ".").replace(".text_model.", "."): v for k, v in state.items()}
    names = sorted(state)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for name, keys in shards.items():
        save_file({k: state[k].clone().contiguous() for k in keys}, tmp_path / name)
    weight_map = {k: name for name, keys in shards.items() for k in keys}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    found, report = load_official(tmp_path)
    assert report.kind == "llava"
    assert len(report.cast) > 100
    wanted = {k: v.bfloat16().float() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    wanted |= {k: v for k, v in model.state_dict().items() if k.startswith("clip.")}
    assert same(found.state_dict(), wanted)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"x": 1}, "no index of shards"),
        ({"weight_map": {"deepfake_encoder.a": 3}}, "files of its own folder, got 3"),
        ({"weight_map": {"deepfake_encoder.a": "../a.safetensors"}}, "files of its own folder"),
        ({"weight_map": {"deepfake_encoder.a": "/a.safetensors"}}, "files of its own folder"),
    ],
)
def test_an_index_names_files_of_its_folder_only(tmp_path, index, message):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"deepfake_encoder.a": torch.ones(1)}, tmp_path / "a.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match=message):
        load_official(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("vision_proj.0.bias"), r"missing \[clip_projection.0.bias\]"),
        (lambda s: s.update(surprise=torch.ones(1)), "'surprise'"),
        (lambda s: s.update({"output.bias": torch.ones(3)}), r"head.bias: \(3,\) for \(2,\)"),
        (lambda s: s.update({"output.bias": "no tensor"}), "must be a tensor, got str"),
        (lambda s: s.update({"module.output.bias": torch.ones(2)}), "damaged"),
    ],
)
def test_misfits_are_named(cosine, change, message):
    model, official = cosine
    official = dict(official)
    change(official)
    with pytest.raises(CheckpointError, match=message):
        load_state(M2F2Det(model.config), from_official(official, model.config)[0])


def test_strangers_are_named(bridge):
    with pytest.raises(CheckpointError, match="no known M2F2-Det"):
        recognise({"conv.weight": torch.ones(1)})
    state = {k: v for k, v in bridge[1].items() if k != "deepfake_proj.0.weight"}
    with pytest.raises(CheckpointError, match="lacks a part"):
        infer_config(recognise(state))


def test_own_file_keeps_everything(tmp_path):
    model = M2F2Det(tiny_config("bridge", "corrected")).eval()
    save_model(model, tmp_path / "own.safetensors")
    found = load_model(tmp_path / "own.safetensors")
    assert found.config == model.config
    assert not found.training
    assert same(found.state_dict(), model.state_dict())


def test_a_corrected_network_begins_with_what_official_files_have(tmp_path, bridge):
    corrected = M2F2Det(replace(bridge[0].config, mode="corrected"))
    torch.save(bridge[1], tmp_path / "stage1.pth")
    before = corrected.bridge.reduce[0].weight.clone()
    # the stand-in holds no whole text tower
    taken = load_into(corrected, tmp_path / "stage1.pth")
    assert torch.equal(corrected.clip.input_norm.weight, bridge[0].clip.input_norm.weight)
    assert torch.equal(corrected.cnn_projection[0].weight, bridge[0].cnn_projection[0].weight)
    assert torch.equal(corrected.bridge.reduce[0].weight, before)
    assert not any(name.startswith(("bridge.", "head.")) for name in taken)


def test_openai_clip_fills_both_towers(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    config = tiny_config("cosine")
    text = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 1}
    vision = {**text, "num_hidden_layers": 16, "image_size": 56, "patch_size": 14}
    clip = CLIPModel(CLIPConfig(text_config={**text, "vocab_size": 50}, vision_config=vision))
    clip.save_pretrained(tmp_path)
    model = M2F2Det(config)
    taken = load_into(model, tmp_path)
    assert {n for n in model.state_dict() if n.startswith("clip.")} <= set(taken)
    assert "prompts.blocks.1.mlp.fc1.weight" in taken
    assert "prompts.prompt" not in taken
    vision_state = {k.split("vision_model.")[-1]: v for k, v in clip.vision_model.state_dict().items()}
    assert torch.equal(model.clip.blocks[3].mlp.fc1.weight, vision_state["encoder.layers.3.mlp.fc1.weight"])
