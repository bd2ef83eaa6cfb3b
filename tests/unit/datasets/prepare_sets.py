"""Tiny data sets for the tests of preparation, made from the sample pictures."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from facewitness.datasets.prepare import pool
from facewitness.datasets.records import Record
from facewitness.media.images import read_image
from facewitness.records import Label
from made_media import tone, write_samples
from unit.house.house_paths import ROOT

PORTRAIT = ROOT / "examples" / "astronaut.jpg"
SIZE = (192, 160)


def portrait(shift=0.0):
    """Head and shoulders in a small frame, the face some 60 pixels high, moved to the right by some pixels."""
    pixels = read_image(PORTRAIT).pixels
    matrix = np.array([[0.58, 0, shift - 44], [0, 0.58, 0]])
    return cv2.warpAffine(pixels, matrix, SIZE, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def write_video(path, frames, *, sound=None, fps=25):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=Fraction(fps), options={"crf": "12", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        audio = output.add_stream("aac", rate=16000) if sound is not None else None
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        output.mux(stream.encode(None))
        if audio is not None:
            write_samples(output, audio, sound)
    return path


def moving(count=6, step=2.0, start=0.0):
    return [portrait(start + step * number) for number in range(count)]


def write_picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def record(path, **more):
    kind = more.pop("kind", "video" if path.endswith((".mp4", ".mkv")) else "image")
    video_id = more.pop("video_id", path.rpartition(".")[0])
    return Record(path, video_id, more.pop("label", Label.REAL), more.pop("dataset", "made"), kind, **more)


def make_set(root: Path) -> list[Record]:
    """Two videos (one with sound), a portrait, a picture without a face, and a video cut off in its header."""
    write_video(root / "real/a.mp4", moving(), sound=tone(0.24))
    write_video(root / "fake/b.mp4", moving(start=6.0))
    write_picture(root / "real/c.png", portrait())
    write_picture(root / "real/empty.png", np.full((120, 120, 3), 90, np.uint8))
    (root / "fake/broken.mp4").write_bytes((root / "fake/b.mp4").read_bytes()[:400])
    return [
        record("real/a.mp4", split="train", sources=("a",)),
        record("fake/b.mp4", split="train", label=Label.FAKE, manipulation="swap", compression="c23"),
        record("fake/broken.mp4", split="train", label=Label.FAKE, manipulation="swap", compression="c23"),
        record("real/c.png", split="train"),
        record("real/empty.png", split="train"),
    ]


def hashes(folder: Path) -> dict[str, str]:
    """Content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def die_on_b(record: Record) -> int:
    """Stands in for a process's work: one record takes the process down."""
    if record.path.endswith("b.mp4"):
        os._exit(9)
    return pool._work(record)
