"""The application itself: Kaggle's columns as they are, and ratios between them."""

from __future__ import annotations

import numpy as np
import polars as pl

from scoring.data.tables import APPLICATION, DAY_SENTINEL, Column
from scoring.features import implied_rates
from scoring.features.engine.formulas import (
    Formula,
    Formulas,
    added,
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

# What a lender may not decide on, or not without asking itself why. Features made of them
# follow below; training leaves all of these out unless told otherwise.
PROTECTED_COLUMNS = ("CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS")

_SCORES = ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3")
_DOCUMENTS = tuple(f"FLAG_DOCUMENT_{i}" for i in range(2, 22))
_MOVES = (
    "REG_REGION_NOT_LIVE_REGION", "REG_REGION_NOT_WORK_REGION", "LIVE_REGION_NOT_WORK_REGION",
    "REG_CITY_NOT_LIVE_CITY", "REG_CITY_NOT_WORK_CITY", "LIVE_CITY_NOT_WORK_CITY",
)  # fmt: skip
_CONTACTS = ("FLAG_EMP_PHONE", "FLAG_WORK_PHONE", "FLAG_CONT_MOBILE", "FLAG_PHONE", "FLAG_EMAIL")
_ENQUIRIES = tuple(
    f"AMT_REQ_CREDIT_BUREAU_{window}" for window in ("HOUR", "DAY", "WEEK", "MON", "QRT", "YEAR")
)
# Weights of the three external scores, in the order of their Kaggle importance; public kernels
# use 2 : 1 : 3 for sources 1, 2 and 3.
_SCORE_WEIGHTS = (2.0, 1.0, 3.0)
# A score that is not known counts as middling in sums over all three.
_MIDDLING = 0.5
# A passing column: what the credit and the annuity imply.
_RATES = "implied_rates"
# Beyond any real ratio, within what 32 bits hold.
_RATIO_LIMIT = 1e15
_HOME = tuple(column.name for column in APPLICATION.columns if column.name.endswith("_AVG"))


def _col(name: str) -> Formula:
    return col(name).real()


def _ratio(numerator: Formula, denominator: Formula) -> Formula:
    """A ratio, null where the denominator is zero and finite where it is nearly zero."""
    value = (numerator / denominator).clip(-_RATIO_LIMIT, _RATIO_LIMIT)
    return when(denominator != 0).then(value)


_EMPLOYED = when(col("DAYS_EMPLOYED") != DAY_SENTINEL).then(_col("DAYS_EMPLOYED"))
_S1, _S2, _S3 = (_col(name) for name in _SCORES)
_KNOWN_SCORES = number_of(col(name).is_not_null() for name in _SCORES)
_SCORES_SUM = sum_of_three(_S1, _S2, _S3)
_SCORES_MEAN = over(_SCORES_SUM, _KNOWN_SCORES)
_SCORES_MIN = least([_S1, _S2, _S3])
_SCORES_MAX = greatest([_S1, _S2, _S3])


def _score_spread() -> Formula:
    """Population standard deviation of the external scores that are known."""
    away = [score - _SCORES_MEAN for score in (_S1, _S2, _S3)]
    squares = sum_of_three(*(distance * distance for distance in away))
    return when(_KNOWN_SCORES > 1).then((squares / _KNOWN_SCORES).sqrt())


def _weighted_score() -> Formula:
    pairs = list(zip((_S1, _S2, _S3), _SCORE_WEIGHTS, strict=True))
    weights = total(
        when(score.is_not_null()).then(weight).otherwise(0.0) for score, weight in pairs
    )
    return over(sum_of_three(*(score * weight for score, weight in pairs)), weights)


def _home_mean() -> Formula:
    """Mean of the known facts about the building."""
    known = number_of(col(name).is_not_null() for name in _HOME)
    return _ratio(added(_col(name).fill_null(0.0) for name in _HOME), known)


DERIVED: dict[str, Formula] = {
    "EXT_SOURCES_MEAN": _SCORES_MEAN,
    "EXT_SOURCES_MIN": _SCORES_MIN,
    "EXT_SOURCES_MAX": _SCORES_MAX,
    "EXT_SOURCES_MEDIAN": when(_KNOWN_SCORES == 3).then(
        _SCORES_SUM - _SCORES_MIN - _SCORES_MAX
    ).otherwise(_SCORES_MEAN),
    "EXT_SOURCES_SPREAD": _score_spread(),
    "EXT_SOURCES_RANGE": _SCORES_MAX - _SCORES_MIN,
    "EXT_SOURCES_PRODUCT": _S1 * _S2 * _S3,
    "EXT_SOURCES_WEIGHTED": _weighted_score(),
    "EXT_SOURCES_KNOWN": _KNOWN_SCORES,
    "EXT_SOURCE_1_TIMES_2": _S1 * _S2,
    "EXT_SOURCE_1_TIMES_3": _S1 * _S3,
    "EXT_SOURCE_2_TIMES_3": _S2 * _S3,
    "EXT_SOURCES_FILLED": sum_of_three(
        _S1.fill_null(_MIDDLING), _S2.fill_null(_MIDDLING), _S3.fill_null(_MIDDLING)
    ),
    "EXT_SOURCE_1_MINUS_2": _S1 - _S2,
    "EXT_SOURCE_1_MINUS_3": _S1 - _S3,
    "EXT_SOURCE_2_MINUS_3": _S2 - _S3,
    "CREDIT_TO_ANNUITY": _ratio(_col("AMT_CREDIT"), _col("AMT_ANNUITY")),
    "CREDIT_TO_GOODS": _ratio(_col("AMT_CREDIT"), _col("AMT_GOODS_PRICE")),
    "GOODS_MINUS_CREDIT": _col("AMT_GOODS_PRICE") - _col("AMT_CREDIT"),
    "CREDIT_TO_INCOME": _ratio(_col("AMT_CREDIT"), _col("AMT_INCOME_TOTAL")),
    "ANNUITY_TO_INCOME": _ratio(_col("AMT_ANNUITY"), _col("AMT_INCOME_TOTAL")),
    "GOODS_TO_INCOME": _ratio(_col("AMT_GOODS_PRICE"), _col("AMT_INCOME_TOTAL")),
    "INCOME_PER_MEMBER": _ratio(_col("AMT_INCOME_TOTAL"), _col("CNT_FAM_MEMBERS")),
    "INCOME_PER_ADULT": _ratio(
        _col("AMT_INCOME_TOTAL"), _col("CNT_FAM_MEMBERS") - _col("CNT_CHILDREN")
    ),
    "CREDIT_PER_MEMBER": _ratio(_col("AMT_CREDIT"), _col("CNT_FAM_MEMBERS")),
    # What is borrowed beyond the price of the goods, insurance mostly.
    "CREDIT_BEYOND_GOODS_TO_INCOME": _ratio(
        _col("AMT_CREDIT") - _col("AMT_GOODS_PRICE"), _col("AMT_INCOME_TOTAL")
    ),
    "INCOME_MINUS_ANNUITY": _col("AMT_INCOME_TOTAL") - _col("AMT_ANNUITY"),
    "CHILDREN_TO_MEMBERS": _ratio(_col("CNT_CHILDREN"), _col("CNT_FAM_MEMBERS")),
    "INCOME_TO_EMPLOYED": _ratio(_col("AMT_INCOME_TOTAL"), _EMPLOYED),
    "CREDIT_TO_SCORE_3": _ratio(_col("AMT_CREDIT"), _S3),
    "ANNUITY_TO_SCORE_3": _ratio(_col("AMT_ANNUITY"), _S3),
    "CREDIT_TO_SCORES": _ratio(_col("AMT_CREDIT"), _SCORES_MEAN),
    "NOT_EMPLOYED": (col("DAYS_EMPLOYED") == DAY_SENTINEL).real(),
    "CAR_AGE_TO_EMPLOYED": _ratio(_col("OWN_CAR_AGE"), _EMPLOYED),
    "PHONE_CHANGE_TO_EMPLOYED": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _EMPLOYED),
    "CREDIT_TO_EMPLOYED": _ratio(_col("AMT_CREDIT"), _EMPLOYED),
    "EMPLOYED_TO_ID": _ratio(_EMPLOYED, _col("DAYS_ID_PUBLISH")),
    "EMPLOYED_TO_REGISTRATION": _ratio(_EMPLOYED, _col("DAYS_REGISTRATION")),
    "PHONE_CHANGE_TO_ID": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _col("DAYS_ID_PUBLISH")),
    "ID_TO_REGISTRATION": _ratio(_col("DAYS_ID_PUBLISH"), _col("DAYS_REGISTRATION")),
    "DOCUMENTS": total(col(name) for name in _DOCUMENTS),
    "CONTACTS": total(col(name) for name in _CONTACTS),
    "MOVES": total(col(name) for name in _MOVES),
    "ENQUIRIES": when(col("AMT_REQ_CREDIT_BUREAU_YEAR").is_not_null()).then(
        total(col(name) for name in _ENQUIRIES)
    ),
    # The windows do not overlap: the yearly one leaves out the last quarter.
    "ENQUIRIES_RECENT": when(col("AMT_REQ_CREDIT_BUREAU_YEAR").is_not_null()).then(
        total(col(name) for name in _ENQUIRIES[:-1])
    ),
    "OWNED": number_of(col(name) == "Y" for name in ("FLAG_OWN_CAR", "FLAG_OWN_REALTY")),
    "HOME_MEAN": _home_mean(),
    "HOME_MISSING": number_of(col(name).is_null() for name in _HOME),
    "DEFAULTS_30_TO_CIRCLE": _ratio(
        _col("DEF_30_CNT_SOCIAL_CIRCLE"), _col("OBS_30_CNT_SOCIAL_CIRCLE")
    ),
    "DEFAULTS_60_TO_CIRCLE": _ratio(
        _col("DEF_60_CNT_SOCIAL_CIRCLE"), _col("OBS_60_CNT_SOCIAL_CIRCLE")
    ),
    "MISSING": number_of(
        col(column.name).is_null()
        for column in APPLICATION.columns
        if column.name != "TARGET"
    ),
}  # fmt: skip

# Age at a given event; they give the age away, so they are protected too.
PROTECTED_DERIVED: dict[str, Formula] = {
    "EMPLOYED_TO_AGE": _ratio(_EMPLOYED, _col("DAYS_BIRTH")),
    "REGISTRATION_TO_AGE": _ratio(_col("DAYS_REGISTRATION"), _col("DAYS_BIRTH")),
    "ID_TO_AGE": _ratio(_col("DAYS_ID_PUBLISH"), _col("DAYS_BIRTH")),
    "PHONE_CHANGE_TO_AGE": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _col("DAYS_BIRTH")),
    "CAR_AGE_TO_AGE": _ratio(_col("OWN_CAR_AGE"), _col("DAYS_BIRTH")),
    "CREDIT_TO_AGE": _ratio(_col("AMT_CREDIT"), _col("DAYS_BIRTH")),
    "INCOME_TO_AGE": _ratio(_col("AMT_INCOME_TOTAL"), _col("DAYS_BIRTH")),
    "SCORES_TO_AGE": _ratio(_SCORES_MEAN, _col("DAYS_BIRTH")),
}

PROTECTED: frozenset[str] = frozenset(PROTECTED_COLUMNS) | {
    f"{PREFIX}__{name}" for name in PROTECTED_DERIVED
}


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


_COLUMNS = tuple(c for c in APPLICATION.columns if c.name not in ("SK_ID_CURR", "TARGET"))
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
        for name, formula in (DERIVED | implied_rates.fields(_RATES) | PROTECTED_DERIVED).items()
    }
)


def features(application: RowsT) -> RowsT:
    """One row an applicant: Kaggle's columns, sentinels made null, and ratios between them."""
    rows = application.with_columns(_IMPLIED).with_columns(_FORMULAS)
    return rows.only(["SK_ID_CURR", *_FORMULAS.names])
