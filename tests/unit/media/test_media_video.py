"""Video frames carry their number in their pixels: index and time are checked against what the decoder really saw."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from facewitness.errors import ConfigError, LimitExceededError, MediaError
from facewitness.media import frame_stream as stream_module
from facewitness.media.limits import Limits
from facewitness.media.video import iter_frames, probe_video, sample_frames
from made_media import number_in, numbered_frame, tone, write_clip, write_sound

KINDS = {
    "a.mp4": {"codec": "libx264"},
    "b-frames.mov": {"codec": "libx264", "options": {"bf": "3", "g": "12"}},
    "lossless.mkv": {"codec": "ffv1"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "10"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none", "preset": "ultrafast"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "svtav1-params": "lp=1"}},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "camera.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "h264.avi": {"codec": "libx264", "options": {"bf": "2"}},
    "mpeg1.mpg": {"codec": "mpeg1video", "options": {"bf": "2"}},
    "dvd.mpg": {"codec": "mpeg2video", "container": "mpeg", "options": {"bf": "1"}},
    "air.ts": {"codec": "libx264", "options": {"bf": "2", "g": "25"}},
    "flash.flv": {"codec": "libx264"},
    "media.wmv": {"codec": "wmv2"},
    "raw.h264": {"codec": "libx264", "options": {"bf": "0"}},
    "moving.gif": {"codec": "gif", "pixel_format": "rgb8"},
    "moving.apng": {"codec": "apng", "pixel_format": "rgb24", "container": "apng"},
    "deep.mp4": {"codec": "libx264", "pixel_format": "yuv420p10le"},
    "full.mp4": {"codec": "libx264", "pixel_format": "yuv444p"},
    "rgb.mkv": {"codec": "ffv1", "pixel_format": "bgr0"},
}


@pytest.mark.parametrize("name", KINDS)
def test_containers_and_codecs(tmp_path, name):
    path = write_clip(tmp_path / name, **KINDS[name])
    video = sample_frames(path, n=10)
    assert [frame.index for frame in video.frames] == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47]
    assert [number_in(frame.pixels) for frame in video.frames] == [frame.index for frame in video.frames]
    assert [frame.time_s for frame in video.frames] == pytest.approx([f.index / 25 for f in video.frames], abs=0.011)
    assert (video.info.frames, video.info.width, video.info.height) == (50, 160, 96)
    assert video.info.fps == pytest.approx(25, rel=0.03)
    assert video.info.duration_s == pytest.approx(2, rel=0.03)
    assert video.warnings == ()
    assert all(frame.pixels.shape == (96, 160, 3) and frame.pixels.dtype == np.uint8 for frame in video.frames)


def test_every_frame_in_order_and_again(tmp_path):
    stream = iter_frames(write_clip(tmp_path / "a.mp4", options={"bf": "3"}))
    for _ in range(2):
        frames = list(stream)
        assert [frame.index for frame in frames] == list(range(50)) == [number_in(f.pixels) for f in frames]
    assert len(stream) == 50


def test_rate(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=100)
    assert [frame.index for frame in sample_frames(path, fps=1).frames] == [12, 37, 62, 87]
    assert len(sample_frames(path, fps=1000).frames) == 100


def test_short_video_gives_all_its_frames(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=3)
    assert [number_in(frame.pixels) for frame in sample_frames(path).frames] == [0, 1, 2]


def test_only_wanted_frames_are_converted(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mp4", frames=120)
    converted = []
    real = stream_module.frame_pixels
    monkeypatch.setattr(stream_module, "frame_pixels", lambda frame: (converted.append(frame.pts), real(frame))[1])
    assert len(sample_frames(path, n=6).frames) == len(converted) == 6


def test_stopping_early_closes_the_file(tmp_path):
    stream = iter(iter_frames(write_clip(tmp_path / "a.mp4"), n=10))
    assert number_in(next(stream).pixels) == 2
    stream.close()
    (tmp_path / "a.mp4").unlink()


@pytest.mark.parametrize("size", [(161, 97), (33, 2), (2, 33), (1, 1), (95, 160)])
def test_odd_sizes(tmp_path, size):
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", size=size, pixel_format="bgr0", frames=4)
    frames = sample_frames(path).frames
    assert all((frame.pixels == numbered_frame(frame.index, *size)).all() for frame in frames)
    assert frames[0].pixels.shape == (size[1], size[0], 3)


LONG = {
    "closed.mp4": {"options": {"g": "30", "bf": "3", "x264-params": "threads=1"}},
    "open.mp4": {"options": {"g": "30", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal:threads=1"}},
    "open.ts": {"options": {"g": "30", "bf": "3", "x264-params": "open-gop=1:threads=1"}},
    "refresh.mkv": {"options": {"g": "30", "x264-params": "intra-refresh=1:threads=1"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "log-level=none:keyint=30:bframes=4", "preset": "fast"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8", "g": "30"}},
    "vp9-hidden.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "g": "30", "auto-alt-ref": "1"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12", "g": "30", "crf": "10", "svtav1-params": "lp=1"}},
    "old.mkv": {"codec": "mpeg4", "options": {"g": "30", "bf": "2"}},
}


@pytest.mark.parametrize("name", LONG)
def test_long_videos_are_skipped_through_exactly(tmp_path, name):
    path = write_clip(tmp_path / name, frames=600, size=(160, 32), **LONG[name])
    every = list(iter_frames(path))
    stream = iter_frames(path, n=6)
    found = list(stream)
    assert [frame.index for frame in found] == [50, 150, 250, 350, 450, 550]
    for frame in found:
        assert number_in(frame.pixels) == frame.index or name == "av1.mp4"  # too coarse to keep every bit
        assert frame.time_s == every[frame.index].time_s
        assert (frame.pixels == every[frame.index].pixels).all()
    assert stream.warnings == ()
    decoded = stream.tally.decoded
    assert decoded <= 600 if name in {"refresh.mkv", "old.mkv"} else decoded < 200
    assert len(every) == 600


def test_frame_missed_while_skipping_is_found_by_decoding_all(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=600, size=(160, 32), options={"g": "30", "bf": "0"})
    data = path.read_bytes()
    # Call two frames key frames that are none: starting there gives nothing whole.
    at = data.index(b"stss") + 12
    count = int.from_bytes(data[at - 4 : at], "big")
    keys = [int.from_bytes(data[at + 4 * i : at + 4 * i + 4], "big") for i in range(count)]
    keys[1:] = [key - 7 for key in keys[1:]]
    path.write_bytes(data[:at] + b"".join(key.to_bytes(4, "big") for key in keys) + data[at + 4 * count :])
    video = sample_frames(path, n=6)
    assert (
        [f.index for f in video.frames] == [50, 150, 250, 350, 450, 550] == [number_in(f.pixels) for f in video.frames]
    )


@pytest.mark.parametrize(("rotation", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3), (270, 3)])
@pytest.mark.parametrize("flip", [False, True])
def test_rotation_metadata_gives_upright_frames(tmp_path, rotation, turns, flip):
    path = write_clip(tmp_path / "a.mp4", frames=6, rotation=rotation, flip=flip)
    plain = sample_frames(write_clip(tmp_path / "b.mp4", frames=6)).frames[5].pixels
    video = sample_frames(path)
    found = video.frames[5].pixels
    assert (video.info.width, video.info.height) == found.shape[1::-1]
    candidates = {"no flip": np.rot90(plain, turns), "flip": np.rot90(plain[:, ::-1], turns)}
    candidates["flip after"] = np.rot90(plain, turns)[:, ::-1]
    same = {name for name, wanted in candidates.items() if wanted.shape == found.shape and (wanted == found).all()}
    assert ("no flip" in same) if not flip else same & {"flip", "flip after"}
    if not flip:
        assert video.info.rotation_deg == (-rotation) % 360


def test_variable_frame_rate_is_sampled_over_time(tmp_path):
    # 20 frames in the first 0.2 s of a 100 Hz clock, then one frame per second until 10 s.
    times = [*range(20), *range(100, 1000, 100)]
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", frames=len(times), fps=100, times=times)
    video = sample_frames(path, n=5)
    assert [number_in(frame.pixels) for frame in video.frames] == [19, 21, 23, 25, 27]
    assert [frame.time_s for frame in video.frames] == pytest.approx([0.19, 2, 4, 6, 8], abs=0.002)


def test_start_time_is_taken_off(tmp_path):
    times = [500 + i for i in range(50)]
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", times=times)
    video = sample_frames(path, n=5)
    assert video.frames[0].time_s == pytest.approx(5 / 25, abs=0.001)
    assert video.info.start_s == pytest.approx(20, abs=0.01)
    assert video.info.duration_s == pytest.approx(2, abs=0.05)


def test_sound_is_noticed_and_no_hindrance(tmp_path):
    assert not probe_video(write_clip(tmp_path / "a.mp4")).has_audio
    path = write_clip(tmp_path / "b.mp4", sound=tone(5))
    assert probe_video(path).has_audio
    assert sample_frames(path, n=5).warnings == ()


def test_sound_alone_has_no_picture(tmp_path):
    path = write_sound(tmp_path / "a.m4a", tone(1), codec="aac")
    with pytest.raises(MediaError, match=r"a\.m4a: has sound but no moving picture; .*read_audio"):
        sample_frames(path)


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        audio = output.add_stream("aac", rate=16000)
        cover = output.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered_frame(3, 64, 48))
        picture.pts = 0
        output.mux([*cover.encode(picture), *cover.encode(None)])
        frame = av.AudioFrame.from_ndarray(tone(1)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        output.mux([*audio.encode(frame), *audio.encode(None)])
    with pytest.raises(MediaError, match="cover art"):
        probe_video(path)


def test_oddities_are_said(tmp_path):
    stretched = write_clip(tmp_path / "a.mp4", sample_aspect=Fraction(16, 11))
    assert any("16:11" in text for text in probe_video(stretched).warnings)
    woven = write_clip(tmp_path / "b.mp4", options={"x264-params": "tff=1"})
    assert any("interlaced" in text for text in probe_video(woven).warnings)


def test_transparent_frames_are_laid_on_white(tmp_path):
    frames = [Image.new("RGBA", (32, 32), (200, 0, 0, 0 if i else 255)) for i in range(3)]
    path = tmp_path / "a.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=1)
    found = sample_frames(path).frames
    assert tuple(found[0].pixels[0, 0]) == (200, 0, 0)
    assert tuple(found[-1].pixels[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize("tagged", [False, True])
def test_colours(tmp_path, tagged):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), (200, 80, 30), np.uint8), "rgb24")
        if tagged:
            stream.codec_context.colorspace = 1
            picture = picture.reformat(format="yuv444p", dst_colorspace="ITU709")
        picture.pts = 0
        output.mux([*stream.encode(picture), *stream.encode(None)])
    assert np.abs(sample_frames(path).frames[0].pixels.astype(int) - (200, 80, 30)).max() <= 3


def test_memory_is_bounded_by_taking_fewer_frames(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=60)
    frame_bytes = 160 * 96 * 3
    video = sample_frames(path, n=30, limits=Limits(max_decoded_bytes=6 * frame_bytes + 5))
    assert [frame.index for frame in video.frames] == [5, 15, 25, 35, 45, 55]
    assert "6 instead of 30 frames" in video.warnings[-1]
    with pytest.raises(LimitExceededError, match="max_decoded_bytes"):
        sample_frames(path, limits=Limits(max_decoded_bytes=frame_bytes - 1))
    assert len(list(iter_frames(path, n=30, limits=Limits(max_decoded_bytes=frame_bytes)))) == 30


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_frames=49), "more than 49 frames"),
        (Limits(max_duration_s=1.9), r"2 s long, at most 2 s|max_duration_s"),
        (Limits(max_side=159), "max_side"),
        (Limits(max_frame_pixels=1000), "max_frame_pixels|admitted|opened"),
        (Limits(max_bytes=100), "bytes"),
        (Limits(max_wall_time_s=1e-6), "max_wall_time_s"),
    ],
)
def test_limits(tmp_path, limits, words):
    path = write_clip(tmp_path / "a.mp4")
    for read in (probe_video, sample_frames):
        with pytest.raises(LimitExceededError, match=words) as error:
            read(path, limits=limits)
        assert str(path) in str(error.value)
        assert ";" in str(error.value)


def test_size_that_grows_half_way_is_refused(tmp_path):
    parts = [write_clip(tmp_path / f"{i}.h264", size=size) for i, size in enumerate([(160, 96), (640, 480)])]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    video = sample_frames(path, n=10)
    assert {frame.pixels.shape for frame in video.frames} == {(96, 160, 3), (480, 640, 3)}
    assert any("size changes" in text for text in video.warnings)
    small = sample_frames(path, n=10, limits=Limits(max_frame_pixels=200 * 100))
    assert {frame.pixels.shape for frame in small.frames} == {(96, 160, 3)}
    assert any("could not be decoded" in text for text in small.warnings)


def test_callers_time_is_not_counted(tmp_path):
    import time

    stream = iter_frames(write_clip(tmp_path / "a.mp4"), n=4, limits=Limits(max_wall_time_s=0.4))
    for _ in stream:
        time.sleep(0.15)


@pytest.mark.parametrize("request_", [{"n": 0}, {"fps": 0}, {"n": None, "fps": -1.0}])
def test_senseless_requests(tmp_path, request_):
    with pytest.raises(ConfigError):
        sample_frames(write_clip(tmp_path / "a.mp4"), **request_)
