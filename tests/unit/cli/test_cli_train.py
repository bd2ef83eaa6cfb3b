"""`facewitness train`, and `facewitness export laa_net_lite` on what it wrote."""

from __future__ import annotations

import json
import sys

import cv2
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from facewitness.cli.main import main
from facewitness.detectors.laa_net.lite.weights import load_lite
from facewitness.training import lite_release, lite_run
from facewitness.weights import WeightsRecord
from unit.training.training_data import make_root

RECIPE = """
sizes = [64]
pairs = 1
synthetic = 1
steps = 9
warmup_steps = 1
validate_every = 1

[network]
width = 8
image_size = 64

[data]
folders = ["faces"]
real = ["real_soft", "real_sharp"]
real_shares = [0.5, 0.5]
fake = ["fake_made"]
soft = ["real_soft"]
validation_share = 0.3
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data root with a recipe beside it."""
    folder = tmp_path_factory.mktemp("place")
    make_root(folder / "data")
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def train_words(place, run="run"):
    where = ["--data", str(place / "data"), "--run", str(place / run), "--cache", str(place / "cache")]
    machine = ["--device", "cpu", "--threads", "1", "--workers", "0", "--no-pretrained"]
    return ["train", "laa_net", "--recipe", str(place / "tiny.toml"), "--steps", "1", *where, *machine]


@pytest.fixture(scope="module")
def trained(place):
    """The folder of a run of one step."""
    assert main(train_words(place)) == 0
    return place / "run"


def test_run_of_one_step(trained, place, capsys):
    assert {"best.safetensors", "last.ckpt", "validation.jsonl", "recipe.json"} <= {p.name for p in trained.iterdir()}
    assert load_lite(trained / "best.safetensors").config.width == 8
    assert (place / "cache" / "faces" / "fingerprint.txt").is_file()
    assert main(train_words(place)) == 0  # once more: nothing is left to do
    assert capsys.readouterr().out.splitlines()[-1] == f"best weights: {trained / 'best.safetensors'}"
    assert len((trained / "validation.jsonl").read_text(encoding="utf-8").splitlines()) == 1


def test_another_recipe_in_the_same_run(trained, place, capsys):
    (place / "other.toml").write_text(RECIPE.replace("pairs = 1", "pairs = 2"), encoding="utf-8")
    words = [word.replace("tiny.toml", "other.toml") for word in train_words(place)]
    assert main(words) == 1
    assert "begun with another recipe" in capsys.readouterr().err


def test_the_named_recipe_with_other_steps(place, monkeypatch, capsys):
    asked = []

    def train_lite(root, run, recipe, **named):
        asked.append((root, run, recipe, named))
        return run / "best.safetensors"

    monkeypatch.setattr(lite_run, "train_lite", train_lite)
    assert main(["train", "laa_net", "--data", str(place), "--steps", "12", "--precision", "bf16"]) == 0
    ((root, run, recipe, named),) = asked
    assert (root, str(run), recipe.steps, recipe.pairs) == (place, "runs/lite", 12, 14)
    assert (named["pretrained"], named["cache"]) == (True, None)
    assert named["machine"] == lite_run.TrainingMachine("auto", "bf16", 0, 1)
    assert "best weights: runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["ucf"], "detector must be laa_net"),
        (
            ["laa_net", "--recipe", "light"],
            "--recipe must be one of lite, bi, corrected_bi, corrected_sbi, sbi, tiny_sbi or a .toml",
        ),
        (["laa_net", "--recipe", "gone.toml"], "gone.toml"),
    ],
)
def test_wrong_words(words, shown, tmp_path, capsys):
    assert main(["train", *words, "--data", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert shown in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_misspelt_recipe_field(place, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text("stepps = 3\n", encoding="utf-8")
    assert main(["train", "laa_net", "--recipe", str(tmp_path / "bad.toml"), "--data", str(place / "data")]) == 1
    assert "Did you mean 'steps'?" in capsys.readouterr().err


def test_data_that_is_not_there(tmp_path, capsys):
    words = ["--data", str(tmp_path / "gone"), "--run", str(tmp_path / "run"), "--threads", "1"]
    assert main(["train", "laa_net", *words]) == 1
    assert "has none of the folders" in capsys.readouterr().err
    assert main(["train", "laa_net", *words[:-1], "-1"]) == 2


def test_without_torch_it_says_what_to_install(trained, tmp_path, monkeypatch, capsys):
    for module in ("lite_run", "lite_release"):
        monkeypatch.setitem(sys.modules, f"facewitness.training.{module}", None)
    for words in (
        ["train", "laa_net", "--data", str(tmp_path), "--run", str(tmp_path / "run")],
        ["export", "laa_net_lite", str(trained / "best.safetensors"), "-o", str(tmp_path / "a.onnx")],
    ):
        assert main(words) == 1
        assert "facewitness[torch]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_too_few_held_out_faces_to_export(trained, place, tmp_path, capsys):
    words = [str(trained / "best.safetensors"), "--cache", str(place / "cache"), "-o", str(tmp_path / "a.onnx")]
    assert main(["export", "laa_net_lite", *words]) == 1
    assert "needs at least" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_export_takes_size_and_views_from_where_it_says(trained, place, tmp_path, monkeypatch, capsys):
    asked = []

    def release(weights, store, target, **named):
        asked.append((weights, len(store.caches[0]), target, named))
        points = {"fpr=0.01": {"threshold": 0.75}}
        return WeightsRecord("a.onnx", "ab" * 32, "laa_net_lite", "any", operating_points=points)

    monkeypatch.setattr(lite_release, "release_lite", release)
    (tmp_path / "figures.json").write_text(json.dumps({"auc": 0.9}), encoding="utf-8")
    base = ["export", "laa_net_lite", str(trained / "best.safetensors"), "--cache", str(place / "cache")]
    base += ["-o", str(tmp_path / "a.onnx")]
    more = ["--views", "1.0,0.8", "--mirror", "--margin", "1.1", "--size", "96", "--commit", "abc", "--licence", "mine"]
    more += ["--average-with", str(trained / "last.safetensors"), "--evaluation", str(tmp_path / "figures.json")]
    assert main(base) == 0
    assert "fpr=0.01 at 0.750" in capsys.readouterr().out
    assert main([*base, *more]) == 0
    (weights, faces, target, plain), (*_, full) = asked
    assert (weights, faces, target) == (trained / "best.safetensors", 18, tmp_path / "a.onnx")
    assert (plain["processor"].image_size, plain["processor"].looks, plain["average_with"]) == (64, 1, [])
    assert "research use" in plain["licence"]
    assert (full["processor"].image_size, full["processor"].looks) == (96, 4)
    assert (full["processor"].margin_ratio, full["commit"], full["licence"]) == (1.1, "abc", "mine")
    assert full["average_with"] == [trained / "last.safetensors"]
    assert full["evaluation"] == {"auc": 0.9}


def test_export_of_lite_refuses_wrong_use(trained, tmp_path, capsys):
    weights, target = str(trained / "best.safetensors"), str(tmp_path / "a.onnx")
    (tmp_path / "lone.safetensors").write_bytes((trained / "best.safetensors").read_bytes())
    for words, shown in (
        ([weights, "-o", target, "--views", "1.0;0.8"], "--views must be numbers"),
        ([weights, "-o", target, "--views", "0.8"], "views must begin with 1.0"),
        ([weights, "-o", target, "--cache", str(tmp_path)], "holds none of the caches"),
        ([str(tmp_path / "lone.safetensors"), "-o", target], "recipe.json"),
        ([weights, "-o", str(tmp_path / "a.pt")], ".onnx"),
    ):
        assert main(["export", "laa_net_lite", *words]) == 1
        assert shown in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lone.safetensors"]
