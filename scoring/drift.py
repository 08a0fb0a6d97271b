"""How the applicants of today differ from those the model learnt from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

# Evidently reads this when it is imported.
os.environ.setdefault("DO_NOT_TRACK", "1")

from evidently import DataDefinition, Report
from evidently import Dataset as EvidentlyDataset
from evidently.core.report import Snapshot
from evidently.metrics import DriftedColumnsCount, MissingValueCount, ValueDrift
from evidently.tests import Reference, eq, lt

from scoring.dataset import Dataset, staged_file
from scoring.errors import ScoringError
from scoring.scorer import Scorer

# Usual reading of the population stability index: below 0.1 stable, above 0.2 shifted.
PSI_LIMIT = 0.2
# A share of missing values that moved by more than this is told, whatever the PSI says of the
# values that are there.
MISSING_LIMIT = 0.1

PD = "probability_of_default"

# One feature a history table that is there whenever the table says anything of the applicant:
# its missing values tell how many have no such history.
HISTORY_SIGNS = (
    "bureau__DAYS_CREDIT__all__count",
    "bureau_balance__MONTHS__all__mean",
    "previous__DAYS_DECISION__all__count",
    "pos_cash__MONTHS_BALANCE__all__count",
    "installments__DAYS_INSTALMENT__all__count",
    "card__MONTHS_BALANCE__all__count",
)


class DriftError(ScoringError):
    """There is nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A reference and a current population, compared column by column.

    Attributes
    ----------
    columns : polars.DataFrame
        column, psi, missing_reference, missing_current and drifted, the most drifted first.
    snapshot : Snapshot
        Evidently's result.
    """

    columns: pl.DataFrame
    snapshot: Snapshot

    @property
    def drifted(self) -> pl.DataFrame:
        """The columns whose values or missingness moved beyond the limits."""
        return self.columns.filter("drifted")

    def save(self, html: Path) -> None:
        """Write Evidently's report as one HTML file, and its figures as JSON beside it."""
        for path, write in (
            (html, self.snapshot.save_html),
            (html.with_suffix(".json"), self.snapshot.save_json),
        ):
            with staged_file(path) as staged:
                write(str(staged))


def populations(dataset: Dataset, features: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features of the training applicants (reference) and of the test applicants (current).

    A dataset without test applicants is cut by SK_ID_CURR: the first half is the reference.

    Raises
    ------
    DriftError
        If a side has no applicant.
    """
    train = dataset.frames("train")["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    if "test" in dataset.populations:
        known = pl.col("SK_ID_CURR").is_in(train.implode())
    else:
        known = pl.col("SK_ID_CURR") <= train.median()
    reference, current = features.filter(known), features.filter(~known)
    if reference.is_empty() or current.is_empty():
        raise DriftError(f"{dataset.folder}: too few applicants to compare two populations")
    return reference, current


def with_pd(features: pl.DataFrame, scorer: Scorer, unseen: pl.DataFrame) -> pl.DataFrame:
    """Add the PD as a column to compare like any other.

    What a model says of its own training rows is more extreme than what it says of others, and
    would look like drift: for those rows the PD comes from models that had not seen them.

    Parameters
    ----------
    features : polars.DataFrame
        Applicants.
    scorer : Scorer
        The served model; it gives the PD of applicants that `unseen` does not name.
    unseen : polars.DataFrame
        SK_ID_CURR and probability_of_default of training applicants, as `unseen_pds` gives them.
    """
    joined = features.join(unseen, on="SK_ID_CURR", how="left", maintain_order="left")
    own = pl.Series(scorer.predict(features))
    return joined.with_columns(pl.col(PD).fill_null(own))


def compare(reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str]) -> Drift:
    """Compare two populations with the population stability index, and their missing values.

    Parameters
    ----------
    reference, current : polars.DataFrame
        Applicants that the model learnt from, and newer ones.
    columns : sequence of str
        What to compare; columns that are wholly missing on either side are compared by their
        missingness alone, since Evidently cannot draw them.
    """
    missing = _missing(reference, current, columns)
    drawn = missing.filter(pl.max_horizontal("missing_reference", "missing_current") < 1.0)
    snapshot = _report(reference, current, drawn["column"].to_list())
    psi = pl.DataFrame(_psi(snapshot), schema={"column": pl.String, "psi": pl.Float64})
    moved = (pl.col("missing_current") - pl.col("missing_reference")).abs()
    table = missing.join(psi, on="column", how="left").with_columns(
        drifted=(pl.col("psi").fill_null(0.0) >= PSI_LIMIT) | (moved > MISSING_LIMIT)
    )
    order = pl.max_horizontal(pl.col("psi").fill_null(0.0) / PSI_LIMIT, moved / MISSING_LIMIT)
    ordered = table.sort(order, "column", descending=[True, False])
    return Drift(
        ordered.select("column", "psi", "missing_reference", "missing_current", "drifted"), snapshot
    )


def conclusion(result: Drift, refused: Mapping[str, float]) -> str:
    """What the comparison means, in a few sentences of Markdown drawn from its figures.

    Parameters
    ----------
    result : Drift
        With the PD among its columns.
    refused : mapping
        Share of applicants refused in "reference" and in "current".
    """
    drifted = result.drifted
    lines = [
        f"**{drifted.height} of {result.columns.height} columns drifted** (PSI of {PSI_LIMIT} or "
        f"more, or missing values moved by more than {MISSING_LIMIT:.0%})."
    ]
    lines += [f"- {_told(row)}" for row in drifted.head(10).iter_rows(named=True)]
    own = result.columns.row(by_predicate=pl.col("column") == PD, named=True)
    change = refused["current"] - refused["reference"]
    lines.append(
        f"\nThe probability of default itself has a PSI of {own['psi']:.3f}: refusals go from "
        f"{refused['reference']:.1%} to {refused['current']:.1%} ({change:+.1%})."
    )
    if own["drifted"]:
        advice = (
            "The drift reaches the decisions: check the drifted columns at their source, and "
            "retrain on applicants of today as soon as their outcomes are known."
        )
    elif drifted.height:
        advice = (
            "The inputs moved, the decisions hardly: no retraining for this reason alone, but "
            "ask the source why the columns above changed."
        )
    else:
        advice = "Nothing to do."
    return "\n".join([*lines, "", f"**What to do.** {advice}"])


def _told(row: Mapping[str, Any]) -> str:
    before, after = row["missing_reference"], row["missing_current"]
    parts = [] if row["psi"] is None else [f"PSI {row['psi']:.2f}"]
    if abs(after - before) > MISSING_LIMIT:
        parts.append(f"missing for {after:.0%} of the applicants instead of {before:.0%}")
    return f"`{row['column']}`: {', '.join(parts)}"


def _missing(
    reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    shares = [
        frame.select(pl.col(columns).is_null().mean()).row(0) for frame in (reference, current)
    ]
    return pl.DataFrame(
        {"column": list(columns), "missing_reference": shares[0], "missing_current": shares[1]}
    )


def _report(reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str]) -> Snapshot:
    chosen = reference.select(columns)
    definition = DataDefinition(
        numerical_columns=chosen.select(cs.numeric()).columns,
        categorical_columns=chosen.select(~cs.numeric()).columns,
    )
    values: list[Any] = [
        ValueDrift(column=name, method="psi", threshold=PSI_LIMIT, tests=[lt(PSI_LIMIT)])
        for name in columns
    ]
    near = eq(Reference(absolute=MISSING_LIMIT))
    missing = [MissingValueCount(column=name, tests=[], share_tests=[near]) for name in columns]
    drifted = DriftedColumnsCount(
        num_method="psi", cat_method="psi", num_threshold=PSI_LIMIT, cat_threshold=PSI_LIMIT
    )
    report = Report([drifted, *values, *missing], include_tests=True)
    return report.run(
        current_data=_evidently(current.select(columns), definition),
        reference_data=_evidently(chosen, definition),
    )


def _evidently(frame: pl.DataFrame, definition: DataDefinition) -> EvidentlyDataset:
    # Evidently reads pandas, and categories as plain text.
    pandas = frame.with_columns(cs.enum().cast(pl.String)).to_pandas()
    return EvidentlyDataset.from_pandas(pandas, data_definition=definition)


def _psi(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        {"column": metric["config"]["column"], "psi": float(metric["value"])}
        for metric in snapshot.dict()["metrics"]
        if metric["metric_name"].startswith("ValueDrift(")
    ]
