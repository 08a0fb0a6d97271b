"""The automatic choice of a model: families, remedies for imbalance, hyper-parameters.

Each stage is a function of its own that the modelling notebook calls one by one; `train` in
`scoring.modelling.pipeline` runs them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
from lightgbm import __version__ as lightgbm_version
from optuna.trial import TrialState

from scoring.evaluation.bootstrap import resamples
from scoring.modelling.candidates import LIGHTGBM_DEFAULTS, Candidate, lightgbm
from scoring.modelling.resampling import RESAMPLINGS
from scoring.modelling.training import (
    Floats,
    Folds,
    Progress,
    Validation,
    assemble,
    cross_validate_all,
    fit_each,
)
from scoring.serving.costs import Costs

# The ratios of costs over which the search averages, around the one that is decided with.
_AROUND = (0.5, 0.7, 1.0, 1.4, 2.0)
# Folds fitted before a candidate may be given up.
_FIRST_FOLDS = 2
_SEARCH = "search.db"
_RESAMPLES = 200

TrialProgress = Callable[[int, int, float], None]


def smoothed_cost(validation: Validation) -> float:
    """Business cost averaged over cost ratios around the real one, what the search minimises.

    At one cut-off the cost of a few hundred defaults jumps with every applicant near it. The
    mean over neighbouring cut-offs, each cost brought to the scale of the real ratio, is the
    same aim with less noise, and still a proper score: it is least for true probabilities
    (Buja, Stuetzle and Shen, "Loss functions for binary class probability estimation", 2005).
    """
    return float(np.mean(_smoothed_costs(validation)))


def _smoothed_costs(validation: Validation) -> Floats:
    """The smoothed cost of each applicant."""
    defaulted, pds, costs = validation.target == 1, validation.pds, validation.costs
    total = np.zeros(pds.size)
    for factor in _AROUND:
        near = Costs(costs.false_negative * factor, costs.false_positive)
        refused = pds > near.cutoff
        cost = near.false_negative * (defaulted & ~refused) + near.false_positive * (
            ~defaulted & refused
        )
        scale = (costs.false_negative + costs.false_positive) / (
            near.false_negative + near.false_positive
        )
        total += cost * scale / len(_AROUND)
    return total


def families(
    values: Mapping[str, Sequence[Candidate]],
    folds: Folds,
    costs: Costs,
    progress: Progress | None = None,
) -> list[Validation]:
    """Try a few values of each family on the first folds, and the best of them on all folds.

    Parameters
    ----------
    values : mapping of str to sequence of Candidate
        The values of each family.
    folds : Folds
        The same for all.
    costs : Costs
        What mistakes cost.
    progress : callable of (name, done, total), optional
        Told after each fold.

    Returns
    -------
    list of Validation
        Of every value, in the order given: on all folds for the best value of each family, on
        the first folds for the others.
    """
    numbers = range(len(folds.parts))
    first, others = numbers[:_FIRST_FOLDS], numbers[_FIRST_FOLDS:]
    tried = [candidate for family in values.values() for candidate in family]
    fitted = fit_each(tried, folds, first, progress)
    found = [assemble(item, folds, costs, parts) for item, parts in zip(tried, fitted, strict=True)]
    kept = [tried.index(item.candidate) for item in best_of_each(found)]
    rest = fit_each([tried[i] for i in kept], folds, others, progress)
    for i, parts in zip(kept, rest, strict=True):
        found[i] = assemble(tried[i], folds, costs, fitted[i] + parts)
    return found


def best_of_each(validations: Sequence[Validation]) -> list[Validation]:
    """The value of least smoothed cost of each family, in the order of the families.

    A value that went through more folds comes before those that were given up.
    """
    best: dict[str, Validation] = {}
    for item in sorted(validations, key=lambda item: (-item.target.size, smoothed_cost(item))):
        best.setdefault(item.candidate.name, item)
    names = dict.fromkeys(item.candidate.name for item in validations)
    return [best[name] for name in names]


def remedies(
    reference: Validation, folds: Folds, progress: Progress | None = None
) -> list[Validation]:
    """Cross-validate a candidate with each remedy for imbalance.

    Parameters
    ----------
    reference : Validation
        Of the candidate without a remedy.
    folds : Folds
        The same folds.
    progress : callable of (name, done, total), optional
        Told after each fold.
    """
    others = [
        replace(reference.candidate, resampling=kind)
        for kind in RESAMPLINGS
        if kind != reference.candidate.resampling
    ]
    return [
        reference,
        *cross_validate_all(others, folds, reference.costs, progress=progress),
    ]


@dataclass(frozen=True)
class Search:
    """The trials of a search.

    Attributes
    ----------
    best : Candidate
        Of the trial with the least objective.
    table : polars.DataFrame
        A row a trial: trial, pruned, objective, business_cost, auc, log_loss and the parameters.
    """

    best: Candidate
    table: pl.DataFrame


def refine(
    base: Candidate,
    folds: Folds,
    costs: Costs,
    trials: int,
    seed: int,
    folder: Path,
    data: str,
    progress: TrialProgress | None = None,
) -> Search:
    """Search LightGBM's hyper-parameters and the number of features with Optuna.

    The tree-structured Parzen estimator proposes; a trial that after two folds is worse than the
    median of the earlier ones is given up. What was tried before on the same data, with the same
    code, seed and folds, is taken from the folder: an interrupted search goes on where it
    stopped and ends as if it had not been interrupted.

    Parameters
    ----------
    base : Candidate
        The default recipe: the first trial; its resampling is kept.
    folds : Folds
        Only for the search: what it finds is judged on others.
    costs : Costs
        What mistakes cost.
    trials : int
        In total, those already there included.
    seed : int
        Of the proposals.
    folder : Path
        Where search.db keeps the trials.
    data : str
        Digest of the data.
    progress : callable of (done, total, best objective), optional
        Told after each trial.
    """
    study = _study(base, folds, costs, seed, folder, data)
    _tidy(study)

    def objective(trial: optuna.Trial) -> float:
        return _objective(trial, _proposed(trial, base), folds, costs)

    while (done := _finished(study)) < trials:
        # A sampler of its own for each trial: going on later proposes the same.
        study.sampler = _sampler(seed, done)
        study.optimize(objective, n_trials=1)
        if progress:
            progress(done + 1, trials, study.best_value)
    return Search(_candidate(study.best_params, base), _table(study))


def _tidy(study: optuna.Study) -> None:
    """Make an interrupted search ready to go on, and the default recipe its first trial."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not _finished(study) and not waiting:
        study.enqueue_trial(_STANDARD)


def _finished(study: optuna.Study) -> int:
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return len(study.get_trials(deepcopy=False, states=states))


def _sampler(seed: int, number: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed * 10_007 + number, n_startup_trials=6)


def _study(
    base: Candidate, folds: Folds, costs: Costs, seed: int, folder: Path, data: str
) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    asked = (
        data, _code(), seed, folds.seed, len(folds.parts), folds.examples.target.size,
        len(folds.examples.features), costs, base.resampling,
        sorted(LIGHTGBM_DEFAULTS.items()), sorted(_STANDARD.items()),
    )  # fmt: skip
    return optuna.create_study(
        study_name=hashlib.sha256(repr(asked).encode()).hexdigest()[:16],
        storage=f"sqlite:///{folder / _SEARCH}",
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )


def _code() -> str:
    """Digest of this package's code and of LightGBM's version."""
    digest = hashlib.sha256(lightgbm_version.encode())
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_ALL = 0
# The default recipe as a trial.
_STANDARD: dict[str, Any] = {
    **{
        name: LIGHTGBM_DEFAULTS[name]
        for name in (
            "n_estimators", "num_leaves", "max_depth", "colsample_bytree", "subsample",
            "min_child_samples", "reg_lambda",
        )
    },
    "kept": _ALL,
}  # fmt: skip


def _proposed(trial: optuna.Trial, base: Candidate) -> Candidate:
    trial.suggest_int("n_estimators", 200, 700, step=50)
    trial.suggest_int("num_leaves", 6, 24)
    trial.suggest_int("max_depth", 3, 6)
    trial.suggest_float("colsample_bytree", 0.05, 0.4, log=True)
    trial.suggest_float("subsample", 0.5, 1.0)
    trial.suggest_int("min_child_samples", 20, 150, log=True)
    trial.suggest_float("reg_lambda", 3.0, 100.0, log=True)
    trial.suggest_categorical("kept", [_ALL, 120, 80])
    return _candidate(trial.params, base)


def _candidate(parameters: Mapping[str, Any], base: Candidate) -> Candidate:
    of_trees = {k: v for k, v in parameters.items() if k != "kept"}
    # The learning rate follows from the number of trees: their product is what counts.
    product = LIGHTGBM_DEFAULTS["learning_rate"] * LIGHTGBM_DEFAULTS["n_estimators"]
    rate = product / of_trees["n_estimators"]
    return replace(
        lightgbm(**of_trees, learning_rate=rate),
        resampling=base.resampling,
        kept=parameters["kept"] or None,
    )


def _objective(trial: optuna.Trial, candidate: Candidate, folds: Folds, costs: Costs) -> float:
    numbers = range(len(folds.parts))
    (fitted,) = fit_each([candidate], folds, numbers[:_FIRST_FOLDS])
    first = assemble(candidate, folds, costs, fitted)
    _note(trial, first)
    trial.report(smoothed_cost(first), step=1)
    if trial.should_prune():
        raise optuna.TrialPruned
    (others,) = fit_each([candidate], folds, numbers[_FIRST_FOLDS:])
    whole = assemble(candidate, folds, costs, fitted + others)
    _note(trial, whole)
    return smoothed_cost(whole)


# The figures kept of each trial.
NOTED = ("business_cost", "auc", "log_loss", "brier", "auc_train")
# The columns of the trials' table that are measured, not proposed.
MEASURED = ("objective", *NOTED)


def _note(trial: optuna.Trial, validation: Validation) -> None:
    trial.set_user_attr("figures", {name: validation.metrics[name] for name in NOTED})


def _table(study: optuna.Study) -> pl.DataFrame:
    finished = [
        trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()
        and trial.state != TrialState.FAIL
    ]  # fmt: skip
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
            for number, trial in enumerate(finished)
        ]
    )


@dataclass(frozen=True)
class Choice:
    """The candidate that is served.

    Attributes
    ----------
    validation : Validation
        Its cross-validation.
    difference, standard_error : float
        Smoothed cost of the alternative minus that of the default, and the bootstrap's standard
        error of it, on folds that the search has not used.
    sentence : str
        Why, in words.
    """

    validation: Validation
    difference: float
    standard_error: float
    sentence: str


def choose(default: Validation, alternative: Validation, what: str, seed: int = 0) -> Choice:
    """Keep the default unless the alternative is cheaper by more than one standard error.

    The best of many trials looks better than it is; the rule of one standard error (Breiman et
    al., Classification and Regression Trees, 1984) asks for more than luck.

    Parameters
    ----------
    default, alternative : Validation
        On the same folds.
    what : str
        How the sentence calls the alternative.
    seed : int
        Of the bootstrap.
    """
    saved = _smoothed_costs(alternative) - _smoothed_costs(default)
    difference = float(saved.mean())
    drawn = np.concatenate(
        [counts @ saved / saved.size for counts in resamples(default.target, _RESAMPLES, seed)]
    )
    error = float(drawn.std())
    better = difference < -error
    verb = "is chosen" if better else "is not chosen"
    sentence = (
        f"{what} {verb}: its smoothed cost differs by {difference:+.4f} from the default's, "
        f"with a standard error of {error:.4f}."
    )
    return Choice(alternative if better else default, difference, error, sentence)
