"""DFD, WildDeepfake, DeeperForensics, FFIW10K."""

from __future__ import annotations

import pytest

from facewitness.datasets import deeper_forensics, dfd, dfw, ffiw
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label


def made(module, root):
    module.make_demo(root, EmptyMaker())
    return root


def test_dfd_names_tell_actors_and_scenes(tmp_path):
    records = {r.video_id: r for r in dfd.index(made(dfd, tmp_path))}
    fake = records["DeepFakeDetection/c23/01_02__exit_phone_room__YVGY8LOK"]
    assert (fake.identities, fake.sources) == (("01", "02"), ("01__exit_phone_room",))
    assert fake.sources == records["original/c23/01__exit_phone_room"].sources
    assert fake.metadata == {"scene": "exit_phone_room"}
    assert fake.mask_path.startswith("manipulated_sequences/DeepFakeDetection/masks/videos/01_02__")
    with pytest.raises(ConfigError, match="has the splits test"):
        dfd.index(tmp_path, "train")


def test_dfd_passed_on_without_the_folders_of_ffpp(tmp_path):
    for folder, name in (
        ("DFD_original sequences", "01__exit_phone_room"),
        ("DFD_manipulated_sequences", "01_02__exit_phone_room__YVGY8LOK"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.mp4").touch()
    assert [r.label for r in dfd.index(tmp_path)] == [Label.REAL, Label.FAKE]


def test_dfd_odd_names_are_named(tmp_path):
    made(dfd, tmp_path)
    (tmp_path / "original_sequences/actors/c23/videos/000.mp4").touch()
    with pytest.raises(ConfigError, match=r"expected a name such as 01__exit_phone_room, got .*000\.mp4"):
        dfd.index(tmp_path)
    with pytest.raises(ConfigError, match=r"actors/raw/videos"):
        dfd.index(tmp_path, compression="raw")


@pytest.mark.parametrize("base", ["", "deepfake_in_the_wild", "extracted"])
def test_dfw_sequences_are_folders_of_frames(tmp_path, base):
    made(dfw, tmp_path / base)
    records = {r.video_id: r for r in dfw.index(tmp_path, "train")}
    first = records["fake_train/0/1"]
    assert first.path == f"{base}/fake_train/0/fake/1".lstrip("/")
    assert (first.kind, first.label) == ("frames", Label.FAKE)
    assert first.sources == records["fake_train/0/2"].sources != records["fake_train/1/1"].sources


def test_dfw_packed_folders_are_told(tmp_path):
    made(dfw, tmp_path)
    for file in sorted((tmp_path / "fake_test").rglob("*.png")):
        file.unlink()
    (tmp_path / "fake_test" / "0.tar.gz").touch()
    with pytest.raises(ConfigError, match=r"fake_test, such as 0/fake/0; found 0\.tar\.gz; unpack it"):
        dfw.index(tmp_path, "test")


def test_deeper_forensics_variants_and_reals(tmp_path):
    made(deeper_forensics, tmp_path)
    two = deeper_forensics.index(tmp_path, "test", variant="end_to_end,end_to_end_level_5")
    assert {r.manipulation for r in two} == {"", "end_to_end", "end_to_end_level_5"}
    assert len({r.video_id for r in two}) == len(two) == 2 + 2 + 2
    fake = next(r for r in two if r.manipulation)
    assert (fake.identities, fake.sources) == (("003", "W104"), ("003",))
    source = [r for r in deeper_forensics.index(tmp_path, "test", reals="source") if r.label is Label.REAL]
    assert [r.identities for r in source] == [("W104",), ("M105",)] or [r.identities for r in source] == [
        ("M105",),
        ("W104",),
    ]
    assert {r.label for r in deeper_forensics.index(tmp_path, reals="none")} == {Label.FAKE}
    with pytest.raises(ConfigError, match="variant must be among"):
        deeper_forensics.index(tmp_path, variant="end_to_end_level_6")


def test_deeper_forensics_splits_are_by_actor(tmp_path):
    made(deeper_forensics, tmp_path)
    actors = [{r.identities[1] for r in deeper_forensics.index(tmp_path, s, reals="none")} for s in ("train", "test")]
    assert not actors[0] & actors[1]


def test_deeper_forensics_says_that_ffpp_is_missing(tmp_path):
    made(deeper_forensics, tmp_path)
    (tmp_path / "original_sequences").rename(tmp_path / "elsewhere")
    listing = deeper_forensics.listing(tmp_path, "test")
    assert listing.missing == ("original_sequences/youtube/c23/videos/",)
    assert {r.label for r in listing.records} == {Label.FAKE}


def test_deeper_forensics_lists_are_named(tmp_path):
    made(deeper_forensics, tmp_path)
    (tmp_path / "lists/splits/val.txt").write_text("000.mp4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"val\.txt: expected names such as 000_M101\.mp4, got '000\.mp4'"):
        deeper_forensics.index(tmp_path)
    (tmp_path / "lists/splits/val.txt").unlink()
    with pytest.raises(ConfigError, match=r"val\.txt"):
        deeper_forensics.index(tmp_path, "val")


@pytest.mark.parametrize("base", ["", "FFIW10K-v1-release"])
def test_ffiw_source_is_real_target_is_forged_with_masks(tmp_path, base):
    made(ffiw, tmp_path / base)
    records = {r.video_id: r for r in ffiw.index(tmp_path, "val")}
    assert len(records) == 4
    fake, real = records["target/val/val_00000000"], records["source/val/val_00000000"]
    assert (fake.label, real.label) == (Label.FAKE, Label.REAL)
    assert fake.mask_path == f"{base}/target_mask/val/val_00000000.mp4".lstrip("/")
    assert (real.mask_path, fake.sources) == ("", real.sources)


def test_ffiw_without_the_later_test_part(tmp_path):
    made(ffiw, tmp_path)
    (tmp_path / "source/test").rename(tmp_path / "other")
    assert {r.split for r in ffiw.index(tmp_path)} == {"train", "val"}
    with pytest.raises(ConfigError, match=r"source/test"):
        ffiw.index(tmp_path, "test")
    for file in sorted((tmp_path / "target/val").iterdir()):
        file.unlink()
    with pytest.raises(ConfigError, match=r"expected videos in .*target/val, found none"):
        ffiw.index(tmp_path)
