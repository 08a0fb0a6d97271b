"""GET /applicants/{id}: who the service knows, and what was decided on them."""

import zlib
from datetime import datetime
from typing import Any

import orjson
from flask import Response
from pydantic import BaseModel, Field

from api.decisions.answers import Answer, answer_of
from api.http.access import current_client, scope, sees_all
from api.http.bodies import json_answer
from api.http.openapi import NOT_FOUND, STORE_AWAY, problem, resource
from api.http.problems import ProblemError
from api.routes.records import note_read
from api.service import current_service
from scoring.data.requests import rows_of
from scoring.data.values import put_back
from scoring.features.vectors import layout

blueprint = resource("applicants", "applicants", "Applicants that were materialised")

_LARGEST_NUMBER = 2**31 - 1
_WRONG = problem(422, "That cannot be an applicant's number", "id must be a whole number.")


class ApplicantPath(BaseModel):
    """Which applicant."""

    id: int = Field(ge=0, le=_LARGEST_NUMBER, description="SK_ID_CURR")


class HistoryQuery(BaseModel):
    """How far back."""

    limit: int = Field(default=20, ge=1, le=100, description="The most decisions that are told")


class KnownApplicant(BaseModel):
    """An applicant whose rows and features the service has."""

    applicant: int
    feature_set_version: str = Field(description="Of the stored features")
    fresh: bool = Field(description="Whether POST /predict takes them: they are of this version")
    dataset: str = Field(description="Digest of the dataset that they come from")
    materialized_at: datetime
    rows: dict[str, Any] = Field(
        description="The rows, as POST /predict takes them; where numbers are not kept, loans have "
        "other ones"
    )


class Decisions(BaseModel):
    """Decisions on one applicant."""

    decisions: list[Answer] = Field(description="The newest first")
    own_only: bool = Field(
        default=False, description="Told where the key has no scope read: there may be others"
    )


@blueprint.get(
    "/applicants/<int:id>",
    summary="What the service knows of an applicant",
    responses={200: KnownApplicant, 404: NOT_FOUND, 422: _WRONG, 503: STORE_AWAY},
)
@scope("read")
def applicant(path: ApplicantPath) -> Response:
    """The rows of a materialised applicant; changed, they can be sent to POST /predict.

    Who looked at them is recorded.
    """
    store = current_service().store
    stored = store.applicants.find(path.id)
    if stored is None:
        raise ProblemError(404, f"No applicant {path.id} is known.")
    note_read("applicant", store.pseudonyms.applicant(path.id))
    rows: object = orjson.Fragment(zlib.decompress(stored.rows))
    if store.pseudonyms.hide or stored.misunderstood:
        tables = rows_of(stored.rows, path.id)
        (application,) = tables["application"]
        rows = whole = {**tables, "application": application}
        put_back(whole, orjson.loads(stored.misunderstood or "[]"))
    return json_answer(
        {
            "applicant": stored.applicant,
            "feature_set_version": stored.feature_set_version,
            "fresh": stored.feature_set_version == layout().digest,
            "dataset": stored.dataset,
            "materialized_at": stored.materialized_at.isoformat(),
            "rows": rows,
        }
    )


@blueprint.get(
    "/applicants/<int:id>/predictions",
    summary="What was decided on an applicant",
    responses={200: Decisions, 404: NOT_FOUND, 422: _WRONG, 503: STORE_AWAY},
)
@scope("score", "read")
def applicant_predictions(path: ApplicantPath, query: HistoryQuery) -> Response:
    """The decisions on record for an applicant, the newest first.

    Without the scope read those of the same key; with it all, and a look at others' is recorded.
    """
    store = current_service().store
    key, own = store.pseudonyms.applicant(path.id), None if sees_all() else current_client().id
    made = list(
        store.decisions.search(applicant=key, caller=own, limit=query.limit, newest_first=True)
    )
    if any(prediction.caller != current_client().id for prediction in made):
        note_read("applicant_predictions", key)
    decisions = [answer_of(prediction, path.id) for prediction in made]
    return json_answer({"decisions": decisions, **({} if own is None else {"own_only": True})})
