"""The notice of a decision: what an applicant is told of it, as a page and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from api.decisions.answers import reasons_of
from api.settings import Settings
from scoring.features.vectors import Layouts, VectorError, from_bytes, layout
from scoring.formats import filled, percents
from scoring.language import text
from scoring.serving.offers import LOAN, Loan, difference_text
from scoring.store import Override, Prediction, Review

# Where features come from, by how their names begin; the rest is of the application itself.
_SOURCES = {
    "EXT_SOURCE": "scores", "bureau": "bureau", "AMT_REQ_": "bureau", "OBS_": "circle",
    "DEF_": "circle", "previous__": "previous", "card__": "payments",
    "installments__": "payments", "pos_cash__": "payments",
}  # fmt: skip
_KIND = "NAME_CONTRACT_TYPE"
_OF_OTHERS = frozenset({"scores", "bureau", "circle"})


class Section(NamedTuple):
    """A heading, a list and sentences below it."""

    title: str
    items: tuple[str, ...]
    sentences: tuple[str, ...]


class History(NamedTuple):
    """A decision with the overrides and reviews since, the oldest first.

    `origin` is the decision that it is a counter-offer to, if that is one and still on record;
    `demonstration` says whether its model learnt from invented applicants, None if nobody knows.
    """

    prediction: Prediction
    origin: Prediction | None
    overrides: Sequence[Override]
    reviews: Sequence[Review]
    demonstration: bool | None

    @property
    def in_force(self) -> str:
        """The decision of the last override, else the recorded one."""
        return self.overrides[-1].decision if self.overrides else self.prediction.decision

    @property
    def at(self) -> datetime:
        """Since when it is in force."""
        return self.overrides[-1].at if self.overrides else self.prediction.at


def notice_of(
    history: History, layouts: Layouts, settings: Settings, language: str
) -> dict[str, Any]:
    """Write the notice of a decision from the record, as the templates take it.

    Parameters
    ----------
    history : History
        The decision and what came after it.
    layouts : Layouts
        What stands where in recorded features.
    settings : Settings
        Its terms stand in for those of decisions from before terms were recorded.
    language : str
        One of `scoring.language.LANGUAGES`.
    """
    prediction, words = history.prediction, _Words(language)
    terms = settings.as_of(prediction.terms)
    sections = (
        Section("", (), tuple(_decision(history, words))),
        *_loan(history, layouts, words),
        _reasons(history, words),
        _data(prediction, layouts, terms, words),
        _review(history, terms, words),
    )
    return {
        "language": language,
        "title": words("title"),
        "demonstration": words("demonstration") if history.demonstration else "",
        "lender": [*_lender(terms, words)],
        "facts": [*_facts(prediction, words)],
        "decision": words(f"decision.{history.in_force}"),
        "sections": sections,
    }


class _Words:
    """The notice's catalogue in one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        return filled(text(self.language, f"notice.{key}"), self.language, values)


def _lender(terms: Settings, words: _Words) -> Iterator[str]:
    yield terms.lender_name or words("lender.no_name")
    lines = [line.strip() for line in terms.lender_address.split(";") if line.strip()]
    yield from lines or [words("lender.no_address")]


def _reach(terms: Settings, words: _Words) -> str:
    """Say how the lender is reached, as far as its address is known."""
    return words("lender.at_address" if terms.lender_address.strip(" ;") else "lender.at_branch")


def _facts(prediction: Prediction, words: _Words) -> Iterator[tuple[str, str]]:
    yield words("facts.reference"), prediction.id
    # A pseudonym tells the applicant nothing.
    if prediction.applicant.isdigit():
        yield words("facts.applicant"), prediction.applicant
    yield words("facts.assessed"), words("facts.date", at=prediction.at)


def _decision(history: History, words: _Words) -> Iterator[str]:
    """Say who decided when, and, where a person or chance did, why."""
    drawn = history.prediction.exploration == "drawn"
    if history.overrides:
        *earlier, last = history.overrides
        before = earlier[-1] if earlier else history.prediction
        word = words(f"decision.words.{before.decision if earlier or not drawn else 'drawn'}")
        after = "decision.after_person" if earlier else "decision.after_program"
        yield words(after, at=last.at, before=before.at, word=word)
        yield words("decision.motive", motive=last.motive)
    else:
        kinds = {"refer": "referred", "accept": "with_person" if history.prediction.actor else ""}
        kind = kinds.get(history.in_force) or "automatic"
        yield words(f"decision.{kind}", at=history.prediction.at)
        if (chance := history.prediction.exploration) in ("drawn", "not drawn"):
            yield words(f"decision.{chance.replace(' ', '_')}")


def _loan(history: History, layouts: Layouts, words: _Words) -> Iterator[Section]:
    """Say of a counter-offer in what its loan differs from the one that was asked for."""
    if (number := history.prediction.counter_offer_to) is None:
        return
    decisions = (history.origin, history.prediction)
    asked, offered = (decision and _loan_of(decision, layouts) for decision in decisions)
    differences = asked.differences(offered) if asked and offered else {}
    said = (difference_text(term, *both, words.language) for term, both in differences.items())
    unknown = () if differences else (words("loan.unknown"),)
    stands = "withdrawn" if history.in_force == "refuse" else "offered"
    origin = words(f"loan.{stands}.origin", reference=number)
    yield Section(words(f"loan.{stands}.title"), tuple(said), (origin, *unknown))


def _loan_of(prediction: Prediction, layouts: Layouts) -> Loan | None:
    """Read the loan that was decided on out of the features, which every decision has."""
    values, kinds = _known_values(prediction, layouts), layout().levels[_KIND]
    if not {LOAN[0], _KIND} <= values.keys():
        return None
    return Loan.asked({**values, _KIND: kinds[int(values[_KIND])]})


def _reasons(history: History, words: _Words) -> Section:
    prediction = history.prediction
    reasons = [reason["texts"][words.language] for reason in reasons_of(prediction)]
    # What the model made of an application is no reason for what a person decided otherwise.
    refused = history.in_force == prediction.decision == "refuse"
    shares = (prediction.pd, prediction.refer_low, prediction.refer_high)
    pd, low, high = percents(shares, words.language)
    band = "reasons.cutoff" if low == high else "reasons.band"
    probability = words("reasons.probability", pd=pd) + " " + words(band, low=low, high=high)
    return Section(
        words("reasons.title" if refused else "reasons.assessment"),
        tuple(reasons),
        (probability,) if reasons else (words("reasons.none"), probability),
    )


def _data(prediction: Prediction, layouts: Layouts, terms: Settings, words: _Words) -> Section:
    sources = _sources(prediction, layouts)
    sentences = [] if sources else [words("data.unknown")]
    if prediction.misunderstood:
        count = len(orjson.loads(prediction.misunderstood))
        sentences.append(words("data.misunderstood", count=count))
    sentences.append(words("data.correct", reach=_reach(terms, words)))
    if _OF_OTHERS.intersection(sources):
        bureau = terms.credit_bureau
        named = words("data.bureau", bureau=bureau) if bureau else words("data.no_bureau")
        sentences.append(named)
    items = tuple(words(f"data.sources.{source}") for source in sources)
    return Section(words("data.title"), items, tuple(sentences))


def _sources(prediction: Prediction, layouts: Layouts) -> list[str]:
    """Which sources gave any value, the application first; none if that cannot be read."""
    known = _known_values(prediction, layouts)
    if not known:
        return []
    given = (
        source
        for start, source in _SOURCES.items()
        if any(name.startswith(start) for name in known)
    )
    return list(dict.fromkeys(["application", *given]))


def _known_values(prediction: Prediction, layouts: Layouts) -> dict[str, float]:
    """Read the features that a decision was taken on and that are known; none if it cannot be."""
    try:
        made = layouts.of(prediction.feature_set_version)
        values = from_bytes(prediction.features, made).tolist()
    except VectorError:
        return {}
    return {name: v for name, v in zip(layout().names, values, strict=True) if v == v}


def _review(history: History, terms: Settings, words: _Words) -> Section:
    """Tell how to contest the decision, and what came of it where the applicant has done so."""
    until = history.at + timedelta(days=terms.contest_days)
    # Nothing can be contested before a person has decided.
    referred = history.in_force == "refer"
    right = "review.referred" if referred else "review.right"
    reach, number, days = _reach(terms, words), history.prediction.id, terms.review_days
    sentences = [words(right, reach=reach, until=until, reference=number, days=days)]
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
    if history.prediction.terms is None:
        sentences.append(words("review.of_today"))
    title = words("review.title_referred" if referred else "review.title")
    return Section(title, (), tuple(sentences))
