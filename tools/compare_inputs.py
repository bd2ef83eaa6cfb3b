"""How LAA-Net-Lite does on held-out faces with other input sizes, crops and views: the table its input is chosen by.

Run: python tools/compare_inputs.py RUN CACHE     (the folders that `facewitness train laa_net` used)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from facewitness.config import from_mapping
from facewitness.detectors.laa_net.lite.config import LiteRecipe
from facewitness.detectors.laa_net.lite.processor import LiteProcessor
from facewitness.training.lite_release import compare_inputs
from facewitness.training.pair_data import FaceStore

PROCESSORS = (
    LiteProcessor(image_size=160, mirror=True),
    LiteProcessor(image_size=192),
    LiteProcessor(image_size=192, mirror=True),
    LiteProcessor(image_size=192, margin_ratio=1.4, views=(1.0, 0.85), mirror=True),
    LiteProcessor(image_size=224, mirror=True),
)
_KINDS, _STRENGTHS = ("own", "synthetic", "swap"), ("q90", "c23", "c40")


def main() -> int:
    """Print one row per way of looking."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("cache", type=Path)
    arguments = parser.parse_args()
    values = json.loads((arguments.run / "recipe.json").read_text(encoding="utf-8"))
    recipe = from_mapping(LiteRecipe, values, where="recipe.json")
    store = FaceStore([arguments.cache / name for name in recipe.data.folders], recipe)
    columns = [f"{kind} {strength}" for kind in _KINDS for strength in _STRENGTHS]
    print("| px | crop | views | mirrored | score | " + " | ".join(columns) + " |")
    print("|" + "---|" * (5 + len(columns)))
    with tempfile.TemporaryDirectory() as folder:
        for found in compare_inputs(arguments.run / "best.safetensors", store, PROCESSORS, Path(folder)):
            p, metrics = found.processor, found.metrics
            cells = [f"{metrics[f'auc_{kind}_{strength}']:.3f}" for kind in _KINDS for strength in _STRENGTHS]
            views = ", ".join(f"{view:g}" for view in p.views)
            row = [f"{p.image_size}", f"{p.margin_ratio:g}", views, "yes" if p.mirror else "no"]
            print("| " + " | ".join([*row, f"{metrics['score']:.3f}", *cells]) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
