"""Application rows as independent traits, and traits as application rows again.

Many of the 122 columns follow from others: the annuity from the credit, the `_MODE` and `_MEDI`
of a building from its `_AVG`, a dozen of them from being employed or not. `read_traits` takes a
row apart into what can vary by itself; `write_rows` puts it together, so that what always holds
in the real rows always holds in the drawn ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.random import Generator
from scipy.special import ndtr

from scoring.data.synthetic.content import Content
from scoring.data.synthetic.marginals import (
    FloatArray,
    Json,
    Latents,
    Tables,
    in_grains,
    measure_categories,
    measure_numbers,
)
from scoring.data.tables import APPLICATION, DAY_SENTINEL

Kind = Literal["number", "category"]

ABSENT, PRESENT = "absent", "present"
COUPLES = ("Married", "Civil marriage")
PARTS = [name.removesuffix("_AVG") for name in APPLICATION.schema if name.endswith("_AVG")]
# Goods, credits and annuities are multiples of these in the real rows.
GOODS_GRAIN, AMOUNT_GRAIN = 4500.0, 4.5
YOUNGEST_WORKER = 16 * 365
REQUESTS = tuple(name for name in APPLICATION.schema if name.startswith("AMT_REQ_"))


@dataclass(frozen=True)
class Trait:
    """Something about an application that can vary by itself, and how it is read from one.

    A number's missing values mean that it does not apply; a category's are a label. `by` is the
    stratum within which its distribution is described.
    """

    name: str
    kind: Kind
    value: pl.Expr
    by: str


def _trait(name: str, entry: Json) -> Trait:
    kind = entry["kind"]
    if kind == "missing":
        absent = pl.col(entry["column"]).is_null()
        value = pl.when(absent).then(pl.lit(ABSENT)).otherwise(pl.lit(PRESENT))
    elif kind == "digits":
        value = pl.concat_str(pl.col(column).cast(pl.String) for column in entry["columns"])
    else:
        own = _CONTENT.expression(entry["value"]) if "value" in entry else pl.col(name)
        value = own.cast(pl.Float64 if kind == "number" else pl.String)
    return Trait(name, "number" if kind == "number" else "category", value, entry.get("by", ""))


_CONTENT = Content("applications")
_EMPLOYED = _CONTENT.named("employed")
TRAITS = tuple(_trait(name, entry) for name, entry in _CONTENT.sections["traits"].items())


def read_traits(rows: pl.DataFrame) -> pl.DataFrame:
    """The traits of application rows, one column each, in the order of `TRAITS`."""
    return rows.select(trait.value.alias(trait.name) for trait in TRAITS)


def strata(traits: pl.DataFrame) -> pl.DataFrame:
    """The stratum of each row under each of the ways to part them, as columns named by `by`."""
    ways = ("contract", "employment", "product", "size", "step")
    return traits.select(pl.lit("").alias(""), *(_CONTENT.named(way).alias(way) for way in ways))


def measure(rows: pl.DataFrame, orders: Mapping[str, list[str | None]]) -> Json:
    """Aggregates of the traits of one population's rows, as the profile stores them.

    `orders` has the labels of each category in the order of `risk_order`.
    """
    traits = read_traits(rows)
    keys = strata(traits)
    measured = {}
    for trait in TRAITS:
        by = keys[trait.by] if trait.by else None
        values = traits[trait.name]
        if trait.kind == "number":
            measured[trait.name] = measure_numbers(values, by)
        else:
            applies = values.is_not_null() | pl.Series([trait.name not in _INAPPLICABLE])
            known = APPLICATION[trait.name].categories if trait.name in APPLICATION else ()
            known = tuple(label for label in known if label != "XNA" or trait.name in _XNA_SEEN)
            within = None if by is None else by.filter(applies)
            measured[trait.name] = measure_categories(
                values.filter(applies), within, orders[trait.name], known
            )
    return measured


# Null stands for "does not apply" in these, for a label in other categories.
_INAPPLICABLE = ("OCCUPATION_TYPE", "ORGANIZATION_TYPE", "price step")
# XNA follows from not being employed in ORGANIZATION_TYPE, and is a rare label here.
_XNA_SEEN = ("CODE_GENDER",)


def risk_order(rows: pl.DataFrame) -> dict[str, list[str | None]]:
    """The labels of each category from the lowest to the highest default rate.

    Neighbouring ranks of the copula thus mean neighbouring risks. Rates are shrunk towards the
    mean as if 50 more applicants had it; labels of fewer than 5 rows are left out.
    """
    traits = read_traits(rows).with_columns(TARGET=rows["TARGET"])
    mean = rows["TARGET"].mean()
    orders: dict[str, list[str | None]] = {}
    for trait in TRAITS:
        if trait.kind == "number":
            continue
        rate = (pl.col("TARGET").sum() + 50 * pl.lit(mean)) / (pl.len() + 50)
        grouped = traits.group_by(trait.name).agg(rate.alias("rate"), pl.len())
        kept = grouped.filter(pl.col("len") >= 5)
        if trait.name in _INAPPLICABLE:
            kept = kept.drop_nulls(trait.name)
        orders[trait.name] = kept.sort("rate", trait.name)[trait.name].to_list()
    return orders


def coded(traits: pl.DataFrame, orders: Mapping[str, list[str | None]]) -> pl.DataFrame:
    """Traits as numbers: categories by their place in the risk order, others as they are."""
    columns = []
    for trait in TRAITS:
        values = traits[trait.name]
        if trait.kind == "category":
            places = {label: place for place, label in enumerate(orders[trait.name])}
            codes = [places.get(label) for label in values.to_list()]
            values = pl.Series(trait.name, codes, dtype=pl.Float64)
        columns.append(values.cast(pl.Float64))
    return pl.DataFrame(columns)


def draw_traits(tables: Tables, normal: Latents) -> pl.DataFrame:
    """Traits from latent normal values, by name, each of shape (n,).

    The strata of a trait are made of traits that come before it.
    """
    numbers, categories = tables
    drawn: dict[str, pl.Series] = {}
    for trait in TRAITS:
        by = _CONTENT.key(pl.DataFrame(drawn), trait.by) if trait.by else None
        rank = ndtr(normal[trait.name])
        if trait.kind == "number":
            drawn[trait.name] = pl.Series(numbers[trait.name].draw(rank, by))
        else:
            drawn[trait.name] = categories[trait.name].draw(rank, by)
    return pl.DataFrame(drawn)


def write_rows(traits: pl.DataFrame, buildings: Json, rng: Generator) -> pl.DataFrame:
    """Application rows from traits, without SK_ID_CURR and TARGET.

    `buildings` says how `_MODE` and `_MEDI` differ from `_AVG`, as `measure_buildings` gives it.
    """
    rows = _employment(_amounts(traits))
    rows = _personal(_circle(rows.with_columns(_digits())))
    rows = rows.with_columns(_building_columns(rows, buildings, rng))
    rows = rows.with_columns(
        _present(f"EXT_SOURCE_{source}", f"EXT_SOURCE_{source}") for source in (1, 2, 3)
    ).with_columns(_present(name, REQUESTS[0]) for name in REQUESTS)
    rows = rows.with_columns(_present("TOTALAREA_MODE", "TOTALAREA_MODE").round(4))
    schema = {n: d for n, d in APPLICATION.schema.items() if n not in ("SK_ID_CURR", "TARGET")}
    whole = [name for name, dtype in schema.items() if dtype.is_integer()]
    rounded = [pl.col(name).cast(pl.Float64).round(0) for name in whole]
    return rows.with_columns(rounded).select(*schema).cast(pl.Schema(schema))


def _present(name: str, missing: str) -> pl.Expr:
    return pl.when(pl.col(f"missing {missing}") == PRESENT).then(pl.col(name)).alias(name)


def _amounts(traits: pl.DataFrame) -> pl.DataFrame:
    """Goods, credit and annuity, each from the one before it.

    A credit without goods is a revolving one; the trait is still drawn, to size the credit.
    """
    goods = in_grains(pl.col("AMT_GOODS_PRICE"), GOODS_GRAIN)
    credit = in_grains(goods * pl.col("credit per goods"), AMOUNT_GRAIN)
    annuity = in_grains(credit * _CONTENT.named("price"), AMOUNT_GRAIN)
    income = pl.col("AMT_INCOME_TOTAL")
    return (
        traits.with_columns(
            AMT_GOODS_PRICE=goods,
            AMT_CREDIT=credit,
            AMT_ANNUITY=annuity,
            AMT_INCOME_TOTAL=in_grains(income, GOODS_GRAIN).clip(lower_bound=GOODS_GRAIN),
        )
        .with_columns(_present("AMT_GOODS_PRICE", "AMT_GOODS_PRICE"))
        .with_columns(_present("AMT_ANNUITY", "AMT_ANNUITY"))
    )


def _employment(rows: pl.DataFrame) -> pl.DataFrame:
    """What being employed or not decides: days, phone, occupation and organisation."""
    eldest = pl.col("DAYS_BIRTH") + YOUNGEST_WORKER
    days = pl.max_horizontal("DAYS_EMPLOYED", eldest).clip(upper_bound=0)
    occupation = pl.col("OCCUPATION_TYPE")
    return rows.with_columns(
        DAYS_EMPLOYED=pl.when(_EMPLOYED).then(days).otherwise(float(DAY_SENTINEL)),
        FLAG_EMP_PHONE=_EMPLOYED.cast(pl.Int8),
        OCCUPATION_TYPE=pl.when(_EMPLOYED & (occupation != ABSENT)).then(occupation),
        ORGANIZATION_TYPE=pl.when(_EMPLOYED)
        .then(pl.col("ORGANIZATION_TYPE"))
        .otherwise(pl.lit("XNA")),
    )


def _personal(rows: pl.DataFrame) -> pl.DataFrame:
    """What age, family, car and phones decide."""
    couple = pl.col("NAME_FAMILY_STATUS").is_in(COUPLES)
    return rows.with_columns(
        CNT_FAM_MEMBERS=pl.col("CNT_CHILDREN") + 1 + couple.cast(pl.Int8),
        OWN_CAR_AGE=pl.when(pl.col("FLAG_OWN_CAR") == "Y").then(pl.col("OWN_CAR_AGE")),
        DAYS_REGISTRATION=pl.max_horizontal("DAYS_REGISTRATION", "DAYS_BIRTH"),
        DAYS_ID_PUBLISH=pl.max_horizontal("DAYS_ID_PUBLISH", "DAYS_BIRTH"),
        FLAG_MOBIL=pl.lit(1, pl.Int8),
    )


def _circle(rows: pl.DataFrame) -> pl.DataFrame:
    """The social circle: defaults among those observed, and few who count at 30 days only."""
    observed, defaulted = pl.col("OBS_30_CNT_SOCIAL_CIRCLE"), pl.col("DEF_30_CNT_SOCIAL_CIRCLE")
    observed_60 = (observed - pl.col("observed 30 not 60")).clip(lower_bound=0)
    defaulted_30 = pl.min_horizontal(defaulted, observed)
    defaulted_60 = (defaulted_30 - pl.col("defaulted 30 not 60")).clip(lower_bound=0)
    columns = {
        "OBS_30_CNT_SOCIAL_CIRCLE": observed,
        "DEF_30_CNT_SOCIAL_CIRCLE": defaulted_30,
        "OBS_60_CNT_SOCIAL_CIRCLE": observed_60,
        "DEF_60_CNT_SOCIAL_CIRCLE": pl.min_horizontal(defaulted_60, observed_60),
    }
    known = pl.col("missing OBS_30_CNT_SOCIAL_CIRCLE") == PRESENT
    return rows.with_columns(
        pl.when(known).then(value).alias(name) for name, value in columns.items()
    )


def _digits() -> Iterator[pl.Expr]:
    """The columns of which a trait has a digit each."""
    for name, entry in _CONTENT.sections["traits"].items():
        if entry["kind"] == "digits":
            for place, column in enumerate(entry["columns"]):
                yield pl.col(name).str.slice(place, 1).cast(pl.Int8).alias(column)


def measure_buildings(rows: pl.DataFrame) -> Json:
    """How `_MODE` and `_MEDI` relate to `_AVG`: mostly equal, else a ratio or, at 0, a value."""
    measured: Json = {}
    for part in PARTS:
        average = rows[f"{part}_AVG"]
        for suffix in ("MODE", "MEDI"):
            value = rows[f"{part}_{suffix}"]
            known = average.is_not_null() & value.is_not_null()
            differ = known & (average != value)
            equal = 1 - int(differ.sum()) / int(known.sum())
            measured[f"{part}_{suffix}"] = {
                "equal": round(equal, 4),
                "ratio": _few_quantiles((value / average).filter(differ & (average > 0))),
                "from zero": _few_quantiles(value.filter(differ & (average == 0))),
            }
    return measured


def _few_quantiles(values: pl.Series) -> list[float]:
    """Eleven quantiles, or nothing where there are fewer than 20 rows to each."""
    if len(values) < 220:
        return []
    inner = [values.quantile(step / 10) for step in range(1, 10)]
    ends = [values.bottom_k(20).mean(), values.top_k(20).mean()]
    return [round(float(value), 4) for value in (ends[0], *inner, ends[1])]  # type: ignore[arg-type]


def _building_columns(rows: pl.DataFrame, buildings: Json, rng: Generator) -> list[pl.Series]:
    columns = []
    for part in PARTS:
        average = rows[f"{part}_AVG"].to_numpy().round(4)
        absent = (rows[f"missing {part}_AVG"] == ABSENT).to_numpy()
        columns.append(_masked(f"{part}_AVG", average, absent))
        for suffix in ("MODE", "MEDI"):
            name = f"{part}_{suffix}"
            columns.append(_masked(name, _relative(average, buildings[name], rng), absent))
    return columns


def _relative(average: FloatArray, relation: Json, rng: Generator) -> FloatArray:
    uniform = rng.random(len(average))
    place = 10 * rng.random(len(average))
    changed = average.copy()
    for knots, at in (("ratio", average > 0), ("from zero", average == 0)):
        if relation[knots]:
            drawn = np.interp(place, np.arange(11), relation[knots])
            changed = np.where(at, drawn * (average if knots == "ratio" else 1), changed)
    result: FloatArray = np.where(uniform < relation["equal"], average, changed)
    return result.clip(0, 1).round(4)


def _masked(name: str, values: FloatArray, absent: np.ndarray) -> pl.Series:
    return pl.Series(name, np.where(absent, np.nan, values)).fill_nan(None)
