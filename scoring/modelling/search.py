"""The search for hyper-parameters, which goes on where it was interrupted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import polars as pl
from lightgbm import __version__ as lightgbm_version
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, TrialState

from scoring.errors import ScoringError
from scoring.modelling.candidates import Candidate
from scoring.modelling.choice import smoothed_cost
from scoring.modelling.comparison import FIRST_FOLDS
from scoring.modelling.folds import Folds
from scoring.modelling.validation import Validation, assemble, fit_each
from scoring.serving.costs import Costs

_SEARCH = "search.db"
# The figures kept of each trial.
NOTED = ("business_cost", "auc", "log_loss", "brier", "auc_train")
# In the place of the number of features where all are kept.
_ALL = 0


@dataclass(frozen=True)
class Search:
    """The trials of a search, and the candidate of the one with the least objective.

    `table` has a row a trial: trial, pruned, objective, business_cost, auc, log_loss, parameters.
    """

    best: Candidate
    table: pl.DataFrame


def opened(
    base: Candidate, folds: Folds, costs: Costs, seed: int, folder: Path, data: str
) -> optuna.Study:
    """Open the study of a candidate's hyper-parameters and number of features.

    The tree-structured Parzen estimator proposes; a trial that is worse than the median of the
    earlier ones when it reports is given up. What was tried before on the same data, with the same
    code, seed and folds, is taken from the folder: an interrupted search ends as any other.

    Parameters
    ----------
    base : Candidate
        The default recipe, which the first trial is; its family and resampling are kept.
    folds : Folds
        Only for the search: what it finds is judged on others.
    costs : Costs
        What mistakes cost.
    seed : int
        Of the proposals.
    folder, data : Path, str
        Where search.db keeps the trials; digest of the data.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    asked = (
        data, _code(), seed, folds.seed, len(folds.parts), folds.examples.target.size,
        len(folds.examples.features), costs, base.name, base.resampling,
        sorted(base.parameters.items()),
    )  # fmt: skip
    study = optuna.create_study(
        study_name=hashlib.sha256(repr(asked).encode()).hexdigest()[:16],
        storage=f"sqlite:///{folder / _SEARCH}",
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    study.sampler = _sampler(seed, len(finished(study)))
    _tidy(study, base)
    return study


def reseeded(seed: int) -> Callable[[optuna.Study, FrozenTrial], None]:
    """Return what gives each trial a sampler of its own: going on later proposes the same."""

    def reseed(study: optuna.Study, _trial: FrozenTrial) -> None:
        study.sampler = _sampler(seed, len(finished(study)))

    return reseed


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """List the trials that were completed or given up."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def search_of(study: optuna.Study, propose: Callable[[BaseTrial], Candidate]) -> Search:
    """Tabulate a study's trials, with what the parameters of the best one propose."""
    return Search(propose(FixedTrial(study.best_params)), _table(study))


def _tidy(study: optuna.Study, base: Candidate) -> None:
    """Make an interrupted search ready to go on, and the default recipe its first trial."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not finished(study) and not waiting:
        study.enqueue_trial(_standard(base))


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed * 10_007 + number, n_startup_trials=6)


def _code() -> str:
    """Digest of this package's code and tables, and of LightGBM's version."""
    digest = hashlib.sha256(lightgbm_version.encode())
    package = Path(__file__).parents[1]
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.toml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _standard(base: Candidate) -> dict[str, Any]:
    """The default recipe as a trial; what is not proposed is passed over."""
    own = {name.rpartition(".")[2]: value for name, value in base.parameters.items()}
    return {**own, "kept": base.kept or _ALL}


def proposed(trial: BaseTrial, base: Candidate) -> Candidate:
    """Return the candidate that a trial suggests.

    Raises
    ------
    ScoringError
        If the base is of no family.
    """
    if base.family is None:
        raise ScoringError(f"the candidate {base.name} is of no family, and cannot be searched")
    changes = base.family.proposed(trial)
    kept = trial.suggest_categorical("kept", [_ALL, 120, 80])
    return replace(base, parameters={**base.parameters, **changes}, kept=kept or None)


def attempted(trial: optuna.Trial, candidate: Candidate, folds: Folds, costs: Costs) -> Validation:
    """Cross-validate what a trial proposes, on the first folds only if it starts badly."""
    numbers = range(len(folds.parts))
    (fitted,) = fit_each([candidate], folds, numbers[:FIRST_FOLDS])
    validation = assemble(candidate, folds, costs, fitted)
    trial.report(smoothed_cost(validation), step=1)
    if not trial.should_prune():
        (others,) = fit_each([candidate], folds, numbers[FIRST_FOLDS:])
        validation = assemble(candidate, folds, costs, fitted + others)
    trial.set_user_attr("figures", {name: validation.metrics[name] for name in NOTED})
    return validation


def outcome(validation: Validation, folds: Folds) -> float:
    """Return a trial's objective, the smoothed cost; TrialPruned if it was given up."""
    if len(validation.fit_seconds) < len(folds.parts):
        raise optuna.TrialPruned
    return smoothed_cost(validation)


def _table(study: optuna.Study) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "trial": number,
                "pruned": trial.state == TrialState.PRUNED,
                "objective": trial.value
                if trial.state == TrialState.COMPLETE
                else trial.intermediate_values[1],
                **trial.user_attrs["figures"],
                **trial.params,
            }
            for number, trial in enumerate(finished(study))
        ]
    )
