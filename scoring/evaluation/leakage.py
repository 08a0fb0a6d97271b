"""Signs that the outcome, or the split into training and test applicants, leaks into the features.

`metrics.guard` refuses a model that is too good; the studies here say where to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from scoring.evaluation.bootstrap import Flags, Floats
from scoring.evaluation.intervals import Z_95, auc_of_ranks, hanley_mcneil
from scoring.evaluation.metrics import auc_interval
from scoring.evaluation.separability import Separability, separability

# No honest column ranks defaults as well: on real rows each external score reaches 0.65 to 0.72
# where it is known, and the product of the three, the strongest feature made of them, 0.77.
SUSPECT_COLUMN_AUC = 0.78

_BINS = 20
_NEIGHBOURS = 20


def single_columns(
    features: pl.DataFrame,
    target: npt.ArrayLike,
    threshold: float = SUSPECT_COLUMN_AUC,
    seed: int = 0,
) -> pl.DataFrame:
    """Measure how well each column predicts the outcome on its own, in three ways.

    A column is suspect when the 95 % interval of its rank_auc or binned_auc lies above the
    threshold; SK_ID_CURR is left out (see `id_order`).

    Returns
    -------
    polars.DataFrame
        A row a column, suspects first, then the strongest: feature; known (share of applicants
        with a value); rank_auc of the values where they are known, whichever way they point
        (null for categories); missing_auc of having no value; binned_auc of the default rates of
        twenty bins, or of the levels, missing being one of them, each applicant's rate taken from
        other folds, so that it sees dependences of any shape but not chance; suspect.
    """
    outcomes = np.asarray(target) == 1
    columns = features.drop("SK_ID_CURR", strict=False)
    rows = [
        _alone(column, outcomes, binned, threshold)
        for column, binned in zip(columns, _binned_aucs(columns, outcomes, seed), strict=True)
    ]
    strongest = pl.max_horizontal("rank_auc", "missing_auc", "binned_auc")
    return pl.DataFrame(rows, schema=_SINGLE_COLUMNS).sort(
        "suspect", strongest, "feature", descending=[True, True, False]
    )


_SINGLE_COLUMNS: dict[str, type[pl.DataType]] = {
    "feature": pl.String,
    "known": pl.Float64,
    "rank_auc": pl.Float64,
    "missing_auc": pl.Float64,
    "binned_auc": pl.Float64,
    "suspect": pl.Boolean,
}


def _alone(
    column: pl.Series, outcomes: Flags, binned_auc: float, threshold: float
) -> dict[str, Any]:
    missing = column.is_null().to_numpy()
    rank_auc = _rank_auc(column, outcomes)
    # Few known values reach any AUC by chance, and there are many columns to try it.
    surely = [
        auc - Z_95 * hanley_mcneil(auc, int(outcomes[rows].sum()), int(rows.sum()))
        for auc, rows in ((rank_auc, ~missing), (binned_auc, np.full(missing.shape, True)))
        if auc is not None
    ]
    return {
        "feature": column.name,
        "known": float(1 - missing.mean()),
        "rank_auc": rank_auc,
        "missing_auc": _folded(_auc(missing, outcomes)),
        "binned_auc": binned_auc,
        "suspect": max(surely) > threshold,
    }


def _binned_aucs(columns: pl.DataFrame, outcomes: Flags, seed: int) -> list[float]:
    codes = np.column_stack([_codes(column) for column in columns])
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    encoder = TargetEncoder(target_type="binary", cv=folds)
    rates = encoder.fit_transform(codes, outcomes)
    return [float(_auc(rates[:, i], outcomes)) for i in range(rates.shape[1])]


def _codes(column: pl.Series) -> npt.NDArray[np.int64]:
    """The bin or level of every row; missing ones share a code of their own."""
    if column.dtype == pl.String:
        column = column.cast(pl.Categorical)
    values = column.to_physical().cast(pl.Float64).fill_null(np.nan).to_numpy()
    missing = np.isnan(values)
    if missing.all():
        return np.zeros(values.size, dtype=np.int64)
    if isinstance(column.dtype, pl.Enum | pl.Categorical):
        codes = np.where(missing, -1, values)
    else:
        bounds = np.nanpercentile(values, np.linspace(0, 100, _BINS + 1)[1:-1])
        codes = np.where(missing, -1, np.searchsorted(np.unique(bounds), values))
    return codes.astype(np.int64)


def _rank_auc(column: pl.Series, outcomes: Flags) -> float | None:
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        return None
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = ~np.isnan(values)
    if np.unique(outcomes[known]).size < 2:
        return None
    return _folded(_auc(values[known], outcomes[known]))


def _auc(scores: npt.ArrayLike, outcomes: Flags) -> float:
    return auc_of_ranks(rankdata(scores), outcomes)


def _folded(auc: float) -> float:
    return max(auc, 1 - auc)


def overlap(train: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Find applicants who are on both sides, or twice on one, by identifier and by content.

    TARGET is not compared; nor are columns that only one side has.

    Returns
    -------
    polars.DataFrame
        A row a check: check, found (applicants concerned), of (applicants looked at), examples
        (up to three SK_ID_CURR). Contents are compared by all columns but the identifier: with
        many columns equal rows are copies, with few they may be chance.
    """
    shared = _shared(train, test)
    content = {name: _content(rows, shared) for name, rows in (("train", train), ("test", test))}
    ids = {"train": train["SK_ID_CURR"], "test": test["SK_ID_CURR"]}
    on_both = {
        "the same SK_ID_CURR in train and test": ids["test"].is_in(ids["train"].implode()),
        "the same content in train and test": content["test"].is_in(content["train"].implode()),
    }
    checks = [(name, concerned, "test") for name, concerned in on_both.items()]
    for side in ("train", "test"):
        checks.append((f"the same SK_ID_CURR twice in {side}", ids[side].is_duplicated(), side))
        checks.append((f"the same content twice in {side}", content[side].is_duplicated(), side))
    rows = [
        (name, int(flags.sum()), flags.len(), ids[side].filter(flags).head(3).to_list())
        for name, flags, side in checks
    ]
    schema, lists = ["check", "found", "of", "examples"], {"examples": pl.List(pl.Int64)}
    return pl.DataFrame(rows, schema=schema, schema_overrides=lists, orient="row")


def _shared(train: pl.DataFrame, test: pl.DataFrame) -> list[str]:
    own = ("SK_ID_CURR", "TARGET")
    return [name for name in train.columns if name in test.columns and name not in own]


def _content(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    # Enum codes depend on the order of the levels: compare by the words.
    text = [name for name in columns if not rows.schema[name].is_numeric()]
    return rows.select(pl.col(columns)).with_columns(pl.col(text).cast(pl.String)).hash_rows(seed=0)


def adversarial(
    train: pl.DataFrame, test: pl.DataFrame, folds: int = 3, seed: int = 0, top: int = 10
) -> Separability:
    """Measure how well a model can tell test applicants, the second group, from training ones.

    An AUC of 0.5 says that cross-validated figures should carry over; an AUC well above says
    which features have drifted. SK_ID_CURR, TARGET and columns that only one side has are left out.
    """
    columns = _shared(train, test)
    both = pl.concat([train.select(columns), test.select(columns)])
    return separability(
        both, np.repeat([False, True], [train.height, test.height]), folds, seed, top
    )


def id_order(
    frame: pl.DataFrame, target: npt.ArrayLike, resamples: int = 1000, seed: int = 0
) -> pl.DataFrame:
    """Test whether identifiers, or the order of the rows, say anything about the outcome.

    Returns
    -------
    polars.DataFrame
        A row a predictor: predictor; auc, low, high; chance (whether the interval of 95 % holds
        0.5, as it does for 19 of 20 orders without meaning). The predictors: the identifier
        itself, the position of the row, and the default rate of the ten applicants before and
        the ten after by identifier.
    """
    outcomes = (np.asarray(target) == 1).astype(np.float64)
    ids = frame["SK_ID_CURR"].to_numpy()
    predictors = {
        "SK_ID_CURR": ids,
        "position of the row": np.arange(outcomes.size),
        "outcomes of the neighbours by SK_ID_CURR": _neighbours(ids, outcomes),
    }
    aucs = {
        name: auc_interval(outcomes, scores, resamples, seed) for name, scores in predictors.items()
    }
    rows = [(name, *auc, auc.low <= 0.5 <= auc.high) for name, auc in aucs.items()]
    return pl.DataFrame(rows, schema=["predictor", "auc", "low", "high", "chance"], orient="row")


def _neighbours(ids: npt.NDArray[np.int64], outcomes: Floats) -> Floats:
    """Default rate of the nearest applicants by identifier, the applicant's own left out."""
    order = np.argsort(ids, kind="stable")
    half = np.ones(_NEIGHBOURS // 2)
    window = np.concatenate([half, [0.0], half])
    near = np.convolve(outcomes[order], window, "same") / np.convolve(
        np.ones(ids.size), window, "same"
    )
    rates = np.empty(ids.size)
    rates[order] = near
    return rates
