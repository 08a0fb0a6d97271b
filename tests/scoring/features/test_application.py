"""The application's own features: implied rates and terms, and what protects the applicant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.data.ingest import ingest
from scoring.features import PROTECTED, application, implied_rates
from scoring.features.engine.numpy_rows import SmallRows
from scoring.features.engine.rows import PolarsRows
from scoring.features.implied_rates import HIGHEST_RATE, LOWEST_RATE, PRICE_LIST, TERMS
from tests.helpers.exact import as_frame, differing


def annuity_of(credit: float, yearly_rate: float, term: int) -> float:
    """The payment by the annuity formula."""
    monthly = yearly_rate / 12
    return float(credit * monthly / (1 - (1 + monthly) ** -term))


def implied(amounts: Sequence[tuple[float | None, float | None]]) -> pl.DataFrame:
    """The features of rows of credit and annuity."""
    schema = {"AMT_CREDIT": pl.Float64, "AMT_ANNUITY": pl.Float64}
    rows = pl.DataFrame(amounts, schema=schema, orient="row")
    return rows.select(implied_rates.expression().alias("rates")).unnest("rates")


@settings(deadline=None)
@given(
    credit=st.floats(1e3, 1e7),
    rate=st.floats(LOWEST_RATE + 0.001, HIGHEST_RATE - 0.001),
    term=st.sampled_from(TERMS),
)
def test_the_rate_told_is_no_further_from_the_list_than_the_true_one(
    credit: float, rate: float, term: int
) -> None:
    found = implied([(credit, annuity_of(credit, rate, term))]).row(0, named=True)
    assert found["TERM_LISTED"] in TERMS
    assert LOWEST_RATE <= found["RATE_LISTED"] <= HIGHEST_RATE
    # The annuity formula holds for what is told, and no term is closer to the price list.
    told = annuity_of(credit, found["RATE_LISTED"], int(found["TERM_LISTED"]))
    assert told == pytest.approx(annuity_of(credit, rate, term), rel=1e-9)
    assert found["RATE_OFF_LIST"] <= min(abs(rate - entry) for entry in PRICE_LIST) + 1e-9


def test_loans_at_listed_rates_are_found_on_the_list() -> None:
    credit = 450_000.0
    annuities = [annuity_of(credit, rate, term) for rate in PRICE_LIST for term in TERMS]
    found = implied([(credit, annuity) for annuity in annuities])
    assert found["RATE_OFF_LIST"].to_list() == pytest.approx([0.0] * found.height, abs=1e-9)
    told = zip(found["RATE_LISTED"], found["TERM_LISTED"], strict=True)
    assert [annuity_of(credit, rate, int(term)) for rate, term in told] == pytest.approx(annuities)
    paid = np.array(annuities) * found["TERM_LISTED"].to_numpy() / credit
    assert found["PAYMENTS_TO_CREDIT"].to_numpy() == pytest.approx(paid)


def test_the_usual_loan_is_told_exactly() -> None:
    found = implied([(100_000.0, annuity_of(100_000.0, 0.299, 24))]).row(0, named=True)
    assert found["TERM_LISTED"] == 24.0
    assert found["RATE_LISTED"] == pytest.approx(0.299, abs=1e-10)


def test_amounts_that_imply_no_rate_give_nulls() -> None:
    cases: list[tuple[float | None, float | None]] = [
        (None, 5_000.0),
        (1e5, None),
        (1e5, 0.0),
        (0.0, 0.0),
        (1e5, 1e-9),
        (1e3, 1e6),
    ]
    found = implied(cases)
    assert found.null_count().sum_horizontal().item() == found.width * len(cases)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0.0, 1e9)), st.one_of(st.none(), st.floats(0.0, 1e7))
        ),
        min_size=2,
        max_size=40,
    )
)
def test_each_row_alone_equals_the_batch_to_the_last_bit(
    amounts: list[tuple[float | None, float | None]],
) -> None:
    batch = implied(amounts)
    alone = pl.concat(implied([pair]) for pair in amounts)
    assert differing(alone, batch) == []
    assert (
        batch.select((pl.all().is_null() | pl.all().is_finite()).all()).row(0)
        == (True,) * batch.width
    )


def test_real_applications_alone_equal_the_batch(
    real_applications_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("applications") / "dataset"
    rows = ingest(real_applications_folder, folder).frames("train")["application"].collect()
    chosen = rows.gather_every(rows.height // 150)
    batch = by_polars(rows).gather_every(rows.height // 150)
    alone = pl.concat(by_polars(row) for row in chosen.iter_slices(1))
    assert differing(alone, batch) == []
    small = (application.features(SmallRows.of(row)) for row in chosen.iter_slices(1))
    assert differing(pl.concat(as_frame(rows, batch) for rows in small), batch) == []


def by_polars(rows: pl.DataFrame) -> pl.DataFrame:
    return application.features(PolarsRows(rows)).frame


def test_no_open_feature_changes_with_a_protected_column(sample: Dataset) -> None:
    rows = sample.frames("train")["application"].head(200).collect()
    changed = rows.with_columns(
        CODE_GENDER=pl.when(pl.col("CODE_GENDER") == "F").then(pl.lit("M")).otherwise(pl.lit("F")),
        DAYS_BIRTH=pl.col("DAYS_BIRTH") - 1_000,
        NAME_FAMILY_STATUS=pl.lit("Widow"),
    )
    before, after = by_polars(rows), by_polars(changed)
    allowed = [name for name in before.columns if name not in PROTECTED]
    moved = differing(before.select(allowed), after.select(allowed))
    assert moved == []
    assert set(PROTECTED) & set(differing(before, after)) >= {"CODE_GENDER", "DAYS_BIRTH"}
