"""Search for hyper-parameters of LAA-Net with Optuna; a killed search goes on, a killed trial too."""

from __future__ import annotations

import hashlib
import json
import logging
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from facewitness.detectors.laa_net.recipe import TrainingRecipe
from facewitness.errors import ConfigError
from facewitness.training.laa_keeper import VALIDATION, judged_by
from facewitness.training.laa_run import LaaRun, train_laa
from facewitness.training.run_folder import RowFile

_LOG = logging.getLogger(__name__)

DEFAULT_SPACE: Final[Mapping[str, list[Any]]] = {
    "learning_rate": [1e-5, 2e-3, "log"],
    "rho": [0.01, 0.2, "log"],
    "losses.heatmap_weight": [10.0, 100.0],
    "losses.consistency_weight": [10.0, 100.0],
}
"""What is searched when no file says otherwise."""

_RUN: Final = "run"


@dataclass(frozen=True)
class Study:
    """A search.

    Attributes:
        file: ``.db`` keeps it in SQLite; any other name in Optuna's journal. One process searches at a time.
        trials: Trials in all, those of earlier calls included.
        space: Dotted key of the recipe to ``[low, high]``, ``[low, high, "log"]``, or a list of choices; two whole
            numbers are a range of whole numbers.
        grid: Try every combination of choices instead of sampling.
    """

    file: Path
    trials: int
    space: Mapping[str, Sequence[Any]]
    grid: bool = False

    def __post_init__(self) -> None:
        """Check the space.

        Raises:
            ConfigError: If it is empty, a key has no values, or a grid holds ranges.
        """
        if not self.space or self.trials < 1:
            msg = "a search needs at least one key with its values, and at least one trial"
            raise ConfigError(msg)
        for key, values in self.space.items():
            if not isinstance(values, list | tuple) or len(values) < 2:
                msg = f'{key}: expected [low, high], [low, high, "log"] or a list of choices, got {values!r}'
                raise ConfigError(msg)
            if self.grid and values[-1] == "log":
                msg = f"{key}: a grid needs choices, not a range; list the values to try"
                raise ConfigError(msg)


def read_space(path: Path) -> dict[str, list[Any]]:
    """A search space from TOML: ``"losses.heatmap_weight" = [10, 100]``, tables are nested keys.

    Raises:
        ConfigError: If the file cannot be read.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"cannot read search space {path}: {error}"
        raise ConfigError(msg) from error
    found: dict[str, list[Any]] = {}

    def walk(table: Mapping[str, Any], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = value

    walk(values, "")
    return found


def is_range(values: Sequence[Any]) -> bool:
    """Whether values are a range rather than choices.

    Example:
        >>> is_range([0.1, 0.2]), is_range([1, 8, "log"]), is_range(["sam", "adam"]), is_range([8, 16, 32])
        (True, True, False, False)
    """
    numbers = values[:2]
    are_numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers)
    return are_numbers and (len(values) == 2 or (len(values) == 3 and values[2] == "log"))


def tune_laa(job: LaaRun, study: Study, make: Callable[[list[str]], TrainingRecipe]) -> dict[str, Any]:
    """Search; each trial is a run of its own below ``job.run``, pruned by its validations.

    Args:
        job: Data, machine and folder; its recipe gives the seed.
        study: What is searched.
        make: The recipe with overrides (``key=value``).

    Returns:
        ``value``, ``params`` and ``run`` of the best trial, and ``finished``, the number of trials of each state.

    Raises:
        ConfigError: If no trial finished.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    job.run.mkdir(parents=True, exist_ok=True)
    study.file.parent.mkdir(parents=True, exist_ok=True)
    found = optuna.create_study(
        study_name="laa_net",
        storage=_storage(study.file),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        direction="maximize",
        load_if_exists=True,
    )
    _take_up(found, optuna)
    seed = job.recipe.seed + len(found.trials)  # else a search that goes on would draw its first trials again
    found.sampler = (
        optuna.samplers.GridSampler({key: list(values) for key, values in study.space.items()}, seed=seed)
        if study.grid
        else optuna.samplers.TPESampler(seed=seed)
    )

    def objective(trial: Any) -> float:
        return _trial(trial, job, study, make, optuna)

    done = sum(t.state.is_finished() and t.state != optuna.trial.TrialState.FAIL for t in found.trials)
    if study.trials > done:
        found.optimize(objective, n_trials=study.trials - done)
    return _summary(found, optuna)


def _storage(file: Path) -> Any:
    if file.suffix == ".db":
        return f"sqlite:///{file}"
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(file)))


def _take_up(found: Any, optuna: Any) -> None:
    """Trials that a killed process left running are tried again; their runs go on where they stopped."""
    for trial in found.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        found.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            found.enqueue_trial(trial.params, skip_if_exists=False)


def _trial(trial: Any, job: LaaRun, study: Study, make: Callable[[list[str]], TrainingRecipe], optuna: Any) -> float:
    """One run; its folder is named by what it tries, so the same values go on in the same folder."""
    chosen = {key: _suggest(trial, key, values, study.grid) for key, values in study.space.items()}
    recipe = make([f"{key}={json.dumps(value)}" for key, value in chosen.items()])
    name = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:12]
    folder = job.run / f"trial-{name}"
    trial.set_user_attr(_RUN, str(folder))
    figure = "auc" if recipe.keep_best == "official" else recipe.keep_best
    for row in RowFile(folder / VALIDATION).rows():
        trial.report(judged_by(figure, row)[1], int(row["epoch"]))

    def report(epoch: int, figures: Mapping[str, float]) -> None:
        trial.report(judged_by(figure, figures)[1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    _LOG.info("trial %d: %s", trial.number, chosen)
    train_laa(replace(job, run=folder, recipe=recipe), on_validation=report)
    return max(judged_by(figure, row)[1] for row in RowFile(folder / VALIDATION).rows())


def _suggest(trial: Any, key: str, values: Sequence[Any], is_grid: bool) -> Any:
    if is_grid or not is_range(values):
        return trial.suggest_categorical(key, list(values))
    low, high, *scale = values
    whole = isinstance(low, int) and isinstance(high, int)
    return (trial.suggest_int if whole else trial.suggest_float)(key, low, high, log=bool(scale))


def _summary(found: Any, optuna: Any) -> dict[str, Any]:
    states = [trial.state for trial in found.trials]
    if optuna.trial.TrialState.COMPLETE not in states:
        msg = "no trial was finished; look at the messages above, or allow more trials"
        raise ConfigError(msg)
    best = found.best_trial
    return {
        "value": best.value,
        "params": best.params,
        "run": best.user_attrs[_RUN],
        "finished": {state.name.lower(): states.count(state) for state in sorted(set(states))},
    }
