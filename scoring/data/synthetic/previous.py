"""Earlier applications at Home Credit: the rows of previous_application.

Its two dozen text columns hang together, so they are drawn as joint patterns: first the status,
then the product, then the shop, each given those before.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.special import ndtr

from scoring.data.synthetic.copula import loading, mixed
from scoring.data.synthetic.marginals import (
    CategoryTable,
    FloatArray,
    IntArray,
    Json,
    NumberTable,
    joined,
    measure_categories,
    measure_numbers,
)
from scoring.data.tables import DAY_SENTINEL, TABLES

# Visible and hidden applications of one applicant stay below this in all.
MOST_APPLICATIONS = 60
STATUSES = ("Approved", "Unused offer", "Canceled", "Refused")
CONTRACTS = ("Consumer loans", "XNA", "Revolving loans", "Cash loans")
YIELDS = ("XNA", "low_action", "low_normal", "middle", "high")
PRODUCT = (
    "NAME_CONTRACT_TYPE", "NAME_PORTFOLIO", "NAME_PRODUCT_TYPE", "PRODUCT_COMBINATION",
    "NAME_YIELD_GROUP",
)  # fmt: skip
SHOP = ("CHANNEL_TYPE", "NAME_GOODS_CATEGORY", "NAME_SELLER_INDUSTRY")
# Amounts that are missing together, and a wish for nothing.
BLANKS = ("AMT_ANNUITY", "AMT_GOODS_PRICE", "AMT_DOWN_PAYMENT")
# What an applicant's hidden applications are: those of which only the payments are on file.
HIDDEN_LOAN, HIDDEN_CARD = "hidden loan", "hidden card"
DUE_DATES = (
    "DAYS_FIRST_DRAWING", "DAYS_FIRST_DUE", "DAYS_LAST_DUE_1ST_VERSION", "DAYS_LAST_DUE",
    "DAYS_TERMINATION",
)  # fmt: skip

# The correlation of a loan's amount and term among loans of one kind, by eye on the real rows.
LONGER = 0.6

_BAND = (
    pl.col("DAYS_DECISION")
    .bin_intervals(
        [-1460, -730, -365, -180],
        labels=["(-inf, -1460]", "(-1460, -730]", "(-730, -365]", "(-365, -180]", "(-180, inf]"],
        right_closed=True,
    )
    .cast(pl.String)
)
_TYPE = pl.col("NAME_CONTRACT_TYPE")
_STATUS = pl.col("NAME_CONTRACT_STATUS")
_CASE = joined(_TYPE, _STATUS)
_CASE_AND_TIME = joined(_TYPE, _STATUS, _BAND)
_SITUATION = joined("first", _BAND, "population")
_CONTRACT = joined(_STATUS, "first", _BAND, "population")
_TERM = joined("PRODUCT_COMBINATION", _STATUS, _BAND)
_REVOLVING = _TYPE == "Revolving loans"
_DOWN = pl.col("AMT_DOWN_PAYMENT").fill_null(0)


def _key(rows: pl.DataFrame, key: pl.Expr) -> pl.Series:
    return rows.select(key.alias("key"))["key"]


def measure(rows: pl.DataFrame) -> Json:
    """Aggregates of real rows of both populations.

    Parameters
    ----------
    rows : DataFrame
        previous_application with a column `population`, "train" or "test".
    """
    rows = _with_first(rows, "SK_ID_CURR")
    return {
        "categories": {**_measure_products(rows), **_measure_labels(rows)},
        "numbers": {**_measure_amounts(rows), **_measure_dates(rows)},
        "loadings": _loadings(rows),
    }


def _blank_pattern() -> pl.Expr:
    """A digit each: nothing asked for, nothing granted, and whether `BLANKS` are missing."""
    conditions = [
        pl.col("AMT_APPLICATION") == 0,
        pl.col("AMT_CREDIT") == 0,
        *(pl.col(name).is_null() for name in BLANKS),
    ]
    return pl.concat_str([condition.cast(pl.Int8).cast(pl.String) for condition in conditions])


def _measure_products(rows: pl.DataFrame) -> Json:
    granted = rows.filter(_STATUS == "Approved")
    return {
        "status": measure_categories(
            rows["NAME_CONTRACT_STATUS"], _key(rows, _SITUATION), order=STATUSES
        ),
        "contract": _measure_contracts(rows),
        "product": measure_categories(
            _key(rows, joined(*PRODUCT)), _key(rows, _CASE_AND_TIME), order=_by_yield(rows)
        ),
        "shop": measure_categories(_key(rows, joined(*SHOP)), rows["PRODUCT_COMBINATION"]),
        "blanks": measure_categories(_key(rows, _blank_pattern()), _key(rows, _CASE_AND_TIME)),
        "dates": measure_categories(_key(granted, _date_pattern()), granted["NAME_CONTRACT_TYPE"]),
    }


def _by_yield(rows: pl.DataFrame) -> list[str | None]:
    """Products from the cheapest to the dearest."""
    place = {name: index for index, name in enumerate(YIELDS)}
    dear = pl.col("NAME_YIELD_GROUP").first().replace_strict(place, default=0)
    found = rows.group_by(joined(*PRODUCT).alias("label")).agg(pl.len(), dear.alias("yield"))
    return found.filter(pl.col("len") >= 5).sort("yield", "label")["label"].to_list()


def _measure_contracts(rows: pl.DataFrame) -> Json:
    """Contracts by status and time, and once more for the two kinds of hidden rows."""
    granted = rows["NAME_CONTRACT_STATUS"] == "Approved"
    contract = rows["NAME_CONTRACT_TYPE"]
    kinds = {HIDDEN_LOAN: ("Cash loans", "Consumer loans"), HIDDEN_CARD: ("Revolving loans",)}
    values, keys = [contract], [_key(rows, _CONTRACT)]
    for hidden, contracts in kinds.items():
        chosen = contract.filter(granted & contract.is_in(contracts))
        values.append(chosen)
        keys.append(pl.Series("key", [hidden] * len(chosen), dtype=pl.String))
    return measure_categories(pl.concat(values), pl.concat(keys), order=CONTRACTS)


def _date_pattern() -> pl.Expr:
    """A letter each of `DUE_DATES`: n null, s sentinel, d a day."""
    letters = [
        pl.when(pl.col(name).is_null())
        .then(pl.lit("n"))
        .when(pl.col(name) == DAY_SENTINEL)
        .then(pl.lit("s"))
        .otherwise(pl.lit("d"))
        for name in DUE_DATES
    ]
    return pl.concat_str(letters)


# Columns drawn by themselves, given the key.
_LABELS: Mapping[str, pl.Expr | None] = {
    "NAME_CASH_LOAN_PURPOSE": joined("PRODUCT_COMBINATION", _STATUS),
    "NAME_PAYMENT_TYPE": _CASE,
    "CODE_REJECT_REASON": _CASE,
    "NAME_TYPE_SUITE": _CASE,
    "NAME_CLIENT_TYPE": joined(_TYPE, "first"),
    "WEEKDAY_APPR_PROCESS_START": None,
    "HOUR_APPR_PROCESS_START": None,
    "FLAG_LAST_APPL_PER_CONTRACT": None,
    "NFLAG_LAST_APPL_IN_DAY": None,
    "NFLAG_INSURED_ON_APPROVAL": _TYPE,
}


def _measure_labels(rows: pl.DataFrame) -> Json:
    measured = {}
    for name, key in _LABELS.items():
        column = TABLES["previous_application"][name]
        values, by = rows[name].cast(pl.String), None if key is None else _key(rows, key)
        if name == "NFLAG_INSURED_ON_APPROVAL":
            kept = values.is_not_null()
            values, by = values.filter(kept), None if by is None else by.filter(kept)
        measured[name] = measure_categories(values, by, known=column.categories)
    return measured


def _with_first(rows: pl.DataFrame, owner: str) -> pl.DataFrame:
    """Mark each applicant's earliest application: there they were a new client."""
    first = pl.col("DAYS_DECISION") == pl.col("DAYS_DECISION").min().over(owner)
    return rows.with_columns(first=first.cast(pl.Int8).cast(pl.String))


def _measure_amounts(rows: pl.DataFrame) -> Json:
    wished, lent = pl.col("AMT_APPLICATION"), pl.col("AMT_CREDIT")
    credit = pl.when(wished > 0).then(lent / (wished - _DOWN))
    cost = pl.when(lent > 0).then(pl.col("AMT_ANNUITY") * pl.col("CNT_PAYMENT") / lent)
    down = pl.when(wished > 0).then(pl.col("AMT_DOWN_PAYMENT") / wished)
    asked = rows.filter(wished > 0)
    term = pl.when(pl.col("AMT_ANNUITY").is_not_null()).then(pl.col("CNT_PAYMENT"))
    wish_less = rows.filter((wished == 0) & (lent > 0))
    return {
        "AMT_APPLICATION": measure_numbers(asked["AMT_APPLICATION"], _key(asked, _CASE)),
        "credit": measure_numbers(_key(rows, credit), rows["NAME_CONTRACT_TYPE"]),
        "card limit": measure_numbers(wish_less["AMT_CREDIT"]),
        "cost": measure_numbers(_key(rows, cost), _key(rows, joined(_TYPE, "CNT_PAYMENT"))),
        "down": measure_numbers(_key(rows, down), rows["NAME_CONTRACT_TYPE"]),
        "term": measure_numbers(_key(rows, term), _key(rows, _TERM)),
        # The rate is a fixed multiple of the share paid down.
        "down rate": _median(rows, pl.col("RATE_DOWN_PAYMENT") / down),
        "interest": measure_numbers(rows["RATE_INTEREST_PRIMARY"]),
        "privileged": measure_numbers(rows["RATE_INTEREST_PRIVILEGED"]),
        "seller": measure_numbers(rows["SELLERPLACE_AREA"], rows["CHANNEL_TYPE"]),
        "interest known": _share(rows.filter(_CASE == "Consumer loans|Approved"),
                                 pl.col("RATE_INTEREST_PRIMARY").is_not_null()),
    }  # fmt: skip


def _median(rows: pl.DataFrame, value: pl.Expr) -> float:
    known = _key(rows, value).drop_nulls().drop_nans()
    return round(float(known.median()), 5)  # type: ignore[arg-type]


def _share(rows: pl.DataFrame, condition: pl.Expr) -> float:
    return round(float(rows.select(condition.mean()).item()), 4)


def _measure_dates(rows: pl.DataFrame) -> Json:
    days = {name: _day(name) for name in DUE_DATES}
    planned = days["DAYS_LAST_DUE_1ST_VERSION"] - days["DAYS_FIRST_DUE"]
    over = (days["DAYS_LAST_DUE_1ST_VERSION"] < 0) & (planned > 0)
    used = (days["DAYS_LAST_DUE"] - days["DAYS_FIRST_DUE"]) / planned
    decided = pl.col("DAYS_DECISION")
    return {
        "DAYS_DECISION": measure_numbers(rows["DAYS_DECISION"], rows["population"]),
        "first due": measure_numbers(
            _key(rows, days["DAYS_FIRST_DUE"] - decided), rows["NAME_CONTRACT_TYPE"]
        ),
        "first drawing": measure_numbers(_key(rows, days["DAYS_FIRST_DRAWING"] - decided)),
        "used": measure_numbers(_key(rows, pl.when(over).then(used)), rows["NAME_CONTRACT_TYPE"]),
        "terminated": measure_numbers(
            _key(rows, days["DAYS_TERMINATION"] - days["DAYS_LAST_DUE"]),
            rows["NAME_CONTRACT_TYPE"],
        ),
        "card left": measure_numbers(
            _key(rows.filter(_REVOLVING), days["DAYS_TERMINATION"] / decided)
        ),
    }


def _day(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != DAY_SENTINEL).then(pl.col(name))


def _loadings(rows: pl.DataFrame) -> dict[str, float]:
    owner = rows["SK_ID_CURR"].to_numpy().astype(float)
    columns = {
        "recency": pl.col("DAYS_DECISION"),
        "refused": _STATUS == "Refused",
        "cash": _TYPE == "Cash loans",
        "yield": pl.when(pl.col("NAME_YIELD_GROUP") != "XNA").then(
            pl.col("NAME_YIELD_GROUP") == "high"
        ),
        "amount": pl.when(pl.col("AMT_APPLICATION") > 0).then(pl.col("AMT_APPLICATION")),
        "term": pl.when(pl.col("CNT_PAYMENT") > 0).then(pl.col("CNT_PAYMENT")),
        "down": pl.col("RATE_DOWN_PAYMENT"),
    }
    found = {}
    for name, column in columns.items():
        numbers = _key(rows, column.cast(pl.Float64)).fill_null(float("nan")).to_numpy()
        found[name] = round(loading(numbers, owner, ~np.isnan(numbers)), 3)
    return found


class PreviousMaker:
    """Draws previous_application.

    Parameters
    ----------
    stored : dict
        What `measure` gave.
    """

    def __init__(self, stored: Json) -> None:
        self._loadings: dict[str, float] = stored["loadings"]
        self._categories = {
            name: CategoryTable.load(table) for name, table in stored["categories"].items()
        }
        numbers: Json = stored["numbers"]
        self._interest_known: float = numbers["interest known"]
        self._down_rate: float = numbers["down rate"]
        self._numbers = {
            name: NumberTable.load(table)
            for name, table in numbers.items()
            if isinstance(table, dict)
        }

    def rows(
        self,
        latent: Mapping[str, FloatArray],
        owner: IntArray,
        hidden: pl.Series,
        population: str,
        rng: np.random.Generator,
    ) -> pl.DataFrame:
        """Rows of previous_application without identifiers.

        Parameters
        ----------
        latent : mapping
            By summary's name, the applicants' normal values, shape (applicants,).
        owner : array of shape (rows,)
            The applicant's place of each row.
        hidden : Series of str
            `HIDDEN_LOAN`, `HIDDEN_CARD` or "" for each row: hidden ones are granted for certain.
        population : str
            "train" or "test".
        rng : Generator
            The only source of chance.
        """  # fmt: skip
        of = {name: values[owner] for name, values in latent.items()}
        rows = pl.DataFrame({"owner": owner, "hidden": hidden}).with_columns(
            population=pl.lit(population)
        )
        rows = self._cases(rows, of, rng)
        rows = self._texts(rows, rng)
        rows = self._amounts(rows, of, rng)
        return self._dates(rows, rng)

    def _cases(
        self, rows: pl.DataFrame, of: Mapping[str, FloatArray], rng: np.random.Generator
    ) -> pl.DataFrame:
        """The day, then the status, then the product."""
        share = self._loadings
        recency = ndtr(mixed(of["previous_recency"], share["recency"], rng))
        days = self._numbers["DAYS_DECISION"].draw(recency, rows["population"]).round()
        rows = rows.with_columns(DAYS_DECISION=pl.Series(days).clip(-2922, -1))
        rows = _with_first(rows, "owner")
        refused = ndtr(mixed(of["previous_refused"], share["refused"], rng))
        status = self._categories["status"].draw(refused, _key(rows, _SITUATION))
        granted = pl.when(rows["hidden"] != "").then(pl.lit("Approved")).otherwise(status)
        rows = rows.with_columns(NAME_CONTRACT_STATUS=granted)
        cash = ndtr(mixed(of["previous_cash"], share["cash"], rng))
        seen = pl.col("hidden") == ""
        keys = _key(rows, pl.when(seen).then(_CONTRACT).otherwise("hidden"))
        contract = self._categories["contract"].draw(cash, keys)
        rows = rows.with_columns(NAME_CONTRACT_TYPE=contract)
        dear = ndtr(mixed(of["previous_yield"], share["yield"], rng))
        product = self._categories["product"].columns(PRODUCT, dear, _key(rows, _CASE_AND_TIME))
        rows = rows.with_columns(product)
        # The cards without an application on file are those that predate the files.
        old = rows["hidden"] == HIDDEN_CARD
        return rows.with_columns(
            DAYS_DECISION=pl.when(old).then(-2922.0).otherwise(pl.col("DAYS_DECISION"))
        )

    def _texts(self, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        shop = self._categories["shop"].columns(
            SHOP, rng.random(rows.height), rows["PRODUCT_COMBINATION"]
        )
        rows = rows.with_columns(shop)
        labels = {}
        for name, key in _LABELS.items():
            by = None if key is None else _key(rows, key)
            labels[name] = self._categories[name].draw(rng.random(rows.height), by)
        area = self._numbers["seller"].draw(rng.random(rows.height), rows["CHANNEL_TYPE"])
        return rows.with_columns(**labels, SELLERPLACE_AREA=pl.Series(area).round(0).clip(-1))

    def _amounts(
        self, rows: pl.DataFrame, of: Mapping[str, FloatArray], rng: np.random.Generator
    ) -> pl.DataFrame:
        normal = {
            name: mixed(of[f"previous_{name}"], self._loadings[name], rng)
            for name in ("amount", "term", "down")
        }
        # Large loans run longer.
        normal["term"] = mixed(normal["amount"], LONGER, rng, normal["term"])
        ranks = {name: ndtr(values) for name, values in normal.items()}
        kind, blank = rows["NAME_CONTRACT_TYPE"], self._blank(rows, rng)
        wished = self._numbers["AMT_APPLICATION"].draw(ranks["amount"], _key(rows, _CASE))
        term = self._numbers["term"].draw(ranks["term"], _key(rows, _TERM)).round()
        rows = rows.with_columns(
            CNT_PAYMENT=pl.Series(term),
            wished=pl.Series(wished),
            down=pl.Series(self._numbers["down"].draw(ranks["down"], kind)).clip(0, 0.9),
            lent=pl.Series(self._numbers["credit"].draw(rng.random(rows.height), kind)),
            limit=pl.Series(self._numbers["card limit"].draw(rng.random(rows.height))),
        )
        cost = self._numbers["cost"].draw(
            rng.random(rows.height), _key(rows, joined(_TYPE, "CNT_PAYMENT"))
        )
        priced = _priced(rows.with_columns(cost=pl.Series(cost)), blank)
        rate = (pl.col("RATE_DOWN_PAYMENT") * self._down_rate).round(6)
        return self._rates(priced.with_columns(RATE_DOWN_PAYMENT=rate), rng)

    def _blank(self, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        """Which amounts are zero or missing; never those of a hidden loan."""
        keys = _key(rows, _CASE_AND_TIME)
        pattern = self._categories["blanks"].draw(rng.random(rows.height), keys)
        seen = rows["hidden"] == ""
        names = ("nothing wished", "nothing lent", *BLANKS)
        return pl.DataFrame(
            {name: (pattern.str.slice(place, 1) == "1") & seen for place, name in enumerate(names)}
        )

    def _rates(self, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        known = pl.Series(rng.random(rows.height) < self._interest_known) & (
            (rows["NAME_CONTRACT_TYPE"] == "Consumer loans")
            & (rows["NAME_CONTRACT_STATUS"] == "Approved")
        )
        drawn = {
            "RATE_INTEREST_PRIMARY": self._numbers["interest"].draw(rng.random(rows.height)),
            "RATE_INTEREST_PRIVILEGED": self._numbers["privileged"].draw(rng.random(rows.height)),
        }
        return rows.with_columns(
            pl.when(known).then(pl.Series(values)).alias(name) for name, values in drawn.items()
        )

    def _dates(self, rows: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        """First and last due dates, for granted loans that were taken up."""
        kind = rows["NAME_CONTRACT_TYPE"]
        pattern = self._categories["dates"].draw(rng.random(rows.height), kind)
        drawn = {
            name: pl.Series(self._numbers[name].draw(rng.random(rows.height), kind))
            for name in ("first due", "used", "terminated", "first drawing", "card left")
        }
        begun = pl.when(rows["hidden"] != "").then(pl.lit("sdddd")).otherwise(pattern)
        rows = rows.with_columns(pattern=begun, **drawn)
        loans, cards = _loan_dates(), _card_dates()
        taken = (_STATUS == "Approved") & ~pl.col("pattern").str.starts_with("n")
        rows = rows.with_columns(
            pl.when(taken & _REVOLVING).then(cards[name]).when(taken).then(loans[name]).alias(name)
            for name in DUE_DATES[1:3]
        )
        rows = rows.with_columns(
            pl.when(taken & _REVOLVING).then(cards[name]).when(taken).then(loans[name]).alias(name)
            for name in (DUE_DATES[0], *DUE_DATES[3:])
        )
        insured = pl.when(taken).then(pl.col("NFLAG_INSURED_ON_APPROVAL"))
        return rows.with_columns(NFLAG_INSURED_ON_APPROVAL=insured)


def _grain(value: pl.Expr, grain: float) -> pl.Expr:
    return ((value / grain).round(0) * grain).round(3)


def _priced(rows: pl.DataFrame, blank: pl.DataFrame) -> pl.DataFrame:
    """The wish, the down payment, the credit and the annuity, each from the one before it."""
    grain = pl.when(_TYPE == "Consumer loans").then(4.5).otherwise(4500.0)
    wished = ((pl.col("wished") / grain).round(0) * grain).round(3)
    wished = pl.when(blank["nothing wished"]).then(0.0).otherwise(wished)
    rows = rows.with_columns(AMT_APPLICATION=wished)
    down = _grain(pl.col("AMT_APPLICATION") * pl.col("down"), 4.5)
    rows = rows.with_columns(paid=pl.when(blank["AMT_DOWN_PAYMENT"]).then(0.0).otherwise(down))
    lent = _grain((pl.col("AMT_APPLICATION") - pl.col("paid")) * pl.col("lent"), 4.5)
    limit = (
        pl.when(pl.col("AMT_APPLICATION") > 0).then(lent).otherwise(_grain(pl.col("limit"), 4.5))
    )
    rows = rows.with_columns(AMT_CREDIT=pl.when(blank["nothing lent"]).then(0.0).otherwise(limit))
    term = pl.col("CNT_PAYMENT")
    loan = _grain(pl.col("AMT_CREDIT") * pl.col("cost") / term.clip(1), 0.045)
    annuity = pl.when(_REVOLVING).then((pl.col("AMT_CREDIT") * 0.05).round(3)).otherwise(loan)
    rows = rows.with_columns(AMT_ANNUITY=pl.when(~blank["AMT_ANNUITY"]).then(annuity))
    rate = (pl.col("paid") / pl.col("AMT_APPLICATION")).fill_nan(0.0).round(6)
    return rows.with_columns(
        AMT_GOODS_PRICE=pl.when(~blank["AMT_GOODS_PRICE"]).then(pl.col("AMT_APPLICATION")),
        AMT_DOWN_PAYMENT=pl.when(~blank["AMT_DOWN_PAYMENT"]).then(pl.col("paid")),
        RATE_DOWN_PAYMENT=pl.when(~blank["AMT_DOWN_PAYMENT"]).then(rate),
        CNT_PAYMENT=pl.when(~blank["AMT_ANNUITY"]).then(term),
    )


def _loan_dates() -> Mapping[str, pl.Expr]:
    """A loan is due every 30 days; what ends after today ends at the sentinel day."""
    first = (pl.col("DAYS_DECISION") + pl.col("first due")).round(0)
    start, plan = pl.col("DAYS_FIRST_DUE"), pl.col("DAYS_LAST_DUE_1ST_VERSION")
    length = 30 * (pl.col("CNT_PAYMENT").fill_null(12) - 1).clip(0)
    # Rounded to whole instalments, as the real dates mostly are.
    last = start + ((plan - start) * pl.col("used") / 30).round(0) * 30
    end = (last + pl.col("terminated")).round(0)
    never = float(DAY_SENTINEL)
    return {
        "DAYS_FIRST_DRAWING": pl.lit(float(DAY_SENTINEL)),
        "DAYS_FIRST_DUE": first,
        "DAYS_LAST_DUE_1ST_VERSION": first + length,
        "DAYS_LAST_DUE": pl.when(last < 0).then(last).otherwise(never),
        "DAYS_TERMINATION": pl.when((last < 0) & (end < 0))
        .then(end)
        .otherwise(float(DAY_SENTINEL)),
    }


def _card_dates() -> Mapping[str, pl.Expr]:
    """A card has no plan; some were never used, most have not ended."""
    decided = pl.col("DAYS_DECISION")
    days = {
        "DAYS_FIRST_DRAWING": (decided + pl.col("first drawing")).clip(upper_bound=-1),
        "DAYS_FIRST_DUE": (decided + pl.col("first due")).clip(upper_bound=-1),
        "DAYS_LAST_DUE_1ST_VERSION": pl.lit(float(DAY_SENTINEL)),
        "DAYS_LAST_DUE": (decided * pl.col("card left").clip(0, 1)).clip(upper_bound=-1),
        "DAYS_TERMINATION": (decided * pl.col("card left").clip(0, 1)).clip(upper_bound=-1),
    }
    return {
        name: pl.when(pl.col("pattern").str.slice(place, 1) == "s")
        .then(float(DAY_SENTINEL))
        .otherwise(day.round(0))
        for place, (name, day) in enumerate(days.items())
    }
