"""What is opened at all, what a file is found to be, and the record of it."""

import os
import socket
import time

import numpy as np
import pytest
from PIL import Image

from facewitness.errors import ConfigError, LimitExceededError, MediaError
from facewitness.media.audio import read_audio
from facewitness.media.files import open_regular
from facewitness.media.images import read_image
from facewitness.media.info import describe
from facewitness.media.kind import identify, sniff
from facewitness.media.limits import DEFAULT_LIMITS, Limits, WallClock
from facewitness.media.signatures import name_of_head, name_warning
from facewitness.media.video import probe_video, sample_frames
from facewitness.weights import sha256_of
from made_media import cut_file, tone, write_clip, write_sound

READERS = [read_image, sample_frames, probe_video, read_audio, identify]


@pytest.mark.parametrize("reader", READERS)
def test_only_regular_files_are_opened(tmp_path, reader):
    pipe, endpoint, folder = tmp_path / "pipe.jpg", tmp_path / "s.mp4", tmp_path / "folder.mp4"
    os.mkfifo(pipe)
    folder.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(endpoint))
    start = time.perf_counter()
    for path in (pipe, folder, endpoint, "/dev/zero", "/dev/null", tmp_path / "missing.jpg", "nul\0.jpg", ""):
        with pytest.raises(MediaError, match=r"; (give|check)"):
            reader(path)
    listener.close()
    assert time.perf_counter() - start < 2


def test_reasons_begin_with_the_path_and_say_one_thing(tmp_path):
    pipe, ring, text = tmp_path / "pipe.jpg", tmp_path / "ring.jpg", tmp_path / "text.jpg"
    os.mkfifo(pipe)
    ring.symlink_to(ring)
    text.write_text("just words")
    for path, reason in (
        (pipe, "this is a pipe, expected a picture, video or sound; give the path of a file"),
        (ring, "cannot be opened (Too many levels of symbolic links); check the path"),
        (text, "this is text; give a photo, video or sound file"),
    ):
        with pytest.raises(MediaError) as error:
            identify(path)
        assert str(error.value) == f"{path}: {reason}"


@pytest.mark.parametrize("reader", READERS)
def test_empty_and_dangling(tmp_path, reader):
    empty, dangling = tmp_path / "empty.mp4", tmp_path / "dangling.mp4"
    empty.touch()
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (empty, dangling):
        with pytest.raises(MediaError) as error:
            reader(path)
        assert str(path) in str(error.value)


def test_symbolic_link_to_a_file_is_followed(tmp_path):
    Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert read_image(tmp_path / "b.png").width == 9


def test_too_many_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    with pytest.raises(LimitExceededError, match="100 bytes, at most 99; "):
        open_regular(path, max_bytes=99)
    open_regular(path, max_bytes=100).close()


def test_sniff_goes_by_content(tmp_path):
    Image.new("RGB", (9, 7)).save(tmp_path / "picture.mp4", format="PNG")
    write_clip(tmp_path / "clip.mp4").rename(tmp_path / "clip.jpg")
    write_sound(tmp_path / "sound.wav", tone(0.5), codec="pcm_s16le").rename(tmp_path / "sound.jpg")
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    frames = [Image.new("RGB", (16, 16), (50 * i, 0, 0)) for i in range(4)]
    for suffix in ("gif", "png", "webp", "avif"):
        frames[0].save(tmp_path / f"moving.{suffix}", save_all=True, append_images=frames[1:], duration=100)
    frames[0].save(tmp_path / "still.gif")
    found = {path.name: sniff(path) for path in tmp_path.iterdir()}
    assert found == {
        "picture.mp4": "image",
        "clip.jpg": "video",
        "sound.jpg": "audio",
        "text.mp4": "unknown",
        "moving.gif": "video",
        "moving.png": "video",
        "moving.webp": "image",
        "moving.avif": "image",
        "still.gif": "image",
    }
    assert sniff(tmp_path) == "unknown"
    with pytest.raises(MediaError, match="text; give"):
        identify(tmp_path / "text.mp4")


def test_heads():
    assert name_of_head(b"") == ""
    assert name_of_head(b"\0\0\0\x1cftypavif\0\0\0\0mif1avif") == "AVIF"
    assert name_of_head(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif") == "AVIF"
    assert name_of_head(b"\0\0\0\x18ftypmif1\0\0\0\0heic") == "HEIC"
    assert name_of_head(b"\0\0\0\x18ftypisom\0\0\0\0mp42") == "MP4 or QuickTime"
    assert name_of_head(b"\xef\xbb\xbf#EXTM3U\n") == "a playlist"
    assert name_of_head(b"BM\x10\0\0\0\0\0\0\0\x36") == "BMP"
    assert name_of_head(b"BMW is a make of car") == "text"
    assert name_of_head(b"RIFF\0\0\0\0WAVE") == "WAV"
    assert name_warning("a.JPG", "JPEG") is None
    assert name_warning("a", "JPEG") is None
    assert ".heic" in (name_warning("a.heic", "JPEG") or "")


def test_describe(tmp_path):
    picture, clip, sound, text = (tmp_path / name for name in ("a.jpg", "b.mp4", "c.wav", "d.mp4"))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(picture, exif=exif)
    write_clip(clip, sound=tone(2))
    write_sound(sound, tone(1), codec="pcm_s16le")
    text.write_text("x" * 50)
    image = describe(picture)
    assert (image.kind, image.format, image.width, image.height) == ("image", "JPEG", 30, 40)
    assert (image.path, image.sha256, image.size_bytes) == (str(picture), sha256_of(picture), picture.stat().st_size)
    assert describe(picture, decoded=read_image(picture)) == image
    video = describe(clip)
    assert (video.kind, video.width, video.height, video.has_audio) == ("video", 160, 96, True)
    assert (video.fps, video.duration_s) == (pytest.approx(25), pytest.approx(2))
    assert describe(clip, decoded=probe_video(clip)) == video
    assert (describe(sound).kind, describe(sound).has_audio) == ("unknown", True)
    assert describe(sound).duration_s == pytest.approx(1, abs=0.1)
    assert (describe(text).kind, describe(text).size_bytes, len(describe(text).sha256)) == ("unknown", 50, 64)


def test_describe_never_raises(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    cut_file(write_clip(tmp_path / "a.mp4"), 0.5, tmp_path / "b.mp4")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing", "/dev/zero", "\0", tmp_path / "b.mp4"):
        assert describe(path).kind == "unknown"
    big = describe(tmp_path / "a.mp4", limits=Limits(max_bytes=10))
    assert (big.kind, big.sha256, big.size_bytes) == ("unknown", "", (tmp_path / "a.mp4").stat().st_size)


@pytest.mark.parametrize("value", [0, -1, True, "4", None, float("nan")])
def test_limits_refuse_nonsense(value):
    with pytest.raises(ConfigError, match="max_side"):
        Limits(max_side=value)


def test_default_limits_are_sane():
    assert Limits() == DEFAULT_LIMITS
    DEFAULT_LIMITS.check_size("a", 11_000, 8_700)
    DEFAULT_LIMITS.check_size("a", 7680, 4320, is_video=True)
    with pytest.raises(LimitExceededError, match="max_frame_pixels"):
        DEFAULT_LIMITS.check_size("a", 11_000, 8_700, is_video=True)


def test_wall_clock_does_not_count_pauses():
    clock = WallClock("a", Limits(max_wall_time_s=0.05))
    clock.pause()
    time.sleep(0.08)
    clock.resume()
    clock.check()
    time.sleep(0.08)
    with pytest.raises(LimitExceededError, match=r"longer than 0\.05 s; "):
        clock.check()


def test_pixels_survive_the_round_trip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_image(str(tmp_path / "a.png")).pixels == pixels).all()
