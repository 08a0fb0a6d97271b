"""What every officer knows of a feature: whether more of it raises or lowers the PD.

Models are held to it, the other features being equal: nobody can be told that a debt repaid sooner
would have cost them the loan. What can be read both ways (amounts asked for, numbers of loans,
dates, spreads) stays free.
"""

from __future__ import annotations

from collections.abc import Mapping

RAISES_PD = frozenset(
    {
        # social circle: people pay as those around them do
        "DEF_30_CNT_SOCIAL_CIRCLE",
        "DEF_60_CNT_SOCIAL_CIRCLE",
        # debts elsewhere: what is owed already leaves less for this loan
        "bureau__AMT_CREDIT_SUM_DEBT__all__sum",
        "bureau__DEBT_PER_MONTH__active__sum",
        "bureau__DEBT_TO_CREDIT__all__mean",
        "bureau__DEBT_TO_CREDIT__all__max",
        "bureau__DEBT_TO_CREDIT__last__mean",
        "bureau__DEBT_TO_CREDIT__active__total",
        "combined__bureau__AMT_CREDIT_SUM_DEBT__active__sum__over__AMT_INCOME_TOTAL",
        "combined__bureau__DEBT_PER_MONTH__active__sum__over__AMT_INCOME_TOTAL",
        # late payments elsewhere: who was late is late again, the sooner the more recent it was
        "bureau__CREDIT_DAY_OVERDUE__all__mean",
        "bureau__CNT_CREDIT_PROLONG__all__max",
        "bureau__AMT_CREDIT_MAX_OVERDUE__all__max",
        "bureau__EVER_OVERDUE__all__mean",
        "bureau_balance__WORST_STATUS__active__mean",
        "bureau_balance__WORST_STATUS__closed__mean",
        "bureau_balance__WORST_STATUS_YEAR__all__mean",
        "bureau_balance__LAST_LATE_MONTH__all__max",
        "bureau_balance__LATE_MONTHS__all__share",
        # refusals: the lender had its reasons
        "previous__IS_REFUSED__all__mean",
        "previous__IS_REFUSED__last3__mean",
        "previous__REJECTED_BY_SCORE__all__mean",
        "previous__REJECTED_BY_HC__all__mean",
        "previous__REJECTED_BY_LIMIT__all__mean",
        # late payments here: as elsewhere, and what was not paid in full
        "pos_cash__SK_DPD__12m__mean",
        "pos_cash__IS_LATE__all__mean",
        "pos_cash__IS_LATE_TOLERATED__24m__mean",
        "pos_cash__LATE_MONTH__all__max",
        "pos_cash__LOAN_LATE_MONTHS__last3__sum",
        "installments__DAYS_LATE__lastloan__mean",
        "installments__DAYS_LATE__365d__mean",
        "installments__AMT_SHORT__180d__mean",
        "installments__IS_LATE__all__mean",
        "installments__IS_SHORT__all__mean",
        "installments__IS_LATE_WEEK__all__mean",
        "card__SK_DPD__12m__mean",
        "card__IS_LATE_TOLERATED__all__mean",
        "card__LATE_MONTH__all__max",
        "loan__EVER_LATE__running__mean",
        # loans running here: their instalments fall due beside this one's
        "loan__REMAINING_DEBT__running__sum",
        "combined__loan__REMAINING_DEBT__running__sum__over__AMT_INCOME_TOTAL",
        # card use: who lives on the card has nothing left
        "card__AMT_BALANCE__last3__mean",
        "card__BALANCE_TO_LIMIT__all__mean",
        "card__BALANCE_TO_LIMIT__last3__mean",
        "card__IS_OVER_LIMIT__all__mean",
        "combined__card__AMT_BALANCE__last3__mean__over__AMT_INCOME_TOTAL",
    }
)

LOWERS_PD = frozenset(
    {
        # external scores: they are good marks
        "EXT_SOURCE_1",
        "EXT_SOURCE_2",
        "EXT_SOURCE_3",
        "application__EXT_SOURCES_MEAN",
        "application__EXT_SOURCES_MIN",
        "application__EXT_SOURCES_MAX",
        "application__EXT_SOURCES_FILLED",
        # debts elsewhere: what has been repaid, or can still be drawn
        "bureau__CREDIT_MINUS_DEBT__active__mean",
        # refusals: the lender was content lately
        "previous__IS_APPROVED__24m__mean",
        # late payments here: what was due was paid
        "installments__PAID_TO_DUE__all__total",
    }
)

# 1 where a model's score may only rise with the feature, -1 where it may only fall.
DIRECTIONS: Mapping[str, int] = dict.fromkeys(RAISES_PD, 1) | dict.fromkeys(LOWERS_PD, -1)
