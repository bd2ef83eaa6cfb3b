"""Synthetic people: seen by the face finder, the same every time, with true masks."""

from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
import pytest

from facewitness.datasets.demo_faces import draw_face
from facewitness.datasets.demo_files import SAMPLE_RATE_HZ, voice
from facewitness.datasets.demo_media import FAKES, DemoMaker, EmptyMaker
from facewitness.datasets.demo_people import DemoFace, DemoScene, rng_of
from facewitness.errors import ConfigError
from facewitness.faces.finder import FaceFinder
from facewitness.media.audio import read_audio
from facewitness.media.images import read_image
from facewitness.media.video import probe_video, sample_frames


@pytest.fixture(scope="module")
def maker():
    return DemoMaker(side_px=256, frames=6)


@pytest.fixture(scope="module")
def finder():
    return FaceFinder(threads=1)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frames_of(path, n=6):
    return [frame.pixels for frame in sample_frames(path, n=n).frames]


def test_drawn_people_are_found(finder):
    for i in range(12):
        rng = rng_of("people", i)
        face, scene = DemoFace.draw(rng), DemoScene.draw(rng)
        found = finder.find(draw_face(face, scene, 256, mouth=i % 3 / 2, lids=float(i % 4 == 3)))
        assert len(found) == 1, i
        assert found[0].presence > 0.95
        eyes = found[0].landmarks5[:2].mean(axis=0) / 256
        assert np.abs(eyes - scene.centre).max() < 0.03


@pytest.mark.parametrize("fake", ["", *FAKES])
def test_faces_of_videos_are_found_in_every_frame(tmp_path, maker, finder, fake):
    maker.video(tmp_path / "a.mp4", "ada", fake=fake, donor="bob" if fake == "swap" else "")
    frames = frames_of(tmp_path / "a.mp4")
    assert len(frames) == 6
    assert all(len(finder.find(frame)) == 1 for frame in frames)


def test_seed_person_take_and_method_decide_everything(tmp_path, maker):
    def made(name, who, **how):
        maker.picture(tmp_path / f"{name}.png", who, **how)
        return digest(tmp_path / f"{name}.png")

    first = made("a", "ada")
    DemoMaker(side_px=256, frames=6).picture(tmp_path / "again.png", "ada")
    assert digest(tmp_path / "again.png") == first
    DemoMaker(seed=1, side_px=256, frames=6).picture(tmp_path / "seed.png", "ada")
    fakes = [made(fake, "ada", fake=fake) for fake in FAKES]
    others = [made("b", "bob"), made("t", "ada", take="two"), made("d", "ada", fake="swap", donor="bob")]
    assert len({first, digest(tmp_path / "seed.png"), *fakes, *others}) == 2 + len(fakes) + len(others)
    for i in range(2):
        DemoMaker(side_px=128, frames=4).video(tmp_path / f"{i}.mp4", "ada", sound="speech")
    assert digest(tmp_path / "0.mp4") == digest(tmp_path / "1.mp4")


@pytest.mark.parametrize("fake", ["swap", "blend", "local"])
def test_masks_show_what_was_changed(tmp_path, maker, fake):
    maker.picture(tmp_path / "real.png", "cleo")
    maker.picture(tmp_path / "fake.png", "cleo", fake=fake)
    maker.mask_picture(tmp_path / "mask.png", "cleo", fake=fake)
    real, forged, mask = (read_image(tmp_path / f"{n}.png").pixels.astype(int) for n in ("real", "fake", "mask"))
    changed = np.abs(cv2.GaussianBlur((forged - real).astype(np.float32), (0, 0), 3)).max(axis=2)
    inside = mask[..., 0] > 128
    outside = cv2.dilate((mask[..., 0] > 0).astype(np.uint8), np.ones((25, 25))) == 0
    assert 0.002 < inside.mean() < 0.3
    assert changed[inside].mean() > 3 * changed[outside].mean()
    assert np.abs(forged - real)[outside].max() == 0


def test_masks_of_videos_and_frames_belong_to_their_frames(tmp_path, maker):
    names = ["0000.png", "0001.png"]
    maker.frames(tmp_path / "f", "dan", names=names, fake="swap")
    maker.mask_frames(tmp_path / "m", "dan", names=names, fake="swap")
    maker.mask_video(tmp_path / "m.mp4", "dan", fake="swap")
    assert sorted(p.name for p in (tmp_path / "f").iterdir()) == names
    mask = read_image(tmp_path / "m" / "0001.png").pixels
    assert np.abs(frames_of(tmp_path / "m.mp4")[1].astype(int) - mask).mean() < 2


def test_people_move_and_talk(tmp_path, maker):
    maker.video(tmp_path / "a.mp4", "eve", sound="speech")
    assert probe_video(tmp_path / "a.mp4").has_audio
    frames = frames_of(tmp_path / "a.mp4")
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1
    maker.video(tmp_path / "b.avi", "eve", sound="other")
    maker.video(tmp_path / "c.mp4", "eve", sound="silent")
    loud = {name: np.abs(read_audio(tmp_path / name).samples).max() for name in ("a.mp4", "b.avi", "c.mp4")}
    assert loud["a.mp4"] > 0.1
    assert loud["b.avi"] > 0.1
    assert loud["c.mp4"] < 1e-3


def test_voice_follows_the_mouth_and_the_person():
    mouth = np.array([0, 0, 1, 1], np.float32)
    sound = voice("ada", mouth, 1.0)
    assert sound.shape == (SAMPLE_RATE_HZ,)
    assert np.abs(sound[:4000]).max() < 0.05 < np.abs(sound[12000:]).max()
    spectra = [np.abs(np.fft.rfft(voice(who, np.ones(4, np.float32), 1.0))) for who in ("ada", "bob")]
    pitches = [int(np.argmax(s[80:260])) + 80 for s in spectra]
    assert abs(pitches[0] - pitches[1]) > 3


def test_stronger_compression_makes_smaller_files(tmp_path, maker):
    for suffix in ("mp4", "avi"):
        for crf in (4, 50):
            maker.video(tmp_path / f"{crf}.{suffix}", "fay", crf=crf)
        assert (tmp_path / f"50.{suffix}").stat().st_size < 0.7 * (tmp_path / f"4.{suffix}").stat().st_size


def test_wrong_settings_are_named(tmp_path, maker):
    with pytest.raises(ConfigError, match="side_px >= 64"):
        DemoMaker(side_px=63)
    with pytest.raises(ConfigError, match="'magic'"):
        maker.picture(tmp_path / "a.png", "ada", fake="magic")


def test_empty_maker_writes_the_same_names(tmp_path):
    names = []
    for i, any_maker in enumerate((DemoMaker(side_px=64, frames=2), EmptyMaker())):
        root = tmp_path / str(i)
        any_maker.picture(root / "a.png", "x")
        any_maker.video(root / "v" / "a.mp4", "x", fake="local", sound="speech")
        any_maker.frames(root / "f", "x", names=["001"])
        any_maker.mask_picture(root / "m.png", "x", fake="local")
        any_maker.mask_video(root / "m.mp4", "x", fake="local")
        any_maker.mask_frames(root / "mf", "x", names=["1.png"], fake="local")
        any_maker.sound(root / "s.wav", "x")
        any_maker.json(root / "j.json", {"a": [1]})
        names.append(sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()))
        assert json.loads((root / "j.json").read_text(encoding="utf-8")) == {"a": [1]}
    assert names[0] == names[1]
    assert len(names[0]) == 8
