"""The network: CLIP's class token, a convolutional network, and what joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from facewitness.detectors.m2f2_det.config import BRIDGE_STAGES, BRIDGE_STATES, M2F2Config
from facewitness.detectors.m2f2_det.parts import Bridge, ConstantBridge, projection
from facewitness.errors import ConfigError
from facewitness.networks.clip import ClipVision, PromptEncoder

_VISION_GATE, _TEXT_GATE = 0.5, 4.0
_INIT_STD = 0.01


@dataclass(frozen=True)
class M2F2Output:
    """What the network says.

    Attributes:
        logits: ``(B, 2)``: real, fake.
        fused: ``(B, head_inputs)``: what the last layer saw.
        cosine_map: ``(B, patches)`` in [-1, 1]: how near each patch is to the prompts, row by row; None without them.
        bridge: ``(B, bridge_width)``; None in the cosine variant.
    """

    logits: Tensor
    fused: Tensor
    cosine_map: Tensor | None = None
    bridge: Tensor | None = None

    @property
    def fake_logit(self) -> Tensor:
        """``(B,)``: its sigmoid is P(fake)."""
        return self.logits[:, 1] - self.logits[:, 0]


class M2F2Det(nn.Module):
    """M2F2-Det; see `M2F2Config` for the two variants and the two modes.

    Args:
        config: What it is made of. New weights are drawn as the authors draw theirs; nothing is downloaded.
    """

    def __init__(self, config: M2F2Config) -> None:
        super().__init__()
        self.config = config
        self.clip = ClipVision(config.vision, config.run_depth) if config.with_vision else None
        self.cnn, cnn_width = _features(config.backbone)
        self.cnn_projection = projection(cnn_width, config.hidden)
        self.clip_projection = projection(config.vision.width, config.hidden)
        self.clip_gate = nn.Parameter(torch.tensor(_VISION_GATE))
        self.text_gate = nn.Parameter(torch.tensor(_TEXT_GATE))
        self.prompts: PromptEncoder | None = None
        self.text_projection: nn.Sequential | None = None
        if config.has_prompts:
            self.prompts = PromptEncoder(config.text, config.prompt_tokens)
            self.text_projection = projection(config.text.width, config.hidden)
        self.bridge: ConstantBridge | Bridge | None = _bridge(config, self.cnn)
        self.head = nn.Linear(config.head_inputs, 2)
        nn.init.normal_(self.head.weight, std=_INIT_STD)
        nn.init.zeros_(self.head.bias)
        self._baked: dict[str, Tensor] = {}

    def forward(self, pixels: Tensor, clip_features: Tensor | None = None) -> M2F2Output:
        """Score images.

        Args:
            pixels: ``(B, 3, side, side)``, normalised with CLIP's mean and deviation.
            clip_features: ``(B, 1 + patches, width)``: the last but one hidden state of a vision tower, where it is
                at hand; cosine variant only.

        Raises:
            ConfigError: If there is no vision tower and no features are given, or the bridge is given features.
        """
        config = self.config
        maps = self._maps(pixels)
        cnn = self.cnn_projection(maps[-1].mean(dim=(2, 3)))
        states, tokens = self._clip_tokens(pixels, clip_features)
        class_token = self.clip_gate * tokens[:, 0]
        cosine = self._cosine(tokens[:, 1:]) if config.has_prompts else None
        if config.variant == "cosine":
            assert cosine is not None  # noqa: S101 - the cosine variant has prompts
            fused = torch.cat([self.text_gate * cosine, class_token, cnn], dim=1)
            return M2F2Output(self.head(fused), fused, cosine)
        if cosine is None:
            bridge = self.bridge_vector().expand(pixels.shape[0], -1)
            fused = torch.cat([class_token, self.text_gate * bridge, cnn], dim=1)
            return M2F2Output(self.head(fused), fused, None, bridge)
        assert isinstance(self.bridge, Bridge)  # noqa: S101 - the corrected bridge
        bridge = self.bridge(maps[:-1], states)
        fused = torch.cat([class_token, bridge, cnn, self.text_gate * cosine], dim=1)
        return M2F2Output(self.head(fused), fused, cosine, bridge)

    def bridge_vector(self) -> Tensor:
        """``(bridge_width,)``: the constant of the official bridge.

        Raises:
            ConfigError: If the network has no such bridge.
        """
        if not isinstance(self.bridge, ConstantBridge):
            msg = "only the official bridge variant has a constant bridge"
            raise ConfigError(msg)
        if "bridge" in self._baked:
            return self._baked["bridge"]
        vector: Tensor = self.bridge()
        return vector

    def text_vector(self) -> Tensor:
        """``(1, hidden)``: the prompts through text tower and projection.

        Raises:
            ConfigError: If the network has no prompts.
        """
        if self.prompts is None or self.text_projection is None:
            msg = "the official bridge variant takes nothing from its prompts, so it has none"
            raise ConfigError(msg)
        if "text" in self._baked:
            return self._baked["text"]
        vector: Tensor = self.text_projection(self.prompts())
        return vector

    def bake(self) -> M2F2Det:
        """Compute once what no image changes (the text vector, the constant bridge) and go to evaluation mode.

        `train`, loading a state and moves to another device or type forget it.
        """
        self.eval()
        with torch.no_grad():
            found = {"text": self.text_vector()} if self.config.has_prompts else {}
            if isinstance(self.bridge, ConstantBridge):
                found["bridge"] = self.bridge_vector()
        self._baked = found
        return self

    def train(self, mode: bool = True) -> M2F2Det:
        """As any module; what was baked is forgotten when training begins."""
        if mode:
            self._baked = {}
        return super().train(mode)

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._baked = {}
        super()._load_from_state_dict(*arguments, **named)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._baked = {}
        return super()._apply(fn, recurse=recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        """The maps that the bridge takes, if it works, and the last one."""
        if not self.config.has_working_bridge:
            return [self.cnn(pixels)]
        found, x = [], pixels
        for number, stage in enumerate(self.cnn):
            x = stage(x)
            if number in BRIDGE_STAGES:
                found.append(x)
        return [*found, x]

    def _clip_tokens(self, pixels: Tensor, given: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """States for the bridge, and projected tokens; the class token alone where nothing else is used."""
        config, last = self.config, self.config.run_depth
        if given is not None:
            if config.variant != "cosine":
                msg = "clip_features serve the cosine variant only"
                raise ConfigError(msg)
            return [], self.clip_projection(given.to(self.head.weight.dtype))
        if self.clip is None:
            msg = "this network has no vision tower: hand in clip_features, or build it with with_vision"
            raise ConfigError(msg)
        if not config.has_prompts:
            return [], self.clip_projection(self.clip.class_token(pixels, last))[:, None]
        if config.has_working_bridge:
            *states, tokens = self.clip(pixels, (*BRIDGE_STATES, last))
            return states, self.clip_projection(tokens)
        return [], self.clip_projection(self.clip(pixels, (last,))[0])

    def _cosine(self, patches: Tensor) -> Tensor:
        return functional.cosine_similarity(patches, self.text_vector()[:, None], dim=-1)


def evidence_map(model: M2F2Det, cosine_map: Tensor) -> Tensor:
    """Where the nearness of patches to the prompts speaks for a fake.

    The sign of a cosine means nothing by itself: the head decides for each patch whether nearness speaks for or
    against. A patch has 0 where it speaks for a real face or not at all; near 1 where it would settle the verdict if
    all patches spoke alike.

    Args:
        model: The network, with prompts.
        cosine_map: ``(B, patches)``, its output.

    Returns:
        ``(B, grid, grid)`` float32 in [0, 1].
    """
    count = cosine_map.shape[1]
    first = 0 if model.config.variant == "cosine" else model.config.head_inputs - count
    weights = model.head.weight[:, first : first + count].float()
    said = (weights[1] - weights[0]) * model.text_gate.float() * cosine_map.float()
    grid = model.config.vision.grid
    return (said * count / 2).tanh().clamp(min=0).reshape(-1, grid, grid)


def _features(backbone: str) -> tuple[nn.Sequential, int]:
    """The convolutional part of torchvision, untrained, and its width."""
    import torchvision

    model = getattr(torchvision.models, backbone)(weights=None)
    last = model.classifier if isinstance(model.classifier, nn.Linear) else model.classifier[-1]
    return model.features, int(last.in_features)


def _bridge(config: M2F2Config, cnn: nn.Sequential) -> ConstantBridge | Bridge | None:
    if config.variant == "cosine":
        return None
    if not config.has_working_bridge:
        return ConstantBridge(config.bridge_tokens, config.bridge_width)
    return Bridge(
        [_width(cnn[stage]) for stage in BRIDGE_STAGES],
        config.vision.width,
        config.bridge_channels,
        tokens=config.bridge_tokens,
        width=config.bridge_width,
        heads=config.bridge_block_heads,
        mlp=config.bridge_block_mlp,
    )


def _width(stage: nn.Module) -> int:
    """Output channels of a stage: those of its last convolution."""
    return next(m.out_channels for m in reversed(list(stage.modules())) if isinstance(m, nn.Conv2d))
