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
    CAUSES,
    COUNTS_OF_KNOWN,
    INDICES,
    NEVER,
    PROTECTED_CAUSE,
    SAYS_RETIRED,
    UNTOLD_MISSING,
    UNTOLD_VALUES,
    WORSE_ABOVE,
    WORSE_BELOW,
    cause_of,
)
from scoring.features.directions import DIRECTIONS
from scoring.features.wording.reasons import Value, nothing_known_text, read_alike, reason_text
from scoring.language import LANGUAGES
from scoring.serving.families.base import Explanations, Feature, Floats
from scoring.serving.profiles import Profile, value_of

# The most that are told of one decision, and the least part of what raised the PD that is told:
# a cause that adds next to nothing is no reason.
REASONS = 4
LEAST_SHARE = 0.05

_CAUSES = tuple(CAUSES)
_MAY_BE_TOLD = np.array([cause != PROTECTED_CAUSE for cause in _CAUSES])
# Values put in the place of others that the model scores at a time.
_MOST_ROWS = 20_000


Flags = npt.NDArray[np.bool_]


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
    return {
        "cause": reason.cause,
        "contribution": reason.contribution,
        "feature": reason.feature,
        "value": reason.value,
        "usual": reason.usual,
    }


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
    def _cause_of(self) -> npt.NDArray[np.intp]:
        return np.array([_CAUSES.index(cause_of(one.name)) for one in self.features], np.intp)

    @cached_property
    def _features_of(self) -> list[npt.NDArray[np.intp]]:
        return [np.flatnonzero(self._cause_of == place) for place in range(len(_CAUSES))]

    @cached_property
    def _directions(self) -> list[int]:
        names = [feature.name for feature in self.features]
        return [
            DIRECTIONS.get(name, (name in WORSE_ABOVE) - (name in WORSE_BELOW)) for name in names
        ]

    @cached_property
    def _missing(self) -> Floats:
        """Which share of the training applicants has no value of each feature."""
        if self.profile is None:
            return np.zeros(len(self.features))
        columns = [self.profile.columns[feature.name] for feature in self.features]
        return np.array([one.missing / max(one.applicants, 1) for one in columns])

    @cached_property
    def usual(self) -> list[Value]:
        """The usual value of each feature among accepted applicants; None where there is none."""
        known = {} if self.profile is None else self.profile.usual
        return [known.get(feature.name) for feature in self.features]

    @cached_property
    def usual_row(self) -> Floats:
        """The usual values as the model reads them."""
        pairs = zip(self.features, self.usual, strict=True)
        return np.array(
            [
                np.nan if usual is None else one.levels.index(str(usual)) if one.levels else usual
                for one, usual in pairs
            ],
            np.float64,
        )

    def totals(self, contributions: Floats) -> Floats:
        """What each cause adds, of shape (applicants, causes), from what each feature does.

        Summed one by one in the order of the features, so that it does not depend on who else is
        scored.
        """
        totals = np.empty((len(contributions), len(_CAUSES)))
        for row, own in enumerate(contributions):
            totals[row] = np.bincount(self._cause_of, own, len(_CAUSES))
        return totals

    def told(self, scored: Scored) -> list[list[str]]:
        """The causes that each applicant is told, the strongest first."""
        return [
            [_CAUSES[place] for place in places]
            for places in self._principal(scored, self.totals(scored.contributions))
        ]

    def reasons(self, scored: Scored) -> list[list[Reason]]:
        """The reasons of each applicant, the strongest first."""
        totals = self.totals(scored.contributions)
        return [
            [
                self._reason(
                    place, totals[row, place], scored.values[row], scored.contributions[row]
                )
                for place in places
            ]
            for row, places in enumerate(self._principal(scored, totals))
        ]

    def steps(self, scored: Scored, row: int = 0) -> list[CauseSteps]:
        """All that adds to one applicant's PD or takes from it, the strongest first.

        Unlike reasons, protected attributes are among the steps: with the base they add up to the
        logit of the PD. What adds nothing is left out.
        """
        values, contributions = scored.values[row], scored.contributions[row]
        totals = self.totals(contributions[np.newaxis])[0]
        by_cause: list[list[Step]] = [[] for _ in _CAUSES]
        for i in np.argsort(-np.abs(contributions), kind="stable").tolist():
            if contributions[i] != 0.0:
                step = Step(*self._told(i, values.item(i)), contributions.item(i))
                by_cause[self._cause_of[i]].append(step)
        return [
            CauseSteps(_CAUSES[place], float(totals[place]), tuple(by_cause[place]))
            for place in np.argsort(-np.abs(totals), kind="stable").tolist()
            if by_cause[place]
        ]

    def _principal(self, scored: Scored, totals: Floats) -> list[list[int]]:
        """The causes that are told, by their places: the strongest that could be put right."""
        least = LEAST_SHARE * totals.clip(0.0).sum(axis=1, keepdims=True)
        told = (totals > 0.0) & (totals >= least) & _MAY_BE_TOLD
        told &= ~self._no_help(scored, told)
        # A stable sort: equal contributions keep the order of the causes.
        order = np.argsort(-np.where(told, totals, 0.0), axis=1, kind="stable")[:, :REASONS]
        return [
            [place for place in own.tolist() if told[row, place]] for row, own in enumerate(order)
        ]

    @cached_property
    def _usual_raises(self) -> Flags:
        """Of which causes the usual values raise the PD themselves."""
        if self.profile is None or not self.profile.usual:
            return np.zeros(len(_CAUSES), np.bool_)
        contributions, _ = self.explain(self.usual_row[np.newaxis])
        raises: Flags = self.totals(contributions)[0] > 0.0
        return raises

    def _no_help(self, scored: Scored, told: Flags) -> Flags:
        """Whether a cause's values are no worse than the usual ones: with those the PD stays.

        What a cause adds is held against the average applicant, whose occupation is a bit of
        everything, and the usual one may be riskier. Only where it is, it has to be tried.
        """
        tried = told & self._usual_raises
        rows, places = np.nonzero(tried)
        for start in range(0, rows.size, _MOST_ROWS):
            some, causes = rows[start : start + _MOST_ROWS], places[start : start + _MOST_ROWS]
            usual = self._cause_of == causes[:, np.newaxis]
            after = self.pds(np.where(usual, self.usual_row, scored.values[some]))
            tried[some, causes] = after >= scored.pds[some]
        return tried

    def _reason(self, place: int, total: float, values: Floats, contributions: Floats) -> Reason:
        own = self._features_of[place]
        pairs = zip(contributions[own].tolist(), own.tolist(), strict=True)
        raised = [i for _, i in sorted((-added, i) for added, i in pairs if added > 0.0)]
        chosen = next((i for i in raised if self._speaks(i, values.item(i))), None)
        if chosen is None:
            chosen = min(raised, key=lambda i: self._doubts(i, values.item(i)))
        feature, value = self._told(chosen, values.item(chosen))
        return Reason(
            cause=_CAUSES[place],
            contribution=float(total),
            feature=feature,
            value=value,
            usual=self.usual[chosen],
            nothing_known=(value is None or feature in COUNTS_OF_KNOWN)
            and self._nothing_known(place, values),
        )

    def _speaks(self, i: int, value: float) -> bool:
        """Tell whether a value says by itself what raised the PD."""
        feature, told = self._told(i, value)
        if told is None:
            told_as_missing = feature not in NEVER and feature not in UNTOLD_MISSING
            return told_as_missing and bool(self._missing[i] < 0.5)
        return not any(self._doubts(i, value)) and not read_alike(feature, told, self.usual[i])

    def _doubts(self, i: int, value: float) -> tuple[bool, bool]:
        """Why a value is not told if another can be: it may not be, or is better than usual."""
        feature, told = self._told(i, value)
        usual = self.usual[i]
        better = isinstance(usual, float) and self._directions[i] * (value - usual) < 0
        private = told in UNTOLD_VALUES or (told is None and feature in UNTOLD_MISSING)
        return private or feature in INDICES | SAYS_RETIRED, better

    def _nothing_known(self, place: int, values: Floats) -> bool:
        """Tell whether all is missing of a cause that can be."""
        own = self._features_of[place]
        return bool(np.isnan(values[own][self._missing[own] > 0]).all())

    def _told(self, i: int, value: float) -> tuple[str, Value]:
        feature = self.features[i]
        return feature.name, value_of(feature.levels, value)
