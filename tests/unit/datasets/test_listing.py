"""What is missing, what is there, and what every one of these sets keeps to."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from facewitness.datasets import DATASETS
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.datasets.listing import files_in, frame_files, listing_of, names_in, place_of, read_json, sort_out
from facewitness.datasets.records import Record
from facewitness.errors import ConfigError
from facewitness.records import Label

SETS = (
    "celeb_df_v1",
    "celeb_df_v2",
    "deeper_forensics",
    "deepfakebench",
    "dfd",
    "dfdc",
    "dfdcp",
    "dfw",
    "ffiw",
    "ffpp",
    "ffpp_crops",
    "ffpp_hdf5",
)
APART = ("deeper_forensics", "deepfakebench", "dfdc", "dfdcp", "dfw", "ffiw", "ffpp", "ffpp_crops", "ffpp_hdf5")
"""Sets whose splits share no source video."""

NO_LIST = ("dfd", "dfw", "ffiw")
"""Sets without a list that could name a missing video."""


@pytest.fixture(params=SETS)
def made(request, tmp_path):
    """Name, module and root of a tiny copy without pixels."""
    if request.param == "ffpp_hdf5":
        pytest.importorskip("h5py")
    module = importlib.import_module(f"facewitness.datasets.{request.param}")
    module.make_demo(tmp_path / "set", EmptyMaker())
    return request.param, module, tmp_path / "set"


LISTS = (".csv", ".json", ".txt")


def tree(root: Path) -> dict[str, bytes]:
    """Every file's name, and what the lists say."""
    files = (f for f in root.rglob("*") if f.is_file())
    return {f.relative_to(root).as_posix(): f.read_bytes() if f.suffix in LISTS else b"" for f in files}


def test_every_record_is_there_once_with_what_is_known_of_it(made):
    name, module, root = made
    listing = module.listing(root)
    assert listing.missing == ()
    assert module.index(root) == list(listing.records) == DATASETS.load(name)(root)
    assert len({r.video_id for r in listing.records}) == len({r.path for r in listing.records}) == len(listing.records)
    for record in listing.records:
        path = root / record.path.partition("#")[0]
        assert path.is_dir() if record.kind == "frames" else path.is_file()
        assert not record.mask_path or (root / record.mask_path).exists()
        assert bool(record.manipulation) == (record.label is Label.FAKE)
        assert record.sources
        assert Record.from_dict(record.to_dict()) == record
    assert {r.label for r in listing.records} == {Label.REAL, Label.FAKE}


def test_splits_are_parts_of_the_whole(made):
    _, module, root = made
    whole = module.index(root)
    parts = [module.index(root, split) for split in module.INFO.splits]
    assert sorted(r.video_id for part in parts for r in part) == sorted(r.video_id for r in whole)
    for split, part in zip(module.INFO.splits, parts, strict=True):
        assert part
        assert {r.split for r in part} == {split}
        assert {r.label for r in part} == {Label.REAL, Label.FAKE}
    with pytest.raises(ConfigError, match="has the splits"):
        module.index(root, "dev")


def test_sets_that_promise_it_share_no_source_between_splits(made):
    name, module, root = made
    seen: dict[str, set[str]] = {}
    for record in module.index(root):
        for source in record.sources:
            seen.setdefault(source, set()).add(record.split)
    assert (max(len(splits) for splits in seen.values()) == 1) or name not in APART


def test_a_copy_is_the_same_every_time_and_recognised(made, tmp_path):
    _, module, root = made
    assert module.looks_like(root)
    assert not module.looks_like(tmp_path / "nothing")
    module.make_demo(tmp_path / "again", EmptyMaker())
    assert tree(tmp_path / "again") == tree(root)


def test_an_empty_folder_is_named(made, tmp_path):
    _, module, _ = made
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty"):
        module.index(tmp_path / "empty")


def test_a_video_that_is_gone_is_reported_where_a_list_names_it(made):
    name, module, root = made
    if name == "ffpp_hdf5":
        return
    whole = module.index(root)
    gone = next(r for r in whole if r.split == "test" and r.label is Label.FAKE)
    path = root / gone.path
    for file in path.rglob("*") if path.is_dir() else ():
        file.unlink()
    path.rmdir() if path.is_dir() else path.unlink()
    listing = module.listing(root)
    assert len(listing.records) == len(whole) - 1
    named = (gone.path, f"{gone.path.rpartition('/')[0]}/")  # the folder where it held nothing else
    assert listing.missing == () if name in NO_LIST else listing.missing in ((named[0],), (named[1],))


def test_information_is_complete(made):
    _, module, _ = made
    info = module.INFO
    assert all((info.title, info.paper, info.licence, info.apply_at, info.tree, info.notes))
    assert "Citation" in module.__doc__
    assert "licence" in module.__doc__.lower()


def test_listing_of_a_set_without_lists(tmp_path):
    for name in ("real", "fake"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    listing = listing_of("folder")(tmp_path)
    assert [r.path for r in listing.records] == ["real/a.png", "fake/a.png"]
    assert listing.missing == ()
    assert listing_of("ffpp").__name__ == "listing"


def record(path: str, mask: str = "") -> Record:
    return Record(path, path, Label.FAKE, "made", mask_path=mask)


def test_a_folder_of_which_nothing_is_there_counts_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.mp4").touch()
    named = [record(f"{folder}/{i}.mp4", "masks/1.mp4") for folder in ("a", "b") for i in (1, 2, 3)]
    listing = sort_out(tmp_path, named, "videos")
    assert [r.path for r in listing.records] == ["a/1.mp4"]
    assert listing.records[0].mask_path == ""
    assert listing.missing == ("a/2.mp4", "a/3.mp4", "b/")
    with pytest.raises(ConfigError, match=r"expected videos below .*, such as b/; found none of 1"):
        sort_out(tmp_path, [record("b/1.mp4")], "videos")


def test_videos_that_share_a_folder_are_found_by_the_start_of_their_names(tmp_path):
    for name in ("000_frame1.jpg", "000_003_frame1.jpg", "002_frame9.jpg"):
        (tmp_path / name).touch()
    named = [record(f"{name}_frame*") for name in ("000", "000_003", "001", "002", "003")]
    listing = sort_out(tmp_path, named, "crops")
    assert [r.path for r in listing.records] == ["000_frame*", "000_003_frame*", "002_frame*"]
    assert listing.missing == ("001_frame*", "003_frame*")


def test_places(tmp_path):
    for folder in ("plain", "both/videos", "both/frames/v", "pictures/images/v"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "plain" / "v.mp4").touch()
    (tmp_path / "plain" / ".hidden.mp4").touch()
    assert place_of(tmp_path, "plain", flat=True).path("v") == "plain/v.mp4"
    assert place_of(tmp_path, "plain", flat=True).stems(tmp_path) == ["v"]
    assert place_of(tmp_path, "plain").path("v") == "plain/videos/v.mp4"
    assert place_of(tmp_path, "both").path("v") == "both/videos/v.mp4"
    assert place_of(tmp_path, "both", "frames").path("v") == "both/frames/v"
    assert place_of(tmp_path, "pictures").path("v") == "pictures/images/v"
    assert place_of(tmp_path, "pictures").stems(tmp_path) == ["v"]
    with pytest.raises(ConfigError, match="media must be one of videos, frames, images, got 'gifs'"):
        place_of(tmp_path, "plain", "gifs")
    assert names_in(tmp_path / "nothing") == []
    assert files_in(tmp_path / "plain") == ["v.mp4"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00"])
def test_damaged_lists_are_named(tmp_path, content):
    (tmp_path / "list.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"expected a list at .*list\.json"):
        read_json(tmp_path / "list.json", "a list")
    with pytest.raises(ConfigError, match=r"none\.json"):
        read_json(tmp_path / "none.json", "a list")


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("10.png", "2.png", "notes.txt", ".1.png"):
        (tmp_path / name).touch()
    assert [f.name for f in frame_files(tmp_path)] == ["2.png", "10.png"]
    assert frame_files(tmp_path / "nothing") == []


def test_frames_of_one_video_among_others(tmp_path):
    for name in ("000_frame2.jpg", "000_frame10.jpg", "000_003_frame1.jpg"):
        (tmp_path / name).touch()
    assert [f.name for f in frame_files(tmp_path / "000_frame*")] == ["000_frame2.jpg", "000_frame10.jpg"]
    assert frame_files(tmp_path / "001_frame*") == []


def test_frames_without_ending_as_in_vidtimit(tmp_path):
    for name in ("002", "001", "readme.txt"):
        (tmp_path / name).touch()
    assert [f.name for f in frame_files(tmp_path)] == ["001", "002"]


def test_frames_in_a_shared_folder_are_read_by_preparation_and_evaluation(tmp_path):
    from PIL import Image

    from facewitness.datasets.prepare.sources import open_source
    from facewitness.evaluation.record_frames import read_frames

    for name in ("000_frame1.png", "000_frame2.png", "001_frame1.png"):
        Image.new("RGB", (8, 8), (int(name[2]) * 100, 0, int(name[9]) * 10)).save(tmp_path / name)
    shared = Record("000_frame*", "000", Label.REAL, "made", kind="frames")
    blue = [int(frame.pixels[0, 0, 2]) for frame in open_source(shared, tmp_path, frames=0)]
    read = list(read_frames(tmp_path, shared, frames=4))
    assert blue == [int(frame.pixels[0, 0, 2]) for frame in read] == [10, 20]
    assert [frame.path for frame in read] == ["000_frame1.png", "000_frame2.png"]
