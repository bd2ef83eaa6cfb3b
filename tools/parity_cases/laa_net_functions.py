"""LAA-Net's losses, preprocessing, metrics, schedule and optimiser against the stored arrays.

Inputs are taken from the words beside each array: ``normal_input(0+200,(3,1,96,96))`` names a recipe, a seed
(where ``0+`` is the set's offset) and a shape. A seed written without an offset is tried as it stands and with the
set's offset added, because the notes do not say which was meant.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facewitness.detectors.laa_net.config import LossConfig
from facewitness.detectors.laa_net.losses import LossTargets, heatmap_loss, laa_net_loss, self_consistency
from facewitness.detectors.laa_net.model import LaaNetOutput
from facewitness.detectors.laa_net.processor import LaaNetProcessor
from facewitness.evaluation.metrics import summarise, video_scores
from facewitness.faces.levelling import align_eyes
from facewitness.pseudofakes.geometry import whole_image_map
from facewitness.training.sam import Sam
from facewitness.training.schedules import boosted_linear_decay
from parity_cases import recipes
from parity_cases.comparing import PICTURE, Case, Tolerance

Arrays = dict[str, NDArray[Any]]

TOLERANCES: dict[str, Tolerance] = {
    "loss_values": Tolerance(relative=1e-12),
    "loss_grad_hm": Tolerance(relative=1e-6),
    "loss_grad_cs": Tolerance(relative=1e-6),
    "loss_grad_cls": Tolerance(relative=1e-12),
    "loss_hm_nopos": Tolerance(relative=1e-12),
    "cst_matrix": Tolerance(relative=1e-6),
    "affine": Tolerance(relative=1e-6),
    "prep_sbi_eval_u8": PICTURE,
    "prep_sbi_eval_tensor": Tolerance(absolute=2.5 / 127.5),
    "prep_test_img_u8": PICTURE,
    "prep_bi_eval_u8": PICTURE,
    "align_img": Tolerance(absolute=2, outliers=0.005, outlier_absolute=8, touched=0.10),
    "metric_frame": Tolerance(relative=1e-12),
    "metric_video": Tolerance(relative=1e-12),
    "lr_schedule": Tolerance(relative=1e-12),
    "sam_traj": Tolerance(relative=1e-12),
}
"""Losses and gradients run in float64 (gradients are stored as float32); pictures may round otherwise."""

INPUTS = frozenset(
    {
        "align_lm_in",
        "metric_logits",
        "metric_labels",
        "metric_video_ids",
        "metric_video_logits",
        "metric_video_labels",
    }
)
"""Recorded inputs without a recipe; nothing to compute."""

_CALL = re.compile(r"(?P<name>normal_input|uint8_image)\((?P<seed>\d+(?:\s*\+\s*\d+)?),\s*(?P<rest>[^)]*\)?)\)")


def _notes(case: Case) -> dict[str, str]:
    return {name: str(entry.get("note", "")) for name, entry in case.meta["arrays"].items()}


def _seeds(text: str, offset: int) -> list[int]:
    """Seeds that a note may mean; one only where it spells the sum."""
    parts = [int(p) for p in text.split("+")]
    if len(parts) > 1 or offset == 0:
        return [sum(parts)]
    return [parts[0], parts[0] + offset]


def _calls(note: str, name: str) -> list[tuple[str, tuple[int, ...]]]:
    """Seed text and integer arguments of each ``name(seed, ...)`` in a note."""
    return [
        (call["seed"], tuple(int(n) for n in re.findall(r"\d+", call["rest"])))
        for call in _CALL.finditer(note)
        if call["name"] == name
    ]


def _normal64(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(recipes.normal_input(seed, shape).astype(np.float64))


def _loss_config(note: str) -> LossConfig:
    """The weights that the note's ``cfg {...}`` holds."""
    text = re.search(r"cfg\s*(\{[^}]*\})", note)
    values = ast.literal_eval(text[1]) if text else {}
    return LossConfig(
        heatmap_weight=float(values.get("hm_lmda", 10)),
        consistency_weight=float(values.get("cstency_lmda", 100)),
        score_weight=float(values.get("cls_lmda", 1)),
        offset_weight=float(values.get("offset_lmda", 0)),
        agreement_weight=float(values.get("dst_hm_cls_lmda", 0)),
    )


def losses(case: Case, offset: int) -> Arrays:
    """Loss values, gradients, the predicted consistency map and the loss without vulnerable points."""
    notes, arrays = _notes(case), case.arrays
    calls = _calls(notes["loss_values"], "normal_input")
    heat, embedding, logit = (_normal64(_seeds(seed, offset)[-1], shape).requires_grad_() for seed, shape in calls[:3])
    heatmap = np.stack([arrays["gt0_hm_v1_ad1"], arrays["gt1_hm_v1_ad1"], arrays["gtzero_hm_v1"]])
    consistency = np.stack([arrays["gt0_cst_v1_ad1"], arrays["gt1_cst_v1_ad1"], arrays["gtzero_cst_v1"]])
    labels = re.search(r"labels ([\d,]+)", notes["loss_values"])
    label = [[float(v)] for v in labels[1].strip(",").split(",")] if labels else [[1.0], [1.0], [0.0]]
    targets = LossTargets(
        torch.from_numpy(heatmap.astype(np.float64)),
        torch.tensor(label, dtype=torch.float64),
        torch.from_numpy(consistency.astype(np.float64) / 255),
    )
    config = _loss_config(notes["loss_values"])
    parts = laa_net_loss(LaaNetOutput(heat, logit, embedding), targets, config)
    torch.autograd.backward(parts.total)
    assert targets.consistency is not None
    with torch.no_grad():
        predicted = self_consistency(embedding, targets.consistency)
    seed, shape = _calls(notes["loss_hm_nopos"], "normal_input")[0]
    empty = _normal64(_seeds(seed, offset)[-1], shape)
    without_points = config.heatmap_weight * heatmap_loss(empty, torch.zeros_like(empty))
    return {
        "loss_values": np.array([p.item() for p in (parts.heatmap, parts.score, parts.consistency, parts.total)]),
        "loss_grad_hm": _gradient(heat)[:, :, ::4, ::4],
        "loss_grad_cs": _gradient(embedding)[:, ::8, ::8, ::8],
        "loss_grad_cls": _gradient(logit),
        "cst_matrix": predicted.numpy()[:, :, ::4, ::4],
        "loss_hm_nopos": np.array([without_points.item()]),
    }


def _gradient(tensor: torch.Tensor) -> NDArray[Any]:
    if tensor.grad is None:
        msg = "the loss gave no gradient"
        raise ValueError(msg)
    return tensor.grad.numpy()


def _picture_choices(
    case: Case, offset: int, name: str, make: Callable[[NDArray[np.uint8]], NDArray[Any]]
) -> NDArray[Any]:
    """What ``make`` gives for the picture of the note; of two possible seeds the nearer."""
    note = _notes(case)[name]
    calls = _calls(note, "uint8_image") or _calls(_notes(case)["prep_test_img_u8"], "uint8_image")
    seed, shape = calls[0]
    made = [make(recipes.uint8_image(s, *shape)) for s in _seeds(seed, offset)]
    reference = case.arrays[name].astype(np.float64)
    return min(made, key=lambda m: float(np.abs(m.astype(np.float64) - reference).mean()))


def preprocessing(case: Case, offset: int) -> Arrays:
    """The three evaluation paths, the whole-image affine and the alignment."""
    sbi, single, bi = (LaaNetProcessor(p) for p in ("sbi", "single_image", "bi"))
    step = (slice(None, None, 4), slice(None, None, 4))
    rows = []
    for h, w, out, *rest in case.arrays["affine"].tolist():
        centre = ((w - 1) / 2, (h - 1) / 2)
        # The authors keep the size as "scale" in units of 200 px; the map is what counts.
        side = float(np.float32(max(h, w) / 200.0))
        rows.append([h, w, out, *centre, side, side, *whole_image_map(int(h), int(w), int(out)).ravel()])
        if len(rest) != 10:
            msg = f"affine rows must hold 13 numbers, got {3 + len(rest)}"
            raise ValueError(msg)
    eyes = case.arrays["align_lm_in"]
    pick = partial(_picture_choices, case, offset)

    def sbi_tensor(image: NDArray[np.uint8]) -> NDArray[Any]:
        return sbi.normalise(sbi.to_square(image))[:, ::16, ::16]

    align_name = "align_img"
    return {
        "affine": np.array(rows),
        "prep_sbi_eval_u8": pick("prep_sbi_eval_u8", lambda image: sbi.to_square(image)[step]),
        "prep_sbi_eval_tensor": _tensor_choice(case, offset, sbi_tensor),
        "prep_test_img_u8": pick("prep_test_img_u8", lambda image: single.to_square(image)[step]),
        "prep_bi_eval_u8": pick("prep_bi_eval_u8", lambda image: bi.to_square(image)[step]),
        "align_img": pick(align_name, lambda image: align_eyes(image, eyes)[0][step]),
        "align_lm_out": pick_landmarks(case, eyes),
    }


def _tensor_choice(case: Case, offset: int, make: Callable[[NDArray[np.uint8]], NDArray[Any]]) -> NDArray[Any]:
    seed, shape = _calls(_notes(case)["prep_sbi_eval_u8"], "uint8_image")[0]
    reference = case.arrays["prep_sbi_eval_tensor"]
    made = [make(recipes.uint8_image(s, *shape)) for s in _seeds(seed, offset)]
    return min(made, key=lambda m: float(np.abs(m - reference).mean()))


def pick_landmarks(case: Case, eyes: NDArray[Any]) -> NDArray[np.int64]:
    """Landmarks after alignment on a canvas of the size that the picture's note names."""
    _, shape = _calls(_notes(case)["align_img"], "uint8_image")[0]
    canvas = np.zeros((shape[0], shape[1], 3), np.uint8)
    return align_eyes(canvas, eyes)[1]


def metrics(case: Case, _offset: int) -> Arrays:
    """Frame and video metrics of the recorded logits."""
    a = case.arrays
    frame = summarise(_sigmoid(a["metric_logits"]), a["metric_labels"])
    _, per_frame = np.unique(a["metric_video_ids"], return_inverse=True)
    labels = a["metric_video_labels"][per_frame]
    pooled = video_scores(a["metric_video_logits"], labels, a["metric_video_ids"])
    video = summarise(_sigmoid(pooled.scores), pooled.labels)
    return {
        name: np.array([row.acc, row.auc, row.ap, row.ar, row.mf1])
        for name, row in (("metric_frame", frame), ("metric_video", video))
    }


def _sigmoid(x: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x.astype(np.float64))))


def training(case: Case, offset: int) -> Arrays:
    """The learning-rate schedule and a SAM trajectory."""
    notes = _notes(case)
    schedule = _numbers(notes["lr_schedule"], base=5e-5, epochs=100, start_decay=25, booster=4)
    rates = [
        schedule["base"]
        * boosted_linear_decay(
            epoch,
            epochs=int(schedule["epochs"]),
            start_decay=int(schedule["start_decay"]),
            booster=schedule["booster"],
        )
        for epoch in range(len(case.arrays["lr_schedule"]))
    ]
    return {"lr_schedule": np.array(rates), "sam_traj": _sam_trajectory(case, offset, notes["sam_traj"])}


def _numbers(note: str, **defaults: float) -> dict[str, float]:
    """``name=value`` or ``name value`` in a note, else the default."""
    found = dict(defaults)
    for name in defaults:
        match = re.search(rf"\b{name}\s*[= ]\s*(\d+(?:\.\d+)?(?:e-?\d+)?)(?![\d.]*\.)", note)
        if match:
            found[name] = float(match[1])
    return found


def _sam_trajectory(case: Case, offset: int, note: str) -> NDArray[np.float64]:
    seeds = re.search(r"normal_input\((\d+)\+([\d/]+)", note)
    shapes = [tuple(int(n) for n in s.split(",")) for s in re.findall(r"\((\d+,\d+)\)", note.partition("shapes")[2])]
    first = int(seeds[1]) if seeds else offset
    numbers = [int(n) for n in seeds[2].split("/")] if seeds else [700, 701, 702]
    weight, x, y = (_normal64(first + n, shape) for n, shape in zip(numbers, shapes, strict=True))
    values = _numbers(note, lr=0.01, weight_decay=1e-4, rho=0.05)
    parameter = torch.nn.Parameter(weight)
    adam = partial(torch.optim.Adam, lr=values["lr"], weight_decay=values["weight_decay"])
    sam = Sam([parameter], adam, rho=values["rho"])

    def closure() -> torch.Tensor:
        sam.zero_grad()
        loss = ((x @ parameter.T - y) ** 2).mean()
        torch.autograd.backward(loss)
        return loss

    steps = [parameter.detach().numpy().copy()]
    for _ in range(len(case.arrays["sam_traj"]) - 1):
        sam.step(closure)
        steps.append(parameter.detach().numpy().copy())
    return np.stack(steps)


GROUPS: dict[str, Callable[[Case, int], Arrays]] = {
    "losses": losses,
    "preprocessing": preprocessing,
    "metrics": metrics,
    "training": training,
}
"""Parts that are run one by one, so that a failure in one does not hide the others."""
