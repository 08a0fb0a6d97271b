"""Alarms that a monitor would raise at the beginning of a month."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scoring.evaluation.comparison import compare
from scoring.monitoring.thresholds import Thresholds
from scoring.serving.scorer import encode
from studies.simulation.branch import RECENT_MONTHS, Branch, reasons_of

_THRESHOLDS = Thresholds()


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """Limits from which on there is an alarm.

    Attributes
    ----------
    weighted_psi : float
        Of last month's applicants, over all features by their importance.
    deviation : float
        Of the defaults of the newest months from what the PDs promised, in standard deviations.
    """

    weighted_psi: float = _THRESHOLDS.weighted_psi.warning
    deviation: float = 3.0


def of_applicants(branch: Branch, month: int, limits: AlarmLimits) -> Iterator[str]:
    """Tell whether last month's applicants are others than those the champion was made for."""
    scorer = branch.champion
    if month == 0 or scorer.profile is None:
        return
    own = [i for i, decision in enumerate(branch.last) if decision.model_version == scorer.version]
    rows = branch.arrivals.of_month(month - 1)[own]
    decisions = [branch.last[i] for i in own]
    features = branch.trainer.pool.features[branch.arrivals.place[rows]]
    current = scorer.profile.counted(
        encode(features, scorer.features),
        branch.ledger.pd[rows],
        [decision.decision for decision in decisions],
        reasons_of(decisions),
    )
    comparison = compare(scorer.profile, current)
    if comparison.pd["level"] == "large":
        yield f"the PDs have moved (PSI {comparison.pd['psi']:.2f})"
    if comparison.weighted_psi > limits.weighted_psi:
        yield f"the applicants have changed (weighted PSI {comparison.weighted_psi:.2f})"


def of_outcomes(branch: Branch, month: int, limits: AlarmLimits) -> Iterator[str]:
    """Tell whether the newest outcomes that the champion has not learnt from are as promised."""
    since = max(branch.since, month - branch.delay - RECENT_MONTHS)
    rows = branch.labelled(month, since)
    if not rows.size:
        return
    places = branch.arrivals.place[rows]
    pds = branch.champion.predict(branch.trainer.pool.features[places])
    expected = float(pds.sum())
    if expected < _THRESHOLDS.least_defaults:
        return
    defaults = int(np.sum(branch.arrivals.defaulted[rows]))
    deviation = (defaults - expected) / math.sqrt(float((pds * (1.0 - pds)).sum()))
    if abs(deviation) > limits.deviation:
        yield f"{defaults} defaults where {expected:.0f} were to be expected"
