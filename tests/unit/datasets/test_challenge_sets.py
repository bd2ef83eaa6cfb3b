"""DFDC and its preview, whose names get mixed up."""

from __future__ import annotations

import json

import pytest

from facewitness.datasets import dfdc, dfdcp
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label


@pytest.fixture
def challenge(tmp_path):
    dfdc.make_demo(tmp_path, EmptyMaker())
    return tmp_path


@pytest.fixture
def preview(tmp_path):
    dfdcp.make_demo(tmp_path, EmptyMaker())
    return tmp_path


def test_a_training_fake_names_its_original(challenge):
    records = {r.video_id: r for r in dfdc.index(challenge, "train")}
    fake = records["dfdc_train_part_0/aapnvogymq"]
    assert fake.label is Label.FAKE
    assert fake.sources == ("aagfhgtpmv",) == records["dfdc_train_part_0/aagfhgtpmv"].sources


def test_parts_at_the_top_and_one_folder_deeper(challenge):
    whole = {r.video_id for r in dfdc.index(challenge, "train")}
    (challenge / "train" / "dfdc_train_part_0").rename(challenge / "dfdc_train_part_0")
    assert {r.video_id for r in dfdc.index(challenge, "train")} == whole
    (challenge / "dfdc_train_part_00").mkdir()
    (challenge / "dfdc_train_part_0").rename(challenge / "dfdc_train_part_00" / "dfdc_train_part_0")
    assert {r.video_id for r in dfdc.index(challenge, "train")} == whole


@pytest.mark.parametrize("place", ["test/videos", "top/videos", "test/frames"])
def test_layouts_of_the_test_set(challenge, place):
    folder, form = place.split("/")
    home = challenge if folder == "top" else challenge / "test"
    (home / form).mkdir()
    if folder == "top":
        (challenge / "test" / "labels.csv").rename(challenge / "labels.csv")
    for file in (challenge / "test").glob("*.mp4"):
        target = home / form / (file.stem if form == "frames" else file.name)
        file.rename(target) if form == "videos" else target.mkdir()
    records = dfdc.index(challenge, "test")
    assert [r.label for r in records] == [0, 1, 0, 1]
    assert {r.kind for r in records} == {"frames" if form == "frames" else "video"}


def test_labels_in_words_and_as_json(challenge):
    (challenge / "test" / "labels.csv").unlink()
    entries = {"acazlolrpz.mp4": {"is_fake": 0}, "adohdulfwb.mp4": {"is_fake": 1}, "ahjnxtiamx.mp4": {"label": "REAL"}}
    (challenge / "test" / "metadata.json").write_text(json.dumps(entries), encoding="utf-8")
    assert [r.label for r in dfdc.index(challenge, "test")] == [0, 1, 0]


def test_the_frontal_subset(challenge, tmp_path_factory):
    names = tmp_path_factory.mktemp("lists") / "frontal.txt"
    names.write_text("ahjnxtiamx.mp4\nacazlolrpz\nahjnxtiamx\n", encoding="utf-8")
    assert [r.video_id for r in dfdc.index(challenge, "test", names=str(names))] == [
        "test/ahjnxtiamx",
        "test/acazlolrpz",
    ]
    names.write_text("zzzzzzzzzz\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="1 names, such as 'zzzzzzzzzz', are not in DFDC's labels"):
        dfdc.index(challenge, "test", names=str(names))
    with pytest.raises(ConfigError, match=r"none\.txt"):
        dfdc.index(challenge, "test", names="none.txt")


def test_without_a_split_the_parts_that_are_there_count(challenge):
    (challenge / "validation" / "labels.csv").unlink()
    assert {r.split for r in dfdc.index(challenge)} == {"train", "test"}
    with pytest.raises(ConfigError, match=r"validation/labels\.csv"):
        dfdc.index(challenge, "val")
    (challenge / "train" / "dfdc_train_part_0" / "metadata.json").unlink()
    with pytest.raises(ConfigError, match=r"metadata\.json"):
        dfdc.index(challenge, "train")


@pytest.mark.parametrize(
    ("text", "says"),
    [("name,label\na.mp4,1\n", "columns filename and label"), ("filename,label\na.mp4,2\n", "label of a.mp4, got '2'")],
)
def test_damaged_labels_are_named(challenge, text, says):
    (challenge / "test" / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"labels\.csv: .*{says}"):
        dfdc.index(challenge, "test")


def test_damaged_metadata_is_named(challenge):
    (challenge / "train" / "dfdc_train_part_0" / "metadata.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"metadata\.json: expected"):
        dfdc.index(challenge, "train")


def test_the_preview_has_its_own_name_and_says_who_calls_it_dfdc(preview):
    records = dfdcp.index(preview)
    assert {r.dataset for r in records} == {"DFDCP"}
    assert "LAA-Net" in dfdcp.INFO.notes
    assert "DFDCP" in dfdc.INFO.notes
    assert not dfdc.looks_like(preview)


def test_people_and_takes_of_the_preview(preview):
    records = {r.video_id: r for r in dfdcp.index(preview, "train")}
    fake = records["method_B/643049/643049_A/1224068_643049_A_001"]
    assert (fake.identities, fake.manipulation, fake.sources) == (("643049", "1224068"), "method_B", ("643049_A",))
    real = records["original_videos/643049/643049_A_001"]
    assert (real.identities, real.sources) == (("643049",), ("643049_A",))
    people = {s: {p for r in dfdcp.index(preview, s) for p in r.identities} for s in ("train", "test")}
    assert not people["train"] & people["test"]


@pytest.mark.parametrize("form", ["videos", "frames"])
def test_the_preview_with_a_folder_in_between(preview, form):
    whole = dfdcp.index(preview)
    for method in ("method_A", "method_B", "original_videos"):
        files = sorted((preview / method).rglob("*.mp4"))
        for file in files:
            inner = file.relative_to(preview / method)
            target = preview / method / form / (inner if form == "videos" else f"{inner.stem}/000.png")
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
    found = dfdcp.listing(preview)
    assert found.missing == ()
    assert [r.video_id for r in found.records] == [r.video_id for r in whole]
    assert {r.kind for r in found.records} == {"frames" if form == "frames" else "video"}


@pytest.mark.parametrize(
    "content", ["[]", '{"a.mp4": {"label": "FAKE", "set": "train"}}', '{"a.mp4": {"label": "real"}}']
)
def test_a_damaged_list_of_the_preview_is_named(preview, content):
    (preview / "dataset.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dataset\.json: expected"):
        dfdcp.index(preview)
