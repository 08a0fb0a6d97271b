"""Reasons: the causes that raised a PD most, each with the value that it is told by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features.causes import CAUSES, NEVER, PROTECTED_CAUSE, UNTOLD_VALUES, cause_of
from scoring.features.directions import DIRECTIONS
from scoring.features.wording.reasons import Value, nothing_known_text, read_alike, reason_text
from scoring.language import LANGUAGES
from scoring.serving.families.base import Feature, Floats
from scoring.serving.profiles import Profile, value_of

# The most that are told of one decision, and the least part of what raised the PD that is told:
# a cause that adds next to nothing is no reason.
REASONS = 4
LEAST_SHARE = 0.05

_CAUSES = tuple(CAUSES)
_PROTECTED = _CAUSES.index(PROTECTED_CAUSE)


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
    """

    features: tuple[Feature, ...]
    profile: Profile | None

    @cached_property
    def _cause_of(self) -> npt.NDArray[np.intp]:
        return np.array([_CAUSES.index(cause_of(one.name)) for one in self.features], np.intp)

    @cached_property
    def _features_of(self) -> list[npt.NDArray[np.intp]]:
        return [np.flatnonzero(self._cause_of == place) for place in range(len(_CAUSES))]

    @cached_property
    def _directions(self) -> list[int]:
        return [DIRECTIONS.get(feature.name, 0) for feature in self.features]

    @cached_property
    def _missing(self) -> Floats:
        """Which share of the training applicants has no value of each feature."""
        if self.profile is None:
            return np.zeros(len(self.features))
        columns = [self.profile.columns[feature.name] for feature in self.features]
        return np.array([one.missing / max(one.applicants, 1) for one in columns])

    @cached_property
    def usual(self) -> list[Value]:
        """The usual value of each feature; None where it is not known."""
        known = {} if self.profile is None else self.profile.usual
        return [known.get(feature.name) for feature in self.features]

    def totals(self, contributions: Floats) -> Floats:
        """What each cause adds, of shape (applicants, causes), from what each feature does.

        Summed one by one in the order of the features, so that it does not depend on who else is
        scored.
        """
        rows = [np.bincount(self._cause_of, row, len(_CAUSES)) for row in contributions]
        return np.array(rows).reshape(-1, len(_CAUSES))

    def told(self, contributions: Floats) -> list[list[str]]:
        """The causes that each applicant is told, the strongest first."""
        return [[_CAUSES[i] for i in _principal(row)] for row in self.totals(contributions)]

    def reasons(self, values: Floats, contributions: Floats) -> list[list[Reason]]:
        """The reasons of each applicant, the strongest first.

        Parameters
        ----------
        values, contributions : numpy.ndarray of shape (applicants, features)
            What the model read, and what that adds to the log-odds of default.
        """
        return [
            [self._reason(place, totals[place], *row) for place in _principal(totals)]
            for totals, *row in zip(self.totals(contributions), values, contributions, strict=True)
        ]

    def steps(self, values: Floats, contributions: Floats) -> list[CauseSteps]:
        """All that adds to one applicant's PD or takes from it, the strongest first.

        Parameters
        ----------
        values, contributions : numpy.ndarray of shape (features,)
            As for `reasons`. Unlike reasons, protected attributes are among the steps: they add up.
        """
        (totals,) = self.totals(contributions[np.newaxis])
        steps = []
        for place in np.argsort(-np.abs(totals), kind="stable"):
            own = _strongest(np.abs(contributions), self._features_of[place])
            if own:
                told = (Step(*self._told(i, values[i]), float(contributions[i])) for i in own)
                steps.append(CauseSteps(_CAUSES[place], float(totals[place]), tuple(told)))
        return steps

    def _reason(self, place: int, total: float, values: Floats, contributions: Floats) -> Reason:
        raised = _strongest(contributions, self._features_of[place])
        ranks = [self._rank(i, values[i]) for i in raised]
        chosen = raised[ranks.index(min(ranks))]
        feature, value = self._told(chosen, values[chosen])
        return Reason(
            cause=_CAUSES[place],
            contribution=float(total),
            feature=feature,
            value=value,
            usual=self.usual[chosen],
            nothing_known=value is None and self._nothing_known(place, values),
        )

    def _rank(self, i: int, value: float) -> int:
        """How ill a feature tells why the PD rose: 0 well, 1 not in itself, 2 not decently."""
        feature, told = self._told(i, value)
        usual, direction = self.usual[i], self._directions[i]
        if told in UNTOLD_VALUES:
            return 2
        if told is None:
            return int(feature in NEVER or self._missing[i] > 0.5)
        # Nobody is told that what is better than usual was held against them.
        better = isinstance(usual, float) and direction * (value - usual) < 0
        return int(better or read_alike(feature, told, usual))

    def _nothing_known(self, place: int, values: Floats) -> bool:
        """Tell whether all is missing of a cause that can be."""
        own = self._features_of[place]
        return bool(np.isnan(values[own][self._missing[own] > 0]).all())

    def _told(self, i: int, value: float) -> tuple[str, Value]:
        feature = self.features[i]
        return feature.name, value_of(feature.levels, value)


def _principal(totals: Floats) -> list[int]:
    """The places of the causes that are told, by what each of all causes adds."""
    least = LEAST_SHARE * totals.clip(0.0).sum()
    raised = np.where(np.arange(totals.size) == _PROTECTED, 0.0, totals)
    # A stable sort: equal contributions keep the order of the causes.
    order = np.argsort(-raised, kind="stable")[:REASONS].tolist()
    return [place for place in order if raised[place] > 0.0 and raised[place] >= least]


def _strongest(strengths: Floats, places: npt.NDArray[np.intp]) -> list[int]:
    """Those of some places where something is above zero, the largest first."""
    order: list[int] = places[np.argsort(-strengths[places], kind="stable")].tolist()
    return [place for place in order if strengths[place] > 0.0]
