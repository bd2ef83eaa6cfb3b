"""`facewitness blend` on the sample portrait."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from facewitness.cli.main import main
from unit.house.house_paths import ROOT

PORTRAIT = ROOT / "examples" / "astronaut.jpg"
STEMS = ("real", "fake", "mask", "boundary", "heatmap")


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def pictures(folder):
    return {stem: read(folder / f"{stem}.png") for stem in STEMS}


def test_one_blend(tmp_path, capsys):
    out = tmp_path / "new" / "blended"
    assert main(["blend", str(PORTRAIT), "-o", str(out), "--seed", "5"]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip() == str(out / "blend.jpg")
    assert captured.err == ""
    assert {p.name for p in out.iterdir()} == {"blend.jpg", "blend.json", *(f"{stem}.png" for stem in STEMS)}
    shown = pictures(out)
    side = shown["real"].shape[0]
    assert 317 - 2 * 24 <= side <= 317 - 2 * 5
    assert shown["real"].shape == shown["fake"].shape == (side, side, 3)
    assert shown["mask"].shape == shown["boundary"].shape == (side, side)
    np.testing.assert_array_equal(shown["fake"][shown["mask"] == 0], shown["real"][shown["mask"] == 0])
    assert shown["boundary"].max() > 240
    facts = json.loads((out / "blend.json").read_text(encoding="utf-8"))
    assert (facts["seed"], facts["mode"], facts["picture"]) == (5, "corrected", "astronaut.jpg")
    (drawn,) = facts["blends"]
    assert side == 317 - 2 * drawn["margin"] == drawn["size_px"]
    rows, columns = np.array(drawn["vulnerable_points"]).T
    assert (shown["heatmap"][rows, columns] == 255).all()
    height, width, _ = read(out / "blend.jpg").shape
    assert width > 5 * side
    assert side < height < 1.3 * side


def test_several_blends_and_seeds(tmp_path):
    for name, count in (("a", 2), ("b", 3)):
        assert main(["blend", str(PORTRAIT), "-o", str(tmp_path / name), "--count", str(count), "--size", "128"]) == 0
    for stem, picture in pictures(tmp_path / "a" / "02").items():
        np.testing.assert_array_equal(picture, pictures(tmp_path / "b" / "02")[stem])
    first, second = (pictures(tmp_path / "b" / number)["mask"] for number in ("01", "02"))
    assert first.shape != second.shape or (first != second).any()
    assert len(json.loads((tmp_path / "b" / "blend.json").read_text(encoding="utf-8"))["blends"]) == 3
    two, three = (read(tmp_path / name / "blend.jpg").shape[0] for name in ("a", "b"))
    assert three > 1.3 * two


def test_official_mode_is_another(tmp_path):
    for mode in ("official", "corrected"):
        assert main(["blend", str(PORTRAIT), "-o", str(tmp_path / mode), "--mode", mode, "--seed", "2"]) == 0
    one, other = (pictures(tmp_path / mode)["fake"] for mode in ("official", "corrected"))
    assert one.shape != other.shape or (one != other).any()
    assert json.loads((tmp_path / "official" / "blend.json").read_text(encoding="utf-8"))["mode"] == "official"


def test_another_face_blended_in(tmp_path, capsys):
    with Image.open(PORTRAIT) as portrait:
        donor = portrait.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    Image.merge("RGB", donor.split()[::-1]).save(tmp_path / "donor.png")
    out, options = tmp_path / "out", ("--donor", str(tmp_path / "donor.png"), "--count", "4")
    for mode in ("corrected", "official"):
        assert main(["blend", str(PORTRAIT), "-o", str(out / mode), *options, "--mode", mode]) == 0
        facts = json.loads((out / mode / "blend.json").read_text(encoding="utf-8"))
        assert facts["donor"] == "donor.png"
        for number, drawn in enumerate(facts["blends"], 1):
            shown = pictures(out / mode / f"{number:02}")
            assert shown["real"].shape == shown["fake"].shape == (257, 257, 3)
            assert drawn["fake"]
            inside, outside = shown["mask"] > 250, shown["mask"] == 0
            apart = np.abs(shown["fake"].astype(int) - shown["real"])
            assert apart[inside].mean() > 3 * apart[outside].mean()
    assert capsys.readouterr().err == ""


def test_donor_without_a_face(tmp_path, capsys):
    Image.new("RGB", (200, 160), (90, 120, 90)).save(tmp_path / "meadow.png")
    assert main(["blend", str(PORTRAIT), "-o", str(tmp_path / "out"), "--donor", str(tmp_path / "meadow.png")]) == 1
    assert "meadow.png: no face found" in capsys.readouterr().err


def test_picture_without_a_face(tmp_path, capsys):
    Image.new("RGB", (200, 160), (90, 120, 90)).save(tmp_path / "meadow.png")
    assert main(["blend", str(tmp_path / "meadow.png"), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("facewitness: meadow.png: no face found")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "words"), [("missing.jpg", "missing.jpg"), ("text.jpg", "text.jpg")], ids=["missing", "no picture"]
)
def test_unreadable_picture(tmp_path, capsys, source, words):
    (tmp_path / "text.jpg").write_text("not a picture", encoding="utf-8")
    assert main(["blend", str(tmp_path / source), "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown


def test_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "out").write_text("", encoding="utf-8")
    assert main(["blend", str(PORTRAIT), "-o", str(tmp_path / "out"), "--size", "128"]) == 1
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--mode", "new"], ["--count", "0"], ["--size", "10"], ["--seed", "-1"]])
def test_wrong_usage(tmp_path, wrong):
    assert main(["blend", str(PORTRAIT), "-o", str(tmp_path / "out"), *wrong]) == 2
