"""Scenarios: five ways in which applicants change, each a known function of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_YEAR = 12.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Differences from the world that the first model learnt in; zeros are that world.

    Attributes
    ----------
    mix : float
        Who applies (covariate shift): an applicant is drawn with a weight of exp(mix x risk),
        risk being the place among all applicants as a standard normal number.
    level : float
        How many default (label shift): added to everybody's log-odds of default.
    burden : float
        Who defaults (concept shift): burden x strain is added to the log-odds, strain being the
        place by annuity over income, as a standard normal number.
    """

    mix: float = 0.0
    level: float = 0.0
    burden: float = 0.0

    def times(self, strength: float) -> Conditions:
        """Return the same change, stronger or weaker."""
        return Conditions(self.mix * strength, self.level * strength, self.burden * strength)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A course of time: the change at its peak, and how strong it is in a month of so many."""

    name: str
    peak: Conditions
    strength: Callable[[int, int], float]

    def conditions(self, month: int, months: int) -> Conditions:
        """Return the conditions in a month."""
        return self.peak.times(self.strength(month, months))


def _for_a_while(month: int, months: int) -> float:
    """Up within an eighth of the time from its first quarter on, down in the third one's last."""
    rising = (month / months - 1 / 4) * 8
    falling = (3 / 4 - month / months) * 8
    return min(max(min(rising, falling), 0.0), 1.0)


def _steadily(month: int, months: int) -> float:
    return month / max(months - 1, 1)


def _by_season(month: int, _months: int) -> float:
    return math.sin(2.0 * math.pi * month / _YEAR)


def _at_once(month: int, months: int) -> float:
    return float(month >= months / 3)


# What each is like in words is in the catalogue `simulation`.
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("none", Conditions(), lambda _month, _months: 0.0),
        Scenario("sudden", Conditions(mix=0.4, level=0.2, burden=0.8), _at_once),
        Scenario("gradual", Conditions(mix=0.4, level=0.4, burden=1.0), _steadily),
        Scenario("seasonal", Conditions(mix=0.4, level=0.3), _by_season),
        Scenario("recession", Conditions(mix=0.3, level=0.8, burden=0.5), _for_a_while),
    )
}
