"""What was decided: GET /predictions/{id}, its explanation, and an officer's override."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from flask import Response, request
from pydantic import BaseModel, ConfigDict, Field

from api.decisions import example
from api.decisions.answers import Answer, answer_of
from api.decisions.explanation import CauseContribution, explain, withhold_values
from api.http import openapi
from api.http.access import current_client, may_see, scope, sees_all
from api.http.bodies import Body, Motive, Text, asked_language, fields_of, json_answer, read_model
from api.http.problems import ProblemError
from api.service import current_service
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.store import ERASED, Exploration, Override, Prediction

blueprint = openapi.resource("records", "records", "What was decided, and what came of it")

# Each has a motive of up to 2,000 characters; there were more before they were bounded.
MOST_OVERRIDES = 20
_TOO_MANY = f"There are {MOST_OVERRIDES} overrides of this decision: no more are taken."
_ERASED = "What this decision was taken on has been erased."
ERASED_PROBLEM = openapi.problem(410, "The applicant was erased", _ERASED)
NOT_SEEN = (
    "Somebody else has decided otherwise, or the outcome is known. Read GET /predictions/{id}; to "
    "decide all the same, send its ETag as If-Match."
)


class OverrideAnswer(BaseModel):
    """An officer's own decision."""

    decision: Literal["accept", "refuse"]
    actor: str
    motive: str
    at: datetime


class OutcomeAnswer(BaseModel):
    """What happened later."""

    defaulted: bool
    observed_at: datetime


class Record(Answer):
    """A decision with what came after it."""

    model_config = ConfigDict(json_schema_extra={"example": example.RECORD})

    propensity: float | None = Field(
        ge=0,
        le=1,
        description="How likely the policy was to decide so, whatever officers did since; null "
        "where it is not on record",
    )
    exploration: Exploration | None = Field(
        description="Of a refusal within the band that is explored: drawn, and so accepted; not "
        "drawn; or budget spent, where nobody is drawn; null for all others"
    )
    final_decision: Decision = Field(description="That of the last override, else the decision")
    overrides: list[OverrideAnswer] = Field(
        max_length=MOST_OVERRIDES, description="The last ones, the oldest of them first"
    )
    outcome: OutcomeAnswer | None
    counter_offers: list[str] = Field(
        max_length=MOST_OVERRIDES,
        description="The decisions on loans that were offered in the place of this one, the "
        "oldest first; those of the same key without the scope read",
    )


class Explanation(BaseModel):
    """A probability taken apart: base + contributions of the causes = logit."""

    id: str
    language: str
    base: float = Field(description="The log-odds of an average applicant of the training data")
    logit: float = Field(description="The log-odds of the probability")
    probability_of_default: float
    causes: list[CauseContribution] = Field(
        description="All that are not zero, the largest in size first"
    )


class PredictionPath(BaseModel):
    """Which decision."""

    id: str = Field(description="Of a decision, as POST /predict answered it")


class ReferredQuery(BaseModel):
    """How far back, and how many."""

    days: int = Field(default=90, ge=1, le=3660, description="Decided in so many days before now")
    limit: int = Field(default=100, ge=1, le=1000, description="The most that are told")


class ReferredFacts(BaseModel):
    """A decision that waits for an officer."""

    id: str
    at: datetime
    applicant: int | str
    probability_of_default: float
    cutoff: float
    refer_reasons: list[ReferReason]


class Referred(BaseModel):
    """Decisions that wait for an officer."""

    predictions: list[ReferredFacts]


class OverrideBody(Body):
    """An officer's own decision, which stands in the place of the model's."""

    decision: Literal["accept", "refuse"]
    actor: Text = Field(description="Who decides")
    motive: Motive = Field(description="Why; it is kept with the decision")


@blueprint.get(
    "/predictions",
    summary="What waits for an officer's decision",
    responses={200: Referred, 422: openapi.WRONG_QUERY, 503: openapi.STORE_AWAY},
)
@scope("score", "read")
def referred_predictions(query: ReferredQuery) -> Response:
    """Decisions that were referred and that nobody has overridden since, the oldest first.

    Without the scope read those of the same key; with it all, and a look at others' is recorded.
    """
    store, own = current_service().store, None if sees_all() else current_client().id
    since = datetime.now(UTC) - timedelta(days=query.days)
    waiting = store.decisions.referred(since=since, caller=own, limit=query.limit)
    if any(prediction.caller != current_client().id for prediction in waiting):
        note_read("referred_predictions", "")
    answers = map(answer_of, waiting)
    facts = [{name: one[name] for name in ReferredFacts.model_fields} for one in answers]
    return json_answer({"predictions": facts})


@blueprint.get(
    "/predictions/<string:id>",
    summary="A decision as it was recorded",
    responses={200: Record, 404: openapi.NOT_FOUND, 503: openapi.STORE_AWAY},
)
@scope("score", "read")
def prediction(path: PredictionPath) -> Response:
    """The decision, the overrides since, and the outcome once it is known; with an ETag.

    Without the scope read a key finds what it decided itself; with it all, and who looked at
    what others decided is recorded.
    """
    prediction = find_decision(path.id, "prediction")
    return record_answer(prediction, current_service().store.outcomes.overrides(prediction.id))


@blueprint.get(
    "/predictions/<string:id>/explanation",
    summary="Every contribution to the probability",
    responses={
        200: Explanation,
        404: openapi.NOT_FOUND,
        410: openapi.problem(
            410,
            "The decision's model or its version of the features is not kept any more",
            "The model of this decision is not kept any more.",
        ),
        503: openapi.STORE_AWAY,
    },
    openapi_extensions=openapi.operation(openapi.LANGUAGE),
)
@scope("score", "read")
def explanation(path: PredictionPath) -> Response:
    """Contributions in log-odds that add up, with the base, to the logit of the probability.

    In French or English, as Accept-Language prefers. Whose are explained is as for the decision.
    """
    prediction, language = find_kept(path.id, "explanation"), asked_language()
    archived = current_service().archived
    scorer = archived.get(prediction.model_digest)
    explained = explain(prediction, scorer, archived.layouts, language)
    # Of a decision by number, or with a stored history, the values are not the caller's own.
    if (prediction.source == "id" or prediction.history == "stored") and not sees_all():
        withhold_values(explained)
    return json_answer(explained, language=language)


@blueprint.post(
    "/predictions/<string:id>/override",
    summary="Decide otherwise",
    responses={
        201: Record,
        **openapi.BAD_BODY,
        404: openapi.NOT_FOUND,
        409: openapi.problem(409, "The decision has too many overrides", _TOO_MANY),
        410: ERASED_PROBLEM,
        412: openapi.problem(412, "The decision is not as If-Match says", NOT_SEEN),
        428: openapi.problem(428, "There is an override, and no If-Match", NOT_SEEN),
        503: openapi.STORE_AWAY,
    },
    openapi_extensions=openapi.operation(openapi.IF_MATCH, body=openapi.body_of(OverrideBody)),
)
@scope("outcome")
def override(path: PredictionPath) -> Response:
    """An officer accepts or refuses, with a motive; the model's decision stays on record.

    To override an override it has to have been seen: its ETag is sent as If-Match. Without the
    scope read a key overrides what it decided itself.
    """
    body = read_model(OverrideBody)
    prediction, store, caller = find_kept(path.id), current_service().store, current_client().id
    known, now = store.outcomes.overrides(prediction.id), datetime.now(UTC)
    new = Override(prediction.id, body.decision, body.actor, body.motive, now, caller)
    # The same sent again, since its answer was lost, is recorded once.
    if not (known and replace(known[-1], at=now) == new):
        check_seen(record_answer(prediction, known), known)
        if not store.outcomes.override(new, seen=len(known)):
            raise ProblemError(412 if request.if_match else 428, NOT_SEEN)
        # As they are kept: a store under pseudonyms changes a text that tells a number.
        known = store.outcomes.overrides(prediction.id)
    response = record_answer(prediction, known)
    response.status_code = 201
    return response


def note_read(what: str, applicant: str, prediction_id: str | None = None) -> None:
    """Record that the current client looks at what is not its own, before it does."""
    current_service().store.decisions.note_read(current_client().id, what, applicant, prediction_id)


def find_decision(number: str, what: str | None = None) -> Prediction:
    """Look up a decision that the client may see; a look at others' decisions is recorded."""
    prediction = current_service().store.decisions.find(number)
    if prediction is None or not may_see(prediction.caller):
        raise ProblemError(404, "There is no decision of that id.")
    if what is not None and prediction.caller != current_client().id:
        note_read(what, prediction.applicant, prediction.id)
    return prediction


def find_kept(number: str, what: str | None = None) -> Prediction:
    """Look up as `find_decision` does; ProblemError 410 if the applicant was erased."""
    prediction = find_decision(number, what)
    if prediction.applicant == ERASED:
        raise ProblemError(410, _ERASED)
    return prediction


def check_seen(record: Response, known: Sequence[Override]) -> None:
    """Refuse to override what the caller may not have seen."""
    if len(known) >= MOST_OVERRIDES:
        raise ProblemError(409, _TOO_MANY)
    if known and not request.if_match:
        raise ProblemError(428, NOT_SEEN)
    if request.if_match and not request.if_match.contains(record.get_etag()[0] or ""):
        raise ProblemError(412, NOT_SEEN)


def record_answer(prediction: Prediction, overrides: Sequence[Override]) -> Response:
    """Answer a decision with what came after it."""
    store = current_service().store
    outcome = store.outcomes.find(prediction.id)
    counter_offers = store.decisions.search(
        counter_offer_to=prediction.id,
        caller=None if sees_all() else current_client().id,
        limit=MOST_OVERRIDES,
    )
    response = json_answer(
        {
            **answer_of(prediction),
            "propensity": prediction.propensity,
            "exploration": prediction.exploration,
            "final_decision": overrides[-1].decision if overrides else prediction.decision,
            "overrides": [
                fields_of(OverrideAnswer, override) for override in overrides[-MOST_OVERRIDES:]
            ],
            "outcome": outcome and fields_of(OutcomeAnswer, outcome),
            "counter_offers": [offered.id for offered in counter_offers],
        }
    )
    response.add_etag()
    return response
