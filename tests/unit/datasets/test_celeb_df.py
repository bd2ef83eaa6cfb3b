"""Celeb-DF v1 and v2: labels the other way round, a list for testing only."""

from __future__ import annotations

import pytest

from facewitness.datasets import celeb_df_v1, celeb_df_v2
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label


@pytest.fixture
def root(tmp_path):
    celeb_df_v2.make_demo(tmp_path, EmptyMaker())
    return tmp_path


def test_one_means_real_in_the_list_and_its_first_line_counts(root):
    lines = (root / "List_of_testing_videos.txt").read_text(encoding="utf-8").splitlines()
    records = {r.path: r for r in celeb_df_v2.index(root, "test")}
    assert len(lines) == len(records) == 6
    for line in lines:
        flag, path = line.split(" ")
        assert records[path].label == 1 - int(flag)
    assert records[lines[0].split(" ")[1]].label is Label.REAL


def test_train_is_all_the_rest_and_names_tell_people(root):
    train = {r.video_id: r for r in celeb_df_v2.index(root, "train")}
    assert len(train) == 8
    swap = train["Celeb-synthesis/id0_id1_0000"]
    assert swap.identities == ("id0", "id1")
    assert swap.sources == ("Celeb-real/id0_0000",) == train["Celeb-real/id0_0000"].sources
    assert train["YouTube-real/00000"].identities == ()
    assert train["YouTube-real/00000"].sources == ("YouTube-real/00000",)


def test_the_same_people_are_in_both_splits(root):
    people = {s: {p for r in celeb_df_v2.index(root, s) for p in r.identities} for s in ("train", "test")}
    assert people["train"] & people["test"]
    assert "same celebrities" in celeb_df_v2.INFO.notes


def test_versions_have_their_own_titles(root):
    assert {r.dataset for r in celeb_df_v1.index(root)} == {"Celeb-DF-v1"}
    assert {r.dataset for r in celeb_df_v2.index(root)} == {"Celeb-DF-v2"}
    with pytest.raises(ConfigError, match="has the splits train, test"):
        celeb_df_v2.index(root, "val")


@pytest.mark.parametrize(("form", "kind"), [("videos", "video"), ("frames", "frames")])
def test_layouts_with_a_folder_in_between(tmp_path, form, kind):
    for folder, name in (("Celeb-real", "id0_0000"), ("Celeb-synthesis", "id0_id1_0000"), ("YouTube-real", "00170")):
        path = tmp_path / folder / form / (f"{name}.mp4" if form == "videos" else f"{name}/000.png")
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "List_of_testing_videos.txt").write_text("1 YouTube-real/00170.mp4\n\n", encoding="utf-8")
    records = celeb_df_v2.index(tmp_path)
    assert {(r.video_id, r.split, r.kind) for r in records} == {
        ("Celeb-real/id0_0000", "train", kind),
        ("Celeb-synthesis/id0_id1_0000", "train", kind),
        ("YouTube-real/00170", "test", kind),
    }


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("YouTube-real/00170.mp4", "line 2: expected a line such as"),
        ("1 Other/00170.mp4", "line 2: expected a line such as"),
        ("0 YouTube-real/00170.mp4", "line 2: 1 means real in this list"),
        ("1 Celeb-synthesis/id0_id1_0000.mp4", "line 2: 1 means real in this list"),
    ],
)
def test_odd_lines_are_named(root, line, says):
    text = f"1 YouTube-real/00208.mp4\n{line}\n"
    (root / "List_of_testing_videos.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"List_of_testing_videos\.txt, {says}"):
        celeb_df_v2.index(root)


def test_a_missing_or_empty_list_is_named(root):
    (root / "List_of_testing_videos.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"List_of_testing_videos\.txt: .* empty"):
        celeb_df_v2.index(root)
    (root / "List_of_testing_videos.txt").unlink()
    with pytest.raises(ConfigError, match=r"List_of_testing_videos\.txt"):
        celeb_df_v2.index(root)
