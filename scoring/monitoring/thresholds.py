"""Thresholds of alerts: defaults, a TOML file, environment variables."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from scoring.errors import ScoringError
from scoring.evaluation.comparison import Limits

# ALERT_AT_WEIGHTED_PSI=0.1,0.25 sets weighted_psi.
PREFIX = "ALERT_AT_"
FILE_VARIABLE = "ALERT_THRESHOLDS"

_NEVER = math.inf
_LIMIT_EXAMPLE = "0.1, 0.25"
# Those of single columns, which a comparison has by itself.
_COLUMN = Limits()


class ThresholdError(ScoringError):
    """A threshold that cannot be used."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The size from which on something is a warning, and from which on it is critical.

    Infinity is never reached.
    """

    warning: float
    critical: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds from which on a finding is an alert.

    A change has to be both certain and large. `significance` bounds the chance of one false alarm
    in each of four families of tests (features, PD and decisions, reasons, outcomes), so all
    together that of a false alarm in a window; it is of p-values that are adjusted within their
    family. The limits say what is worth an alert at all.

    Attributes
    ----------
    least_applicants, least_defaults : float
        With fewer in the window the applicants are not judged, and outcomes with fewer defaults to
        be expected of those whose outcome is known.
    least_importance : float
        Features with a smaller part in the PDs have no alert of their own, unless they have
        gone missing as a whole; `weighted_psi` sees them together.
    weighted_psi : Limit
        Sum over features of importance x PSI, missing values being a bin like any other.
    pd_psi, column_psi : Limit
        PSI of the PD, and of a feature's values, beyond that of chance.
    missing, decisions, reasons : Limit
        Change of the share of applicants without a feature's value, of those accepted or refused,
        of those who are told a reason.
    unknown_categories, outside : Limit
        Share of applicants with a category that the model does not know, or with a number beyond
        those of the training.
    skewed : Limit
        Share of recomputed decisions of which a feature came out otherwise; any counts by default.
    p99_ms, errors : Limit
        Milliseconds that 99 % of the answers take at most; answers with a status of 500 or more,
        per decision.
    overdue_reviews : Limit
        Reviews that were due before the end of the window and that nobody has decided on.
    auc_loss, cost_rise, calibration : Limit
        Promised less realised AUC; realised over promised cost an applicant, less one; distance
        from 1 of defaults over the sum of PDs.
    """

    significance: float = _COLUMN.significance
    least_applicants: float = 100
    least_defaults: float = 10
    least_importance: float = 0.005
    weighted_psi: Limit = Limit(0.1, 0.25)
    pd_psi: Limit = Limit(0.1, 0.25)
    column_psi: Limit = Limit(_COLUMN.large_psi, _NEVER)
    missing: Limit = Limit(_COLUMN.large_missing, 0.5)
    decisions: Limit = Limit(0.05, 0.15)
    reasons: Limit = Limit(0.1, _NEVER)
    unknown_categories: Limit = Limit(0.005, 0.1)
    outside: Limit = Limit(0.01, 0.1)
    skewed: Limit = Limit(0.0, 0.0)
    p99_ms: Limit = Limit(500.0, 5000.0)
    errors: Limit = Limit(0.001, 0.01)
    overdue_reviews: Limit = Limit(1.0, 10.0)
    auc_loss: Limit = Limit(0.03, 0.06)
    cost_rise: Limit = Limit(0.15, 0.3)
    calibration: Limit = Limit(0.2, 0.4)

    @classmethod
    def from_settings(
        cls, environment: Mapping[str, str] = os.environ, file: Path | None = None
    ) -> Thresholds:
        """Read thresholds: the defaults, changed by a TOML file, changed by environment variables.

        A limit is two numbers, in TOML `pd_psi = [0.1, 0.25]`, in the environment
        `ALERT_AT_PD_PSI=0.1,0.25`; `inf` is never reached. `file` stands in the place of the one
        that the variable `ALERT_THRESHOLDS` names.

        Raises
        ------
        ThresholdError
            If the file cannot be read, a name is unknown or a value cannot be used.
        """
        path = environment.get(FILE_VARIABLE) if file is None else file
        given = _read(Path(path)) if path else {}
        for variable, text in environment.items():
            if variable.startswith(PREFIX):
                name = variable.removeprefix(PREFIX).lower()
                given[name] = variable, text.split(",")
        changes: dict[str, Any] = {name: _value(name, *place) for name, place in given.items()}
        return replace(cls(), **changes)


def _read(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """The values of a file by name, each with where it stands."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ThresholdError(f"thresholds cannot be read from {path}: {error}") from error
    return {
        name: (f"{name} in {path}", value if isinstance(value, list) else [value])
        for name, value in settings.items()
    }


def _value(name: str, where: str, given: list[Any]) -> float | Limit:
    usual = {field.name: field.default for field in fields(Thresholds)}
    if name not in usual:
        near = difflib.get_close_matches(name, usual, 1, cutoff=0.0)[0]
        raise ThresholdError(f"{where} is no threshold; the nearest is {near}")
    numbers = _numbers(given)
    if isinstance(usual[name], Limit):
        if len(numbers) == 2 and numbers[0] <= numbers[1]:
            return Limit(*numbers)
        raise ThresholdError(
            f"{where} takes two numbers from 0 on, such as {_LIMIT_EXAMPLE}: from where on "
            "it is a warning, and from where on it is critical, which is not less"
        )
    if len(numbers) == 1 and (name != "significance" or numbers[0] <= 1.0):
        return numbers[0]
    raise ThresholdError(f"{where} takes one number from 0 on, such as {usual[name]}")


def _numbers(given: list[Any]) -> list[float]:
    """The numbers from 0 on that are given; none if something else is among them."""
    try:
        numbers = [float(value) for value in given if not isinstance(value, bool)]
    except (TypeError, ValueError):
        return []
    usable = len(numbers) == len(given) and all(value >= 0.0 for value in numbers)
    return numbers if usable else []
