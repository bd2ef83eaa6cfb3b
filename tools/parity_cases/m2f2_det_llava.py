"""M2F2-Det: the whole wrapper of stages 2 and 3 on a tiny language model, and the 7B checkpoint's names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.detectors.m2f2_det.explainer import Judged, detector_from_official, judge
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recognition import infer_config, recognise
from facewitness.language.llava import LlavaNetwork, Seen
from facewitness.language.llava_official import DETECTOR_PREFIX
from facewitness.language.llava_weights import from_official
from facewitness.language.splicing import Tokens
from parity_cases.comparing import EXACT, ArrayResult, Case, Tolerance, compare
from parity_cases.recipes import fill_value

TOLERANCE = Tolerance(absolute=2e-4)
_NEW_TOKENS = 8


def run_case(case: Case) -> list[ArrayResult]:
    """Run one case of kind ``llava_tiny``."""
    network, detector = build(case.meta)
    images = [_picture(entry) for entry in case.meta["inputs"]["images"]]
    with torch.no_grad():
        found = outputs(network, detector, images, texts(case.meta["inputs"]))
        new = greedy(network, detector, images[:1], texts(case.meta["inputs"])[:1])
    results = []
    for name, reference in case.arrays.items():
        exact = name in ("spliced_labels", "spliced_mask")
        results.append(compare(name, found[name], reference, EXACT if exact else TOLERANCE))
    wanted = np.array(case.meta["greedy_new_tokens_sample0"])[:, 1:]  # the authors' list begins with a start token
    return [*results, compare("greedy_new_tokens", new, wanted, EXACT)]


def build(meta: Mapping[str, Any]) -> tuple[LlavaNetwork, M2F2Det]:
    """Network and detector with the case's filled weights."""
    state = {
        key: torch.from_numpy(fill_value(key, tuple(shape))).reshape(shape)
        if dtype.startswith(("float", "bfloat"))
        else torch.zeros(shape, dtype=torch.long)
        for key, (shape, dtype) in meta["state_dict"].items()
    }
    network, inside, _ = from_official(state, {**meta["config"], "vision": meta.get("vision", {})})
    return network, detector_from_official(inside, network, _detector_config(inside, meta))


def _detector_config(inside: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> M2F2Config:
    """Sizes of the detector; the heads of its text tower are in the description alone."""
    config = infer_config(recognise({DETECTOR_PREFIX + key: value for key, value in inside.items()}))
    text = meta.get("text", {})
    return replace(config, text=replace(config.text, heads=text.get("num_attention_heads", config.text.heads)))


def texts(inputs: Mapping[str, Any]) -> list[Tokens]:
    """Token ids and labels without what pads them."""
    rows = []
    for ids, mask, labels in zip(inputs["input_ids"], inputs["attention_mask"], inputs["labels"], strict=True):
        kept = [index for index, there in enumerate(mask) if there]
        rows.append(Tokens(tuple(ids[i] for i in kept), tuple(labels[i] for i in kept)))
    return rows


def outputs(
    network: LlavaNetwork, detector: M2F2Det, images: list[NDArray[np.uint8]], tokens: list[Tokens]
) -> dict[str, NDArray[Any]]:
    """Every array of the case.

    The recorded logits come from padded pictures, the recorded parts (detector, projector) from cut ones.
    """
    cut = judge(network, detector, images, network.see(images, "crop", as_half=True))
    padded = _padded(network, detector, images)
    out = network(tokens, padded.seen, padded.probabilities)
    assert out.loss is not None
    projected = network.core.model.multi_modal_projector(cut.seen.states)
    arrays = {
        "logits_tail": out.logits[:, -20:],
        "logits_head": out.logits[:, :8],
        "loss": out.loss[None],
        "det_logits": cut.logits,
        "det_prob": cut.probabilities[:, None],
        "det_token": network.score_tokens(cut.probabilities),
        "proj_slice": projected[:, ::48],
        "spliced_labels": out.batch.labels.float(),
        "spliced_mask": out.batch.mask.float(),
    }
    return {name: value.numpy() for name, value in arrays.items()}


def greedy(
    network: LlavaNetwork, detector: M2F2Det, images: list[NDArray[np.uint8]], tokens: list[Tokens]
) -> NDArray[np.int64]:
    """``(1, at most 8)``: the likeliest tokens behind the whole text."""
    judged = _padded(network, detector, images)
    batch = network.splice(tokens, judged.seen, judged.probabilities)
    made = network.core.generate(
        inputs_embeds=batch.embeddings,
        attention_mask=batch.mask,
        max_new_tokens=_NEW_TOKENS,
        do_sample=False,
        eos_token_id=network.core.config.text_config.eos_token_id,
        pad_token_id=0,
    )
    return np.asarray(made.numpy())


def _padded(network: LlavaNetwork, detector: M2F2Det, images: list[NDArray[np.uint8]]) -> Judged:
    seen: Seen = network.see(images, "pad", as_half=True)
    return judge(network, detector, images, seen)


def _picture(entry: Mapping[str, Any]) -> NDArray[np.uint8]:
    return np.random.default_rng(entry["seed"]).integers(0, 256, entry["shape"], dtype=np.uint8)
