"""Rebuild the sample media in ``examples/`` from the NASA portrait that scikit-image carries.

``python tools/make_examples.py`` writes them; ``--check`` rebuilds them in memory or a temporary folder and compares:
pictures byte for byte (or, with other library versions, pixel by pixel within a small tolerance), clips frame by frame.
Needs scikit-image, which holds the portrait, beside the core installation.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray
from PIL import Image

from facewitness.faces.finder import FaceFinder
from facewitness.media.audio import read_audio
from facewitness.media.images import read_image
from facewitness.media.video import iter_frames
from facewitness.pseudofakes.self_blended import SelfBlendConfig, self_blend

Picture = NDArray[np.uint8]

# The forgery: change these to make it more or less visible.
FORGERY_SEED = 8
FORGERY = SelfBlendConfig(flip_probability=0.0, margin=(0, 0), source_probability=1.0, ratios=(1.0,))
FORGERY_MARGIN_RATIO = 1.6
"""Side of the square around the face that is handed to `self_blend`, in units of the face's longer side."""

# The clips.
CLIP_SIZE = (640, 480)
CLIP_FPS = 25
CLIP_SECONDS = 4.0
CLIP_CRF = 21
FORGED_FROM_S = 2.0
NOISE_LEVELS = 1.2
NOISE_SEED = 11
SOUND_RATE_HZ = 32_000

PIXEL_TOLERANCE, CLIP_TOLERANCE = 2.0, 1.5
"""Largest mean difference in grey levels that ``--check`` puts down to other library versions."""


@dataclass(frozen=True)
class Portrait:
    """The portrait, its forgery, and where the forgery is: ``(H, W, 3)`` uint8 RGB twice and ``(H, W)`` in [0, 1]."""

    real: Picture
    forged: Picture
    mask: NDArray[np.float32]


def load_portrait() -> Portrait:
    """Take the portrait and self-blend its face."""
    real = np.ascontiguousarray(importlib.import_module("skimage.data").astronaut(), dtype=np.uint8)
    faces = FaceFinder().find(real)
    if len(faces) != 1:
        msg = f"expected one face in the portrait, found {len(faces)}"
        raise SystemExit(msg)
    return forge(real, faces[0].box, faces[0].landmarks81)


def forge(real: Picture, box: NDArray[np.float32], landmarks: NDArray[np.float32]) -> Portrait:
    """Self-blend the face inside a square cut from the portrait, at the portrait's own resolution."""
    side = round(FORGERY_MARGIN_RATIO * float(max(box[2] - box[0], box[3] - box[1])))
    x, y = (max(round(float(low + high - side) / 2), 0) for low, high in zip(box[:2], box[2:], strict=True))
    square = np.ascontiguousarray(real[y : y + side, x : x + side])
    blend = self_blend(square, landmarks - np.array([x, y], np.float32), np.random.default_rng(FORGERY_SEED), FORGERY)
    forged, mask = real.copy(), np.zeros(real.shape[:2], np.float32)
    forged[y : y + side, x : x + side] = blend.fake
    mask[y : y + side, x : x + side] = blend.mask
    return Portrait(real, forged, mask)


def camera(frame: int) -> NDArray[np.float64]:
    """The slow hand-held camera: ``(2, 3)`` affine map from portrait to clip pixels at one frame."""
    time_s = frame / CLIP_FPS
    scale = 1.42 + 0.05 * np.sin(2 * np.pi * time_s / 5.0)
    angle = np.deg2rad(0.8 * np.sin(2 * np.pi * time_s / 3.1))
    centre = np.array([248.0 + 8.0 * np.sin(2 * np.pi * time_s / 3.7), 187.0 + 5.0 * np.cos(2 * np.pi * time_s / 2.9)])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([turn, (np.array(CLIP_SIZE) / 2 - turn @ centre)[:, None]])


def clip_frame(picture: Picture, frame: int) -> Picture:
    """One frame of a clip: the portrait seen by the camera, with a breath of light and sensor noise."""
    seen = cv2.warpAffine(picture, camera(frame), CLIP_SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    light = 1.0 + 0.03 * np.sin(2 * np.pi * frame / CLIP_FPS / 2.3)
    noise = np.random.default_rng([NOISE_SEED, frame]).normal(0.0, NOISE_LEVELS, (*CLIP_SIZE[::-1], 1))
    return np.asarray(np.clip(np.rint(seen * light + noise), 0, 255), dtype=np.uint8)


def voice() -> NDArray[np.float32]:
    """A voice-like sound, made of nothing but sines: a gliding pitch, two formants, syllables. ``(n,)`` mono."""
    time_s = np.arange(round(CLIP_SECONDS * SOUND_RATE_HZ)) / SOUND_RATE_HZ
    pitch = 190.0 + 25.0 * np.sin(2 * np.pi * 0.6 * time_s) + 8.0 * np.sin(2 * np.pi * 2.3 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / SOUND_RATE_HZ
    first = 550.0 + 200.0 * np.sin(2 * np.pi * 1.1 * time_s)
    second = 1500.0 + 500.0 * np.sin(2 * np.pi * 0.7 * time_s + 1.0)
    sound = np.zeros_like(time_s)
    for harmonic in range(1, 24):
        hertz = harmonic * pitch
        formants = np.exp(-(((hertz - first) / 160) ** 2)) + 0.5 * np.exp(-(((hertz - second) / 220) ** 2))
        sound += (formants + 0.02) / np.sqrt(harmonic) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * time_s) + 0.6, 0.0, None) ** 0.7
    sound *= syllables * np.clip(np.minimum(time_s, CLIP_SECONDS - time_s) * 20, 0.0, 1.0)
    return np.asarray(0.35 * sound / np.abs(sound).max(), dtype=np.float32)


def write_clip(path: Path, picture_at: Callable[[int], Picture]) -> None:
    """Write a clip: H.264 on one thread, so that the same libraries give the same bytes, and AAC."""
    options = {"movflags": "faststart", "fflags": "bitexact"}
    with av.open(str(path), "w", container_options=options) as output:
        picture = output.add_stream("libx264", rate=CLIP_FPS, options={"crf": str(CLIP_CRF), "preset": "slow"})
        picture.width, picture.height, picture.pix_fmt = *CLIP_SIZE, "yuv420p"
        picture.codec_context.thread_count = 1
        sound = output.add_stream("aac", rate=SOUND_RATE_HZ, layout="mono")
        sound.bit_rate = 48_000
        for index in range(round(CLIP_SECONDS * CLIP_FPS)):
            frame = av.VideoFrame.from_ndarray(clip_frame(picture_at(index), index), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, CLIP_FPS)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(voice()[None], format="fltp", layout="mono")
        samples.sample_rate, samples.pts = SOUND_RATE_HZ, 0
        resampler = AudioResampler("fltp", "mono", SOUND_RATE_HZ, frame_size=sound.codec_context.frame_size)
        for piece in [*resampler.resample(samples), *resampler.resample(None)]:
            output.mux(sound.encode(piece))
        output.mux(sound.encode(None))


def write_picture(path: Path, picture: Picture) -> None:
    """Write a JPEG at quality 95 with full colour resolution."""
    Image.fromarray(picture).save(path, quality=95, subsampling=0, optimize=True)


def build(folder: Path) -> None:
    """Write all sample media into a folder."""
    portrait = load_portrait()
    write_picture(folder / "astronaut.jpg", portrait.real)
    write_picture(folder / "self_blended.jpg", portrait.forged)
    levels = np.rint(portrait.mask * 255).astype(np.uint8)
    Image.fromarray(levels).save(folder / "self_blended_mask.png", optimize=True)
    first_forged = round(FORGED_FROM_S * CLIP_FPS)
    write_clip(folder / "clip_real.mp4", lambda _: portrait.real)
    write_clip(folder / "clip_forged.mp4", lambda index: portrait.forged if index >= first_forged else portrait.real)


def difference(built: Path, kept: Path) -> str:
    """Say how a kept file differs from the one just built; empty when it does not."""
    if not kept.is_file():
        return "missing"
    if built.read_bytes() == kept.read_bytes():
        return ""
    if built.suffix != ".mp4":
        return _pixel_difference(read_image(built).pixels, read_image(kept).pixels, PIXEL_TOLERANCE)
    for one, other in zip(iter_frames(built), iter_frames(kept), strict=True):
        if found := _pixel_difference(one.pixels, other.pixels, CLIP_TOLERANCE):
            return f"frame {one.index}: {found}"
    sounds = [read_audio(path).samples for path in (built, kept)]
    length = min(len(sound) for sound in sounds)
    apart = float(np.abs(sounds[0][:length] - sounds[1][:length]).mean())
    return f"sound differs by {apart:.4f}" if apart > 0.01 else ""


def _pixel_difference(one: Picture, other: Picture, tolerance: float) -> str:
    if one.shape != other.shape:
        return f"size {other.shape}, expected {one.shape}"
    apart = float(np.abs(one.astype(np.float32) - other).mean())
    return f"pixels differ by {apart:.2f} grey levels" if apart > tolerance else ""


def main() -> int:
    """Build or check; 0 when all is well."""
    parser = argparse.ArgumentParser(description="rebuild the sample media in examples/")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "examples")
    parser.add_argument("--check", action="store_true", help="compare with what is there instead of writing")
    arguments = parser.parse_args()
    if not arguments.check:
        arguments.output.mkdir(parents=True, exist_ok=True)
        build(arguments.output)
        return 0
    with tempfile.TemporaryDirectory() as name:
        build(Path(name))
        found = {path.name: difference(path, arguments.output / path.name) for path in sorted(Path(name).iterdir())}
    for file, what in found.items():
        print(f"{file}: {what or 'as built'}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
