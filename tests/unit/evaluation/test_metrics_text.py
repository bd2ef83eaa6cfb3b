"""BLEU, ROUGE-L, CIDEr and tokens against numbers of pycocoevalcap 1.2, and against the package where it is there."""

import json
import random
from pathlib import Path

import pytest

from facewitness.errors import ConfigError
from facewitness.evaluation.metrics.text import bleu, cider, rouge_l
from facewitness.evaluation.text_tokens import clean_answer, tokenise

GOLDEN = Path(__file__).parents[2] / "golden" / "m2f2_det" / "metrics"
SETS = json.loads((GOLDEN / "text_metrics.json").read_text(encoding="utf-8"))
NAMES = [name for name in SETS if name != "made_with"]


@pytest.mark.parametrize("name", NAMES)
def test_metrics_equal_pycocoevalcap(name):
    made = SETS[name]
    found = bleu(made["answers"], made["references"])
    assert [s.value for s in found] == pytest.approx(made["bleu"], abs=1e-9)
    for score, expected in zip(found, made["bleu_items"], strict=True):
        assert score.items == pytest.approx(expected, abs=1e-9)
    for metric, key in ((rouge_l, "rouge_l"), (cider, "cider")):
        score = metric(made["answers"], made["references"])
        assert score.value == pytest.approx(made[key], abs=1e-9)
        assert score.items == pytest.approx(made[f"{key}_items"], abs=1e-9)


def test_metrics_equal_the_installed_package():
    oracle = pytest.importorskip("pycocoevalcap.bleu.bleu", reason="pycocoevalcap is not installed")
    rouge = pytest.importorskip("pycocoevalcap.rouge.rouge")
    consensus = pytest.importorskip("pycocoevalcap.cider.cider")
    rng, letters = random.Random(3), ["a", "b", "c", "d", "e", "f", ",", "The", ""]
    texts = [[" ".join(rng.choices(letters, k=rng.randint(0, 14))) for _ in range(3)] for _ in range(200)]
    answers, references = [t[0] for t in texts], [t[1:] for t in texts]
    theirs = ({i: list(r) for i, r in enumerate(references)}, {i: [a] for i, a in enumerate(answers)})
    whole, items = oracle.Bleu(4).compute_score(*theirs, verbose=0)
    found = bleu(answers, references)
    assert [s.value for s in found] == pytest.approx(whole, abs=1e-9)
    assert found[3].items == pytest.approx(items[3], abs=1e-9)
    assert rouge_l(answers, references).items == pytest.approx(rouge.Rouge().compute_score(*theirs)[1], abs=1e-9)
    assert cider(answers, references).items == pytest.approx(consensus.Cider().compute_score(*theirs)[1], abs=1e-9)


def test_a_perfect_answer_and_one_without_a_word_in_common():
    answers, references = ["the nose looks very blurry", "x y z u v"], [["the nose looks very blurry"], ["a b c d e"]]
    assert bleu(answers, references)[0].items == pytest.approx((1.0, 0.0), abs=1e-8)
    assert rouge_l(answers, references).items == (1.0, 0.0)
    assert cider(answers, references).items == pytest.approx((10.0, 0.0))


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider])
@pytest.mark.parametrize(("answers", "references"), [([], []), (["a"], []), (["a", "b"], [["a"], []])])
def test_what_cannot_be_compared_is_refused(metric, answers, references):
    with pytest.raises(ConfigError, match=f"{len(answers)} answers"):
        metric(answers, references)


@pytest.mark.parametrize(
    ("text", "expected"), json.loads((GOLDEN / "ptb_tokens.json").read_text(encoding="utf-8"))["texts"]
)
def test_normalised_tokens_equal_the_treebank_tokeniser(text, expected):
    assert tokenise(text, "normalised") == expected
    assert tokenise(text, "raw") == text


def test_normalised_tokens_differ_where_the_documentation_says():
    assert tokenise("The face (left side) is fake.", "normalised") == "the face left side is fake"


def test_marks_of_the_tokeniser_are_taken_out():
    assert clean_answer("<s> The nose </n>is fake.</s>\n") == "The nose is fake."
