"""What a reason may be about: every feature belongs to one cause.

An applicant is told causes, never features: the average and the lowest of the same scores are one
thing to know, and putting it right is one thing to do. What a cause adds to the log-odds of
default is the sum of what its features add.
"""

from __future__ import annotations

from collections.abc import Mapping

from scoring.errors import ScoringError

# Sex, age, family status and what stands for it. No reason names them, even where a model was made
# to use them.
PROTECTED_CAUSE = "protected"

# Equal contributions are told in this order.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "external_scores": (
        "EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3", "application__EXT_SOURCES_MEAN",
        "application__EXT_SOURCES_MIN", "application__EXT_SOURCES_MAX",
        "application__EXT_SOURCES_KNOWN", "application__EXT_SOURCES_SPREAD",
        "application__EXT_SOURCES_FILLED",
    ),
    "loan_asked": (
        "NAME_CONTRACT_TYPE", "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE",
        "application__CREDIT_TO_ANNUITY", "application__CREDIT_TO_GOODS",
        "application__TERM_LISTED", "application__RATE_LISTED", "application__RATE_OFF_LIST",
        "application__PAYMENTS_TO_CREDIT",
    ),
    "income_and_work": (
        "AMT_INCOME_TOTAL", "application__CREDIT_TO_INCOME", "application__ANNUITY_TO_INCOME",
        "application__INCOME_PER_MEMBER", "combined__INSTALMENTS_TO_INCOME",
        "NAME_INCOME_TYPE", "NAME_EDUCATION_TYPE", "OCCUPATION_TYPE", "ORGANIZATION_TYPE",
        "DAYS_EMPLOYED", "application__NOT_EMPLOYED",
    ),
    "housing_and_property": (
        "NAME_HOUSING_TYPE", "FLAG_OWN_CAR", "FLAG_OWN_REALTY", "OWN_CAR_AGE",
    ),
    "address_and_building": (
        "REGION_POPULATION_RELATIVE", "REGION_RATING_CLIENT_W_CITY", "REG_CITY_NOT_LIVE_CITY",
        "REG_CITY_NOT_WORK_CITY", "application__MOVES", "APARTMENTS_AVG",
        "YEARS_BEGINEXPLUATATION_AVG", "ELEVATORS_AVG", "FLOORSMAX_AVG", "TOTALAREA_MODE",
        "WALLSMATERIAL_MODE",
    ),
    "papers_and_contact": (
        "DAYS_REGISTRATION", "DAYS_ID_PUBLISH", "DAYS_LAST_PHONE_CHANGE", "FLAG_PHONE",
        "FLAG_DOCUMENT_3", "application__DOCUMENTS",
    ),
    "social_circle": (
        "OBS_30_CNT_SOCIAL_CIRCLE", "DEF_30_CNT_SOCIAL_CIRCLE", "DEF_60_CNT_SOCIAL_CIRCLE",
    ),
    "credit_sought_lately": (
        "AMT_REQ_CREDIT_BUREAU_QRT", "AMT_REQ_CREDIT_BUREAU_YEAR", "application__ENQUIRIES_RECENT",
        "bureau__DAYS_CREDIT__12m__count", "bureau__SHARE__12m__total",
        "bureau__DAYS_BETWEEN__all__mean", "bureau__DAYS_CREDIT__active__max",
        "previous__DAYS_DECISION__all__max", "previous__DAYS_DECISION__all__count",
    ),
    "debts_elsewhere": (
        "bureau__AMT_CREDIT_SUM_DEBT__all__sum", "bureau__CREDIT_MINUS_DEBT__active__mean",
        "bureau__DEBT_PER_MONTH__active__sum", "bureau__DEBT_TO_CREDIT__all__mean",
        "bureau__DEBT_TO_CREDIT__all__max", "bureau__DEBT_TO_CREDIT__last__mean",
        "bureau__DEBT_TO_CREDIT__active__total", "bureau__IS_ACTIVE__all__mean",
        "bureau__AMT_ANNUITY__active__mean", "bureau__DAYS_CREDIT_ENDDATE__active__mean",
        "combined__bureau__DEBT_PER_MONTH__active__sum__over__AMT_INCOME_TOTAL",
        "combined__bureau__AMT_CREDIT_SUM_DEBT__active__sum__over__AMT_INCOME_TOTAL",
    ),
    "late_payments_elsewhere": (
        "bureau__CREDIT_DAY_OVERDUE__all__mean", "bureau__CNT_CREDIT_PROLONG__all__max",
        "bureau__AMT_CREDIT_MAX_OVERDUE__all__max", "bureau__EVER_OVERDUE__all__mean",
        "bureau_balance__WORST_STATUS__active__mean", "bureau_balance__WORST_STATUS__closed__mean",
        "bureau_balance__WORST_STATUS_YEAR__all__mean", "bureau_balance__LATE_MONTHS__all__share",
        "bureau_balance__LAST_LATE_MONTH__all__max",
    ),
    "history_elsewhere": (
        "bureau__DAYS_CREDIT__all__count", "bureau__DAYS_CREDIT__all__mean",
        "bureau__DAYS_CREDIT__all__min", "bureau__DAYS_CREDIT__car__count",
        "bureau__DAYS_CREDIT__mortgage__count", "bureau__DAYS_CREDIT__microloan__count",
        "bureau__DAYS_ENDDATE_FACT__all__max", "bureau__DAYS_CREDIT_UPDATE__all__mean",
        "bureau__TERM__consumer__mean", "bureau__AMT_CREDIT_SUM__all__max",
        "bureau__AMT_CREDIT_SUM_LIMIT__all__max", "bureau_balance__MONTHS__active__count",
        "combined__AMT_CREDIT__over__bureau__AMT_CREDIT_SUM__all__max",
    ),
    "refusals": (
        "previous__DAYS_DECISION__refused__max", "previous__IS_APPROVED__24m__mean",
        "previous__IS_REFUSED__all__mean", "previous__IS_REFUSED__last3__mean",
        "previous__IS_CANCELED__all__mean", "previous__REJECTED_BY_SCORE__all__mean",
        "previous__REJECTED_BY_HC__all__mean", "previous__REJECTED_BY_LIMIT__all__mean",
        "previous__AMT_CUT__last__mean", "previous__APPLICATION_TO_CREDIT__all__mean",
        "previous__YEARLY_RATE__refused__mean",
    ),
    "earlier_loans_here": (
        "previous__AMT_ANNUITY__approved__max", "previous__AMT_CREDIT__approved__mean",
        "previous__RATE_DOWN_PAYMENT__all__mean", "previous__CNT_PAYMENT__all__mean",
        "previous__DAYS_FIRST_DRAWING__all__mean", "previous__YEARLY_RATE__all__mean",
        "previous__IS_INSURED__all__mean", "previous__IS_WALK_IN__all__mean",
        "previous__IS_LOW_YIELD__all__mean", "previous__IS_CASH_LOAN__all__mean",
        "previous__AT_AGENT__all__mean", "previous__BY_PHONE__all__mean",
        "previous__FOR_PHONE__all__mean", "previous__PAYS_AT_BANK__all__mean",
        "pos_cash__MONTHS_BALANCE__all__count", "pos_cash__CNT_INSTALMENT__all__min",
        "pos_cash__CNT_INSTALMENT__12m__mean", "installments__DAYS_INSTALMENT__all__count",
        "installments__DAYS_ENTRY_PAYMENT__all__mean", "installments__AMT_INSTALMENT__all__max",
        "installments__AMT_PAYMENT__all__sum",
        "combined__AMT_ANNUITY__over__installments__AMT_INSTALMENT__all__max",
        "combined__AMT_ANNUITY__over__previous__AMT_ANNUITY__approved__max",
        "combined__AMT_CREDIT__over__previous__AMT_CREDIT__approved__mean",
        "previous__AMT_ANNUITY__running__sum", "previous__CNT_PAYMENT__running__mean",
        "previous__DAYS_LAST_DUE_1ST_VERSION__all__max", "previous__DAYS_ENDED_EARLY__all__mean",
        "pos_cash__FUTURE_TO_TOTAL__all__mean", "pos_cash__LOAN_REMAINING_TO_PLANNED__last__mean",
        "pos_cash__LOAN_COMPLETED__all__mean", "loan__REMAINING_DEBT__running__sum",
        "loan__REMAINING_TO_CREDIT__last__mean", "loan__PAID_TO_CREDIT__last__mean",
        "combined__loan__REMAINING_DEBT__running__sum__over__AMT_INCOME_TOTAL",
    ),
    "late_payments_here": (
        "pos_cash__SK_DPD__12m__mean", "pos_cash__IS_LATE__all__mean",
        "pos_cash__IS_LATE_TOLERATED__24m__mean", "pos_cash__LATE_MONTH__all__max",
        "pos_cash__LOAN_LATE_MONTHS__last3__sum", "installments__DAYS_LATE__365d__mean",
        "installments__DAYS_LATE__lastloan__mean", "installments__DAYS_EARLY__all__mean",
        "installments__AMT_SHORT__180d__mean", "installments__IS_LATE__all__mean",
        "installments__IS_LATE_WEEK__all__mean", "installments__IS_SHORT__all__mean",
        "installments__PAID_TO_DUE__all__total", "card__SK_DPD__12m__mean",
        "card__IS_LATE_TOLERATED__all__mean", "card__LATE_MONTH__all__max",
        "loan__EVER_LATE__running__mean",
    ),
    "card_use": (
        "card__MONTHS_BALANCE__all__count", "card__AMT_BALANCE__last3__mean",
        "card__AMT_CREDIT_LIMIT_ACTUAL__all__mean", "card__CNT_DRAWINGS_ATM_CURRENT__12m__mean",
        "card__BALANCE_TO_LIMIT__all__mean", "card__BALANCE_TO_LIMIT__last3__mean",
        "card__ATM_TO_LIMIT__12m__max", "card__PAID_TO_MINIMUM__all__mean",
        "card__PAID_TO_BALANCE__all__mean", "card__IS_OVER_LIMIT__all__mean",
        "card__IS_USED__6m__mean",
        "combined__card__AMT_BALANCE__last3__mean__over__AMT_INCOME_TOTAL",
    ),
    PROTECTED_CAUSE: (
        "CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS", "CNT_CHILDREN", "CNT_FAM_MEMBERS",
    ),
}  # fmt: skip

# What sums others up by a rule of ours: it counts, and others of its cause are told.
INDICES = frozenset({"application__EXT_SOURCES_FILLED"})

# What everybody reads as worse above what is usual, or below it, though models are free to learn
# otherwise: nobody is told that an income above the usual one cost them the loan.
WORSE_ABOVE = frozenset(
    {
        "application__CREDIT_TO_GOODS", "application__RATE_LISTED",
        "application__PAYMENTS_TO_CREDIT", "application__CREDIT_TO_INCOME",
        "application__ANNUITY_TO_INCOME", "combined__INSTALMENTS_TO_INCOME", "OWN_CAR_AGE",
        # Days are below zero: a shorter time is above the usual one.
        "DAYS_EMPLOYED", "application__NOT_EMPLOYED", "REGION_RATING_CLIENT_W_CITY",
        "REG_CITY_NOT_LIVE_CITY", "REG_CITY_NOT_WORK_CITY", "application__MOVES",
        "AMT_REQ_CREDIT_BUREAU_QRT", "AMT_REQ_CREDIT_BUREAU_YEAR",
        "application__ENQUIRIES_RECENT", "bureau__DAYS_CREDIT__12m__count",
        "bureau__SHARE__12m__total", "bureau__DAYS_CREDIT__active__max",
        "previous__DAYS_DECISION__all__max", "bureau__IS_ACTIVE__all__mean",
        "bureau__AMT_ANNUITY__active__mean", "previous__IS_CANCELED__all__mean",
        "previous__YEARLY_RATE__all__mean", "card__CNT_DRAWINGS_ATM_CURRENT__12m__mean",
        "card__ATM_TO_LIMIT__12m__max", "pos_cash__LOAN_REMAINING_TO_PLANNED__last__mean",
        "loan__REMAINING_TO_CREDIT__last__mean", "previous__AMT_ANNUITY__running__sum",
    }
)  # fmt: skip
WORSE_BELOW = frozenset(
    {
        "application__EXT_SOURCES_KNOWN", "AMT_INCOME_TOTAL", "application__INCOME_PER_MEMBER",
        "FLAG_PHONE", "application__DOCUMENTS", "previous__RATE_DOWN_PAYMENT__all__mean",
        "pos_cash__LOAN_COMPLETED__all__mean", "loan__PAID_TO_CREDIT__last__mean",
        "installments__DAYS_EARLY__all__mean", "card__PAID_TO_MINIMUM__all__mean",
        "card__PAID_TO_BALANCE__all__mean",
    }
)  # fmt: skip

# Values that say age or sex in other words: a pension, maternity leave, and no employment, which is
# mostly retirement. The principal reasons have to be told and these never may: they count with the
# protected attributes, and their cause is told for what else it adds, or not at all.
SAYS_AGE: Mapping[str, frozenset[str | float | None]] = {
    "NAME_INCOME_TYPE": frozenset({"Maternity leave", "Pensioner"}),
    "application__NOT_EMPLOYED": frozenset({1.0}),
    "DAYS_EMPLOYED": frozenset({None}),
    "ORGANIZATION_TYPE": frozenset({None}),
}
# What is missing beside one of these says it too.
SAYS_AGE_BESIDE = frozenset({"OCCUPATION_TYPE"})

# Where none of these tables has a row for an applicant, all their features say one thing: they
# count under one cause, so that an absence is told once.
ABSENCES: Mapping[str, frozenset[str]] = {
    "history_elsewhere": frozenset({"bureau", "bureau_balance"}),
    "earlier_loans_here": frozenset({"previous", "pos_cash", "installments", "card", "loan"}),
}

# Numbers that are there even where nothing is known of their cause.
COUNTS_OF_KNOWN = frozenset({"application__EXT_SOURCES_KNOWN", "application__EXT_SOURCES_FILLED"})

# Without a value it never happened, which is no gap in what is known.
NEVER = frozenset(
    {
        "previous__DAYS_DECISION__refused__max",
        "previous__YEARLY_RATE__refused__mean",
        "bureau_balance__LAST_LATE_MONTH__all__max",
        "pos_cash__LATE_MONTH__all__max",
        "card__LATE_MONTH__all__max",
    }
)


_BY_FEATURE = {feature: cause for cause, features in CAUSES.items() for feature in features}


class CauseError(ScoringError):
    """A feature belongs to no cause."""


def cause_of(feature: str) -> str:
    """Name the cause that a feature belongs to.

    Raises
    ------
    CauseError
        If it belongs to none.
    """
    try:
        return _BY_FEATURE[feature]
    except KeyError:
        raise CauseError(
            f"the feature {feature!r} belongs to no cause: add it to scoring/features/causes.py"
        ) from None
