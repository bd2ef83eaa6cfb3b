"""The user's own data: plain folders and tables; and seeded splits."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from facewitness.datasets import folder, manifest
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.datasets.records import Record
from facewitness.datasets.spec import DataSpec
from facewitness.datasets.splits import split_by_group, split_by_person
from facewitness.errors import ConfigError
from facewitness.records import Label
from unit.house.house_paths import ROOT

DATA = ROOT.parent / "shared" / "data"


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folder_with_splits(tmp_path):
    folder.make_demo(tmp_path, EmptyMaker())
    records = folder.index(tmp_path)
    assert Counter((r.split, r.label) for r in records) == {
        ("train", 0): 7,
        ("train", 1): 7,
        ("val", 0): 3,
        ("val", 1): 3,
        ("test", 0): 5,
        ("test", 1): 5,
    }
    assert folder.index(tmp_path, "val") == [r for r in records if r.split == "val"]
    assert {r.manipulation for r in records if r.label} == {"swap", "blend", "local", "synthetic"}
    assert {r.manipulation for r in records if not r.label} == {""}


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_folder_names_of_splits(tmp_path, name):
    touch(tmp_path, f"{name}/real/a.jpg", f"{name}/fake/b.jpg")
    assert {r.split for r in folder.index(tmp_path, "val")} == {"val"}
    with pytest.raises(ConfigError, match="'test'"):
        folder.index(tmp_path, "test")


def test_folder_without_splits_and_frames(tmp_path):
    touch(tmp_path, "real/a/1.jpg", "real/a/2.jpg", "real/b.mp4", "real/c.png", "fake/gan/x/1.png", "real/notes.txt")
    assert Counter(r.kind for r in folder.index(tmp_path)) == {"image": 4, "video": 1}
    assert {(r.path, r.kind, r.manipulation) for r in folder.index(tmp_path, frames="folders")} == {
        ("real/a", "frames", ""),
        ("real/b.mp4", "video", ""),
        ("real/c.png", "image", ""),
        ("fake/gan/x", "frames", "gan"),
    }
    spec = DataSpec.parse(f"folder:{tmp_path}?frames=folders")
    assert len(spec.index()) == 4
    with pytest.raises(ConfigError, match="'clips'"):
        folder.index(tmp_path, frames="clips")
    with pytest.raises(ConfigError, match="splits none"):
        folder.index(tmp_path, "train")


def test_folder_half_empty(tmp_path):
    touch(tmp_path, "real/a.jpg")
    assert not folder.looks_like(tmp_path)
    with pytest.raises(ConfigError, match="fake, found none"):
        folder.index(tmp_path)


def test_manifest_demo(tmp_path):
    manifest.make_demo(tmp_path, EmptyMaker())
    records = manifest.index(tmp_path)
    assert Counter(r.split for r in records) == {"train": 20, "val": 4, "test": 4}
    people = {s: {p for r in records if r.split == s for p in r.identities} for s in ("train", "val", "test")}
    assert sum(map(len, people.values())) == len(set().union(*people.values())) == 12
    fake = next(r for r in records if r.path == "fake/p00.jpg")
    assert (fake.label, fake.manipulation, fake.mask_path) == (Label.FAKE, "swap", "masks/p00.png")
    clip = next(r for r in records if r.path == "clips/p00.mp4")
    assert (clip.kind, clip.audio_label, clip.video_label) == ("video", Label.REAL, Label.FAKE)
    assert len(manifest.index(tmp_path, "val")) == 4


def test_manifest_columns(tmp_path):
    touch(tmp_path, "a.jpg", "b.mp4", "c/1.png", "d.wav")
    (tmp_path / "manifest.csv").write_text(
        "path,label,video_id,identity,sources,split,method,kind,compression,media_kind,colour\n"
        "a.jpg,REAL,,ada,,validation,camera,photo,,,red\n"
        "b.mp4,1,vid,ada;bob,s1;s2,testing,,lip sync,c23,,\n"
        "c,fake,,,,,gan,photo,,,\n"
        "d.wav,0,,,,train,,,,audio,\n",
        encoding="utf-8",
    )
    a, b, c, d = manifest.index(tmp_path)
    assert (a.label, a.split, a.manipulation, a.video_id) == (Label.REAL, "val", "", "a.jpg")
    assert dict(a.metadata) == {"method": "camera", "kind": "photo", "colour": "red"}
    assert (b.video_id, b.identities, b.sources, b.split) == ("vid", ("ada", "bob"), ("s1", "s2"), "test")
    assert (b.manipulation, b.compression, b.kind) == ("lip sync", "c23", "video")
    assert (c.kind, c.split, c.manipulation) == ("frames", "", "gan")
    assert d.kind == "audio"


def test_manifest_as_json(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    rows = [{"file": "a.jpg", "label": 0, "identity": ["x", "y"]}, {"file": "b.jpg", "label": True}]
    texts = {
        "manifest.json": json.dumps(rows),
        "manifest.jsonl": "\n".join(map(json.dumps, rows)),
        "short.json": json.dumps({"a.jpg": "real", "b.jpg": {"label": "fake"}}),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        records = manifest.index(tmp_path, file=name)
        assert [(r.path, r.label) for r in records] == [("a.jpg", 0), ("b.jpg", 1)]
        assert records[0].identities == (() if name == "short.json" else ("x", "y"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\na.jpg,\n", "row 1: expected the columns file and label"),
        ("name,label\na.jpg,0\n", "row 1: expected the columns file and label"),
        ("file,label\na.jpg,0\na.jpg,2\n", "row 2: label must be 0, 1, real or fake, got '2'"),
        ("file,label,split\na.jpg,0,somewhere\n", "row 1: split must be .*'somewhere'"),
        ("file,label\n../a.jpg,0\n", r"row 1: .*below the set's root"),
        ("file,label\nb.jpg,0\n", r"b\.jpg"),
    ],
)
def test_manifest_names_what_is_wrong(tmp_path, text, words):
    touch(tmp_path, "a.jpg")
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        manifest.index(tmp_path)


def test_manifest_is_a_folder_with_a_table(tmp_path):
    with pytest.raises(ConfigError, match=r"manifest\.csv or manifest\.json"):
        manifest.index(tmp_path)
    touch(tmp_path, "list.csv")
    with pytest.raises(ConfigError, match=r"\?file=list\.csv"):
        manifest.index(tmp_path / "list.csv")


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("faces", {("train", 0): 5042, ("train", 1): 1250, ("test", 0): 1000, ("test", 1): 500}),
        ("clips", {("train", 0): 34, ("train", 1): 63, ("val", 0): 20}),
    ],
)
def test_manifests_of_the_project_as_they_are(name, counts):
    listing = manifest.listing(DATA / name)
    assert not listing.missing
    assert Counter((r.split, r.label) for r in listing.records) == counts
    assert all(r.manipulation for r in listing.records if r.label)
    assert not any(r.manipulation for r in listing.records if not r.label)


def record(name, *people):
    return Record(f"{name}.mp4", name, Label.REAL, "made", identities=people)


def test_seeded_splits_share_nobody():
    records = [record(f"v{i}", f"p{i % 40}", f"p{i % 40 // 2 * 2}") for i in range(200)]
    for split in (split_by_group, split_by_person):
        for seed in range(3):
            done = split(records, seed=seed)
            assert [r.video_id for r in done] == [r.video_id for r in records]
            people = {s: {p for r in done if r.split == s for p in r.identities} for s in ("train", "val", "test")}
            assert len(set().union(*people.values())) == sum(map(len, people.values()))
            assert done == split(records, seed=seed)
        assert split(records, seed=0) != split(records, seed=1)
    grouped = Counter(r.split for r in split_by_group(records, seed=0))
    assert grouped == {"train": 140, "val": 30, "test": 30}
    assert Counter(r.split for r in split_by_person(records, seed=0))[""] > 0


def test_group_split_follows_chains():
    chain = [record(f"v{i}", f"p{i}", f"p{i + 1}") for i in range(10)]
    assert len({r.split for r in split_by_group(chain, seed=0)}) == 1
    assert split_by_group([record("nobody")], seed=0)[0].split == ""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "file,label\n" + "a" * 200_000 + ",real\n", "a.csv, which is no CSV: field larger"),
        ("a.json", "[" * 100_000, "a.json, which is no JSON: maximum recursion"),
        ("a.jsonl", "[" * 100_000, "a.jsonl has a line that is no JSON: maximum recursion"),
    ],
)
def test_tables_that_break_their_readers_are_named_errors(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        manifest.index(tmp_path, file=name)


def test_options_of_a_spec_are_all_read_or_refused():
    assert DataSpec.parse("manifest:a?file=b+c%20d.csv").options == {"file": "b+c d.csv"}
    for text in ("ffpp:a:test?compression", "ffpp:a?=c23", "ffpp:a?media=videos&media=frames"):
        with pytest.raises(ConfigError, match="option"):
            DataSpec.parse(text)
