"""Judgement and explanation of answers: the authors' parity numbers, sklearn, floors, files, similarities."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle
from sklearn.feature_extraction.text import TfidfVectorizer

from facewitness.datasets.dd_vqa import Question
from facewitness.errors import ConfigError, MissingExtraError
from facewitness.evaluation.answer_files import read_answers, read_labels, read_references
from facewitness.evaluation.explanations import evaluate_explanations, question_only_answers, region_naming
from facewitness.evaluation.judgement import judge
from facewitness.evaluation.metrics import text_java
from facewitness.evaluation.metrics.text import bleu
from facewitness.evaluation.metrics.text_similarity import sentence_encoder, sentence_similarity, tfidf_cosine
from facewitness.records import Label

GOLDEN = Path(__file__).parents[2] / "golden" / "m2f2_det" / "metrics"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).parents[4] / "shared" / "data" / "ddvqa"
R, F = Label.REAL, Label.FAKE


def test_judgement_equals_the_authors_program():
    answers = read_answers(GOLDEN / "judge.jsonl")
    labels = [R if a.image.startswith("5") else F for a in answers]
    found = judge([a.text for a in answers], labels).official
    printed = dict(line.rsplit(": ", 1) for line in EXPECTED["judgement"]["stdout"] if ": " in line)
    shown = {"Accuracy": found.accuracy, "F1 Score": found.f1, "Precision": found.precision, "Recall": found.recall}
    assert {name: f"{value:.4f}" for name, value in shown.items()} == printed
    assert (found.answers, found.unparsable) == (len(EXPECTED["judgement"]["gt"]), 3)


def test_judgement_against_sklearn_and_the_unparsable_count():
    answers = ["fake", "fake", "real", "real", "not real", "no idea", "real or fake"]
    labels = [F, R, R, F, F, R, F]
    found = judge(answers, labels)
    called = [1, 1, 0, 0, 1, 0, 0]  # what states nothing is not called fake
    assert found.parsed.f1 == pytest.approx(oracle.f1_score(labels, called))
    assert found.parsed.precision == pytest.approx(oracle.precision_score(labels, called))
    assert found.parsed.recall == pytest.approx(oracle.recall_score(labels, called))
    assert found.parsed.accuracy == pytest.approx(3 / 7)  # and is wrong, even on a real picture
    assert (found.parsed.answers, found.parsed.unparsable) == (7, 2)
    assert (found.official.answers, found.official.unparsable) == (6, 1)
    assert (found.always_fake.accuracy, found.always_fake.recall) == (4 / 7, 1.0)
    assert (found.always_real.accuracy, found.always_real.f1) == (3 / 7, 0.0)
    assert found.read_otherwise == 2
    assert judge(["?"], [R]).official.accuracy == 0.0
    with pytest.raises(ConfigError, match="one label per answer"):
        judge(["fake"], [])


def test_explanation_equals_the_authors_program():
    questions = read_references(GOLDEN / "exp_gt.jsonl")
    texts = {a.key: a.text for a in read_answers(GOLDEN / "exp_pred.jsonl")}
    found = evaluate_explanations(texts, questions, "raw").scores
    expected = EXPECTED["explanation"]
    assert found.bleu == pytest.approx(expected["Bleu_1_to_4"], abs=1e-9)
    assert found.bleu_mean == pytest.approx(expected["Bleu_mean"], abs=1e-9)
    assert found.rouge_l == pytest.approx(expected["ROUGE_L"], abs=1e-9)
    assert found.cider == pytest.approx(expected["CIDEr"], abs=1e-9)
    items = bleu([texts[key] for key in questions], [list(q.answers) for q in questions.values()])
    for i, key in enumerate(questions):
        assert [s.items[i] for s in items] == pytest.approx(expected["per_key"][key]["Bleu"], abs=1e-9)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/ddvqa")
def test_the_cached_answers_of_the_authors():
    questions = read_references(SHARED / "DDVQA_c40_test.jsonl")
    texts = {a.key: a.text for a in read_answers(SHARED / "DDVQA_exp_c40.jsonl")}
    result = evaluate_explanations(texts, questions, "raw")
    found = result.scores
    assert [round(v, 5) for v in (found.bleu_mean, found.rouge_l, found.cider)] == [0.46294, 0.64332, 3.38505]
    assert result.question_only.cider > found.cider  # no picture needed
    labels, answers = read_labels(SHARED / "DDVQA_c40_test.jsonl"), read_answers(SHARED / "DDVQA_det_c40.jsonl")
    judged = judge([a.text for a in answers], [labels[a.image] for a in answers])
    one = judged.official
    assert [f"{v:.4f}" for v in (one.accuracy, one.f1, one.precision, one.recall)] == [
        "0.9444",
        "0.9420",
        "0.9848",
        "0.9028",
    ]
    assert (judged.parsed.unparsable, f"{judged.parsed.accuracy:.4f}") == (1, "0.9236")


def asked(*texts, image="5_00{}.jpg", question="Why is the nose real, based on {}?"):
    return [Question(image.format(i), question.format(i), (text,)) for i, text in enumerate(texts)]


def test_floors_see_no_picture_of_their_own():
    assert question_only_answers(asked("a", "a", "b")) == ["a", "a", "a"]
    assert question_only_answers(asked("a", "b")) == ["b", "a"]  # never its own reference
    other = [*asked("a", "a", "b"), Question("5_009.jpg", "Why are the eyes fake?", ("c",))]
    assert question_only_answers(other)[3] == "a"  # nobody else was asked that
    assert question_only_answers(asked("a")) == [""]


def test_explanations_without_an_answer_count_as_empty():
    questions = {f"k{i}": q for i, q in enumerate(asked("the nose is blurry", "the skin is smooth and soft"))}
    result = evaluate_explanations({"k0": "the nose is blurry", "other": "x"}, questions, "normalised")
    assert (result.questions, result.missing) == (2, 1)
    assert result.scores.rouge_l == pytest.approx(0.5)
    assert result.scores.by_label["real"]["rouge_l"] == pytest.approx(0.5)
    assert result.constant_answer == "the nose is blurry"
    assert result.constant.rouge_l > result.scores.rouge_l
    assert "fake" not in result.scores.by_label
    json.dumps(result.to_dict())
    with pytest.raises(ConfigError, match="1 answers to none of 2"):
        evaluate_explanations({"other": "x"}, questions, "raw")


def test_regions_named():
    found = region_naming(["Eyebrows and teeth.", "no region"], [["The brows."], ["The skin and the chin."]])
    assert (found.precision, found.recall) == (1 / 2, 1 / 3)
    assert found.f1 == pytest.approx(2 / 5)
    assert region_naming([""], [[""]]).f1 == 0.0


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "is empty"),
        ("{", "line 1"),
        ("[1]", "line 1"),
        ("[" * 100_000, "line 1"),
        ('{"text": "fake"}', '"image" or "key"'),
        ('{"image": "a.jpg"}', '"text"'),
        ('{"image": 3, "text": "fake"}', '"text"'),
    ],
)
def test_damaged_answers_are_named(tmp_path, line, words):
    with pytest.raises(ConfigError, match=words):
        read_answers(write(tmp_path / "a.jsonl", line))


def test_labels_and_references(tmp_path):
    path = write(tmp_path / "l.jsonl", '{"image": "x/a.jpg", "label": "FAKE"}', "", '{"image": "b.jpg", "label": 0}')
    assert read_labels(path) == {"a.jpg": F, "b.jpg": R}
    with pytest.raises(ConfigError, match="line 1"):
        read_labels(write(tmp_path / "m.jsonl", '{"image": "x/a.jpg", "label": "odd"}'))
    told = '{"5_214_0": {"question": "Why?", "answer": ["So."]}}'
    assert read_labels(write(tmp_path / "q.jsonl", told)) == {"5_214.jpg": R}
    with pytest.raises(ConfigError, match="5_214_0 twice"):
        read_references(write(tmp_path / "q.jsonl", told, told))


def test_tfidf_against_sklearn():
    answers, references = ["nose nose blurry", "eyes", "skin smooth skin"], [["nose blurry"], ["mouth"], ["skin", "x"]]
    flat = [text for refs in references for text in refs]
    fitted = TfidfVectorizer(token_pattern=r"\S+").fit(flat)
    # sklearn leaves out words that no reference has; ours keep them in the answer's length
    known = [0, 2]
    vectors = fitted.transform(["nose nose blurry", "skin skin"])
    expected = [
        (vectors[i] @ fitted.transform(references[j]).T).toarray().max() for i, j in zip((0, 1), known, strict=True)
    ]
    found = tfidf_cosine(["nose nose blurry", "eyes", "skin skin"], references)
    assert [found.items[i] for i in known] == pytest.approx(expected)
    assert tfidf_cosine(answers, references).items[2] < found.items[2]
    assert tfidf_cosine([""], [["a"]]).value == 0.0
    with pytest.raises(ConfigError, match="list of references per answer"):
        tfidf_cosine([], [])


def test_sentence_similarity_takes_the_best_reference():
    vectors = {"a": [1.0, 0.0], "b": [0.6, 0.8], "c": [0.0, 1.0]}

    def encode(texts):
        return np.array([vectors[text] for text in texts], np.float32)

    found = sentence_similarity(["a", "c"], [["b", "c"], ["c"]], encode)
    assert found.items == pytest.approx((0.6, 1.0))


def test_sentence_encoder_is_the_mean_over_words(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "nose", "eyes"]))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=7, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path)
    tokeniser = transformers.BertTokenizer(str(tmp_path / "vocab.txt"))
    tokeniser.save_pretrained(tmp_path)
    found = sentence_encoder(tmp_path, batch=2)(["nose", "nose eyes eyes", "eyes"])
    with torch.no_grad():
        alone = model(**tokeniser(["nose"], return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
    assert found[0] == pytest.approx(alone / np.linalg.norm(alone), abs=1e-5)  # padding counts for nothing
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    with pytest.raises(ConfigError, match="folder or hub id"):
        sentence_encoder(tmp_path / "none")


def test_java_metrics_say_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(text_java, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install pycocoevalcap"):
        text_java.meteor(["a"], [["a"]])

    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(text_java, "find_spec", lambda _: Spec)
    monkeypatch.setattr(text_java.shutil, "which", lambda _: None)
    with pytest.raises(MissingExtraError, match="java on the PATH"):
        text_java.spice(["a"], [["a"]])
    monkeypatch.setattr(text_java.shutil, "which", lambda _: "/usr/bin/java")
    with pytest.raises(MissingExtraError, match=r"stanford-corenlp-3\.6\.0\.jar"):
        text_java.spice(["a"], [["a"]])


def test_meteor_with_java():
    pytest.importorskip("pycocoevalcap", reason="pycocoevalcap is not installed")
    if text_java.shutil.which("java") is None:
        pytest.skip("no Java")
    found = text_java.meteor(["the nose is blurry", "eyes look\n fake"], [["the nose looks blurry"], ["the eyes fake"]])
    assert found.items[0] == pytest.approx(0.8898350186269294)  # of the jar, "is" and "looks" being function words
