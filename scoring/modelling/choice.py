"""Which of two candidates is kept: the default, unless the other is cheaper beyond chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scoring.evaluation.bootstrap import sums
from scoring.evaluation.business import decision_costs
from scoring.modelling.candidates import Candidate
from scoring.modelling.validation import Validation
from scoring.serving.costs import Costs
from scoring.serving.families.base import Floats

# The ratios of costs over which the search averages, around the one that is decided with.
_AROUND = (0.5, 0.7, 1.0, 1.4, 2.0)
_RESAMPLES = 200


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
        prices = near.false_negative + near.false_positive
        scale = (costs.false_negative + costs.false_positive) / prices
        total += decision_costs(defaulted, refused, near) * scale / len(_AROUND)
    return total


@dataclass(frozen=True)
class Choice:
    """The candidate that is served, with its cross-validation, and why in words.

    `difference` is the smoothed cost of the alternative minus that of the default, and
    `standard_error` the bootstrap's of it, on folds that the search has not used.
    """

    validation: Validation
    difference: float
    standard_error: float
    sentence: str


def choose(
    default: Validation, alternative: Validation, what: str, seed: int = 0, of: int = 1
) -> Choice:
    """Keep the default unless the alternative is cheaper beyond chance.

    The whole interval of the difference has to be below nought. It holds 95 % of several
    alternatives together (Dunn, "Multiple comparisons among means", 1961), since the best of them
    looks better than it is.

    Parameters
    ----------
    default, alternative : Validation
        On the same folds.
    what : str
        How the sentence calls the alternative.
    seed : int
        Of the bootstrap.
    of : int
        How many alternatives are held against the default.
    """
    saved = _smoothed_costs(alternative) - _smoothed_costs(default)
    difference = float(saved.mean())
    error = float(sums(saved, default.target, _RESAMPLES, seed).std()) / saved.size
    reach = float(stats.norm.isf(0.025 / of)) * error
    better = difference + reach < 0
    verb, verdict = ("is chosen", "lower") if better else ("is not chosen", "no lower")
    sentence = (
        f"{what} {verb}: its smoothed cost differs by {difference:+.4f} "
        f"[{difference - reach:+.4f}, {difference + reach:+.4f}] from the default's, {verdict} "
        "beyond chance."
    )
    return Choice(alternative if better else default, difference, error, sentence)


def cheapest(
    default: Validation, others: Sequence[Validation], called: Callable[[Candidate], str]
) -> Choice:
    """The cheapest of the alternatives that are cheaper than the default beyond chance."""
    choices = [choose(default, other, called(other.candidate), of=len(others)) for other in others]
    if not choices:
        return Choice(default, 0.0, 0.0, "There is no alternative.")
    best = min(choices, key=lambda choice: (choice.validation is default, choice.difference))
    return replace(best, sentence=" ".join(choice.sentence for choice in choices))
