"""Term and interest rate, which an application does not state, from its credit and annuity.

The current application gives the credit and the monthly annuity, not the number of payments. Each
plausible number implies a rate: the one at which the payments are worth the credit today,

    credit = annuity x (1 - (1 + i)^-n) / i        (the annuity formula; i a month, 12 i a year)

Most of these rates are out of the question. Among the others, the right one is told by the price
list: lenders sell at few nominal rates.
"""

from __future__ import annotations

from operator import getitem

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.features.engine.formulas import Formula, col, own

# Terms on offer, in months.
TERMS = (6, 12, 18, 24, 30, 36, 42, 48, 54, 60)
# Yearly rates outside are not plausible for the lender's loans.
LOWEST_RATE, HIGHEST_RATE = 0.085, 1.0
# The yearly rates that recur among the real sample's previous cash loans, whose terms are known:
# the lender's price list. The term whose rate is closest to an entry is the right one for 81 % of
# them.
PRICE_LIST = (
    0.178, 0.198, 0.218, 0.228, 0.248, 0.299, 0.349, 0.4, 0.451, 0.471, 0.502, 0.554, 0.605, 0.709,
)  # fmt: skip

NAMES = ("RATE_LISTED", "TERM_LISTED", "RATE_OFF_LIST", "PAYMENTS_TO_CREDIT")

_NEWTON_STEPS = 7
# Keeps Newton's steps where the formula can be computed; far outside the plausible rates.
_MONTHLY_LIMITS = (1e-6, 2.0)
_MONTHS_A_YEAR = 12.0
# For each bit of the longest term, from the lowest, which terms have it.
_BITS = [
    np.array([[term >> bit & 1] for term in TERMS], dtype=bool)
    for bit in range(max(TERMS).bit_length())
]

Floats = npt.NDArray[np.float64]


def formula() -> Formula:
    """What the application's amounts imply; `fields` takes it apart."""
    return own(expression(), _features, col("AMT_CREDIT"), col("AMT_ANNUITY"))


def fields(column: str) -> dict[str, Formula]:
    """Each of `NAMES`, from the column that holds what `formula` gave."""
    return {
        name: own(pl.col(column).struct.field(name), getitem, col(column), name) for name in NAMES
    }


def expression() -> pl.Expr:
    """A struct with a Float64 field for each of `NAMES`, from the columns of the application."""
    return pl.struct("AMT_CREDIT", "AMT_ANNUITY").map_batches(
        implied, return_dtype=pl.Struct(dict.fromkeys(NAMES, pl.Float64)), is_elementwise=True
    )


def implied(rows: pl.Series) -> pl.Series:
    """The features of this module for each row.

    Only additions, multiplications, divisions and comparisons, value by value: they give the same
    bits for one row and for many, which powers, logarithms and sums over an axis would not.

    Parameters
    ----------
    rows : polars.Series of Struct
        AMT_CREDIT and AMT_ANNUITY.

    Returns
    -------
    polars.Series of Struct
        A Float64 field for each of `NAMES`, null where no term is plausible.
    """
    credit = rows.struct.field("AMT_CREDIT").cast(pl.Float64).to_numpy()
    annuity = rows.struct.field("AMT_ANNUITY").cast(pl.Float64).to_numpy()
    with np.errstate(all="ignore"):
        values = _features(credit, annuity)
    return pl.DataFrame(
        [pl.Series(name, column, nan_to_null=True) for name, column in values.items()]
    ).to_struct(rows.name)


def _features(credit: Floats, annuity: Floats) -> dict[str, Floats]:
    rates = _yearly_rates(credit, annuity)
    rates = np.where((rates >= LOWEST_RATE) & (rates <= HIGHEST_RATE), rates, np.nan)
    rate_listed, term_listed, off_list = _closest(rates, _off_list(rates))
    return {
        "RATE_LISTED": rate_listed,
        "TERM_LISTED": term_listed,
        "RATE_OFF_LIST": off_list,
        "PAYMENTS_TO_CREDIT": annuity * term_listed / credit,
    }


def _yearly_rates(credit: Floats, annuity: Floats) -> Floats:
    """Newton's method on the annuity formula, of shape (terms, rows); NaN without a solution.

    The fixed number of steps leaves errors below 1e-12 wherever the rate is plausible.
    """
    term = np.array(TERMS, dtype=np.float64)[:, np.newaxis]
    worth = credit / annuity
    # The formula's series in i up to its first power, solved for i.
    monthly = 2.0 * (term / worth - 1.0) / (term + 1.0)
    monthly = np.where(monthly > 0.0, monthly, np.nan)
    for _ in range(_NEWTON_STEPS):
        discount = 1.0 / (1.0 + monthly)
        last = _power_of_term(discount)
        value = (1.0 - last) / monthly
        slope = (term * last * discount - value) / monthly
        monthly = np.clip(monthly - (value - worth) / slope, *_MONTHLY_LIMITS)
    return _MONTHS_A_YEAR * monthly


def _power_of_term(base: Floats) -> Floats:
    """Each row of `base`, a row a term, to the power of its term: by squaring."""
    result = np.ones_like(base)
    for wanted in _BITS:
        result = np.where(wanted, result * base, result)
        base = base * base
    return result


def _off_list(rates: Floats) -> Floats:
    """Distance to the closest entry of the price list."""
    least = np.full_like(rates, np.inf)
    for entry in PRICE_LIST:
        least = np.minimum(least, np.abs(rates - entry))
    return least


def _closest(rates: Floats, distances: Floats) -> tuple[Floats, Floats, Floats]:
    """Rate, term and distance where the distance is least, the shortest term among equals."""
    best = np.argmin(np.where(np.isnan(distances), np.inf, distances), axis=0)
    columns = np.arange(best.size)
    rate = rates[best, columns]
    term = np.where(np.isnan(rate), np.nan, np.array(TERMS)[best])
    return rate, term, distances[best, columns]
