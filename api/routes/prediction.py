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

from api.decisions import example
from api.decisions.answers import Answer, answer_of
from api.decisions.reader import Applicant, known_number
from api.decisions.service import Caller, Case, history_of
from api.http.access import current_client, scope
from api.http.bodies import (
    JSON,
    JSON_LINES,
    digest_of,
    idempotency_key,
    json_answer,
    read_body,
    split,
)
from api.http.openapi import KEY, NOT_READY, applicant_body, batch_body, problem
from api.http.problems import FieldError, Problem, ProblemError, document
from api.service import current_service
from scoring.data.values import misunderstood_json
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
    "What is stored of the applicant is damaged, or of another version than this service's",
    "The features of applicant 100002 are of version 1 and this service scores version 2. "
    "Materialise them again, or send the rows.",
)


class _OtherRequestError(ProblemError):
    """A key that stands for another request."""


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
    caller = caller_of(key, digest_of(body))
    first = None if key is None else _first_answer(caller, key)
    case = _case(body, caller)
    (decided,) = [first] if first else current_service().desk.decide([case])
    return json_answer(answer_of(_checked(decided, caller), case.number))


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
    again gets the first answers, and goes on where it was interrupted.
    """
    settings = current_service().settings
    request.max_content_length = settings.batch_body_limit
    key, body = idempotency_key(), read_body(JSON, JSON_LINES)
    lines = request.mimetype == JSON_LINES
    applicants = split(body, settings.batch_limit, lines=lines)
    caller = caller_of(None, digest_of(body))
    if key is not None:
        # Whichever of its applicants were decided on, a batch of that key is this very one.
        _first_answer(caller, *(_own_key(key, index) for index in range(settings.batch_limit)))
    items = list(_items(applicants, caller, key))
    if lines:
        return Response(b"".join(orjson.dumps(item) + b"\n" for item in items), mimetype=JSON_LINES)
    return json_answer({"results": items})


def _items(applicants: list[bytes], caller: Caller, key: str | None) -> Iterator[dict[str, Any]]:
    """The batch's results; a store that fails in the middle fails the whole answer."""
    desk = current_service().desk
    for start in range(0, len(applicants), _CHUNK):
        # Only those decided on together are parsed at a time.
        chunk = [
            _batch_case(one, caller, key, index)
            for index, one in enumerate(applicants[start : start + _CHUNK], start)
        ]
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
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE or isinstance(
            problem, _OtherRequestError
        ):
            raise
        told = document(problem.status, problem.detail, problem.errors)
        return {"index": index, "problem": told}
    return {"index": index, "prediction": answer_of(prediction, case.number)}


def _batch_case(given: bytes, caller: Caller, key: str | None, index: int) -> Case | ProblemError:
    """One applicant of a batch, as it was written."""
    try:
        largest = current_service().settings.body_limit
        if len(given) > largest:
            raise ProblemError(413, f"The applicant is larger than {largest:,} bytes.")
        if key is not None:
            caller = replace(caller, idempotency_key=_own_key(key, index))
        return _case(given, caller)
    except ProblemError as problem:
        return problem


def _own_key(key: str, index: int) -> str:
    """The key of one applicant of a batch: none that a caller can send."""
    return f"{key}\t{index}"


def caller_of(key: str | None, digest: str) -> Caller:
    return Caller(current_client().id, g.request_id, key, digest, g.arrived)


def _case(body: bytes, caller: Caller) -> Case:
    reader = current_service().reader
    found = reader.parse(body)
    number = known_number(found)
    if number is not None:
        return Case(number, None, caller, history="stored")
    return case_of(reader.read(found), caller)


def case_of(applicant: Applicant, caller: Caller) -> Case:
    """An applicant who came with rows, to be decided on."""
    history = history_of(applicant.rows, where="sent") if applicant.history_given else None
    told = misunderstood_json(applicant.misunderstood)
    return Case(applicant.id, applicant.rows, caller, told, history)


def _first_answer(caller: Caller, *keys: str) -> Prediction | None:
    """A prediction that one of the caller's keys stands for already."""
    first = current_service().store.decisions.answered(caller.id, *keys)
    return first and _checked(first, caller)


def _checked(decided: Prediction | ProblemError, caller: Caller) -> Prediction:
    """The prediction, if it answers this very request."""
    if isinstance(decided, ProblemError):
        raise decided
    sent = current_service().store.pseudonyms.concealed(caller.request_sha256)
    if decided.request_sha256 != sent:
        raise _OtherRequestError(
            422, "This Idempotency-Key was used for another request. Take a new one."
        )
    return decided
