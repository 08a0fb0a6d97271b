"""Figures on applicants that the model has not seen."""

from __future__ import annotations

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.metrics import auc_interval, guard, intervals, paired_difference
from scoring.modelling.examples import Examples
from scoring.modelling.validation import Progress, Validation, cross_validate
from scoring.serving.scorer import Scorer

# With fewer the standard error of an AUC is above 0.025: chance alone may look like a leak.
_ENOUGH_DEFAULTS = 100


def unseen_pds(
    validation: Validation, development: Examples, scorer: Scorer, holdout: Examples
) -> pl.DataFrame:
    """PDs of all training applicants, each from a model that has not seen the applicant.

    Those of the development applicants come from the folds of the validation, those of the held-out
    ones from the served model. Returns SK_ID_CURR and probability_of_default.
    """
    parts = ((development, validation.pds), (holdout, scorer.predict(holdout.frame)))
    return pl.concat(
        examples.frame.select("SK_ID_CURR", probability_of_default=pl.Series(pds))
        for examples, pds in parts
    )


def held_out(scorer: Scorer, holdout: Examples, seed: int = 0) -> dict[str, Interval]:
    """The figures of a model on the held-out applicants, with their intervals."""
    pds = scorer.predict(holdout.frame)
    return intervals(
        holdout.target, pds, scorer.cutoff, scorer.costs, seed=seed,
        sample_weight=holdout.sample_weight,
    )  # fmt: skip


def price_of_leaving_out(
    validation: Validation,
    including: Examples,
    folds: int,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Interval]:
    """Compute what leaving the protected attributes out changes, for the chosen recipe.

    The validation is of the recipe without them, on the same applicants as `including`.
    """
    costs = validation.costs
    other = cross_validate(validation.candidate, including, costs, folds, seed, progress)
    return paired_difference(
        validation.target, validation.pds, other.pds, costs.cutoff, costs.cutoff, costs,
        sample_weight=validation.sample_weight,
    )  # fmt: skip


def check_credible(validation: Validation) -> None:
    """Refuse an AUC that is too good to be true; with few defaults, if it surely is.

    Raises
    ------
    SuspectedLeakageError
        Saying where to look for the leak.
    """
    few = int(validation.target.sum()) < _ENOUGH_DEFAULTS
    # The value alone needs no resamples.
    auc = auc_interval(validation.target, validation.scores, 1000 if few else 1)
    guard(auc.low if few else auc.value)
