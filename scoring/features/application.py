"""The application itself: Kaggle's columns as they are, and ratios between them."""

from __future__ import annotations

import polars as pl

from scoring.features import implied_rates
from scoring.tables import APPLICATION, DAY_SENTINEL, Column, RowsT

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


def _col(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)


def _ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A ratio, null where the denominator is zero and finite where it is nearly zero."""
    value = (numerator / denominator).clip(-_RATIO_LIMIT, _RATIO_LIMIT)
    return pl.when(denominator != 0).then(value)


_EMPLOYED = pl.when(pl.col("DAYS_EMPLOYED") != DAY_SENTINEL).then(_col("DAYS_EMPLOYED"))
_S1, _S2, _S3 = (_col(name) for name in _SCORES)
_KNOWN_SCORES = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Float64) for name in _SCORES)


def _score_spread() -> pl.Expr:
    """Population standard deviation of the external scores that are known."""
    mean = pl.mean_horizontal(_SCORES)
    squares = pl.sum_horizontal((_col(name) - mean) * (_col(name) - mean) for name in _SCORES)
    return pl.when(_KNOWN_SCORES > 1).then((squares / _KNOWN_SCORES).sqrt())


def _weighted_score() -> pl.Expr:
    pairs = list(zip(_SCORES, _SCORE_WEIGHTS, strict=True))
    total = pl.sum_horizontal(_col(name) * weight for name, weight in pairs)
    weights = pl.sum_horizontal(
        pl.when(pl.col(name).is_not_null()).then(weight).otherwise(0.0) for name, weight in pairs
    )
    return pl.when(weights > 0).then(total / weights)


def _home_mean() -> pl.Expr:
    """Mean of the known facts about the building, added up in one order.

    Polars adds up more than three columns in the order in which its threads finish.
    """
    known = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Float64) for name in _HOME)
    return _ratio(sum((_col(name).fill_null(0.0) for name in _HOME), pl.lit(0.0)), known)


DERIVED: dict[str, pl.Expr] = {
    "EXT_SOURCES_MEAN": pl.mean_horizontal(_SCORES),
    "EXT_SOURCES_MIN": pl.min_horizontal(_SCORES),
    "EXT_SOURCES_MAX": pl.max_horizontal(_SCORES),
    "EXT_SOURCES_MEDIAN": pl.when(_KNOWN_SCORES == 3).then(
        pl.sum_horizontal(_SCORES) - pl.min_horizontal(_SCORES) - pl.max_horizontal(_SCORES)
    ).otherwise(pl.mean_horizontal(_SCORES)),
    "EXT_SOURCES_SPREAD": _score_spread(),
    "EXT_SOURCES_RANGE": pl.max_horizontal(_SCORES) - pl.min_horizontal(_SCORES),
    "EXT_SOURCES_PRODUCT": _S1 * _S2 * _S3,
    "EXT_SOURCES_WEIGHTED": _weighted_score(),
    "EXT_SOURCES_KNOWN": _KNOWN_SCORES,
    "EXT_SOURCE_1_TIMES_2": _S1 * _S2,
    "EXT_SOURCE_1_TIMES_3": _S1 * _S3,
    "EXT_SOURCE_2_TIMES_3": _S2 * _S3,
    "EXT_SOURCES_FILLED": pl.sum_horizontal(_col(name).fill_null(_MIDDLING) for name in _SCORES),
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
    "CREDIT_TO_SCORES": _ratio(_col("AMT_CREDIT"), pl.mean_horizontal(_SCORES)),
    "NOT_EMPLOYED": (pl.col("DAYS_EMPLOYED") == DAY_SENTINEL).cast(pl.Float64),
    "CAR_AGE_TO_EMPLOYED": _ratio(_col("OWN_CAR_AGE"), _EMPLOYED),
    "PHONE_CHANGE_TO_EMPLOYED": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _EMPLOYED),
    "CREDIT_TO_EMPLOYED": _ratio(_col("AMT_CREDIT"), _EMPLOYED),
    "EMPLOYED_TO_ID": _ratio(_EMPLOYED, _col("DAYS_ID_PUBLISH")),
    "EMPLOYED_TO_REGISTRATION": _ratio(_EMPLOYED, _col("DAYS_REGISTRATION")),
    "PHONE_CHANGE_TO_ID": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _col("DAYS_ID_PUBLISH")),
    "ID_TO_REGISTRATION": _ratio(_col("DAYS_ID_PUBLISH"), _col("DAYS_REGISTRATION")),
    "DOCUMENTS": pl.sum_horizontal(_col(name) for name in _DOCUMENTS),
    "CONTACTS": pl.sum_horizontal(_col(name) for name in _CONTACTS),
    "MOVES": pl.sum_horizontal(_col(name) for name in _MOVES),
    "ENQUIRIES": pl.when(pl.col("AMT_REQ_CREDIT_BUREAU_YEAR").is_not_null()).then(
        pl.sum_horizontal(_col(name) for name in _ENQUIRIES)
    ),
    # The windows do not overlap: the yearly one leaves out the last quarter.
    "ENQUIRIES_RECENT": pl.when(pl.col("AMT_REQ_CREDIT_BUREAU_YEAR").is_not_null()).then(
        pl.sum_horizontal(_col(name) for name in _ENQUIRIES[:-1])
    ),
    "OWNED": pl.sum_horizontal(
        (pl.col(name) == "Y").cast(pl.Float64) for name in ("FLAG_OWN_CAR", "FLAG_OWN_REALTY")
    ),
    "HOME_MEAN": _home_mean(),
    "HOME_MISSING": pl.sum_horizontal(pl.col(name).is_null().cast(pl.Float64) for name in _HOME),
    "DEFAULTS_30_TO_CIRCLE": _ratio(
        _col("DEF_30_CNT_SOCIAL_CIRCLE"), _col("OBS_30_CNT_SOCIAL_CIRCLE")
    ),
    "DEFAULTS_60_TO_CIRCLE": _ratio(
        _col("DEF_60_CNT_SOCIAL_CIRCLE"), _col("OBS_60_CNT_SOCIAL_CIRCLE")
    ),
    "MISSING": pl.sum_horizontal(
        pl.col(column.name).is_null().cast(pl.Float64)
        for column in APPLICATION.columns
        if column.name != "TARGET"
    ),
}  # fmt: skip

# Age at a given event; they give the age away, so they are protected too.
PROTECTED_DERIVED: dict[str, pl.Expr] = {
    "EMPLOYED_TO_AGE": _ratio(_EMPLOYED, _col("DAYS_BIRTH")),
    "REGISTRATION_TO_AGE": _ratio(_col("DAYS_REGISTRATION"), _col("DAYS_BIRTH")),
    "ID_TO_AGE": _ratio(_col("DAYS_ID_PUBLISH"), _col("DAYS_BIRTH")),
    "PHONE_CHANGE_TO_AGE": _ratio(_col("DAYS_LAST_PHONE_CHANGE"), _col("DAYS_BIRTH")),
    "CAR_AGE_TO_AGE": _ratio(_col("OWN_CAR_AGE"), _col("DAYS_BIRTH")),
    "CREDIT_TO_AGE": _ratio(_col("AMT_CREDIT"), _col("DAYS_BIRTH")),
    "INCOME_TO_AGE": _ratio(_col("AMT_INCOME_TOTAL"), _col("DAYS_BIRTH")),
    "SCORES_TO_AGE": _ratio(pl.mean_horizontal(_SCORES), _col("DAYS_BIRTH")),
}

PROTECTED: frozenset[str] = frozenset(PROTECTED_COLUMNS) | {
    f"{PREFIX}__{name}" for name in PROTECTED_DERIVED
}


def features(application: RowsT) -> RowsT:
    """One row an applicant: Kaggle's columns, sentinels made null, and ratios between them."""
    columns = [c for c in APPLICATION.columns if c.name not in ("SK_ID_CURR", "TARGET")]
    rates = {name: pl.col(_RATES).struct.field(name) for name in implied_rates.NAMES}
    derived = DERIVED | rates | PROTECTED_DERIVED
    return application.with_columns(implied_rates.expression().alias(_RATES)).select(
        "SK_ID_CURR",
        *(_plain(column) for column in columns),
        *(expression.alias(f"{PREFIX}__{name}") for name, expression in derived.items()),
    )


def _plain(column: Column) -> pl.Expr:
    """Kaggle's column with its sentinels made null; categories in the order of the table."""
    values = pl.col(column.name)
    if column.kind != "category":
        if column.sentinels:
            return pl.when(~values.is_in(column.sentinels)).then(values).alias(column.name)
        return values
    levels = [value for value in column.categories if value not in column.sentinels]
    return values.cast(pl.Enum(levels), strict=False)
