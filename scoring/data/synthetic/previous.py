"""Earlier applications at Home Credit: the rows of previous_application.

Its two dozen text columns hang together, so they are drawn as joint patterns: first the status,
then the product, then the shop, each given those before.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from numpy.random import Generator
from scipy.special import ndtr

from scoring.data.synthetic.content import Content
from scoring.data.synthetic.copula import mixed
from scoring.data.synthetic.marginals import (
    IntArray,
    Json,
    Latents,
    in_grains,
    load_tables,
    measure_categories,
)
from scoring.data.tables import DAY_SENTINEL

# Visible and hidden applications of one applicant stay below this in all.
MOST_APPLICATIONS = 60
CONTRACTS = ("Consumer loans", "XNA", "Revolving loans", "Cash loans")
YIELDS = ("XNA", "low_action", "low_normal", "middle", "high")
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

_CONTENT = Content("previous")
_TYPE = pl.col("NAME_CONTRACT_TYPE")
_STATUS = pl.col("NAME_CONTRACT_STATUS")
_REVOLVING = _TYPE == "Revolving loans"


def measure(rows: pl.DataFrame) -> Json:
    """Aggregates of real rows of both populations, told apart by the column `population`."""
    rows = _with_first(rows, "SK_ID_CURR")
    products = _CONTENT.key(rows, "product"), _CONTENT.key(rows, "case_and_band")
    return {
        "categories": {
            **_CONTENT.measured("patterns", rows),
            **_CONTENT.measured("labels", rows),
            "contract": _measure_contracts(rows),
            "product": measure_categories(*products, _by_yield(rows)),
        },
        "numbers": {**_CONTENT.measured("amounts", rows), **_CONTENT.measured("dates", rows)},
        "loadings": _CONTENT.measured("loadings", rows),
    }


def _by_yield(rows: pl.DataFrame) -> list[str | None]:
    """Products from the cheapest to the dearest."""
    place = {name: index for index, name in enumerate(YIELDS)}
    dear = pl.col("NAME_YIELD_GROUP").first().replace_strict(place, default=0)
    product = _CONTENT.named("product").alias("label")
    products = rows.group_by(product).agg(pl.len(), dear.alias("yield"))
    return products.filter(pl.col("len") >= 5).sort("yield", "label")["label"].to_list()


def _measure_contracts(rows: pl.DataFrame) -> Json:
    """Contracts by status and time, and once more for the two kinds of hidden rows."""
    granted = rows["NAME_CONTRACT_STATUS"] == "Approved"
    contract = rows["NAME_CONTRACT_TYPE"]
    kinds = {HIDDEN_LOAN: ("Cash loans", "Consumer loans"), HIDDEN_CARD: ("Revolving loans",)}
    values, keys = [contract], [_CONTENT.key(rows, "contract")]
    for hidden, contracts in kinds.items():
        chosen = contract.filter(granted & contract.is_in(contracts))
        values.append(chosen)
        keys.append(pl.Series("key", [hidden] * len(chosen), dtype=pl.String))
    return measure_categories(pl.concat(values), pl.concat(keys), order=CONTRACTS)


def _with_first(rows: pl.DataFrame, owner: str) -> pl.DataFrame:
    """Mark each applicant's earliest application: there they were a new client."""
    first = pl.col("DAYS_DECISION") == pl.col("DAYS_DECISION").min().over(owner)
    return rows.with_columns(first=first.cast(pl.Int8).cast(pl.String))


class PreviousMaker:
    """Draws previous_application from what `measure` gave."""

    def __init__(self, stored: Json) -> None:
        self._loadings: dict[str, float] = stored["loadings"]
        self._interest_known: float = stored["numbers"]["interest known"]
        self._down_rate: float = stored["numbers"]["down rate"]
        self._numbers, self._categories = load_tables(stored["categories"] | stored["numbers"])

    def rows(
        self,
        latent: Latents,
        owner: IntArray,
        hidden: pl.Series,
        population: str,
        rng: Generator,
    ) -> pl.DataFrame:
        """Rows of previous_application without identifiers.

        `owner` is the place of each row's applicant, whose normal values `latent` has by summary.
        `hidden` is `HIDDEN_LOAN`, `HIDDEN_CARD` or "": hidden ones are granted for certain.
        """
        of = {name: values[owner] for name, values in latent.items()}
        rows = pl.DataFrame({"owner": owner, "hidden": hidden, "population": population})
        rows = self._texts(self._cases(rows, of, rng), rng)
        return self._dates(self._amounts(rows, of, rng), rng)

    def _cases(self, rows: pl.DataFrame, of: Latents, rng: Generator) -> pl.DataFrame:
        """The day, then the status, then the product."""
        share = self._loadings
        recency = ndtr(mixed(of["previous_recency"], share["recency"], rng))
        days = self._numbers["DAYS_DECISION"].draw(recency, rows["population"]).round()
        rows = rows.with_columns(DAYS_DECISION=pl.Series(days).clip(-2922, -1))
        rows = _with_first(rows, "owner")
        refused = ndtr(mixed(of["previous_refused"], share["refused"], rng))
        status = self._categories["status"].draw(refused, _CONTENT.key(rows, "situation"))
        granted = pl.when(pl.col("hidden") != "").then(pl.lit("Approved")).otherwise(status)
        rows = rows.with_columns(NAME_CONTRACT_STATUS=granted)
        cash = ndtr(mixed(of["previous_cash"], share["cash"], rng))
        hidden = rows["hidden"]
        keys = _CONTENT.key(rows, "contract").zip_with(hidden == "", hidden)
        contract = self._categories["contract"].draw(cash, keys)
        rows = rows.with_columns(NAME_CONTRACT_TYPE=contract)
        dear = ndtr(mixed(of["previous_yield"], share["yield"], rng))
        product = self._categories["product"].columns(
            _CONTENT.words["product"], dear, _CONTENT.key(rows, "case_and_band")
        )
        rows = rows.with_columns(product)
        # The cards without an application on file are those that predate the files.
        day = pl.when(pl.col("hidden") == HIDDEN_CARD).then(-2922.0).otherwise("DAYS_DECISION")
        return rows.with_columns(DAYS_DECISION=day)

    def _texts(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
        shop = self._categories["shop"].columns(
            _CONTENT.words["shop"], rng.random(rows.height), rows["PRODUCT_COMBINATION"]
        )
        rows = rows.with_columns(shop)
        labels = {}
        for name, entry in _CONTENT.sections["labels"].items():
            by = _CONTENT.key(rows, entry["by"]) if "by" in entry else None
            labels[name] = self._categories[name].draw(rng.random(rows.height), by)
        area = self._numbers["seller"].draw(rng.random(rows.height), rows["CHANNEL_TYPE"])
        return rows.with_columns(**labels, SELLERPLACE_AREA=pl.Series(area).round(0).clip(-1))

    def _amounts(self, rows: pl.DataFrame, of: Latents, rng: Generator) -> pl.DataFrame:
        normal = {
            name: mixed(of[f"previous_{name}"], self._loadings[name], rng)
            for name in ("amount", "term", "down")
        }
        # Large loans run longer.
        normal["term"] = mixed(normal["amount"], LONGER, rng, normal["term"])
        ranks = {name: ndtr(values) for name, values in normal.items()}
        kind, blank = rows["NAME_CONTRACT_TYPE"], self._blank(rows, rng)
        wished = self._numbers["AMT_APPLICATION"].draw(ranks["amount"], _CONTENT.key(rows, "case"))
        by_product = _CONTENT.key(rows, "product_status_band")
        term = self._numbers["term"].draw(ranks["term"], by_product).round()
        rows = rows.with_columns(
            CNT_PAYMENT=pl.Series(term),
            wished=pl.Series(wished),
            down=pl.Series(self._numbers["down"].draw(ranks["down"], kind)).clip(0, 0.9),
            lent=pl.Series(self._numbers["credit"].draw(rng.random(rows.height), kind)),
            limit=pl.Series(self._numbers["card limit"].draw(rng.random(rows.height))),
        )
        cost = self._numbers["cost"].draw(
            rng.random(rows.height), _CONTENT.key(rows, "type_and_term")
        )
        priced = _priced(rows.with_columns(cost=pl.Series(cost)), blank)
        rate = (pl.col("RATE_DOWN_PAYMENT") * self._down_rate).round(6)
        return self._rates(priced.with_columns(RATE_DOWN_PAYMENT=rate), rng)

    def _blank(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
        """Which amounts are zero or missing; never those of a hidden loan."""
        keys = _CONTENT.key(rows, "case_and_band")
        pattern = self._categories["blanks"].draw(rng.random(rows.height), keys)
        seen = rows["hidden"] == ""
        names = ("nothing wished", "nothing lent", *BLANKS)
        return pl.DataFrame(
            {name: (pattern.str.slice(place, 1) == "1") & seen for place, name in enumerate(names)}
        )

    def _rates(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
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

    def _dates(self, rows: pl.DataFrame, rng: Generator) -> pl.DataFrame:
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
        dates = {
            name: pl.when(taken & _REVOLVING).then(cards[name]).when(taken).then(loans[name])
            for name in DUE_DATES
        }
        # The last due date and the end follow from the first and the planned last one.
        for names in (DUE_DATES[1:3], (DUE_DATES[0], *DUE_DATES[3:])):
            rows = rows.with_columns(dates[name].alias(name) for name in names)
        insured = pl.when(taken).then(pl.col("NFLAG_INSURED_ON_APPROVAL"))
        return rows.with_columns(NFLAG_INSURED_ON_APPROVAL=insured)


def _priced(rows: pl.DataFrame, blank: pl.DataFrame) -> pl.DataFrame:
    """The wish, the down payment, the credit and the annuity, each from the one before it."""
    grain = pl.when(_TYPE == "Consumer loans").then(4.5).otherwise(4500.0)
    wished = in_grains(pl.col("wished"), grain)
    wished = pl.when(blank["nothing wished"]).then(0.0).otherwise(wished)
    rows = rows.with_columns(AMT_APPLICATION=wished)
    down = in_grains(pl.col("AMT_APPLICATION") * pl.col("down"), 4.5)
    rows = rows.with_columns(paid=pl.when(blank["AMT_DOWN_PAYMENT"]).then(0.0).otherwise(down))
    lent = in_grains((pl.col("AMT_APPLICATION") - pl.col("paid")) * pl.col("lent"), 4.5)
    limit = (
        pl.when(pl.col("AMT_APPLICATION") > 0).then(lent).otherwise(in_grains(pl.col("limit"), 4.5))
    )
    rows = rows.with_columns(AMT_CREDIT=pl.when(blank["nothing lent"]).then(0.0).otherwise(limit))
    term = pl.col("CNT_PAYMENT")
    loan = in_grains(pl.col("AMT_CREDIT") * pl.col("cost") / term.clip(1), 0.045)
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
        "DAYS_FIRST_DRAWING": pl.lit(never),
        "DAYS_FIRST_DUE": first,
        "DAYS_LAST_DUE_1ST_VERSION": first + length,
        "DAYS_LAST_DUE": pl.when(last < 0).then(last).otherwise(never),
        "DAYS_TERMINATION": pl.when((last < 0) & (end < 0)).then(end).otherwise(never),
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
