"""Steps of LAA-Net in plain torch: learning, freezing, rates, statistics, initial weights, the plan."""

from __future__ import annotations

import re

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from facewitness.datasets.prepared import open_prepared
from facewitness.detectors.laa_net.config import LaaNetConfig
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recipe import load_recipe
from facewitness.detectors.laa_net.weights import save_model
from facewitness.errors import CheckpointError
from facewitness.training.laa_data import LaaData
from facewitness.training.laa_faces import split_videos
from facewitness.training.laa_init import start_network
from facewitness.training.laa_plan import measure_steps, plan_laa
from facewitness.training.laa_run import LaaRun
from facewitness.training.laa_step import PARTS, LaaStep, counts_of, make_optimizer
from facewitness.training.machine import TrainingMachine
from facewitness.training.sam import Sam
from unit.training.laa_prepared import make_prepared, mini

ALONE = TrainingMachine(device="cpu", precision="f32", threads=1, workers=0, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Read-only."""
    return make_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def batch(folder):
    """Eight images."""
    recipe = mini("batch_items=4")
    data = LaaData(split_videos(open_prepared(folder), recipe), recipe, ALONE)
    return next(iter(data.train_dataloader()))


def trained(recipe, batch, steps, epoch=0):
    model = start_network(recipe, None)[0].train()
    step, optimizer = LaaStep(model, recipe), make_optimizer(model, recipe)
    step.enter_epoch(epoch, optimizer)
    losses = []
    for number in range(steps):
        optimizer.step(step.closure(optimizer, [batch], counts_of([batch]), seed=(0, number)))
        losses.append(dict(zip(PARTS, step.sums.tolist(), strict=True)))
    return model, losses


@pytest.mark.parametrize("optimizer", ["sam", "adam", "sgd"])
def test_eight_samples_are_learnt(batch, optimizer):
    rate = {"sgd": 1e-4}.get(optimizer, 3e-3)
    changes = ("booster=1.0", "network.dropout=0.0", "losses.score_weight=50.0")
    recipe = mini(f"optimizer={optimizer}", f"learning_rate={rate}", *changes)
    _, losses = trained(recipe, batch, 30)
    assert losses[-1]["loss"] < 0.8 * losses[0]["loss"]
    assert losses[-1]["score"] < 0.9 * losses[0]["score"]


def test_rates_of_the_authors_schedule():
    recipe = load_recipe("sbi")
    model = torch.nn.Linear(1, 1)
    model.backbone = torch.nn.Linear(1, 1)
    for name in ("sam", "adam"):
        step = LaaStep(model, load_recipe("sbi", [f"optimizer={name}"]))
        optimizer = make_optimizer(model, step.recipe)
        rates = [step.enter_epoch(epoch, optimizer) for epoch in (0, 5, 25, 50, 99)]
        assert rates == pytest.approx([5e-5, 8e-5, 2e-4, 2e-4 * 50 / 75, 2e-4 / 75])
        inner = optimizer.inner if isinstance(optimizer, Sam) else optimizer
        assert [group["lr"] for group in inner.param_groups] == [pytest.approx(rates[-1])]
    assert recipe.frozen_epochs == 6


def test_freezing_takes_the_first_416_parameters_of_b4():
    with torch.device("meta"):
        model = LaaNet(LaaNetConfig())
    step = LaaStep(model, load_recipe("sbi"))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for epoch, frozen in ((0, 416), (5, 416), (6, 0), (99, 0)):
        step.enter_epoch(epoch, optimizer)
        moves = [parameter.requires_grad for parameter in model.parameters()]
        assert moves == [False] * frozen + [True] * (len(moves) - frozen)


def test_frozen_backbone_is_still_but_its_statistics_move(batch):
    recipe = mini("frozen_epochs=1")
    start = start_network(recipe, None)[0].state_dict()
    model, _ = trained(recipe, batch, 1)
    end = model.state_dict()
    assert torch.equal(start["backbone.stem_conv.weight"], end["backbone.stem_conv.weight"])
    assert not torch.equal(start["backbone.stem_bn.running_mean"], end["backbone.stem_bn.running_mean"])
    assert not torch.equal(start["heads.heatmap.0.weight"], end["heads.heatmap.0.weight"])


def test_statistics_move_once_twice_or_never(batch):
    counters = {"both": 2, "first": 1, "frozen": 0}
    for rule, times in counters.items():
        model, _ = trained(mini(f"batch_norm={rule}"), batch, 1)
        assert int(model.state_dict()["backbone.stem_bn.num_batches_tracked"]) == times
    adam, _ = trained(mini("optimizer=adam"), batch, 1)
    assert int(adam.state_dict()["backbone.stem_bn.num_batches_tracked"]) == 1


def test_sam_norm_over_parts_of_parameters():
    """Two processes with half the parameters each move as one with all of them."""

    def moved(values, others=()):
        weight = torch.nn.Parameter(torch.tensor(values))
        sam = Sam(
            [weight],
            lambda p: torch.optim.SGD(p, lr=0.1),
            rho=0.5,
            sum_over_ranks=(lambda square: square + torch.tensor(others).mul(2).square().sum()) if others else None,
        )
        weight.grad = 2 * weight.detach()
        sam.ascend()
        return weight.detach()

    whole = moved([1.0, 2.0, 3.0, 4.0])
    assert torch.allclose(torch.cat([moved([1.0, 2.0], [3.0, 4.0]), moved([3.0, 4.0], [1.0, 2.0])]), whole)
    assert not torch.allclose(moved([1.0, 2.0]), whole[:2])


def official_keys(model):
    """The backbone under the names of the usual EfficientNet ports, with a classifier."""
    found = {"_fc.weight": torch.zeros(1000, 8), "_fc.bias": torch.zeros(1000)}
    rules = [("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("head_conv", "_conv_head"), ("head_bn", "_bn1")]
    inner = [("expand_bn", "_bn0"), ("depthwise_bn", "_bn1"), ("project_bn", "_bn2")]
    for key, value in model.backbone.state_dict().items():
        name = re.sub(r"^blocks\.(\d+)\.", r"_blocks.\1.", key)
        for ours, theirs in inner if name.startswith("_blocks") else rules:
            name = name.replace(f"{ours}.", f"{theirs}.")
        found[re.sub(r"^(_blocks\.\d+\.)([a-z])", r"\1_\2", name)] = value + 0.5
    return found


def test_starts_from_an_imagenet_backbone(tmp_path):
    recipe = mini()
    random, words = start_network(recipe, None)
    assert words == "random weights"
    path = tmp_path / "imagenet.pth"
    torch.save(official_keys(random), path)
    model, words = start_network(recipe, path)
    assert "the backbone of imagenet.pth" in words
    body, head = "backbone.blocks.1.se_reduce.bias", "heads.heatmap.0.weight"
    assert torch.equal(model.state_dict()[body], random.state_dict()[body] + 0.5)
    assert torch.equal(model.state_dict()[head], random.state_dict()[head])
    with pytest.raises(CheckpointError, match=r"set network\.width"):
        start_network(mini("network.width=0.5"), path)


def test_starts_from_a_checkpoint(tmp_path):
    recipe = mini()
    other, _ = start_network(mini("seed=3"), None)
    save_model(other, tmp_path / "other.safetensors")
    model, words = start_network(recipe, tmp_path / "other.safetensors")
    assert words == "all weights of other.safetensors"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_scratch_says_what_it_means(caplog, monkeypatch):
    monkeypatch.setattr("facewitness.training.laa_init.LaaNet", lambda config: config)
    start_network(load_recipe("sbi"), None)
    assert "start from an EfficientNet-B4 trained on ImageNet" in caplog.text
    caplog.clear()
    start_network(mini(), None)
    assert not caplog.text


def test_measure_counts_what_a_pass_keeps(batch):
    recipe = mini("batch_items=4")
    whole = measure_steps(start_network(recipe, None)[0], recipe, batch)
    half = batch._replace(**{n: getattr(batch, n)[:4] for n in ("images", "heatmaps", "consistencies", "labels")})
    part = measure_steps(start_network(recipe, None)[0], recipe, half)
    assert (whole.images, part.images) == (8, 4)
    assert whole.images_per_s > 0
    assert whole.activation_bytes == pytest.approx(2 * part.activation_bytes, rel=0.05)
    assert whole.activation_bytes > 8 * 16 * 16 * 8 * 4  # more than one feature map


def test_plan_counts(folder, tmp_path):
    recipe = mini("batch_items=2", "epochs=4", "frozen_epochs=1")
    rows = dict(plan_laa(LaaRun(folder, tmp_path / "run", recipe, "mini", ALONE, accumulate=2)).rows)
    assert rows["train"] == "4 real videos, 16 frames, 8 items an epoch"
    assert rows["validate"] == "2 real and 2 fake videos, 4 items, 8 plain faces"
    assert rows["step"] == "8 images (1 processes, 2 batches each)"
    assert rows["steps"] == "2 an epoch, 8 in 4 epochs"
    assert rows["backbone"] == "frozen for 1 epochs"
    assert "0: 0.0005, 1: 0.002, 2: 0.00133, 3: 0.000667" in rows["optimiser"]
    parameters = sum(p.numel() for p in LaaNet(recipe.network).parameters())
    assert rows["network"].startswith(f"{parameters / 1e6:.2f} million")
    assert not (tmp_path / "run").exists()
