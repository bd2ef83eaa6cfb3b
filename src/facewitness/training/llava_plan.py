"""What a fine-tuning of a LLaVA-type model will do, counted before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from facewitness.language.conversations import IGNORE
from facewitness.language.llava import LlavaNetwork
from facewitness.language.llava_files import find_folder, load_tokenizer
from facewitness.language.llava_recipe import LlavaRecipe
from facewitness.language.llava_sizes import empty_network
from facewitness.language.lora import prepare, trained_state
from facewitness.training.laa_plan import LaaPlan
from facewitness.training.llava_data import ConversationSet, batch_order
from facewitness.training.llava_run import LlavaRun

_SAMPLE: Final = 200
"""Conversations whose length is measured."""

_TRAINED_BYTES: Final = 16
"""Per trained number: value, gradient and AdamW's two moments, float32."""

_KEPT_PER_LAYER: Final = 18
"""Numbers per token and unit of width that a layer of the language model keeps for its backward pass, about."""


@dataclass(frozen=True)
class LlavaSizes:
    """What a fine-tuning takes.

    Attributes:
        frozen: Parameters that stay.
        trained: Parameters that are trained.
        length: Tokens of the longest sampled sequence, picture and detector included.
        learnt: Mean of the learnt tokens per conversation.
        frozen_bytes: Memory of the frozen weights.
        trained_bytes: Memory of trained weights, their gradients and moments.
        activation_bytes: Memory that a batch keeps for its backward pass, estimated.
    """

    frozen: int
    trained: int
    length: int
    learnt: float
    frozen_bytes: int
    trained_bytes: int
    activation_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.frozen_bytes + self.trained_bytes + self.activation_bytes


def plan_llava(job: LlavaRun) -> LaaPlan:
    """Count conversations, steps, parameters and memory; nothing is loaded or written.

    Args:
        job: What would be trained.

    Raises:
        ConfigError: As `train_llava`.
    """
    recipe, machine = job.recipe, job.machine
    rows = ConversationSet.open(job.data, job.images)
    network = empty_network(job.model)
    prepare(network, recipe)
    sizes = measure(job, rows, network)
    steps = len(batch_order(len(rows.rows), recipe, machine.processes)) // recipe.accumulate
    pictures = len({row.image for row in rows.rows})
    per_step = recipe.batch_items * recipe.accumulate * machine.processes
    return LaaPlan(
        (
            ("recipe", f"{job.recipe_name or 'given'}: trains {', '.join(recipe.train)}"),
            ("data", f"{len(rows.rows)} conversations about {pictures} pictures in {rows.images}"),
            ("lengths", f"up to {sizes.length} tokens with picture, {sizes.learnt:.1f} learnt on average (sampled)"),
            ("model", f"{job.model}: {sizes.frozen / 1e6:.1f} million parameters frozen"),
            ("trained", f"{sizes.trained / 1e6:.3f} million parameters: {_trained_words(network)}"),
            ("detector", _detector_words(job, network)),
            ("rates", f"{recipe.learning_rate:g}, projectors {recipe.projector_rate:g}, warm-up {recipe.warmup:g}"),
            ("step", f"{per_step} conversations ({machine.processes} processes, {recipe.accumulate} batches each)"),
            ("steps", f"{steps} in {recipe.epochs} epochs"),
            ("computes", f"{machine.device}, strategy {machine.strategy}, {machine.lightning_precision}"),
            ("memory", _memory_words(sizes, recipe) + _sharding_words(machine.strategy)),
        )
    )


def measure(job: LlavaRun, rows: ConversationSet, network: LlavaNetwork) -> LlavaSizes:
    """Sizes of a fine-tuning.

    Args:
        job: What would be trained.
        rows: Its conversations.
        network: The model as `prepare` leaves it; it may be empty.
    """
    recipe, config = job.recipe, network.core.config
    tokenizer = load_tokenizer(find_folder(job.model))
    rng = np.random.default_rng(recipe.seed)
    picked = rng.permutation(len(rows.rows))[:_SAMPLE]
    deepfake = network.score_projector is not None
    sampled = [rows.tokens(int(i), recipe, tokenizer, deepfake=deepfake) for i in picked]
    vision, text = config.vision_config, config.text_config
    extra = (vision.image_size // vision.patch_size) ** 2 - 1
    length = min(recipe.max_length, max(len(one.ids) for one in sampled) + extra)
    learnt = [sum(label != IGNORE for label in one.labels) for one in sampled]
    trained = sum(value.numel() for value in trained_state(network).values())
    frozen = sum(value.numel() for value in network.parameters()) - trained
    large = frozen > 1.5e9 or job.machine.lightning_precision != "32-true"
    width = {"none": 2.0 if large else 4.0, "8bit": 1.0, "4bit": 0.55}[job.quantisation]
    number = 2 if large else 4
    per_layer = recipe.batch_items * length * text.hidden_size * number
    layers = text.num_hidden_layers
    kept = per_layer * (layers + _KEPT_PER_LAYER if recipe.gradient_checkpointing else layers * _KEPT_PER_LAYER)
    logits = recipe.batch_items * length * text.vocab_size * number * 2
    return LlavaSizes(
        frozen=frozen,
        trained=trained,
        length=length,
        learnt=float(np.mean(learnt)),
        frozen_bytes=int(frozen * width),
        trained_bytes=trained * _TRAINED_BYTES,
        activation_bytes=kept + logits,
    )


def _trained_words(network: LlavaNetwork) -> str:
    counts: dict[str, int] = {}
    for name, value in trained_state(network).items():
        kind = "LoRA" if ".lora_" in name else name.rsplit(".", 2)[0].rpartition(".")[2]
        counts[kind] = counts.get(kind, 0) + value.numel()
    return ", ".join(f"{kind} {count / 1e6:.3f}" for kind, count in counts.items())


def _detector_words(job: LlavaRun, network: LlavaNetwork) -> str:
    if network.score_projector is None:
        return "none: the model takes no score"
    return f"{job.detector or 'that of the model'}, frozen"


def _sharding_words(strategy: str) -> str:
    return "; before sharding" if "deepspeed" in strategy or "fsdp" in strategy else ""


def _memory_words(sizes: LlavaSizes, recipe: LlavaRecipe) -> str:
    kept = "checkpointed" if recipe.gradient_checkpointing else "kept"
    parts: list[Any] = [
        f"about {sizes.total_bytes / 1e9:.2f} GB per device: {sizes.frozen_bytes / 1e9:.2f} frozen weights",
        f"{sizes.trained_bytes / 1e9:.2f} trained weights with gradients and moments",
        f"{sizes.activation_bytes / 1e9:.2f} for {recipe.batch_items} conversations, activations {kept}",
    ]
    return ", ".join(parts)
