"""What a LAA-Net starts from: random weights, an ImageNet backbone, or a whole checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import torch

from facewitness.detectors.laa_net.model import LaaNet
from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.detectors.laa_net.weights import from_official, load_state, read_tensors
from facewitness.errors import CheckpointError

_LOG = logging.getLogger(__name__)

_CLASSIFIERS: Final = ("_fc.", "fc.", "last_linear.")
_BACKBONE: Final = "backbone."

FROM_SCRATCH: Final = (
    "no --init: the network starts from random weights. The published LAA-Nets start from an EfficientNet-B4 trained "
    "on ImageNet with AdvProp (adv-efficientnet-b4-44fb3a87.pth of the EfficientNet-PyTorch releases); without it "
    "expect far more epochs and lower accuracy than the paper, and set frozen_epochs=0, since freezing a random "
    "backbone only wastes epochs"
)


def start_network(recipe: TrainingRecipe, init: Path | None) -> tuple[LaaNet, str]:
    """Build the network of a recipe with the weights that it starts from.

    Args:
        recipe: Network and seed.
        init: An ImageNet classifier of the same backbone (its classifier is left out), one of the authors'
            checkpoints, or one of ours; None starts from random weights.

    Returns:
        The network in training mode, and in words what it starts from.

    Raises:
        WeightsError: If the file is missing or cannot be read safely.
        CheckpointError: If it does not fit the recipe's network.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        model = LaaNet(recipe.network)
    if init is None:
        if recipe.network.width > 1 or recipe.network.backbone != "efficientnet":
            _LOG.warning(FROM_SCRATCH)
        return model, "random weights"
    state = read_tensors(init)
    own = model.state_dict()
    if set(own) <= set(state):
        load_state(model, dict(state))
        return model, f"all weights of {init.name}"
    state = state.get("state_dict", state)
    body = {k: v for k, v in state.items() if not k.removeprefix("module.").startswith(_CLASSIFIERS)}
    ours, report = from_official(body, recipe.network)
    if any(not name.startswith(_BACKBONE) for name in ours):
        load_state(model, ours)
        return model, f"all weights of {init.name} ({report})"
    missing = [n for n in own if n.startswith(_BACKBONE) and n not in ours and not n.endswith("num_batches_tracked")]
    wrong = [n for n in ours if n not in own or own[n].shape != ours[n].shape]
    if missing or wrong:
        msg = (
            f"{init.name} is no {recipe.network.backbone} of this recipe: missing {missing[:4]}, wrong {wrong[:4]}; "
            "give a classifier of the same backbone, or set network.width and network.depth to those of the file"
        )
        raise CheckpointError(msg)
    load_state(model, {**own, **ours})
    return model, f"the backbone of {init.name} ({report})"
