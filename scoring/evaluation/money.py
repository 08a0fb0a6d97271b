"""Decisions counted in money: what a default loses, and what a refused good applicant would earn.

The business cost counts every mistake of a kind alike. Here a default costs a share of its own
credit, and a refusal the margin of the loan that was not made. The tables hide the term and the
rate of the loan applied for, so both rest on the assumptions of `Money`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.evaluation import bootstrap
from scoring.evaluation.bootstrap import Flags, Floats, Interval


@dataclass(frozen=True, slots=True)
class Money:
    """Assumptions about every loan.

    Attributes
    ----------
    loss_given_default : float
        Share of the credit that a default loses. 45 % is what Basel II gives to senior claims
        without collateral under the foundation approach (Basel II, paragraph 287, today CRE32);
        it is made for companies, and serves here as the best known figure of its kind. All of
        the credit counts as exposed, since TARGET is about the first instalments.
    yearly_margin : float
        What a loan earns a year on the balance still owed, after funding and running costs and
        before defaults. 3 % makes a lost loan cost about ten lost margins on average, the
        house's 10 : 1: both business scores then stand for the same policy, and differ in that
        this one knows the size and the length of each loan.
    term_factor : float
        Instalments a loan runs for, over credit / annuity: what interest adds to the number of
        instalments. 1.47 is the median of AMT_ANNUITY x CNT_PAYMENT / AMT_CREDIT over 13,519
        previous cash loans of real applicants (quartiles 1.29 and 1.72).
    usual_ratio : float
        Credit / annuity where the annuity is unknown: the median of real applicants.
    """

    loss_given_default: float = 0.45
    yearly_margin: float = 0.03
    term_factor: float = 1.47
    usual_ratio: float = 20.0

    def __post_init__(self) -> None:
        values = (self.loss_given_default, self.yearly_margin, self.term_factor, self.usual_ratio)
        if not all(value > 0 for value in values):
            raise ValueError(f"every assumption must be above zero, not {self}")

    def losses(self, loans: pl.DataFrame) -> Floats:
        """Return what each loan would lose by a default, in the currency of AMT_CREDIT."""
        return self.loss_given_default * loans["AMT_CREDIT"].cast(pl.Float64).to_numpy()

    def margins(self, loans: pl.DataFrame) -> Floats:
        """Return what each loan would earn if it were repaid, in the currency of AMT_CREDIT.

        A loan that is repaid evenly owes half of the credit on average, over a term of
        `term_factor` x AMT_CREDIT / AMT_ANNUITY months.
        """
        credit, annuity = (pl.col(name).cast(pl.Float64) for name in ("AMT_CREDIT", "AMT_ANNUITY"))
        ratio = pl.when(annuity > 0).then(credit / annuity).fill_null(self.usual_ratio)
        years = ratio * self.term_factor / 12
        return loans.select(self.yearly_margin * credit / 2 * years).to_series().to_numpy()

    def cutoffs(self, loans: pl.DataFrame) -> Floats:
        """Return each applicant's own cut-off: the PD above which refusing should be cheaper.

        Accepting loses PD x loss on average, refusing (1 - PD) x margin: equal at
        margin / (margin + loss), `Costs.cutoff` with the applicant's own costs.
        """
        margins = self.margins(loans)
        return margins / (margins + self.losses(loans))


@dataclass(frozen=True, slots=True)
class MoneyScore:
    """Costs of decisions per applicant, in the currency of AMT_CREDIT.

    The cost is losses of accepted defaults and lost margins of refused good applicants; the profit
    margins of accepted good applicants, less the losses of accepted defaults.
    """

    cost: Interval
    losses: float
    lost_margins: float
    profit: Interval
    refused: float


def money_score(
    target: npt.ArrayLike,
    refused: npt.ArrayLike,
    loans: pl.DataFrame,
    money: Money,
    resamples: int = 1000,
    seed: int = 0,
) -> MoneyScore:
    """Count decisions in money.

    Parameters
    ----------
    refused : array-like of bool of shape (applicants,)
        The decisions. Whoever is referred is what the officer decides: say so here.
    loans : polars.DataFrame
        AMT_CREDIT and AMT_ANNUITY, a row an applicant in the same order.
    """
    defaulted, turned_down = np.asarray(target) == 1, np.asarray(refused, dtype=np.bool_)
    margins = money.margins(loans)
    losses = np.where(defaulted & ~turned_down, money.losses(loans), 0.0)
    lost = np.where(~defaulted & turned_down, margins, 0.0)
    earned = np.where(~defaulted & ~turned_down, margins, 0.0)
    amounts = np.column_stack([losses + lost, earned - losses])
    # The default rate is by chance, too.
    drawn = bootstrap.sums(amounts, np.ones_like(defaulted), resamples, seed)
    cost, profit = (
        bootstrap.interval(amounts[:, i].mean(), drawn[:, i] / defaulted.size) for i in (0, 1)
    )
    return MoneyScore(
        cost, float(losses.mean()), float(lost.mean()), profit, float(turned_down.mean())
    )


def compare_rules(
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    loans: pl.DataFrame,
    money: Money,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """Compare what it earns to decide by one cut-off, by each loan's own, or without a model.

    Returns
    -------
    polars.DataFrame
        A row a rule: rule, refused (share), cost, cost_low, cost_high, losses, lost_margins,
        profit, profit_low, profit_high.
    """
    values = np.asarray(pds, dtype=np.float64)
    rules: dict[str, Flags] = {
        "accept all": np.zeros(values.shape, dtype=np.bool_),
        "refuse all": np.ones(values.shape, dtype=np.bool_),
        "one cut-off for all": values > cutoff,
        "each loan's own cut-off": values > money.cutoffs(loans),
    }
    return pl.DataFrame(
        [
            _row(name, money_score(target, refused, loans, money, resamples, seed))
            for name, refused in rules.items()
        ]
    )


def _row(rule: str, score: MoneyScore) -> dict[str, str | float]:
    parts = {"losses": score.losses, "lost_margins": score.lost_margins}
    row: dict[str, str | float] = {"rule": rule, "refused": score.refused}
    return row | score.cost.columns("cost") | parts | score.profit.columns("profit")
