"""The notice of a decision: what an applicant is told of it, as a page and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.http.problems import ProblemError
from api.settings import Settings
from scoring.features.vectors import Layouts, VectorError, from_bytes, layout
from scoring.formats import filled
from scoring.language import text
from scoring.store import ERASED, Override, Prediction, Review

# Where features come from, by how their names begin; the rest is of the application itself.
_SOURCES = {
    "EXT_SOURCE": "scores", "bureau": "bureau", "AMT_REQ_": "bureau", "OBS_": "circle",
    "DEF_": "circle", "previous__": "previous", "card__": "payments",
    "installments__": "payments", "pos_cash__": "payments",
}  # fmt: skip
_OF_OTHERS = frozenset({"scores", "bureau", "circle"})


class Section(NamedTuple):
    """A heading, a list and sentences below it."""

    title: str
    items: tuple[str, ...]
    sentences: tuple[str, ...]


class Notice(NamedTuple):
    """All that a notice says, in one language."""

    language: str
    title: str
    lender: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    decision: str
    sections: tuple[Section, ...]


class History(NamedTuple):
    """A decision with the overrides and reviews since, the oldest first."""

    prediction: Prediction
    overrides: Sequence[Override]
    reviews: Sequence[Review]

    @property
    def in_force(self) -> str:
        """The decision of the last override, else the recorded one."""
        return self.overrides[-1].decision if self.overrides else self.prediction.decision

    @property
    def at(self) -> datetime:
        """Since when it is in force."""
        return self.overrides[-1].at if self.overrides else self.prediction.at


def notice_of(history: History, layouts: Layouts, settings: Settings, language: str) -> Notice:
    """Write the notice of a decision, from the record alone but for the lender's settings.

    Parameters
    ----------
    history : History
        The decision and what came after it.
    layouts : Layouts
        What stands where in recorded features.
    settings : Settings
        Who the lender is, and the terms for contesting.
    language : str
        One of `scoring.language.LANGUAGES`.

    Raises
    ------
    ProblemError
        410 if the decision was erased.
    """
    prediction, words = history.prediction, _Words(language)
    if prediction.applicant == ERASED:
        raise ProblemError(410, "What this decision was taken on has been erased.")
    sections = (
        Section("", (), tuple(_decision(history, words))),
        _reasons(history, words),
        _data(prediction, layouts, settings, words),
        _review(history, settings, words),
    )
    return Notice(
        language,
        words("title"),
        tuple(_lender(settings, words)),
        tuple(_facts(prediction, words)),
        words(f"decision.{history.in_force}"),
        sections,
    )


def render(notice: Notice, form: Literal["html", "txt"]) -> str:
    """Write a notice as a page that loads nothing and prints on a sheet of A4, or as text."""
    return _templates().get_template(f"notice.{form}.jinja").render(notice=notice)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("api"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class _Words:
    """The notice's catalogue in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        return filled(text(self.language, f"notice.{key}"), self.language, values)


def _lender(settings: Settings, words: _Words) -> Iterator[str]:
    yield settings.lender_name or words("lender.no_name")
    lines = [line.strip() for line in settings.lender_address.split(";") if line.strip()]
    yield from lines or [words("lender.no_address")]


def _facts(prediction: Prediction, words: _Words) -> Iterator[tuple[str, str]]:
    yield words("facts.reference"), prediction.id
    # A pseudonym tells the applicant nothing.
    if prediction.applicant.isdigit():
        yield words("facts.applicant"), prediction.applicant
    yield words("facts.assessed"), words("facts.date", at=prediction.at)


def _decision(history: History, words: _Words) -> Iterator[str]:
    """Say who decided when, and, where a person did, why."""
    at = history.prediction.at
    if history.overrides:
        last, word = history.overrides[-1], words(f"decision.words.{history.prediction.decision}")
        yield words("decision.person", at=last.at, assessed=at, word=word)
        yield words("decision.motive", motive=last.motive)
    else:
        referred = history.in_force == "refer"
        yield words("decision.referred" if referred else "decision.automatic", at=at)


def _reasons(history: History, words: _Words) -> Section:
    prediction = history.prediction
    reasons = [_told(reason, words.language) for reason in orjson.loads(prediction.reasons)]
    # What the model made of an application is no reason for what a person decided otherwise.
    refused = history.in_force == prediction.decision == "refuse"
    low, high = prediction.refer_low, prediction.refer_high
    probability = words("reasons.probability", pd=prediction.pd, low=low, high=high)
    return Section(
        words("reasons.title" if refused else "reasons.assessment"),
        tuple(reasons),
        (probability,) if reasons else (words("reasons.none"), probability),
    )


def _told(reason: Mapping[str, Any], language: str) -> str:
    """Read a reason in a language, or in another one where that is newer than the record."""
    texts: Mapping[str, str] = reason["texts"]
    return texts.get(language) or next(iter(texts.values()), reason.get("feature", ""))


def _data(prediction: Prediction, layouts: Layouts, settings: Settings, words: _Words) -> Section:
    sources = _sources(prediction, layouts)
    sentences = [] if sources else [words("data.unknown")]
    if prediction.misunderstood:
        count = len(orjson.loads(prediction.misunderstood))
        sentences.append(words("data.misunderstood", count=count))
    sentences.append(words("data.correct"))
    if _OF_OTHERS.intersection(sources):
        bureau = settings.credit_bureau
        named = words("data.bureau", bureau=bureau) if bureau else words("data.no_bureau")
        sentences.append(named)
    items = tuple(words(f"data.sources.{source}") for source in sources)
    return Section(words("data.title"), items, tuple(sentences))


def _sources(prediction: Prediction, layouts: Layouts) -> list[str]:
    """Which sources gave any value, the application first; none if that cannot be read."""
    try:
        made = layouts.of(prediction.feature_set_version)
        values = from_bytes(prediction.features, made)
    except VectorError:
        return []
    known = [name for name, value in zip(layout().names, values, strict=True) if value == value]
    given = (
        source
        for start, source in _SOURCES.items()
        if any(name.startswith(start) for name in known)
    )
    return list(dict.fromkeys(["application", *given]))


def _review(history: History, settings: Settings, words: _Words) -> Section:
    """Tell how to contest the decision, and what came of it where the applicant has done so."""
    until = history.at + timedelta(days=settings.contest_days)
    number, days = history.prediction.id, settings.review_days
    sentences = [words("review.right", until=until, reference=number, days=days)]
    if history.reviews:
        last = history.reviews[-1]
        state = "open" if last.decided_at is None else "overturned" if last.overturned else "kept"
        sentences.append(
            words(
                f"review.{state}",
                received=last.received_at,
                due=last.due_at,
                at=last.decided_at,
                motive=last.motive,
            )
        )
    return Section(words("review.title"), (), tuple(sentences))
