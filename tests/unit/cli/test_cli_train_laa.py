"""`facewitness train` with the recipes of LAA-Net, `facewitness tune`, and the detector on what they wrote."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from facewitness.cli.main import main
from facewitness.detectors.laa_net.detector import create
from facewitness.training import laa_tune
from facewitness.weights import WeightsRecord
from unit.training.laa_prepared import MINI, make_prepared

MACHINE = ["--device", "cpu", "--threads", "1", "--workers", "0"]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Read-only."""
    return make_prepared(tmp_path_factory.mktemp("prepared"))


def words(data, *more, recipe="tiny_sbi", verb="train"):
    overrides = [word for change in MINI for word in ("--set", change)]
    return [verb, "laa_net", "--recipe", str(recipe), "--data", str(data), *MACHINE, *overrides, *more]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a run of one epoch."""
    run = tmp_path_factory.mktemp("runs") / "run"
    assert main(words(data, "--run", str(run), "--epochs", "1", "--batch", "4", "--no-progress")) == 0
    return run


def test_run_from_the_command_line(trained, data, capsys):
    settings = json.loads((trained / "run.json").read_text(encoding="utf-8"))
    assert (settings["recipe"]["epochs"], settings["recipe"]["batch_items"]) == (1, 4)
    assert settings["recipe"]["network"]["image_size"] == 64
    again = words(data, "--run", str(trained), "--epochs", "1", "--batch", "4", "--no-progress")
    assert main(again) == 0
    assert capsys.readouterr().out == f"best weights: {trained / 'best.safetensors'}\n"


def test_progress_goes_to_stderr_or_stdout_stays_clean(data, tmp_path, capsys):
    assert main(words(data, "--run", str(tmp_path / "run"), "--epochs", "1")) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("best weights:")


def test_detector_takes_the_weights(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEWITNESS_CACHE", str(tmp_path))
    detector = create(weights=trained / "best.safetensors", device="CPU", precision="f32")
    assert (detector.mode, detector.processor.image_size, detector.processor.protocol) == ("corrected", 64, "sbi")
    (score,) = detector.score([np.full((96, 96, 3), 120, np.uint8)])
    assert 0 < score.score < 1
    # An export beside it takes the name of its record; what it was trained for goes along.
    target = trained / "best.onnx"
    record = (trained / "best.json").read_text(encoding="utf-8")
    assert main(["export", "laa_net", str(trained / "best.safetensors"), "-o", str(target)]) == 0
    exported = create(weights=target, device="CPU", precision="f32")
    assert (exported.processor, exported.mode) == (detector.processor, "corrected")
    assert "4 real videos" in WeightsRecord.read(trained / "best.json").trained_on
    assert create(weights=trained / "best.safetensors", device="CPU", precision="f32").processor == detector.processor
    (trained / "best.json").write_text(record, encoding="utf-8")


def test_dry_run_prints_a_plan_and_writes_nothing(data, tmp_path, capsys):
    assert main(words(data, "--run", str(tmp_path / "run"), "--accumulate", "2", "--dry-run")) == 0
    shown = capsys.readouterr().out
    for line in ("4 real videos, 16 frames", "8 images (1 processes, 2 batches each)", "images/s on this CPU"):
        assert line in shown
    assert re.search(r"so (\d+ minutes?|less than a minute) for the whole run", shown)
    assert list(tmp_path.iterdir()) == []


def test_a_toml_file_for_prepared_data_is_a_recipe_of_laa_net(data, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("frozen_epochs = 0\nnetwork = {image_size = 64, width = 0.2, depth = 0.3}\n", encoding="utf-8")
    assert main(words(data, "--dry-run", recipe=path)) == 0
    assert "mine.toml: sbi, 64 px" in capsys.readouterr().out


def test_the_authors_yaml(data, tmp_path, capsys):
    path = tmp_path / "theirs.yaml"
    heads = "heads: {hm: 1, cls: 1, cstency: 8}"
    path.write_text(
        "DATASET: {type: SBIFaceForensic, IMAGE_SIZE: [64, 64]}\nTRAIN: {epochs: 3, warm_up: 0, resume: true}\n"
        f"MODEL: {{type: PoseEfficientNet, model_name: efficientnet-b0, efpn: true, {heads}}}\n",
        encoding="utf-8",
    )
    assert main(words(data, "--dry-run", recipe=path)) == 0
    shown = capsys.readouterr()
    assert "theirs.yaml: sbi, 64 px" in shown.out
    assert "begin_epoch are left out" in shown.err


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        (["--steps", "3"], "--steps does not go with recipe 'tiny_sbi'"),
        (["--no-pretrained"], "--no-pretrained does not go"),
        (["--set", "epoch=3"], "Did you mean 'epochs'"),
        (["--init", "gone.pth"], "gone.pth"),
        (["--strategy", "deepspeed"], "DeepSpeed owns"),
    ],
)
def test_wrong_options(data, tmp_path, capsys, more, shown):
    assert main(words(data, "--run", str(tmp_path / "run"), *more)) == 1
    assert shown in capsys.readouterr().err


def test_lite_refuses_options_of_the_others(tmp_path, capsys):
    assert main(["train", "laa_net", "--data", str(tmp_path), "--epochs", "2"]) == 1
    assert "--epochs does not go with recipe 'lite'" in capsys.readouterr().err


def test_unprepared_data(tmp_path, capsys):
    assert main(words(tmp_path, "--run", str(tmp_path / "run"))) == 1
    assert "run facewitness prepare first" in capsys.readouterr().err


def test_tune_prints_the_best(data, tmp_path, capsys):
    (tmp_path / "space.toml").write_text("learning_rate = [0.0005, 0.001]\n", encoding="utf-8")
    more = ["--study", str(tmp_path / "s.log"), "--trials", "2", "--epochs", "1", "--grid"]
    assert main(words(data, *more, "--space", str(tmp_path / "space.toml"), verb="tune")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["finished"] == {"complete": 2}
    assert found["params"]["learning_rate"] in {0.0005, 0.001}
    assert len(list((tmp_path / "s-trials").glob("trial-*/best.safetensors"))) == 2


def test_tune_refuses_lite(tmp_path, capsys):
    assert main(["tune", "laa_net", "--recipe", "lite", "--data", str(tmp_path), "--study", "s.log"]) == 1
    assert "only the recipes of laa_net" in capsys.readouterr().err


def test_tune_without_optuna_or_torch(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, laa_tune.__name__, None)
    assert main(words(data, "--study", str(tmp_path / "s.log"), verb="tune")) == 1
    assert "facewitness[torch]" in capsys.readouterr().err
