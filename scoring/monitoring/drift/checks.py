"""What Evidently says of a study, as tables: notebook 3 builds the reports and passes them on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import polars as pl

# Evidently reads this when it is imported.
os.environ.setdefault("DO_NOT_TRACK", "1")

from evidently.core.report import Snapshot

Labelled = Literal["both", "reference", "neither"]


@dataclass(frozen=True)
class Checks:
    """Evidently's reports on a study, and whose outcomes are known.

    "drift" is of the features and the PD, with their missing values and those that the reference
    does not have; "summary" has every statistic of the leading columns. "classification" is of the
    current applicants against the reference, of the reference alone where only its outcomes are
    known, and not there where none are.
    """

    snapshots: Mapping[str, Snapshot] = field(repr=False)
    labelled: Labelled

    @cached_property
    def results(self) -> dict[str, Any]:
        """The figures and tests of each, as plain values."""
        return {
            name: json.loads(part.json(), parse_constant=lambda _: None)
            for name, part in self.snapshots.items()
        }

    @cached_property
    def tests(self) -> pl.DataFrame:
        """Every test: subject (drift or classification), column, test, found and passed."""
        rows = [
            {
                "subject": name,
                "column": test["metric_config"]["params"].get("column"),
                "test": test["name"],
                "found": test["description"],
                "passed": test["status"] == "SUCCESS",
            }
            for name, part in self.results.items()
            for test in part["tests"]
        ]
        return pl.DataFrame(rows, schema=_TESTS, orient="row")

    @cached_property
    def quality(self) -> dict[str, float]:
        """Figures of the classification, by name."""
        classification = self.results.get("classification", {"metrics": []})
        return {
            metric["metric_name"].split("(")[0]: metric["value"]
            for metric in classification["metrics"]
            if isinstance(metric["value"], int | float)
        }


_TESTS = {
    "subject": pl.String,
    "column": pl.String,
    "test": pl.String,
    "found": pl.String,
    "passed": pl.Boolean,
}
