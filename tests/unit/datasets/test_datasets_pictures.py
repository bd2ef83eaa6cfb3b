"""OW-FFA-Bench, MA and DD-VQA: pictures with lists of verdicts or questions."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from facewitness.datasets import dd_vqa, multi_attack, ow_ffa_bench
from facewitness.datasets.demo_media import EmptyMaker
from facewitness.errors import ConfigError
from facewitness.records import Label
from unit.house.house_paths import ROOT

SHARED = ROOT.parent / "shared" / "data" / "ddvqa"


@pytest.mark.parametrize("module", [ow_ffa_bench, multi_attack, dd_vqa], ids=lambda m: m.__name__.rsplit(".")[-1])
def test_demo_is_listed_once_and_empty_folders_are_named(tmp_path, module):
    with pytest.raises(ConfigError, match=str(tmp_path)):
        module.index(tmp_path)
    module.make_demo(tmp_path, EmptyMaker())
    listing = module.listing(tmp_path)
    assert not listing.missing
    assert module.looks_like(tmp_path)
    assert len({r.video_id for r in listing.records}) == len(listing.records) > 11
    assert {r.kind for r in listing.records} == {"image"}
    assert module.index(tmp_path, "test") == [r for r in listing.records if r.split == "test"]
    with pytest.raises(ConfigError, match="'val'"):
        module.index(tmp_path, "val")


def test_bench_parts(tmp_path):
    ow_ffa_bench.make_demo(tmp_path, EmptyMaker())
    records = ow_ffa_bench.index(tmp_path)
    assert Counter((r.metadata["part"], r.label) for r in records) == {
        (part, label): 2 for part in ("dfd", "dfdc", "dpf", "mffdi", "pgc", "wfir") for label in Label
    }
    assert {r.manipulation for r in records if r.label} == set(ow_ffa_bench.METHODS.values())
    assert {r.path.split("/")[0] for r in ow_ffa_bench.index(tmp_path, parts="pgc,wfir")} == {"pgc", "wfir"}


def test_bench_names_what_is_wrong(tmp_path):
    ow_ffa_bench.make_demo(tmp_path, EmptyMaker())
    (tmp_path / "dfd" / "imgs" / "2.png").unlink()
    assert ow_ffa_bench.listing(tmp_path).missing == ("dfd/imgs/2.png",)
    (tmp_path / "dpf" / "dpf.json").write_text('{"0.png": "Real ", "1.png": "maybe"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dpf\.json: verdict of 1\.png .*'maybe'"):
        ow_ffa_bench.index(tmp_path)
    (tmp_path / "dpf" / "dpf.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dpf\.json, got a list"):
        ow_ffa_bench.index(tmp_path)


@pytest.mark.parametrize("name", ["ma", "multiattack"])
@pytest.mark.parametrize("inner", [True, False])
def test_multi_attack_has_types_under_both_names_and_both_roots(tmp_path, name, inner):
    multi_attack.make_demo(tmp_path, EmptyMaker())
    folder = (tmp_path / "multiattack").rename(tmp_path / "there")
    (folder / "multiattack.json").rename(folder / f"{name}.json")
    folder = folder.rename(tmp_path / name)
    records = multi_attack.index(folder if inner else tmp_path)
    assert Counter(r.manipulation for r in records) == {
        "": 3,
        "Face swap": 3,
        "Face attribute manipulation": 3,
        "Entire face synthesis": 3,
    }
    assert all((r.manipulation == "") == (r.label == Label.REAL) for r in records)


def test_multi_attack_reads_verdicts_alone(tmp_path):
    EmptyMaker().picture(tmp_path / "ma" / "imgs" / "a.png", "x")
    (tmp_path / "ma" / "ma.json").write_text('{"a.png": "fake", "b.png": "real"}', encoding="utf-8")
    listing = multi_attack.listing(tmp_path)
    assert [(r.label, r.manipulation) for r in listing.records] == [(Label.FAKE, "fake")]
    assert listing.missing == ("ma/imgs/b.png",)


def test_dd_vqa_names_and_questions(tmp_path):
    dd_vqa.make_demo(tmp_path, EmptyMaker())
    records = dd_vqa.index(tmp_path)
    fake = next(r for r in records if r.path.endswith("/1_527_214.jpg"))
    assert (fake.label, fake.manipulation, fake.identities) == (Label.FAKE, "Face2Face", ("527", "214"))
    assert (fake.split, fake.compression, fake.metadata["questions"]) == ("test", "c40", "1")
    real = next(r for r in records if r.path.endswith("/5_214.jpg"))
    assert (real.label, real.manipulation, real.sources) == (Label.REAL, "", ("214",))
    by_split = {s: {i for r in records if r.split == s for i in r.identities} for s in ("train", "test")}
    assert not by_split["train"] & by_split["test"]
    train = dd_vqa.questions(tmp_path, "train")
    assert train[0] == dd_vqa.Question(
        "5_226.jpg", "Do the image looks real or fake?", ("The image looks real.",), turn=0
    )
    assert len(train) == 6


def test_dd_vqa_pictures_in_the_root_itself(tmp_path):
    dd_vqa.make_demo(tmp_path, EmptyMaker())
    whole = len(dd_vqa.index(tmp_path))
    (tmp_path / "DDVQA_images" / "c40").rename(tmp_path / "c40")
    (tmp_path / "DDVQA_images").rmdir()
    (tmp_path / "DDVQA_eval" / "c40" / "test.jsonl").rename(tmp_path / "DDVQA_c40_test.jsonl")
    assert dd_vqa.looks_like(tmp_path)
    assert len(dd_vqa.index(tmp_path)) == whole
    assert {r.metadata["questions"] for r in dd_vqa.index(tmp_path, "test")} == {"1"}
    (tmp_path / "c40" / "test" / "5_214.jpg").unlink()
    assert dd_vqa.listing(tmp_path).missing == ("c40/test/5_214.jpg",)
    (tmp_path / "c40" / "test" / "4_214.jpg").touch()
    with pytest.raises(ConfigError, match=r"4_214\.jpg"):
        dd_vqa.index(tmp_path)


def test_dd_vqa_reads_all_three_forms(tmp_path):
    upstream = {"3_579_701": {"0": {"question": "Why?", "answer": ["So.", "Or so."]}}}
    turns = [("human", "<image>\n<deepfake>\nOne?"), ("gpt", "Yes."), ("human", "Two?"), ("gpt", "No.")]
    talk = [{"id": "1", "image": "5_001.jpg", "conversations": [{"from": f, "value": v} for f, v in turns]}]
    for name, value in (("up.json", upstream), ("talk.json", talk)):
        (tmp_path / name).write_text(json.dumps(value), encoding="utf-8")
    assert dd_vqa.read_questions(tmp_path / "up.json") == [dd_vqa.Question("3_579_701.jpg", "Why?", ("So.", "Or so."))]
    assert [(q.question, q.answers, q.turn) for q in dd_vqa.read_questions(tmp_path / "talk.json")] == [
        ("One?", ("Yes.",), 0),
        ("Two?", ("No.",), 1),
    ]


@pytest.mark.parametrize(
    "text", ['[{"image": "a.jpg"}]', "[1]", '[{"image": "a", "conversations": [{"from": "gpt"}, {}]}]']
)
def test_dd_vqa_names_damaged_question_files(tmp_path, text):
    (tmp_path / "q.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"q\.json holds no DD-VQA questions"):
        dd_vqa.read_questions(tmp_path / "q.json")


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data/ddvqa")
def test_dd_vqa_files_as_m2f2_det_ships_them():
    """Counts of the specification, m2f2_det.md."""
    train = dd_vqa.questions(SHARED, "train")
    assert len(train) == 9252
    assert len({q.image for q in train}) == 1339
    assert Counter(q.answers[0] for q in train) == {"The image looks fake.": 5452, "The image looks real.": 3800}
    test = dd_vqa.questions(SHARED, "test")
    assert len(test) == 1070
    assert len({q.image for q in test}) == 144
    assert Counter(q.image[0] for q in test) == {"5": 596, "0": 222, "1": 110, "3": 86, "6": 56}
