"""Sound: mono, at the wanted rate, from sound files and videos."""

import av
import numpy as np
import pytest

from facewitness.errors import ConfigError, LimitExceededError, MediaError
from facewitness.media.audio import read_audio
from facewitness.media.limits import Limits
from made_media import cut_file, tone, write_clip, write_sound


def loudest_hertz(samples, rate):
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate / len(samples))


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.flac", "flac"),
        ("a.mp3", "libmp3lame"),
        ("a.m4a", "aac"),
        ("a.ogg", "libopus"),
        ("a.aac", "aac"),
        ("a.mkv", "pcm_f32le"),
    ],
)
def test_formats(tmp_path, name, codec):
    audio = read_audio(write_sound(tmp_path / name, tone(2), codec=codec))
    assert (audio.sample_rate_hz, audio.channels) == (16000, 1)
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert audio.duration_s == pytest.approx(2, abs=0.15) == len(audio.samples) / 16000
    assert loudest_hertz(audio.samples, 16000) == pytest.approx(440, abs=1)
    assert np.abs(audio.samples[4000:-4000]).max() == pytest.approx(0.5, abs=0.03)
    assert audio.warnings == ()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_rates(tmp_path, rate):
    audio = read_audio(write_sound(tmp_path / "a.wav", tone(1), codec="pcm_s16le"), sample_rate_hz=rate)
    assert len(audio.samples) == pytest.approx(rate, abs=rate // 100)
    assert (audio.sample_rate_hz, audio.source_rate_hz) == (rate, 16000)
    assert loudest_hertz(audio.samples, rate) == pytest.approx(440, abs=2)


def test_stereo_becomes_the_mean(tmp_path):
    left, right = tone(1, level=0.8), tone(1, level=0.2)
    path = write_sound(tmp_path / "a.wav", np.stack([left, right], axis=1), codec="pcm_s16le")
    audio = read_audio(path)
    assert audio.channels == 2
    assert np.abs(audio.samples - (left + right) / 2).max() < 1e-3


def test_sound_of_a_video(tmp_path):
    path = write_clip(tmp_path / "a.mp4", sound=tone(2))
    assert read_audio(path).duration_s == pytest.approx(2, abs=0.15)
    assert loudest_hertz(read_audio(path).samples, 16000) == pytest.approx(440, abs=1)


def test_no_sound_stream(tmp_path):
    with pytest.raises(MediaError, match=r"a\.mp4: has no sound.*; give"):
        read_audio(write_clip(tmp_path / "a.mp4"))


def test_silence_is_said(tmp_path):
    audio = read_audio(write_sound(tmp_path / "a.wav", np.zeros(16000, np.float32), codec="pcm_s16le"))
    assert audio.warnings == ("the sound is silent",)


def test_truncated_sound(tmp_path):
    whole = write_sound(tmp_path / "a.mp3", tone(4), codec="libmp3lame")
    assert 1.5 < read_audio(cut_file(whole, 0.5, tmp_path / "b.mp3")).duration_s < 2.5
    empty = write_sound(tmp_path / "c.wav", tone(1), codec="pcm_s16le")
    with pytest.raises(MediaError, match=";"):
        read_audio(cut_file(empty, 0.002, tmp_path / "d.wav"))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_duration_s=1), "max_duration_s"),
        (Limits(max_bytes=50), "bytes"),
        (Limits(max_decoded_bytes=10_000), "max_decoded_bytes"),
        (Limits(max_wall_time_s=1e-7), "max_wall_time_s"),
    ],
)
def test_limits(tmp_path, limits, words):
    path = write_sound(tmp_path / "a.wav", tone(2), codec="pcm_s16le")
    with pytest.raises(LimitExceededError, match=words):
        read_audio(path, limits=limits)


@pytest.mark.parametrize("rate", [0, 999, 400_000, True])
def test_rate_out_of_range(tmp_path, rate):
    with pytest.raises(ConfigError, match="sample_rate_hz"):
        read_audio(tmp_path / "a.wav", sample_rate_hz=rate)


def test_impossible_samples_become_zero(tmp_path):
    path = tmp_path / "a.wav"
    bad = np.full(1600, np.nan, np.float32)
    bad[:100] = np.inf
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_f32le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(bad[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    assert np.isfinite(read_audio(path).samples).all()
