"""The search over recipes: spaces, resumption, pruning, grids. Training itself is a stub with known figures."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
optuna = pytest.importorskip("optuna")

from facewitness.errors import ConfigError
from facewitness.training import laa_tune
from facewitness.training.laa_run import LaaRun
from facewitness.training.laa_tune import DEFAULT_SPACE, Study, read_space, tune_laa
from unit.training.laa_prepared import mini

SPACE = {"learning_rate": [1e-4, 1e-2, "log"], "batch_items": [2, 4, 8]}


class PowerCutError(Exception):
    """What the tests interrupt with."""


@pytest.fixture
def trained(monkeypatch):
    """Replaces training: the AUC is best near a rate of 1e-3, and every epoch is reported. Lists the folders."""
    folders = []

    def train_laa(job, *, on_validation):
        folders.append(job.run)
        job.run.mkdir(parents=True, exist_ok=True)
        auc = 1 / (1 + abs(job.recipe.learning_rate - 1e-3) * 1e3) - 0.01 * job.recipe.batch_items
        with (job.run / "validation.jsonl").open("a", encoding="utf-8") as stream:
            for epoch in range(3):
                stream.write(json.dumps({"step": epoch + 1, "epoch": epoch, "auc": auc}) + "\n")
        for epoch in range(3):
            on_validation(epoch, {"auc": auc})

    monkeypatch.setattr(laa_tune, "train_laa", train_laa)
    return folders


def search(tmp_path, trials, name="study.log", **fields):
    job = LaaRun(tmp_path / "data", tmp_path / "runs", mini())
    study = Study(tmp_path / name, trials, **{"space": SPACE, **fields})
    return tune_laa(job, study, lambda overrides: mini(*overrides))


@pytest.mark.parametrize("name", ["study.log", "study.db"])
def test_search_finds_the_better_and_goes_on(trained, tmp_path, name):
    first = search(tmp_path, 4, name)
    assert first["finished"] == {"complete": 4}
    second = search(tmp_path, 12, name)
    assert sum(second["finished"].values()) == len(trained) == 12
    assert len(set(trained)) == 12  # going on repeats nothing
    assert second["value"] >= first["value"]
    assert second["run"] in map(str, trained)
    assert search(tmp_path, 12, name) == second  # nothing left to do
    assert len(trained) == 12


def test_a_killed_trial_goes_on_in_its_folder(trained, tmp_path, monkeypatch):
    def killed(job, *, on_validation):
        trained.append(job.run)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(laa_tune, "train_laa", killed)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, 2)
    # An interruption lets Optuna note the failure; a kill does not.
    storage = laa_tune._storage(tmp_path / "study.log")
    study = optuna.load_study(study_name="laa_net", storage=storage)
    running = study.ask({"learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)})
    assert study.get_trials(states=(optuna.trial.TrialState.RUNNING,))[0].number == running.number
    search(tmp_path, 2)
    again = optuna.load_study(study_name="laa_net", storage=storage)
    assert not again.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    rates = [trial.params["learning_rate"] for trial in again.get_trials(states=(optuna.trial.TrialState.COMPLETE,))]
    assert running.params["learning_rate"] in rates


def test_laggards_are_pruned(trained, tmp_path):
    found = search(tmp_path, 14, space={"learning_rate": [1e-4, 1e-2, "log"]})
    assert found["finished"]["pruned"] >= 1
    assert found["finished"]["complete"] >= 4


def test_grid_tries_every_combination_once(trained, tmp_path):
    grid = {"learning_rate": [1e-3, 1e-2], "batch_items": [2, 4, 8]}
    found = search(tmp_path, 6, space=grid, grid=True)
    assert len(set(trained)) == 6
    assert found["params"] == {"learning_rate": 1e-3, "batch_items": 2}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"space": {}}, "at least one key"),
        ({"space": {"rho": 0.1}}, "rho: expected"),
        ({"space": {"rho": [0.1, 1.0, "log"]}, "grid": True}, "a grid needs choices"),
        ({"space": {"roh": [0.1, 1.0]}}, "Did you mean 'rho'"),
    ],
)
def test_wrong_spaces_are_named(trained, tmp_path, fields, message):
    with pytest.raises(ConfigError, match=message):
        search(tmp_path, 1, **fields)
    assert not trained


def test_space_files(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text('rho = [0.01, 0.1, "log"]\n[losses]\nheatmap_weight = [10, 100]\n', encoding="utf-8")
    assert read_space(path) == {"rho": [0.01, 0.1, "log"], "losses.heatmap_weight": [10, 100]}
    for key in DEFAULT_SPACE:
        mini(f"{key}={DEFAULT_SPACE[key][0]}")
    with pytest.raises(ConfigError, match="cannot read search space"):
        read_space(tmp_path / "gone.toml")
