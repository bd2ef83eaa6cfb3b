"""M2F2-Det in words: its detector gives the verdict and one token, a LLaVA-type model the text.

The language model hears P(real), P(fake) through a projector of its own and sees the picture; nothing that it writes
changes the score.

Reference: Guo et al., Rethinking Vision-Language Model in Face Forensics: Multi-Modal Interpretable Forged Face
Detector, CVPR 2025, stages 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facewitness.detectors.m2f2_det.config import M2F2Config
from facewitness.detectors.m2f2_det.model import M2F2Det
from facewitness.detectors.m2f2_det.processor import M2F2Processor
from facewitness.detectors.m2f2_det.recognition import infer_config, recognise
from facewitness.detectors.m2f2_det.weights import load_model, load_state, save_model, translate
from facewitness.errors import ConfigError, WeightsError
from facewitness.language.llava import LlavaNetwork, Seen
from facewitness.language.llava_answers import Llava
from facewitness.language.llava_files import DETECTOR_FILE, LlavaPrecision, Quantisation, find_folder
from facewitness.language.llava_official import DETECTOR_PREFIX
from facewitness.language.llava_weights import LoadedLlava, load_folder, save_folder
from facewitness.language.models import Answer, Asking, Evidence, Sampling
from facewitness.networks.clip_sizes import ClipVisionSize

_NAME = "m2f2_det"


@dataclass(frozen=True)
class Judged:
    """A batch of pictures as the detector and the vision tower see them.

    Attributes:
        seen: Of the vision tower; the language model takes its tokens.
        logits: ``(n, 2)``: real, fake.
    """

    seen: Seen
    logits: Tensor

    @property
    def probabilities(self) -> Tensor:
        """``(n, 2)``: P(real), P(fake)."""
        return torch.softmax(self.logits.float(), dim=-1)

    def evidence(self) -> list[Evidence]:
        """What the detector found, per picture."""
        return [Evidence(min(1.0, max(0.0, float(p))), detector=_NAME) for p in self.probabilities[:, 1]]


class M2F2Explainer:
    """Detector and language model together; an `Explainer`.

    Args:
        llava: The language side; it must take a detector's score.
        detector: The cosine variant, without a vision tower of its own.

    Raises:
        ConfigError: If one of them is of another kind.
    """

    def __init__(self, llava: Llava, detector: M2F2Det) -> None:
        check_pair(llava.network, detector)
        self.llava = llava
        self.detector = detector.eval()
        self.name = llava.name

    def judge(self, images: Sequence[NDArray[np.uint8]]) -> Judged:
        """The detector's verdict, and what the language model will see; each picture is looked at once.

        Args:
            images: ``(H, W, 3)`` uint8 RGB each.
        """
        with torch.inference_mode():
            return judge(self.llava.network, self.detector, images, self.llava.see(images))

    def answer(
        self,
        image: NDArray[np.uint8],
        question: str,
        *,
        evidence: Evidence | None = None,
        **how: Unpack[Asking],
    ) -> Answer:
        """Answer one question; see `Llava.answer`. Without evidence the detector inside gives the score."""
        return self.answers(image, [question], evidence=evidence, **how)[0]

    def answers(
        self,
        image: NDArray[np.uint8],
        questions: Sequence[str],
        *,
        evidence: Evidence | None = None,
        **how: Unpack[Asking],
    ) -> list[Answer]:
        """Answer several questions about one picture in one batch.

        Args:
            image: ``(H, W, 3)`` uint8 RGB.
            questions: The questions.
            evidence: A score to tell instead of the detector's own.
            how: Stream, cancel, sampling.
        """
        judged = self.judge([image])
        told = [evidence] if evidence is not None else judged.evidence()
        return self.llava.answers(judged.seen, questions, evidence=told, **how)

    def save(self, folder: Path, *, shard_size: str = "5GB") -> Path:
        """Write our folder: what `facewitness.language.llava_weights` writes, and the detector."""
        return save_pair(folder, self.llava.loaded, self.detector, shard_size=shard_size)


def judge(
    network: LlavaNetwork, detector: M2F2Det, images: Sequence[NDArray[np.uint8]], seen: Seen | None = None
) -> Judged:
    """Detector over pictures.

    The language model sees padded pictures, whose vision features the detector takes; its own pixels are cut square,
    as in the authors' program.

    Args:
        network: The language side.
        detector: The cosine variant.
        images: ``(H, W, 3)`` uint8 RGB each.
        seen: What the vision tower made of them; None runs it.
    """
    seen = seen if seen is not None else network.see(images)
    like = next(detector.parameters())
    pixels = M2F2Processor(network.image_size)(images).to(like.device, like.dtype)
    out = detector(pixels, seen.states.to(like.device, like.dtype))
    return Judged(seen, out.logits)


def load_explainer(
    place: str | Path,
    *,
    detector: Path | None = None,
    device: str = "auto",
    precision: LlavaPrecision = "auto",
    quantisation: Quantisation = "none",
    sampling: Sampling | None = None,
    template: str | None = None,
) -> M2F2Explainer:
    """Load detector and language model.

    Args:
        place: Folder or hub id: our own, or the authors' merged one.
        detector: The detector's file instead of the one in the folder.
        device: See `load_folder`; the detector goes where the language model begins.
        precision: Of the language side; the detector computes in float32.
        quantisation: Of the language model.
        sampling: How tokens are chosen unless a call says otherwise.
        template: Name of a conversation template instead of the model's own.

    Raises:
        WeightsError: If there is no model, no tokenizer or no detector.
        CheckpointError: If tensors do not fit.
        ConfigError: If the model takes no detector's score.
    """
    loaded, network = load_pair(place, detector=detector, device=device, precision=precision, quantisation=quantisation)
    folder = Path(place)
    name = folder.resolve().name if folder.is_dir() else str(place)
    return M2F2Explainer(Llava(loaded, name, sampling=sampling, template=template), network)


def load_pair(
    place: str | Path,
    *,
    detector: Path | None = None,
    device: str = "auto",
    precision: LlavaPrecision = "auto",
    quantisation: Quantisation = "none",
) -> tuple[LoadedLlava, M2F2Det]:
    """As `load_explainer`, in parts."""
    folder = find_folder(place)
    loaded = load_folder(folder, device=device, precision=precision, quantisation=quantisation)
    return loaded, detector_of(loaded, folder, detector)


def detector_of(loaded: LoadedLlava, place: str | Path, file: Path | None = None) -> M2F2Det:
    """The detector that goes with a model: of a file, of the model's folder, or inside its checkpoint.

    Args:
        loaded: The model.
        place: Where it is from.
        file: The detector's file instead.

    Returns:
        The network, in evaluation mode, where the language model begins.

    Raises:
        WeightsError: If there is none.
    """
    own = find_folder(place) / DETECTOR_FILE
    if file is not None or own.is_file():
        network = load_model(file or own)
    elif loaded.detector:
        network = detector_from_official(loaded.detector, loaded.network)
    else:
        msg = f"{place} holds no detector ({DETECTOR_FILE}); give its file (the authors' M2F2_Det_densenet121.pth)"
        raise WeightsError(msg)
    return network.to(loaded.network.device).eval()


def detector_from_official(
    state: Mapping[str, Tensor], network: LlavaNetwork, config: M2F2Config | None = None
) -> M2F2Det:
    """The detector inside a merged checkpoint; it has no vision tower of its own.

    Args:
        state: Its tensors, without their prefix.
        network: The language side, whose vision tower it listens to.
        config: Its sizes; None reads them off the tensors.

    Raises:
        CheckpointError: If tensors do not fit.
    """
    file = recognise({DETECTOR_PREFIX + key: value for key, value in state.items()})
    chosen = config or infer_config(file)
    chosen = replace(chosen, vision=vision_size(network.core.config.vision_config), with_vision=False)
    return load_state(M2F2Det(chosen), translate(file, chosen)[0]).eval()


def vision_size(config: Any) -> ClipVisionSize:
    """Sizes of a CLIP tower from its config in transformers."""
    return ClipVisionSize(
        width=config.hidden_size,
        mlp=config.intermediate_size,
        depth=config.num_hidden_layers,
        heads=config.num_attention_heads,
        image_size=config.image_size,
        patch_size=config.patch_size,
        activation=config.hidden_act,
    )


def save_pair(folder: Path, loaded: LoadedLlava, detector: M2F2Det, *, shard_size: str = "5GB") -> Path:
    """Write our folder with its detector."""
    save_folder(folder, loaded.network, loaded.tokenizer, loaded.settings, shard_size=shard_size)
    save_model(detector, folder / DETECTOR_FILE)
    return folder


def check_pair(network: LlavaNetwork, detector: M2F2Det) -> None:
    """Check that a detector goes with a language model.

    Raises:
        ConfigError: If the model takes no score, or the detector is no cosine variant over its tower's sizes.
    """
    config, size = detector.config, vision_size(network.core.config.vision_config)
    if network.score_projector is None:
        msg = "the language model has no projector for a detector's score; train one with recipe stage2"
        raise ConfigError(msg)
    if config.variant != "cosine" or (config.vision.width, config.vision.tokens) != (size.width, size.tokens):
        msg = (
            f"the detector must be the cosine variant over {size.tokens} tokens of {size.width} numbers, got the "
            f"{config.variant} variant over {config.vision.tokens} of {config.vision.width}"
        )
        raise ConfigError(msg)
