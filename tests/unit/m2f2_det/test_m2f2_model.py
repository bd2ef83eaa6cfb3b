"""Both networks: shapes, gradients, constants, and what the repairs change."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import CLIPVisionConfig, CLIPVisionModel

from facewitness.detectors.m2f2_det.config import M2F2Config, cosine_config
from facewitness.detectors.m2f2_det.model import M2F2Det, evidence_map
from facewitness.detectors.m2f2_det.parts import AdapterBlock
from facewitness.errors import ConfigError
from facewitness.networks.clip import ClipVision, PromptEncoder
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize
from facewitness.networks.smoothing import GaussianSmoothing, LaplacianPyramid
from unit.m2f2_det.m2f2_networks import SIDE, VARIANTS, tiny_config


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return {key: M2F2Det(tiny_config(*key)) for key in VARIANTS}


@pytest.fixture
def pixels():
    return torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("key", VARIANTS)
def test_every_parameter_is_trained_by_the_loss(networks, pixels, key):
    model = networks[key].train()
    if key == ("bridge", "official"):
        model.bridge.token_value.data.fill_(1.0)  # with 0, as in a new network, its vector is 0
    output = model(pixels)
    assert output.logits.shape == (3, 2)
    assert output.fused.shape == (3, model.config.head_inputs)
    torch.nn.functional.cross_entropy(output.logits, torch.tensor([0, 1, 1])).backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []
    model.zero_grad()


@pytest.mark.parametrize("key", VARIANTS)
def test_a_batch_is_its_images_one_by_one(networks, pixels, key):
    model = networks[key].eval()
    with torch.no_grad():
        together = model(pixels).logits
        single = torch.cat([model(p[None]).logits for p in pixels])
        again = model(pixels).logits
    torch.testing.assert_close(together, single, atol=1e-5, rtol=1e-5)
    assert torch.equal(together, again)


def test_the_official_bridge_is_a_constant_and_the_corrected_one_is_not(networks, pixels):
    with torch.no_grad():
        official = networks["bridge", "official"].eval()(pixels)
        corrected = networks["bridge", "corrected"].eval()(pixels)
    assert torch.equal(official.bridge[0], official.bridge[1])
    assert (corrected.bridge[0] - corrected.bridge[1]).abs().max() > 1e-3
    assert official.cosine_map is None
    assert corrected.cosine_map.shape == (3, 16)


def test_the_corrected_bridge_follows_eval(networks, pixels):
    model = networks["bridge", "corrected"]
    with torch.no_grad():
        assert torch.equal(model.eval()(pixels).bridge, model(pixels).bridge)
        assert not torch.equal(model.train().bridge(*_bridge_inputs()), model.bridge(*_bridge_inputs()))
    model.eval()


def _bridge_inputs():
    generator = torch.Generator().manual_seed(3)
    widths = ((80, 4), (112, 4), (192, 2))
    maps = [torch.randn(2, c, s, s, generator=generator) for c, s in widths]
    return maps, [torch.randn(2, 17, 64, generator=generator) for _ in widths]


def test_baked_vectors_are_used_and_forgotten(networks, pixels):
    model = networks["cosine", "official"].eval()
    with torch.no_grad():
        before = model(pixels).logits
        model.bake()
        assert torch.equal(model(pixels).logits, before)
        model.prompts.prompt.data += 1
        assert torch.equal(model(pixels).logits, before)  # baked
        model.load_state_dict(model.state_dict())
        assert not torch.equal(model(pixels).logits, before)
        model.bake().train()
        assert model._baked == {}


def test_features_of_another_tower_serve_the_cosine_variant(networks, pixels):
    model = networks["cosine", "official"].eval()
    with torch.no_grad():
        features = model.clip(pixels, (15,))[0]
        assert torch.equal(model(pixels, features).logits, model(pixels).logits)
        without = M2F2Det(tiny_config("cosine", with_vision=False)).eval()
        assert without.clip is None
        with pytest.raises(ConfigError, match="clip_features"):
            without(pixels)
        with pytest.raises(ConfigError, match="cosine variant only"):
            networks["bridge", "official"](pixels, features)


def test_vision_tower_equals_transformers():
    torch.manual_seed(0)
    size = ClipVisionSize(32, 48, 4, 2, 28, 14)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14
    )
    reference = CLIPVisionModel(config).eval()
    tower = ClipVision(size).eval()
    state = {k.removeprefix("vision_model."): v for k, v in reference.state_dict().items()}
    names = {"pre_layrnorm": "input_norm", "encoder.layers": "blocks"}
    for old, new in names.items():
        state = {k.replace(old, new): v for k, v in state.items()}
    tower.load_state_dict({k: state[k] for k in tower.state_dict()})
    pixels = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        wanted = reference(pixel_values=pixels, output_hidden_states=True).hidden_states
        for found, tap in zip(tower(pixels, (4, 0, 3)), (4, 0, 3), strict=True):
            torch.testing.assert_close(found, wanted[tap])
        torch.testing.assert_close(tower.class_token(pixels, 3), wanted[3][:, 0])
    with pytest.raises(ConfigError, match="0 to 4"):
        tower(pixels, (5,))
    with pytest.raises(ConfigError, match="depth"):
        ClipVision(size, 5)


def test_prompts_see_only_what_came_before():
    torch.manual_seed(0)
    encoder = PromptEncoder(ClipTextSize(32, 48, 2, 2), 4).eval()
    tokens = torch.randn(1, 6, 32)
    with torch.no_grad():
        whole = encoder(tokens)
        changed = tokens.clone()
        changed[:, -1] += 1
        assert not torch.allclose(encoder(changed), whole)
        hidden = []
        encoder.output_norm.register_forward_hook(lambda _m, _i, out: hidden.append(out))
        encoder(tokens), encoder(changed)
    assert torch.equal(hidden[0][:, :5], hidden[1][:, :5])


def test_samples_of_a_batch_do_not_see_each_other_in_an_adapter_block():
    torch.manual_seed(0)
    block = AdapterBlock(16, 2, 8).eval()
    x = torch.randn(3, 5, 16)
    with torch.no_grad():
        torch.testing.assert_close(block(x)[1:2], block(x[1:2]))


def test_smoothing_keeps_what_is_flat_and_the_pyramid_finds_nothing_there():
    flat = torch.full((1, 2, 12, 12), 3.0)
    assert torch.allclose(GaussianSmoothing(2, 3, 1.0)(flat), torch.full((1, 2, 10, 10), 3.0))
    pyramid = LaplacianPyramid(2).eval()
    assert torch.allclose(pyramid(flat), torch.zeros_like(flat), atol=1e-5)
    assert pyramid(torch.randn(1, 2, 12, 12)).abs().max() > 1e-3
    with pytest.raises(ConfigError, match="scale"):
        LaplacianPyramid(2, scales=())


def test_evidence_map_follows_the_head(networks):
    model = networks["cosine", "official"]
    cosine = torch.full((1, 16), 0.5)
    with torch.no_grad():
        kept = model.head.weight.clone()
        model.head.weight.zero_()
        model.head.weight[1, 3], model.head.weight[1, 5] = 1.0, -1.0
        heat = evidence_map(model, cosine).flatten()
        model.head.weight.copy_(kept)
    assert heat[3] > 0.9
    assert heat[5] == 0
    assert heat.count_nonzero() == 1


def test_sizes_of_the_released_networks():
    assert M2F2Config().head_inputs == 3712
    assert M2F2Config().bridge_tokens == 2731
    assert cosine_config().head_inputs == 2624


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "resnet50"}, "efficientnet_b4"),
        ({"mode": "fixed"}, "official or corrected"),
        ({"hidden": 0}, "hidden must be at least 1"),
        ({"prompt_tokens": 78}, "at most 77"),
        ({"vision": ClipVisionSize(64, 96, 8, 1, 56, 14), "mode": "corrected"}, "15 blocks"),
        ({"mode": "corrected", "bridge_block_heads": 3}, "must divide"),
    ],
)
def test_bad_configs_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(**changes)
