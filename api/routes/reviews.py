"""Reviews: an applicant contests a decision, a person decides; GET /reviews tells what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from flask import Response, request
from pydantic import BaseModel, Field

from api.http.access import current_client, scope, sees_all
from api.http.bodies import (
    SKEW,
    Body,
    Letter,
    Moment,
    Motive,
    Text,
    json_answer,
    read_model,
    wrong_fields,
)
from api.http.openapi import (
    BAD_BODY,
    IF_MATCH,
    NOT_FOUND,
    STORE_AWAY,
    WRONG_QUERY,
    body_of,
    operation,
    problem,
    resource,
)
from api.http.problems import FieldError, ProblemError
from api.routes.records import (
    ERASED_PROBLEM,
    NOT_SEEN,
    PredictionPath,
    check_seen,
    find_decision,
    find_kept,
    record_answer,
)
from api.service import current_service
from scoring.store import Override, Review, ReviewState, StoreChangedError, new_id

blueprint = resource("reviews", "reviews", "Decisions that applicants contest")

_UNKNOWN = "There is no review of that id."
_UNDER_REVIEW = "The decision is under review already: GET /predictions/{id}/reviews tells which."
_CHANGED = (
    "Somebody else has decided on this review, assigned it or overridden the decision meanwhile: "
    "nothing is changed. Read GET /reviews/{id}."
)
_STALE = "The review is not as If-Match says. Read GET /reviews/{id}."
_NONE = problem(404, "There is none", _UNKNOWN)
_WRITTEN: dict[str | int, Any] = {
    **BAD_BODY,
    404: _NONE,
    409: problem(409, "The review was changed meanwhile", _CHANGED),
    503: STORE_AWAY,
}


class ReviewFacts(BaseModel):
    """A review, without what people wrote."""

    id: str
    prediction_id: str = Field(description="The decision that is contested")
    state: Literal["open", "overdue", "decided"]
    received_at: datetime = Field(description="When the applicant asked for it")
    due_at: datetime = Field(description="Until when a person decides")
    assignee: str | None = Field(description="Who is to decide")
    decision: Literal["accept", "refuse"] | None = Field(description="What was decided")
    overturned: bool | None = Field(description="Whether that was another decision than before")
    decided_at: datetime | None


class ReviewAnswer(ReviewFacts):
    """A review as a whole."""

    words: str = Field(description="What the applicant wrote or said")
    actor: str | None = Field(description="Who decided")
    motive: str | None = Field(description="Why")


class ReviewList(BaseModel):
    """Reviews, those that are due first at the head."""

    reviews: list[ReviewFacts]
    next: str | None = Field(description="What to send as `after` for more; null: there is none")


class ReviewsQuery(BaseModel):
    """Which reviews."""

    state: ReviewState = Field(
        default="open", description="open: not decided; overdue: neither, and due before now"
    )
    limit: int = Field(default=100, ge=1, le=1000, description="The most that are told")
    after: str | None = Field(default=None, max_length=36, description="`next` of the page before")


class ReviewPath(BaseModel):
    """Which review."""

    id: str = Field(description="Of a review, as POST /predictions/{id}/reviews answered it")


class ContestBody(Body):
    """What an applicant says against a decision."""

    words: Letter = Field(description="What the applicant wrote or said")
    received_at: Moment | None = Field(
        default=None,
        description="When it came, from the decision to now (RFC 3339, with an offset); now where "
        "it is left out",
    )


class AssigneeBody(Body):
    """Who is to decide."""

    assignee: Text


class RulingBody(Body):
    """What a person decides on a review."""

    decision: Literal["accept", "refuse"] = Field(
        description="What holds from now on: the decision in force is kept, another overrides it"
    )
    actor: Text = Field(description="Who decides")
    motive: Motive = Field(description="Why; the applicant is told")


@blueprint.post(
    "/predictions/<string:id>/reviews",
    summary="Record that an applicant contests a decision",
    responses={
        201: ReviewAnswer,
        **BAD_BODY,
        404: NOT_FOUND,
        409: problem(409, "It is contested already", _UNDER_REVIEW),
        410: ERASED_PROBLEM,
        503: STORE_AWAY,
    },
    openapi_extensions=operation(body=body_of(ContestBody)),
)
@scope("outcome")
def contest(path: PredictionPath) -> Response:
    """Open a review, which a person has to decide on within REVIEW_DAYS of its arrival.

    A decision has one open review at a time; the same words sent again are recorded once.
    Without the scope read a key contests what it decided itself.
    """
    body, now = read_model(ContestBody), datetime.now(UTC)
    prediction, service = find_kept(path.id), current_service()
    received = body.received_at or now
    if not prediction.at - SKEW <= received <= now + SKEW:
        detail = f"must lie between the decision ({prediction.at.isoformat()}) and now"
        raise wrong_fields([FieldError(pointer="/received_at", detail=detail)])
    # What the applicant was promised.
    due = received + timedelta(days=service.settings.as_of(prediction.terms).review_days)
    caller, words = current_client().id, body.words
    new = Review(new_id(), prediction.id, received, due, words, caller)
    kept = service.store.reviews.receive(new)
    # A store under pseudonyms changes a text that tells a number.
    written = service.store.pseudonyms.text(words, prediction.applicant)
    if kept.id != new.id and (kept.words, kept.caller) != (written, caller):
        raise ProblemError(409, _UNDER_REVIEW)
    return _answer(kept, 201)


@blueprint.get(
    "/predictions/<string:id>/reviews",
    summary="The reviews of a decision",
    responses={200: ReviewList, 404: NOT_FOUND, 503: STORE_AWAY},
)
@scope("score", "read", "outcome")
def prediction_reviews(path: PredictionPath) -> Response:
    """All of them, the oldest first; GET /reviews/{id} has the words."""
    prediction = find_decision(path.id)
    return _list(current_service().store.reviews.of(prediction.id))


@blueprint.get(
    "/reviews",
    summary="What officers have to decide on",
    responses={
        200: ReviewList,
        404: problem(404, "`after` is no review", _UNKNOWN),
        422: WRONG_QUERY,
        503: STORE_AWAY,
    },
)
@scope("read", "outcome")
def reviews(query: ReviewsQuery) -> Response:
    """Reviews, a page at a time; without the scope read those of the key's own decisions."""
    store, own = current_service().store.reviews, None if sees_all() else current_client().id
    last = None if query.after is None else _find(query.after)
    some = store.search(query.state, datetime.now(UTC), limit=query.limit, after=last, caller=own)
    return _list(some, some[-1].id if len(some) == query.limit else None)


@blueprint.get(
    "/reviews/<string:id>",
    summary="A review with its words",
    responses={200: ReviewAnswer, 404: _NONE, 503: STORE_AWAY},
)
@scope("read", "outcome")
def review(path: ReviewPath) -> Response:
    """What the applicant wrote, who decides, and what was decided; with an ETag.

    A look at the review of what others decided is recorded.
    """
    return _answer(_find(path.id, "review"))


@blueprint.put(
    "/reviews/<string:id>/assignee",
    summary="Say who is to decide on a review",
    responses={
        200: ReviewAnswer,
        **_WRITTEN,
        412: problem(412, "The review is not as If-Match says", _STALE),
    },
    openapi_extensions=operation(IF_MATCH, body=body_of(AssigneeBody)),
)
@scope("outcome")
def assign_review(path: ReviewPath) -> Response:
    """Assign a review that is open, in the place of who had it; with If-Match as it was seen."""
    body, seen = read_model(AssigneeBody), _find(path.id)
    if request.if_match and not request.if_match.contains(_answer(seen).get_etag()[0] or ""):
        raise ProblemError(412, _STALE)
    try:
        return _answer(current_service().store.reviews.assign(seen, body.assignee))
    except StoreChangedError:
        raise ProblemError(409, _CHANGED) from None


@blueprint.post(
    "/reviews/<string:id>/decision",
    summary="Decide on a review",
    responses={
        201: ReviewAnswer,
        **_WRITTEN,
        412: problem(412, "The decision is not as If-Match says", NOT_SEEN),
        428: problem(428, "The decision has an override, and there is no If-Match", NOT_SEEN),
    },
    openapi_extensions=operation(IF_MATCH, body=body_of(RulingBody)),
)
@scope("outcome")
def decide_review(path: ReviewPath) -> Response:
    """A person keeps the decision or overrides it, once; of two at the same time one does.

    If-Match is the ETag of the decision, as for POST /predictions/{id}/override.
    """
    body, open_review, store = read_model(RulingBody), _find(path.id), current_service().store
    now, caller = datetime.now(UTC), current_client().id
    ruling = {**body.model_dump(), "decided_by": caller}
    if open_review.decided_at is not None:
        # The same sent again, since its answer was lost.
        if any(getattr(open_review, name) != value for name, value in ruling.items()):
            raise ProblemError(409, _CHANGED)
        return _answer(open_review, 201)
    prediction = find_decision(open_review.prediction_id)
    known = store.outcomes.overrides(prediction.id)
    check_seen(record_answer(prediction, known), known)
    override = None
    if body.decision != (known[-1].decision if known else prediction.decision):
        override = Override(prediction.id, body.decision, body.actor, body.motive, now, caller)
    decided = replace(open_review, **ruling, decided_at=now, overturned=override is not None)
    try:
        return _answer(store.reviews.decide(decided, override, seen=len(known)), 201)
    except StoreChangedError:
        raise ProblemError(409, _CHANGED) from None


def _find(number: str, what: str | None = None) -> Review:
    """Look up a review of a decision that the client may see; a look at others' is recorded."""
    review = current_service().store.reviews.find(number)
    try:
        find_decision(review.prediction_id if review else "", what)
    except ProblemError:
        review = None
    if review is None:
        raise ProblemError(404, _UNKNOWN)
    return review


def _fields(review: Review, model: type[ReviewFacts]) -> dict[str, Any]:
    overdue = review.due_at < datetime.now(UTC)
    state = "decided" if review.decided_at else "overdue" if overdue else "open"
    names = (name for name in model.model_fields if name != "state")
    return {"state": state, **{name: getattr(review, name) for name in names}}


def _answer(review: Review, status: int = 200) -> Response:
    response = json_answer(_fields(review, ReviewAnswer), status)
    response.add_etag()
    return response


def _list(some: Sequence[Review], following: str | None = None) -> Response:
    facts = [_fields(review, ReviewFacts) for review in some]
    return json_answer({"reviews": facts, "next": following})
