"""Reasons: the causes that raised a PD most, each with the value that it is told by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features.causes import (
    ABSENCES,
    CAUSES,
    COUNTS_OF_KNOWN,
    INDICES,
    NEVER,
    PROTECTED_CAUSE,
    SAYS_AGE,
    SAYS_AGE_BESIDE,
    cause_of,
)
from scoring.features.directions import DIRECTIONS, WORSE_ABOVE, WORSE_BELOW
from scoring.features.wording.reasons import Value, nothing_known_text, read_alike, reason_text
from scoring.language import LANGUAGES
from scoring.serving.families.base import Explanations, Feature, Floats
from scoring.serving.profiles import Profile, value_of

# The most that are told of one decision, and the least part of what raised the PD that is told:
# a cause that adds next to nothing is no reason.
REASONS = 4
LEAST_SHARE = 0.05
# The least part that a value adds which is told though the rest of its cause is better than usual.
ALONE_SHARE = 0.1

_CAUSES = tuple(CAUSES)
_PROTECTED = _CAUSES.index(PROTECTED_CAUSE)
# Values put in the place of others that the model scores at a time.
_MOST_ROWS = 20_000


Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model makes of some applicants.

    Attributes
    ----------
    values : numpy.ndarray of shape (applicants, features)
        What the model read: numbers, category codes, NaN where unknown.
    pds : numpy.ndarray of shape (applicants,)
        Calibrated probabilities of default.
    contributions : numpy.ndarray of shape (applicants, features)
        In calibrated log-odds.
    base : float
        A row's contributions plus the base is the logit of its PD.
    """

    values: Floats = field(repr=False)
    pds: Floats
    contributions: Floats = field(repr=False)
    base: float

    def alone(self, row: int) -> Scored:
        """What the model makes of one of them."""
        own = slice(row, row + 1)
        return Scored(self.values[own], self.pds[own], self.contributions[own], self.base)


class Step(NamedTuple):
    """What one feature adds to the log-odds of default, and its value."""

    feature: str
    value: Value
    contribution: float


class CauseSteps(NamedTuple):
    """What one cause adds, and what each of its features does."""

    cause: str
    contribution: float
    steps: tuple[Step, ...]


class Reason(NamedTuple):
    """A cause that raised the PD.

    Attributes
    ----------
    cause : str
        One of `scoring.features.causes.CAUSES`.
    contribution : float
        What all its features together add to the log-odds of default.
    feature : str
        The feature that it is told by: the one that raised the PD most and says something.
    value : float, str or None
        Its value for the applicant.
    usual : float, str or None
        Its usual value among the applicants that the model accepts.
    nothing_known : bool
        Whether nothing at all is known of the cause.
    """

    cause: str
    contribution: float
    feature: str
    value: Value
    usual: Value
    nothing_known: bool = False

    @property
    def texts(self) -> dict[str, str]:
        """The reason in one sentence, by language."""
        return {language: self.text(language) for language in LANGUAGES}

    def text(self, language: str) -> str:
        """The reason in one sentence of a language."""
        nothing = nothing_known_text(self.cause, language) if self.nothing_known else None
        return nothing or reason_text(self.cause, self.feature, self.value, self.usual, language)


def reasons_json(reasons: Sequence[Reason]) -> bytes:
    """Reasons as a JSON list, as they are answered and kept."""
    return orjson.dumps([{**facts_of(reason), "texts": reason.texts} for reason in reasons])


def facts_of(reason: Reason) -> dict[str, Value]:
    """What a reason says apart from words, which can be put better later."""
    facts = reason._asdict()
    del facts["nothing_known"]
    return facts


@dataclass(frozen=True)
class Causes:
    """What a model reads, by cause, and what of it is told.

    Attributes
    ----------
    features : tuple of Feature
        What the model reads, in its order.
    profile : Profile or None
        The applicants that it learnt from.
    explain, pds : callable
        The contributions of rows of what the model reads, and their PDs.
    """

    features: tuple[Feature, ...]
    profile: Profile | None
    explain: Callable[[Floats], Explanations]
    pds: Callable[[Floats], Floats]

    @cached_property
    def _names(self) -> list[str]:
        return [feature.name for feature in self.features]

    @cached_property
    def _cause_of(self) -> Places:
        return np.array([_CAUSES.index(cause_of(name)) for name in self._names], np.intp)

    @cached_property
    def _absences(self) -> list[tuple[int, Places, Places]]:
        """Of tables that may have no row: the cause then, their features, those that miss then."""
        parts = [frozenset(name.split("__")) for name in self._names]
        absences = []
        for cause, tables in ABSENCES.items():
            own = np.flatnonzero([bool(tables & names) for names in parts])
            if (gaps := own[self._missing[own] > 0]).size:
                absences.append((_CAUSES.index(cause), own, gaps))
        return absences

    @cached_property
    def _age_values(self) -> tuple[Places, Floats]:
        """The values that say age as the model reads them, after the places of their features."""
        pairs = [
            (i, _as_read(feature, value))
            for i, feature in enumerate(self.features)
            for value in SAYS_AGE.get(feature.name, ())
            if value is None or not feature.levels or value in feature.levels
        ]
        return np.array([i for i, _ in pairs], np.intp), np.array([value for _, value in pairs])

    @cached_property
    def _age_beside(self) -> Places:
        return np.flatnonzero([name in SAYS_AGE_BESIDE for name in self._names])

    @cached_property
    def _directions(self) -> Floats:
        directions = [
            DIRECTIONS.get(name, (name in WORSE_ABOVE) - (name in WORSE_BELOW))
            for name in self._names
        ]
        return np.array(directions, np.float64)

    @cached_property
    def _is_index(self) -> Flags:
        return np.array([name in INDICES for name in self._names])

    @cached_property
    def _absence_speaks(self) -> Flags:
        """Of which features it says something that there is no value: most applicants have one."""
        never = np.array([name in NEVER for name in self._names])
        speaks: Flags = ~never & (self._missing < 0.5)
        return speaks

    @cached_property
    def _missing(self) -> Floats:
        """Which share of the training applicants has no value of each feature."""
        if self.profile is None:
            return np.zeros(len(self.features))
        columns = [self.profile.columns[name] for name in self._names]
        return np.array([column.missing / max(column.applicants, 1) for column in columns])

    @cached_property
    def usual(self) -> list[Value]:
        """The usual value of each feature among accepted applicants; None where there is none."""
        known = {} if self.profile is None else self.profile.usual
        return [known.get(name) for name in self._names]

    @cached_property
    def _usual_numbers(self) -> Floats:
        """The usual values that are numbers; NaN for all others."""
        return np.array([v if isinstance(v, float) else np.nan for v in self.usual])

    @cached_property
    def usual_row(self) -> Floats:
        """The usual values as the model reads them."""
        return np.array(list(map(_as_read, self.features, self.usual)))

    @cached_property
    def _usual_adds(self) -> Floats:
        """What the usual values add, all together; less than any value where there are none."""
        if self.profile is None or not self.profile.usual:
            return np.full(len(self.features), -np.inf)
        adds: Floats = self.explain(self.usual_row[np.newaxis]).contributions[0]
        return adds

    @cached_property
    def _usual_raises(self) -> Flags:
        """Of which causes the usual values raise the PD themselves."""
        raises: Flags = np.bincount(self._cause_of, self._usual_adds, len(_CAUSES)) > 0.0
        return raises

    def places(self, values: Floats) -> Places:
        """Find the cause that each value counts under, by its place among the causes.

        It is that of its feature, unless the feature's tables have no row for the applicant, or
        the value says age.
        """
        places = np.tile(self._cause_of, (len(values), 1))
        for place, own, gaps in self._absences:
            absent = np.isnan(values[:, gaps]).all(axis=1)
            if absent.any():
                places[np.ix_(absent, own)] = place
        columns, codes = self._age_values
        read = values[:, columns]
        ages = (read == codes) | (np.isnan(read) & np.isnan(codes))
        if ages.any():
            rows, pairs = np.nonzero(ages)
            places[rows, columns[pairs]] = _PROTECTED
            beside = self._age_beside
            rows, pairs = np.nonzero(np.isnan(values[:, beside]) & ages.any(axis=1, keepdims=True))
            places[rows, beside[pairs]] = _PROTECTED
        return places

    def totals(self, scored: Scored) -> Floats:
        """What each cause adds, of shape (applicants, causes), from what each feature does.

        Summed one by one in the order of the features, so that it does not depend on who else is
        scored.
        """
        return _totals(self.places(scored.values), scored.contributions)

    def principal(self, scored: Scored) -> list[list[str]]:
        """The causes that each applicant is told, the strongest first."""
        places = self.places(scored.values)
        return [
            [_CAUSES[place] for place in own]
            for own in self._principal(scored, places, _totals(places, scored.contributions))
        ]

    def reasons(self, scored: Scored) -> list[list[Reason]]:
        """The reasons of each applicant, the strongest first."""
        places = self.places(scored.values)
        totals = _totals(places, scored.contributions)
        told_by = self._told_by(scored, places)
        unknown = self._unknown(scored.values, places)
        return [
            [
                self._reason(
                    place,
                    totals.item(row, place),
                    told_by(row, place),
                    scored.values[row],
                    unknown.item(row, place),
                )
                for place in own
            ]
            for row, own in enumerate(self._principal(scored, places, totals))
        ]

    def steps(self, scored: Scored, row: int = 0) -> list[CauseSteps]:
        """All that adds to one applicant's PD or takes from it, the strongest first.

        Unlike reasons, protected attributes are among the steps: with the base they add up to the
        logit of the PD. What adds nothing is left out.
        """
        values, contributions = scored.values[row], scored.contributions[row]
        places = self.places(values[np.newaxis])
        totals = _totals(places, contributions[np.newaxis])[0]
        by_cause: list[list[Step]] = [[] for _ in _CAUSES]
        for i in np.argsort(-np.abs(contributions), kind="stable").tolist():
            if contributions[i] != 0.0:
                step = Step(self._names[i], self._value(i, values.item(i)), contributions.item(i))
                by_cause[places[0, i]].append(step)
        return [
            CauseSteps(_CAUSES[place], float(totals[place]), tuple(by_cause[place]))
            for place in np.argsort(-np.abs(totals), kind="stable").tolist()
            if by_cause[place]
        ]

    def _principal(self, scored: Scored, places: Places, totals: Floats) -> list[list[int]]:
        """The causes that are told, by their places: the strongest that could be put right."""
        whole = totals.clip(0.0).sum(axis=1, keepdims=True)
        raised = (totals > 0.0) & (totals >= LEAST_SHARE * whole)
        raised[:, _PROTECTED] = False
        raised &= ~self._no_help(scored, places, raised, ALONE_SHARE * whole)
        # A stable sort: equal contributions keep the order of the causes.
        order = np.argsort(-np.where(raised, totals, 0.0), axis=1, kind="stable")[:, :REASONS]
        return [
            [place for place in own.tolist() if raised[row, place]] for row, own in enumerate(order)
        ]

    def _no_help(self, scored: Scored, places: Places, raised: Flags, alone: Floats) -> Flags:
        """Whether a cause's values are no worse than the usual ones: with those the PD stays.

        What a cause adds is held against the average applicant, whose occupation is a bit of
        everything, and the usual one may be riskier. Only where it is, it has to be tried: with
        all the usual values of the cause, and with those of the values that add enough alone. Who
        has been employed for three months is told so, though the occupation is better than usual.
        """
        tried = raised & self._usual_raises
        for least in (np.full_like(alone, -np.inf), alone):
            rows, causes = np.nonzero(tried)
            for start in range(0, rows.size, _MOST_ROWS):
                some, cause = rows[start : start + _MOST_ROWS], causes[start : start + _MOST_ROWS]
                usual = places[some] == cause[:, np.newaxis]
                usual &= scored.contributions[some] >= least[some]
                after = self.pds(np.where(usual, self.usual_row, scored.values[some]))
                tried[some, cause] = after >= scored.pds[some]
        return tried

    def _reason(self, place: int, total: float, i: int, values: Floats, unknown: bool) -> Reason:
        feature, value, usual = self._names[i], self._value(i, values.item(i)), self.usual[i]
        return Reason(
            cause=_CAUSES[place],
            contribution=total,
            feature=feature,
            value=value,
            usual=None if usual in SAYS_AGE.get(feature, ()) else usual,
            nothing_known=unknown and (value is None or feature in COUNTS_OF_KNOWN),
        )

    def _unknown(self, values: Floats, places: Places) -> Flags:
        """Of which causes an applicant has no value that can be missing, (applicants, causes)."""
        known = ~np.isnan(values) & (self._missing > 0)
        unknown: Flags = _totals(places, known.astype(np.float64)) == 0.0
        return unknown

    def _told_by(self, scored: Scored, places: Places) -> Callable[[int, int], int]:
        """Make the function that chooses the feature by which a cause is told.

        Of the cause's features that raised this applicant's PD, it takes the
        largest whose value speaks for itself, and the largest of all if none does.
        """
        better = self._better(scored.values)
        missing = np.isnan(scored.values)
        worse = (scored.contributions > self._usual_adds) & ~better & ~self._is_index
        speaks = np.where(missing, self._absence_speaks, worse)
        order = np.argsort(-scored.contributions, axis=1, kind="stable")
        raised = (scored.contributions > 0.0).sum(axis=1)

        def choose(row: int, place: int) -> int:
            by_size = order[row, : raised[row]]
            own = by_size[places[row, by_size] == place]
            for i in own[speaks[row, own]].tolist():
                said = self._value(i, scored.values.item(row, i))
                if said is None or not read_alike(self._names[i], said, self.usual[i]):
                    return int(i)
            return int(min(own.tolist(), key=lambda i: (self._is_index[i], better[row, i])))

        return choose

    def _better(self, values: Floats) -> Flags:
        """Which numbers are better than usual."""
        better: Flags = self._directions * (values - self._usual_numbers) < 0.0
        return better

    def _value(self, i: int, value: float) -> Value:
        return value_of(self.features[i].levels, value)


def _totals(places: Places, contributions: Floats) -> Floats:
    totals = np.empty((len(contributions), len(_CAUSES)))
    for row, own in enumerate(contributions):
        totals[row] = np.bincount(places[row], own, len(_CAUSES))
    return totals


def _as_read(feature: Feature, value: Value) -> float:
    """A value as the model reads it: a number, a category's code, NaN where there is none."""
    if value is None:
        return np.nan
    return feature.levels.index(str(value)) if feature.levels else float(value)
