"""Who defaults: a logistic model of TARGET, fitted on real rows and kept as coefficients.

Numbers enter as ranks (so that drawn and real rows mean the same) through a linear term, a
normal score, five hinges and an indicator of absence; categories as one weight a label. What two
numbers say only together enters as the product of their normal scores, or as one weight for each
fine step of their ratio. Fitted with ridge penalties by Newton's method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import numpy as np
import polars as pl
from scipy.special import expit, ndtri

from scoring.data.synthetic.content import Content
from scoring.data.synthetic.marginals import FloatArray, IntArray, Json
from scoring.data.synthetic.summaries import SUMMARIES

# The share of defaults in Kaggle's full training set.
DEFAULT_RATE = 0.0807
RANKS = 51
HINGES = (0.1, 0.3, 0.5, 0.7, 0.9)
ABSENT = "?"
# Steps of a ratio hold a hundredth of the rows each.
STEPS = 100
# A label or a step needs this many rows for a weight of its own.
ROWS_PER_WEIGHT = 20
# Three tenths of the ridges that predict real outcomes best (100, 10 and 1000, by the log-loss of
# five folds): those shrink what is weak, and whoever learns from drawn outcomes shrinks it again.
# Chosen so that outcomes drawn for the real applicants are as predictable as their own: the model's
# AUC out of fold is 0.772 on them (0.764 with the full ridges), and 0.773 on real outcomes. That is
# indirect inference (Gourieroux, Monfort and Renault, "Indirect inference", 1993).
RIDGE = 30.0
STEP_RIDGE = 3.0
PAIR_RIDGE = 300.0

_SOURCES = [f"EXT_SOURCE_{number}" for number in (1, 2, 3)]
_CONTENT = Content("risk")
_CURVED: dict[str, str] = _CONTENT.sections["curved"]
_STRAIGHT: list[str] = _CONTENT.sections["straight"]
_LABELLED: list[str] = _CONTENT.sections["labelled"]
_STEPPED: list[str] = _CONTENT.sections["stepped"]
_PAIRED: list[str] = _CONTENT.sections["paired"]


def log_odds(applications: pl.DataFrame, summaries: pl.DataFrame, model: Json) -> FloatArray:
    """The logarithm of the odds of default by the model that `fit` gave, shape (n,)."""
    result = application_log_odds(applications, model) + _history_log_odds(summaries, model)
    return result + float(model["shift"])


def application_log_odds(applications: pl.DataFrame, model: Json) -> FloatArray:
    """The part of the log-odds that the application alone gives, shape (n,)."""
    return _sum_of(_application_numbers(applications), applications, model["application"])


def _history_log_odds(summaries: pl.DataFrame, model: Json) -> FloatArray:
    return _sum_of({name: summaries[name] for name in SUMMARIES}, summaries, model["history"])


def _application_numbers(rows: pl.DataFrame) -> dict[str, pl.Series]:
    curved = {name: _CONTENT.expression(sql) for name, sql in _CURVED.items()}
    straight = {name: pl.col(name) for name in _STRAIGHT}
    rows = rows.with_columns(mean_source=pl.mean_horizontal(_SOURCES))
    return rows.select(
        value.cast(pl.Float64).alias(name) for name, value in (curved | straight).items()
    ).to_dict()


def _sum_of(numbers: Mapping[str, pl.Series], rows: pl.DataFrame, part: Json) -> FloatArray:
    total = np.full(rows.height, float(part["intercept"]))
    for term, _, columns in _terms(numbers, rows, part):
        total += columns @ np.array(term["weights"])
    return total


def _terms(
    numbers: Mapping[str, pl.Series], rows: pl.DataFrame, part: Json
) -> Iterator[tuple[Json, float, FloatArray]]:
    """Each term of the model, its ridge, and its columns of shape (n, weights)."""
    scores = {}
    for name, term in part["numbers"].items():
        basis = _basis(numbers[name], np.array(term["knots"], float), name in _CURVED)
        scores[name] = basis[:, 2]
        yield term, RIDGE, basis
    for name, term in part.get("steps", {}).items():
        places = np.searchsorted(term["edges"], _floats(numbers[name]), "right")
        # The last step has no weight, nor has an absent number, which comes after all edges.
        yield term, STEP_RIDGE, _indicators(places, len(term["edges"]))
    for name, term in part.get("pairs", {}).items():
        others = np.column_stack([scores[other] for other in term["others"]])
        yield term, PAIR_RIDGE, scores[name][:, None] * others
    for name, term in part.get("labels", {}).items():
        codes = range(len(term["labels"]))
        labels = _texts(rows[name]).replace_strict(
            term["labels"], codes, default=-1, return_dtype=pl.Int64
        )
        yield term, RIDGE, _indicators(labels.to_numpy(), len(codes))


def _texts(values: pl.Series) -> pl.Series:
    return values.cast(pl.String).fill_null(ABSENT)


def _floats(values: pl.Series) -> FloatArray:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _indicators(places: IntArray, count: int) -> FloatArray:
    """Ones in the columns that are given, of so many; rows without such a column are zero."""
    result: FloatArray = (places[:, None] == np.arange(count)).astype(float)
    return result


def _basis(values: pl.Series, knots: FloatArray, curved: bool) -> FloatArray:
    """Terms of one number, shape (n, 3) or, when curved, (n, 8); zero where it is absent."""
    numbers = _floats(values)
    absent = np.isnan(numbers)
    rank = np.where(absent, 0.5, _rank(numbers, knots))
    score = ndtri(rank.clip(0.003, 0.997))
    columns = [(rank - 0.5) * np.sqrt(12), absent.astype(float), score]
    if curved:
        columns += [np.where(absent, 0, np.maximum(rank - h, 0) * np.sqrt(12)) for h in HINGES]
    return np.column_stack(columns)


def _rank(values: FloatArray, knots: FloatArray) -> FloatArray:
    """The share of real rows below each value; the middle of the share for frequent values."""
    low = np.searchsorted(knots, values, "left")
    high = np.searchsorted(knots, values, "right")
    interpolated = np.interp(values, knots, np.linspace(0, 1, len(knots)))
    middle = (low + high - 1) / 2 / (len(knots) - 1)
    result: FloatArray = np.where(high > low + 1, middle, interpolated)
    return result


def fit(applications: pl.DataFrame, histories: pl.DataFrame, summaries: pl.DataFrame) -> Json:
    """Fit the model on all training applications, then on those whose histories are known."""
    target = applications["TARGET"].to_numpy().astype(float)
    numbers = _application_numbers(applications)
    start = np.zeros(len(target))
    part = _described(numbers) | {
        "steps": {name: {"edges": step_edges(numbers[name])} for name in _STEPPED},
        "pairs": {
            name: {"others": _PAIRED[place + 1 :]} for place, name in enumerate(_PAIRED[:-1])
        },
        "labels": {name: {"labels": _labels(applications[name])} for name in _LABELLED},
    }
    _weigh(part, _terms(numbers, applications, part), target, start)
    model: Json = {"application": part, "history": {"intercept": 0.0, "numbers": {}}, "shift": 0.0}
    known = application_log_odds(histories, model)
    numbers = {name: summaries[name] for name in SUMMARIES}
    model["history"] = _described(numbers)
    outcomes = histories["TARGET"].to_numpy().astype(float)
    _weigh(model["history"], _terms(numbers, summaries, model["history"]), outcomes, known)
    return model


def _described(numbers: Mapping[str, pl.Series]) -> Json:
    return {"numbers": {name: {"knots": rank_knots(own).tolist()} for name, own in numbers.items()}}


def _weigh(
    part: Json, terms: Iterable[tuple[Json, float, FloatArray]],
    target: FloatArray, offset: FloatArray,
) -> None:  # fmt: skip
    """Write the intercept into the part, and into each term its weights."""
    described, ridges, blocks = zip(*terms, strict=True)
    widths = [block.shape[1] for block in blocks]
    design = np.column_stack([np.ones(len(target)), *blocks])
    weights = _newton(design, target, np.array([0.0, *np.repeat(ridges, widths)]), offset)
    part["intercept"] = round(float(weights[0]), 4)
    ends = list(accumulate(widths))[:-1]
    for term, own in zip(described, np.split(weights[1:], ends), strict=True):
        term["weights"] = _short(own, 3)


def rank_knots(values: pl.Series) -> FloatArray:
    """Quantiles of at least 20 rows each, the outermost being means of 20 rows."""
    known = np.sort(values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy())
    knots: FloatArray = np.quantile(known, np.linspace(0, 1, RANKS))
    knots[0], knots[-1] = known[:20].mean(), known[-20:].mean()
    return np.array(_short(knots, 5))


def step_edges(values: pl.Series) -> list[float]:
    """Where each step but the last ends: quantiles with enough rows between them."""
    known = np.sort(values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy())
    edges: list[float] = []
    below = 0
    for edge in _short(np.quantile(known, np.linspace(0, 1, STEPS + 1)[1:-1]), 5):
        upto = int(np.searchsorted(known, edge))
        if upto - below >= ROWS_PER_WEIGHT:
            edges.append(edge)
            below = upto
    return edges


def _labels(values: pl.Series) -> list[str]:
    counted = _texts(values).value_counts().filter(pl.col("count") >= ROWS_PER_WEIGHT)
    return sorted(counted[values.name].to_list())


def _newton(
    design: FloatArray, target: FloatArray, penalty: FloatArray, offset: FloatArray, steps: int = 12
) -> FloatArray:
    """Weights that minimise the logistic loss plus half the penalties times their squares.

    The first column is the intercept.
    """
    weights = np.zeros(design.shape[1])
    for _ in range(steps):
        chance = expit(design @ weights + offset)
        slope = design.T @ (target - chance) - penalty * weights
        curve = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty + 1e-9)
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def reranked(model: Json, summaries: pl.DataFrame, names: tuple[str, ...]) -> Json:
    """The model with some summaries ranked among the given rows, and their absence ignored.

    For histories of which the real rows are a thin sample: there, a rank and an absence mean
    something else than with full histories.
    """
    numbers = dict(model["history"]["numbers"])
    for name in names:
        straight, _, score = numbers[name]["weights"]
        knots = rank_knots(summaries[name]).tolist()
        numbers[name] = {"knots": knots, "weights": [straight, 0.0, score]}
    return {**model, "history": {**model["history"], "numbers": numbers}}


def level_shift(odds: FloatArray, rate: float = DEFAULT_RATE) -> float:
    """What to add to the log-odds so that their mean probability is the rate (bisection)."""
    low, high = -5.0, 5.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).mean() < rate else (low, middle)
    return round((low + high) / 2, 4)


def _short(values: FloatArray, digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]
