"""POST /predict and /predict/batch: applicants in, decisions with their reasons out."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, g, request
from pydantic import BaseModel, Field

from api.decisions import example
from api.decisions.answers import Answer, answer_of
from api.decisions.counter_offers import TAKEN, wrong
from api.decisions.requests import Applicant, Caller, DecisionRequest
from api.http import openapi
from api.http.access import current_client, may_see, scope
from api.http.bodies import JSON, JSON_LINES, idempotency_key, json_answer, read_body, split
from api.http.problems import Problem, ProblemError
from api.service import current_service
from scoring.store import Prediction

blueprint = openapi.resource("prediction", "prediction", "Decisions on applications")

# So many applicants of a batch are decided together, and others may come in between.
_CHUNK = 32

UNKNOWN = openapi.problem(404, "Nobody is known by that number", "No applicant 100002 is known.")
STALE = openapi.problem(
    409,
    "What is stored of the applicant is damaged, or of another version than this service's",
    "The features of applicant 100002 are of version 1 and this service scores version 2. "
    "Materialise them again, or send the rows.",
)
_CONFLICT = openapi.problem(
    409,
    "A loan is in force already after the application; or what is stored cannot be used",
    TAKEN.format(id="01990f2e-7c1b-7d3a-9f00-0123456789ab"),
)
_ALONE = {"application": example.REQUEST["application"]}
_BY_NUMBER = {"SK_ID_CURR": 100002}
_EXAMPLES = {
    "invented": {"summary": "An invented applicant", "value": example.REQUEST},
    "application alone": {"summary": "Without any credit history", "value": _ALONE},
    "a known applicant": {"summary": "Somebody whose rows the service has", "value": _BY_NUMBER},
}


class _OtherRequestError(ProblemError):
    """A key that stands for another request."""


class Item(BaseModel):
    """One applicant's place in a batch: a decision or a problem."""

    index: int = Field(ge=0, description="Its place in the batch, from 0")
    prediction: Answer | None = Field(default=None, description="The decision")
    problem: Problem | None = Field(default=None, description="Why there is none")


class Batch(BaseModel):
    """A batch's results, in the order of its applicants."""

    # flask-openapi3 reads it.
    model_config = {  # type: ignore[typeddict-unknown-key]
        "openapi_extra": {
            "description": "A result an applicant, in their order; in the form of the request",
            "content": {JSON_LINES: {"schema": {"$ref": "#/components/schemas/Item"}}},
        }
    }

    results: list[Item]


@blueprint.post(
    "/predict",
    summary="Decide on an application from Kaggle's rows, or on a known applicant",
    responses={
        200: Answer,
        **openapi.BAD_ROWS,
        404: UNKNOWN,
        409: _CONFLICT,
        503: openapi.NOT_READY,
    },
    openapi_extensions=openapi.operation(
        openapi.IDEMPOTENCY,
        body=openapi.rows_body({"examples": _EXAMPLES}, of=openapi.DECIDED),
    ),
)
@scope("score")
def predict() -> Response:
    """The probability that the applicant defaults, the decision, and what drove it.

    Send rows (histories may be left out or empty, columns that are not required left out or
    null, and history rows need not repeat SK_ID_CURR; an application without one gets a number
    that nobody has), or SK_ID_CURR alone for an applicant that the service knows. Whoever takes
    another loan than the one that was decided on names that decision in `counter_offer_to` and
    oneself as `actor`: it has to be one that POST /offers tells now, all else as it was, and no
    loan in force already. The decision is recorded before it is answered; sent again with the same
    Idempotency-Key, the same request gets the first answer.
    """
    key, body = idempotency_key(), read_body(JSON)
    caller = caller_of(key, body)
    first = None if key is None else _first_answer(caller, key)
    service = current_service()
    applicant, counter_offer = service.reader.read_decided(body, _origin_of)
    if first is None:
        request = DecisionRequest(applicant, caller, counter_offer)
        (result,) = service.decisions.decide([request])
        first = _checked(result, caller)
    return json_answer(_answer(first, applicant))


@blueprint.post(
    "/predict/batch",
    summary="Decide on up to 1,000 applicants",
    responses={200: Batch, **openapi.BAD_ROWS, 503: openapi.NOT_READY},
    openapi_extensions=openapi.operation(
        openapi.IDEMPOTENCY, body=openapi.batch_body([_ALONE, _BY_NUMBER])
    ),
)
@scope("score")
def predict_batch() -> Response:
    """A decision or a problem for each applicant, as POST /predict would give it.

    One that is wrong does not spoil the others. With an Idempotency-Key, a batch that is sent
    again gets the first answers, and goes on where it was interrupted.
    """
    settings = current_service().settings
    request.max_content_length = settings.batch_body_limit
    key, body = idempotency_key(), read_body(JSON, JSON_LINES)
    lines = request.mimetype == JSON_LINES
    applicants = split(body, settings.batch_limit, lines=lines)
    caller = caller_of(None, body)
    if key is not None:
        # Whichever of its applicants were decided on, a batch of that key is this very one.
        _first_answer(caller, *(_own_key(key, index) for index in range(settings.batch_limit)))
    items = list(_items(applicants, caller, key))
    if lines:
        return Response(b"".join(orjson.dumps(item) + b"\n" for item in items), mimetype=JSON_LINES)
    return json_answer({"results": items})


def _items(applicants: list[bytes], caller: Caller, key: str | None) -> Iterator[dict[str, Any]]:
    """Decide on a batch; a store that fails in the middle fails the whole answer."""
    decisions = current_service().decisions
    for start in range(0, len(applicants), _CHUNK):
        # Only those decided on together are parsed at a time.
        some = applicants[start : start + _CHUNK]
        own = replace(caller, arrived=time.perf_counter(), together=len(some))
        requests = [
            _request_of(body, own, None if key is None else _own_key(key, index))
            for index, body in enumerate(some, start)
        ]
        results = decisions.decide(requests)
        for index, (made, result) in enumerate(zip(requests, results, strict=True), start):
            yield {"index": index, **_item(made, result)}


def _item(
    request: DecisionRequest | ProblemError, result: Prediction | ProblemError
) -> dict[str, Any]:
    try:
        if isinstance(request, ProblemError):
            raise request
        prediction = _checked(result, request.caller)
    except ProblemError as problem:
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE or isinstance(
            problem, _OtherRequestError
        ):
            raise
        return {"problem": problem.document()}
    return {"prediction": _answer(prediction, request.applicant)}


def _answer(prediction: Prediction, applicant: Applicant) -> dict[str, Any]:
    """Answer a decision with the number that was asked with, unless it is another's.

    An applicant without a number gets a new one each time; an earlier answer keeps its own.
    """
    same = prediction.applicant == current_service().store.pseudonyms.applicant(applicant.id)
    return answer_of(prediction, applicant.id if same else None)


def _request_of(body: bytes, caller: Caller, key: str | None) -> DecisionRequest | ProblemError:
    """Read one applicant of a batch, as it was written."""
    service = current_service()
    largest = service.settings.body_limit
    if len(body) > largest:
        return ProblemError(413, f"The applicant is larger than {largest:,} bytes.")
    try:
        applicant, counter_offer = service.reader.read_decided(body, _origin_of)
        return DecisionRequest(applicant, replace(caller, idempotency_key=key), counter_offer)
    except ProblemError as problem:
        return problem


def _own_key(key: str, index: int) -> str:
    """Make the key of one applicant of a batch: none that a caller can send."""
    return f"{key}\t{index}"


def caller_of(key: str | None = None, body: bytes = b"") -> Caller:
    """Describe who makes the current request, with its Idempotency-Key and its body's SHA-256."""
    digest = hashlib.sha256(body).hexdigest()
    return Caller(current_client().id, g.request_id, key, digest, g.arrived)


def _origin_of(number: str) -> Prediction:
    """Look up the decision that a request is a counter-offer to.

    Raises
    ------
    ProblemError
        422 if it is not on record, or not for the current client to see.
    """
    origin = current_service().store.decisions.find(number)
    if origin is None or not may_see(origin.caller):
        raise wrong("there is no decision of that id")
    return origin


def _first_answer(caller: Caller, *keys: str) -> Prediction | None:
    """Look up the prediction that one of the caller's keys stands for already, if any."""
    first = current_service().store.decisions.answered(caller.id, *keys)
    return first and _checked(first, caller)


def _checked(result: Prediction | ProblemError, caller: Caller) -> Prediction:
    """Return the prediction if it answers this very request, else raise the problem."""
    if isinstance(result, ProblemError):
        raise result
    sent = current_service().store.pseudonyms.concealed(caller.request_sha256)
    if result.request_sha256 != sent:
        raise _OtherRequestError(
            422, "This Idempotency-Key was used for another request. Take a new one."
        )
    return result
