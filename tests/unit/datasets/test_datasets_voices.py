"""FakeAVCeleb, DeepfakeTIMIT and RAVDESS: sets with sound and without official splits."""

from __future__ import annotations

from collections import Counter

import pytest

from facewitness.datasets import deepfake_timit, fake_av_celeb, ravdess
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label

SETS = {"fake_av_celeb": fake_av_celeb, "deepfake_timit": deepfake_timit, "ravdess": ravdess}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    made = {}
    for name, module in SETS.items():
        made[name] = tmp_path_factory.mktemp(name)
        module.make_demo(made[name], EmptyMaker())
    return made


@pytest.mark.parametrize("name", SETS)
def test_records_are_unique_there_and_split_by_person(roots, name):
    module, root = SETS[name], roots[name]
    records = module.index(root)
    assert len({r.video_id for r in records}) == len({r.path for r in records}) == len(records)
    assert all((root / r.path).exists() for r in records)
    assert module.looks_like(root)
    assert not any(other.looks_like(root) for key, other in SETS.items() if key != name)
    people = {s: {p for r in module.index(root, s) for p in r.identities} for s in ("train", "val", "test")}
    assert all(people.values())
    assert not people["train"] & people["val"]
    assert not people["train"] & people["test"]
    assert not people["val"] & people["test"]
    for split in people:
        assert [r for r in records if r.split == split] == module.index(root, split)
    with pytest.raises(ConfigError, match="dev"):
        module.index(root, "dev")


@pytest.mark.parametrize("name", SETS)
def test_empty_folders_are_named(tmp_path, name):
    with pytest.raises(ConfigError, match=str(tmp_path)):
        SETS[name].index(tmp_path)


def test_fake_av_celeb_labels_picture_and_sound_apart(roots):
    records = fake_av_celeb.index(roots["fake_av_celeb"])
    halves = Counter((r.path.split("/")[0], r.label, r.video_label, r.audio_label) for r in records)
    real, fake = Label.REAL, Label.FAKE
    assert halves == {
        ("RealVideo-RealAudio", real, real, real): 6,
        ("RealVideo-FakeAudio", real, real, fake): 6,
        ("FakeVideo-RealAudio", fake, fake, real): 6,
        ("FakeVideo-FakeAudio", fake, fake, fake): 6,
    }
    swap = next(r for r in records if r.manipulation == "faceswap")
    assert swap.path == "FakeVideo-RealAudio/African/men/id00076/00100_1_id00166.mp4"
    assert swap.identities == ("id00076", "id00166")
    assert swap.sources == ("id00076/00100",)
    assert dict(swap.metadata) == {
        "race": "African",
        "gender": "men",
        "category": "C",
        "type": "FakeVideo-RealAudio",
    }
    assert len(fake_av_celeb.index(roots["fake_av_celeb"], types="FakeVideo-RealAudio")) == 6


def test_fake_av_celeb_seeds_and_crossing_swaps(roots):
    root = roots["fake_av_celeb"]
    splits = [{r.video_id: r.split for r in fake_av_celeb.index(root, seed=str(s))} for s in range(3)]
    assert splits[0] != splits[1] or splits[0] != splits[2]
    records = fake_av_celeb.index(root)
    of = {r.identities[0]: r.split for r in records if len(r.identities) == 1}
    crossing = [r for r in records if len({of[p] for p in r.identities}) > 1]
    assert crossing
    assert {r.split for r in crossing} == {""}
    with pytest.raises(ConfigError, match="'x'"):
        fake_av_celeb.index(root, seed="x")


def test_fake_av_celeb_without_its_table_and_with_a_broken_one(tmp_path):
    fake_av_celeb.make_demo(tmp_path, EmptyMaker())
    listed = fake_av_celeb.index(tmp_path)
    gone = tmp_path / listed[3].path
    gone.unlink()
    assert fake_av_celeb.listing(tmp_path).missing == (listed[3].path,) or fake_av_celeb.listing(tmp_path).missing == (
        listed[3].path.rpartition("/")[0] + "/",
    )
    table = tmp_path / "meta_data.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.unlink()
    walked = fake_av_celeb.index(tmp_path)
    assert {r.path: (r.label, r.identities) for r in walked} == {
        r.path: (r.label, r.identities) for r in listed if r.path != listed[3].path
    }
    table.write_text("\n".join([lines[0], lines[1].replace("RealVideo-RealAudio", "Odd")]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"meta_data.csv, line 2.*'Odd'"):
        fake_av_celeb.index(tmp_path)
    table.write_text("a,b\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="lacks one of the columns"):
        fake_av_celeb.index(tmp_path)


def test_deepfake_timit_pairs_and_reals(roots):
    root = roots["deepfake_timit"]
    records = deepfake_timit.index(root)
    assert Counter(r.manipulation for r in records) == {"": 10, "faceswap-GAN LQ": 10, "faceswap-GAN HQ": 10}
    fake = next(r for r in records if r.path == "lower_quality/fadg0/sa1-video-fram1.avi")
    real = next(r for r in records if r.path == "vidtimit/fadg0/video/sa1")
    assert (fake.label, fake.audio_label, fake.identities) == (Label.FAKE, Label.REAL, ("fadg0", "fram1"))
    assert (real.label, real.kind, real.identities) == (Label.REAL, "frames", ("fadg0",))
    assert fake.sources == real.sources == ("fadg0/sa1",)
    assert (root / fake.metadata["audio"]).is_file()
    assert (root / real.metadata["audio"]).is_file()
    assert {r.manipulation for r in deepfake_timit.index(root, quality="higher_quality")} == {"", "faceswap-GAN HQ"}


def test_deepfake_timit_leaves_head_turns_out_and_names_odd_files(tmp_path):
    deepfake_timit.make_demo(tmp_path, EmptyMaker())
    (tmp_path / "vidtimit" / "fadg0" / "video" / "head2").mkdir()
    assert len(deepfake_timit.index(tmp_path)) == 30
    (tmp_path / "lower_quality" / "fadg0" / "sa2.avi").touch()
    with pytest.raises(ConfigError, match=r"sa2\.avi"):
        deepfake_timit.index(tmp_path)


def test_ravdess_reads_its_names(roots):
    root = roots["ravdess"]
    records = ravdess.index(root)
    assert Counter(r.split for r in records) == {"train": 4, "val": 4, "test": 4}
    assert {r.label for r in records} == {Label.REAL}
    happy = next(r for r in records if r.video_id == "01-01-03-01-01-01-02")
    assert happy.path == "Actor_02/01-01-03-01-01-01-02.mp4"
    assert dict(happy.metadata) == {
        "modality": "full-AV",
        "channel": "speech",
        "emotion": "happy",
        "intensity": "normal",
        "statement": "Kids are talking by the door",
        "repetition": "01",
        "gender": "female",
    }
    every = ravdess.index(root, modality="all")
    assert Counter(r.kind for r in every) == {"video": 14, "audio": 2}
    takes = [r for r in every if r.identities == ("01",)]
    assert len({r.sources for r in takes}) == 2
    assert {(r.metadata["modality"], r.video_label, r.audio_label) for r in takes} == {
        ("full-AV", Label.REAL, Label.REAL),
        ("video-only", Label.REAL, None),
        ("audio-only", None, Label.REAL),
    }


def test_ravdess_splits_by_the_native_actor_field(tmp_path):
    """2D3MF's splitter reads the repetition of native names and puts everybody into train."""
    for actor in range(1, 25):
        EmptyMaker().video(tmp_path / "Video" / f"Actor_{actor:02d}" / f"01-01-01-01-01-02-{actor:02d}.mp4", "x")
    of = {r.identities[0]: r.split for r in ravdess.index(tmp_path)}
    assert {a for a, s in of.items() if s == "test"} == {"05", "10", "16", "19"}
    assert {a for a, s in of.items() if s == "val"} == {"11", "13", "18", "22"}
    EmptyMaker().video(tmp_path / "Actor_01" / "holiday.mp4", "x")
    with pytest.raises(ConfigError, match=r"holiday\.mp4"):
        ravdess.index(tmp_path)
