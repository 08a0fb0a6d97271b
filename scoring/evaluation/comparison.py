"""Two populations compared column by column, with what it means for the PD and the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import polars as pl

from scoring.evaluation.distances import (
    Test,
    chance_psi,
    chi_square,
    holm,
    kolmogorov_smirnov,
    psi,
    two_proportions,
)
from scoring.serving.profiles import PD, Column, Profile, ProfileError

Method = Literal["Kolmogorov-Smirnov", "chi-square", "z-test of proportions"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and significance from which on a column counts as changed.

    A change has to be both certain and large: `significance` bounds the chance of one false alarm
    among all columns, the others what is worth an alarm at all.

    Attributes
    ----------
    moderate_psi, large_psi : float
        Of a column's values, beyond the PSI that chance alone gives.
    moderate_missing, large_missing : float
        Change of the share of applicants without a value.
    significance : float
        Of the adjusted p-values.
    """

    moderate_psi: float = 0.1
    large_psi: float = 0.2
    moderate_missing: float = 0.05
    large_missing: float = 0.1
    significance: float = 0.01


class Share(NamedTuple):
    """A share of the applicants, in both populations, and the p-value of its change."""

    reference: float
    current: float
    p_value: float

    @property
    def change(self) -> float:
        """Current minus reference."""
        return self.current - self.reference


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes between a reference and a current population.

    Attributes
    ----------
    columns : polars.DataFrame
        A row a feature and one for the PD, the most changed first: column, method, psi (beyond
        that of chance, at least 0), statistic, p_value, p_adjusted, missing_reference,
        missing_current, missing_p_adjusted, outside (share of the current numbers beyond the
        reference's smallest and largest), importance (null for the PD), level ("none", "moderate",
        "large").
    weighted_psi : float
        Sum over features of importance x PSI, missing values being a bin like any other.
    accepted, referred, refused : Share
        Of the decisions.
    reasons : polars.DataFrame
        cause, reference, current (shares of applicants who were told it), p_adjusted; the most
        changed first.
    applicants : (int, int)
        In the reference, and in the current population.
    """

    columns: pl.DataFrame
    weighted_psi: float
    accepted: Share
    referred: Share
    refused: Share
    reasons: pl.DataFrame
    applicants: tuple[int, int]

    @property
    def drifted(self) -> pl.DataFrame:
        """The rows of `columns` whose level is not "none"."""
        return self.columns.filter(pl.col("level") != "none")

    @property
    def pd(self) -> Mapping[str, Any]:
        """The row of the PD."""
        return self.columns.row(by_predicate=pl.col("column") == PD, named=True)


def compare(reference: Profile, current: Profile, limits: Limits | None = None) -> Comparison:
    """Compare two populations that were counted by the same bins.

    Numbers are compared by Kolmogorov and Smirnov's test, categories by chi-square, columns with
    two bins by the z-test of proportions, missingness by the z-test too. All their p-values are
    adjusted together (Holm): the more columns, the surer each has to be.

    Raises
    ------
    ProfileError
        If their columns are not the same.
    """
    if reference.columns.keys() != current.columns.keys():
        raise ProfileError(
            "profiles of other features cannot be compared: they are of other models"
        )
    table = pl.DataFrame(
        [
            _row(name, before, current.columns[name], reference.importance.get(name))
            for name, before in reference.columns.items()
        ],
        schema_overrides={"importance": pl.Float64},
    )
    judged = _judged(table, limits or Limits())
    shares = {name: _share(reference, current, name) for name in ("accept", "refer", "refuse")}
    return Comparison(
        columns=judged.drop("weight_psi", "missing_p"),
        weighted_psi=float((judged["importance"].fill_null(0.0) * judged["weight_psi"]).sum()),
        accepted=shares["accept"],
        referred=shares["refer"],
        refused=shares["refuse"],
        reasons=_reasons(reference, current),
        applicants=(reference.applicants, current.applicants),
    )


def _row(name: str, before: Column, after: Column, importance: float | None) -> dict[str, Any]:
    method, test = _tested(before, after)
    missing = two_proportions(before.missing, before.applicants, after.missing, after.applicants)
    return {
        "column": name,
        "method": method,
        "psi": _beyond_chance(before.counts, after.counts),
        "statistic": test.statistic,
        "p_value": test.p_value,
        "missing_reference": before.missing / max(before.applicants, 1),
        "missing_current": after.missing / max(after.applicants, 1),
        "missing_p": missing.p_value,
        "outside": after.outside / max(after.known, 1),
        "importance": importance,
        "weight_psi": _beyond_chance(
            (*before.counts, before.missing), (*after.counts, after.missing)
        ),
    }


def _tested(before: Column, after: Column) -> tuple[Method, Test]:
    if len(before.counts) == 2:
        test = two_proportions(before.counts[0], before.known, after.counts[0], after.known)
        return "z-test of proportions", test
    if before.levels:
        return "chi-square", chi_square(before.counts, after.counts)
    return "Kolmogorov-Smirnov", kolmogorov_smirnov(before.counts, after.counts)


def _beyond_chance(before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """The PSI without what two samples of one population would have; 0 if one is empty."""
    if not sum(before) or not sum(after):
        return 0.0
    return max(psi(before, after) - chance_psi(before, after), 0.0)


def _judged(table: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    adjusted = holm([*table["p_value"], *table["missing_p"]])
    moved = (pl.col("missing_current") - pl.col("missing_reference")).abs()
    certain = pl.col("p_adjusted") < limits.significance
    surely_missing = pl.col("missing_p_adjusted") < limits.significance

    def beyond(size: float, missing: float) -> pl.Expr:
        return (certain & (pl.col("psi") >= size)) | (surely_missing & (moved >= missing))

    order = pl.max_horizontal(
        pl.when(certain).then(pl.col("psi") / limits.large_psi).otherwise(0.0),
        pl.when(surely_missing).then(moved / limits.large_missing).otherwise(0.0),
    )
    return (
        table.with_columns(
            p_adjusted=pl.Series(adjusted[: table.height]),
            missing_p_adjusted=pl.Series(adjusted[table.height :]),
        )
        .with_columns(
            level=pl.when(beyond(limits.large_psi, limits.large_missing))
            .then(pl.lit("large"))
            .when(beyond(limits.moderate_psi, limits.moderate_missing))
            .then(pl.lit("moderate"))
            .otherwise(pl.lit("none"))
        )
        .sort(order, pl.col("psi"), "column", descending=[True, True, False])
    )


def _share(reference: Profile, current: Profile, decision: str) -> Share:
    n, m = reference.decisions.values(), current.decisions.values()
    before, after = reference.decisions.get(decision, 0), current.decisions.get(decision, 0)
    test = two_proportions(before, sum(n), after, sum(m))
    return Share(before / max(sum(n), 1), after / max(sum(m), 1), test.p_value)


def _reasons(reference: Profile, current: Profile) -> pl.DataFrame:
    n, m, rows = reference.explained, current.explained, []
    for cause in reference.reasons.keys() | current.reasons.keys():
        before, after = reference.reasons.get(cause, 0), current.reasons.get(cause, 0)
        test = two_proportions(before, n, after, m)
        rows.append((cause, before / max(n, 1), after / max(m, 1), test.p_value))
    schema = {"cause": pl.String} | dict.fromkeys(("reference", "current", "p_value"), pl.Float64)
    table = pl.DataFrame(rows, schema=schema, orient="row")
    changed = (pl.col("current") - pl.col("reference")).abs()
    return (
        table.with_columns(p_adjusted=pl.Series(holm(table["p_value"]), dtype=pl.Float64))
        .drop("p_value")
        .sort(changed, "cause", descending=[True, False])
    )
