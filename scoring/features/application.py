"""The application itself: some of Kaggle's columns as they are, and ratios between them."""

from __future__ import annotations

import numpy as np
import polars as pl

from scoring.data.tables import APPLICATION, DAY_SENTINEL, Column
from scoring.features import implied_rates
from scoring.features.engine.formulas import (
    Formula,
    Formulas,
    col,
    greatest,
    least,
    number_of,
    over,
    own,
    sum_of_three,
    total,
    when,
)
from scoring.features.engine.numpy_program import Array
from scoring.features.engine.rows import RowsT

PREFIX = "application"

# What a lender may not decide on, or not without asking itself why: training leaves these out
# unless told otherwise.
PROTECTED = frozenset({"CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS"})

# Those of Kaggle's columns that are features as they are. The others say what these say, or nothing
# that could be told from noise.
COLUMNS = (
    "NAME_CONTRACT_TYPE", "CODE_GENDER", "FLAG_OWN_CAR", "FLAG_OWN_REALTY", "CNT_CHILDREN",
    "AMT_INCOME_TOTAL", "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE", "NAME_INCOME_TYPE",
    "NAME_EDUCATION_TYPE", "NAME_FAMILY_STATUS", "NAME_HOUSING_TYPE", "REGION_POPULATION_RELATIVE",
    "DAYS_BIRTH", "DAYS_EMPLOYED", "DAYS_REGISTRATION", "DAYS_ID_PUBLISH", "OWN_CAR_AGE",
    "FLAG_PHONE", "OCCUPATION_TYPE", "CNT_FAM_MEMBERS", "REGION_RATING_CLIENT_W_CITY",
    "REG_CITY_NOT_LIVE_CITY", "REG_CITY_NOT_WORK_CITY", "ORGANIZATION_TYPE", "EXT_SOURCE_1",
    "EXT_SOURCE_2", "EXT_SOURCE_3", "APARTMENTS_AVG", "YEARS_BEGINEXPLUATATION_AVG",
    "ELEVATORS_AVG", "FLOORSMAX_AVG", "TOTALAREA_MODE", "WALLSMATERIAL_MODE",
    "OBS_30_CNT_SOCIAL_CIRCLE", "DEF_30_CNT_SOCIAL_CIRCLE", "DEF_60_CNT_SOCIAL_CIRCLE",
    "DAYS_LAST_PHONE_CHANGE", "FLAG_DOCUMENT_3", "AMT_REQ_CREDIT_BUREAU_QRT",
    "AMT_REQ_CREDIT_BUREAU_YEAR",
)  # fmt: skip

_SCORES = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")
_DOCUMENTS = tuple(f"FLAG_DOCUMENT_{i}" for i in range(2, 22))
_MOVES = (
    "REG_REGION_NOT_LIVE_REGION", "REG_REGION_NOT_WORK_REGION", "LIVE_REGION_NOT_WORK_REGION",
    "REG_CITY_NOT_LIVE_CITY", "REG_CITY_NOT_WORK_CITY", "LIVE_CITY_NOT_WORK_CITY",
)  # fmt: skip
# The windows do not overlap: the one of a year, which is not here, leaves out the last quarter.
_ENQUIRIES = tuple(
    f"AMT_REQ_CREDIT_BUREAU_{window}" for window in ("HOUR", "DAY", "WEEK", "MON", "QRT")
)
# A score that is not known counts as middling in sums over all three.
_MIDDLING = 0.5
# A passing column: what the credit and the annuity imply.
_RATES = "implied_rates"
# Beyond any real ratio, within what 32 bits hold.
_RATIO_LIMIT = 1e15


def _col(name: str) -> Formula:
    return col(name).real()


def _ratio(numerator: Formula, denominator: Formula) -> Formula:
    """A ratio, null where the denominator is zero and finite where it is nearly zero."""
    value = (numerator / denominator).clip(-_RATIO_LIMIT, _RATIO_LIMIT)
    return when(denominator != 0).then(value)


_S1, _S2, _S3 = (_col(name) for name in _SCORES)
_KNOWN_SCORES = number_of(col(name).is_not_null() for name in _SCORES)
_SCORES_MEAN = over(sum_of_three(_S1, _S2, _S3), _KNOWN_SCORES)


def _score_spread() -> Formula:
    """Population standard deviation of the external scores that are known."""
    away = [score - _SCORES_MEAN for score in (_S1, _S2, _S3)]
    squares = sum_of_three(*(distance * distance for distance in away))
    return when(_KNOWN_SCORES > 1).then((squares / _KNOWN_SCORES).sqrt())


DERIVED: dict[str, Formula] = {
    "EXT_SOURCES_MEAN": _SCORES_MEAN,
    "EXT_SOURCES_MIN": least([_S1, _S2, _S3]),
    "EXT_SOURCES_MAX": greatest([_S1, _S2, _S3]),
    "EXT_SOURCES_SPREAD": _score_spread(),
    "EXT_SOURCES_KNOWN": _KNOWN_SCORES,
    "EXT_SOURCES_FILLED": sum_of_three(
        _S1.fill_null(_MIDDLING), _S2.fill_null(_MIDDLING), _S3.fill_null(_MIDDLING)
    ),
    "CREDIT_TO_ANNUITY": _ratio(_col("AMT_CREDIT"), _col("AMT_ANNUITY")),
    "CREDIT_TO_GOODS": _ratio(_col("AMT_CREDIT"), _col("AMT_GOODS_PRICE")),
    "CREDIT_TO_INCOME": _ratio(_col("AMT_CREDIT"), _col("AMT_INCOME_TOTAL")),
    "ANNUITY_TO_INCOME": _ratio(_col("AMT_ANNUITY"), _col("AMT_INCOME_TOTAL")),
    "INCOME_PER_MEMBER": _ratio(_col("AMT_INCOME_TOTAL"), _col("CNT_FAM_MEMBERS")),
    "NOT_EMPLOYED": (col("DAYS_EMPLOYED") == DAY_SENTINEL).real(),
    "DOCUMENTS": total(col(name) for name in _DOCUMENTS),
    "MOVES": total(col(name) for name in _MOVES),
    "ENQUIRIES_RECENT": when(col("AMT_REQ_CREDIT_BUREAU_YEAR").is_not_null()).then(
        total(col(name) for name in _ENQUIRIES)
    ),
}  # fmt: skip


def _plain(column: Column) -> Formula:
    """Kaggle's column with its sentinels made null; categories in the order of the table."""
    values = col(column.name)
    if column.kind != "category":
        return when(~values.is_in(column.sentinels)).then(values) if column.sentinels else values
    kind = CATEGORIES[column.name]
    return own(values.polars.cast(kind, strict=False), _text_among, values, *kind.categories)


def _text_among(texts: Array, *levels: str) -> Array:
    """Texts, None for those that are none of the levels."""
    return np.array([text if text in levels else None for text in texts], dtype=object)


_COLUMNS = [APPLICATION[name] for name in COLUMNS]
CATEGORIES = {
    column.name: pl.Enum([text for text in column.categories if text not in column.sentinels])
    for column in _COLUMNS
    if column.kind == "category"
}
_IMPLIED = Formulas({_RATES: implied_rates.formula()})
_FORMULAS = Formulas(
    {column.name: _plain(column) for column in _COLUMNS}
    | {
        f"{PREFIX}__{name}": formula
        for name, formula in (DERIVED | implied_rates.fields(_RATES)).items()
    }
)


def features(application: RowsT) -> RowsT:
    """Make one row an applicant: columns of the application without sentinels, and ratios."""
    rows = application.with_columns(_IMPLIED).with_columns(_FORMULAS)
    return rows.only(["SK_ID_CURR", *_FORMULAS.names])
