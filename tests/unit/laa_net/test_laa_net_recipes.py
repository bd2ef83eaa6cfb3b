"""Recipes: the files of the package, overrides, and the authors' YAML."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from facewitness.config import load_toml
from facewitness.detectors.laa_net import recipe as recipe_module
from facewitness.detectors.laa_net.config import CORRECTED_LOSSES, LaaNetConfig
from facewitness.detectors.laa_net.official_yaml import read_official_yaml, recipe_from_official
from facewitness.detectors.laa_net.recipe import TrainingRecipe, load_recipe, recipe_names
from facewitness.errors import ConfigError

FOLDER = Path(recipe_module.__file__).parent / "recipes"

SBI_YAML = """
TASK: EFN_hm100
SEED: 7
DATASET:
  type: SBIFaceForensic
  IMAGE_SIZE: [384, 384]
  HEATMAP_SIZE: [96, 96]
  SIGMA: 1.2
  ADAPTIVE_SIGMA: true
  HEATMAP_TYPE: gaussian
  DATA: {SAMPLES_PER_VIDEO: {ACTIVE: true, TRAIN: 8, VAL: 8, TEST: 32}}
  TRANSFORM:
    normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
MODEL:
  type: PoseEfficientNet
  model_name: efficientnet-b4
  head_conv: 64
  use_c2: false
  use_c3: true
  use_c4: true
  use_c51: true
  efpn: true
  heads: {hm: 1, cls: 1, cstency: 256}
TRAIN:
  lr: 0.00005
  epochs: 100
  warm_up: 6
  batch_size: 8
  optimizer: SAM
  begin_epoch: 48
  resume: true
  loss: {type: CombinedLoss, cls_lmda: 1, dst_hm_cls_lmda: 0, offset_lmda: 0, hm_lmda: 100, cstency_lmda: 100}
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_recipe_files_are_short_and_load(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25
    assert load_recipe(path.stem) == load_toml(TrainingRecipe, path)


def test_names():
    assert recipe_names() == ("bi", "corrected_bi", "corrected_sbi", "sbi", "tiny_sbi")


def test_recipes_hold_the_authors_values():
    sbi, bi = load_recipe("sbi"), load_recipe("bi")
    assert sbi == TrainingRecipe()
    assert sbi.network == bi.network == LaaNetConfig()
    assert (sbi.losses.heatmap_weight, bi.losses.heatmap_weight) == (100, 10)
    assert (sbi.batch_items, bi.batch_items, sbi.frames_per_video, bi.frames_per_video) == (8, 16, 8, 32)
    for found in (sbi, bi):
        assert (found.learning_rate, found.weight_decay, found.rho) == (5e-5, 1e-4, 0.05)
        assert (found.epochs, found.frozen_epochs, found.booster, found.optimizer) == (100, 6, 4.0, "sam")
        assert (found.data_mode, found.with_replacement, found.batch_norm) == ("official", True, "both")


@pytest.mark.parametrize("kind", ["sbi", "bi"])
def test_corrected_recipes_differ_by_their_repairs_only(kind):
    official, corrected = load_recipe(kind), load_recipe(f"corrected_{kind}")
    assert corrected.losses == replace(CORRECTED_LOSSES, heatmap_weight=official.losses.heatmap_weight)
    assert corrected.network == LaaNetConfig().corrected()
    repaired = replace(
        official,
        network=corrected.network,
        losses=corrected.losses,
        data_mode="corrected",
        with_replacement=False,
        batch_norm="first",
    )
    assert corrected == repaired


def test_items_follow_the_recipe():
    config = load_recipe("sbi", ["blend.margin=[2, 4]"]).item_config(augment=True)
    assert (config.size, config.heatmap_size, config.augment) == (384, 96, True)
    assert (config.blend.mode, config.target.mode, config.blend.margin) == ("official", "official", (2, 4))
    small = load_recipe("tiny_sbi").item_config(augment=False)
    assert (small.size, small.heatmap_size, small.blend.mode) == (128, 32, "corrected")
    assert load_recipe("bi").processor().protocol == "bi"
    assert load_recipe("bi").images_per_item == 1


def test_overrides_are_typed_and_nested():
    found = load_recipe("tiny_sbi", ["losses.heatmap_weight=3", "keep_best=official", "with_replacement=true", "rho=0"])
    assert (found.losses.heatmap_weight, found.keep_best, found.with_replacement, found.rho) == (3, "official", True, 0)
    assert found.losses.consistency_of_reals == "ones"  # its neighbours in the table stay


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["epoch=3"], "Did you mean 'epochs'"),
        (["losses.heat_weight=3"], "Did you mean 'heatmap_weight'"),
        (["epochs"], "must be key=value"),
        (["epochs.much=1"], "epochs is a value"),
        (["epochs=0"], "epochs must be above 0"),
        (["epochs=2"], "frozen_epochs must be between 0 and epochs"),
        (["optimizer=lamb"], "optimizer must be one of"),
        (["validation_share=1.5"], "validation_share"),
        (["epochs=many"], "sbi.toml"),
    ],
)
def test_wrong_overrides_are_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe("sbi", overrides)


def test_missing_recipes_are_named(tmp_path):
    with pytest.raises(ConfigError, match="must be one of bi, corrected_bi"):
        load_recipe("sbl")
    with pytest.raises(ConfigError, match="cannot read recipe"):
        load_recipe(str(tmp_path / "gone.toml"))


def test_official_yaml_is_the_recipe(tmp_path):
    path = tmp_path / "efn4_fpn_sbi_adv.yaml"
    path.write_text(SBI_YAML, encoding="utf-8")
    pytest.importorskip("yaml")
    found, remarks = read_official_yaml(path)
    sbi = load_recipe("sbi")
    assert found == replace(sbi, seed=7, target=replace(sbi.target, sigma=1.2))
    assert len(remarks) == 1
    assert "begin_epoch" in remarks[0]


def values(**changes):
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(SBI_YAML)
    for key, value in changes.items():
        *tables, last = key.split("__")
        place = found
        for table in tables:
            place = place[table]
        place[last] = value
    return found


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"DATASET__type": "HeatmapFaceForensic"}, "pseudo_fakes", "bi"),
        ({"TRAIN__optimizer": "Adam"}, "weight_decay", 2e-5),
        ({"TRAIN__optimizer": "SGD"}, "optimizer", "sgd"),
        ({"TRAIN__freeze_backbone": True}, "frozen_epochs", 100),
        ({"TRAIN__batch_size": 4}, "batch_items", 4),
        ({"DATASET__DATA__SAMPLES_PER_VIDEO": {"TRAIN": 32}}, "frames_per_video", 32),
    ],
)
def test_each_yaml_option_reaches_the_recipe(changes, field, value):
    assert getattr(recipe_from_official(values(**changes))[0], field) == value


def test_yaml_sizes_and_normalisation():
    smaller = {"DATASET__IMAGE_SIZE": [256, 256], "DATASET__HEATMAP_SIZE": [64, 64]}
    imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    found, remarks = recipe_from_official(values(**smaller, DATASET__TRANSFORM={"normalize": imagenet}))
    assert found.network.image_size == 256
    assert math.isclose(found.mean, 0.449, abs_tol=1e-6)
    assert sum("TRANSFORM.normalize" in remark for remark in remarks) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DATASET__type": "BinaryFaceForensic"}, "DATASET.type"),
        ({"DATASET__HEATMAP_SIZE": [64, 64]}, "four times HEATMAP_SIZE"),
        ({"DATASET__HEATMAP_TYPE": "square"}, "HEATMAP_TYPE"),
        ({"TRAIN": None}, "has no block TRAIN"),
        ({"MODEL__type": "ArcFace"}, "MODEL.type"),
    ],
)
def test_yaml_that_has_no_counterpart_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe_from_official(values(**changes))


def test_unreadable_yaml(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "a.yaml"
    for text, message in (("a: [1", "cannot read"), ("- 1", "must hold a mapping")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            read_official_yaml(path)
