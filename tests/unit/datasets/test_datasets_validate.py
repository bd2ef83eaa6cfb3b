"""What `facewitness data check` finds, and what it leaves alone."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from facewitness.datasets import folder, manifest, validate
from facewitness.datasets.demo_media import DemoMaker
from facewitness.datasets.listing import Listing
from facewitness.datasets.records import Record
from facewitness.datasets.spec import DataSpec
from facewitness.datasets.validate import Item, check, missing_of, recognise, spec_of
from facewitness.errors import ConfigError, UnknownNameError
from facewitness.records import Label


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A manifest set without faults."""
    root = tmp_path_factory.mktemp("sound")
    manifest.make_demo(root, DemoMaker(side_px=96, frames=2))
    return root


@pytest.fixture
def root(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "set")


def items(root):
    return [Item(root, record) for record in manifest.index(root)]


def kinds(faults):
    return [fault.kind for fault in faults]


def test_a_sound_set_has_no_faults_and_every_file_is_told(sound):
    told = []
    assert check(items(sound), told.append) == []
    assert len(told) == 28


def test_same_bytes(root):
    shutil.copy(root / "real" / "p00.jpg", root / "real" / "p01.jpg")
    (fault,) = check(items(root))
    assert fault.kind == "duplicate"
    assert fault.paths == (str(root / "real/p00.jpg"), str(root / "real/p01.jpg"))
    assert fault.detail == "2 times the same bytes"
    shutil.copy(root / "real" / "p04.jpg", root / "real" / "p00.jpg")
    assert "in train and val" in check(items(root))[0].detail


def test_same_bytes_under_both_labels(root):
    shutil.copy(root / "real" / "p00.jpg", root / "fake" / "p00.jpg")
    (fault,) = check(items(root))
    assert fault.kind == "mislabelled"
    assert "real and fake" in fault.detail


def test_same_size_alone_is_no_fault(root):
    content = bytearray((root / "real" / "p00.jpg").read_bytes())
    content[-3] ^= 1
    (root / "real" / "p01.jpg").write_bytes(bytes(content))
    assert check(items(root)) == []


def test_folders_of_frames(tmp_path):
    maker = DemoMaker(side_px=64, frames=2)
    for name, who in (("a", "x"), ("b", "x"), ("c", "y")):
        maker.frames(tmp_path / "real" / name, who, names=["1.png", "2.png"])
    maker.frames(tmp_path / "fake" / "d", "x", names=["1.png"], fake="local")
    listed = [Item(tmp_path, r) for r in folder.index(tmp_path, frames="folders")]
    (fault,) = check(listed)
    assert (fault.kind, fault.paths) == ("duplicate", (str(tmp_path / "real/a"), str(tmp_path / "real/b")))
    (tmp_path / "fake" / "d" / "1.png").unlink()
    assert kinds(check(listed)) == ["duplicate", "unreadable"]


def test_headers(root):
    (root / "real" / "p00.jpg").write_bytes(b"")
    (root / "real" / "p01.jpg").write_bytes(b"no picture at all")
    shutil.copy(root / "real" / "p02.jpg", root / "clips" / "p00.mp4")
    listed = items(root)
    (root / "fake" / "p05.jpg").unlink()
    faults = check(listed)
    assert kinds(faults) == ["unreadable"] * 4
    found = {fault.paths[0]: fault.detail for fault in faults}
    assert found[str(root / "clips/p00.mp4")] == "is listed as video and holds image"
    assert set(found) >= {str(root / "real/p00.jpg"), str(root / "real/p01.jpg"), str(root / "fake/p05.jpg")}
    assert not any(detail.startswith(str(root)) for detail in found.values())


def test_hdf5_by_its_head(tmp_path):
    item = Item(tmp_path, Record("a.h5#video", "a", Label.REAL, "made", "hdf5"))
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n rest")
    assert check([item]) == []
    (tmp_path / "a.h5").write_bytes(b"something else")
    assert [fault.detail for fault in check([item])] == ["is no HDF5 file"]


def test_people_and_sources_in_two_splits(root):
    listed = items(root)
    leaking = [
        replace(i, record=replace(i.record, split="test")) if i.record.path == "fake/p00.jpg" else i for i in listed
    ]
    faults = check(leaking)
    assert kinds(faults) == ["shared_identity", "shared_source"]
    assert faults[0].detail == "person p00 is in train (2) and test (1)"
    assert faults[1].paths == (str(root / "real/p00.jpg"), str(root / "fake/p00.jpg"))
    apart = [replace(i.record, dataset="other") if i.record.split == "test" else i.record for i in leaking]
    assert check([Item(root, record) for record in apart]) == []


def test_labels_against_folders_tracks_and_ids(root):
    listed = {i.record.path: i for i in items(root)}

    def changed(path, **values):
        new = replace(listed[path], record=replace(listed[path].record, **values))
        return kinds(check([*(i for key, i in listed.items() if key != path), new]))

    assert changed("real/p00.jpg", label=Label.FAKE) == ["mislabelled"]
    assert changed("clips/p00.mp4", label=Label.REAL) == ["mislabelled"]
    assert changed("real/p00.jpg", video_id="real/p01.jpg") == ["duplicate"]
    assert changed("real/p00.jpg", video_id="fake/p01.jpg") == ["mislabelled"]
    twice = [*listed.values(), replace(listed["real/p00.jpg"], record=replace(listed["real/p00.jpg"].record))]
    assert check(twice) == []  # the same record by two specs that overlap


def test_missing_files_are_named(root):
    (fault,) = missing_of(root, ["real/p99.jpg"])
    assert (fault.kind, fault.paths) == ("missing", (str(root / "real/p99.jpg"),))


def test_plain_roots(sound, tmp_path):
    assert recognise(sound) == ["manifest"]
    assert spec_of(str(sound)).name == "manifest"
    assert recognise(tmp_path) == []
    with pytest.raises(ConfigError, match="no registered set has such a layout"):
        spec_of(str(tmp_path))
    for name in ("Actor_01", "lower_quality"):
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match="several sets fit: deepfake_timit, ravdess"):
        spec_of(str(tmp_path))
    with pytest.raises(ConfigError, match="NAME:ROOT"):
        spec_of(str(tmp_path / "nothing"))
    with pytest.raises(UnknownNameError):
        spec_of("manifst:somewhere")


def test_of_sets_that_look_alike_the_most_complete_is_taken(sound, monkeypatch):
    monkeypatch.setattr(validate, "recognise", lambda _: ["manifest", "ravdess"])
    assert spec_of(str(sound)).name == "manifest"
    lists = {"ffpp": Listing(items(sound)[:1], ("a", "b")), "dfd": Listing(items(sound)[:1], ("a",))}
    monkeypatch.setattr(validate, "recognise", lambda _: list(lists))
    monkeypatch.setattr(DataSpec, "listing", lambda spec: lists[spec.name])
    assert spec_of(str(sound)).name == "dfd"
    lists["dfd"] = lists["ffpp"]
    with pytest.raises(ConfigError, match="several sets fit: ffpp, dfd"):
        spec_of(str(sound))
