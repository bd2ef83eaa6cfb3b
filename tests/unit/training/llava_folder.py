"""A model with its detector on the disk, and conversations about pictures whose answer the pictures decide."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.detectors.m2f2_det.explainer import save_pair
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.weights import save_model
from facewitness.language.llava_recipe import LlavaRecipe, LoraSettings
from facewitness.language.llava_weights import LlavaSettings, LoadedLlava, save_folder
from facewitness.networks.clip_sizes import ClipTextSize, ClipVisionSize
from unit.language import tiny_llava

RECIPE = LlavaRecipe(
    learning_rate=2e-2,
    projector_rate=1e-2,
    batch_items=3,
    accumulate=2,
    epochs=5,
    lora=LoraSettings(rank=8, alpha=16, dropout=0.1),
)
PICTURES = 12


def detector(hidden: int = 16) -> M2F2Det:
    """The cosine variant over the tiny vision tower's features."""
    torch.manual_seed(1)
    config = M2F2Config(
        variant="cosine",
        backbone="densenet121",
        hidden=hidden,
        vision=ClipVisionSize(32, 48, 3, 1, tiny_llava.SIDE, tiny_llava.PATCH),
        text=ClipTextSize(16, 16, 1, 2, 8),
        with_vision=False,
    )
    return M2F2Det(config).eval()


def make_model(folder: Path, *, score: bool = True) -> Path:
    """A folder with detector; without the projector of its score, the detector is a file beside the model."""
    network = tiny_llava.network(score=score)
    loaded = LoadedLlava(network, tiny_llava.tokenizer(), LlavaSettings())
    if score:
        return save_pair(folder, loaded, detector())
    save_folder(folder, network, loaded.tokenizer, loaded.settings)
    save_model(detector(), folder.parent / "detector.safetensors")
    return folder


def make_conversations(folder: Path) -> Path:
    """DD-VQA's format: bright pictures are real, dark ones fake."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(PICTURES):
        is_real = index % 2 == 0
        rng = np.random.default_rng(index)
        low, high = (160, 256) if is_real else (0, 96)
        cv2.imwrite(str(folder / f"5_{index}.png"), rng.integers(low, high, (60, 70, 3), dtype=np.uint8))
        question = "<image>\n<deepfake>\nDo the image looks real or fake?"
        turns = [{"from": "human", "value": question}]
        turns.append({"from": "gpt", "value": f"The image looks {'real' if is_real else 'fake'}."})
        rows.append({"id": str(index), "image": f"5_{index}.png", "conversations": turns})
    path = folder / "train.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path
