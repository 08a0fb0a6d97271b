"""What is compared on the way to a model: families, and remedies for imbalance."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.choice import Choice, cheapest, smoothed_cost
from scoring.modelling.folds import Folds
from scoring.modelling.validation import Progress, Validation, assemble, fit_each
from scoring.serving.costs import Costs

# Folds fitted before a candidate may be given up.
FIRST_FOLDS = 2


def screened(
    values: Sequence[Candidate], folds: Folds, costs: Costs, progress: Progress | None = None
) -> list[Validation]:
    """Try a few values of a family on the first folds, and the best of them on all folds.

    Returns the validations of every value, in the order given: on all folds for the best one, on
    the first folds for the others. `progress` is told after each fold.
    """
    numbers = range(len(folds.parts))
    fitted = fit_each(values, folds, numbers[:FIRST_FOLDS], progress)
    validations = [
        assemble(item, folds, costs, parts) for item, parts in zip(values, fitted, strict=True)
    ]
    best = min(range(len(values)), key=lambda i: smoothed_cost(validations[i]))
    (others,) = fit_each([values[best]], folds, numbers[FIRST_FOLDS:], progress)
    validations[best] = assemble(values[best], folds, costs, fitted[best] + others)
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
    """Which family is served: the default one, unless another is cheaper beyond chance."""
    served = [item for item in best_of_each(tried) if item.candidate.family is not None]
    (kept,) = (item for item in served if item.candidate.name == default)
    return cheapest(kept, [item for item in served if item is not kept], lambda it: it.name)


def remedy_choice(tried: Sequence[Validation]) -> Choice:
    """Which remedy for imbalance is kept: none, unless another is cheaper beyond chance."""
    none, *others = tried
    return cheapest(none, others, lambda candidate: candidate.resampling)
