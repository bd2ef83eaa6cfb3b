"""Answers token by token: batches, streaming, stop strings, cancelling, seeded sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facewitness.language.llava import LlavaNetwork, Seen
from facewitness.language.models import Cancel, FinishReason, Sampling, Stream
from facewitness.language.splicing import Tokens

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer shows for the first bytes of a letter."""


@dataclass(frozen=True)
class Generated:
    """One generated text.

    Attributes:
        ids: Token ids up to and with the one that ended it.
        text: The text, stripped, without special tokens and stop string.
        finish_reason: Why it ended.
    """

    ids: tuple[int, ...]
    text: str
    finish_reason: FinishReason


class Listener:
    """Looks at a batch after each token: ends texts at stop strings or when cancelled, and streams the first.

    Args:
        tokenizer: Turns ids into text.
        stop: Strings that end a text.
        stream: Takes the pieces of the first text.
        cancel: Ends all.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], stream: Stream | None, cancel: Cancel | None) -> None:
        self.tokenizer = tokenizer
        self.stop = tuple(stop)
        self.stream = stream
        self.cancel = cancel
        self.cancelled = False
        self._sent = 0

    def text(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text so far, cut at a stop string, and whether one came."""
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        places = [place for word in self.stop if (place := text.find(word)) >= 0]
        return (text[: min(places)], True) if places else (text, False)

    def __call__(self, input_ids: Tensor, _scores: Tensor, **_others: Any) -> Tensor:
        """Which texts of the batch are done, as transformers asks after each token."""
        if self.cancel is not None and self.cancel():
            self.cancelled = True
        if self.stream is not None:
            self.send(input_ids[0].tolist(), last=False)
        done = [self.cancelled or bool(self.stop and self.text(row)[1]) for row in input_ids.tolist()]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)

    def send(self, ids: Sequence[int], *, last: bool) -> None:
        """Stream what is new and certain: no half letters, nothing that may become a stop string or be stripped."""
        if self.stream is None:
            return
        text, stopped = self.text(ids)
        certain = text if last or stopped else text[: len(text) - self._uncertain(text)]
        text = certain.strip()
        if len(text) > self._sent:
            self.stream(text[self._sent :])
            self._sent = len(text)

    def _uncertain(self, text: str) -> int:
        """Letters at the end that the next token may change."""
        count = len(text) - len(text.rstrip(_UNFINISHED))
        for word in self.stop:
            for length in range(min(len(word) - 1, len(text)), count, -1):
                if text.endswith(word[:length]):
                    count = length
                    break
        return count


@torch.inference_mode()
def generate(
    network: LlavaNetwork,
    tokenizer: Any,
    prompts: Sequence[Tokens],
    seen: Seen | None = None,
    probabilities: Tensor | None = None,
    *,
    sampling: Sampling | None = None,
    stop: Sequence[str] = (),
    stream: Stream | None = None,
    cancel: Cancel | None = None,
) -> list[Generated]:
    """Write on after prompts.

    Args:
        network: The model.
        tokenizer: Its tokenizer.
        prompts: One per text.
        seen: One picture per prompt.
        probabilities: ``(n, 2)`` P(real), P(fake) per prompt, for models that take them.
        sampling: How tokens are chosen; None is greedy.
        stop: Strings that end a text.
        stream: Takes the pieces of the first text.
        cancel: Ends all texts.
    """
    chosen = sampling or Sampling()
    batch = network.splice(prompts, seen, probabilities, side="left", limit=False)
    listener = Listener(tokenizer, stop, stream, cancel)
    with torch.random.fork_rng(devices=_cuda_devices()):
        torch.manual_seed(chosen.seed)
        rows = network.core.generate(
            inputs_embeds=batch.embeddings,
            attention_mask=batch.mask,
            generation_config=_settings(network, tokenizer, chosen),
            stopping_criteria=_criteria(listener),
        ).tolist()
    ends = _end_tokens(network, tokenizer)
    found = [_finished(row, ends, listener, chosen.max_new_tokens) for row in rows]
    listener.send(found[0].ids, last=True)
    return found


def _criteria(listener: Listener) -> Any:
    """The listener as transformers wants it."""
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Listening(StoppingCriteria):  # type: ignore[misc,unused-ignore]
        def __call__(self, input_ids: Tensor, scores: Tensor, **others: Any) -> Any:
            return listener(input_ids, scores, **others)

    return StoppingCriteriaList([Listening()])


def _settings(network: LlavaNetwork, tokenizer: Any, sampling: Sampling) -> Any:
    import transformers

    config: Any = transformers.GenerationConfig  # its constructor has no types

    ends = _end_tokens(network, tokenizer)
    pad = tokenizer.pad_token_id
    chosen = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if sampling.temperature else {}
    return config(
        max_new_tokens=sampling.max_new_tokens,
        do_sample=sampling.temperature > 0,
        num_beams=1,
        use_cache=True,
        eos_token_id=ends,
        pad_token_id=pad if pad is not None else (ends[0] if ends else 0),
        **chosen,
    )


def _end_tokens(network: LlavaNetwork, tokenizer: Any) -> list[int]:
    """Token ids that end a text: the tokenizer's, and those of the model's own settings."""
    known = getattr(network.core.generation_config, "eos_token_id", None)
    ends = known if isinstance(known, list) else [known]
    return sorted({int(end) for end in (*ends, tokenizer.eos_token_id) if end is not None})


def _finished(row: list[int], ends: Sequence[int], listener: Listener, limit: int) -> Generated:
    """A row of the batch without what pads it."""
    ended = next((index for index, token in enumerate(row) if token in ends), None)
    ids = row if ended is None else row[: ended + 1]
    stopped = False
    if ended is None and listener.stop:
        for length in range(1, len(ids) + 1):  # the row went on while others did
            if listener.text(ids[:length])[1]:
                ids, stopped = ids[:length], True
                break
    text, _ = listener.text(ids)
    if ended is not None or stopped:
        reason: FinishReason = "stop"
    else:
        reason = "cancelled" if listener.cancelled and len(ids) < limit else "length"
    return Generated(tuple(ids), text.strip(), reason)


def _cuda_devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
