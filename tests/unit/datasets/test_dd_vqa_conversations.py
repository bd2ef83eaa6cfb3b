"""DD-VQA's training conversations: built, checked, and questions without the label."""

import copy
import json
from pathlib import Path

import pytest

from facewitness.datasets.dd_vqa import Question, picture_label, picture_videos, read_questions
from facewitness.datasets.dd_vqa_conversations import (
    check_conversations,
    check_splits,
    claiming_question,
    conversations,
    neutral_question,
    reveals_label,
    with_neutral_questions,
    write_conversations,
)
from facewitness.errors import ConfigError
from facewitness.records import Label

SHARED = Path(__file__).parents[4] / "shared" / "data" / "ddvqa"
JUDGED = SHARED / "train_DDVQA_format_judge_only.json"
ASKED = [
    Question("1_226_491.jpg", "Describe the authenticity of the image based on nose.", ("It is blurry.", "Flaws.")),
    Question("5_301.jpg", "Describe the authenticity of the image based on skin.", ("Smooth skin.",), 1),
]


def test_judge_records_are_the_official_ones():
    assert conversations(ASKED[:1], "judge") == [
        {
            "id": "226_491",
            "image": "1_226_491.jpg",
            "conversations": [
                {"from": "human", "value": "<image>\n<deepfake>\nDo the image looks real or fake?"},
                {"from": "gpt", "value": "The image looks fake."},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("style", "values"),
    [
        ("describe", ["<image>\n<deepfake>\n{q}", "It is blurry."]),
        (
            "describe_judge",
            ["<image>\n<deepfake>\n{q} Is the image real or fake?", "It is blurry. The image looks fake."],
        ),
        (
            "describe_then_judge",
            ["<image>\n<deepfake>\n{q}", "It is blurry.", "Is the image real or fake?", "The image looks fake."],
        ),
    ],
)
def test_descriptions_in_one_turn_and_in_two(style, values, tmp_path):
    made = conversations(ASKED, style)
    assert [record["image"] for record in made] == ["1_226_491.jpg", "1_226_491.jpg", "5_301.jpg"]
    assert [turn["value"] for turn in made[0]["conversations"]] == [v.format(q=ASKED[0].question) for v in values]
    assert check_conversations(made, images={"1_226_491.jpg", "5_301.jpg"}) == []
    write_conversations(tmp_path / "train_DDVQA_format.json", made)
    read = read_questions(tmp_path / "train_DDVQA_format.json")
    assert read[0].answers == (values[1],)
    assert len(read) == 3 * len(values) // 2


def damaged(change):
    records = copy.deepcopy(conversations(ASKED[:1], "describe_then_judge")[:1])
    change(records[0])
    return check_conversations(records, images={"1_226_491.jpg"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("id"), "expected an object with conversations, id, image"),
        (lambda r: r.update(id="226"), "the id is '226', the name says '226_491'"),
        (lambda r: r.update(image="7.jpg", id="7"), "expected a name such as"),
        (lambda r: r.update(conversations=[]), "no turn"),
        (lambda r: r["conversations"].pop(), "end with gpt"),
        (lambda r: r["conversations"].reverse(), "must alternate"),
        (lambda r: r["conversations"][0].update(value="Describe."), "must begin with"),
        (lambda r: r["conversations"][2].update(value="<image> Real or fake?"), "stands elsewhere"),
        (lambda r: r["conversations"][1].update(value=" "), "is empty"),
        (lambda r: r["conversations"][1].update(value=3), "no object with a value"),
        (lambda r: r["conversations"][3].update(value="The image looks real."), "calls it real, the name says fake"),
    ],
)
def test_the_validator_names_what_is_wrong(change, words):
    assert any(words in problem for problem in damaged(change))


def test_the_validator_misses_no_picture_and_no_shared_video():
    made = conversations(ASKED, "describe")
    assert check_conversations(made, images={"1_226_491.jpg"}) == ["record 2 (5_301.jpg): no such picture"]
    other = Question("0_491_226.jpg", "Describe.", ("Fake.",))
    assert check_splits(ASKED, [other]) == ["2 videos are in training and test, such as 226"]
    assert check_splits(ASKED[:1], ASKED[1:]) == []


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match="style must be one of judge"):
        conversations(ASKED, "three")
    with pytest.raises(ConfigError, match="no answer to train on"):
        conversations([Question("5_301.jpg", "Describe.", ())], "describe")
    with pytest.raises(ConfigError, match="expected a name such as"):
        conversations([Question("cat.jpg", "Describe.", ("a",))], "judge")


@pytest.mark.parametrize(
    ("asked", "neutral"),
    [
        ("This image is real. Describe it based on hair.", "Describe it based on hair."),
        (
            'The skin in the image is fake, tell me why. Answer in one sentence in the format"The skin ......".',
            "Does the skin in the image look real or fake? Tell me why. Answer in one sentence.",
        ),
        ("Is the image real or fake?", "Is the image real or fake?"),
    ],
)
def test_questions_lose_the_label(asked, neutral):
    assert neutral_question(asked) == neutral
    assert not reveals_label(neutral)
    claim = claiming_question(asked, Label.REAL)
    assert claim == f"This image is real. {neutral}"
    assert reveals_label(claim)


def test_questions_that_cannot_be_made_neutral_are_refused():
    with pytest.raises(ConfigError, match="expected a question of DD-VQA's forms"):
        neutral_question("Why is this obviously fake?")
    with pytest.raises(ConfigError, match="expected a question"):
        neutral_question("This image is fake.")


@pytest.mark.skipif(not JUDGED.is_file(), reason="needs ../shared/data/ddvqa")
def test_the_authors_files_are_reproduced_and_valid():
    records = json.loads(JUDGED.read_text(encoding="utf-8"))
    train, test = read_questions(JUDGED), read_questions(SHARED / "DDVQA_c40_test.jsonl")
    assert conversations(train, "judge") == records
    assert check_conversations(records) == []
    assert check_splits(train, test) == []
    assert all(reveals_label(q.question) for q in test)
    assert not any(reveals_label(q.question) for q in with_neutral_questions(test))
    assert {picture_label(q.image) for q in test} == {Label.REAL, Label.FAKE}
    assert picture_videos(test[0].image) == ("579", "701")
