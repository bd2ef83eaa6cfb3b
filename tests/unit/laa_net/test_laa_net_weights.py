"""Checkpoints: the authors' into ours, strictly; ours and back, bit by bit."""

import dataclasses
import os
import pickle
import re

import pytest

torch = pytest.importorskip("torch")

from facewitness.detectors.laa_net.config import LaaNetConfig
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recognition import infer_config
from facewitness.detectors.laa_net.weights import (
    from_official,
    load_model,
    load_official_checkpoint,
    load_state,
    official_module,
    save_model,
)
from facewitness.errors import CheckpointError, WeightsError

CONFIG = LaaNetConfig(width=0.25, depth=0.3, consistency_channels=8, head_width=16, image_size=64)
_TO_OFFICIAL = (
    (r"^backbone\.stem_conv", "_conv_stem"),
    (r"^backbone\.stem_bn", "_bn0"),
    (r"^backbone\.head_conv", "_conv_head"),
    (r"^backbone\.head_bn", "_bn1"),
    (r"^backbone\.blocks\.(\d+)\.expand_bn", r"_blocks.\1._bn0"),
    (r"^backbone\.blocks\.(\d+)\.depthwise_bn", r"_blocks.\1._bn1"),
    (r"^backbone\.blocks\.(\d+)\.project_bn", r"_blocks.\1._bn2"),
    (r"^backbone\.blocks\.(\d+)\.", r"_blocks.\1._"),
    (r"^decoder\.channel_gates\.(\d+)\.", r"se_layer_\1."),
    (r"^decoder\.", ""),
    (r"^heads\.heatmap", "hm"),
    (r"^heads\.score", "cls"),
    (r"^heads\.consistency", "cstency"),
)


def official_state(model):
    """Our weights under the authors' names, in float64, the inception block twice, as they save them."""
    state = {}
    for key, value in model.state_dict().items():
        name = key
        for pattern, replacement in _TO_OFFICIAL:
            name, count = re.subn(pattern, replacement, name)
            if count:
                break
        state[name] = value.double() if value.is_floating_point() else value
    for key in [k for k in state if k.startswith("deconv_4.0.")]:
        state["inception_block." + key.removeprefix("deconv_4.0.")] = state[key].clone()
    return state


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LaaNet(CONFIG).eval()


@pytest.fixture(scope="module")
def official(model):
    return official_state(model)


def same(first, second):
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("prefix", ["", "module."], ids=["plain", "data-parallel"])
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
def test_official_state_loads_with_a_report(model, official, prefix, wrapped):
    state = {prefix + k: v for k, v in official.items()}
    ours, report = from_official({"epoch": 12, "state_dict": state, "optimizer": {}} if wrapped else state, CONFIG)
    assert same(load_state(LaaNet(CONFIG), ours), model)
    assert all(v.dtype == torch.float32 for k, v in ours.items() if not k.endswith("num_batches_tracked"))
    assert report.had_module_prefix == bool(prefix)
    assert report.epoch == (12 if wrapped else None)
    assert len(report.duplicates) == 18
    assert len(report.renamed) == len(model.state_dict())
    assert len(report.cast) == sum(v.is_floating_point() for v in official.values())
    assert "18 duplicates left out" in str(report)


@pytest.mark.parametrize("dropped", ["inception_block.", "deconv_4.0."])
def test_one_of_the_two_inception_names_is_enough(model, official, dropped):
    ours, report = from_official({k: v for k, v in official.items() if not k.startswith(dropped)}, CONFIG)
    assert same(load_state(LaaNet(CONFIG), ours), model)
    assert report.duplicates == ()


def test_inception_names_that_disagree_are_refused(official):
    state = dict(official)
    state["inception_block.pw_block.0.weight"] = state["inception_block.pw_block.0.weight"] + 1e-3
    with pytest.raises(CheckpointError, match="disagree"):
        from_official(state, CONFIG)


def test_every_misfit_is_named(official):
    state = {k: v for k, v in official.items() if k != "hm.3.bias"}
    state["cls.5.weight"] = state["cls.5.weight"][:, :5]
    ours, _ = from_official(state, CONFIG)
    ours["extra.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        load_state(LaaNet(CONFIG), ours)
    text = str(caught.value)
    assert "missing [heads.heatmap.3.bias]" in text
    assert "left over [extra.weight]" in text
    assert "heads.score.5.weight: (1, 5) for (1, 16)" in text


def test_failed_load_changes_nothing(official):
    target = LaaNet(CONFIG)
    before = {k: v.clone() for k, v in target.state_dict().items()}
    ours, _ = from_official({k: v for k, v in official.items() if k != "hm.3.bias"}, CONFIG)
    with pytest.raises(CheckpointError):
        load_state(target, ours)
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_counters_may_be_absent(model, official):
    ours, _ = from_official({k: v for k, v in official.items() if not k.endswith("tracked")}, CONFIG)
    assert same(load_state(LaaNet(CONFIG), ours), model)


@pytest.mark.parametrize(
    ("extra", "message"),
    [({"transformer.weight": torch.zeros(1)}, "transformer.weight"), ({"hm.9.note": "text"}, "must be a tensor")],
)
def test_strange_entries_are_refused(official, extra, message):
    with pytest.raises(CheckpointError, match=message):
        from_official({**official, **extra}, CONFIG)


def test_same_key_with_and_without_prefix_is_refused(official):
    with pytest.raises(CheckpointError, match="with and without"):
        from_official({**official, "module.hm.3.bias": official["hm.3.bias"]}, CONFIG)


def test_state_dict_that_is_no_mapping_is_refused():
    with pytest.raises(CheckpointError, match="mapping"):
        from_official({"state_dict": [1, 2]}, CONFIG)


def test_foreign_checkpoint_is_named():
    with pytest.raises(CheckpointError, match="no known LAA-Net"):
        infer_config({"bert.embeddings.weight": torch.zeros(1)})


@pytest.mark.parametrize(
    "config",
    [
        LaaNetConfig(width=1.0, depth=1.0, nominal_size=224),
        LaaNetConfig(width=1.0, depth=1.0, nominal_size=224, use_c2=True, use_c3=False, with_channel_gates=True),
        LaaNetConfig(width=1.0, depth=1.0, nominal_size=224, use_c4=False, consistency_channels=0),
        LaaNetConfig(width=1.0, depth=1.1, nominal_size=240, decoder="plain", with_score=False),
    ],
    ids=["b0", "c2-no-c3", "no-c4", "b1-plain"],
)
def test_network_is_recognised_from_its_keys(config):
    assert infer_config(official_state(LaaNet(config))) == config


def test_gates_numbered_from_zero_find_their_places():
    config = LaaNetConfig(width=0.25, depth=0.3, consistency_channels=8, with_channel_gates=True)
    model = LaaNet(config)
    state = official_state(model)
    shifted = {re.sub(r"^se_layer_(\d)", lambda m: f"se_layer_{int(m[1]) - 1}", k): v for k, v in state.items()}
    assert same(load_state(LaaNet(config), from_official(shifted, config)[0]), model)


def test_official_file_is_read_without_running_code(tmp_path):
    config = LaaNetConfig(width=1.0, depth=1.0, nominal_size=224)
    model = LaaNet(config)
    path = tmp_path / "PoseEfficientNet_model_best.pth"
    torch.save({"epoch": 3, "state_dict": official_state(model), "optimizer": {"state": {}}}, path)
    loaded, report = load_official_checkpoint(path)
    assert same(loaded, model)
    assert not loaded.training
    assert report.epoch == 3
    assert loaded.config == config
    assert same(load_model(path), model)


class Payload:
    def __reduce__(self):
        return os.mkdir, ("should_never_exist",)


def test_file_with_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Payload()}, path)
    with pytest.raises(
        WeightsError, match=r"cannot be read as tensors only .*: Trying to load unsupported GLOBAL .*mkdir .* blocked$"
    ):
        load_official_checkpoint(path)
    assert not (tmp_path / "should_never_exist").exists()


def test_plain_pickles_and_other_files_are_named(tmp_path):
    """A warning of torch's would be an error here, and its KeyError names a byte alone."""
    path = tmp_path / "other.pth"
    path.write_bytes(pickle.dumps({"a": [1, 2]}, protocol=4))
    with pytest.raises(WeightsError, match=r"holds code\): Unsupported operand \d+$"):
        load_official_checkpoint(path)
    path.write_bytes(b"hello world")
    with pytest.raises(WeightsError, match=r"holds code\): it is no file that PyTorch wrote"):
        load_official_checkpoint(path)


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_damaged_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_model(path)


def test_missing_file_says_where_the_weights_are(tmp_path):
    with pytest.raises(WeightsError, match="Dropbox"):
        load_model(tmp_path / "none.pth")


def test_list_in_a_file_is_refused(tmp_path):
    path = tmp_path / "list.pt"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(CheckpointError, match="mapping"):
        load_official_checkpoint(path)


def test_own_file_is_bit_exact_with_its_config(tmp_path, model):
    path = tmp_path / "ours.safetensors"
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.config == CONFIG
    assert same(loaded, model)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(image).logit, model(image).logit)
    assert list(tmp_path.iterdir()) == [path]


def test_official_module_names():
    assert official_module("deconv_1", CONFIG) == "decoder.deconv_1"
    assert official_module("_conv_stem", CONFIG) == "backbone.stem_conv"
    with pytest.raises(CheckpointError, match="has a module"):
        official_module("nothing", CONFIG)


def test_gate_that_no_fusion_uses_is_left_out_and_reported():
    config = LaaNetConfig(width=1.0, depth=1.0, nominal_size=224, consistency_channels=8, with_channel_gates=True)
    model = LaaNet(config)
    state = official_state(model)
    state["se_layer_4.fc.0.weight"] = torch.zeros(10, 160)
    state["se_layer_4.fc.2.weight"] = torch.zeros(160, 10)
    ours, report = from_official(state, config)
    assert same(load_state(LaaNet(config), ours), model)
    assert report.unused == ("se_layer_4.fc.0.weight", "se_layer_4.fc.2.weight")
    assert "2 of modules that are switched off" in str(report)


def test_gates_without_such_a_config_do_not_fit():
    config = LaaNetConfig(width=1.0, depth=1.0, nominal_size=224, consistency_channels=8, with_channel_gates=True)
    state = official_state(LaaNet(config))
    plain = dataclasses.replace(config, with_channel_gates=False)
    with pytest.raises(CheckpointError, match="channel_gates"):
        load_state(LaaNet(plain), from_official(state, plain)[0])


def test_flat_and_nested_lists_of_the_plain_decoder():
    config = LaaNetConfig(width=0.25, depth=0.3, consistency_channels=8, decoder="plain")
    model = LaaNet(config)
    nested = official_state(model)
    flat = {
        re.sub(r"^deconv_layers\.(\d)\.(\d)", lambda m: f"deconv_layers.{int(m[1]) * 3 + int(m[2])}", k): v
        for k, v in nested.items()
    }
    assert "deconv_layers.6.weight" in flat
    for state in (nested, flat):
        assert same(load_state(LaaNet(config), from_official(state, config)[0]), model)
