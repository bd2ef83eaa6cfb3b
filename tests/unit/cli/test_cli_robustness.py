"""The verb on the sample pictures: JSON, page and table; wrong use in one line."""

from __future__ import annotations

import json
import shutil

import pytest

from facewitness.cli.main import main
from unit.house.house_paths import ROOT
from unit.reports.page_reading import Page

FEW = ["--perturbation", "jpeg", "--perturbation", "crop_wide", "--level", "1", "--level", "5"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for name, file in (("real", "astronaut.jpg"), ("fake", "self_blended.jpg")):
        (root / name).mkdir()
        shutil.copy(ROOT / "examples" / file, root / name)
    (root / "fake" / "broken.jpg").write_bytes(b"\xff\xd8\xffbroken")
    return root


@pytest.fixture(scope="module")
def options(folders):
    places = ["--real", str(folders / "real"), "--fake", str(folders / "fake"), "--out", str(folders / "out")]
    return ["robustness", *places, *FEW, "--precision", "f32", "--threads", "1", "--resamples", "20"]


def test_table_json_and_page(options, folders, capsys):
    assert main(options) == 0
    out = capsys.readouterr().out
    assert "clean: AUC 1.000" in out
    assert "1 real and 1 fake videos scored" in out
    assert "crop_wide" in out
    assert "only 1 real and 1 fake video: too few for an interval" in out
    document = json.loads((folders / "out" / "robustness.json").read_text())
    assert [(row["name"], row["level"]) for row in document["conditions"]] == [
        ("clean", 0), ("jpeg", 1), ("jpeg", 5), ("crop_wide", 1), ("crop_wide", 5),
    ]  # fmt: skip
    assert document["protocol"]["not_scored_clean"] == 1
    assert document["conditions"][0]["auc"] == 1.0
    assert document["conditions"][0]["strength"] is None
    assert all(0 <= row["faces_lost"] <= 1 for row in document["conditions"])
    page = Page((folders / "out" / "robustness.html").read_text(encoding="utf-8"))
    assert "saved again as JPEG at quality 20" in page.words
    assert "Only 1 real and 1 fake video: too few for an interval" in page.words
    assert main([*options, "--json"]) == 0  # goes on in the same folder
    assert json.loads(capsys.readouterr().out) == document


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--perturbation", "jpg"], "no perturbation is called 'jpg'"),
        (["--precision", "f16"], "--precision must be one of"),
        (["--seed", "3"], "holds scores with seed = 0"),
    ],
)
def test_wrong_use(options, capsys, more, message):
    assert main([*options, *more]) == 1
    assert message in capsys.readouterr().err


def test_reals_alone_are_not_enough(folders, tmp_path, capsys):
    assert main(["robustness", "--real", str(folders / "real"), "--out", str(tmp_path)]) == 1
    assert "both --real DIR and --fake DIR" in capsys.readouterr().err
