"""Forward passes only: LAA-Net B4 at 384 px in torch and OpenVINO, and the embedded network.

Run: python benchmarks/network.py [--rounds N] [--threads N] [--checkpoint FILE]

All variants are measured in turn within each round, so that a slow minute hits all of them alike. Without a
checkpoint the weights are random with batch norms fitted to the pictures: speed is the same, the deviation of
bf16 is measured on the spread of such a network's logits, and no AUC can be said.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.laa_net.config import LaaNetConfig
from facewitness.detectors.laa_net.export import export_onnx
from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.weights import load_model
from facewitness.media.images import read_image
from facewitness.runtime import InferenceSession, cpu_has_bf16, default_threads
from measure import ROOT, example_portrait, machine

_LITE = ROOT / "src" / "facewitness" / "detectors" / "laa_net" / "lite" / "laa_net_lite.onnx"
_OFFICIAL_S = 1.42
"""Seconds per image of the authors' float64 forward on one core, as measured for the issue."""
_AIM = 12

Images = NDArray[np.float32]
Variant = tuple[str, Callable[[], object], int]
"""Title, one call, images per call."""


def pictures(count: int, side: int, seed: int = 0) -> Images:
    """Random parts of the sample portrait, mirrored or brightened, normalised to -1..1."""
    portrait = read_image(example_portrait()).pixels
    rng = np.random.default_rng(seed)
    shorter = min(portrait.shape[:2])
    batch = []
    for _ in range(count):
        size = int(rng.integers(shorter // 3, shorter))
        y, x = rng.integers(0, portrait.shape[0] - size + 1), rng.integers(0, portrait.shape[1] - size + 1)
        rows = (y + np.arange(side) * size / side).astype(int)
        columns = (x + np.arange(side) * size / side).astype(int)
        part = portrait[rows][:, columns].astype(np.float32)
        part = np.clip(part * rng.uniform(0.7, 1.3) + rng.normal(0, rng.uniform(0, 12), part.shape), 0, 255)
        batch.append(part[:, ::-1] if rng.random() < 0.5 else part)
    return np.ascontiguousarray((np.stack(batch) / 127.5 - 1).transpose(0, 3, 1, 2), dtype=np.float32)


def synthetic_b4(images: Images) -> LaaNet:
    """B4 with random weights, each batch norm fitted to the pictures."""
    torch.manual_seed(0)
    model = LaaNet(replace(LaaNetConfig(), dropout=0.0, drop_connect=0.0)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(torch.from_numpy(images))
    return model.eval()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Limit torch to ``count`` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_call(model: LaaNet, images: Images, dtype: torch.dtype, threads: int) -> Callable[[], object]:
    """A forward pass in torch."""
    own = LaaNet(model.config).eval()
    own.load_state_dict(model.state_dict())
    own, x = own.to(dtype), torch.from_numpy(images).to(dtype)

    def call() -> object:
        with torch_threads(threads), torch.inference_mode():
            return own(x)

    return call


def in_turn(variants: list[Variant], rounds: int) -> dict[str, list[float]]:
    """Seconds per image of each variant, one after another within each round, after one round that does not count."""
    seconds: dict[str, list[float]] = {title: [] for title, _, _ in variants}
    for number in range(rounds + 1):
        for title, call, images in variants:
            start = time.perf_counter()
            call()
            if number:
                seconds[title].append((time.perf_counter() - start) / images)
    return seconds


def precisions() -> list[str]:
    """What OpenVINO can run here."""
    return ["f32", "bf16"] if cpu_has_bf16() else ["f32"]


def table(title: str, seconds: dict[str, list[float]], base: float, *, with_aim: bool) -> None:
    """Print milliseconds and the ratio to ``base`` seconds."""
    print(f"\n### {title}\n\n| variant | ms per image (range) | times faster than float64, one core |\n|---|---|---|")
    for name, values in seconds.items():
        middle = statistics.median(values)
        ratio = f"{base / middle:.1f}" + (f" (aim {_AIM})" if with_aim and "bf16" in name else "")
        print(f"| {name} | {middle * 1e3:.1f} ({min(values) * 1e3:.1f} to {max(values) * 1e3:.1f}) | {ratio} |")


def deviation(reference: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> str:
    """How far bf16 is from f32, in units of the spread over the pictures."""
    logit, other = reference["logit"].ravel(), found["logit"].ravel()
    heat, other_heat = reference["heatmap_logit"], found["heatmap_logit"]
    ranks, other_ranks = np.argsort(np.argsort(logit)), np.argsort(np.argsort(other))
    return (
        f"logit: mean |difference| {np.abs(logit - other).mean() / logit.std():.3f} of the spread, "
        f"rank correlation {np.corrcoef(ranks, other_ranks)[0, 1]:.4f}; "
        f"heatmap logits: mean |difference| {np.abs(heat - other_heat).mean() / heat.std():.3f} of the spread"
    )


def run_b4(rounds: int, threads: int, checkpoint: Path | None) -> float:
    """Measure B4; returns the seconds of float64 on one core."""
    side = LaaNetConfig().image_size
    model = load_model(checkpoint) if checkpoint else synthetic_b4(pictures(6, side))
    one, many = pictures(1, side, 1), pictures(8, side, 2)
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(model, Path(folder) / "b4.onnx")
        sessions = {p: InferenceSession(path, device="CPU", precision=p, threads=threads) for p in precisions()}  # type: ignore[arg-type]
    variants: list[Variant] = [
        ("torch float64, 1 thread (as the authors run it)", torch_call(model, one, torch.float64, 1), 1),
        (f"torch float32, {threads} threads", torch_call(model, one, torch.float32, threads), 1),
        (f"torch float32, {threads} threads, batch 8", torch_call(model, many, torch.float32, threads), 8),
    ]
    for precision, session in sessions.items():
        name = f"OpenVINO {precision}, {threads} threads"
        variants += [(name, lambda s=session: s.run(one), 1), (f"{name}, batch 8", lambda s=session: s.run(many), 8)]
    seconds = in_turn(variants, rounds)
    base = statistics.median(seconds[variants[0][0]])
    table(f"LAA-Net B4 at {side} px", seconds, base, with_aim=True)
    best = min(statistics.median(v) for v in seconds.values())
    print(f"\nFastest against the {_OFFICIAL_S} s of the authors' code: {_OFFICIAL_S / best:.1f} times")
    if "bf16" in sessions:
        sample = pictures(32, side, 3)
        outputs = {p: s.run(sample) for p, s in sessions.items()}
        print(f"bf16 against f32 on 32 pictures: {deviation(outputs['f32'], outputs['bf16'])}")
    return base


def run_lite(rounds: int, threads: int, base: float) -> None:
    """Measure the embedded network when it is there."""
    if not _LITE.is_file():
        print(f"\nNo embedded network at {_LITE.relative_to(ROOT)}; left out.")
        return
    from openvino import Core

    port = Core().read_model(str(_LITE)).inputs[0]
    side = port.get_partial_shape()[2].get_length()
    variants: list[Variant] = []
    for precision in precisions():
        session = InferenceSession(_LITE, device="CPU", precision=precision, threads=threads)  # type: ignore[arg-type]
        for count in (1, 8):
            batch = pictures(count, side, 4)
            variants.append((f"OpenVINO {precision}, batch {count}", lambda s=session, b=batch: s.run(b), count))
    table(f"LAA-Net-Lite at {side} px, {threads} threads", in_turn(variants, rounds * 4), base, with_aim=False)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=min(2, default_threads()))
    parser.add_argument("--checkpoint", type=Path, default=None, help="real B4 weights instead of random ones")
    arguments = parser.parse_args()
    print(f"\n{machine()}")
    base = run_b4(arguments.rounds, arguments.threads, arguments.checkpoint)
    run_lite(arguments.rounds, arguments.threads, base)


if __name__ == "__main__":
    main()
