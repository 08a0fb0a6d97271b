"""What is asked for now against what the credit history shows: needs several tables at once."""

from __future__ import annotations

from scoring.features.engine.formulas import Formula, Formulas, col, over, sum_of_three

PREFIX = "combined"

# Beyond any real ratio, within what 32 bits hold.
_LIMIT = 1e15

_DEBT = "bureau__AMT_CREDIT_SUM_DEBT__active__sum"
_REMAINING = "loan__REMAINING_DEBT__running__sum"
_RUNNING = "previous__AMT_ANNUITY__running__sum"
_BALANCE = "card__AMT_BALANCE__last3__mean"
_MONTHLY = "bureau__DEBT_PER_MONTH__active__sum"

# Numerator and denominator; the feature is called combined__NUMERATOR__over__DENOMINATOR.
QUOTIENTS: tuple[tuple[str, str], ...] = (
    ("AMT_ANNUITY", "installments__AMT_INSTALMENT__all__max"),
    ("AMT_ANNUITY", "previous__AMT_ANNUITY__approved__max"),
    ("AMT_CREDIT", "previous__AMT_CREDIT__approved__mean"),
    ("AMT_CREDIT", "bureau__AMT_CREDIT_SUM__all__max"),
    (_DEBT, "AMT_INCOME_TOTAL"),
    (_MONTHLY, "AMT_INCOME_TOTAL"),
    (_REMAINING, "AMT_INCOME_TOTAL"),
    (_BALANCE, "AMT_INCOME_TOTAL"),
)

# Amounts of several tables added up; what a table does not know counts as nothing.
_ALL_INSTALMENTS = ("AMT_ANNUITY", _MONTHLY, _RUNNING)


def _finite(formula: Formula) -> Formula:
    return formula.clip(-_LIMIT, _LIMIT)


# Over the features of all tables together.
FORMULAS = Formulas(
    {
        f"{PREFIX}__{top}__over__{bottom}": _finite(over(col(top), col(bottom)))
        for top, bottom in QUOTIENTS
    }
    | {
        f"{PREFIX}__INSTALMENTS_TO_INCOME": _finite(
            over(sum_of_three(*map(col, _ALL_INSTALMENTS)), col("AMT_INCOME_TOTAL"))
        ),
    }
)
