"""Families compared, each over a few values, and the one that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.choice import Choice, cheapest, smoothed_cost
from scoring.modelling.folds import Folds
from scoring.modelling.validation import Progress, Validation, assemble, fit_each
from scoring.serving.costs import Costs

# Folds fitted before a candidate may be given up.
FIRST_FOLDS = 2


def families(
    values: Mapping[str, Sequence[Candidate]],
    folds: Folds,
    costs: Costs,
    progress: Progress | None = None,
) -> list[Validation]:
    """Try a few values of each family on the first folds, and the best of them on all folds.

    Returns the validations of every value, in the order given: on all folds for the best value of
    each family, on the first folds for the others. `progress` is told after each fold.
    """
    numbers = range(len(folds.parts))
    first, others = numbers[:FIRST_FOLDS], numbers[FIRST_FOLDS:]
    tried = [candidate for family in values.values() for candidate in family]
    fitted = fit_each(tried, folds, first, progress)
    validations = [
        assemble(item, folds, costs, parts) for item, parts in zip(tried, fitted, strict=True)
    ]
    kept = [tried.index(item.candidate) for item in best_of_each(validations)]
    rest = fit_each([tried[i] for i in kept], folds, others, progress)
    for i, parts in zip(kept, rest, strict=True):
        validations[i] = assemble(tried[i], folds, costs, fitted[i] + parts)
    return validations


def best_of_each(validations: Sequence[Validation]) -> list[Validation]:
    """The value of least smoothed cost of each family, in the order of the families.

    A value that went through more folds comes before those that were given up.
    """
    best: dict[str, Validation] = {}
    for item in sorted(validations, key=lambda item: (-item.target.size, smoothed_cost(item))):
        best.setdefault(item.candidate.name, item)
    names = dict.fromkeys(item.candidate.name for item in validations)
    return [best[name] for name in names]


def family_choice(tried: Sequence[Validation], default: str = DEFAULT_FAMILY) -> Choice:
    """Which family is served: the default one, unless another is clearly cheaper."""
    served = [item for item in best_of_each(tried) if item.candidate.family is not None]
    (kept,) = (item for item in served if item.candidate.name == default)
    return cheapest(kept, [item for item in served if item is not kept], lambda it: it.name)
