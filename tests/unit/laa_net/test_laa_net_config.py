"""Config, recipes and the translation of the authors' MODEL block; none of it needs torch."""

import subprocess
import sys

import pytest

from facewitness.detectors.laa_net.config import LaaNetConfig, LossConfig, from_official_model_block
from facewitness.detectors.laa_net.recipe import load_recipe
from facewitness.errors import ConfigError

SBI_BLOCK = {
    "type": "PoseEfficientNet",
    "model_name": "efficientnet-b4",
    "head_conv": 64,
    "use_c2": False,
    "use_c3": True,
    "use_c4": True,
    "use_c51": True,
    "efpn": True,
    "tfpn": False,
    "se_layer": False,
    "heads": {"hm": 1, "cls": 1, "cstency": 256},
}


def test_default_is_the_authors_main_network():
    assert from_official_model_block(SBI_BLOCK) == LaaNetConfig()


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"efpn": False, "tfpn": True}, "decoder", "tfpn"),
        ({"efpn": False, "use_c51": False}, "decoder", "plain"),
        ({"se_layer": True}, "with_channel_gates", True),
        ({"use_c2": True}, "use_c2", True),
        ({"use_c3": False}, "use_c3", False),
        ({"use_c4": False}, "use_c4", False),
        ({"model_name": "efficientnet-b0"}, "nominal_size", 224),
        ({"heads": {"hm": 1, "cls": 1}}, "consistency_channels", 0),
        ({"heads": {"hm": 1}}, "with_score", False),
        ({"head_conv": 0}, "head_width", 0),
    ],
)
def test_each_option_reaches_the_config(change, field, value):
    assert getattr(from_official_model_block({**SBI_BLOCK, **change}), field) == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "ArcFace"}, "MODEL.type"),
        ({"model_name": "efficientnet-b9"}, "efficientnet-b0"),
        ({"efpn": True, "tfpn": True}, "exclude"),
        ({"use_c51": False}, "use_c51"),
        ({"heads": {"depth": 1}}, "unknown heads"),
        ({"include_hm_decoder": False}, "include_hm_decoder"),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        from_official_model_block({**SBI_BLOCK, **change})


def test_resnet_xception_and_hrnet_blocks():
    resnet = from_official_model_block(
        {
            "type": "PoseResNet",
            "block": "Bottleneck",
            "layers": [3, 4, 6, 3],
            "fpn": False,
            "cls_based_hm": True,
            "heads": {"hm": 1, "cls": 1},
        }
    )
    assert (resnet.backbone, resnet.decoder, resnet.score_from_pooled_map) == ("resnet", "plain", True)
    xception = from_official_model_block({"type": "Xception", "heads": {"hm": 1, "cls": 1, "offset": 1}})
    assert (xception.backbone, xception.offset_channels, xception.scores_twice_through_sigmoid) == ("xception", 1, True)
    stage = {"NUM_MODULES": 1, "NUM_BLOCKS": [1, 1], "NUM_CHANNELS": [8, 16], "BLOCK": "BASIC"}
    extra = {"STAGE2": stage, "STAGE3": stage, "STAGE4": stage}
    hrnet = from_official_model_block(
        {
            "type": "PoseHighResolutionNet",
            "MODEL": {"EXTRA": extra, "HEATMAP_SIZE": [64, 64], "NUM_JOINTS": 2},
        }
    )
    assert (hrnet.heatmap_pool, hrnet.image_size, hrnet.heatmap_channels) == (16, 256, 2)


@pytest.mark.parametrize(
    "values",
    [
        {"backbone": "vgg"},
        {"decoder": "unet"},
        {"mode": "wrong"},
        {"dropout": 1.0},
        {"drop_connect": -0.1},
        {"width": 0},
        {"image_size": 0},
        {"backbone": "resnet", "decoder": "tfpn"},
        {"backbone": "resnet", "resnet_layers": (1, 2)},
        {"resnet_block": "Fancy"},
    ],
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ConfigError):
        LaaNetConfig(**values)


def test_corrected_pads_for_the_image():
    corrected = LaaNetConfig().corrected()
    assert (corrected.mode, corrected.nominal_size) == ("corrected", None)
    assert LaaNetConfig(nominal_size=0).nominal_size is None


@pytest.mark.parametrize("values", [{"heatmap_weight": -1}, {"mode": "x"}, {"consistency_of_reals": "maybe"}])
def test_loss_config_is_checked(values):
    with pytest.raises(ConfigError):
        LossConfig(**values)


def test_config_and_detector_need_no_torch():
    code = (
        "import sys; import facewitness.detectors.laa_net.detector, facewitness.detectors.laa_net.recipe; "
        "import facewitness.detectors.laa_net.official_yaml; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rate=abc", "learning_rate must be a number, got 'abc'"),
        ("learning_rate=nan", "learning_rate must be a number, got nan"),
        ("epochs=2.5", "epochs must be a whole number, got 2.5"),
        ("seed=true", "seed must be a whole number, got True"),
        ("with_replacement=1", "with_replacement must be true or false, got 1"),
        ("losses.heatmap_weight=x", "heatmap_weight must be a number, got 'x'"),
    ],
)
def test_values_of_another_kind_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("sbi", [override])
