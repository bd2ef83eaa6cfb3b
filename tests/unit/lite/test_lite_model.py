"""The network and its weights file."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from facewitness.detectors.laa_net.lite.config import EXPERTS, LiteConfig, LiteLosses
from facewitness.detectors.laa_net.lite.losses import LiteTargets, lite_loss
from facewitness.detectors.laa_net.lite.model import LaaNetLite
from facewitness.detectors.laa_net.lite.weights import load_lite, save_lite
from facewitness.errors import CheckpointError, WeightsError
from facewitness.networks.efficientnet_lite import load_imagenet
from unit.lite.lite_networks import SMALL, made


def targets(batch, cells, seed=0):
    torch.manual_seed(seed)
    labels = torch.arange(batch) % 2
    maps = (torch.rand(batch, 1, cells, cells) > 0.7).float() * labels[:, None, None, None]
    scores = torch.stack([labels, 1 - labels], dim=1).float()
    return LiteTargets(scores, torch.ones(batch, 2), maps, maps.clone(), torch.ones(batch))


def parts(output):
    return output.scores, output.boundary, output.mask


def test_defaults_construct():
    model = LaaNetLite()
    assert model.config == LiteConfig()
    assert sum(p.numel() for p in model.parameters()) * 4 < 20e6
    heat = torch.sigmoid(model.eval()(torch.zeros(1, 3, 64, 64)).boundary)
    assert float(heat.detach().max()) < 0.2  # an untrained heatmap is nearly empty


@pytest.mark.parametrize(("size", "batch"), [(64, 1), (64, 3), (144, 1), (208, 2)])
def test_shapes(model, size, batch):
    with torch.no_grad():
        output = model(torch.rand(batch, 3, size, size))
    assert output.scores.shape == (batch, len(EXPERTS))
    assert output.boundary.shape == output.mask.shape == (batch, 1, size // 8, size // 8)


def test_every_parameter_gets_a_gradient():
    model = made().train()
    loss = lite_loss(model(torch.randn(4, 3, 64, 64)), targets(4, 8), LiteLosses())["total"]
    loss.backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_evaluation_is_deterministic_and_leaves_its_input(model):
    image = torch.randn(2, 3, 64, 64)
    before = image.clone()
    with torch.no_grad():
        first, second = model(image), model(image)
    assert torch.equal(image, before)
    assert all(torch.equal(a, b) for a, b in zip(parts(first), parts(second), strict=True))
    model.train()
    with torch.no_grad():
        assert not torch.equal(model(image).scores, model(image).scores)


def test_a_batch_is_its_pictures_one_by_one(model):
    image = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        together = model(image)
        alone = [model(image[i : i + 1]) for i in range(3)]
    for whole, singles in zip(parts(together), zip(*(parts(o) for o in alone), strict=True), strict=True):
        torch.testing.assert_close(whole, torch.cat(singles), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(together.scores[0], together.scores[1], atol=1e-2)


def test_it_can_overfit():
    torch.manual_seed(0)
    model = LaaNetLite(SMALL)
    load_imagenet(model.backbone)
    image, wanted = torch.randn(6, 3, 64, 64), targets(6, 8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        found = lite_loss(model.train()(image), wanted, LiteLosses(smoothing=0.0))
        losses.append({name: float(value.detach()) for name, value in found.items()})
        optimizer.zero_grad()
        found["total"].backward()
        optimizer.step()
    assert losses[-1]["total"] < 0.35 * losses[0]["total"]
    assert all(losses[-1][name] < 0.6 * losses[0][name] for name in ("blended", "synthetic", "boundary", "mask"))
    with torch.no_grad():
        scores = model(image).scores
    assert torch.equal((scores > 0).float(), wanted.scores)


def test_saved_and_loaded_bit_for_bit(model, tmp_path):
    path = tmp_path / "small.safetensors"
    save_lite(model, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    loaded = load_lite(path)
    assert not loaded.training
    assert loaded.config == SMALL
    for (name, mine), (other, theirs) in zip(model.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(mine, theirs)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(image).scores, loaded(image).scores)


def test_misfits_are_named(model, tmp_path):
    path = tmp_path / "small.safetensors"
    header = {"detector": "laa_net_lite", "config": json.dumps({"width": 16, "image_size": 64})}
    save_lite(model, path)
    state = load_file(path)
    fewer = {name: value for name, value in state.items() if name != "scores.bias"}
    for wrong in (fewer, {**state, "scores.bias": torch.zeros(3)}):
        save_file(wrong, path, metadata=header)
        with pytest.raises(CheckpointError, match=r"scores\.bias"):
            load_lite(path)
    save_file({**state, "neck": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(CheckpointError, match="neck"):
        load_lite(path)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "unknown detector"),
        ({"detector": "laa_net", "config": "{}"}, "laa_net"),
        ({"detector": "laa_net_lite"}, "config"),
        ({"detector": "laa_net_lite", "config": "{"}, "not a safetensors file of"),
        ({"detector": "laa_net_lite", "config": '{"widht": 3}'}, "widht"),
        ({"detector": "laa_net_lite", "config": '{"width": 1}'}, "width"),
    ],
)
def test_other_files_are_refused(tmp_path, header, words):
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(WeightsError, match=words):
        load_lite(path)


def test_no_file_and_no_safetensors(tmp_path):
    with pytest.raises(WeightsError, match="no weights file"):
        load_lite(tmp_path / "gone.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"junk\.safetensors"):
        load_lite(tmp_path / "junk.safetensors")
