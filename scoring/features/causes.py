"""What a reason may be about: every feature belongs to one cause.

An applicant is told causes, never features: the average and the lowest of the same scores are one
thing to know, and putting it right is one thing to do. What a cause adds to the log-odds of
default is the sum of what its features add. Of one applicant a value may count under another cause
than its feature's, if it says age or that a table has no row.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from scoring.errors import ScoringError

# Sex, age, family status and what stands for it. No reason names them, even where a model was made
# to use them.
PROTECTED_CAUSE = "protected"

# In the order of `causes.toml` beside this module, in which equal contributions are told.
CAUSES: Mapping[str, Sequence[str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text("utf-8")
)

# What sums others up by a rule of ours: it counts, and others of its cause are told.
INDICES = frozenset({"application__EXT_SOURCES_FILLED"})

# Values that say age or sex in other words: a pension, maternity leave, and no employment, which is
# mostly retirement. The principal reasons have to be told and these never may: they count with the
# protected attributes, and their cause is told for what else it adds, or not at all.
SAYS_AGE: Mapping[str, frozenset[str | float | None]] = {
    "NAME_INCOME_TYPE": frozenset({"Maternity leave", "Pensioner"}),
    "application__NOT_EMPLOYED": frozenset({1.0}),
    "DAYS_EMPLOYED": frozenset({None}),
    "ORGANIZATION_TYPE": frozenset({None}),
}
# What is missing beside one of these says it too.
SAYS_AGE_BESIDE = frozenset({"OCCUPATION_TYPE"})

# Where none of these tables has a row for an applicant, all their features say one thing: they
# count under one cause, so that an absence is told once.
ABSENCES: Mapping[str, frozenset[str]] = {
    "history_elsewhere": frozenset({"bureau", "bureau_balance"}),
    "earlier_loans_here": frozenset({"previous", "pos_cash", "installments", "card", "loan"}),
}

# Numbers that are there even where nothing is known of their cause.
COUNTS_OF_KNOWN = frozenset({"application__EXT_SOURCES_KNOWN", "application__EXT_SOURCES_FILLED"})

# Without a value it never happened, which is no gap in what is known.
NEVER = frozenset(
    {
        "previous__DAYS_DECISION__refused__max",
        "previous__YEARLY_RATE__refused__mean",
        "bureau_balance__LAST_LATE_MONTH__all__max",
        "pos_cash__LATE_MONTH__all__max",
        "card__LATE_MONTH__all__max",
    }
)

# Likewise nothing is unknown of a car where there is none.
NONE_OWNED = frozenset({"OWN_CAR_AGE"})

_BY_FEATURE = {feature: cause for cause, features in CAUSES.items() for feature in features}


class CauseError(ScoringError):
    """A feature belongs to no cause."""


def cause_of(feature: str) -> str:
    """Name the cause that a feature belongs to.

    Raises
    ------
    CauseError
        If it belongs to none.
    """
    try:
        return _BY_FEATURE[feature]
    except KeyError:
        raise CauseError(
            f"the feature {feature!r} belongs to no cause: add it to scoring/features/causes.toml"
        ) from None
