"""Manifests, and faces cut out once."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from facewitness.errors import ConfigError, FaceError
from facewitness.faces.finder import FaceFinder
from facewitness.training import face_cache
from facewitness.training.face_cache import (
    CACHE_MARGIN_RATIO,
    CACHE_SIDE_PX,
    FaceCache,
    FaceRow,
    build_cache,
    open_cache,
    read_manifest,
)
from unit.house.house_paths import ROOT
from unit.training.training_data import HELD_OUT, MADE, SHARP, SOFT, person, write_manifest, write_png

GROUPS = ("real_soft", "real_sharp", "fake_made")


def few(folder, count=4):
    """A folder of a few faces with a manifest."""
    for i in range(count):
        write_png(folder / "real" / f"p{i}.png", person(i))
    write_manifest(folder, [(f"real/p{i}.png", 0, f"p{i}", "train") for i in range(count)])
    return folder


def test_manifest_rows(root):
    rows = read_manifest(root / "faces")
    assert len(rows) == len(SOFT) + len(SHARP) + len(MADE) + 1
    assert rows[0] == FaceRow("real_soft/ada.png", 0, "real_soft", "ada")
    assert {r.label for r in rows if r.group == "fake_made"} == {1}
    assert "tested" not in {r.identity for r in read_manifest(root / "faces", split="train")}
    assert {r.group for r in read_manifest(root / "faces", ["fake_made"])} == {"fake_made"}


def test_manifest_without_split_or_identity(tmp_path):
    (tmp_path / "manifest.csv").write_text("file,label,identity\na/one.png,1,\n", encoding="utf-8")
    assert read_manifest(tmp_path, split="train") == [FaceRow("a/one.png", 1, "a", "one")]


def test_manifest_with_nothing_of_a_split(tmp_path):
    write_manifest(tmp_path, [("a/one.png", 0, "x", "test")])
    assert read_manifest(tmp_path, split="train") == []


@pytest.mark.parametrize(
    ("text", "groups", "words"),
    [
        (None, (), "expected .*manifest.csv"),
        ("file,label\na/b.png,0\n", (), "identity"),
        ("", (), "identity"),
        ("file,label,identity\na/b.png,fake,x\n", (), "a/b.png must be 0"),
        ("file,label,identity\na/b.png,2,x\n", (), "'2'"),
        ("file,label,identity\na/b.png,0,x\n", ("c",), r"no group \['c'\]; it has \['a'\]"),
    ],
)
def test_bad_manifests_are_named(tmp_path, text, groups, words):
    if text is not None:
        (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_manifest(tmp_path, groups)


def test_cached_faces_lie_where_they_should(caches):
    """The finder, asked again, sees each face in the middle, of the stated size, with the stored mesh."""
    cache = open_cache(caches / "faces")
    assert len(cache) == 18
    assert cache.faces.shape == (18, CACHE_SIDE_PX, CACHE_SIDE_PX, 3)
    assert not cache.faces.flags.writeable
    finder = FaceFinder(threads=1)
    for i in (0, 7, 13):
        found = finder.find(np.array(cache.faces[i]))[0]
        centre = found.box.reshape(2, 2).mean(axis=0)
        assert np.abs(centre - (CACHE_SIDE_PX - 1) / 2).max() < 6
        assert found.size_px == pytest.approx(CACHE_SIDE_PX / CACHE_MARGIN_RATIO, rel=0.06)
        assert np.linalg.norm(found.mesh - cache.meshes[i], axis=1).mean() < 3


def test_valid_part_is_what_lay_in_the_picture(tmp_path):
    """Cut close at the left, a picture leaves a replicated border there, and only there."""
    picture = person(0)
    write_png(tmp_path / "real" / "cut.png", picture[:, 60:])
    write_manifest(tmp_path, [("real/cut.png", 0, "x", "train")])
    cache = build_cache(tmp_path, read_manifest(tmp_path), tmp_path / "cache")
    x0, y0, x1, y1 = cache.valid[0]
    assert 5 < x0 < 100
    assert x1 == CACHE_SIDE_PX - 1
    assert 0 <= y0 < y1 <= CACHE_SIDE_PX - 1
    face = np.array(cache.faces[0]).astype(int)
    border = face[:, : int(x0) - 2]
    assert np.abs(border - border[:, :1]).max() <= 1
    inside = face[:, int(x0) + 4 : int(x0) + 4 + border.shape[1]]
    assert np.abs(inside - inside[:, :1]).max() > 20


def test_pictures_without_use_are_left_out_and_listed(tmp_path):
    few(tmp_path, 2)
    write_png(tmp_path / "real" / "meadow.png", np.full((200, 200, 3), 90, np.uint8))
    write_png(tmp_path / "real" / "far.png", cv2.resize(person(0), (90, 90), interpolation=cv2.INTER_AREA))
    (tmp_path / "real" / "broken.png").write_bytes(b"no picture")
    names = ("p0", "meadow", "far", "broken", "gone", "p1")
    write_manifest(tmp_path, [(f"real/{n}.png", 0, n, "train") for n in names])
    cache = build_cache(tmp_path, read_manifest(tmp_path), tmp_path / "cache")
    assert [row.identity for row in cache.rows] == ["p0", "p1"]
    assert len(cache.meshes) == len(cache.valid) == 2
    skipped = (tmp_path / "cache" / "skipped.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(":")[0] for line in skipped] == [f"real/{n}.png" for n in names[1:-1]]


def test_no_face_at_all(tmp_path):
    write_png(tmp_path / "real" / "meadow.png", np.full((100, 100, 3), 90, np.uint8))
    write_manifest(tmp_path, [("real/meadow.png", 0, "x", "train")])
    with pytest.raises(FaceError, match="1 files"):
        build_cache(tmp_path, read_manifest(tmp_path), tmp_path / "cache")
    with pytest.raises(ConfigError, match="no face cache"):
        open_cache(tmp_path / "cache")


def test_cache_is_made_anew_only_when_something_changed(tmp_path, monkeypatch):
    few(tmp_path)
    asked = []

    class Counting(FaceFinder):
        def find(self, image):
            asked.append(1)
            return super().find(image)

    monkeypatch.setattr(face_cache, "FaceFinder", Counting)

    def built():
        asked.clear()
        cache = build_cache(tmp_path, read_manifest(tmp_path), tmp_path / "cache")
        return len(asked), {row.file: row.identity for row in cache.rows}

    assert built()[0] == 4
    assert built()[0] == 0
    write_png(tmp_path / "real" / "p2.png", person(30))
    assert built()[0] == 4
    assert built()[0] == 0
    (tmp_path / "cache" / "decoded.txt").write_text("of the old faces", encoding="utf-8")
    write_manifest(tmp_path, [(f"real/p{i}.png", 0, f"p{i % 2}", "train") for i in range(4)])
    count, identities = built()
    assert count == 4
    assert identities["real/p3.png"] == "p1"
    assert not (tmp_path / "cache" / "decoded.txt").exists()


def test_a_cache_killed_half_way_is_no_cache(tmp_path, monkeypatch):
    few(tmp_path)
    rows = read_manifest(tmp_path)
    whole = build_cache(tmp_path, rows, tmp_path / "whole")
    real, calls = face_cache.crop_face, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    shutil.copytree(tmp_path / "whole", tmp_path / "cache")
    (tmp_path / "cache" / "fingerprint.txt").write_text("of other files\n", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(face_cache, "crop_face", dying)
        with pytest.raises(KeyboardInterrupt):
            build_cache(tmp_path, rows, tmp_path / "cache")
    with pytest.raises(ConfigError):
        open_cache(tmp_path / "cache")
    again = build_cache(tmp_path, rows, tmp_path / "cache")
    assert again.rows == whole.rows
    np.testing.assert_array_equal(again.faces, whole.faces)
    np.testing.assert_array_equal(again.meshes, whole.meshes)


def test_videos_give_several_faces_of_one_person(tmp_path, monkeypatch):
    monkeypatch.setattr(face_cache, "CACHE_VIDEO_FRAMES", 3)
    (tmp_path / "clips").mkdir()
    shutil.copy(ROOT / "examples" / "clip_real.mp4", tmp_path / "clips")
    write_manifest(tmp_path, [("clips/clip_real.mp4", 0, "she", "train")])
    cache = build_cache(tmp_path, read_manifest(tmp_path), tmp_path / "cache")
    assert [row.identity for row in cache.rows] == ["she"] * 3
    assert (cache.faces[0] != cache.faces[2]).any()


def test_split_is_by_identity_and_whole(caches):
    cache = open_cache(caches / "faces")
    sides = [cache.select(groups=GROUPS, validation_share=0.3, validation=v) for v in (False, True)]
    assert sorted(np.concatenate(sides)) == list(range(18))
    assert {cache.rows[i].identity for i in sides[1]} == HELD_OUT
    only = cache.select(groups=("real_soft",), validation_share=0.3, validation=True)
    assert {cache.rows[i].identity for i in only} == {"hal", "kim"}


def test_one_person_is_on_one_side_in_every_group():
    rows = tuple(FaceRow(f"{g}/{i}.png", 0, g, f"person {i // 2}") for g in ("a", "b") for i in range(2000))
    cache = FaceCache(rows, np.zeros(0, np.uint8), np.zeros(0, np.float32), np.zeros(0, np.float32))
    held, kept = (
        {rows[i].identity for i in cache.select(groups=("a", "b"), validation_share=0.1, validation=v)}
        for v in (True, False)
    )
    assert held.isdisjoint(kept)
    assert len(held) / 1000 == pytest.approx(0.1, abs=0.03)
