"""DeepfakeBench's lists: names that collide, paths of another machine, labels by name."""

from __future__ import annotations

import json

import pytest

from facewitness.datasets import deepfakebench
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label


@pytest.fixture
def root(tmp_path):
    deepfakebench.make_demo(tmp_path, EmptyMaker())
    return tmp_path


def write_list(root, content, name="made"):
    (root / "dataset_json").mkdir(exist_ok=True)
    (root / "dataset_json" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def frames(root, folder):
    (root / folder).mkdir(parents=True)
    (root / folder / "000.png").touch()
    return [f"{folder}/000.png"]


def test_the_same_folder_name_under_two_methods_is_two_videos(root):
    records = deepfakebench.index(root, "test")
    assert {r.video_id for r in records if r.path.endswith("/953_974")} == {
        "FF-DF/c23/test/953_974",
        "FF-FS/c23/test/953_974",
    }
    assert len({r.path.rpartition("/")[2] for r in records}) < len(records)


def test_real_videos_that_several_lists_share_are_listed_once(root):
    records = deepfakebench.index(root, "test")
    assert sum(r.label is Label.REAL for r in records) == 2
    assert {r.dataset for r in records} == {"FF++"}
    assert len(deepfakebench.index(root, "test", json="FF-DF")) == 4
    assert len(deepfakebench.index(root, "test", json=str(root / "dataset_json" / "FF-DF.json"))) == 4
    with pytest.raises(ConfigError, match=r"FF-NT\.json"):
        deepfakebench.index(root, json="FF-DF,FF-NT")


def test_paths_of_another_machine_are_found_out_or_given(root):
    found = deepfakebench.index(root)
    assert found == deepfakebench.index(root, frames_root="/data/DeepfakeBench/datasets/rgb")
    assert all((root / r.path).is_dir() for r in found)
    with pytest.raises(ConfigError, match="data/DeepfakeBench"):
        deepfakebench.index(root, frames_root="/elsewhere")


def test_windows_paths_and_one_class_that_is_missing(tmp_path):
    there = frames(tmp_path, "Celeb-DF-v2/Celeb-real/frames/id0_0000")
    real = {"id0_0000": {"label": "CelebDFv2_real", "frames": [f"D:\\sets\\{p}".replace("/", "\\") for p in there]}}
    fake = {"id0_id1_0000": {"label": "CelebDFv2_fake", "frames": ["D:\\sets\\Celeb-DF-v2\\x\\frames\\v\\0.png"]}}
    classes = {"CelebDFv2_fake": {"test": fake}, "CelebDFv2_real": {"test": real, "val": real}}
    write_list(tmp_path, {"Celeb-DF-v2": classes})
    listing = deepfakebench.listing(tmp_path)
    assert [(r.path, r.split) for r in listing.records] == [
        ("Celeb-DF-v2/Celeb-real/frames/id0_0000", "test"),
        ("Celeb-DF-v2/Celeb-real/frames/id0_0000", "val"),
    ]
    assert {r.sources for r in listing.records} == {("id0_0000",)}  # so that a leak is seen
    assert listing.missing == ("D:/sets/Celeb-DF-v2/x/frames/",)


def test_compressions(root):
    assert deepfakebench.index(root, compression="all") == deepfakebench.index(root)
    with pytest.raises(ConfigError, match="found none of 0"):
        deepfakebench.index(root, compression="c40")


def test_labels_by_name(tmp_path):
    videos = {"v": {"label": "roop", "frames": frames(tmp_path, "DF40/roop/v")}}
    write_list(tmp_path, {"roop": {"roop": {"test": videos}}})
    with pytest.raises(ConfigError, match="say it with label_dict=roop:0 or roop:1"):
        deepfakebench.index(tmp_path)
    (record,) = deepfakebench.index(tmp_path, label_dict="roop:1,other:0")
    assert (record.label, record.manipulation, record.dataset) == (Label.FAKE, "roop", "roop")
    (tmp_path / "labels.json").write_text('{"roop": 0}', encoding="utf-8")
    (record,) = deepfakebench.index(tmp_path, label_dict="labels.json", json="made")
    assert record.label is Label.REAL
    with pytest.raises(ConfigError, match="label_dict must be"):
        deepfakebench.index(tmp_path, label_dict="roop:2")


def test_sets_whose_labels_have_the_same_name(tmp_path):
    for name in ("A", "B"):
        videos = {"v": {"label": "real", "frames": frames(tmp_path, f"{name}/frames/v")}}
        write_list(tmp_path, {name: {"real": {"test": videos}}}, name)
    assert [r.video_id for r in deepfakebench.index(tmp_path)] == ["real/test/v", "B/real/test/v"]


def test_masks(tmp_path):
    videos = {"000_003": {"label": "FF-DF", "frames": frames(tmp_path, "FF/c23/frames/000_003")}}
    videos["000_003"]["masks"] = frames(tmp_path, "FF/c23/masks/000_003")
    write_list(tmp_path, {"FF-DF": {"FF-DF": {"test": {"c23": videos}}}})
    (record,) = deepfakebench.index(tmp_path)
    assert record.mask_path == "FF/c23/masks/000_003"


@pytest.mark.parametrize(
    "content",
    [[], {"A": []}, {"A": {"real": {"test": {"v": ["a.png"]}}}}, {"A": {"real": {"test": {"v": {"frames": []}}}}}],
)
def test_damaged_lists_are_named(tmp_path, content):
    write_list(tmp_path, content)
    with pytest.raises(ConfigError, match=r"made\.json"):
        deepfakebench.index(tmp_path)
