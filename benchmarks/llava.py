"""Answers of a LLaVA-type model: several questions in one batch with one look at the picture, against one by one.

python benchmarks/llava.py [--tokens 16]      (random weights: CLIP ViT-L/14-336 and a Llama of 135 million parameters)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from facewitness.language.generation import generate
from facewitness.language.llava import LlavaNetwork
from facewitness.language.models import Sampling
from facewitness.language.splicing import Tokens
from measure import machine

_QUESTION_TOKENS = 40
_QUESTIONS = 3
"""As many as FFAA asks about one picture."""


class Bytes:
    """Stands in for a tokenizer: this measures arithmetic, not words."""

    pad_token_id, eos_token_id = 0, None

    def decode(self, ids: list[int], **_options: bool) -> str:
        """One letter per token."""
        return "x" * len(ids)


def build() -> LlavaNetwork:
    """The network, random weights."""
    text = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        eos_token_id=None,
        bos_token_id=None,
    )
    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
    )
    config = LlavaConfig(text_config=text, vision_config=vision, vision_feature_layer=-2, tie_word_embeddings=False)
    return LlavaNetwork(LlavaForConditionalGeneration(config)).eval()


def seconds(work: Callable[[], None], times: int = 2) -> float:
    """CPU seconds of the fastest run, all threads; other programs on the machine do not count."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokens", type=int, default=16, help="length of an answer")
    options = parser.parse_args()
    torch.manual_seed(0)
    network, tokenizer = build(), Bytes()
    picture = np.random.default_rng(0).integers(0, 256, (336, 336, 3), dtype=np.uint8)
    rows = np.random.default_rng(1).integers(3, 49000, (_QUESTIONS, _QUESTION_TOKENS)).tolist()
    prompts = [Tokens((-200, *row), (-100,) * (_QUESTION_TOKENS + 1)) for row in rows]
    sampling = Sampling(max_new_tokens=options.tokens)

    def look() -> None:
        with torch.inference_mode():
            network.see([picture])

    def one_by_one() -> None:
        for prompt in prompts:
            with torch.inference_mode():
                seen = network.see([picture])
            generate(network, tokenizer, [prompt], seen, sampling=sampling)

    def one_look() -> None:
        with torch.inference_mode():
            seen = network.see([picture])
        generate(network, tokenizer, prompts, seen.repeated(_QUESTIONS), sampling=sampling)

    print(machine())
    apart, together = seconds(one_by_one), seconds(one_look)
    made = _QUESTIONS * options.tokens
    print(f"one look at a picture               {seconds(look):6.2f} s CPU")
    print(f"{_QUESTIONS} questions one by one, a look each {apart:6.2f} s  {made / apart:6.1f} tokens per CPU s")
    print(f"{_QUESTIONS} questions in a batch, one look    {together:6.2f} s  {made / together:6.1f} tokens per CPU s")
    print(f"ratio                               {apart / together:6.2f}")


if __name__ == "__main__":
    main()
