"""The features: exact, independent of the batch, well named, and what they say they are."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.data.tables import APPLICATION, HISTORY, TABLES, Column, Table
from scoring.features import (
    PROTECTED,
    application,
    are_few,
    build_features,
    bureau,
    bureau_balance,
    credit_card,
    features_of_few,
    installments,
    loan,
    pos_cash,
    previous_application,
)
from scoring.features.engine.numpy_rows import SmallRows
from scoring.features.engine.rows import PolarsRows, RowsT
from scoring.features.vectors import layout, pack
from tests.helpers import serving
from tests.helpers.exact import Rows, as_frame, collected, differing, lazy, own_rows, shuffled

ALONE = 200
ALONE_LAZY = 25

# Each table's features before they are stored in 32 bits, where a last bit could hide.
MODULES: dict[str, Callable[[Mapping[str, RowsT]], RowsT]] = {
    "application": lambda rows: application.features(rows["application"]),
    "bureau": lambda rows: bureau.features(rows["bureau"]),
    "bureau_balance": lambda rows: bureau_balance.features(rows["bureau"], rows["bureau_balance"]),
    "previous": lambda rows: previous_application.features(rows["previous_application"]),
    "pos_cash": lambda rows: pos_cash.features(rows["POS_CASH_balance"]),
    "installments": lambda rows: installments.features(rows["installments_payments"]),
    "card": lambda rows: credit_card.features(rows["credit_card_balance"]),
    "loan": lambda rows: loan.features(
        rows["previous_application"], rows["POS_CASH_balance"], rows["installments_payments"]
    ),
}


# What other formulas need of some modules and is no feature.
PASSING = {
    item.feature(module.PREFIX)
    for module in (bureau, bureau_balance, installments)
    for item in module.PASSING
}


@pytest.fixture(scope="module")
def sample_rows(sample: Dataset) -> dict[str, pl.DataFrame]:
    return collected(sample.frames())


@pytest.fixture(scope="module")
def names(sample_features: pl.DataFrame) -> list[str]:
    return [name for name in sample_features.columns if name != "SK_ID_CURR"]


def spread(rows: Rows, number: int) -> list[int]:
    """Applicants picked evenly, those without any row in some history table among them."""
    ids = rows["application"]["SK_ID_CURR"]
    return ids.gather_every(max(len(ids) // number, 1)).head(number).to_list()


def rows_of(frame: pl.DataFrame, applicants: list[int]) -> pl.DataFrame:
    """The rows of some applicants, in their order."""
    wanted = pl.DataFrame({"SK_ID_CURR": applicants}, schema={"SK_ID_CURR": pl.Int32})
    return wanted.join(frame, on="SK_ID_CURR", how="left", maintain_order="left")


def assert_alone_equals_batch(rows: Rows, applicants: list[int], number_lazy: int) -> int:
    """Compare each applicant computed alone with the batch; returns how many lack a table."""
    owned = [shuffled(own_rows(rows, value), seed) for seed, value in enumerate(applicants)]
    batch = rows_of(build_features(rows), applicants)
    alone = pl.concat(build_features(own) for own in owned)
    assert differing(alone, batch) == []
    as_lazy = pl.concat(build_features(lazy(own)).collect() for own in owned[:number_lazy])
    assert differing(as_lazy, batch.head(number_lazy)) == []
    return sum(any(own[table.name].is_empty() for table in HISTORY) for own in owned)


def test_sample_applicants_alone_equal_the_batch_bit_for_bit(sample_rows: Rows) -> None:
    applicants = spread(sample_rows, ALONE)
    assert len(applicants) >= 200
    assert assert_alone_equals_batch(sample_rows, applicants, ALONE_LAZY) >= 20


def test_real_applicants_alone_equal_the_batch_bit_for_bit(real_dataset: Dataset) -> None:
    everyone = collected(real_dataset.frames())
    chosen = spread(everyone, ALONE)
    assert len(chosen) >= 200
    others = spread(everyone, 1_000)
    rows = own_rows_of(everyone, sorted({*chosen, *others}))
    assert assert_alone_equals_batch(rows, chosen, ALONE_LAZY) >= 20


def test_the_number_of_threads_changes_no_bit(sample: Dataset, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import polars; "
        "from scoring.data.dataset import Dataset; from scoring.features import build_features; "
        "rows = build_features(Dataset.open(Path(sys.argv[1])).frames()).collect(); "
        "rows.write_parquet(sys.argv[2]); print(polars.thread_pool_size())"
    )
    made: list[pl.DataFrame] = []
    for threads in ("1", "4"):
        file = tmp_path / f"{threads}.parquet"
        done = subprocess.run(
            [sys.executable, "-c", code, str(sample.folder), str(file)],
            env={**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": str(serving.ROOT)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == threads
        made.append(pl.read_parquet(file))
    assert differing(*made) == []


def own_rows_of(frames: Rows, applicants: list[int]) -> dict[str, pl.DataFrame]:
    chosen = pl.DataFrame({"SK_ID_CURR": applicants}, schema={"SK_ID_CURR": pl.Int32})
    own = {
        name: rows.join(chosen, on="SK_ID_CURR", how="semi")
        for name, rows in frames.items()
        if name != "bureau_balance"
    }
    loans = own["bureau"].select("SK_ID_BUREAU")
    return own | {
        "bureau_balance": frames["bureau_balance"].join(loans, on="SK_ID_BUREAU", how="semi")
    }


@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_exact_before_rounding_to_32_bits(module: str, sample_rows: Rows) -> None:
    applicants = spread(sample_rows, 60)
    chosen = [shuffled(own_rows(sample_rows, value), seed=value) for value in applicants]
    alone = pl.concat(by_polars(MODULES[module], own) for own in chosen)
    batch = rows_of(by_polars(MODULES[module], sample_rows), alone["SK_ID_CURR"].to_list())
    assert alone.height >= 10
    assert differing(alone, batch) == []
    by_numpy = [MODULES[module](in_memory(own)) for own in chosen]
    assert differing(pl.concat(as_frame(rows, batch) for rows in by_numpy), batch) == []


def by_polars(
    features: Callable[[Mapping[str, PolarsRows[pl.DataFrame]]], PolarsRows[pl.DataFrame]],
    frames: Rows,
) -> pl.DataFrame:
    return features({name: PolarsRows(frame) for name, frame in frames.items()}).frame


def in_memory(frames: Rows) -> dict[str, SmallRows]:
    return {name: SmallRows.of(frame) for name, frame in frames.items()}


def test_lazy_and_eager_batches_agree(sample_rows: Rows, sample_features: pl.DataFrame) -> None:
    assert differing(build_features(sample_rows), sample_features) == []


def test_numpy_and_polars_agree_about_many_applicants(
    sample_rows: Rows, sample_features: pl.DataFrame
) -> None:
    chosen = spread(sample_rows, ALONE)
    rows = own_rows_of(sample_rows, chosen)
    assert are_few(rows)
    assert not are_few(sample_rows)
    features = build_features(rows)
    assert differing(features, sample_features.filter(pl.col("SK_ID_CURR").is_in(chosen))) == []
    codes = {
        name: {text: code for code, text in enumerate(levels)}
        for name, levels in layout().levels.items()
    }
    assert features_of_few(rows).vectors(codes).tobytes() == pack(features).tobytes()


def test_streaming_agrees(sample: Dataset, sample_features: pl.DataFrame) -> None:
    streamed = build_features(sample.frames()).collect(engine="streaming")
    assert differing(streamed, sample_features) == []


def test_neither_the_order_of_rows_nor_the_company_matters(
    sample_rows: Rows, sample_features: pl.DataFrame
) -> None:
    turned = build_features(shuffled(sample_rows, seed=9)).sort("SK_ID_CURR")
    assert differing(turned, sample_features.sort("SK_ID_CURR")) == []
    some = spread(sample_rows, 70)
    fewer = build_features(own_rows_of(sample_rows, some))
    kept = sample_features.filter(pl.col("SK_ID_CURR").is_in(some))
    assert differing(fewer, kept) == []


def extreme_rows(rng: np.random.Generator, applicants: int) -> dict[str, pl.DataFrame]:
    """Rows of values at the limits of the tables: zeros, nulls, sentinels, duplicates."""
    ids = list(range(1, applicants + 1))
    frames = {"application": _extremes(APPLICATION, {"SK_ID_CURR": ids}, rng)}
    for table in HISTORY:
        parents = ids
        if table.name == "bureau_balance":
            parents = frames["bureau"]["SK_ID_BUREAU"].to_list()
        owners = [parent for parent in parents for _ in range(rng.integers(0, 6))]
        frames[table.name] = _extremes(table, {table.link: owners}, rng)
    return frames


def _extremes(table: Table, known: dict[str, list[int]], rng: np.random.Generator) -> pl.DataFrame:
    rows = len(next(iter(known.values())))
    columns = {
        column.name: known.get(column.name)
        or (
            list(range(1, rows + 1))
            if column.name in ("SK_ID_BUREAU", "SK_ID_PREV")
            else [_extreme(column, rng) for _ in range(rows)]
        )
        for column in table.columns
    }
    return pl.DataFrame(columns, schema=table.schema)


def _extreme(column: Column, rng: np.random.Generator) -> Any:
    if column.kind == "category":
        return rng.choice([*column.categories, None] if not column.required else column.categories)
    assert column.minimum is not None
    assert column.maximum is not None
    choices: list[float | None] = [column.minimum, column.maximum, *map(float, column.sentinels)]
    choices.append(max(column.minimum, min(0, column.maximum)))
    if not column.required:
        choices += [None, None]
    if column.dtype.is_float():
        choices += [5e-324, 1e-300, 0.001, 1 / 3, rng.uniform(column.minimum, column.maximum)]
    else:
        choices.append(rng.integers(int(column.minimum), int(column.maximum), endpoint=True))
    value = choices[rng.integers(len(choices))]
    if value is None or column.dtype.is_float():
        return value
    return int(value)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), applicants=st.integers(1, 4))
def test_extreme_values_stay_finite_and_independent(seed: int, applicants: int) -> None:
    rows = extreme_rows(np.random.default_rng(seed), applicants)
    batch = build_features(rows)
    assert batch["SK_ID_CURR"].to_list() == rows["application"]["SK_ID_CURR"].to_list()
    numbers = batch.select(cs.float())
    finite = numbers.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0, named=True)
    assert [name for name, fine in finite.items() if not fine] == []
    chosen = seed % applicants
    alone = build_features(shuffled(own_rows(rows, chosen + 1), seed=seed % 1000))
    assert differing(alone, batch[chosen]) == []
    assert differing(build_features(lazy(rows)).collect(), batch) == []


def test_no_nan_and_no_infinity(sample_features: pl.DataFrame) -> None:
    numbers = sample_features.select(cs.float())
    assert numbers.select(pl.all().is_nan().any()).row(0) == (False,) * numbers.width
    assert numbers.select(pl.all().is_infinite().any()).row(0) == (False,) * numbers.width


def test_there_are_features_of_all_seven_tables(names: list[str]) -> None:
    tables = {name.split("__")[0] for name in names if "__" in name}
    assert len(names) >= 170
    assert tables == {*MODULES, "combined"}
    assert set(application.COLUMNS) <= set(names)


def test_a_column_that_only_formulas_need_is_no_feature(
    names: list[str], sample_rows: Rows
) -> None:
    assert len(PASSING) == 6
    assert not PASSING & set(names)
    made = {name for module in MODULES.values() for name in by_polars(module, sample_rows).columns}
    assert made >= PASSING


def test_names_are_unique_safe_and_say_table_column_filter_function(names: list[str]) -> None:
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_]+", name), name
        table, *rest = name.split("__")
        if not rest:
            assert name in APPLICATION
        elif table == "application":
            assert len(rest) == 1
        elif table == "combined" and len(rest) > 1:
            # combined__NUMERATOR__over__DENOMINATOR, both columns of their own.
            assert set("__".join(rest).split("__over__")) <= {*names, *PASSING}
        elif table == "combined":
            assert rest[0] == rest[0].upper()
        else:
            assert len(rest) == 3, name
            assert rest[0] == rest[0].upper()


def test_columns_are_float32_or_enum(sample_features: pl.DataFrame) -> None:
    assert sample_features.schema["SK_ID_CURR"] == pl.Int32
    others = sample_features.drop("SK_ID_CURR").dtypes
    assert {dtype.base_type() for dtype in others} == {pl.Float32, pl.Enum}
    # The types do not depend on the rows.
    none = build_features({"application": pl.DataFrame(schema=APPLICATION.schema)})
    assert none.schema == sample_features.schema
    assert none.is_empty()


def test_protected_features_exist(names: list[str]) -> None:
    assert set(names) >= PROTECTED
    assert {"CODE_GENDER", "DAYS_BIRTH", "NAME_FAMILY_STATUS"} <= PROTECTED
    assert [name for name in application.DERIVED if "AGE" in re.split("_", name)] == []


def test_the_outcome_never_moves_a_feature(
    sample_rows: Rows, sample_features: pl.DataFrame
) -> None:
    applications = sample_rows["application"]
    for changed in (
        applications.drop("TARGET"),
        applications.with_columns(TARGET=pl.col("TARGET").reverse()),
        applications.with_columns(TARGET=1 - pl.col("TARGET")),
        applications.with_columns(TARGET=pl.lit(None, pl.Int8)),
    ):
        result = build_features({**sample_rows, "application": changed})
        assert differing(result, sample_features) == []


# Whose features are null without the table, and whose depend on it.
PREFIXES = {
    "bureau_balance": ("bureau_balance__",),
    "bureau": ("bureau__", "bureau_balance__"),
    "previous_application": ("previous__", "loan__"),
    "POS_CASH_balance": ("pos_cash__",),
    "installments_payments": ("installments__",),
    "credit_card_balance": ("card__",),
}
ACROSS = ("loan__", "combined__")


@pytest.mark.parametrize("table", PREFIXES)
def test_a_missing_table_makes_its_features_null_and_no_others(
    table: str, sample_rows: Rows, sample_features: pl.DataFrame
) -> None:
    without = {name: rows for name, rows in sample_rows.items() if name != table}
    result = build_features(without)
    own = [name for name in result.columns if name.startswith(PREFIXES[table])]
    assert len(own) >= (6 if table == "bureau_balance" else 11)
    assert result.select(own).null_count().row(0) == (result.height,) * len(own)
    others = [name for name in result.columns if not name.startswith((*PREFIXES[table], *ACROSS))]
    assert differing(result.select(others), sample_features.select(others)) == []


def test_without_any_history_what_the_application_says_still_counts(sample_rows: Rows) -> None:
    result = build_features({"application": sample_rows["application"]})
    known = result.filter(pl.col("AMT_CREDIT").is_not_null())
    assert known["combined__INSTALMENTS_TO_INCOME"].to_list() == pytest.approx(
        known["application__ANNUITY_TO_INCOME"].fill_null(0.0).to_list()
    )


def test_an_unknown_category_is_null(sample_rows: Rows) -> None:
    one = own_rows(sample_rows, sample_rows["application"]["SK_ID_CURR"][0])
    changed = one["application"].with_columns(
        NAME_INCOME_TYPE=pl.lit("Astronaut"), CODE_GENDER=pl.lit("XNA")
    )
    result = build_features({**one, "application": changed})
    assert result["NAME_INCOME_TYPE"].to_list() == [None]
    assert result["CODE_GENDER"].to_list() == [None]


def test_rows_of_unknown_applicants_and_loans_are_passed_over(sample_rows: Rows) -> None:
    first = sample_rows["application"].head(1)
    own = own_rows(sample_rows, first["SK_ID_CURR"][0])
    crowd = build_features({**sample_rows, "application": first})
    assert differing(crowd, build_features(own)) == []


def test_the_order_of_the_applications_is_kept(sample_rows: Rows) -> None:
    turned = sample_rows["application"].sample(fraction=1, shuffle=True, seed=5)
    result = build_features({**sample_rows, "application": turned})
    assert result["SK_ID_CURR"].equals(turned["SK_ID_CURR"])
    streamed = build_features(lazy({**sample_rows, "application": turned}))
    assert streamed.collect()["SK_ID_CURR"].equals(turned["SK_ID_CURR"])


# One applicant, whose features below were worked out by hand.
HAND = {
    "application": [
        {
            "SK_ID_CURR": 1, "NAME_CONTRACT_TYPE": "Cash loans", "CODE_GENDER": "F",
            "CNT_CHILDREN": 2, "AMT_INCOME_TOTAL": 50_000.0, "AMT_CREDIT": 200_000.0,
            "AMT_ANNUITY": 10_000.0, "AMT_GOODS_PRICE": 180_000.0, "DAYS_BIRTH": -10_000,
            "DAYS_EMPLOYED": -1_000, "CNT_FAM_MEMBERS": 4, "EXT_SOURCE_1": 0.2,
            "EXT_SOURCE_2": 0.4, "EXT_SOURCE_3": 0.9, "FLAG_DOCUMENT_3": 1, "FLAG_DOCUMENT_8": 1,
            "OBS_30_CNT_SOCIAL_CIRCLE": 4, "DEF_30_CNT_SOCIAL_CIRCLE": 1,
        },
        {
            "SK_ID_CURR": 2, "NAME_CONTRACT_TYPE": "Revolving loans", "CODE_GENDER": "XNA",
            "AMT_INCOME_TOTAL": 40_000.0, "AMT_CREDIT": 0.0, "DAYS_BIRTH": -20_000,
            "DAYS_EMPLOYED": 365_243, "EXT_SOURCE_1": 0.2, "EXT_SOURCE_2": 0.5,
        },
    ],
    "bureau": [
        {
            "SK_ID_CURR": 1, "SK_ID_BUREAU": 11, "CREDIT_ACTIVE": "Active",
            "CREDIT_TYPE": "Consumer credit", "DAYS_CREDIT": -100, "DAYS_CREDIT_ENDDATE": 200,
            "AMT_CREDIT_SUM": 1_000.0, "AMT_CREDIT_SUM_DEBT": 400.0, "AMT_CREDIT_MAX_OVERDUE": 0.0,
        },
        {
            "SK_ID_CURR": 1, "SK_ID_BUREAU": 12, "CREDIT_ACTIVE": "Closed",
            "CREDIT_TYPE": "Credit card", "DAYS_CREDIT": -500, "DAYS_CREDIT_ENDDATE": -100,
            "DAYS_ENDDATE_FACT": -150, "AMT_CREDIT_SUM": 2_000.0, "AMT_CREDIT_SUM_DEBT": 0.0,
            "AMT_CREDIT_MAX_OVERDUE": 50.0,
        },
        {
            "SK_ID_CURR": 1, "SK_ID_BUREAU": 13, "CREDIT_ACTIVE": "Active",
            "CREDIT_TYPE": "Credit card", "DAYS_CREDIT": -900, "DAYS_CREDIT_ENDDATE": 30_000,
            "AMT_CREDIT_SUM": 3_000.0, "AMT_CREDIT_SUM_DEBT": 1_500.0,
        },
        {
            "SK_ID_CURR": 2, "SK_ID_BUREAU": 14, "CREDIT_ACTIVE": "Sold",
            "CREDIT_TYPE": "Microloan", "DAYS_CREDIT": -30, "AMT_CREDIT_SUM": 0.0,
            "AMT_CREDIT_SUM_DEBT": -5.5,
        },
    ],
    "bureau_balance": [
        *({"SK_ID_BUREAU": 11, "MONTHS_BALANCE": -i, "STATUS": s} for i, s in enumerate("010")),
        *(
            {"SK_ID_BUREAU": 12, "MONTHS_BALANCE": -10 - i, "STATUS": s}
            for i, s in enumerate("CX20")
        ),
        {"SK_ID_BUREAU": 999, "MONTHS_BALANCE": 0, "STATUS": "5"},
    ],
    "previous_application": [
        {
            "SK_ID_PREV": 21, "SK_ID_CURR": 1, "NAME_CONTRACT_STATUS": "Approved",
            "DAYS_DECISION": -100, "AMT_ANNUITY": 1_000.0, "AMT_APPLICATION": 9_000.0,
            "AMT_CREDIT": 10_000.0, "CNT_PAYMENT": 12, "DAYS_LAST_DUE": 365_243,
            "NAME_PORTFOLIO": "POS", "CODE_REJECT_REASON": "XAP",
            "PRODUCT_COMBINATION": "POS mobile with interest",
        },
        {
            "SK_ID_PREV": 22, "SK_ID_CURR": 1, "NAME_CONTRACT_STATUS": "Refused",
            "DAYS_DECISION": -200, "AMT_APPLICATION": 20_000.0, "AMT_CREDIT": 16_000.0,
            "NAME_PORTFOLIO": "Cash", "CODE_REJECT_REASON": "HC",
        },
        {
            "SK_ID_PREV": 23, "SK_ID_CURR": 1, "NAME_CONTRACT_STATUS": "Approved",
            "DAYS_DECISION": -800, "AMT_ANNUITY": 500.0, "AMT_APPLICATION": 5_000.0,
            "AMT_CREDIT": 4_000.0, "CNT_PAYMENT": 10, "DAYS_LAST_DUE_1ST_VERSION": -500,
            "DAYS_LAST_DUE": -560, "NAME_PORTFOLIO": "Cash", "CODE_REJECT_REASON": "XAP",
        },
    ],
    "POS_CASH_balance": [
        *(
            {
                "SK_ID_PREV": 21, "SK_ID_CURR": 1, "MONTHS_BALANCE": month,
                "CNT_INSTALMENT": planned, "CNT_INSTALMENT_FUTURE": future,
                "NAME_CONTRACT_STATUS": "Active", "SK_DPD": late, "SK_DPD_DEF": 0,
            }
            for month, planned, future, late in ((-1, 10, 4, 0), (-2, 10, 5, 5), (-3, 12, 6, 0))
        ),
        {
            "SK_ID_PREV": 23, "SK_ID_CURR": 1, "MONTHS_BALANCE": -20, "CNT_INSTALMENT": 6,
            "CNT_INSTALMENT_FUTURE": 0, "NAME_CONTRACT_STATUS": "Completed", "SK_DPD": 0,
            "SK_DPD_DEF": 0,
        },
    ],
    "installments_payments": [
        {
            "SK_ID_PREV": 21, "SK_ID_CURR": 1, "NUM_INSTALMENT_VERSION": 1,
            "NUM_INSTALMENT_NUMBER": number, "DAYS_INSTALMENT": due, "DAYS_ENTRY_PAYMENT": paid_on,
            "AMT_INSTALMENT": due_amount, "AMT_PAYMENT": paid,
        }
        for number, due, paid_on, due_amount, paid in (
            (4, -10, -10, 100.0, 100.0),
            (3, -40, -30, 100.0, 60.0),
            (2, -70, -75, 100.0, 100.0),
            (1, -400, -365, 200.0, 250.0),
        )
    ],
    "credit_card_balance": [
        {
            "SK_ID_PREV": 51, "SK_ID_CURR": 1, "MONTHS_BALANCE": month, "AMT_BALANCE": balance,
            "AMT_CREDIT_LIMIT_ACTUAL": 1_000.0, "AMT_DRAWINGS_CURRENT": drawn,
            "AMT_INST_MIN_REGULARITY": 50.0, "AMT_PAYMENT_CURRENT": paid, "SK_DPD": late,
        }
        for month, balance, drawn, paid, late in (
            (-1, 500.0, 0.0, 100.0, 0),
            (-2, 800.0, 200.0, 50.0, 0),
            (-5, 1_200.0, 400.0, 0.0, 3),
        )
    ],
}  # fmt: skip

KNOWN = {
    "application__EXT_SOURCES_MEAN": 0.5,
    "application__EXT_SOURCES_MIN": 0.2,
    "application__EXT_SOURCES_MAX": 0.9,
    "application__EXT_SOURCES_FILLED": 1.5,
    "application__EXT_SOURCES_SPREAD": math.sqrt((0.09 + 0.01 + 0.16) / 3),
    "application__EXT_SOURCES_KNOWN": 3,
    "application__CREDIT_TO_ANNUITY": 20,
    "application__CREDIT_TO_GOODS": 200 / 180,
    "application__CREDIT_TO_INCOME": 4,
    "application__ANNUITY_TO_INCOME": 0.2,
    "application__INCOME_PER_MEMBER": 12_500,
    "application__NOT_EMPLOYED": 0,
    "application__DOCUMENTS": 2,
    "bureau__DAYS_CREDIT__all__count": 3,
    "bureau__DAYS_CREDIT__all__mean": -500,
    "bureau__DAYS_CREDIT__all__min": -900,
    "bureau__DAYS_CREDIT__active__max": -100,
    "bureau__DAYS_CREDIT__12m__count": 1,
    "bureau__DAYS_CREDIT__mortgage__count": 0,
    "bureau__DAYS_BETWEEN__all__mean": 400,
    # An end 30,000 days away is a place-holder and counts for nothing.
    "bureau__DAYS_CREDIT_ENDDATE__active__mean": 200,
    "bureau__DEBT_PER_MONTH__active__sum": 400 * 30 / 200,
    "bureau__TERM__consumer__mean": 300,
    "bureau__DAYS_ENDDATE_FACT__all__max": -150,
    "bureau__AMT_CREDIT_SUM__all__max": 3_000,
    "bureau__AMT_CREDIT_SUM_DEBT__all__sum": 1_900,
    "bureau__AMT_CREDIT_MAX_OVERDUE__all__max": 50,
    "bureau__CREDIT_MINUS_DEBT__active__mean": (600 + 1_500) / 2,
    "bureau__DEBT_TO_CREDIT__all__mean": 0.3,
    "bureau__DEBT_TO_CREDIT__all__max": 0.5,
    "bureau__DEBT_TO_CREDIT__last__mean": 0.4,
    "bureau__DEBT_TO_CREDIT__active__total": 1_900 / 4_000,
    "bureau__IS_ACTIVE__all__mean": 2 / 3,
    "bureau__EVER_OVERDUE__all__mean": 0.5,
    "bureau__SHARE__12m__total": 1 / 3,
    "bureau_balance__MONTHS__active__count": 1,
    "bureau_balance__WORST_STATUS__closed__mean": 2,
    "bureau_balance__LATE_MONTHS__all__share": 0.4,
    "bureau_balance__LAST_LATE_MONTH__all__max": -1,
    "previous__DAYS_DECISION__all__count": 3,
    "previous__DAYS_DECISION__refused__max": -200,
    "previous__APPLICATION_TO_CREDIT__all__mean": (0.9 + 1.25 + 1.25) / 3,
    "previous__YEARLY_RATE__all__mean": (24 * 2_000 / (10_000 * 13) + 24 * 1_000 / (4_000 * 11))
    / 2,
    "previous__AMT_CUT__last__mean": -1_000,
    "previous__AMT_ANNUITY__running__sum": 1_000,
    # An end at 365,243, which stands for "never", counts for nothing.
    "previous__DAYS_ENDED_EARLY__all__mean": 60,
    "previous__DAYS_LAST_DUE_1ST_VERSION__all__max": -500,
    "previous__CNT_PAYMENT__all__mean": 11,
    "previous__CNT_PAYMENT__running__mean": 12,
    "previous__AMT_CREDIT__approved__mean": 7_000,
    "previous__IS_APPROVED__24m__mean": 0.5,
    "previous__IS_REFUSED__all__mean": 1 / 3,
    "previous__IS_REFUSED__last3__mean": 1 / 3,
    "previous__REJECTED_BY_HC__all__mean": 1 / 3,
    "pos_cash__MONTHS_BALANCE__all__count": 4,
    "pos_cash__CNT_INSTALMENT__all__min": 6,
    "pos_cash__CNT_INSTALMENT__12m__mean": 32 / 3,
    "pos_cash__IS_LATE_TOLERATED__24m__mean": 0,
    "pos_cash__SK_DPD__12m__mean": 5 / 3,
    "pos_cash__IS_LATE__all__mean": 0.25,
    "pos_cash__FUTURE_TO_TOTAL__all__mean": (0.4 + 0.5 + 0.5 + 0) / 4,
    "pos_cash__LATE_MONTH__all__max": -2,
    "pos_cash__LOAN_COMPLETED__all__mean": 0.5,
    "pos_cash__LOAN_LATE_MONTHS__last3__sum": 1,
    "pos_cash__LOAN_REMAINING_TO_PLANNED__last__mean": 4 / 12,
    "installments__DAYS_INSTALMENT__all__count": 4,
    "installments__AMT_INSTALMENT__all__max": 200,
    "installments__AMT_PAYMENT__all__sum": 510,
    "installments__DAYS_LATE__365d__mean": 10 / 3,
    "installments__DAYS_LATE__lastloan__mean": 45 / 4,
    "installments__DAYS_EARLY__all__mean": 5 / 4,
    "installments__AMT_SHORT__180d__mean": 40 / 3,
    "installments__PAID_TO_DUE__all__total": 510 / 500,
    "installments__IS_LATE__all__mean": 0.5,
    "installments__IS_LATE_WEEK__all__mean": 0.5,
    "installments__IS_SHORT__all__mean": 0.25,
    "card__MONTHS_BALANCE__all__count": 3,
    "card__AMT_BALANCE__last3__mean": 2_500 / 3,
    "card__BALANCE_TO_LIMIT__all__mean": 2.5 / 3,
    "card__BALANCE_TO_LIMIT__last3__mean": 2.5 / 3,
    "card__IS_USED__6m__mean": 2 / 3,
    "card__PAID_TO_MINIMUM__all__mean": 1,
    "card__IS_OVER_LIMIT__all__mean": 1 / 3,
    "card__LATE_MONTH__all__max": -5,
    "card__SK_DPD__12m__mean": 1,
    "loan__REMAINING_DEBT__running__sum": 4_000,
    "loan__REMAINING_TO_CREDIT__last__mean": 0.4,
    "loan__PAID_TO_CREDIT__last__mean": 510 / 10_000,
    "loan__EVER_LATE__running__mean": 1,
    "combined__AMT_ANNUITY__over__installments__AMT_INSTALMENT__all__max": 50,
    "combined__bureau__AMT_CREDIT_SUM_DEBT__active__sum__over__AMT_INCOME_TOTAL": 0.038,
    "combined__loan__REMAINING_DEBT__running__sum__over__AMT_INCOME_TOTAL": 0.08,
    "combined__INSTALMENTS_TO_INCOME": (10_000 + 60 + 1_000) / 50_000,
}


@pytest.fixture(scope="module")
def by_hand() -> pl.DataFrame:
    return build_features(
        {name: pl.DataFrame(rows, schema=TABLES[name].schema) for name, rows in HAND.items()}
    )


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name: str, by_hand: pl.DataFrame) -> None:
    # Ratios are summed in millionths.
    assert by_hand[name][0] == pytest.approx(KNOWN[name], rel=1e-6, abs=1e-6)


def test_known_answers_that_are_categories_or_null(by_hand: pl.DataFrame) -> None:
    first, second = by_hand.rows(named=True)
    assert first["CODE_GENDER"] == "F"
    assert first["AMT_CREDIT"] == 200_000
    assert second["CODE_GENDER"] is None
    assert second["DAYS_EMPLOYED"] is None
    assert second["application__NOT_EMPLOYED"] == 1
    assert second["application__EXT_SOURCES_MEAN"] == pytest.approx(0.35)
    assert second["EXT_SOURCE_3"] is None
    assert second["application__CREDIT_TO_ANNUITY"] is None
    # One sold loan of nothing, and no earlier application.
    assert second["bureau__DAYS_CREDIT__all__count"] == 1
    assert second["bureau__DAYS_CREDIT__car__count"] == 0
    assert second["bureau__TERM__consumer__mean"] is None
    assert second["bureau__DAYS_BETWEEN__all__mean"] is None
    assert second["bureau__AMT_CREDIT_SUM_DEBT__all__sum"] == -5.5
    assert second["bureau__DEBT_TO_CREDIT__all__mean"] is None
    assert second["bureau__DEBT_TO_CREDIT__active__total"] is None
    assert second["bureau__SHARE__12m__total"] == 1
    assert second["previous__DAYS_DECISION__all__count"] is None
