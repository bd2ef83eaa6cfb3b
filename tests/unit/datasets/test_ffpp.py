"""FF++ in its own tree, LAA-Net's crops and M2F2-Det's files."""

from __future__ import annotations

import json
import sys
from collections import Counter

import pytest
from PIL import Image

from facewitness.datasets import ffpp, ffpp_crops, ffpp_hdf5
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.datasets.ffpp_lists import DEMO_PAIRS, METHODS, read_pairs
from facewitness.datasets.spec import DataSpec
from facewitness.errors import ConfigError, MissingExtraError
from facewitness.records import Label

PER_SPLIT = {"train": 720, "val": 140, "test": 140}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All videos of FF++ as empty files, without lists: those that ship are used."""
    root = tmp_path_factory.mktemp("ffpp")
    pairs = [pair for split in PER_SPLIT for pair in read_pairs(root, split)]
    for name in range(1000):
        touch(root / f"original_sequences/youtube/c23/videos/{name:03d}.mp4")
    for method in METHODS:
        for first, second in pairs:
            for name in (f"{first}_{second}", f"{second}_{first}"):
                touch(root / f"manipulated_sequences/{method}/c23/videos/{name}.mp4")
    return root


def test_the_official_lists(tmp_path):
    pairs = {split: read_pairs(tmp_path, split) for split in PER_SPLIT}
    assert {split: len(p) for split, p in pairs.items()} == {"train": 360, "val": 70, "test": 70}
    assert sorted(name for listed in pairs.values() for pair in listed for name in pair) == [
        f"{i:03d}" for i in range(1000)
    ]
    for split, demo in DEMO_PAIRS.items():
        assert list(demo) == pairs[split][: len(demo)]


def test_the_whole_set_has_720_140_140_videos_per_method(whole):
    listing = ffpp.listing(whole, manipulations="all")
    assert listing.missing == ()
    counts = Counter((r.manipulation, r.split) for r in listing.records)
    assert counts == {(method, split): n for method in ("", *METHODS) for split, n in PER_SPLIT.items()}
    assert len({r.video_id for r in listing.records}) == 6000
    assert len(ffpp.index(whole, "test")) == 140 * 5
    assert len(ffpp.index(whole, "test", manipulations="none")) == 140


def test_splits_share_no_person(whole):
    split_of = {name: split for split in PER_SPLIT for pair in read_pairs(whole, split) for name in pair}
    assert all({split_of[i] for i in r.identities} == {r.split} for r in ffpp.index(whole))


@pytest.fixture
def demo(tmp_path):
    ffpp.make_demo(tmp_path, EmptyMaker())
    return tmp_path


def test_pairs_count_in_both_directions_and_masks_belong(demo):
    records = {r.video_id: r for r in ffpp.index(demo, "test")}
    assert {"original/c23/953", "original/c23/974"} < set(records)
    there, back = records["FaceSwap/c23/953_974"], records["FaceSwap/c23/974_953"]
    assert there.identities == there.sources == ("953", "974")
    assert back.identities == ("974", "953")
    assert there.label is Label.FAKE
    assert there.mask_path == "manipulated_sequences/FaceSwap/masks/videos/953_974.mp4"
    assert records["original/c23/953"].mask_path == ""


def test_options_arrive_from_a_spec(demo):
    records = DataSpec.parse(f"ffpp:{demo}:test?manipulations=FaceSwap,Deepfakes").index()
    assert Counter(r.manipulation for r in records) == {"": 2, "FaceSwap": 2, "Deepfakes": 2}
    with pytest.raises(ConfigError, match="manipulations must be among"):
        ffpp.index(demo, manipulations="Faceswap")
    with pytest.raises(ConfigError, match="compression must be among"):
        ffpp.index(demo, compression="c99")


def test_methods_and_compressions_that_are_not_there_are_one_line_each(demo):
    listing = ffpp.listing(demo, "test", manipulations="all", compression="c23,c40")
    assert len(listing.records) == 10
    assert "manipulated_sequences/FaceShifter/c23/videos/" in listing.missing
    assert "original_sequences/youtube/c40/videos/" in listing.missing
    assert len(listing.missing) == 1 + 6
    with pytest.raises(ConfigError, match="c40/videos"):
        ffpp.index(demo, compression="c40")


def test_raw_is_c0_in_older_downloads(tmp_path):
    touch(tmp_path / "original_sequences/youtube/c0/videos/953.mp4")
    records = ffpp.index(tmp_path, "test", manipulations="none", compression="c0")
    assert [(r.video_id, r.compression) for r in records] == [("original/raw/953", "raw")]
    assert records == ffpp.index(tmp_path, "test", manipulations="none", compression="raw")


@pytest.mark.parametrize(
    ("folder", "masks"),
    [("images", "masks/images"), ("frames", "c23/masks"), ("frames", "masks/frames")],
)
def test_extracted_frames(tmp_path, folder, masks):
    base = tmp_path / "manipulated_sequences/Deepfakes"
    touch(base / "c23" / folder / "953_974/0000.png")
    touch(base / masks / "953_974/0000.png")
    (record,) = ffpp.index(tmp_path, "test", manipulations="Deepfakes")
    assert record.kind == "frames"
    assert record.path == f"manipulated_sequences/Deepfakes/c23/{folder}/953_974"
    assert record.mask_path == f"manipulated_sequences/Deepfakes/{masks}/953_974"


@pytest.mark.parametrize("content", ["{}", '["953"]', "[[1, 2]]", "[]", '[["953"]]'])
def test_a_damaged_list_is_named(demo, content):
    (demo / "test.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"test\.json: expected a list of pairs"):
        ffpp.index(demo, "test")
    (demo / "test.json").rename(demo / "splits.json")
    assert ffpp.listing(demo, "test").missing  # the official list names 140


def test_a_list_in_splits_is_read(demo):
    (demo / "splits").mkdir()
    (demo / "val.json").rename(demo / "splits" / "val.json")
    assert len(ffpp.listing(demo, "val").records) == 10
    assert ffpp.listing(demo, "val").missing == ()


def test_crops_of_four_methods_do_not_collide(tmp_path):
    for method in METHODS[:4]:
        for name in ("953_974", "974_953"):
            touch(tmp_path / "c0" / "test" / "frames" / method / name / "000.png")
    for name in ("953", "974"):
        touch(tmp_path / "c0" / "test" / "frames" / "Original" / name / "000.png")
    (tmp_path / "c0" / "test.json").write_text('[["953", "974"]]', encoding="utf-8")
    touch(tmp_path / "c0" / "test" / "frames" / "Celeb-synthesis" / "id0_id1_0000" / "000.png")
    records = ffpp_crops.index(tmp_path / "c0", "test")
    assert len(records) == 10
    assert {r.video_id for r in records if r.path.endswith("953_974")} == {f"{m}/raw/953_974" for m in METHODS[:4]}
    assert {r.compression for r in records} == {"raw"}
    assert len(ffpp_crops.index(tmp_path / "c0", manipulations="FaceSwap")) == 4
    listing = ffpp_crops.listing(tmp_path / "c0", "test", manipulations="FaceShifter")
    assert listing.missing == ("test/frames/FaceShifter/",)


def test_aligned_crops_are_told_by_their_name_not_by_the_word(tmp_path):
    (tmp_path / "test.json").write_text(json.dumps([["953", "974"]]), encoding="utf-8")
    for folder in ("Original/953", "aligned_Original_81/953", "aligned_Deepfakes_68/953_974"):
        touch(tmp_path / "test" / "frames" / folder / "000.png")
    plain = {r.path: r.label for r in ffpp_crops.index(tmp_path)}
    assert plain == {"test/frames/Original/953": 0, "test/frames/aligned_Deepfakes_68/953_974": 1}
    levelled = {r.path for r in ffpp_crops.index(tmp_path, aligned="yes")}
    assert levelled == {"test/frames/aligned_Original_81/953", "test/frames/aligned_Deepfakes_68/953_974"}
    with pytest.raises(ConfigError, match="aligned must be yes or no"):
        ffpp_crops.index(tmp_path, aligned="true")


def test_the_c23_layout_repeats_real_videos_which_are_listed_once(tmp_path):
    (tmp_path / "test.json").write_text(json.dumps([["953", "974"]]), encoding="utf-8")
    for method in ("Deepfakes", "FaceSwap"):
        base = tmp_path / method / "images" / "test"
        for frame in (1, 20, 3):
            touch(base / "real" / f"953_frame{frame}.jpg")
            touch(base / "fake" / f"953_974_frame{frame}.jpg")
            touch(base / "fake" / f"974_953_frame{frame}.jpg")
    listing = ffpp_crops.listing(tmp_path, "test", compression="c23")
    assert {r.video_id: r.path for r in listing.records} == {
        "original/c23/953": "Deepfakes/images/test/real/953_frame*",
        "Deepfakes/c23/953_974": "Deepfakes/images/test/fake/953_974_frame*",
        "Deepfakes/c23/974_953": "Deepfakes/images/test/fake/974_953_frame*",
        "FaceSwap/c23/953_974": "FaceSwap/images/test/fake/953_974_frame*",
        "FaceSwap/c23/974_953": "FaceSwap/images/test/fake/974_953_frame*",
    }
    assert listing.missing == ("Deepfakes/images/test/real/974_frame*",)


def test_hdf5_test_files_and_missing_videos(tmp_path):
    h5py = pytest.importorskip("h5py")
    ffpp_hdf5.make_demo(tmp_path, EmptyMaker())
    records = ffpp_hdf5.index(tmp_path, "test")
    assert {r.path.partition("#")[0] for r in records} == {
        f"FF++_{name}_c40_test_only.h5" for name in ("original", "Deepfakes", "Face2Face")
    }
    assert {r.kind for r in records} == {"hdf5"}
    with h5py.File(tmp_path / "FF++_Deepfakes_c40_test_only.h5", "a") as file:
        assert file["953_974"].shape == (8, 16, 16, 3)
        del file["953_974"]
    listing = ffpp_hdf5.listing(tmp_path, "test")
    assert listing.missing == ("FF++_Deepfakes_c40_test_only.h5#953_974",)
    with pytest.raises(ConfigError, match=r"FF\+\+_FaceSwap_c40\.h5"):
        ffpp_hdf5.index(tmp_path, manipulations="FaceSwap")
    with pytest.raises(ConfigError, match="compression must be one of"):
        ffpp_hdf5.index(tmp_path, compression="c0")
    (tmp_path / "FF++_original_c40.h5").write_bytes(b"no HDF5")
    with pytest.raises(ConfigError, match=r"FF\+\+_original_c40\.h5"):
        ffpp_hdf5.index(tmp_path, "train")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "FF++_original_c40.h5").touch()
    with pytest.raises(MissingExtraError, match=r"facewitness\[torch\]"):
        ffpp_hdf5.index(tmp_path, "train")


class Painter(EmptyMaker):
    """Frames of one colour: the identity's number."""

    def frames(self, folder, identity, *, names, **_):
        for name in names:
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (int(identity) % 256, 0, 0)).save(folder / name)


def test_hdf5_copies_hold_what_the_maker_draws(tmp_path):
    h5py = pytest.importorskip("h5py")
    ffpp_hdf5.make_demo(tmp_path, Painter())
    for record in ffpp_hdf5.index(tmp_path):
        file, _, key = record.path.partition("#")
        with h5py.File(tmp_path / file) as store:
            frames = store[key][...]
        assert frames.shape == (8, 48, 48, 3)
        assert (frames[..., 0] == int(record.identities[0]) % 256).all()


def test_a_larger_demo_takes_the_next_official_pairs(tmp_path):
    ffpp.make_demo(tmp_path / "two", EmptyMaker(), times=2)
    records = ffpp.index(tmp_path / "two")
    assert Counter(r.split for r in records) == {"train": 8 + 4 * 8, "val": 4 + 4 * 4, "test": 4 + 4 * 4}
    assert {s for r in ffpp.index(tmp_path / "two", "test") for s in r.sources} == {"953", "974", "012", "026"}
    with pytest.raises(ConfigError, match="360"):
        ffpp.make_demo(tmp_path / "many", EmptyMaker(), times=200)
