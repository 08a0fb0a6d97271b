"""Term and interest rate of the application, which Kaggle's tables hide.

Previous loans tell both: the number of payments is a column, and the rate follows from credit,
annuity and term. Small regressors learn them from the columns that a previous application shares
with the current one, in the same meaning: amounts, kind of contract, who came along, when the
application was made. The outcomes of the applications are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.booster import Booster, BoosterError
from scoring.learned.base import (
    APPLICANT,
    Labels,
    LearnedError,
    Rows,
    codes,
    columns_frame,
    numbers,
    quotient,
    readable,
    write_json,
)
from scoring.learned.boosting import fit_booster
from scoring.model_files import read_json
from scoring.tables import APPLICATION

Floats = npt.NDArray[np.float64]

_AMOUNTS = ("AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE")
_CATEGORIES = ("NAME_TYPE_SUITE", "WEEKDAY_APPR_PROCESS_START")
_HOUR = "HOUR_APPR_PROCESS_START"
INPUTS = (
    *_AMOUNTS, "CREDIT_TO_ANNUITY", "CREDIT_TO_GOODS", "ANNUITY_TO_GOODS", "CASH", _HOUR,
    *_CATEGORIES,
)  # fmt: skip
_CONTRACT = "NAME_CONTRACT_TYPE"
_CASH = "Cash loans"
# Revolving loans have no term.
_LOANS = (_CASH, "Consumer loans")

_ROUNDS = 100
_FEWEST_LOANS = 500
_MOST_LOANS = 500_000
# No yearly rate above this is believed, nor searched for.
_HIGHEST_RATE = 3.0
_HALVINGS = 40
_MONTHS = 12

_TERM, _RATE = "term", "rate"
_FILE = "rates.json"


@dataclass(frozen=True)
class Rates:
    """Regressors of term (months) and nominal yearly rate.

    Attributes
    ----------
    term, rate : str
        In LightGBM's text format; both empty where there were too few previous loans to learn
        from: the features are null then.
    """

    term: str
    rate: str
    _boosters: tuple[Booster, ...] = field(init=False, repr=False, compare=False)
    name: ClassVar[str] = "rates"
    columns: ClassVar[tuple[str, ...]] = (
        "rates__TERM", "rates__YEARLY_RATE", "rates__REPAID_TO_CREDIT",
    )  # fmt: skip

    def __post_init__(self) -> None:
        boosters = tuple(Booster(text) for text in (self.term, self.rate) if text)
        if any(booster.columns != len(INPUTS) for booster in boosters):
            raise LearnedError(f"a regressor of rates takes {len(INPUTS)} columns: train it again")
        object.__setattr__(self, "_boosters", boosters)

    def transform(self, rows: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """Expected term and rate, and what is repaid in that term over the credit.

        Null for revolving loans, and where credit or annuity is not known.
        """
        del rows
        result = np.full((features.height, len(self.columns)), np.nan)
        if self._boosters:
            matrix = shared_columns(features)
            term, rate = (booster.raw_scores(matrix) for booster in self._boosters)
            repaid = quotient(term, matrix[:, INPUTS.index("CREDIT_TO_ANNUITY")])
            result = np.column_stack([term, rate, repaid])
            result[~_is_loan(features) | np.isnan(repaid)] = np.nan
        return columns_frame(self.columns, result)

    def save(self, folder: Path) -> None:
        """Write the regressors' texts, and the names of what they see."""
        for name, text in ((_TERM, self.term), (_RATE, self.rate)):
            if text:
                (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        write_json(folder / _FILE, {"inputs": INPUTS, "fitted": bool(self._boosters)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with readable(folder):
            saved = read_json((folder / _FILE).read_bytes())
            if tuple(saved["inputs"]) != INPUTS:
                raise ValueError("the regressors were made of other columns")
            texts = [
                (folder / f"{name}.txt").read_text(encoding="utf-8") if saved["fitted"] else ""
                for name in (_TERM, _RATE)
            ]
        try:
            return cls(*texts)
        except BoosterError as error:
            raise LearnedError(f"{folder}: not usable: {error}") from error


@dataclass(frozen=True, slots=True)
class RatesLearner:
    """Learns term and rate from the applicants' previous loans; labels are not looked at."""

    name: str = "rates"
    uses_target: bool = False

    def fit(self, rows: Rows, features: pl.DataFrame, target: Labels, seed: int) -> Rates:
        """Fit both regressors on the approved previous loans of the applicants of `features`."""
        del target
        loans = _known_loans(rows["previous_application"], features[APPLICANT], seed)
        if loans.height < _FEWEST_LOANS:
            return Rates("", "")
        matrix = shared_columns(loans)
        term = numbers(loans, ("CNT_PAYMENT",))[:, 0]
        rate = yearly_rate(matrix[:, INPUTS.index("CREDIT_TO_ANNUITY")], term)
        believed = ~np.isnan(rate)
        texts = [
            fit_booster(
                matrix[believed], told[believed], INPUTS, _CATEGORIES,
                objective="regression", rounds=_ROUNDS, seed=seed,
            )
            for told in (term, rate)
        ]  # fmt: skip
        return Rates(*texts)


def _known_loans(previous: pl.DataFrame, applicants: pl.Series, seed: int) -> pl.DataFrame:
    """Approved loans with term, credit and annuity, in the order of their identifiers."""
    loans = previous.filter(
        pl.col(APPLICANT).is_in(applicants.implode()),
        pl.col(_CONTRACT).is_in(_LOANS),
        pl.col("NAME_CONTRACT_STATUS") == "Approved",
        pl.col("CNT_PAYMENT") > 0,
        pl.col("AMT_CREDIT") > 0,
        pl.col("AMT_ANNUITY") > 0,
    ).sort("SK_ID_PREV")
    return loans.sample(_MOST_LOANS, seed=seed) if loans.height > _MOST_LOANS else loans


def _is_loan(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    return frame[_CONTRACT].cast(pl.String).is_in(_LOANS).fill_null(value=False).to_numpy()


def shared_columns(frame: pl.DataFrame) -> Floats:
    """What previous and current applications have in common, of shape (rows, INPUTS)."""
    values = numbers(frame, (*_AMOUNTS, _HOUR))
    credit, annuity, goods, hour = values.T
    cash = (frame[_CONTRACT].cast(pl.String) == _CASH).fill_null(value=False).to_numpy()
    return np.column_stack(
        [
            credit, annuity, goods,
            quotient(credit, annuity), quotient(credit, goods), quotient(annuity, goods),
            cash.astype(np.float64), hour,
            *(_codes(frame, name) for name in _CATEGORIES),
        ]
    )  # fmt: skip


def _codes(frame: pl.DataFrame, name: str) -> Floats:
    levels = APPLICATION[name].categories
    found = codes(frame, name, levels).astype(np.float64)
    return np.where(found == len(levels), np.nan, found)


def yearly_rate(credit_to_annuity: Floats, term: Floats) -> Floats:
    """The nominal yearly rate of loans repaid in equal monthly payments.

    Solves credit / annuity = (1 - (1 + r) ** -n) / r for the monthly rate r, the present value of
    an annuity-immediate of n payments, by halving the interval; 12 r is the yearly rate.

    Parameters
    ----------
    credit_to_annuity, term : numpy.ndarray of shape (loans,)
        Credit in monthly payments, and the number of payments.

    Returns
    -------
    numpy.ndarray of shape (loans,)
        0.24 for 24% a year; NaN where the payments do not cover the credit, or only would above
        300% a year.
    """
    low = np.full(term.size, 1e-9)
    high = np.full(term.size, _HIGHEST_RATE / _MONTHS)
    possible = (credit_to_annuity <= term) & (_present_value(high, term) <= credit_to_annuity)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_low = _present_value(middle, term) > credit_to_annuity
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return np.where(possible, _MONTHS * (low + high) / 2, np.nan)


def _present_value(rate: Floats, term: Floats) -> Floats:
    """Of payments of one at the end of each month."""
    return -np.expm1(-term * np.log1p(rate)) / rate
