"""Damaged, lying and hostile files: what can be read is read and the rest said; else one clear MediaError."""

import http.server
import io
import re
import struct
import threading
import time
from typing import ClassVar

import av
import numpy as np
import pytest
from PIL import Image

from facewitness.errors import MediaError
from facewitness.media.audio import read_audio
from facewitness.media.images import read_header, read_image
from facewitness.media.info import describe
from facewitness.media.kind import sniff
from facewitness.media.limits import Limits
from facewitness.media.video import probe_video, sample_frames
from made_media import cut_file, mutated, number_in, tone, write_clip, write_sound


def test_truncated_clip_gives_what_is_left(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", frames=100, options={"g": "10"}, container="mp4")
    front = tmp_path / "front.mp4"
    with av.open(str(whole)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    video = sample_frames(cut_file(front, 0.6, tmp_path / "cut.mp4"), n=8)
    assert len(video.frames) >= 6
    assert [number_in(frame.pixels) for frame in video.frames] == [frame.index for frame in video.frames]
    assert 10 < video.info.frames < 95
    assert re.search(r"ends early.*: \d\.\d of 4\.0 s", " ".join(video.warnings))
    assert video.frames[-1].time_s < video.info.duration_s


@pytest.mark.parametrize("share", [0.2, 0.4, 0.7])
def test_clip_without_its_index_is_refused(tmp_path, share):
    path = cut_file(write_clip(tmp_path / "a.mp4"), share, tmp_path / "cut.mp4")
    with pytest.raises(
        MediaError,
        match=r"cut\.mp4: (begins like MP4|its index is missing|has no moving picture).*; .*again",
    ):
        sample_frames(path)


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi", "a.mpg", "a.flv"])
def test_streamable_containers_can_end_anywhere(tmp_path, name):
    codec = {"a.mpg": "mpeg1video", "a.avi": "mpeg4"}.get(name, "libx264")
    path = cut_file(write_clip(tmp_path / name, codec=codec, frames=100), 0.5, tmp_path / f"cut-{name}")
    video = sample_frames(path, n=8)
    assert 6 <= len(video.frames) <= 8
    whole = video.frames[:-1]  # the last one's neighbours may be cut off
    assert [number_in(frame.pixels) for frame in whole] == [frame.index for frame in whole]
    if name == "a.mkv":
        assert any("ends early" in text for text in video.warnings)


@pytest.mark.parametrize("gop", [20, 200])
def test_recording_that_begins_half_way(tmp_path, gop):
    whole = write_clip(
        tmp_path / "whole.ts", frames=200, options={"g": str(gop), "bf": "2", "x264-params": "scenecut=0"}
    )
    data = whole.read_bytes()
    path = tmp_path / "half.ts"
    path.write_bytes(data[len(data) // 2 // 188 * 188 :])
    if gop == 200:  # no key frame ever comes
        with pytest.raises(MediaError, match=";"):
            sample_frames(path)
        return
    video = sample_frames(path, n=8)
    numbers = [number_in(frame.pixels) for frame in video.frames]
    assert len(numbers) >= 6
    assert (
        np.diff([number - 25 * frame.time_s for number, frame in zip(numbers, video.frames, strict=True)]) < 0.01
    ).all()
    assert video.frames[-1].time_s == pytest.approx(video.info.duration_s, abs=0.4)


@pytest.mark.parametrize("factor", [10, 0.1])
def test_header_that_lies_about_the_length(tmp_path, factor):
    path = write_clip(tmp_path / "a.mp4", frames=80)
    data = bytearray(path.read_bytes())
    for box, place in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = data.index(box) + place
        length = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = int(length * factor).to_bytes(4, "big")
    path.write_bytes(data)
    video = sample_frames(path, n=8)
    assert [frame.index for frame in video.frames] == [5, 15, 25, 35, 45, 55, 65, 75]
    assert video.info.duration_s == pytest.approx(3.2)
    assert all("header is wrong" in text for text in video.warnings)


def test_undecodable_second_half_is_sampled_again(tmp_path):
    path = write_clip(tmp_path / "a.mkv", codec="ffv1", frames=100, pixel_format="bgr0")
    with av.open(str(path)) as source:
        spans = [(p.pos, p.size) for p in source.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for position, size in spans[40:]:
        start = data.index(bytes(data[position : position + 4]), position)
        data[start + 20 : start + 20 + size // 2] = bytes(size // 2)
    path.write_bytes(data)
    video = sample_frames(path, n=10)
    readable = [frame for frame in video.frames if frame.index < 40]
    assert len(readable) >= 8
    assert [number_in(frame.pixels) for frame in readable] == [frame.index for frame in readable]
    assert any("damaged" in text or "sampled among" in text for text in video.warnings)


def test_video_without_a_frame(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        output.start_encoding()
    with pytest.raises(MediaError, match=r"a\.mkv: .*(single frame|none of its|moving picture|opened)") as error:
        sample_frames(path)
    assert ";" in str(error.value)


def test_frames_of_garbage(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=30)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat")
    size = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 : at + size - 4] = b"\xa5" * (size - 8)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"none of its .*frames can be decoded|damaged"):
        sample_frames(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"just words\n" * 50),
        ("page.mp4", b"<html><body>Not found</body></html>" * 9),
        ("zip.mp4", b"PK\x03\x04" + bytes(500)),
        ("noise.mp4", np.random.default_rng(5).bytes(5000)),
        ("zeros.mp4", bytes(5000)),
        ("subtitles.mp4", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n"),
        ("picture.mp4", b"\xff\xd8\xff" + bytes(500)),
    ],
)
def test_not_a_video(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (sample_frames, probe_video, read_audio):
        with pytest.raises(MediaError, match=";") as error:
            read(path)
        assert str(path) in str(error.value)


def test_still_picture_is_sent_to_the_other_reader(tmp_path):
    for name in ("a.png", "a.gif", "a.jpg"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
        if name != "a.gif":
            with pytest.raises(MediaError, match="as a picture"):
                sample_frames(tmp_path / name)


class _Counting(http.server.BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_):
        pass


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "concat after a gap": "\n\n  ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation id='1'><BaseURL>{target}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>",
    "session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n",
    "metadata": ";FFMETADATA1\ntitle={target}\n",
    "smil": "<smil><body><video src='{target}'/></body></smil>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("where", ["file", "relative", "http", "nested"])
def test_a_file_that_points_elsewhere_is_refused(tmp_path, monkeypatch, kind, where):
    write_clip(tmp_path / "secret.mp4")
    monkeypatch.chdir(tmp_path)
    server = http.server.HTTPServer(("127.0.0.1", 0), _Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    targets = {
        "file": f"file://{tmp_path}/secret.mp4",
        "relative": "secret.mp4",
        "http": f"http://127.0.0.1:{server.server_port}/a.mp4",
        "nested": f"concat:{tmp_path}/secret.mp4|{tmp_path}/secret.mp4",
    }
    path = tmp_path / "clip.mp4"
    path.write_text(PLAYLISTS[kind].format(target=targets[where], port=server.server_port))
    _Counting.asked.clear()
    start = time.perf_counter()
    try:
        for read in (sample_frames, probe_video, read_audio, read_image):
            with pytest.raises(MediaError):
                read(path)
        assert sniff(path) == "unknown"
    finally:
        server.shutdown()
        server.server_close()
    assert time.perf_counter() - start < 3
    assert _Counting.asked == []


def test_the_refusal_is_the_lists_not_chances(tmp_path, monkeypatch):
    """The same script is followed by an unguarded open: the test above can fail."""
    write_clip(tmp_path / "secret.mp4")
    path = tmp_path / "clip.mp4"
    path.write_text("ffconcat version 1.0\nfile secret.mp4\n")
    with av.open(str(path)) as container:
        assert container.format.name == "concat"


def test_movie_with_an_external_data_reference(tmp_path):
    """A QuickTime file may say that its data lie in another file; they must not be fetched from there."""
    path = write_clip(tmp_path / "a.mov")
    data = bytearray(path.read_bytes())
    at = data.index(b"url ", data.index(b"dref"))
    data[at + 7] = 0  # "the data are in this file" no longer holds
    data = data[: at - 4] + struct.pack(">I", 12) + bytes(data[at : at + 8]) + data[at + 8 :]
    path.write_bytes(data)
    for frame in sample_frames(path, n=3).frames:
        assert frame.pixels.shape == (96, 160, 3)


def small_files():
    """A JPEG, a PNG, a GIF, an MP4 with sound, an MKV, a TS and a WAV of a few kilobytes."""
    import pathlib
    import tempfile

    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    made = {}
    for name in ("jpeg", "png", "gif", "webp", "tiff", "bmp", "avif"):
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, format=name)
        made[name] = stream.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mp4", "mkv", "ts"):
            path = write_clip(pathlib.Path(folder) / f"a.{name}", frames=6, size=(32, 32), sound=tone(0.2))
            made[name] = path.read_bytes()
        made["wav"] = write_sound(pathlib.Path(folder) / "a.wav", tone(0.1), codec="pcm_s16le").read_bytes()
    return made


@pytest.mark.timeout(120)
def test_mutated_files_raise_media_errors_only(tmp_path, capfd):
    rng = np.random.default_rng(20240607)
    limits = Limits(max_wall_time_s=2.0)
    start, slowest, outcomes = time.perf_counter(), 0.0, {"read": 0, "refused": 0}
    messages = []
    for name, data in small_files().items():
        path = tmp_path / f"a.{name}"
        for _ in range(90):
            path.write_bytes(mutated(data, rng))
            begun = time.perf_counter()
            for read in (read_image, read_header, sample_frames, read_audio):
                try:
                    read(path, limits=limits)
                    outcomes["read"] += 1
                except MediaError as error:
                    outcomes["refused"] += 1
                    messages.append(str(error))
            describe(path, limits=limits)
            slowest = max(slowest, time.perf_counter() - begun)
    assert all(str(tmp_path) in message and ";" in message for message in messages)
    assert min(outcomes.values()) > 200
    assert slowest < 5
    assert time.perf_counter() - start < 60
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
