"""Processor seconds per face of M2F2-Det's stage 1 at full size: the authors' way against ours.

Run: python benchmarks/m2f2_det.py [--batches 1 8] [--small] [--ways official torch_f32 ...]

The authors' way is done as their forward does it, in our words: each picture through Pillow, CLIP with every block and
every hidden state, the text tower, the bridge over 2731 tokens, float32. Weights are random, the gates at their start
values. One thread, so that the numbers are processor time; a way needs 2 to 5 GB.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from facewitness.detectors.m2f2_det.config import BRIDGE_STAGES, BRIDGE_STATES, M2F2Config
from facewitness.detectors.m2f2_det.export import export_onnx
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.parts import Bridge, projection
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.networks.clip import ClipVision, PromptEncoder
from facewitness.networks.clip_sizes import CLIP_MEAN, CLIP_STD, ClipTextSize, ClipVisionSize
from facewitness.runtime import InferenceSession

Faces = NDArray[np.uint8]
WAYS = ("official", "torch_f32", "torch_bf16", "openvino_f32", "openvino_bf16")
_FACE_SIDE = 224


class OfficialWay(torch.nn.Module):
    """What the authors' forward computes, whether it is needed or not, around the weights of ``model``."""

    def __init__(self, model: M2F2Det) -> None:
        super().__init__()
        config = model.config
        self.model = model
        self.clip = ClipVision(config.vision)
        own = model.clip.state_dict() if model.clip else {}
        self.clip.load_state_dict(own, strict=False)
        self.prompts = PromptEncoder(config.text, config.prompt_tokens)
        self.text_projection = projection(config.text.width, config.hidden)
        widths = [model.cnn[stage][-1].block[-1][0].out_channels for stage in BRIDGE_STAGES]
        self.dead_bridge = Bridge(
            widths,
            config.vision.width,
            config.bridge_channels,
            tokens=config.bridge_tokens,
            width=config.bridge_width,
            heads=config.bridge_block_heads,
            mlp=config.bridge_block_mlp,
        )

    def forward(self, faces: Faces) -> torch.Tensor:
        """Logits of ``(B, H, W, 3)`` faces."""
        model, side = self.model, self.model.config.vision.image_size
        pixels = torch.cat([_by_pillow(face, side) for face in faces])
        *states, tokens, _ = self.clip(pixels, (*BRIDGE_STATES, model.config.run_depth, model.config.vision.depth))
        self.text_projection(self.prompts())
        maps, x = [], pixels
        for number, stage in enumerate(model.cnn):
            x = stage(x)
            if number in BRIDGE_STAGES:
                maps.append(x)
        self.dead_bridge(maps, states)
        token = model.clip_gate * model.clip_projection(tokens)[:, 0]
        bridge = model.text_gate * model.bridge_vector().expand(len(pixels), -1)
        fused = torch.cat([token, bridge, model.cnn_projection(x.mean(dim=(2, 3)))], dim=1)
        logits: torch.Tensor = model.head(fused)
        return logits


def _by_pillow(face: Faces, side: int) -> torch.Tensor:
    """One picture as CLIP's processor makes it."""
    picture = Image.fromarray(face)
    scale = side / min(picture.size)
    wide, tall = (int(n * scale) for n in picture.size)
    values = np.asarray(picture.resize((wide, tall), Image.Resampling.BICUBIC)).astype(np.float32) / 255
    top, left = (tall - side) // 2, (wide - side) // 2
    values = (values[top : top + side, left : left + side] - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)
    return torch.from_numpy(values.transpose(2, 0, 1).copy())[None]


def network(*, small: bool) -> M2F2Det:
    """Stage 1's network with random weights, whose logits depend on what they see."""
    config = M2F2Config()
    if small:
        config = M2F2Config(
            backbone="efficientnet_b0",
            hidden=64,
            vision=ClipVisionSize(128, 256, 16, 2),
            text=ClipTextSize(64, 96, 2, 1),
        )
    torch.manual_seed(0)
    model = M2F2Det(config)
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model.eval()


def way(name: str, model: M2F2Det, folder: Path) -> Callable[[Faces], NDArray[np.float32]]:
    """A function from faces to logits."""
    processor = M2F2Processor(model.config.vision.image_size)
    if name == "official":
        official = OfficialWay(model).eval()
        return lambda faces: official(faces).numpy()
    if name.startswith("torch"):
        dtype = torch.bfloat16 if name.endswith("bf16") else torch.float32
        model = model.to(dtype).bake()
        return lambda faces: model(processor(list(faces)).to(dtype)).logits.float().numpy()
    path = folder / "network.onnx"
    if not path.is_file():
        export_onnx(model, path)
    session = InferenceSession(path, device="CPU", precision=name.rpartition("_")[2], threads=1)  # type: ignore[arg-type]
    return lambda faces: session.run(processor(list(faces)).numpy())["logits"]


def main() -> int:
    """Measure and print one line of JSON per way and batch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a small network, to try the program")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (max(options.batches), _FACE_SIDE, _FACE_SIDE, 3), dtype=np.uint8)
    faces[::2] = faces[::2] // 2 + 60
    first: dict[int, tuple[float, NDArray[np.float32]]] = {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for name in options.ways:
            run = way(name, network(small=options.small), Path(folder))
            run(faces[:1])
            for batch in options.batches:
                seconds = []
                for _ in range(options.repeats):
                    start = time.process_time()
                    logits = run(faces[:batch])
                    seconds.append((time.process_time() - start) / batch)
                base, reference = first.setdefault(batch, (min(seconds), logits))
                row = {
                    "way": name,
                    "batch": batch,
                    "cpu_s_per_face": round(min(seconds), 3),
                    "times_faster": round(base / min(seconds), 2),
                    "largest_logit_difference": float(f"{np.abs(logits - reference).max():.2g}"),
                    "largest_score_difference": float(f"{np.abs(_fake(logits) - _fake(reference)).max():.2g}"),
                }
                sys.stdout.write(json.dumps(row) + "\n")
                sys.stdout.flush()
            del run
    return 0


def _fake(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(logits[:, 0].astype(np.float64) - logits[:, 1])))


if __name__ == "__main__":
    sys.exit(main())
