"""Warning signs that credit officers know, counted alike: what no single feature says.

Each sign grows from 0, harmless, to 1, alarming, between two values set from general knowledge
of credit, never from outcomes. Their plain mean is a score with unit weights, which needs no
fitting and loses little against fitted weights (Dawes, "The robust beauty of improper linear
models in decision making", American Psychologist 34, 1979). Trees that see a few hundred
defaults cannot add up dozens of weak signs by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.features.formulas import Formula, Formulas, added, col, number_of, over
from scoring.features.rows import RowsT

PREFIX = "warnings"

# Feature, the value at which it is harmless, the value from which it is alarming.
Sign = tuple[str, float, float]

# What the signs are about, whatever table they come from.
SIGNS: Mapping[str, tuple[Sign, ...]] = {
    # Owed now, against what was lent, what may be drawn and what comes in.
    "DEBT": (
        ("application__ANNUITY_TO_INCOME", 0.1, 0.35),
        ("bureau__DEBT_TO_CREDIT__active__total", 0.0, 1.0),
        ("bureau__DEBT_TO_CREDIT__all__mean", 0.0, 0.6),
        ("bureau__IS_ACTIVE__all__mean", 0.0, 1.0),
        ("pos_cash__FUTURE_TO_TOTAL__12m__mean", 0.3, 0.9),
        ("pos_cash__LOAN_COMPLETED__all__mean", 1.0, 0.0),
        ("card__BALANCE_TO_LIMIT__all__mean", 0.0, 1.0),
        ("card__BALANCE_TO_LIMIT__last3__mean", 0.0, 1.0),
        ("card__IS_OVER_LIMIT__all__mean", 0.0, 0.3),
    ),
    # Paid late or not in full.
    "DELAYS": (
        ("DEF_30_CNT_SOCIAL_CIRCLE", 0.0, 2.0),
        ("bureau__EVER_OVERDUE__all__mean", 0.0, 0.5),
        ("bureau__CREDIT_DAY_OVERDUE__all__mean", 0.0, 1.0),
        ("bureau_balance__LATE_MONTHS__all__share", 0.0, 0.1),
        ("pos_cash__IS_LATE__all__mean", 0.0, 0.1),
        ("pos_cash__IS_LATE_TOLERATED__24m__mean", 0.0, 0.05),
        ("installments__IS_LATE__all__mean", 0.0, 0.3),
        ("installments__IS_LATE_WEEK__all__mean", 0.0, 0.1),
        ("installments__IS_SHORT__all__mean", 0.0, 0.2),
        ("card__IS_LATE_TOLERATED__all__mean", 0.0, 0.05),
    ),
    # Credit sought often and lately, cash drawn on cards.
    "APPETITE": (
        ("AMT_REQ_CREDIT_BUREAU_YEAR", 0.0, 5.0),
        ("bureau__SHARE__12m__total", 0.0, 0.6),
        ("bureau__DAYS_CREDIT__6m__count", 0.0, 3.0),
        ("bureau__DAYS_CREDIT__microloan__count", 0.0, 1.0),
        ("previous__DAYS_DECISION__all__mean", -1500.0, -200.0),
        ("card__CNT_DRAWINGS_ATM_CURRENT__12m__mean", 0.0, 2.0),
        ("card__IS_USED__6m__mean", 0.0, 0.7),
    ),
    # A history too short to have proved anything.
    "YOUTH": (
        ("bureau__DAYS_CREDIT__all__mean", -1800.0, -300.0),
        ("bureau__DAYS_CREDIT__all__min", -2800.0, -700.0),
        ("bureau__DAYS_CREDIT_UPDATE__all__mean", -900.0, -100.0),
        ("bureau__DAYS_ENDDATE_FACT__all__mean", -1500.0, -300.0),
        ("pos_cash__MONTHS_BALANCE__all__count", 50.0, 0.0),
    ),
    # What the lender thought before: refusals.
    "REFUSALS": (
        ("previous__IS_REFUSED__all__mean", 0.0, 0.5),
        ("previous__IS_REFUSED__12m__sum", 0.0, 2.0),
        ("previous__IS_REFUSED__last3__mean", 0.0, 1.0),
        ("previous__REJECTED_BY_HC__all__mean", 0.0, 0.3),
        ("previous__REJECTED_BY_SCORE__all__mean", 0.0, 0.3),
    ),
    # Loans of the kind that risky clients take: dear, long, without money down.
    "TERMS": (
        ("application__CREDIT_TO_GOODS", 1.0, 1.3),
        ("AMT_GOODS_PRICE", 900_000.0, 100_000.0),
        ("FLAG_DOCUMENT_3", 0.0, 1.0),
        ("previous__IS_HIGH_YIELD__all__mean", 0.0, 1.0),
        ("previous__IS_WALK_IN__all__mean", 0.0, 0.5),
        ("previous__AT_AGENT__all__mean", 0.0, 0.3),
        ("previous__YEARLY_RATE__all__mean", 0.1, 0.7),
        ("previous__CNT_PAYMENT__all__mean", 8.0, 30.0),
        ("previous__RATE_DOWN_PAYMENT__all__mean", 0.2, 0.0),
    ),
    # A life in which much has changed lately, or little is owned.
    "STANDING": (
        ("DAYS_EMPLOYED", -4000.0, -200.0),
        ("DAYS_ID_PUBLISH", -4500.0, -500.0),
        ("DAYS_REGISTRATION", -8000.0, -500.0),
        ("DAYS_LAST_PHONE_CHANGE", -2000.0, -100.0),
        ("REGION_RATING_CLIENT_W_CITY", 1.0, 3.0),
        ("REGION_POPULATION_RELATIVE", 0.04, 0.01),
        ("REG_CITY_NOT_WORK_CITY", 0.0, 1.0),
        ("OWN_CAR_AGE", 0.0, 20.0),
        ("FLAG_OWN_CAR", 0.0, 1.0),
        ("NAME_EDUCATION_TYPE", 0.0, 1.0),
        ("NAME_HOUSING_TYPE", 0.0, 1.0),
        ("NAME_INCOME_TYPE", 0.0, 1.0),
        ("OCCUPATION_TYPE", 0.0, 1.0),
    ),
}
# Which categories are alarming: little schooling, no home or car of one's own, a wage that a
# firm can end, manual or unskilled work.
ALARMING: Mapping[str, tuple[str, ...]] = {
    "FLAG_OWN_CAR": ("N",),
    "NAME_EDUCATION_TYPE": (
        "Secondary / secondary special", "Lower secondary", "Incomplete higher",
    ),
    "NAME_HOUSING_TYPE": ("Rented apartment", "With parents"),
    "NAME_INCOME_TYPE": ("Working", "Unemployed"),
    "OCCUPATION_TYPE": (
        "Laborers", "Low-skill Laborers", "Drivers", "Waiters/barmen staff", "Security staff",
        "Cooking staff", "Sales staff", "Cleaning staff",
    ),
}  # fmt: skip
_TABLES = ("bureau", "previous", "pos_cash", "installments", "card")
# Only those of the histories are weighed by the external scores: with signs of the application
# the products are little but the scores again.
_SCORED = ("YOUTH", "REFUSALS", "BUREAU", "PREVIOUS", "HISTORY")
SCORES = (
    "EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3", "application__EXT_SOURCES_MEAN",
    "application__EXT_SOURCES_MIN", "application__EXT_SOURCES_MEDIAN",
)  # fmt: skip


def sign(feature: str, harmless: float, alarming: float) -> Formula:
    """0 where the feature is harmless, 1 where it is alarming, in proportion between."""
    values = col(feature)
    if feature in ALARMING:
        values = values.is_in(ALARMING[feature]).real()
    return ((values - harmless) * (1.0 / (alarming - harmless))).clip(0.0, 1.0)


def features(rows: RowsT) -> RowsT:
    """Add the indices to the features of all tables.

    The signs, of which most count in several indices, are columns in passing.
    """
    signs = rows.with_columns(_SIGNS).with_columns(_INDICES).with_columns(_TIMES)
    return signs.only([*rows.names, *_INDICES.names, *_TIMES.names])


def _indices() -> dict[str, Formula]:
    """The means of the signs that are known: of a theme, of a table, of all there is."""
    everything = [feature for signs in SIGNS.values() for feature, _, _ in signs]
    history = [feature for feature in everything if feature.startswith(_TABLES)]
    groups = {theme: [feature for feature, _, _ in signs] for theme, signs in SIGNS.items()}
    for table in _TABLES:
        groups[table.upper()] = [item for item in everything if item.startswith(table)]
    groups |= {"HISTORY": history, "EVERYTHING": everything}
    return {
        **{f"{PREFIX}__{name}__all__mean": _mean(items) for name, items in groups.items()},
        f"{PREFIX}__HISTORY__all__sum": _sum(history),
        f"{PREFIX}__EVERYTHING__all__sum": _sum(everything),
    }


def _mean(features: Sequence[str]) -> Formula:
    known = number_of(_sign_of(feature).is_not_null() for feature in features)
    return over(_sum(features), known)


def _sum(features: Sequence[str]) -> Formula:
    return added(_sign_of(feature).fill_null(0.0) for feature in features)


def _sign_of(feature: str) -> Formula:
    return col(f"?{feature}")


_SIGNS = Formulas({f"?{item[0]}": sign(*item) for signs in SIGNS.values() for item in signs})
_INDICES = Formulas(_indices())
# The signs weighed by how far each external score is from its best.
_TIMES = Formulas(
    {
        f"{PREFIX}__{name}__{score.removeprefix('application__')}__times": (
            col(f"{PREFIX}__{name}__all__mean") * (1.0 - col(score))
        )
        for name in _SCORED
        for score in SCORES
    }
)
