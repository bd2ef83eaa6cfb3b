"""How near answers are in meaning to references: TF-IDF cosine offline, sentence embeddings with a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import log, sqrt
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from facewitness.errors import ConfigError, MissingExtraError
from facewitness.evaluation.metrics.text import References, TextScores

if TYPE_CHECKING:
    from pathlib import Path

Encoder = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to their ``(n, width)`` float32 embeddings of length 1."""

_LONGEST: Final = 512


def tfidf_cosine(answers: Sequence[str], references: References) -> TextScores:
    """Cosine of TF-IDF vectors of words, of the best reference; a stand-in for meaning that only counts words.

    Frequencies come from the references, each a document; the weight of a word in ``d`` of ``n`` is
    ``log((1 + n) / (1 + d)) + 1``.

    Args:
        answers: ``n`` tokenised texts.
        references: ``n`` lists of at least one tokenised text.

    Returns:
        Values in [0, 1].

    Raises:
        ConfigError: If there is nothing, the lengths differ, or an answer has no reference.

    >>> [round(v, 3) for v in tfidf_cosine(["nose blurry", "eyes"], [["nose blurry"], ["mouth"]]).items]
    [1.0, 0.0]
    """
    _check(answers, references)
    documents = [Counter(text.split()) for refs in references for text in refs]
    frequency = Counter(word for document in documents for word in document)

    def vector(text: str) -> dict[str, float]:
        counts = Counter(text.split())
        weights = {w: c * (log((1 + len(documents)) / (1 + frequency[w])) + 1) for w, c in counts.items()}
        norm = sqrt(sum(weight * weight for weight in weights.values()))
        return {word: weight / norm for word, weight in weights.items()}

    def cosine(one: dict[str, float], two: dict[str, float]) -> float:
        return sum(weight * two.get(word, 0.0) for word, weight in one.items())

    pairs = zip(answers, references, strict=True)
    items = tuple(max(cosine(vector(answer), vector(ref)) for ref in refs) for answer, refs in pairs)
    return TextScores(fmean(items), items)


def sentence_similarity(answers: Sequence[str], references: References, encode: Encoder) -> TextScores:
    """Cosine of sentence embeddings, of the best reference.

    Args:
        answers: ``n`` texts as written.
        references: ``n`` lists of at least one text.
        encode: Such as `sentence_encoder` gives.

    Returns:
        Values in [-1, 1].

    Raises:
        ConfigError: If there is nothing, the lengths differ, or an answer has no reference.
    """
    _check(answers, references)
    texts = list(dict.fromkeys([*answers, *(text for refs in references for text in refs)]))
    vectors = dict(zip(texts, encode(texts), strict=True))
    pairs = zip(answers, references, strict=True)
    items = tuple(max(float(vectors[answer] @ vectors[ref]) for ref in refs) for answer, refs in pairs)
    return TextScores(fmean(items), items)


def sentence_encoder(model: str | Path, *, batch: int = 32, device: str = "cpu") -> Encoder:
    """An encoder over a text model of transformers: mean of the last hidden states, to length 1.

    Args:
        model: Folder of a model, or its id on the hub, such as ``sentence-transformers/all-MiniLM-L6-v2``.
        batch: Texts at a time.
        device: Of torch.

    Raises:
        MissingExtraError: If torch or transformers is not installed.
        ConfigError: If the model cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        msg = "sentence similarity needs torch and transformers: pip install 'facewitness[torch]'"
        raise MissingExtraError(msg) from error
    try:
        tokeniser: Any = AutoTokenizer.from_pretrained(str(model))
        network: Any = AutoModel.from_pretrained(str(model)).to(device).eval()
    except (OSError, ValueError) as error:
        msg = f"expected a text model's folder or hub id, got {model}: {error}"
        raise ConfigError(msg) from error

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = []
        for start in range(0, len(texts), batch):
            part = list(texts[start : start + batch])
            tokens = tokeniser(part, padding=True, truncation=True, max_length=_LONGEST, return_tensors="pt").to(device)
            with torch.inference_mode():
                hidden = network(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"][..., None].to(hidden.dtype)
            mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
            vectors.append(torch.nn.functional.normalize(mean, dim=1).cpu().numpy())
        return np.concatenate(vectors)

    return encode


def _check(answers: Sequence[str], references: References) -> None:
    if not answers or len(answers) != len(references) or not all(references):
        msg = f"expected a list of references per answer, none empty, got {len(answers)} and {len(references)}"
        raise ConfigError(msg)
