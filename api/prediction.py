"""POST /predict: an applicant's rows in, a decision with its reasons out."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, current_app, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from werkzeug.exceptions import RequestEntityTooLarge

from api import example
from api.applicant import Applicant, ApplicantReader
from api.champion import current_scorer
from api.decision import Answer, decide
from api.openapi import NOT_READY, applicant_body, problem
from api.problems import FieldError, ProblemError

blueprint = APIBlueprint(
    "prediction",
    __name__,
    abp_tags=[Tag(name="prediction", description="Decisions on applications")],
)

_RESPONSES: dict[str | int, Any] = {
    200: Answer,
    400: problem(
        400,
        "The body is not JSON in UTF-8",
        "The body is not JSON in UTF-8 (RFC 8259): unexpected end of data.",
    ),
    413: problem(
        413,
        "The body is too large",
        "The body is larger than 10,485,760 bytes. Send one applicant's rows only.",
    ),
    415: problem(
        415,
        "The body is said to be something else than JSON",
        "Send the body as application/json, in UTF-8.",
    ),
    422: problem(
        422,
        "The JSON is not an applicant",
        "One field is wrong; errors says which and why.",
        [
            FieldError(
                pointer="/bureau/3/AMT_CREDIT_SUM",
                detail='AMT_CREDIT_SUM must be a number from -10000000000 to 10000000000, not "12"',
            )
        ],
    ),
    503: NOT_READY,
}


def init_app(app: Flask, row_limit: int) -> None:
    """Prepare the reading of requests: the checks are compiled once."""
    app.extensions["applicant_reader"] = ApplicantReader(row_limit)


@blueprint.post(
    "/predict",
    operation_id="predict",
    summary="Decide on an application from Kaggle's rows",
    responses=_RESPONSES,
    openapi_extensions={"requestBody": applicant_body(example.REQUEST)},
)
def predict() -> Response:
    """The probability that the applicant defaults, the decision, and what drove it.

    Histories may be left out or empty, columns that are not required left out or null, and
    history rows need not repeat SK_ID_CURR.
    """
    applicant = _read_applicant()
    answer = decide(applicant, current_scorer())
    return Response(answer.model_dump_json(), content_type="application/json")


def _read_applicant() -> Applicant:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise ProblemError(415, "Send the body as application/json, in UTF-8.")
    if request.content_encoding not in (None, "", "identity"):
        raise ProblemError(415, "Send the body as it is, without a Content-Encoding.")
    reader: ApplicantReader = current_app.extensions["applicant_reader"]
    return reader.read(_read_body())


def _read_body() -> bytes:
    """The body; 413 if it is too large."""
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) == request.max_content_length:
        # A body sent in chunks does not say its length, and is cut off at the limit.
        raise RequestEntityTooLarge
    return body
