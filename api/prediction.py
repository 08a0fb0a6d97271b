"""POST /predict and /predict/batch: applicants in, decisions with their reasons out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api import example
from api.access import current_client, scope
from api.applicant import known_number
from api.decision import Answer, answer_of
from api.desk import Caller, Case
from api.openapi import KEY, NOT_READY, applicant_body, batch_body, problem
from api.problems import FieldError, Problem, ProblemError, document
from api.reading import JSON, JSON_LINES, digest_of, idempotency_key, parse, read_body
from api.service import current_service
from scoring.store import Prediction

blueprint = APIBlueprint(
    "prediction",
    __name__,
    abp_tags=[Tag(name="prediction", description="Decisions on applications")],
    abp_security=KEY,
)

# So many applicants of a batch are decided together, and others may come in between.
_CHUNK = 32

NOT_JSON = problem(
    400,
    "The body is not JSON in UTF-8, or the Idempotency-Key cannot be one",
    "The body is not JSON in UTF-8 (RFC 8259): unexpected end of data.",
)
TOO_LARGE = problem(
    413,
    "The body is too large",
    "The body is larger than 10,485,760 bytes. Send one applicant's rows only.",
)
NOT_SAID_TO_BE_JSON = problem(
    415,
    "The body is said to be something else than JSON",
    "Send the body as application/json, in UTF-8.",
)
WRONG_FIELDS = problem(
    422,
    "The JSON is not an applicant, or the Idempotency-Key was used for another request",
    "One field is wrong; errors says which and why.",
    [
        FieldError(
            pointer="/bureau/3/AMT_CREDIT_SUM",
            detail='AMT_CREDIT_SUM must be a number from -10000000000 to 10000000000, not "12"',
        )
    ],
)
UNKNOWN = problem(404, "Nobody is known by that number", "No applicant 100002 is known.")
STALE = problem(
    409,
    "The applicant's stored features are of another version than this service's",
    "The features of applicant 100002 are of version 1 and this service scores version 2. "
    "Materialise them again, or send the rows.",
)


class Item(BaseModel):
    """One applicant's place in a batch: a decision or a problem."""

    index: int = Field(ge=0, description="Its place in the batch, from 0")
    prediction: Answer | None = Field(default=None, description="The decision")
    problem: Problem | None = Field(default=None, description="Why there is none")


class Batch(BaseModel):
    """A batch's results, in the order of its applicants."""

    results: list[Item]


@blueprint.post(
    "/predict",
    operation_id="predict",
    summary="Decide on an application from Kaggle's rows, or on a known applicant",
    responses={
        200: Answer,
        400: NOT_JSON,
        404: UNKNOWN,
        409: STALE,
        413: TOO_LARGE,
        415: NOT_SAID_TO_BE_JSON,
        422: WRONG_FIELDS,
        503: NOT_READY,
    },
    openapi_extensions={"requestBody": applicant_body(example.REQUEST)},
)
@scope("score")
def predict() -> Response:
    """The probability that the applicant defaults, the decision, and what drove it.

    Send rows (histories may be left out or empty, columns that are not required left out or
    null, and history rows need not repeat SK_ID_CURR), or SK_ID_CURR alone for an applicant
    that the service knows. The decision is recorded before it is answered; sent again with the
    same Idempotency-Key, the same request gets the first answer.
    """
    key, body = idempotency_key(), read_body(JSON)
    caller = _caller(key, digest_of(body))
    first = _first_answer(caller)
    if first is None:
        case = _case(parse(body), caller)
        (decided,) = current_service().desk.decide([case])
        return _json(answer_of(_checked(decided, caller), case.number))
    return _json(answer_of(first, _number(parse(body))))


@blueprint.post(
    "/predict/batch",
    operation_id="predict_batch",
    summary="Decide on up to 1,000 applicants",
    responses={
        200: {
            "description": "A result an applicant, in their order; in the form of the request",
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/Batch"}},
                JSON_LINES: {"schema": {"$ref": "#/components/schemas/Item"}},
            },
        },
        400: NOT_JSON,
        413: TOO_LARGE,
        415: NOT_SAID_TO_BE_JSON,
        422: WRONG_FIELDS,
        503: NOT_READY,
    },
    openapi_extensions={"requestBody": batch_body(example.REQUEST)},
)
@scope("score")
def predict_batch() -> Response:
    """A decision or a problem for each applicant, as POST /predict would give it.

    One that is wrong does not spoil the others. With an Idempotency-Key, a batch that is sent
    again gets the first answers.
    """
    service = current_service()
    request.max_content_length = service.settings.batch_body_limit
    key, body = idempotency_key(), read_body(JSON, JSON_LINES)
    lines = request.mimetype == JSON_LINES
    documents = body.splitlines() if lines else _array(parse(body))
    # Lines of JSON often end with an empty one.
    documents = [one for one in documents if one != b""]
    if len(documents) > service.settings.batch_limit:
        most = service.settings.batch_limit
        raise ProblemError(422, f"{len(documents):,} applicants; at most {most:,} are taken.")
    caller = _caller(None, digest_of(body))
    cases = [_batch_case(one, caller, key, index) for index, one in enumerate(documents)]
    items = list(_items(cases))
    if lines:
        return Response(b"".join(orjson.dumps(item) + b"\n" for item in items), mimetype=JSON_LINES)
    return _json({"results": items})


def _items(cases: list[Case | ProblemError]) -> Iterator[dict[str, Any]]:
    """The batch's results; a store that fails in the middle fails the whole answer."""
    desk = current_service().desk
    for start in range(0, len(cases), _CHUNK):
        chunk = cases[start : start + _CHUNK]
        decided = iter(desk.decide([case for case in chunk if isinstance(case, Case)]))
        for index, case in enumerate(chunk, start):
            yield _item(index, case, case if isinstance(case, ProblemError) else next(decided))


def _item(
    index: int, case: Case | ProblemError, decided: Prediction | ProblemError
) -> dict[str, Any]:
    try:
        if isinstance(case, ProblemError):
            raise case
        prediction = _checked(decided, case.caller)
    except ProblemError as problem:
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        told = document(problem.status, problem.detail, problem.errors)
        return {"index": index, "problem": told}
    return {"index": index, "prediction": answer_of(prediction, case.number)}


def _batch_case(given: object, caller: Caller, key: str | None, index: int) -> Case | ProblemError:
    """One applicant of a batch, given as a line of JSON or as what an array held."""
    try:
        one = parse(given) if isinstance(given, bytes) else given
        if key is not None:
            own = given if isinstance(given, bytes) else orjson.dumps(given)
            caller = replace(
                caller, idempotency_key=f"{key} {index}", request_sha256=digest_of(own)
            )
        return _case(one, caller)
    except ProblemError as problem:
        return problem


def _array(found: object) -> list[object]:
    if not isinstance(found, list):
        raise ProblemError(422, "The body must be an array of applicants.")
    return found


def _caller(key: str | None, digest: str) -> Caller:
    return Caller(current_client().id, g.request_id, key, digest, g.arrived)


def _case(found: object, caller: Caller) -> Case:
    number = known_number(found)
    if number is not None:
        return Case(number, None, caller)
    applicant = current_service().reader.read(found)
    return Case(applicant.id, applicant.rows, caller)


def _first_answer(caller: Caller) -> Prediction | None:
    """The prediction that the caller's key stands for already."""
    if caller.idempotency_key is None:
        return None
    first = current_service().store.answered(caller.id, caller.idempotency_key)
    return first and _checked(first, caller)


def _checked(decided: Prediction | ProblemError, caller: Caller) -> Prediction:
    """The prediction, if it answers this very request."""
    if isinstance(decided, ProblemError):
        raise decided
    sent = current_service().store.pseudonyms.concealed(caller.request_sha256)
    if decided.request_sha256 != sent:
        raise ProblemError(
            422, "This Idempotency-Key was used for another request. Take a new one."
        )
    return decided


def _number(found: object) -> int:
    """SK_ID_CURR of a body that was decided on before."""
    number = known_number(found)
    return current_service().reader.read(found).id if number is None else number


def _json(answer: object) -> Response:
    return Response(orjson.dumps(answer), content_type=JSON)
