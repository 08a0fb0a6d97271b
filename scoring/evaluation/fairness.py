"""Fairness: decisions by sex, age band and family status.

The model does not see these attributes unless told to; the applicants have them all the same.
Acceptance is what an applicant wants, so a group fares worse when fewer of it are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)

from scoring.evaluation import bootstrap
from scoring.evaluation.bootstrap import Flags, Floats
from scoring.evaluation.metrics import checked
from scoring.evaluation.segments import UNKNOWN, counts
from scoring.evaluation.separability import Separability, separability
from scoring.features import PROTECTED

# A group accepted less than four fifths as often as the most accepted one counts as evidence of
# adverse impact (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D, 1978).
FOUR_FIFTHS = 0.8

_AGES = (30, 40, 50, 60)
_DAYS_A_YEAR = 365.25
_METRICS = ("acceptance_rate", "true_positive_rate", "false_positive_rate", "calibration_gap")


def attributes(applications: pl.DataFrame) -> pl.DataFrame:
    """Read sex, age band and family status of each applicant.

    Parameters
    ----------
    applications : polars.DataFrame
        CODE_GENDER, DAYS_BIRTH and NAME_FAMILY_STATUS: application rows or features.

    Returns
    -------
    polars.DataFrame
        sex (F or M), age ("under 30", "30 to 39", ..., "60 and over": an Enum in this order) and
        family status, a row an applicant; "unknown" where the application does not say.
    """
    age = -pl.col("DAYS_BIRTH").cast(pl.Float64) / _DAYS_A_YEAR
    inner = [f"{low} to {high - 1}" for low, high in pairwise(_AGES)]
    names = [f"under {_AGES[0]}", *inner, f"{_AGES[-1]} and over"]
    passed = pl.sum_horizontal((age >= start).cast(pl.Int8) for start in _AGES)
    band = pl.when(age.is_not_null()).then(passed.replace_strict(dict(enumerate(names))))
    columns = {
        "sex": pl.col("CODE_GENDER"),
        "age": band,
        "family status": pl.col("NAME_FAMILY_STATUS"),
    }
    return applications.select(
        value.cast(pl.String).replace(["XNA", "Unknown"], None).fill_null(UNKNOWN).alias(name)
        for name, value in columns.items()
    ).with_columns(pl.col("age").cast(pl.Enum([*names, UNKNOWN])))


def by_group(
    groups: pl.DataFrame,
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    resamples: int = 1000,
    seed: int = 0,
) -> pl.DataFrame:
    """Measure how each group fares, with percentile bootstrap intervals of 95 %.

    Parameters
    ----------
    groups : polars.DataFrame
        A row an applicant, a column of names an attribute, as `attributes` gives them.
    target, pds, cutoff, resamples, seed
        Whoever is not refused counts as accepted, referred or not.

    Returns
    -------
    polars.DataFrame
        A row a group: attribute, group, n, defaults, small, and each with _low and _high:
        acceptance_rate, share accepted; true_positive_rate, share of the group's defaults that
        were refused; false_positive_rate, share of its good applicants that were refused, the
        mistake that a group suffers from; calibration_gap, default rate minus mean PD: above
        zero, the group defaults more often than predicted. Small groups, of fewer than 30
        applicants or 5 of either outcome, have counts only.
    """
    outcomes, values = checked(target, pds)
    refused = values > cutoff
    sizes = {name: _sizes(groups[name], outcomes) for name in groups.columns}
    points = {name: _points(groups[name], outcomes, values, refused) for name in groups.columns}
    memberships = {
        (name, group): (groups[name] == group).to_numpy() for name in sizes for group in sizes[name]
    }
    drawn = _drawn(memberships, outcomes, values, refused, resamples, seed)
    rows = []
    for name, group in memberships:
        row: dict[str, Any] = {"attribute": name, "group": group, **sizes[name][group]}
        if not row["small"]:
            for metric in _METRICS:
                point, resampled = points[name][group][metric], drawn[name, group][metric]
                row |= bootstrap.interval(point, resampled).columns(metric)
        rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)


_SCHEMA: dict[str, type[pl.DataType]] = (
    {"attribute": pl.String, "group": pl.String, "n": pl.Int64, "defaults": pl.Int64}
    | {"small": pl.Boolean}
    | {metric + end: pl.Float64 for metric in _METRICS for end in ("", "_low", "_high")}
)


def _sizes(groups: pl.Series, outcomes: Flags) -> dict[str, dict[str, Any]]:
    names = groups.unique().sort()
    return {group: counts(outcomes[(groups == group).to_numpy()]) for group in names}


def _points(
    groups: pl.Series, outcomes: Flags, pds: Floats, refused: Flags
) -> Mapping[str, Mapping[str, float]]:
    """Every metric of every group, by fairlearn."""
    metrics = {
        "acceptance_rate": _acceptance_rate,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "calibration_gap": _calibration_gap,
    }
    frame = MetricFrame(
        metrics=metrics,
        y_true=outcomes.astype(np.int8),
        y_pred=refused.astype(np.int8),
        sensitive_features=groups.to_numpy(),
        sample_params={"calibration_gap": {"pds": pds}},
    )
    return {str(group): dict(row) for group, row in frame.by_group.astype(float).iterrows()}


def _acceptance_rate(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    return 1 - float(selection_rate(y_true, y_pred))


def _calibration_gap(y_true: Floats, _y_pred: Floats, pds: Floats) -> float:
    return float(np.mean(y_true) - np.mean(pds))


def _drawn(
    memberships: Mapping[tuple[str, str], Flags],
    outcomes: Flags,
    pds: Floats,
    refused: Flags,
    resamples: int,
    seed: int,
    sample_weight: Floats | float = 1.0,
) -> dict[tuple[str, str], dict[str, Floats]]:
    """The metrics of every group in every resample: sums over its members, as products.

    fairlearn's own bootstrap makes a frame a resample, which takes minutes.
    """
    quantities = np.column_stack(
        [np.ones(pds.size), outcomes, refused, refused & outcomes, outcomes - pds]
    ) * np.reshape(sample_weight, (-1, 1))
    per_group = np.column_stack([quantities * member[:, None] for member in memberships.values()])
    sums = bootstrap.sums(per_group, outcomes, resamples, seed)
    rates = {}
    # A resample without a default of a group has no rate of them.
    with np.errstate(invalid="ignore", divide="ignore"):
        for i, key in enumerate(memberships):
            n, defaults, turned_down, caught, gap = sums[:, 5 * i : 5 * i + 5].T
            rates[key] = {
                "acceptance_rate": 1 - turned_down / n,
                "true_positive_rate": caught / defaults,
                "false_positive_rate": (turned_down - caught) / (n - defaults),
                "calibration_gap": gap / n,
            }
    return rates


def four_fifths(
    groups: pl.DataFrame,
    target: npt.ArrayLike,
    pds: npt.ArrayLike,
    cutoff: float,
    resamples: int = 1000,
    seed: int = 0,
    sample_weight: Floats | None = None,
) -> pl.DataFrame:
    """Apply the four-fifths rule to each attribute: least acceptance rate over the greatest.

    Parameters
    ----------
    groups, target, pds, cutoff, resamples, seed
        As for `by_group`. Small groups and the unknown are left out, and so is an attribute of
        whose applicants nobody is accepted.
    sample_weight : numpy.ndarray of shape (applicants,), optional
        For how many each stands.

    Returns
    -------
    polars.DataFrame
        A row an attribute with at least two groups: attribute; least and most, the groups;
        ratio of their acceptance rates, low and high (both groups kept in all resamples: letting
        each resample choose its extremes would push every ratio down); alert, ratio < 0.8;
        certain, the whole interval below 0.8.
    """
    outcomes, values = checked(target, pds)
    weights = bootstrap.standing_for(sample_weight, values.size)
    rows = []
    for name in groups.columns:
        members = _comparable(groups[name], outcomes)
        if len(members) < 2:
            continue
        rates = {
            group: float(np.average(values[member] <= cutoff, weights=weights[member]))
            for group, member in members.items()
        }
        least, most = min(rates, key=rates.__getitem__), max(rates, key=rates.__getitem__)
        pair = {(name, group): members[group] for group in (least, most)}
        drawn = _drawn(pair, outcomes, values, values > cutoff, resamples, seed, weights)
        lowest, highest = (drawn[name, group]["acceptance_rate"] for group in (least, most))
        if rates[most] == 0:
            continue
        # In a resample in which nobody is accepted there is no ratio.
        some = highest > 0
        ratio = bootstrap.interval(rates[least] / rates[most], lowest[some] / highest[some])
        verdict = {"alert": ratio.value < FOUR_FIFTHS, "certain": ratio.high < FOUR_FIFTHS}
        rows.append(
            {"attribute": name, "least": least, "most": most, "ratio": ratio.value}
            | {"low": ratio.low, "high": ratio.high, **verdict}
        )
    return pl.DataFrame(rows, schema=_FOUR_FIFTHS)


_FOUR_FIFTHS: dict[str, type[pl.DataType]] = (
    dict.fromkeys(("attribute", "least", "most"), pl.String)
    | dict.fromkeys(("ratio", "low", "high"), pl.Float64)
    | dict.fromkeys(("alert", "certain"), pl.Boolean)
)


def _comparable(groups: pl.Series, outcomes: Flags) -> dict[str, Flags]:
    """Return who belongs to each group that is large enough and known."""
    return {
        group: (groups == group).to_numpy()
        for group, size in _sizes(groups, outcomes).items()
        if not size["small"] and group != UNKNOWN
    }


def proxy_auc(features: pl.DataFrame, folds: int = 3, seed: int = 0, top: int = 10) -> Separability:
    """Measure how well sex can be predicted from the features without protected attributes.

    At 0.5 the model cannot know; near 1, leaving sex out hides it from the reader only. Applicants
    of unknown sex are left out, and so are the columns of `scoring.features.PROTECTED`; men are the
    second group of `separability`.
    """
    known = features.filter(pl.col("CODE_GENDER").cast(pl.String).is_in(["F", "M"]))
    men = (known["CODE_GENDER"].cast(pl.String) == "M").to_numpy()
    return separability(known, men, folds, seed, top, without=("SK_ID_CURR", *PROTECTED))
