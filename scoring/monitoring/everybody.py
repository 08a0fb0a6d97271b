"""Figures of all whom a policy with exploration had a chance to accept, the refused among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from scoring.evaluation import off_policy
from scoring.evaluation.bootstrap import Flags
from scoring.evaluation.off_policy import ENOUGH_EXPLORED, Estimates, Logged
from scoring.monitoring.findings import Estimated, Everybody
from scoring.serving.costs import Costs
from scoring.store import Chances
from scoring.store.windows import Texts

# The least share of a month's loans whose outcome is known: of fewer they are the early ones.
_REPORTED = 0.5
# Where grades end, and cut-offs that were not used, as parts of the cut-off in force.
_GRADES = (0.25, 0.5, 1.0, 2.0)
_OTHER_CUTOFFS = (0.5, 2.0)
# Whether a version would have refused, by the decision's id.
Shadows = Mapping[str, Mapping[bytes, bool]]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Those of some decisions who had a chance, in months most of whose outcomes are known.

    `kept` says who they are; `logged` is None where nobody's outcome is known. `explored` counts
    the outcomes of those whom exploration drew, and `left_out` all others, by why.
    """

    kept: Flags
    logged: Logged | None
    explored: int
    left_out: Counter[str]


def cohort(decisions: Chances, used: Flags | None = None) -> Cohort:
    """Choose whom estimates stand for, and tell how likely each was to show an outcome.

    It is the policy's chance times the share of loans, in the same month and given by the rule or
    by exploration alike, whose outcome is known, and among those `used` if that is given. Within
    these, outcomes that are late and loans that an officer refused after all are taken to be
    missing at random, and so are those not used (response homogeneity groups: Sarndal, Swensson,
    Wretman, "Model assisted survey sampling", 1992, section 15.6).
    """
    used = decisions.known if used is None else decisions.known & used
    months, chance = decisions.at.astype("M8[M]"), decisions.chance.copy()
    drawn = decisions.exploration == b"drawn"
    banded = drawn | (decisions.exploration == b"not drawn")
    kept, left_out = np.ones(chance.size, dtype=np.bool_), Counter[str]()

    def leave_out(why: str, who: Flags) -> None:
        left_out[why] += int((kept & who).sum())
        kept[who] = False

    spent = decisions.exploration == b"budget spent"
    for month in np.unique(months[spent]):
        own = months == month
        leave_out("budget_spent", own & (decisions.at >= decisions.at[own & spent].min()))
    leave_out("referred", np.isnan(chance))
    leave_out("no_chance", chance == 0.0)
    for month in np.unique(months):
        for group in (~banded & (months == month), banded & (months == month)):
            loans = kept & group & (drawn | ~banded)
            if not loans.any():
                continue
            if decisions.known[loans].mean() < _REPORTED or not used[loans].any():
                leave_out("too_young", months == month)
            chance[group] *= used[loans].mean()
    seen, logged = used & kept, None
    if seen.any():
        logged = Logged(decisions.pds[kept], chance[kept], seen[kept], decisions.defaulted[kept])
    return Cohort(kept, logged, int((seen & drawn).sum()), left_out)


def everybody(
    decisions: Chances, shadows: Shadows, cutoff: float, costs: Costs
) -> Everybody | None:
    """Estimate a model's figures for all who had a chance; None where there was no exploration.

    `shadows` are whom models that were scored along would have refused of the same applicants.
    """
    if not decisions.ids.size:
        return None
    chosen = cohort(decisions)
    logged, counted = chosen.logged, int(chosen.kept.sum())
    observed = int((decisions.known & chosen.kept).sum())
    counts = Everybody(counted, observed, chosen.explored, dict(chosen.left_out))
    if logged is None or chosen.explored < ENOUGH_EXPLORED:
        return counts
    in_force = logged.pds > cutoff
    figures = {
        "default_rate": off_policy.default_rate(logged),
        "auc": off_policy.auc(logged),
        "observed_to_expected": off_policy.observed_to_expected(logged),
        "business_cost": off_policy.policy_cost(logged, in_force, costs),
    }
    rows = [Estimated(name, counted, estimates) for name, estimates in figures.items()]
    rows += _grades(logged, cutoff)
    for other in (cutoff * factor for factor in _OTHER_CUTOFFS):
        difference = _difference(logged, logged.pds > other, in_force, costs)
        rows.append(Estimated("cutoff", counted, difference, up_to=other))
    rows += _models(decisions.ids[chosen.kept], logged, shadows, in_force, costs)
    return replace(counts, figures=rows)


def _grades(logged: Logged, cutoff: float) -> Iterator[Estimated]:
    edges = [cutoff * part for part in _GRADES]
    grade = np.searchsorted(edges, logged.pds)
    largest = float(logged.pds.max())
    for place, (above, up_to) in enumerate(pairwise([0.0, *edges, 1.0])):
        own = grade == place
        seen = logged.observed & own
        # Without a default the rate would look certain.
        enough = seen.sum() >= ENOUGH_EXPLORED and logged.defaulted[seen].any()
        rate = off_policy.default_rate(logged.part(own)) if enough else None
        if own.any():
            yield Estimated("grade", int(own.sum()), rate, above, min(up_to, largest))


def _models(
    ids: Texts, logged: Logged, shadows: Shadows, in_force: Flags, costs: Costs
) -> Iterator[Estimated]:
    """Each version that was scored along, on those whom it scored."""
    for version, by_id in sorted(shadows.items()):
        scored = np.isin(ids, list(by_id))
        if (logged.observed & scored).any():
            refused = np.array([by_id[number] for number in ids[scored]])
            difference = _difference(logged.part(scored), refused, in_force[scored], costs)
            yield Estimated("model", refused.size, difference, version=version)


def _difference(logged: Logged, refused: Flags, in_force: Flags, costs: Costs) -> Estimates | None:
    """The mean cost of refusing some, minus that of refusing others, of the same applicants.

    None where of those who would be accepted anew too few outcomes are known for an interval.
    """
    anew = in_force & ~refused
    if anew.any() and (logged.observed & anew).sum() < ENOUGH_EXPLORED:
        return None
    more = refused.astype(np.float64) - in_force
    return off_policy.expectation(logged, -costs.false_negative * more, costs.false_positive * more)
