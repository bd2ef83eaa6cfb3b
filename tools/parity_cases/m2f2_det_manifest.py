"""M2F2-Det's 7B checkpoint: every name and shape of its manifest has its place in our networks, and no other does."""

from __future__ import annotations

from dataclasses import replace

import torch
from accelerate import init_empty_weights

from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.recognition import infer_config, recognise
from facewitness.detectors.m2f2_det.weights import translate
from facewitness.language.llava_official import DETECTOR_PREFIX, split_official
from facewitness.language.llava_weights import build_empty, fit
from facewitness.networks.state import COUNTER
from parity_cases.comparing import ArrayResult, Case


def run_case(case: Case) -> list[ArrayResult]:
    """Run the case; nothing takes memory."""
    state = {
        key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        for key, (shape, dtype) in case.meta["state_dict"].items()
    }
    ours, inside, report = split_official(state)
    network = build_empty(ours, case.meta["config"])
    fit(network, ours)
    file = recognise({DETECTOR_PREFIX + key: value for key, value in inside.items()})
    config = replace(infer_config(file), with_vision=False)
    translated, keys = translate(file, config)
    with init_empty_weights():
        own = M2F2Det(config).state_dict()
    wanted = {key: value.shape for key, value in own.items()}
    given = {key: value.shape for key, value in translated.items()}
    wrong = [key for key in {**wanted, **given} if wanted.get(key) != given.get(key) and not key.endswith(COUNTER)]
    whole = report.renamed + len(keys.renamed) + len(keys.unused) == len(state) and not report.dropped
    return [
        ArrayResult("language model", passed=True, note=str(report)),
        ArrayResult("detector", passed=not wrong, note=f"wrong: {wrong[:5]}" if wrong else str(keys)),
        ArrayResult("every entry", passed=whole, note=f"{len(state)} entries"),
    ]
