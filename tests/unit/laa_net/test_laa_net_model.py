"""The networks: shapes, gradients, determinism, batches, learning."""

import pytest

torch = pytest.importorskip("torch")

from facewitness.detectors.laa_net.config import HRNetStageConfig, LaaNetConfig, LossConfig
from facewitness.detectors.laa_net.losses import LossTargets, laa_net_loss
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.networks.convolutions import freeze, same_padding
from facewitness.networks.efficientnet import EfficientNet, block_specs

SMALL = {
    "width": 0.25,
    "depth": 0.3,
    "nominal_size": None,
    "drop_connect": 0.0,
    "dropout": 0.0,
    "consistency_channels": 8,
    "head_width": 16,
    "image_size": 64,
}
TINY_HRNET = (
    HRNetStageConfig(1, (1, 1), (8, 16)),
    HRNetStageConfig(2, (1, 1, 1), (8, 16, 24)),
    HRNetStageConfig(1, (1, 1, 1, 1), (8, 16, 24, 32)),
)
RESNET = {"backbone": "resnet", "resnet_layers": (1, 1, 1, 1), "dropout": 0.0, "consistency_channels": 8}
VARIANTS = {
    "e_fpn": LaaNetConfig(**SMALL),
    "tfpn": LaaNetConfig(**SMALL, decoder="tfpn"),
    "gates": LaaNetConfig(**SMALL, with_channel_gates=True),
    "c2": LaaNetConfig(**SMALL, use_c2=True, with_channel_gates=True),
    "no_c3": LaaNetConfig(**SMALL, use_c3=False),
    "no_c4": LaaNetConfig(**SMALL, use_c4=False, with_channel_gates=True),
    "plain": LaaNetConfig(**SMALL, decoder="plain"),
    "single_layer_heads": LaaNetConfig(**{**SMALL, "head_width": 0}),
    "offset": LaaNetConfig(**SMALL, offset_channels=2),
    "corrected": LaaNetConfig(**SMALL).corrected(),
    "resnet": LaaNetConfig(**RESNET),
    "resnet_c2": LaaNetConfig(**RESNET, use_c2=True),
    "resnet_plain": LaaNetConfig(**RESNET, decoder="plain"),
    "resnet_basic": LaaNetConfig(**RESNET, resnet_block="BasicBlock", use_c2=True),
    "resnet_pooled": LaaNetConfig(**RESNET, score_from_pooled_map=True),
    "hrnet": LaaNetConfig(
        backbone="hrnet", decoder="plain", hrnet_stages=TINY_HRNET, consistency_channels=0, heatmap_pool=4
    ),
    "xception": LaaNetConfig(
        backbone="xception", decoder="plain", dropout=0.0, consistency_channels=0, offset_channels=1
    ),
}


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return LaaNet(VARIANTS["e_fpn"]).eval()


def tensors(output):
    return {k: v for k, v in vars(output).items() if v is not None}


def test_defaults_construct_with_the_authors_parameter_count():
    assert sum(p.numel() for p in LaaNet().parameters()) == 27_128_786


@pytest.mark.parametrize("name", VARIANTS)
def test_shapes_and_a_gradient_for_every_parameter(name):
    torch.manual_seed(1)
    config = VARIANTS[name]
    model = LaaNet(config).train()
    output = model(torch.randn(2, 3, 64, 64))
    assert output.heatmap_logit.shape == (2, 1, 16, 16)
    assert output.logit.shape == (2, 1)
    assert (output.consistency is None) == (config.consistency_channels == 0)
    if output.consistency is not None:
        assert output.consistency.shape == (2, config.consistency_channels, 16, 16)
    sum((value.square().sum() + value.sum()) for value in tensors(output).values()).backward()
    without = [k for k, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without == []


@pytest.mark.parametrize("size", [64, 96])
@pytest.mark.parametrize("batch", [1, 3])
def test_sizes_and_batches(tiny, size, batch):
    with torch.no_grad():
        output = tiny(torch.randn(batch, 3, size, size))
    assert output.heatmap_logit.shape == (batch, 1, size // 4, size // 4)
    assert output.logit.shape == (batch, 1)


def test_evaluation_is_deterministic_and_leaves_its_input(tiny):
    image = torch.randn(2, 3, 64, 64)
    before = image.clone()
    with torch.no_grad():
        first, second = tensors(tiny(image)), tensors(tiny(image))
    assert torch.equal(image, before)
    assert all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("name", ["e_fpn", "resnet_c2", "hrnet"])
def test_batch_equals_singles(name):
    torch.manual_seed(2)
    model = LaaNet(VARIANTS[name]).eval()
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        together = tensors(model(images))
        alone = [tensors(model(image[None])) for image in images]
    for key, value in together.items():
        torch.testing.assert_close(value, torch.cat([a[key] for a in alone]), rtol=1e-4, atol=1e-5)


def test_training_randomness_is_only_in_training():
    torch.manual_seed(3)
    model = LaaNet(LaaNetConfig(**{**SMALL, "dropout": 0.4, "drop_connect": 0.5}))
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        model.train()
        assert not torch.equal(model(image).logit, model(image).logit)
        model.eval()
        assert torch.equal(model(image).logit, model(image).logit)


def test_fpn_variants_differ_with_equal_weights():
    torch.manual_seed(4)
    gated = LaaNet(VARIANTS["e_fpn"]).eval()
    plain = LaaNet(VARIANTS["tfpn"]).eval()
    plain.load_state_dict(gated.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert not torch.allclose(gated(image).heatmap_logit, plain(image).heatmap_logit)


def test_overfits_eight_samples_in_thirty_steps():
    torch.manual_seed(5)
    model = LaaNet(VARIANTS["corrected"]).train()
    images = torch.randn(8, 3, 64, 64)
    label = torch.tensor([[0.0], [1.0]]).repeat(4, 1)
    heatmap = torch.zeros(8, 1, 16, 16)
    heatmap[1::2, :, 4:8, 4:8] = 1.0
    targets = LossTargets(heatmap, label, heatmap)
    config = LossConfig(heatmap_weight=1, consistency_weight=1, score_weight=1, mode="corrected")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    history = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = laa_net_loss(model(images), targets, config)
        loss.total.backward()
        optimizer.step()
        history.append(loss.score.item())
    assert history[-1] < 0.1
    assert history[-1] < history[0] / 5


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [(384, 3, 2, (0, 1)), (96, 5, 2, (1, 2)), (95, 5, 2, (2, 2)), (24, 5, 1, (2, 2)), (7, 1, 1, (0, 0))],
)
def test_same_padding(size, kernel, stride, expected):
    assert same_padding(size, kernel, stride) == expected


def test_nominal_size_changes_one_block_of_b4_only():
    """At 384 px the paddings for 380 px are those for 384 px but in block 6."""
    frozen, real = (
        [spec for stage in block_specs(1.4, 1.8, nominal_size=size) for spec in stage] for size in (380, 384)
    )
    paddings = [
        [same_padding(spec.nominal_size, spec.kernel, spec.stride) for spec in specs] for specs in (frozen, real)
    ]
    assert [i for i, (a, b) in enumerate(zip(*paddings, strict=True)) if a != b] == [6]


def test_b4_has_the_published_stages():
    backbone = EfficientNet(1.4, 1.8)
    assert backbone.channels == (32, 56, 160, 448, 1792)
    assert len(backbone.blocks) == 32


def test_freeze_stops_and_resumes_gradients(tiny):
    freeze(tiny.backbone.parameters())
    assert not any(p.requires_grad for p in tiny.backbone.parameters())
    assert all(p.requires_grad for p in tiny.decoder.parameters())
    freeze(tiny.backbone.parameters(), frozen=False)
    assert all(p.requires_grad for p in tiny.parameters())
